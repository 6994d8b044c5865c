//! Rows of bits: equal ones stored once, similar ones as changes, each kind in ascending order.
//!
//! A row has a name for the time being when it is used first; the order is known when all rows are, and then the
//! names that were written are replaced.

use crate::plan::{BLOCK, CHANGE_BYTES, CHANGED, CHANGED_BLOCKS_MIN, CHANGES_MAX, NO_ROW, WORD_BITS};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// The rows of one plan.
#[derive(Debug)]
pub(super) struct Rows {
    words: usize,
    names: BTreeMap<Vec<u64>, u16>,
    /// Those that are stored whole.
    whole: BTreeMap<Vec<u64>, u16>,
    /// Those that are stored as changes: the whole row (`NO_ROW`: none), bits cleared, bits set.
    changes: Vec<(u16, Vec<u16>, Vec<u16>)>,
    /// Where names were written.
    written: Vec<usize>,
}

impl Rows {
    pub(super) const fn new(words: usize) -> Self {
        Self {
            words,
            names: BTreeMap::new(),
            whole: BTreeMap::new(),
            changes: Vec::new(),
            written: Vec::new(),
        }
    }

    /// A row of zeros.
    pub(super) fn zero(&self) -> Vec<u64> {
        vec![0; self.words]
    }

    /// Appends the name of a row. It is stored as a change of `near` if few bits differ. `None` if there are too
    /// many rows.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, row: Vec<u64>, near: Option<&[u64]>) -> Option<()> {
        let name = self.name(row, near)?;
        self.written.push(out.len());
        out.extend(name.to_le_bytes());
        Some(())
    }

    fn name(&mut self, row: Vec<u64>, near: Option<&[u64]>) -> Option<u16> {
        if row.iter().all(|word| *word == 0) {
            return Some(NO_ROW);
        }
        if let Some(name) = self.names.get(&row).or_else(|| self.whole.get(&row)) {
            return Some(*name);
        }
        let changed = near.filter(|near| *near != row && self.is_near(near, &row));
        let Some(near) = changed else { return self.keep(&row) };
        let of = self.keep(near)?;
        let count = u16::try_from(self.changes.len()).ok().filter(|count| *count < NO_ROW & !CHANGED)?;
        let only = |a: &[u64], b: &[u64]| bits(a.iter().zip(b).map(|(a, b)| a & !b));
        self.changes.push((of, only(near, &row), only(&row, near)));
        self.names.insert(row, count | CHANGED);
        Some(count | CHANGED)
    }

    /// The name of a row that is stored whole.
    fn keep(&mut self, row: &[u64]) -> Option<u16> {
        if row.iter().all(|word| *word == 0) {
            return Some(NO_ROW);
        }
        if let Some(name) = self.whole.get(row) {
            return Some(*name);
        }
        let name = u16::try_from(self.whole.len()).ok().filter(|name| name & CHANGED == 0)?;
        self.whole.insert(row.to_vec(), name);
        Some(name)
    }

    /// Whether a row would be stored as a change of another.
    pub(super) fn is_near(&self, of: &[u64], row: &[u64]) -> bool {
        let differ: u32 = of.iter().zip(row).map(|(of, row)| (of ^ row).count_ones()).sum();
        let differ = usize::try_from(differ).unwrap_or(usize::MAX);
        self.words >= CHANGED_BLOCKS_MIN * BLOCK && differ <= CHANGES_MAX
    }

    /// Counts of rows and of changes, the rows, the changes; and names as they are now.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        let mut whole = vec![NO_ROW; self.whole.len()];
        // The order of maps is that of words; what counts is that of bytes.
        let mut rows: Vec<(Vec<u8>, u16)> = self
            .whole
            .into_iter()
            .map(|(row, name)| (row.iter().map(|word| word.to_le_bytes()).collect::<Vec<_>>().concat(), name))
            .collect();
        rows.sort_unstable();
        rename(&mut whole, rows.iter().map(|(_, name)| *name), 0);
        let changed = |(of, cleared, set): &(u16, Vec<u16>, Vec<u16>)| {
            let of = whole.get(usize::from(*of)).copied().unwrap_or(NO_ROW);
            let mut bytes = of.to_le_bytes().to_vec();
            bytes.extend([cleared, set].map(|bits| u8::try_from(bits.len()).unwrap_or(u8::MAX)));
            cleared.iter().chain(set).for_each(|bit| bytes.extend(bit.to_le_bytes()));
            bytes.resize(CHANGE_BYTES, 0);
            bytes
        };
        let mut changes: Vec<(Vec<u8>, u16)> = self.changes.iter().map(changed).zip(0..).collect();
        changes.sort_unstable();
        let mut changed = vec![NO_ROW; changes.len()];
        rename(&mut changed, changes.iter().map(|(_, name)| *name), CHANGED);
        for at in self.written {
            let Some(name) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else { continue };
            let old = u16::from_le_bytes(*name);
            let names = if old & CHANGED == 0 { &whole } else { &changed };
            let new = names.get(usize::from(old & !CHANGED)).filter(|_| old != NO_ROW);
            *name = new.copied().unwrap_or(NO_ROW).to_le_bytes();
        }
        for count in [rows.len(), changes.len()] {
            out.extend(u16::try_from(count).unwrap_or(NO_ROW).to_le_bytes());
        }
        rows.iter().for_each(|(row, _)| out.extend(row));
        changes.iter().for_each(|(change, _)| out.extend(change));
    }
}

/// New names, by the old ones, for rows in their new order.
fn rename(names: &mut [u16], old: impl Iterator<Item = u16>, kind: u16) {
    for (new, old) in (0_u16..).zip(old) {
        if let Some(name) = names.get_mut(usize::from(old)) {
            *name = new | kind;
        }
    }
}

/// The bits of a row, ascending.
fn bits(words: impl Iterator<Item = u64>) -> Vec<u16> {
    let mut bits = Vec::new();
    for (mut word, at) in words.zip(0_u16..) {
        while word != 0 {
            bits.extend(u16::try_from(word.trailing_zeros()).ok().map(|bit| at * 64 + bit));
            word &= word - 1;
        }
    }
    bits
}

/// Sets bits of a row.
pub(super) fn set(row: &mut [u64], bits: &[usize]) {
    for bit in bits {
        if let Some(word) = row.get_mut(bit / WORD_BITS) {
            *word |= 1 << (bit % WORD_BITS);
        }
    }
}

const _: () = assert!(CHANGE_BYTES < 8 * CHANGED_BLOCKS_MIN * BLOCK, "a change is shorter than a row");
