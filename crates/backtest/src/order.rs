//! Rows in order of time: a bounded disorder is sorted, anything beyond it is refused.
//!
//! A row waits until a row has come that is more than `late` newer; then nothing older can be accepted any more.
//! Rows of one time keep the order of the file. Without a declared lateness nothing waits.

use crate::rows::Event;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// Most rows that wait. LIMIT: about half a kilobyte each; beyond it the declared lateness is too long for the file.
const WAITING_MAX: usize = 100_000;

/// Sorts.
#[derive(Debug)]
pub(crate) struct Order {
    late: Duration,
    waiting: BinaryHeap<Reverse<Waiting>>,
    newest: u64,
    count: u64,
}

#[derive(Debug)]
struct Waiting {
    received: u64,
    place: u64,
    event: Box<Event>,
}

impl Waiting {
    const fn key(&self) -> (u64, u64) {
        (self.received, self.place)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// What became of a row that was given.
#[derive(Debug)]
pub(crate) enum Placed {
    /// It waits, or is next.
    Taken,
    /// It is older than the lateness allows; here it is back.
    TooLate(Box<Event>),
    /// Too many wait.
    Full,
}

impl Order {
    pub(crate) fn new(late: Duration) -> Self {
        Self { late, waiting: BinaryHeap::new(), newest: 0, count: 0 }
    }

    pub(crate) fn give(&mut self, event: Box<Event>) -> Placed {
        let received = event.facts.received.as_ms();
        if received < self.ripe() {
            return Placed::TooLate(event);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Placed::Full;
        }
        self.newest = self.newest.max(received);
        self.count += 1;
        self.waiting.push(Reverse(Waiting { received, place: self.count, event }));
        Placed::Taken
    }

    /// The next row that no later one can precede; at the `end` of the file, the next at all.
    pub(crate) fn next(&mut self, end: bool) -> Option<Box<Event>> {
        let first = self.waiting.peek()?;
        // A row of the oldest time that is still accepted comes after those of its time that wait already.
        if first.0.received > self.ripe() && !end {
            return None;
        }
        self.waiting.pop().map(|waiting| waiting.0.event)
    }

    /// Rows before it are refused.
    fn ripe(&self) -> u64 {
        self.newest.saturating_sub(u64::try_from(self.late.as_millis()).unwrap_or(u64::MAX))
    }
}
