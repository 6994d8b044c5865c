//! An aggregate over the newest rows of a key, for one feature.
//!
//! It covers the rows from a mark on, and the mark follows the start of the window as events come: a question takes
//! the aggregate and adds or subtracts what lies between the mark and its own window. Nothing here approximates.

use super::Measure;
use super::item::{Bytes, Item, Member, Row};
use glacis_wire::Timestamp;
use std::collections::{HashMap, VecDeque};

/// How often each value occurs among the rows that are covered.
pub(super) type Values = HashMap<Bytes, usize>;

/// The end of time: what a place without a row has.
pub(super) const FOREVER: Timestamp = Timestamp::from_ms(u64::MAX);

/// One aggregate with its mark.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    member: Member,
    /// First row that is covered.
    pub(super) at: usize,
    /// Count or sum.
    pub(super) total: i128,
    /// Of a distinct.
    pub(super) values: Option<Values>,
    /// Receive time of the row before the mark; without one, the beginning.
    pub(super) before_mark: Timestamp,
    /// Of the row at the mark; without one, the end of time. Kept here so that most questions read no row at all.
    pub(super) at_mark: Timestamp,
}

impl Mark {
    /// Over all rows.
    pub(super) fn over(member: Member, rows: &VecDeque<Row>) -> Self {
        let mut mark = Self {
            member,
            at: 0,
            total: 0,
            values: (member.measure == Measure::Distinct).then(Values::new),
            before_mark: Timestamp::ZERO,
            at_mark: FOREVER,
        };
        rows.iter().for_each(|row| mark.cover(row));
        mark.look(rows);
        mark
    }

    /// A row will be inserted at place `at`.
    pub(super) fn insert(&mut self, at: usize, row: &Row) {
        if at < self.at {
            self.at += 1;
        } else {
            self.cover(row);
        }
    }

    /// The first row is gone.
    pub(super) fn pop(&mut self, row: &Row) {
        match self.at.checked_sub(1) {
            Some(at) => self.at = at,
            None => self.uncover(row),
        }
    }

    /// Moves on to the first row received after `start`.
    pub(super) fn follow(&mut self, start: Timestamp, rows: &VecDeque<Row>) {
        if self.at_mark > start {
            return;
        }
        while let Some(row) = rows.get(self.at).filter(|row| row.received <= start) {
            self.uncover(row);
            self.at += 1;
        }
        self.look(rows);
    }

    /// Notes the receive times beside the mark.
    pub(super) fn look(&mut self, rows: &VecDeque<Row>) {
        let received = |at: usize| rows.get(at).map(|row| row.received);
        self.before_mark = self.at.checked_sub(1).and_then(received).unwrap_or(Timestamp::ZERO);
        self.at_mark = received(self.at).unwrap_or(FOREVER);
    }

    fn cover(&mut self, row: &Row) {
        match (&mut self.values, row.value(self.member)) {
            (Some(values), Some(value)) => *values.entry(value.clone()).or_default() += 1,
            (Some(_), None) => {}
            (None, _) => self.total += i128::from(row.item(self.member).map_or(0, Item::as_int)),
        }
    }

    fn uncover(&mut self, row: &Row) {
        match (&mut self.values, row.value(self.member)) {
            (Some(values), Some(value)) => {
                let Some(count) = values.get_mut(value) else { return };
                *count -= 1;
                if *count == 0 {
                    values.remove(value);
                }
            }
            (Some(_), None) => {}
            (None, _) => self.total -= i128::from(row.item(self.member).map_or(0, Item::as_int)),
        }
    }
}
