//! The plan of a slice: for each slot a table from values to classes, for each class one row of bits over *terms*.
//!
//! A rule is a disjunction of terms, a term a conjunction of literals, a literal an atom that reads one slot, or
//! its negation. Each term has one bit, the same in every row. Deciding an event is then
//!
//! - `dead`: the union, over the slots that have a value, of the row of the value's class; it holds the terms
//!   with a literal that is false;
//! - `pend`: the union, over the slots that have none, of the row of all terms that read the slot.
//!
//! A term is false if it is dead, true if it is neither dead nor pending, and otherwise open. Without `?:` CEL's
//! connectives are a De Morgan algebra over {true, false, open}, so the disjunction is exact in both directions:
//! the rule is true if a term is, and false if all are. A rule with `?:` has terms for *true* and terms for
//! *false*, since `c ? a : b` stays open on an open `c` even where `a` and `b` agree. A missing signal is a class
//! of its own: it kills `has`, and every other literal that reads it is open (an error).
//!
//! What a table cannot say is left open on purpose, and an open rule is settled by the arena: a rule over its
//! limits is one term that is always open, an atom that no table knows (two signals, arithmetic, `contains`) is a
//! literal that is always open, and so is a long prefix where its first eight bytes agree. So the plan is a filter
//! that is exact wherever it answers, and the arena is the one meaning of everything else.
//!
//! Neighbouring classes differ in few terms, so most rows are stored as a *change*: another row and the bits that
//! differ. That keeps the rows of two thousand rules within a cache that is near.
//!
//! The tables stay in the slice's bytes, little-endian, and are read in place; only what one rule or one slot
//! needs in a fixed size is unpacked here. A device's slice has no plan: what it computes must not depend on
//! private values (DESIGN §4.3), so its arena runs whole.
//!
//! [`key`] how values become places in tables · [`make`] from the arena to a plan · [`read`] from bytes, checked.

pub(crate) mod key;
pub(crate) mod make;
pub(crate) mod read;

use crate::tree::{Effect, Obligations};
use alloc::boxed::Box;
use alloc::vec;
use core::ops::Range;
use glacis_wire::{Cause, Causes, Trust, Type};

/// No row: all bits are zero. Such a row is never stored.
pub(crate) const NO_ROW: u16 = u16::MAX;
/// Set in the name of a row that is stored as a change of another.
pub(crate) const CHANGED: u16 = 1 << 15;
/// Most bits in which a row may differ from the one that it changes. Measured: with more, fewer rows are whole, but
/// setting the bits costs what reading words did.
pub(crate) const CHANGES_MAX: usize = 6;
/// Bytes of a change: row (two), how many bits are cleared and set (one each), bits (two each).
pub(crate) const CHANGE_BYTES: usize = 4 + 2 * CHANGES_MAX;
/// Most terms of one rail of a rule, and most literals in them (DESIGN §4.5).
pub(crate) const TERMS_MAX: usize = 16;
/// See [`TERMS_MAX`].
pub(crate) const LITERALS_MAX: usize = 64;
/// Most words of a row: every rule of the largest slice with both rails full.
pub(crate) const WORDS_MAX: usize = glacis_wire::limits::RULES_MAX * 2 * TERMS_MAX / WORD_BITS;
/// Bits of one word of a row.
pub(crate) const WORD_BITS: usize = 64;
/// Words are counted in blocks, so that rows can be united without a rest.
pub(crate) const BLOCK: usize = 4;
/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 8 * BLOCK;
/// Bounds that are searched together: those of one cache line. Behind the last bound the line is filled up.
pub(crate) const GROUP: usize = 8;
/// Rows of fewer blocks are always whole: reading them is cheaper than changing another.
pub(crate) const CHANGED_BLOCKS_MIN: usize = 2;
/// What fills up a group of bounds.
pub(crate) const FILLED: i64 = i64::MAX;
/// Bytes of one record of a text table: tag, row, row of its prefixes (two bytes each), place of the text (four).
/// Before a text in the arena stand the two bytes of its length.
pub(crate) const TEXT_RECORD: usize = 10;

/// How much of a rule the plan decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// All of it, without looking at the rule.
    Whole,
    /// Its indexed atoms decide for most events; where they do not, its condition is computed.
    Part,
    /// None of it: its condition is computed for each event. It has no indexed atom, or is over the limits of
    /// 16 terms and 64 literals a rail.
    Nothing,
}

/// A checked plan, as the evaluator uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Words of a row.
    pub(crate) words: usize,
    /// One a rule, in the slice's order.
    pub(crate) rules: Box<[RuleTerms]>,
    /// The rule of each term, by bit.
    pub(crate) owners: Box<[u16]>,
    /// What each word of a row means.
    pub(crate) fixed: Box<[Fixed]>,
    /// By word and cause: terms of the rules that close as skip for that cause.
    pub(crate) skips: Box<[[Skips; Cause::ALL.len()]]>,
    /// One a slot.
    pub(crate) slots: Box<[SlotTable]>,
    /// Where the rows are in the slice's bytes.
    pub(crate) rows: Range<usize>,
    /// Where the changes are, [`CHANGE_BYTES`] each.
    pub(crate) changes: Range<usize>,
    /// Upper bound of abstract steps of one evaluation.
    pub(crate) steps: u64,
}

/// The terms of one rule: all in one word, so that a rule is decided by a few masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleTerms {
    /// The word that holds them.
    pub(crate) word: u16,
    /// Whether the causes of its open terms are the causes of the rule: its condition is a disjunction of
    /// conjunctions as it is written, and every atom is indexed.
    pub(crate) direct: bool,
    /// Whether every atom of its condition stands in a term and is decided by its class alone: then a rule that rows
    /// leave open *is* open, and reads nothing that no row knows.
    pub(crate) exact: bool,
    /// What the rule does, and what its match starts; here as well, so that a match needs no other place.
    pub(crate) effect: Effect,
    pub(crate) obligations: Obligations,
    /// Causes for which it closes as if it were true; none of a lenient rule.
    pub(crate) closing: Causes,
    /// Terms that make it true.
    pub(crate) trues: u64,
    /// Terms that make it false; none where the disjunction of `trues` says that as well.
    pub(crate) falses: u64,
}

/// Bits of one word that are the same for every event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// Bits without a term, dead from the beginning.
    pub(crate) idle: u64,
    /// Terms that are never decided by rows alone.
    pub(crate) rest: u64,
    /// Terms that make their rule false.
    pub(crate) falses: u64,
}

/// Terms of rules that close as skip. A rule is not matched where it has only such terms and dead ones, whatever
/// else it reads, if it skips for every cause of the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips {
    /// Of rules with one rail. If all terms that are not dead wait, the rule is unknown: were each signal that they
    /// wait for such that they are dead, the rule would be false, so none of its errors decides.
    pub(crate) waiting: u64,
    /// Of exact rules with two rails, which are unknown if no term holds, unless something failed.
    pub(crate) open: u64,
}

/// Rows of one slot. Each `u16` names a row.
#[derive(Clone, Debug)]
pub(crate) struct SlotTable {
    /// Type and least trust of the slot, and whether it is an aggregate; here as well, so that an answer needs no
    /// other place.
    pub(crate) ty: Type,
    pub(crate) min_trust: Trust,
    pub(crate) aggregate: bool,
    /// Terms that read the slot in any way.
    pub(crate) uses: u16,
    /// Terms that are dead if it has a value: they say `!has`.
    pub(crate) present: u16,
    /// Terms that are dead if it is missing: they say `has`.
    pub(crate) missing: u16,
    /// Terms that are open if it is missing: they use its value.
    pub(crate) misused: u16,
    /// Of an aggregate: terms that compare its value more than once.
    pub(crate) several: u16,
    /// Rows by value.
    pub(crate) values: Values,
}

/// Rows by value of one slot. Ranges are of the slice's bytes.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// Only `has` is asked.
    None,
    /// One row a truth value.
    Bool([u16; 2]),
    /// Rows by order: ints, uints, moments, spans.
    Int(Ordered),
    /// Rows by order, and the row of NaN.
    Double(Ordered, u16),
    /// Rows by equality and by prefix; a term is dead by either. A literal knows its prefixes.
    Text(Option<Texts>, Option<Ordered>),
}

/// Ascending bounds cut an order into classes: class *k* are the keys with *k* bounds at or below them.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    /// How many there are.
    pub(crate) count: usize,
    /// The last bound of each full [`GROUP`].
    pub(crate) tops: Box<[i64]>,
    /// Eight bytes a bound, and [`FILLED`] at least once, up to the end of a group.
    pub(crate) bounds: Range<usize>,
    /// Two bytes a class.
    pub(crate) dead: Range<usize>,
    /// Two bytes a class; empty where no class leaves a term open.
    pub(crate) open: Range<usize>,
}

/// Literals of one slot in buckets by hash. The policy fixes the buckets, so no text can make one longer.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    /// Binary logarithm of the number of buckets.
    pub(crate) bits: u32,
    /// Row of a text that is no literal of the slot.
    pub(crate) other: u16,
    /// Length of the longest literal.
    pub(crate) longest: usize,
    /// Literals in the fullest bucket.
    pub(crate) fullest: usize,
    /// Two bytes a bucket and two at the end: where its records begin.
    pub(crate) starts: Range<usize>,
    /// [`TEXT_RECORD`] bytes a literal.
    pub(crate) records: Range<usize>,
}

impl RuleTerms {
    /// Whether its condition may have to be computed.
    pub(crate) const fn may_be_open(&self) -> bool {
        !self.direct && self.trues | self.falses != 0
    }
}

impl Plan {
    /// Bytes of one row.
    pub(crate) const fn row_bytes(&self) -> usize {
        self.words * 8
    }

    /// Adds the bits of a row to a plane; how many words that took.
    pub(crate) fn add(&self, bytes: &[u8], row: u16, plane: &mut [u64]) -> usize {
        if row & CHANGED == 0 {
            return union(plane, self.whole(bytes, row));
        }
        if row == NO_ROW {
            return 0;
        }
        self.add_change(bytes, self.change(bytes, row), plane)
    }

    /// As [`add`](Self::add), of a row that is stored as a change.
    pub(crate) fn add_change(&self, bytes: &[u8], change: Change<'_>, plane: &mut [u64]) -> usize {
        // What the plane has stays, whatever the other row would add that this one does not.
        let mut kept = 0_u64;
        for bit in change.cleared.iter().rev() {
            let (word, bit) = split(*bit);
            kept = kept << 1 | plane.get(word).map_or(0, |word| word >> bit & 1);
        }
        let words = union(plane, self.whole(bytes, change.of));
        for bit in change.cleared {
            let (word, bit) = split(*bit);
            if let Some(word) = plane.get_mut(word) {
                *word &= !((!kept & 1) << bit);
            }
            kept >>= 1;
        }
        for bit in change.set {
            let (word, bit) = split(*bit);
            if let Some(word) = plane.get_mut(word) {
                *word |= 1 << bit;
            }
        }
        words + change.cleared.len() + change.set.len()
    }

    /// The words of a row that is stored whole.
    #[inline]
    fn whole<'a>(&self, bytes: &'a [u8], row: u16) -> &'a [[u8; 8]] {
        let start = self.rows.start + usize::from(row) * self.row_bytes();
        bytes.get(start..start + self.row_bytes()).map_or(&[], |row| row.as_chunks().0)
    }

    /// A row that is stored as a change.
    #[inline]
    pub(crate) fn change<'a>(&self, bytes: &'a [u8], row: u16) -> Change<'a> {
        let changes = bytes.get(self.changes.clone()).unwrap_or_default().as_chunks().0;
        changes.get(usize::from(row & !CHANGED)).map_or(Change::NOTHING, Change::parse)
    }

    /// How much of each rule it decides, in the slice's order.
    pub(crate) fn indexing(&self, bytes: &[u8]) -> impl Iterator<Item = Indexing> {
        let mut used = vec![0; self.words];
        for slot in &self.slots {
            self.add(bytes, slot.uses, &mut used);
        }
        self.rules.iter().map(move |rule| {
            let word = usize::from(rule.word);
            let terms = rule.trues | rule.falses;
            let rest = self.fixed.get(word).map_or(0, |fixed| fixed.rest) & terms;
            match (rest == 0, used.get(word).map_or(0, |used| used & terms) == 0) {
                (true, _) => Indexing::Whole,
                (false, false) => Indexing::Part,
                (false, true) => Indexing::Nothing,
            }
        })
    }
}

/// A row as it differs from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// The other row, which is stored whole; [`NO_ROW`]: only the bits.
    pub(crate) of: u16,
    /// Bits that only the other has, ascending; two bytes each.
    pub(crate) cleared: &'a [[u8; 2]],
    /// Bits that the other does not have, ascending.
    pub(crate) set: &'a [[u8; 2]],
}

impl<'a> Change<'a> {
    const NOTHING: Self = Self { of: NO_ROW, cleared: &[], set: &[] };

    /// The change in a record. Counts beyond the record, which the loader refuses, read as no bit.
    #[inline]
    pub(crate) fn parse(record: &'a [u8; CHANGE_BYTES]) -> Self {
        let [of_0, of_1, cleared, set, bits @ ..] = record;
        let bits = bits.as_chunks().0;
        let (cleared, rest) = bits.split_at_checked(usize::from(*cleared)).unwrap_or_default();
        let set = rest.get(..usize::from(*set)).unwrap_or_default();
        Self { of: u16::from_le_bytes([*of_0, *of_1]), cleared, set }
    }
}

/// The word of a bit, and its place in it.
#[inline]
pub(crate) fn split(bit: [u8; 2]) -> (usize, u32) {
    let bit = u16::from_le_bytes(bit);
    (usize::from(bit >> 6), u32::from(bit & 63))
}

/// Adds the bits of a whole row; how many words that took.
#[inline]
pub(crate) fn union(plane: &mut [u64], row: &[[u8; 8]]) -> usize {
    for (word, more) in plane.iter_mut().zip(row) {
        *word |= u64::from_le_bytes(*more);
    }
    row.len()
}
