//! A read-only view of the plan of a loaded slice: terms, rows and tables, as the evaluator reads them.
//!
//! For whoever checks that a plan says what the arena says (the proof of a policy, over the bytes as loaded): classes are
//! listed, rows named, and read a word at a time. Nothing here is used to decide, no device links it, and it must not
//! judge what it shows: the loader has checked that the plan is in bounds, not that it is true.

use crate::plan::{CHANGED, NO_ROW, Ordered, TEXT_RECORD, Values, split};
use crate::tree::Slice;
use alloc::vec::Vec;
use core::ops::Range;

/// A row of bits over terms, by its name in the plan of one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(u16);

impl Row {
    /// No row.
    pub const NONE: Self = Self(NO_ROW);

    /// Whether there is a row at all. One that is there without a bit still counts as an answer that failed, where rows
    /// say that something did.
    pub fn is_named(self) -> bool {
        self != Self::NONE
    }
}

/// The terms of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleView {
    /// The word of a row that holds them.
    pub word: usize,
    /// Terms that make it true.
    pub trues: u64,
    /// Terms that make it false; none where all of `trues` being dead says that.
    pub falses: u64,
    /// Terms that rows never decide.
    pub rest: u64,
    /// Whether the causes of its open terms are its causes.
    pub direct: bool,
    /// Whether an event with one cause and no failure leaves it unknown for that cause, where its terms leave it open.
    pub exact: bool,
    /// Nodes of the arena that are computed where its terms leave it open; none: all of its condition is.
    pub residue: Vec<u32>,
}

/// The tables of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// Terms that read the slot in any way.
    pub uses: Row,
    /// Terms that are dead if it has a value.
    pub present: Row,
    /// Terms that are dead if it is missing.
    pub missing: Row,
    /// Terms that are open if it is missing.
    pub misused: Row,
    /// Terms that compare an aggregate more than once.
    pub several: Row,
    /// Rows by value.
    pub values: ValuesView,
}

/// Rows by value of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValuesView {
    /// Only `has` is asked.
    None,
    /// Rows of false and of true.
    Bool([Row; 2]),
    /// Rows by the key of an int, uint, moment or span.
    Int(OrderedView),
    /// Rows by the key of a double, and of NaN.
    Double(OrderedView, Row),
    /// Rows by equality, and by the key of the first eight bytes.
    Text(Option<TextsView>, Option<OrderedView>),
}

/// Classes of keys: class *k* are the keys with *k* bounds at or below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedView {
    /// Ascending.
    pub bounds: Vec<i64>,
    /// Dead terms by class: one more than bounds.
    pub dead: Vec<Row>,
    /// Open terms by class; empty where no class leaves one open.
    pub open: Vec<Row>,
}

/// Literals of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextsView {
    /// Dead terms of a text that is no literal.
    pub other: Row,
    /// Each literal with its dead terms by equality and by prefix.
    pub literals: Vec<(Vec<u8>, Row, Row)>,
}

impl Slice {
    /// Words of a row of its plan.
    pub const fn row_words(&self) -> usize {
        self.plan.words
    }

    /// One word of a row: of the row that it changes, if it is stored as a change, without the cleared bits of that and
    /// with its own.
    pub fn row_word(&self, row: Row, word: usize) -> u64 {
        let Row(name) = row;
        if name == NO_ROW {
            return 0;
        }
        if name & CHANGED == 0 {
            return self.whole_word(name, word);
        }
        let change = self.plan.change(&self.bytes, name);
        let bits = |bits: &[[u8; 2]]| {
            let here = bits.iter().map(|bit| split(*bit)).filter(|(at, _)| *at == word);
            here.fold(0, |all, (_, bit)| all | 1_u64 << bit)
        };
        let before = if change.of == NO_ROW { 0 } else { self.whole_word(change.of, word) };
        before & !bits(change.cleared) | bits(change.set)
    }

    fn whole_word(&self, name: u16, word: usize) -> u64 {
        if word >= self.plan.words {
            return 0;
        }
        let start = self.plan.rows.start + usize::from(name) * self.plan.row_bytes() + 8 * word;
        let bytes = self.bytes.get(start..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |word| u64::from_le_bytes(*word))
    }

    /// The terms of each rule, in the order of rules; nothing of a device, which has no plan.
    pub fn rule_views(&self) -> Vec<RuleView> {
        let rules = (0..).zip(&self.plan.rules);
        let view = |(at, rule): (u16, &crate::plan::RuleTerms)| RuleView {
            word: usize::from(rule.word),
            trues: rule.trues,
            falses: rule.falses,
            rest: self.plan.fixed.get(usize::from(rule.word)).map_or(0, |fixed| fixed.rest)
                & (rule.trues | rule.falses),
            direct: rule.direct,
            exact: rule.exact,
            residue: self.orders.residue(at).to_vec(),
        };
        rules.map(view).collect()
    }

    /// The tables of each slot, in the order of slots; nothing of a device.
    pub fn slot_views(&self) -> Vec<SlotView> {
        let viewer = Viewer { bytes: &self.bytes };
        let view = |table: &crate::plan::SlotTable| SlotView {
            uses: Row(table.uses),
            present: Row(table.present),
            missing: Row(table.missing),
            misused: Row(table.misused),
            several: Row(table.several),
            values: viewer.values(&table.values),
        };
        self.plan.slots.iter().map(view).collect()
    }
}

struct Viewer<'a> {
    bytes: &'a [u8],
}

impl Viewer<'_> {
    fn values(&self, values: &Values) -> ValuesView {
        match values {
            Values::None => ValuesView::None,
            Values::Bool(rows) => ValuesView::Bool(rows.map(Row)),
            Values::Int(ordered) => ValuesView::Int(self.ordered(ordered)),
            Values::Double(ordered, nan) => ValuesView::Double(self.ordered(ordered), Row(*nan)),
            Values::Text(texts, prefixes) => ValuesView::Text(
                texts.as_ref().map(|texts| TextsView {
                    other: Row(texts.other),
                    literals: self.literals(texts.records.clone()),
                }),
                prefixes.as_ref().map(|prefixes| self.ordered(prefixes)),
            ),
        }
    }

    fn ordered(&self, table: &Ordered) -> OrderedView {
        let bounds = self.part(&table.bounds).as_chunks().0.iter().take(table.count);
        OrderedView {
            bounds: bounds.map(|bound| i64::from_le_bytes(*bound)).collect(),
            dead: self.rows(&table.dead),
            open: self.rows(&table.open),
        }
    }

    fn rows(&self, names: &Range<usize>) -> Vec<Row> {
        self.part(names).as_chunks().0.iter().map(|name| Row(u16::from_le_bytes(*name))).collect()
    }

    fn literals(&self, records: Range<usize>) -> Vec<(Vec<u8>, Row, Row)> {
        let mut found = Vec::new();
        for record in self.part(&records).as_chunks::<TEXT_RECORD>().0 {
            let [_, _, row_0, row_1, prefix_0, prefix_1, place @ ..] = *record;
            let rows = [[row_0, row_1], [prefix_0, prefix_1]].map(|name| Row(u16::from_le_bytes(name)));
            let [by_text, by_prefix] = rows;
            found.push((self.text(place).to_vec(), by_text, by_prefix));
        }
        found
    }

    /// The text at a place: two bytes before it say how long it is.
    fn text(&self, place: [u8; 4]) -> &[u8] {
        let start = usize::try_from(u32::from_le_bytes(place)).unwrap_or(usize::MAX);
        let length = start.checked_sub(2).and_then(|at| self.bytes.get(at..)?.first_chunk());
        let length = length.map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        self.bytes.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

impl crate::tree::Node {
    /// The nodes that it reads.
    pub fn parts(&self) -> impl Iterator<Item = u32> + use<> {
        self.operands().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::binding::Binding;
    use crate::tree::{Effect, Entry, Node, Obligations, Parts, Rule, Slot, Source};
    use alloc::format;
    use glacis_wire::{Cause, EventName, PolicyDigest, SignalName, Trust, Type, Value, Zone};

    /// Rules `a > n` for many n: neighbouring classes differ in one term, so rows are stored as changes.
    fn crowded() -> Slice {
        let event = EventName::parse("a.b").unwrap();
        let binding = Binding::unbound(PolicyDigest::new([0; PolicyDigest::LEN]));
        let mut parts = Parts::empty(event, Zone::Edge, binding);
        let name = SignalName::parse("a").unwrap();
        let (source, min_trust) = (Source::Edge, Trust::Claimed);
        parts.slots.push(Slot { name, source, ty: Type::Int, min_trust, aggregate: false });
        parts.nodes.push(Node::Read(0));
        for at in 0..600 {
            let bound = u32::try_from(parts.nodes.len()).unwrap();
            parts.nodes.extend([Node::Const(Value::Int(at)), Node::Gt(0, bound)]);
            parts.rules.push(Rule {
                reason: format!("r{at}"),
                effect: Effect::Block,
                root: bound + 1,
                unknown: [Entry::Match; Cause::ALL.len()],
                error: Entry::Match,
                obligations: Obligations::NONE,
                device_final: false,
            });
        }
        Slice::try_new(&parts).unwrap()
    }

    #[test]
    fn a_word_of_a_row_is_what_the_evaluator_adds() {
        let slice = crowded();
        let views = slice.slot_views();
        let [SlotView { values: ValuesView::Int(table), .. }] = views.as_slice() else { panic!("one order") };
        let changed = table.dead.iter().filter(|Row(name)| *name != NO_ROW && name & CHANGED != 0).count();
        assert!(changed > 100 && table.dead.len() == table.bounds.len() + 1);
        for Row(name) in &table.dead {
            let mut plane = alloc::vec![0; slice.row_words()];
            slice.plan.add(&slice.bytes, *name, &mut plane);
            let words: Vec<u64> = (0..plane.len()).map(|word| slice.row_word(Row(*name), word)).collect();
            assert_eq!(words, plane, "row {name}");
        }
        assert_eq!(slice.row_word(Row::NONE, 0), 0);
        assert_eq!(slice.row_word(Row(0), slice.row_words()), 0);
    }
}
