//! The events of one key of one feature, with an aggregate over all of them.
//!
//! A window near now covers nearly everything that is held, so a question takes the aggregate and subtracts what
//! lies outside: amortised O(1). A cut in the past, or a sum of doubles (whose subtraction is not exact), walks
//! the window instead. Nothing here approximates.

use super::Measure;
use glacis_wire::{Answer, Cause, Timestamp, Value};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What one event contributes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// To a count.
    One,
    /// To a sum of integers.
    Int(i64),
    /// To a sum of doubles.
    Double(f64),
    /// To a distinct: canonical bytes of the value.
    Value(Arc<[u8]>),
}

#[derive(Clone, Debug)]
struct Entry {
    received: Timestamp,
    seq: u64,
    item: Item,
}

/// Events of one key, ordered by receive time, then log sequence.
#[derive(Clone, Debug)]
pub(super) struct Series {
    measure: Measure,
    entries: VecDeque<Entry>,
    total: i128,
    values: HashMap<Arc<[u8]>, usize>,
    seq_max: u64,
    /// When an event of this key was last not kept.
    incomplete: Option<Timestamp>,
}

impl Series {
    pub(super) fn new(measure: Measure) -> Self {
        Self {
            measure,
            entries: VecDeque::new(),
            total: 0,
            values: HashMap::new(),
            seq_max: 0,
            incomplete: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn is_incomplete(&self) -> bool {
        self.incomplete.is_some()
    }

    /// An event of this key was not kept: no exact answer is possible until it would have expired.
    pub(super) const fn mark_incomplete(&mut self, at: Timestamp) {
        self.incomplete = Some(at);
    }

    pub(super) fn insert(&mut self, received: Timestamp, seq: u64, item: Item) {
        match &item {
            Item::One | Item::Double(_) => {}
            Item::Int(value) => self.total += i128::from(*value),
            Item::Value(value) => *self.values.entry(Arc::clone(value)).or_default() += 1,
        }
        self.seq_max = self.seq_max.max(seq);
        let behind = self.entries.iter().rev().take_while(|e| (e.received, e.seq) > (received, seq)).count();
        let at = self.entries.len() - behind;
        self.entries.insert(at, Entry { received, seq, item });
    }

    /// Drops entries received before `horizon`; says how many.
    pub(super) fn expire(&mut self, horizon: Timestamp) -> usize {
        let mut dropped = 0;
        self.incomplete = self.incomplete.filter(|at| *at >= horizon);
        while self.entries.front().is_some_and(|entry| entry.received < horizon) {
            let Some(entry) = self.entries.pop_front() else { break };
            dropped += 1;
            match entry.item {
                Item::One | Item::Double(_) => {}
                Item::Int(value) => self.total -= i128::from(value),
                Item::Value(value) => {
                    if let Some(count) = self.values.get_mut(&value) {
                        *count -= 1;
                        if *count == 0 {
                            self.values.remove(&value);
                        }
                    }
                }
            }
        }
        dropped
    }

    /// The aggregate over `(at − window, at]` and log sequences below `cut`, plus the deciding event's own item.
    pub(super) fn answer(&self, window: Duration, at: Timestamp, cut: u64, own: Option<Item>) -> Answer {
        if self.is_incomplete() {
            return Answer::unknown(Cause::Unavailable);
        }
        let window = Window { start: open_start(at, window), end: at };
        let all_before_cut = self.entries.is_empty() || self.seq_max < cut;
        if all_before_cut && self.measure != Measure::SumDouble {
            self.by_subtraction(&window, own.as_ref())
        } else {
            self.by_walk(&window, cut, own)
        }
    }

    fn by_subtraction(&self, window: &Window, own: Option<&Item>) -> Answer {
        let before = self.entries.iter().take_while(|entry| window.is_before(entry));
        let after = self.entries.iter().rev().take_while(|entry| window.is_after(entry));
        let outside = before.chain(after);
        match self.measure {
            Measure::Count => {
                let count = self.entries.len() - outside.count();
                int(i128::try_from(count).unwrap_or(i128::MAX) + i128::from(own.is_some()))
            }
            Measure::Sum | Measure::SumDouble => {
                let out: i128 = outside.map(|entry| entry.item.as_int()).sum();
                int(self.total - out + own.map_or(0, Item::as_int))
            }
            Measure::Distinct => {
                let mut gone: HashMap<&[u8], usize> = HashMap::new();
                for entry in outside {
                    if let Item::Value(value) = &entry.item {
                        *gone.entry(value).or_default() += 1;
                    }
                }
                let held = |value: &[u8]| {
                    self.values.get(value).copied().unwrap_or(0) > gone.get(value).copied().unwrap_or(0)
                };
                let lost = gone.keys().filter(|value| !held(value)).count();
                let own = matches!(own, Some(Item::Value(value)) if !held(value));
                let count = self.values.len() - lost + usize::from(own);
                int(i128::try_from(count).unwrap_or(i128::MAX))
            }
        }
    }

    fn by_walk(&self, window: &Window, cut: u64, own: Option<Item>) -> Answer {
        let inside = |entry: &&Entry| entry.seq < cut && !window.is_before(entry) && !window.is_after(entry);
        let mut counted: Vec<(u64, &Item)> =
            self.entries.iter().filter(inside).map(|entry| (entry.seq, &entry.item)).collect();
        counted.sort_by_key(|(seq, _)| *seq);
        let items = counted.into_iter().map(|(_, item)| item).chain(own.as_ref());
        match self.measure {
            Measure::Count => int(i128::try_from(items.count()).unwrap_or(i128::MAX)),
            Measure::Distinct => {
                let values: HashSet<&Item> = items.collect();
                int(i128::try_from(values.len()).unwrap_or(i128::MAX))
            }
            Measure::SumDouble => {
                Answer::Value(Value::Double(items.map(Item::as_double).fold(0.0, |sum, value| sum + value)))
            }
            Measure::Sum => int(items.map(Item::as_int).sum()),
        }
    }
}

/// `(start, end]`; no start where the window reaches back before the epoch.
struct Window {
    start: Option<Timestamp>,
    end: Timestamp,
}

impl Window {
    fn is_before(&self, entry: &Entry) -> bool {
        self.start.is_some_and(|start| entry.received <= start)
    }

    fn is_after(&self, entry: &Entry) -> bool {
        entry.received > self.end
    }
}

fn open_start(at: Timestamp, window: Duration) -> Option<Timestamp> {
    let window_ms = u64::try_from(window.as_millis()).ok()?;
    at.as_ms().checked_sub(window_ms).map(Timestamp::from_ms)
}

fn int(value: i128) -> Answer {
    i64::try_from(value).map_or(Answer::Error, |value| Answer::Value(Value::Int(value)))
}

impl Item {
    fn as_int(&self) -> i128 {
        match self {
            Self::Int(value) => i128::from(*value),
            _ => 0,
        }
    }

    fn as_double(&self) -> f64 {
        match self {
            Self::Double(value) => *value,
            _ => 0.0,
        }
    }
}

// Only `Value` items are put into sets; their equality is that of bytes.
impl Eq for Item {}

impl std::hash::Hash for Item {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Value(value) => value.hash(state),
            _ => state.write_u8(0),
        }
    }
}
