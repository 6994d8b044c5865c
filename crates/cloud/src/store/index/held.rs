//! Keys in memory, each with the rows that have it.
//!
//! Nearly every key has one row; the others are few, however they came about, and are kept apart. A key may be
//! anything, also chosen by an attacker, so the table hashes it with a secret.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

/// Keys and their rows.
#[derive(Debug, Default)]
pub(super) struct Held {
    one: HashMap<i64, i64>,
    more: BTreeSet<(i64, i64)>,
}

impl Held {
    pub(super) fn add(&mut self, key: i64, row: i64) {
        match self.one.entry(key) {
            Entry::Vacant(free) => {
                free.insert(row);
            }
            Entry::Occupied(_) => {
                self.more.insert((key, row));
            }
        }
    }

    pub(super) fn rows(&self, key: i64) -> impl Iterator<Item = i64> {
        let more = (!self.more.is_empty()).then(|| self.more.range((key, i64::MIN)..=(key, i64::MAX)));
        self.one.get(&key).copied().into_iter().chain(more.into_iter().flatten().map(|(_, row)| *row))
    }

    pub(super) fn has(&self, key: i64) -> bool {
        self.one.contains_key(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.one.len() + self.more.len()
    }

    /// Everything, in no order.
    pub(super) fn all(&self) -> Vec<(i64, i64)> {
        self.one.iter().map(|(key, row)| (*key, *row)).chain(self.more.iter().copied()).collect()
    }
}
