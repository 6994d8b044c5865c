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
//! ([`Lookup::TooOld`]). Bounded: past the limit a key is marked and reads `unknown(unavailable)`.

mod series;

use crate::fact::Origin;
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{Answer, Cause, Encode as _, EventName, SignalName, Timestamp, Value, Writer};
use series::{Item, Series};
use std::collections::HashMap;
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

type Key = Box<[u8]>;

impl Definition {
    /// What the event adds to which key; `None` where it adds nothing.
    fn contribution(&self, facts: &EventFacts) -> Option<(Key, Item)> {
        if facts.event != self.event {
            return None;
        }
        let key = self.key_of(facts).ok()?;
        self.item_of(facts).map(|item| (key, item))
    }

    fn key_of(&self, facts: &EventFacts) -> Result<Key, Answer> {
        let mut out = Writer::new();
        for origin in &self.key {
            let value = origin.value(facts).ok_or_else(|| origin.without_key())?;
            value.encode(&mut out).map_err(|_| Answer::Error)?;
        }
        Ok(out.into_bytes().into_boxed_slice())
    }

    fn item_of(&self, facts: &EventFacts) -> Option<Item> {
        match (self.measure, &self.of) {
            (Measure::Count, None) => Some(Item::One),
            (Measure::Count, Some(of)) => of.value(facts).map(|_| Item::One),
            (Measure::Sum, Some(of)) => match of.value(facts)? {
                Value::Int(value) => Some(Item::Int(value)),
                _ => None,
            },
            (Measure::SumDouble, Some(of)) => match of.value(facts)? {
                Value::Double(value) => Some(Item::Double(value)),
                _ => None,
            },
            (Measure::Distinct, Some(of)) => {
                of.value(facts)?.to_bytes().ok().map(|bytes| Item::Value(bytes.into()))
            }
            (Measure::Sum | Measure::SumDouble | Measure::Distinct, None) => None,
        }
    }

    fn in_time(&self, logged: &Logged<'_>) -> bool {
        logged.ingested.since(logged.facts.received) <= self.lateness
    }

    /// The value for the deciding event from scratch, over any superset of the events that count. Slow; for
    /// decisions whose time lies behind the table.
    pub(crate) fn answer_over<'a>(
        &self,
        facts: &EventFacts,
        cut: u64,
        events: impl Iterator<Item = Logged<'a>>,
    ) -> Answer {
        let key = match self.key_of(facts) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        let mut series = Series::new(self.measure);
        for logged in events.filter(|logged| self.in_time(logged)) {
            if let Some((its_key, item)) = self.contribution(logged.facts)
                && its_key == key
            {
                series.insert(logged.facts.received, logged.seq, item);
            }
        }
        series.answer(self.window, facts.received, cut, self.own_item(facts))
    }

    fn own_item(&self, facts: &EventFacts) -> Option<Item> {
        (self.include_self && facts.event == self.event).then(|| self.item_of(facts)).flatten()
    }

    /// Oldest ingest time whose events memory must hold at `now`.
    fn horizon(&self, now: Timestamp) -> Timestamp {
        now.before(self.window).before(LOOKBACK)
    }
}

#[derive(Debug)]
struct Feature {
    definition: Definition,
    keys: HashMap<Key, Series>,
    /// When an event of a key that is not in `keys` was last not kept.
    overflowed: Option<Timestamp>,
}

/// All features of the policies in force.
#[derive(Debug)]
pub(crate) struct FeatureTable {
    features: Vec<Feature>,
    entries: usize,
    entries_max: usize,
    sweep_at: usize,
    swept: Timestamp,
    /// Receive times before it may be gone from memory.
    floor: Timestamp,
}

impl FeatureTable {
    /// Entries at which the first sweep of expired ones happens.
    const SWEEP_MIN: usize = 65_536;
    /// Time between two sweeps of a full table.
    const SWEEP_PAUSE: Duration = Duration::from_secs(60);

    pub(crate) fn new(definitions: Vec<Definition>, entries_max: usize) -> Self {
        let features = definitions
            .into_iter()
            .map(|definition| Feature { definition, keys: HashMap::new(), overflowed: None })
            .collect();
        Self {
            features,
            entries: 0,
            entries_max,
            sweep_at: Self::SWEEP_MIN,
            swept: Timestamp::ZERO,
            floor: Timestamp::ZERO,
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

    /// Entries held, over all features and keys.
    pub(crate) const fn entries(&self) -> usize {
        self.entries
    }

    /// Oldest ingest time that a rebuild at `now` has to read; `None` where there is no feature.
    pub(crate) fn rebuild_from(&self, now: Timestamp) -> Option<Timestamp> {
        self.features.iter().map(|feature| feature.definition.horizon(now)).min()
    }

    /// Adds an event of the log; `now` is the time of its ingest.
    pub(crate) fn add(&mut self, logged: &Logged<'_>) {
        for feature in &mut self.features {
            let Some((key, item)) = feature.definition.contribution(logged.facts) else { continue };
            if !feature.definition.in_time(logged) {
                continue;
            }
            if self.entries >= self.entries_max {
                match feature.keys.get_mut(&key) {
                    Some(series) => series.mark_incomplete(logged.ingested),
                    None => feature.overflowed = Some(logged.ingested),
                }
                continue;
            }
            let measure = feature.definition.measure;
            let series = feature.keys.entry(key).or_insert_with(|| Series::new(measure));
            self.entries =
                self.entries.saturating_sub(series.expire(feature.definition.horizon(logged.ingested)));
            series.insert(logged.facts.received, logged.seq, item);
            self.entries += 1;
        }
        self.raise_floor(logged.ingested);
        let full = self.entries >= self.entries_max && logged.ingested >= self.swept.after(Self::SWEEP_PAUSE);
        if full || self.entries >= self.sweep_at {
            self.sweep(logged.ingested);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        let mut entries = 0;
        for feature in &mut self.features {
            let horizon = feature.definition.horizon(now);
            feature.keys.retain(|_, series| {
                series.expire(horizon);
                entries += series.len();
                series.len() > 0 || series.is_incomplete()
            });
            feature.overflowed = feature.overflowed.filter(|at| *at >= horizon);
        }
        self.entries = entries;
        self.sweep_at = (entries * 2).max(Self::SWEEP_MIN);
        self.swept = now;
    }

    /// The value of feature `index` for a decision on `facts` at cut `cut`.
    pub(crate) fn lookup(&self, index: usize, facts: &EventFacts, cut: u64) -> Lookup {
        let Some(feature) = self.features.get(index) else {
            return Lookup::Known(Answer::unknown(Cause::Unavailable));
        };
        let definition = &feature.definition;
        let key = match definition.key_of(facts) {
            Ok(key) => key,
            Err(answer) => return Lookup::Known(answer),
        };
        if facts.received < self.floor {
            return Lookup::TooOld;
        }
        let own = definition.own_item(facts);
        let answer = match feature.keys.get(&key) {
            Some(series) => series.answer(definition.window, facts.received, cut, own),
            None if feature.overflowed.is_some() => Answer::unknown(Cause::Unavailable),
            None => Series::new(definition.measure).answer(definition.window, facts.received, cut, own),
        };
        Lookup::Known(answer)
    }
}

#[cfg(test)]
mod tests;
