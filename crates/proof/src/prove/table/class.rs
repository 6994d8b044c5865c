//! The classes of one slot: sets of values that neither its tables nor the arena's tests tell apart, with their rows.
//!
//! Cut where a table has a bound *and* where a test of the arena may change its answer, so that a bound that is off by one
//! leaves a class in which rows and tests disagree. Each text that a table or a test names is a class of its own; all
//! others are told apart by their first eight bytes.

use super::test::{Sample, Test, head, of_head, to_head};
use glacis_policy::inspect::{OrderedView, Row, SlotView, ValuesView};
use glacis_wire::Type;
use std::collections::{BTreeMap, BTreeSet};

/// Values with one answer of every test, and one row.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) sample: Sample,
    /// Which class of the table's order it lies in.
    pub(super) place: usize,
    /// Dead terms.
    pub(super) dead: Vec<u64>,
    /// Terms that are left open.
    pub(super) open: Vec<u64>,
    /// Whether rows call it a failure.
    pub(super) fails: bool,
}

/// The classes of one slot, in the order of keys where it has one.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    /// Every term that some row of the slot has.
    pub(super) touched: Vec<u64>,
}

impl Classes {
    pub(super) fn new(ty: Type, view: &SlotView, tests: &[&Test]) -> Self {
        let maker = Maker { words: view.uses.words.len(), tests };
        let all = match &view.values {
            ValuesView::Bool(rows) => {
                let [no, yes] = rows;
                vec![maker.of_row(Sample::Truth(false), no), maker.of_row(Sample::Truth(true), yes)]
            }
            ValuesView::Int(table) => maker.keys((i64::MIN, i64::MAX), table),
            ValuesView::Double(table, nan) => {
                let mut all = maker.keys(DOUBLES, table);
                all.push(maker.of_row(Sample::NaN, nan));
                all
            }
            ValuesView::Text(texts, prefixes) => {
                let none = OrderedView { bounds: Vec::new(), dead: Vec::new(), open: Vec::new() };
                let prefixes = prefixes.as_ref().unwrap_or(&none);
                maker.texts(texts.as_ref(), prefixes)
            }
            ValuesView::None => maker.without_table(ty),
        };
        let mut touched = vec![0; maker.words];
        for row in [&view.uses, &view.present, &view.missing, &view.misused, &view.several] {
            unite(&mut touched, &row.words);
        }
        for class in &all {
            unite(&mut touched, &class.dead);
            unite(&mut touched, &class.open);
        }
        Self { all, touched }
    }
}

fn unite(row: &mut [u64], more: &[u64]) {
    row.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
}

struct Maker<'a> {
    words: usize,
    tests: &'a [&'a Test],
}

impl Maker<'_> {
    fn of_row(&self, sample: Sample, row: &Row) -> Class {
        Class { sample, place: 0, dead: row.words.clone(), open: vec![0; self.words], fails: false }
    }

    fn plain(&self, sample: Sample) -> Class {
        Class { sample, place: 0, dead: vec![0; self.words], open: vec![0; self.words], fails: false }
    }

    /// The first key of each class between two keys.
    fn cuts(&self, (first, last): (i64, i64), table: &OrderedView) -> Vec<i64> {
        let cuts = self.tests.iter().flat_map(|test| test.cuts()).chain(table.bounds.iter().copied());
        let inside = cuts.filter(|cut| (first..=last).contains(cut)).chain([first]);
        inside.collect::<BTreeSet<i64>>().into_iter().collect()
    }

    fn keys(&self, range: (i64, i64), table: &OrderedView) -> Vec<Class> {
        self.cuts(range, table).into_iter().map(|key| self.looked_up(Sample::Key(key), key, table)).collect()
    }

    /// A class with the rows of a key.
    fn looked_up(&self, sample: Sample, key: i64, table: &OrderedView) -> Class {
        let mut class = self.plain(sample);
        class.place = table.bounds.partition_point(|bound| *bound <= key);
        if let Some(row) = table.dead.get(class.place) {
            unite(&mut class.dead, &row.words);
        }
        if let Some(row) = table.open.get(class.place) {
            unite(&mut class.open, &row.words);
            class.fails = row.named;
        }
        class
    }

    fn texts(&self, table: Option<&glacis_policy::inspect::TextsView>, prefixes: &OrderedView) -> Vec<Class> {
        let literals: BTreeMap<&[u8], (&Row, &Row)> = table
            .into_iter()
            .flat_map(|table| &table.literals)
            .map(|(text, row, by_prefix)| (text.as_slice(), (row, by_prefix)))
            .collect();
        let named = self.tests.iter().flat_map(|test| test.texts()).map(Vec::as_slice);
        let named: BTreeSet<&[u8]> = named.chain(literals.keys().copied()).collect();
        let other = |class: &mut Class| {
            if let Some(table) = table {
                unite(&mut class.dead, &table.other.words);
            }
        };
        let mut all = Vec::new();
        for text in named {
            let sample = Sample::Text(text.to_vec());
            all.push(match literals.get(text) {
                Some((row, by_prefix)) => {
                    let mut class = self.of_row(sample, row);
                    unite(&mut class.dead, &by_prefix.words);
                    class
                }
                None => {
                    let mut class = self.looked_up(sample, of_head(head(text)), prefixes);
                    other(&mut class);
                    class
                }
            });
        }
        for key in self.cuts((i64::MIN, i64::MAX), prefixes) {
            let mut class = self.looked_up(Sample::Head(to_head(key)), key, prefixes);
            other(&mut class);
            all.push(class);
        }
        all
    }

    /// Where only `has` is asked of rows, tests of the arena may still ask more.
    fn without_table(&self, ty: Type) -> Vec<Class> {
        let none = OrderedView { bounds: Vec::new(), dead: Vec::new(), open: Vec::new() };
        match ty {
            Type::Bool => [false, true].map(|value| self.plain(Sample::Truth(value))).to_vec(),
            Type::Int | Type::Uint | Type::Timestamp | Type::Duration => {
                self.keys((i64::MIN, i64::MAX), &none)
            }
            Type::Double => {
                let mut all = self.keys(DOUBLES, &none);
                all.push(self.plain(Sample::NaN));
                all
            }
            Type::String => self.texts(None, &none),
            _ => vec![self.plain(Sample::Any)],
        }
    }
}

/// The keys of the infinities.
const DOUBLES: (i64, i64) = (-1 - INFINITY, INFINITY);
/// Bits of the positive infinity.
const INFINITY: i64 = 0x7FF0_0000_0000_0000;

#[cfg(test)]
mod tests {
    use super::super::test::of_double;
    use super::*;

    #[test]
    fn the_ends_of_doubles_are_the_infinities() {
        let ends = [f64::NEG_INFINITY, f64::INFINITY].map(|end| of_double(end).unwrap());
        assert_eq!((ends[0], ends[1]), DOUBLES);
    }
}
