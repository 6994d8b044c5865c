//! The events of one key of one feature, with an aggregate over the newest of them.
//!
//! The aggregate covers the entries from a mark on, and the mark follows the start of the window as events come:
//! a question takes the aggregate, adds or subtracts what lies between the mark and its own window, and so costs
//! amortised O(1) (O(log n) for a count) however much the look-back holds. A cut in the past, or a sum of doubles
//! (whose subtraction is not exact), walks the window instead. Nothing here approximates.

use super::Measure;
use glacis_wire::{Answer, Cause, Timestamp, Value};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What one event contributes, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// To a count.
    One,
    /// To a sum of integers.
    Int(i64),
    /// To a sum of doubles.
    Double(f64),
    /// To a distinct: bytes that are equal iff the values are.
    Value(&'a [u8]),
}

/// The same, kept.
#[derive(Clone, Debug)]
enum Held {
    One,
    Int(i64),
    Double(f64),
    Value(Bytes),
}

/// Bytes of a value: short ones in place, since most are, and a place of their own costs more than they do.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    Short { length: u8, bytes: [u8; SHORT_MAX] },
    Long(Arc<[u8]>),
}

/// Longest value that is kept in place. Unit: bytes; with length and tag as large as the other kinds of item.
const SHORT_MAX: usize = 22;

impl Bytes {
    pub(super) fn of(value: &[u8]) -> Self {
        let mut bytes = [0; SHORT_MAX];
        match (u8::try_from(value.len()), bytes.get_mut(..value.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(value);
                Self::Short { length, bytes }
            }
            _ => Self::Long(Arc::from(value)),
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Bytes {}

impl std::hash::Hash for Bytes {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl std::borrow::Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

#[derive(Clone, Debug)]
struct Entry {
    received: Timestamp,
    seq: u64,
    held: Held,
}

/// How often each value occurs among the entries from the mark on.
type Values = HashMap<Bytes, usize>;
/// Entries from the mark on above which values are counted in a table; below, looking through them is cheaper.
const FEW: usize = 12;

/// Events of one key, ordered by receive time, then log sequence.
#[derive(Clone, Debug)]
pub(super) struct Series {
    measure: Measure,
    entries: VecDeque<Entry>,
    /// First entry that `total` and `values` cover.
    mark: usize,
    total: i128,
    values: Option<Box<Values>>,
    bounds: Bounds,
    seq_max: u64,
    /// When an event of this key was last not kept.
    incomplete: Option<Timestamp>,
}

/// Receive times of some entries, kept beside the aggregate: most questions then touch no entry at all, and a key
/// that was not asked about lately costs no walk through cold memory.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Of the first entry; without one, the end of time.
    oldest: Timestamp,
    /// Of the last entry; without one, the beginning.
    newest: Timestamp,
    /// Of the entry before the mark; without one, the beginning.
    before_mark: Timestamp,
    /// Of the entry at the mark; without one, the end of time.
    at_mark: Timestamp,
}

impl Bounds {
    const NONE: Self =
        Self { oldest: FOREVER, newest: Timestamp::ZERO, before_mark: Timestamp::ZERO, at_mark: FOREVER };
}

const FOREVER: Timestamp = Timestamp::from_ms(u64::MAX);

impl Series {
    pub(super) const fn new(measure: Measure) -> Self {
        Self {
            measure,
            entries: VecDeque::new(),
            mark: 0,
            total: 0,
            values: None,
            bounds: Bounds::NONE,
            seq_max: 0,
            incomplete: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes it new again; keeps the memory of a few entries.
    pub(super) fn renew(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        if entries.capacity() > FEW {
            entries = VecDeque::new();
        }
        entries.clear();
        *self = Self { entries, ..Self::new(self.measure) };
    }

    /// Reads every part of it that a question reads, so that all its cache lines come.
    pub(super) fn warm(&self) -> usize {
        let Self { measure: _, entries, mark, total, values, bounds, seq_max, incomplete } = self;
        let flags = [
            entries.is_empty(),
            *total == 0,
            values.is_some(),
            bounds.oldest > bounds.newest,
            bounds.before_mark > bounds.at_mark,
            *seq_max == 0,
            incomplete.is_some(),
        ];
        flags.into_iter().fold(*mark, |read, flag| read ^ usize::from(flag))
    }

    /// Reads the entries that a question or the next event looks at first.
    pub(super) fn warm_entries(&self) -> usize {
        let newest = self.entries.iter().rev().take(FEW).step_by(2);
        let places = [self.entries.front(), self.entries.get(self.mark)].into_iter().flatten().chain(newest);
        places.fold(0, |read, entry| read ^ usize::from(entry.seq == 0))
    }

    pub(super) const fn is_incomplete(&self) -> bool {
        self.incomplete.is_some()
    }

    /// An event of this key was not kept: no exact answer is possible until it would have expired.
    pub(super) const fn mark_incomplete(&mut self, at: Timestamp) {
        self.incomplete = Some(at);
    }

    pub(super) fn insert(&mut self, received: Timestamp, seq: u64, item: Item<'_>) {
        let held = self.hold(item);
        self.seq_max = self.seq_max.max(seq);
        // Most keys come once in their window.
        if self.entries.capacity() == 0 {
            self.entries.reserve_exact(1);
        }
        let entry = Entry { received, seq, held };
        if received > self.bounds.newest {
            cover(&mut self.total, self.values.as_deref_mut(), &entry.held);
            self.bounds.newest = received;
            self.bounds.oldest = self.bounds.oldest.min(received);
            self.bounds.at_mark = self.bounds.at_mark.min(received);
            self.entries.push_back(entry);
        } else {
            self.insert_behind(entry);
        }
        if self.measure == Measure::Distinct && self.values.is_none() && self.entries.len() - self.mark > FEW
        {
            self.count_values();
        }
    }

    /// Inserts an entry that may not be the last.
    fn insert_behind(&mut self, entry: Entry) {
        let place = (entry.received, entry.seq);
        let behind = self.entries.iter().rev().take_while(|e| (e.received, e.seq) > place).count();
        let at = self.entries.len() - behind;
        if at < self.mark {
            self.mark += 1;
        } else {
            cover(&mut self.total, self.values.as_deref_mut(), &entry.held);
        }
        self.entries.insert(at, entry);
        self.find_bounds();
    }

    fn find_bounds(&mut self) {
        let received = |entry: Option<&Entry>| entry.map(|entry| entry.received);
        let before = self.mark.checked_sub(1);
        self.bounds = Bounds {
            oldest: received(self.entries.front()).unwrap_or(FOREVER),
            newest: received(self.entries.back()).unwrap_or(Timestamp::ZERO),
            before_mark: before
                .and_then(|before| received(self.entries.get(before)))
                .unwrap_or(Timestamp::ZERO),
            at_mark: received(self.entries.get(self.mark)).unwrap_or(FOREVER),
        };
    }

    /// Starts the table of values.
    fn count_values(&mut self) {
        let mut values = Box::new(Values::new());
        for entry in self.entries.iter().skip(self.mark) {
            if let Held::Value(value) = &entry.held {
                *values.entry(value.clone()).or_default() += 1;
            }
        }
        self.values = Some(values);
    }

    /// Shares the bytes of a long value that is held already.
    fn hold(&self, item: Item<'_>) -> Held {
        match item {
            Item::One => Held::One,
            Item::Int(value) => Held::Int(value),
            Item::Double(value) => Held::Double(value),
            Item::Value(value) if value.len() <= SHORT_MAX => Held::Value(Bytes::of(value)),
            Item::Value(value) => {
                let known = self.values.as_ref().and_then(|values| values.get_key_value(value));
                Held::Value(known.map_or_else(|| Bytes::of(value), |(known, _)| known.clone()))
            }
        }
    }

    /// Moves the mark to the start of a window that ends at `now`.
    pub(super) fn follow(&mut self, window: Duration, now: Timestamp) {
        let Some(start) = open_start(now, window).filter(|start| self.bounds.at_mark <= *start) else {
            return;
        };
        while let Some(entry) = self.entries.get(self.mark).filter(|entry| entry.received <= start) {
            uncover(&mut self.total, self.values.as_deref_mut(), &entry.held);
            self.mark += 1;
        }
        self.find_bounds();
    }

    /// Drops entries received before `horizon`; says how many.
    pub(super) fn expire(&mut self, horizon: Timestamp) -> usize {
        let mut dropped = 0;
        if self.incomplete.is_some_and(|at| at < horizon) {
            self.incomplete = None;
        }
        if self.bounds.oldest >= horizon {
            return 0;
        }
        while self.entries.front().is_some_and(|entry| entry.received < horizon) {
            let Some(entry) = self.entries.pop_front() else { break };
            dropped += 1;
            if self.mark == 0 {
                uncover(&mut self.total, self.values.as_deref_mut(), &entry.held);
            } else {
                self.mark -= 1;
            }
        }
        self.find_bounds();
        dropped
    }

    /// The aggregate over `(at − window, at]` and log sequences below `cut`, plus the deciding event's own item.
    pub(super) fn answer(&self, window: Duration, at: Timestamp, cut: u64, own: Option<Item<'_>>) -> Answer {
        if self.is_incomplete() {
            return Answer::unknown(Cause::Unavailable);
        }
        let start = open_start(at, window);
        if start.is_some_and(|start| self.bounds.newest <= start) {
            return self.only(own);
        }
        let first = start.map_or(0, |start| self.first_after(start));
        let end = if self.bounds.newest > at {
            self.entries.partition_point(|entry| entry.received <= at)
        } else {
            self.entries.len()
        };
        let all_before_cut = self.entries.is_empty() || self.seq_max < cut;
        if all_before_cut && self.measure != Measure::SumDouble {
            self.by_difference(first, end, own)
        } else {
            self.by_walk(first, end, cut, own)
        }
    }

    /// The aggregate where no entry is in the window, which is usual: it touches none.
    fn only(&self, own: Option<Item<'_>>) -> Answer {
        match self.measure {
            Measure::Count => count(usize::from(own.is_some())),
            Measure::Sum => int(own.map_or(0, Item::as_int)),
            Measure::SumDouble => Answer::Value(Value::Double(0.0 + own.map_or(0.0, Item::as_double))),
            Measure::Distinct => count(usize::from(own.and_then(Item::value).is_some())),
        }
    }

    /// The first entry received after `start`, looked for from the mark, which is near it.
    fn first_after(&self, start: Timestamp) -> usize {
        if self.bounds.before_mark <= start && self.bounds.at_mark > start {
            return self.mark;
        }
        let outside = |entry: &&Entry| entry.received <= start;
        if self.bounds.at_mark <= start {
            return self.mark + self.entries.iter().skip(self.mark).take_while(outside).count();
        }
        self.mark - self.entries.iter().take(self.mark).rev().take_while(|entry| !outside(entry)).count()
    }

    /// Entries `from..to`.
    fn span(&self, from: usize, to: usize) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take(to).skip(from)
    }

    /// What entries `first..end` have more (`1`) and less (`-1`) than those from the mark on, as signed parts.
    fn difference(&self, first: usize, end: usize) -> impl Iterator<Item = (&Held, i8)> {
        let more = self.span(first, self.mark).map(|entry| (&entry.held, 1));
        let less = self.span(self.mark, first).chain(self.span(end, self.entries.len()));
        more.chain(less.map(|entry| (&entry.held, -1)))
    }

    fn by_difference(&self, first: usize, end: usize, own: Option<Item<'_>>) -> Answer {
        match self.measure {
            Measure::Count => count(end.saturating_sub(first) + usize::from(own.is_some())),
            Measure::Sum | Measure::SumDouble => {
                let part = |(held, sign): (&Held, i8)| held.as_int() * i128::from(sign);
                let difference: i128 = self.difference(first, end).map(part).sum();
                int(self.total + difference + own.map_or(0, Item::as_int))
            }
            Measure::Distinct => match &self.values {
                Some(values) => count(self.distinct(values, first, end, own)),
                None => self.by_walk(first, end, u64::MAX, own),
            },
        }
    }

    /// Different values among entries `first..end` and the deciding event's own.
    fn distinct<'s>(&'s self, values: &Values, first: usize, end: usize, own: Option<Item<'_>>) -> usize {
        let inside = |value: &[u8], more: isize| {
            values.get(value).copied().unwrap_or(0).saturating_add_signed(more) > 0
        };
        let of_value = |(held, sign): (&'s Held, i8)| match held {
            Held::Value(value) => Some((value.as_slice(), isize::from(sign))),
            Held::One | Held::Int(_) | Held::Double(_) => None,
        };
        let mut differences: Vec<(&[u8], isize)> = self.difference(first, end).filter_map(of_value).collect();
        differences.sort_unstable_by_key(|(value, _)| *value);
        let own = own.and_then(Item::value);
        let (mut different, mut own_more) = (values.len(), 0);
        for same in differences.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((value, _)) = same.first() else { continue };
            let more = same.iter().map(|(_, more)| more).sum();
            match (inside(value, 0), inside(value, more)) {
                (false, true) => different += 1,
                (true, false) => different -= 1,
                (false, false) | (true, true) => {}
            }
            if own == Some(*value) {
                own_more = more;
            }
        }
        different + usize::from(own.is_some_and(|own| !inside(own, own_more)))
    }

    /// Different values among few entries, without a table.
    fn few(&self, first: usize, end: usize, cut: u64, own: Option<Item<'_>>) -> usize {
        let mut found: [&[u8]; FEW + 1] = [&[]; FEW + 1];
        let mut length = 0;
        let inside = self.span(first, end).filter(|entry| entry.seq < cut);
        for item in inside.map(|entry| entry.held.as_item()).chain(own) {
            let Item::Value(value) = item else { continue };
            let known = found.iter().take(length).any(|known| *known == value);
            if let (false, Some(place)) = (known, found.get_mut(length)) {
                *place = value;
                length += 1;
            }
        }
        length
    }

    fn by_walk(&self, first: usize, end: usize, cut: u64, own: Option<Item<'_>>) -> Answer {
        if self.measure == Measure::Distinct && end.saturating_sub(first) <= FEW {
            return count(self.few(first, end, cut, own));
        }
        let inside = self.span(first, end).filter(|entry| entry.seq < cut);
        let mut counted: Vec<(u64, Item<'_>)> =
            inside.map(|entry| (entry.seq, entry.held.as_item())).collect();
        counted.sort_by_key(|(seq, _)| *seq);
        let items = counted.into_iter().map(|(_, item)| item).chain(own);
        match self.measure {
            Measure::Count => count(items.count()),
            Measure::Distinct => count(items.filter_map(Item::value).collect::<HashSet<_>>().len()),
            Measure::SumDouble => {
                Answer::Value(Value::Double(items.map(Item::as_double).fold(0.0, |sum, value| sum + value)))
            }
            Measure::Sum => int(items.map(Item::as_int).sum()),
        }
    }
}

fn cover(total: &mut i128, values: Option<&mut Values>, held: &Held) {
    match held {
        Held::One | Held::Double(_) => {}
        Held::Int(value) => *total += i128::from(*value),
        Held::Value(value) => {
            if let Some(values) = values {
                *values.entry(value.clone()).or_default() += 1;
            }
        }
    }
}

fn uncover(total: &mut i128, values: Option<&mut Values>, held: &Held) {
    match held {
        Held::One | Held::Double(_) => {}
        Held::Int(value) => *total -= i128::from(*value),
        Held::Value(value) => {
            let Some(values) = values else { return };
            if let Some(count) = values.get_mut(value) {
                *count -= 1;
                if *count == 0 {
                    values.remove(value);
                }
            }
        }
    }
}

/// Start of the window that ends at `at`, itself outside; none where it reaches back before the epoch.
fn open_start(at: Timestamp, window: Duration) -> Option<Timestamp> {
    let window_ms = u64::try_from(window.as_millis()).ok()?;
    at.as_ms().checked_sub(window_ms).map(Timestamp::from_ms)
}

fn count(count: usize) -> Answer {
    int(i128::try_from(count).unwrap_or(i128::MAX))
}

fn int(value: i128) -> Answer {
    i64::try_from(value).map_or(Answer::Error, |value| Answer::Value(Value::Int(value)))
}

impl Held {
    fn as_item(&self) -> Item<'_> {
        match self {
            Self::One => Item::One,
            Self::Int(value) => Item::Int(*value),
            Self::Double(value) => Item::Double(*value),
            Self::Value(value) => Item::Value(value.as_slice()),
        }
    }

    fn as_int(&self) -> i128 {
        self.as_item().as_int()
    }
}

impl<'a> Item<'a> {
    const fn value(self) -> Option<&'a [u8]> {
        match self {
            Self::Value(value) => Some(value),
            Self::One | Self::Int(_) | Self::Double(_) => None,
        }
    }

    fn as_int(self) -> i128 {
        match self {
            Self::Int(value) => i128::from(value),
            _ => 0,
        }
    }

    fn as_double(self) -> f64 {
        match self {
            Self::Double(value) => value,
            _ => 0.0,
        }
    }
}
