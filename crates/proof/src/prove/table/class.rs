//! The classes of one slot: sets of values that neither its tables nor the arena's tests tell apart, with their rows.
//!
//! Cut where a table has a bound *and* where a test of the arena may change its answer, so that a bound that is off by one
//! leaves a class in which rows and tests disagree. Each text that a table or a test names is a class of its own; all
//! others are told apart by their first eight bytes.

use super::test::{Sample, Test, head, of_head, to_head};
use glacis_policy::Slice;
use glacis_policy::inspect::{OrderedView, Row, SlotView, TextsView, ValuesView};
use glacis_wire::Type;
use std::collections::{BTreeMap, BTreeSet};

/// Values with one answer of every test, and one row.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) sample: Sample,
    /// Which class of the table's order it lies in.
    pub(super) place: usize,
    /// Rows of dead terms, which are united.
    pub(super) dead: [Row; 2],
    /// Terms that are left open.
    pub(super) open: Row,
}

/// The classes of one slot, in the order of keys where it has one.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    /// Every term that some row of the slot has.
    pub(super) touched: Vec<u64>,
}

impl Classes {
    pub(super) fn new(slice: &Slice, ty: Type, view: &SlotView, tests: &[&Test]) -> Self {
        let maker = Maker { tests };
        let all = match &view.values {
            ValuesView::Bool(rows) => {
                let [no, yes] = rows;
                vec![Maker::of_row(Sample::Truth(false), *no), Maker::of_row(Sample::Truth(true), *yes)]
            }
            ValuesView::Int(table) => maker.keys((i64::MIN, i64::MAX), table),
            ValuesView::Double(table, nan) => {
                let mut all = maker.keys(DOUBLES, table);
                all.push(Maker::of_row(Sample::NaN, *nan));
                all
            }
            ValuesView::Text(texts, prefixes) => {
                let none = OrderedView { bounds: Vec::new(), dead: Vec::new(), open: Vec::new() };
                let prefixes = prefixes.as_ref().unwrap_or(&none);
                maker.texts(texts.as_ref(), prefixes)
            }
            ValuesView::None => maker.without_table(ty),
        };
        let fixed = [view.uses, view.present, view.missing, view.misused, view.several];
        let by_value = all.iter().flat_map(|class| class.dead.into_iter().chain([class.open]));
        let rows: Vec<Row> = by_value.chain(fixed).filter(|row| row.is_named()).collect();
        let touches = |word| rows.iter().fold(0, |all, row| all | slice.row_word(*row, word));
        let touched = (0..slice.row_words()).map(touches).collect();
        Self { all, touched }
    }
}

struct Maker<'a> {
    tests: &'a [&'a Test],
}

impl Maker<'_> {
    /// A class of no order with these rows.
    fn of_rows(sample: Sample, dead: [Row; 2]) -> Class {
        Class { sample, place: 0, dead, open: Row::NONE }
    }

    fn of_row(sample: Sample, row: Row) -> Class {
        Self::of_rows(sample, [row, Row::NONE])
    }

    /// The first key of each class between two keys.
    fn cuts(&self, (first, last): (i64, i64), table: &OrderedView) -> Vec<i64> {
        let cuts = self.tests.iter().flat_map(|test| test.cuts()).chain(table.bounds.iter().copied());
        let inside = cuts.filter(|cut| (first..=last).contains(cut)).chain([first]);
        inside.collect::<BTreeSet<i64>>().into_iter().collect()
    }

    fn keys(&self, range: (i64, i64), table: &OrderedView) -> Vec<Class> {
        self.cuts(range, table).into_iter().map(|key| Self::looked_up(Sample::Key(key), key, table)).collect()
    }

    /// A class with the rows of a key.
    fn looked_up(sample: Sample, key: i64, table: &OrderedView) -> Class {
        let place = table.bounds.partition_point(|bound| *bound <= key);
        let row = |rows: &[Row]| rows.get(place).copied().unwrap_or(Row::NONE);
        Class { sample, place, dead: [row(&table.dead), Row::NONE], open: row(&table.open) }
    }

    fn texts(&self, table: Option<&TextsView>, prefixes: &OrderedView) -> Vec<Class> {
        let literals: BTreeMap<&[u8], [Row; 2]> = table
            .into_iter()
            .flat_map(|table| &table.literals)
            .map(|(text, row, by_prefix)| (text.as_slice(), [*row, *by_prefix]))
            .collect();
        let named = self.tests.iter().flat_map(|test| test.texts()).map(Vec::as_slice);
        let named: BTreeSet<&[u8]> = named.chain(literals.keys().copied()).collect();
        let other = |sample: Sample, key: i64| {
            let class = Self::looked_up(sample, key, prefixes);
            let [by_prefix, _] = class.dead;
            Class { dead: [by_prefix, table.map_or(Row::NONE, |table| table.other)], ..class }
        };
        let mut all = Vec::new();
        for text in named {
            let sample = Sample::Text(text.to_vec());
            all.push(match literals.get(text) {
                Some(rows) => Self::of_rows(sample, *rows),
                None => other(sample, of_head(head(text))),
            });
        }
        for key in self.cuts((i64::MIN, i64::MAX), prefixes) {
            all.push(other(Sample::Head(to_head(key)), key));
        }
        all
    }

    /// Where only `has` is asked of rows, tests of the arena may still ask more.
    fn without_table(&self, ty: Type) -> Vec<Class> {
        let none = OrderedView { bounds: Vec::new(), dead: Vec::new(), open: Vec::new() };
        match ty {
            Type::Bool => [false, true].map(|value| Self::of_row(Sample::Truth(value), Row::NONE)).to_vec(),
            Type::Int | Type::Uint | Type::Timestamp | Type::Duration => {
                self.keys((i64::MIN, i64::MAX), &none)
            }
            Type::Double => {
                let mut all = self.keys(DOUBLES, &none);
                all.push(Self::of_row(Sample::NaN, Row::NONE));
                all
            }
            Type::String => self.texts(None, &none),
            _ => vec![Self::of_row(Sample::Any, Row::NONE)],
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
