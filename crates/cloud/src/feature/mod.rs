//! Features: exact windowed count, sum and distinct over the event log.
//!
//! **Definition.** For a decision at time `t` (the receive time of its facts) with cut `c`, an event of the log
//! counts iff it is of the feature's event, all key signals have values equal to the decision's, its log sequence
//! is `< c`, its receive time lies in `(t − window, t]`, and `ingested − received ≤ lateness`. `include_self`
//! adds the deciding event itself where it is of the feature's event, whatever its lateness. An event without a
//! value for `of` adds nothing. Counts and distincts are integers; an integer sum that does not fit 64 bits is an
//! error; a sum of doubles adds in order of log sequence, the deciding event last, starting from 0.0.
//! Every event counts once, because the log holds each (thumbprint, event id) once.
//!
//! The table keeps, for each key, what a window at a time near now can see; it is derived data, rebuilt from
//! the log at start. A question about an older time is answered from the log itself by the caller
//! ([`Lookup::TooOld`]). Bounded: past the limit events are not kept, and a window that may hold one of them reads
//! `unknown(unavailable)`.

mod item;
mod mark;
mod series;

use crate::fact::{Origin, Stated, put};
use glacis_policy::Reading;
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{Answer, Cause, EventName, SignalName, Timestamp};
use hashbrown::HashTable;
use item::{Bytes, Item, MEMBERS_MAX, Member, Row, SHORT_MAX};
use series::{Question, Series, may_hold, only};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How far before now a decision's receive time may lie and still be answered from memory.
///
/// Unit: time. Source: challenges live 5 minutes, edges report within seconds; older reports take the slow way.
pub(crate) const LOOKBACK: Duration = Duration::from_secs(3_600);

/// What is measured over the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    /// How many events.
    Count,
    /// The sum of an integer signal.
    Sum,
    /// The sum of a double signal.
    SumDouble,
    /// How many different values of a signal.
    Distinct,
}

/// A feature as its catalogue defines it; equal definitions share one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Definition {
    pub(crate) signal: SignalName,
    pub(crate) measure: Measure,
    pub(crate) event: EventName,
    pub(crate) key: Vec<Origin>,
    pub(crate) of: Option<Origin>,
    pub(crate) window: Duration,
    pub(crate) lateness: Duration,
    pub(crate) include_self: bool,
}

/// One event of the log as features see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged<'a> {
    pub(crate) seq: u64,
    pub(crate) ingested: Timestamp,
    pub(crate) facts: &'a EventFacts,
}

/// Answer of the table to one question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lookup {
    Known(Answer),
    /// The window reaches behind what memory holds.
    TooOld,
}

/// Most events that are warmed at once.
pub(crate) const WARM_MAX: usize = 32;
/// Room for a usual key, so that writing one allocates once. Unit: bytes.
const KEY_BYTES: usize = 96;

/// Writes the key of an event; where it has none, what a feature by it then reads.
fn read_key(origins: &[Origin], stated: &Stated<'_>, key: &mut Vec<u8>) -> Result<(), Answer> {
    key.clear();
    let lacks = origins.iter().find(|origin| !put(origin.read(stated), key));
    lacks.map_or(Ok(()), |origin| Err(origin.without_key()))
}

const fn is_value(reading: Reading<'_>) -> bool {
    !matches!(reading, Reading::Missing | Reading::Error | Reading::Unknown(_))
}

impl Definition {
    /// What an event of this feature's kind adds; the bytes of a distinct value go to `value`.
    fn item<'v>(&self, stated: &Stated<'_>, value: &'v mut Vec<u8>) -> Option<Item<'v>> {
        let reading = self.of.as_ref().map(|of| of.read(stated));
        match (self.measure, reading) {
            (Measure::Count, None) => Some(Item::One),
            (Measure::Count, Some(reading)) => is_value(reading).then_some(Item::One),
            (Measure::Sum, Some(Reading::Int(value))) => Some(Item::Int(value)),
            (Measure::SumDouble, Some(Reading::Double(value))) => Some(Item::Double(value)),
            (Measure::Distinct, Some(reading)) => {
                value.clear();
                put(reading, value).then_some(Item::Value(value))
            }
            (Measure::Sum | Measure::SumDouble | Measure::Distinct, _) => None,
        }
    }

    fn in_time(&self, logged: &Logged<'_>) -> bool {
        logged.ingested.since(logged.facts.received) <= self.lateness
    }

    /// The value for the deciding event from scratch, over any superset of the events that count. Slow; for
    /// decisions whose time lies behind the table.
    pub(crate) fn answer_over<'a>(
        &self,
        stated: &Stated<'_>,
        cut: u64,
        events: impl Iterator<Item = Logged<'a>>,
    ) -> Answer {
        let (mut key, mut its_key, mut value) = (Vec::new(), Vec::new(), Vec::new());
        if let Err(answer) = read_key(&self.key, stated, &mut key) {
            return answer;
        }
        let member = Member { measure: self.measure, number: 0, column: 0 };
        let mut series = Series::new(VecDeque::new());
        for logged in events.filter(|logged| self.in_time(logged) && logged.facts.event == self.event) {
            let its = Stated::new(logged.facts);
            if read_key(&self.key, &its, &mut its_key).is_ok()
                && its_key == key
                && let Some(item) = self.item(&its, &mut value)
            {
                let mut row = Row::new(logged.facts.received, logged.seq, 1);
                row.put(member, item, None);
                series.insert(&[member], row);
            }
        }
        let own = self.own_item(stated, &mut value);
        series.answer(&Question { member, window: self.window, at: stated.facts.received, cut, own })
    }

    fn own_item<'v>(&self, stated: &Stated<'_>, value: &'v mut Vec<u8>) -> Option<Item<'v>> {
        if self.include_self && stated.facts.event == self.event { self.item(stated, value) } else { None }
    }

    /// Oldest ingest time whose events memory must hold at `now`.
    fn horizon(&self, now: Timestamp) -> Timestamp {
        now.before(self.window).before(LOOKBACK)
    }
}

#[derive(Debug)]
struct Feature {
    definition: Definition,
    /// Which group holds its events, and which of that group's features it is.
    group: usize,
    member: Member,
    /// Latest receive time of an event that was not kept, of a key that its group did not hold.
    overflowed: Option<Timestamp>,
}

/// Features over the same events by the same key: one look-up finds the events of all of them, kept once.
#[derive(Debug)]
struct Group {
    event: EventName,
    key: Vec<Origin>,
    members: Vec<Member>,
    /// Indices of the members' features.
    features: Vec<usize>,
    /// Data that a row keeps.
    columns: usize,
    /// Of the member that looks back longest.
    window_max: Duration,
    keys: HashTable<Keyed>,
    /// Of keys that expired, for the next that come: most keys come once in their window.
    spare: Vec<VecDeque<Row>>,
}

/// One key of a group.
#[derive(Debug)]
struct Keyed {
    /// Kept, so that a growing table reads no key again.
    hash: u64,
    key: Bytes,
    series: Series,
}

impl Group {
    fn new(definition: &Definition) -> Self {
        Self {
            event: definition.event.clone(),
            key: definition.key.clone(),
            members: Vec::new(),
            features: Vec::new(),
            columns: 0,
            window_max: Duration::ZERO,
            keys: HashTable::new(),
            spare: Vec::new(),
        }
    }

    fn takes(&self, definition: &Definition) -> bool {
        self.members.len() < MEMBERS_MAX && self.event == definition.event && self.key == definition.key
    }

    /// Adds feature `index`.
    fn join(&mut self, definition: &Definition, index: usize) -> Member {
        let measure = definition.measure;
        let member = Member { measure, number: self.members.len(), column: self.columns };
        self.columns += usize::from(measure != Measure::Count);
        self.window_max = self.window_max.max(definition.window);
        self.members.push(member);
        self.features.push(index);
        member
    }

    /// Oldest receive time that it must hold at `now`.
    fn horizon(&self, now: Timestamp) -> Timestamp {
        now.before(self.window_max).before(LOOKBACK)
    }

    fn get(&self, hash: u64, key: &[u8]) -> Option<&Series> {
        self.keys.find(hash, |keyed| keyed.is(hash, key)).map(|keyed| &keyed.series)
    }
}

impl Keyed {
    fn is(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && self.key.as_slice() == key
    }
}

/// All features of the policies in force.
#[derive(Debug)]
pub(crate) struct FeatureTable {
    features: Vec<Feature>,
    groups: Vec<Group>,
    /// Keys are chosen by strangers, hence a keyed hash.
    hasher: RandomState,
    entries: usize,
    entries_max: usize,
    sweep_at: usize,
    swept: Timestamp,
    /// Receive times before it may be gone from memory.
    floor: Timestamp,
    /// Working memory of [`FeatureTable::add`].
    key: Vec<u8>,
    value: Vec<u8>,
}

impl FeatureTable {
    /// Entries at which the first sweep of expired ones happens.
    const SWEEP_MIN: usize = 65_536;
    /// Time between two sweeps of a full table.
    const SWEEP_PAUSE: Duration = Duration::from_secs(60);

    pub(crate) fn new(definitions: Vec<Definition>, entries_max: usize) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut features = Vec::new();
        for (index, definition) in definitions.into_iter().enumerate() {
            let known = groups.iter().position(|group| group.takes(&definition));
            let at = known.unwrap_or(groups.len());
            if known.is_none() {
                groups.push(Group::new(&definition));
            }
            let Some(group) = groups.get_mut(at) else { continue };
            let member = group.join(&definition, index);
            features.push(Feature { definition, group: at, member, overflowed: None });
        }
        Self {
            features,
            groups,
            hasher: RandomState::new(),
            entries: 0,
            entries_max,
            sweep_at: Self::SWEEP_MIN,
            swept: Timestamp::ZERO,
            floor: Timestamp::ZERO,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    pub(crate) fn definition(&self, index: usize) -> Option<&Definition> {
        self.features.get(index).map(|feature| &feature.definition)
    }

    pub(crate) fn index_of(&self, definition: &Definition) -> Option<usize> {
        self.features.iter().position(|feature| feature.definition == *definition)
    }

    /// Says that memory holds what a look-back from `now` needs, and nothing older.
    pub(crate) fn raise_floor(&mut self, now: Timestamp) {
        self.floor = self.floor.max(now.before(LOOKBACK));
    }

    /// Entries held: one an event and group of features, over all keys.
    pub(crate) const fn entries(&self) -> usize {
        self.entries
    }

    /// Oldest ingest time that a rebuild at `now` has to read; `None` where there is no feature.
    pub(crate) fn rebuild_from(&self, now: Timestamp) -> Option<Timestamp> {
        self.features.iter().map(|feature| feature.definition.horizon(now)).min()
    }

    /// Adds an event of the log; `now` is the time of its ingest.
    pub(crate) fn add(&mut self, logged: &Logged<'_>) {
        let stated = Stated::new(logged.facts);
        for group in 0..self.groups.len() {
            self.add_to(group, logged, &stated);
        }
        self.raise_floor(logged.ingested);
        let full = self.entries >= self.entries_max && logged.ingested >= self.swept.after(Self::SWEEP_PAUSE);
        if full || self.entries >= self.sweep_at {
            self.sweep(logged.ingested);
        }
    }

    fn add_to(&mut self, group: usize, logged: &Logged<'_>, stated: &Stated<'_>) {
        let Some(group) = self.groups.get_mut(group).filter(|group| group.event == logged.facts.event) else {
            return;
        };
        if read_key(&group.key, stated, &mut self.key).is_err() {
            return;
        }
        let horizon = group.horizon(logged.ingested);
        let hash = self.hasher.hash_one(self.key.as_slice());
        let same = |keyed: &Keyed| keyed.is(hash, &self.key);
        let mut found = group.keys.find_mut(hash, same).map(|keyed| &mut keyed.series);
        let full = self.entries >= self.entries_max;
        let mut row = Row::new(logged.facts.received, logged.seq, group.columns);
        for (member, index) in group.members.iter().zip(&group.features) {
            let Some(feature) = self.features.get_mut(*index) else { continue };
            let definition = &feature.definition;
            if !definition.in_time(logged) {
                continue;
            }
            let Some(item) = definition.item(stated, &mut self.value) else { continue };
            match &mut found {
                Some(series) if full => series.mark_incomplete(*member, logged.facts.received),
                None if full => feature.overflowed = feature.overflowed.max(Some(logged.facts.received)),
                found => {
                    let long = item.value().filter(|value| value.len() > SHORT_MAX);
                    let known =
                        found.as_ref().zip(long).and_then(|(series, value)| series.known(*member, value));
                    row.put(*member, item, known);
                }
            }
        }
        if full || !row.adds() {
            return;
        }
        let series = match found {
            Some(series) => series,
            None => {
                let mut series = Series::new(group.spare.pop().unwrap_or_default());
                // Among those that were not kept may be some of this key.
                for (member, index) in group.members.iter().zip(&group.features) {
                    let lost = self.features.get(*index).and_then(|feature| feature.overflowed);
                    if let Some(lost) = lost.filter(|lost| *lost >= horizon) {
                        series.mark_incomplete(*member, lost);
                    }
                }
                let keyed = Keyed { hash, key: Bytes::of(&self.key), series };
                &mut group.keys.insert_unique(hash, keyed, |keyed| keyed.hash).into_mut().series
            }
        };
        let expired = series.expire(horizon);
        self.entries = self.entries.saturating_sub(expired) + 1;
        series.insert(&group.members, row);
        for (member, index) in group.members.iter().zip(&group.features) {
            let Some(feature) = self.features.get(*index) else { continue };
            series.follow(*member, feature.definition.window, logged.ingested);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        let mut entries = 0;
        for feature in &mut self.features {
            let horizon = feature.definition.horizon(now);
            feature.overflowed = feature.overflowed.filter(|lost| *lost >= horizon);
        }
        for group in &mut self.groups {
            let horizon = group.horizon(now);
            let gone = group.keys.extract_if(|Keyed { series, .. }| {
                series.expire(horizon);
                entries += series.len();
                series.len() == 0 && !series.is_incomplete()
            });
            group.spare.extend(gone.map(|keyed| keyed.series.into_rows()));
            group.spare.truncate(group.keys.len());
        }
        self.entries = entries;
        self.sweep_at = (entries * 2).max(Self::SWEEP_MIN);
        self.swept = now;
    }

    /// Reads what deciding and adding `events` will read, and leaves everything as it is.
    ///
    /// Keys of the long tail are in cold memory. One event after the other waits for several places that each say
    /// where the next is; a block of events waits for each kind of place once, since the reads overlap.
    pub(crate) fn warm<'f>(&self, events: impl Iterator<Item = &'f EventFacts> + Clone) {
        let (mut bytes, mut read) = (Vec::with_capacity(KEY_BYTES), 0);
        for group in &self.groups {
            let mut ahead = [0; WARM_MAX];
            let mut known = 0;
            for facts in events.clone().filter(|facts| facts.event == group.event) {
                let Some(hash) = ahead.get_mut(known) else { break };
                if read_key(&group.key, &Stated::new(facts), &mut bytes).is_ok() {
                    *hash = self.hasher.hash_one(bytes.as_slice());
                    known += 1;
                }
            }
            let mut found: [Option<&Keyed>; WARM_MAX] = [None; WARM_MAX];
            for (found, hash) in found.iter_mut().zip(ahead).take(known) {
                // The first place that the hash leads to: nearly always the right one, and else no harm.
                *found = group.keys.find(hash, |_| true);
            }
            let all = || found.iter().flatten();
            read ^= all().fold(0, |read, keyed| read ^ keyed.series.warm());
            read ^= all().fold(0, |read, keyed| read ^ keyed.series.warm_rows());
        }
        std::hint::black_box(read);
    }

    /// Starts asking for a decision on `stated` at cut `cut`.
    pub(crate) fn probe<'t>(&'t self, stated: &'t Stated<'t>, cut: u64) -> Probe<'t> {
        let bytes = || Vec::with_capacity(KEY_BYTES);
        Probe { table: self, stated, cut, found: None, key: bytes(), value: bytes() }
    }
}

/// The questions of one decision; features of one group are looked up once.
#[derive(Debug)]
pub(crate) struct Probe<'t> {
    table: &'t FeatureTable,
    stated: &'t Stated<'t>,
    cut: u64,
    /// The group asked last, and what it holds for this event.
    found: Option<(usize, Found<'t>)>,
    key: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Found<'t> {
    /// The event has no key of this group.
    NoKey(Answer),
    Nothing,
    Key(&'t Series),
}

impl<'t> Probe<'t> {
    /// The value of feature `index`.
    pub(crate) fn lookup(&mut self, index: usize) -> Lookup {
        let Some(feature) = self.table.features.get(index) else {
            return Lookup::Known(Answer::unknown(Cause::Unavailable));
        };
        let found = self.find(feature.group);
        if let Found::NoKey(answer) = found {
            return Lookup::Known(answer);
        }
        let received = self.stated.facts.received;
        if received < self.table.floor {
            return Lookup::TooOld;
        }
        let definition = &feature.definition;
        let own = definition.own_item(self.stated, &mut self.value);
        let member = feature.member;
        let question = Question { member, window: definition.window, at: received, cut: self.cut, own };
        Lookup::Known(match found {
            Found::Key(series) => series.answer(&question),
            _ if may_hold(definition.window, received, feature.overflowed) => {
                Answer::unknown(Cause::Unavailable)
            }
            Found::Nothing | Found::NoKey(_) => only(member, own),
        })
    }

    fn find(&mut self, group: usize) -> Found<'t> {
        if let Some((_, found)) = self.found.as_ref().filter(|(last, _)| *last == group) {
            return found.clone();
        }
        let found = match self.table.groups.get(group) {
            None => Found::Nothing,
            Some(group) => match read_key(&group.key, self.stated, &mut self.key) {
                Err(answer) => Found::NoKey(answer),
                Ok(()) => {
                    let hash = self.table.hasher.hash_one(self.key.as_slice());
                    group.get(hash, &self.key).map_or(Found::Nothing, Found::Key)
                }
            },
        };
        self.found = Some((group, found.clone()));
        found
    }
}

#[cfg(test)]
mod tests;
