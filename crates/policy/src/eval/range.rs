//! Intervals in conditions: what an atom says of all numbers between two ends (DESIGN §4.2).
//!
//! An interval is met by comparisons with a point and by `in` over a list of points: those are known where every
//! number of it decides alike. Everything else that computes with one (arithmetic, another interval) is
//! `unknown(inexact)`, whatever it would come to. A `?:` hands the interval of its branch on.
//!
//! The plan asks the same of its classes (`indexed::met`), and the two agree because a class is a set of numbers
//! that all atoms of a slot judge alike.

use super::input::Reading;
use crate::plan::key;
use core::cmp::Ordering;
use glacis_wire::interval::Ends;
use glacis_wire::limits::LIST_ITEMS_MAX;
use glacis_wire::{Interval, Value};

/// Whether a comparison with `other` holds, if it is the same for every number of the interval.
pub(super) fn compare(
    interval: Interval,
    other: Reading<'_>,
    holds: &dyn Fn(Option<Ordering>) -> bool,
) -> Option<bool> {
    let (low, high) = match (interval.ends(), other) {
        (Ends::Ints { lo, hi }, Reading::Int(other)) => (lo.cmp(&other), hi.cmp(&other)),
        (Ends::Doubles { lo, hi }, Reading::Double(other)) => {
            // No number of the interval has an order with NaN.
            let Some(low) = lo.partial_cmp(&other) else { return Some(holds(None)) };
            (low, hi.partial_cmp(&other)?)
        }
        _ => return None,
    };
    // From below the point to above it, all that lies between is met as well.
    let met = [Ordering::Less, Ordering::Equal, Ordering::Greater];
    let mut met =
        met.into_iter().filter(|order| (low..=high).contains(order)).map(|order| holds(Some(order)));
    let first = met.next()?;
    met.all(|held| held == first).then_some(first)
}

/// Whether the list has the number, if it has all numbers of the interval or none.
pub(super) fn member(interval: Interval, items: &[Value]) -> Option<bool> {
    let (lo, hi) = keys(interval)?;
    let mut found = [0_u64; LIST_ITEMS_MAX / 64];
    let mut count = 0;
    for key in items.iter().filter_map(|item| item_key(interval, item)) {
        if !(lo..=hi).contains(&key) {
            continue;
        }
        count += 1;
        // More numbers than a list has items are never all in it.
        let place = usize::try_from(key.abs_diff(lo)).ok();
        if let Some((word, bit)) = place.and_then(|at| Some((found.get_mut(at / 64)?, at % 64))) {
            *word |= 1 << bit;
        }
    }
    if count == 0 {
        return Some(false);
    }
    let different: u64 = found.iter().map(|word| u64::from(word.count_ones())).sum();
    different.checked_sub(1).is_some_and(|steps| hi.abs_diff(lo) == steps).then_some(true)
}

/// The ends as the plan orders numbers: neighbours differ by one.
pub(super) fn keys(interval: Interval) -> Option<(i64, i64)> {
    match interval.ends() {
        Ends::Ints { lo, hi } => Some((lo, hi)),
        Ends::Doubles { lo, hi } => Some((key::of_double(lo)?, key::of_double(hi)?)),
    }
}

/// The key of an item of the interval's type.
fn item_key(interval: Interval, item: &Value) -> Option<i64> {
    match (interval.ends(), item) {
        (Ends::Ints { .. }, Value::Int(value)) => Some(*value),
        (Ends::Doubles { .. }, Value::Double(value)) => key::of_double(*value),
        _ => None,
    }
}

const _: () = assert!(LIST_ITEMS_MAX.is_multiple_of(64), "a bit for each item");

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn ints(lo: i64, hi: i64) -> Interval {
        Interval::ints(lo, hi).unwrap()
    }

    fn doubles(lo: f64, hi: f64) -> Interval {
        Interval::doubles(lo, hi).unwrap()
    }

    #[test]
    fn a_comparison_is_known_where_every_number_decides_alike() {
        let less = |order: Option<Ordering>| order == Some(Ordering::Less);
        let equal = |order: Option<Ordering>| order == Some(Ordering::Equal);
        let differs = |order: Option<Ordering>| order != Some(Ordering::Equal);
        let at = |value| Reading::Int(value);
        for (lo, hi, other, is_less, is_equal) in [
            (1, 3, 0, Some(false), Some(false)),
            (1, 3, 1, Some(false), None),
            (1, 3, 2, None, None),
            (1, 3, 3, None, None),
            (1, 3, 4, Some(true), Some(false)),
            (i64::MIN, i64::MAX, 0, None, None),
        ] {
            assert_eq!(compare(ints(lo, hi), at(other), &less), is_less, "{lo}..{hi} < {other}");
            assert_eq!(compare(ints(lo, hi), at(other), &equal), is_equal, "{lo}..{hi} == {other}");
            assert_eq!(compare(ints(lo, hi), at(other), &differs), is_equal.map(|held| !held));
        }
        let zeros = doubles(-0.0, 0.0);
        assert_eq!(compare(zeros, Reading::Double(0.0), &equal), Some(true));
        assert_eq!(compare(zeros, Reading::Double(-0.0), &less), Some(false));
        assert_eq!(compare(doubles(0.0, 1.0), Reading::Double(f64::NAN), &less), Some(false));
        assert_eq!(compare(doubles(0.0, 1.0), Reading::Double(f64::NAN), &differs), Some(true));
        assert_eq!(compare(ints(0, 1), Reading::Double(2.0), &less), None, "another type");
    }

    #[test]
    fn a_list_has_all_numbers_of_an_interval_or_none_or_nobody_knows() {
        let list = |items: &[i64]| items.iter().map(|item| Value::Int(*item)).collect::<Vec<_>>();
        for (lo, hi, items, want) in [
            (1, 3, &[][..], Some(false)),
            (1, 3, &[0, 4, 5], Some(false)),
            (1, 3, &[3, 1, 2], Some(true)),
            (1, 3, &[3, 1, 1, 3], None),
            (1, 3, &[2], None),
            (i64::MIN, i64::MAX, &[0], None),
            (i64::MIN, i64::MIN + 1, &[i64::MIN, i64::MIN + 1], Some(true)),
        ] {
            assert_eq!(member(ints(lo, hi), &list(items)), want, "{lo}..{hi} in {items:?}");
        }
        let full: Vec<i64> = (0..1_024).collect();
        assert_eq!(member(ints(0, 1_023), &list(&full)), Some(true));
        assert_eq!(member(ints(0, 1_024), &list(&full)), None);
        assert_eq!(member(ints(-1, 1_022), &list(&full)), None);
        let near = [0.0, 0.0_f64.next_up(), f64::NAN].map(Value::Double);
        assert_eq!(member(doubles(-0.0, 0.0_f64.next_up()), &near), Some(true));
        assert_eq!(member(doubles(0.0_f64.next_down(), 0.0), &near), None);
    }
}
