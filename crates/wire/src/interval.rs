//! A number that is known to lie between two ends: what an aggregate is while not all of it is known (DESIGN §4.2).
//!
//! Both ends belong to it, no end is NaN, and none is empty: an interval that is not one cannot be made. One whose
//! ends are the same number says as much as that number, and every reader takes it for that ([`Interval::point`]).

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::value::{Type, Value};

/// All numbers of one type from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval(Ends);

/// Least and greatest number of an interval; `lo <= hi`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ends {
    /// Integers.
    Ints {
        /// Least.
        lo: i64,
        /// Greatest.
        hi: i64,
    },
    /// Doubles; the infinities are numbers, NaN is none.
    Doubles {
        /// Least.
        lo: f64,
        /// Greatest.
        hi: f64,
    },
}

impl Interval {
    /// The integers from `lo` to `hi`; `None` if there is none.
    pub const fn ints(lo: i64, hi: i64) -> Option<Self> {
        if lo <= hi { Some(Self(Ends::Ints { lo, hi })) } else { None }
    }

    /// The doubles from `lo` to `hi`; `None` if there is none, or an end is NaN.
    pub const fn doubles(lo: f64, hi: f64) -> Option<Self> {
        if lo <= hi { Some(Self(Ends::Doubles { lo, hi })) } else { None }
    }

    /// Its ends.
    pub const fn ends(self) -> Ends {
        self.0
    }

    /// The type of its numbers.
    pub const fn ty(self) -> Type {
        match self.0 {
            Ends::Ints { .. } => Type::Int,
            Ends::Doubles { .. } => Type::Double,
        }
    }

    /// The number, where there is but one. The two zeros are two: what is divided by them differs.
    pub fn point(self) -> Option<Value> {
        match self.0 {
            Ends::Ints { lo, hi } => (lo == hi).then_some(Value::Int(lo)),
            Ends::Doubles { lo, hi } => (lo.to_bits() == hi.to_bits()).then_some(Value::Double(lo)),
        }
    }
}

impl Encode for Interval {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self.0 {
            Ends::Ints { lo, hi } => {
                out.u8(0);
                out.i64(lo);
                out.i64(hi);
            }
            Ends::Doubles { lo, hi } => {
                out.u8(1);
                out.u64(lo.to_bits());
                out.u64(hi.to_bits());
            }
        }
        Ok(())
    }
}

impl Decode for Interval {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("interval");
        match input.u8()? {
            0 => Self::ints(input.i64()?, input.i64()?),
            1 => Self::doubles(f64::from_bits(input.u64()?), f64::from_bits(input.u64()?)),
            _ => None,
        }
        .ok_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_in_order_make_an_interval() {
        assert!(Interval::ints(2, 1).is_none());
        assert!(Interval::ints(i64::MIN, i64::MAX).is_some());
        for (lo, hi) in [(1.0, 0.5), (f64::NAN, 1.0), (1.0, f64::NAN), (f64::NAN, f64::NAN)] {
            assert!(Interval::doubles(lo, hi).is_none(), "{lo} to {hi}");
        }
        assert!(Interval::doubles(f64::NEG_INFINITY, f64::INFINITY).is_some());
    }

    #[test]
    fn one_number_is_a_point_and_two_zeros_are_not() {
        let doubles = |lo, hi| Interval::doubles(lo, hi).and_then(Interval::point);
        assert_eq!(Interval::ints(3, 3).and_then(Interval::point), Some(Value::Int(3)));
        assert_eq!(Interval::ints(3, 4).and_then(Interval::point), None);
        assert_eq!(doubles(0.5, 0.5), Some(Value::Double(0.5)));
        assert_eq!(doubles(-0.0, 0.0), None);
    }

    #[test]
    fn what_is_no_interval_is_not_decoded() {
        let bytes = |tag: u8, lo: u64, hi: u64| {
            let mut out = Writer::new();
            out.u8(tag);
            out.u64(lo);
            out.u64(hi);
            out.into_bytes()
        };
        let one = 1.0_f64.to_bits();
        for (tag, lo, hi, good) in [
            (0, 1, 2, true),
            (0, 2, 1, false),
            (1, 0, one, true),
            (1, one, 0, false),
            (1, f64::NAN.to_bits(), one, false),
            (2, 0, 0, false),
        ] {
            assert_eq!(Interval::from_bytes(&bytes(tag, lo, hi)).is_ok(), good, "{tag} {lo} {hi}");
        }
    }
}
