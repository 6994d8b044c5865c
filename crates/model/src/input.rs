//! What is known of one feature's value, and which bins that can be.
//!
//! XGBoost compares in `f32`, LightGBM in `f64`; the importer has moved each threshold to where an `f64` turns, so
//! that here one comparison of keys is exact for both.

use crate::format::key;
use crate::model::{Feature, Kind};

/// What is known of the value of one feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// A number. NaN counts as missing, as in both libraries; an infinity is a number beyond all others.
    Double(f64),
    /// An integer. A feature of kind [`Kind::Double`] takes it as the nearest double.
    Int(i64),
    /// A number from `lo` to `hi`, both included. Where that holds no number, nothing is known.
    Doubles {
        /// Least.
        lo: f64,
        /// Greatest.
        hi: f64,
    },
    /// An integer from `lo` to `hi`, both included. Where that holds no integer, nothing is known.
    Ints {
        /// Least.
        lo: i64,
        /// Greatest.
        hi: i64,
    },
    /// There is no value: each split has a side for that, chosen in training.
    Missing,
    /// Nothing is known: any number, or missing.
    Unknown,
}

/// The bins that a value may have: those from `lo` to `hi`, none where `lo > hi`; and whether it may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bins {
    pub(crate) lo: u16,
    pub(crate) hi: u16,
    pub(crate) missing: bool,
}

impl Bins {
    pub(crate) const MISSING: Self = Self { lo: 1, hi: 0, missing: true };
    pub(crate) const UNKNOWN: Self = Self { lo: 0, hi: u16::MAX, missing: true };

    const fn at(bin: u16) -> Self {
        Self { lo: bin, hi: bin, missing: false }
    }

    /// Those that go left where a split is at `bin`.
    pub(crate) const fn left(self, bin: u16, missing_goes_right: bool) -> Self {
        // A split is at bin 1 or above.
        let hi = if self.hi < bin { self.hi } else { bin.saturating_sub(1) };
        Self { lo: self.lo, hi, missing: self.missing && !missing_goes_right }.tidy()
    }

    /// Those that go right there.
    pub(crate) const fn right(self, bin: u16, missing_goes_right: bool) -> Self {
        let lo = if self.lo > bin { self.lo } else { bin };
        Self { lo, hi: self.hi, missing: self.missing && missing_goes_right }.tidy()
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.lo > self.hi && !self.missing
    }

    /// One form for "no number": otherwise a later narrowing could bring one back.
    const fn tidy(self) -> Self {
        if self.lo > self.hi { Self { lo: 1, hi: 0, missing: self.missing } } else { self }
    }
}

/// Bin of a missing value in the column of splits that send it left, and right.
pub(crate) const BINS_MISSING: [u16; 2] = [0, u16::MAX];

/// Largest magnitude that LightGBM takes for zero; its `kZeroThreshold` is an `f32`.
pub(crate) const ZERO: f64 = 1e-35_f32 as f64;

impl Input {
    /// The one bin of a point: `Some(None)` for a missing value, `None` where the value is not known to a point.
    pub(crate) fn point(self, feature: Feature<'_>, thresholds: &[[u8; 8]]) -> Option<Option<u16>> {
        match self {
            Self::Double(value) => Some(feature.key(value).map(|key| bin(thresholds, key))),
            Self::Int(value) => Some(feature.key_of_int(value).map(|key| bin(thresholds, key))),
            Self::Missing => Some(None),
            Self::Doubles { .. } | Self::Ints { .. } | Self::Unknown => None,
        }
    }

    /// All bins that the value may have.
    pub(crate) fn bins(self, feature: Feature<'_>, thresholds: &[[u8; 8]]) -> Bins {
        if let Some(point) = self.point(feature, thresholds) {
            return point.map_or(Bins::MISSING, Bins::at);
        }
        let range = match self {
            Self::Doubles { lo, hi } if lo <= hi => feature.range(lo, hi),
            Self::Ints { lo, hi } if lo <= hi => feature.range_of_ints(lo, hi),
            _ => return Bins::UNKNOWN,
        };
        let (numbers, missing) = range;
        match numbers {
            Some((lo, hi)) => Bins { lo: bin(thresholds, lo), hi: bin(thresholds, hi), missing },
            None => Bins { missing, ..Bins::MISSING },
        }
    }
}

/// Least and greatest key of some numbers, if there are any; and whether one of the values counts as missing.
type Range = (Option<(i64, i64)>, bool);

impl Feature<'_> {
    /// The key of a number; `None` where it counts as missing.
    fn key(self, value: f64) -> Option<i64> {
        let missing = value.is_nan() || (self.zero_is_missing && value.abs() <= ZERO);
        (!missing).then(|| self.key_of_number(value))
    }

    fn key_of_int(self, value: i64) -> Option<i64> {
        let missing = self.zero_is_missing && value == 0;
        (!missing).then(|| self.key_of_integer(value))
    }

    fn key_of_number(self, value: f64) -> i64 {
        match self.kind {
            Kind::Double => key(value),
            Kind::Int => floor(value),
        }
    }

    fn key_of_integer(self, value: i64) -> i64 {
        match self.kind {
            Kind::Double => key(to_double(value)),
            Kind::Int => value,
        }
    }

    fn range(self, mut lo: f64, mut hi: f64) -> Range {
        let missing = self.zero_is_missing && lo <= ZERO && hi >= -ZERO;
        if missing {
            // Zeros at an end are missing and no numbers.
            lo = if lo >= -ZERO { ZERO.next_up() } else { lo };
            hi = if hi <= ZERO { (-ZERO).next_down() } else { hi };
        }
        ((lo <= hi).then(|| (self.key_of_number(lo), self.key_of_number(hi))), missing)
    }

    fn range_of_ints(self, mut lo: i64, mut hi: i64) -> Range {
        let missing = self.zero_is_missing && lo <= 0 && hi >= 0;
        if missing {
            lo += i64::from(lo == 0);
            hi -= i64::from(hi == 0);
        }
        ((lo <= hi).then(|| (self.key_of_integer(lo), self.key_of_integer(hi))), missing)
    }
}

/// The number of thresholds that a key reaches.
pub(crate) fn bin(thresholds: &[[u8; 8]], key: i64) -> u16 {
    let reached = thresholds.partition_point(|threshold| i64::from_le_bytes(*threshold) <= key);
    // INVARIANT: the loader admits no more thresholds than bins.
    u16::try_from(reached).unwrap_or(u16::MAX)
}

/// Steps of [`bin`]: one for each halving, and one for what is left.
pub(crate) const fn bin_steps(thresholds: usize) -> u64 {
    (usize::BITS - thresholds.leading_zeros()) as u64 + 1
}

/// The greatest integer that is not above a number; the ends of the range stand for everything beyond them.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is meant")]
fn floor(value: f64) -> i64 {
    let near = value as i64;
    near.saturating_sub(i64::from(to_double(near) > value))
}

#[expect(clippy::cast_precision_loss, reason = "rounds to the nearest double, as documented")]
const fn to_double(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_numbers_do_and_there_is_one_zero() {
        let ascending =
            [f64::NEG_INFINITY, f64::MIN, -1.5, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        assert!(ascending.map(key).is_sorted_by(|a, b| a < b));
        assert_eq!(key(-0.0), key(0.0));
        assert_eq!(key(0.0), 0);
    }

    #[test]
    fn floor_is_exact_and_saturates() {
        for (value, floor_of) in [
            (1.5, 1),
            (-1.5, -2),
            (-0.0, 0),
            (-1e-300, -1),
            (9_007_199_254_740_993.0, 9_007_199_254_740_992),
            (1e300, i64::MAX),
            (f64::INFINITY, i64::MAX),
            (-1e300, i64::MIN),
            (f64::NEG_INFINITY, i64::MIN),
            (-9_223_372_036_854_775_808.0, i64::MIN),
        ] {
            assert_eq!(floor(value), floor_of, "{value}");
        }
    }

    #[test]
    fn narrowing_never_brings_a_value_back() {
        for missing in [false, true] {
            let all = Bins { lo: 2, hi: 5, missing };
            for bin in 1..8 {
                for right in [false, true] {
                    let (low, high) = (all.left(bin, right), all.right(bin, right));
                    let kept = |bins: Bins| (2..=5).filter(|at| (bins.lo..=bins.hi).contains(at)).count();
                    assert_eq!(kept(low) + kept(high), 4, "each bin goes to one side");
                    assert_eq!(u8::from(low.missing) + u8::from(high.missing), u8::from(missing));
                    assert!(!low.right(bin, right).is_empty() <= (low.missing && right));
                    assert!(!high.left(bin, right).is_empty() <= (high.missing && !right));
                }
            }
        }
    }

    #[test]
    fn zeros_at_the_ends_of_an_interval_are_missing_and_no_numbers() {
        let feature = Feature { name: "f", kind: Kind::Double, zero_is_missing: true, thresholds: 0 };
        assert_eq!(feature.range(0.0, 0.0), (None, true));
        assert_eq!(feature.range(-0.0, 2.0), (Some((key(ZERO.next_up()), key(2.0))), true));
        assert_eq!(feature.range(1.0, 2.0), (Some((key(1.0), key(2.0))), false));
        assert_eq!(feature.range_of_ints(-3, 0), (Some((key(-3.0), key(-1.0))), true));
        assert_eq!(feature.key(1e-36), None);
        assert_eq!(feature.key_of_int(0), None);
    }
}
