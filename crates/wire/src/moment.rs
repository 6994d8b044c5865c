//! Moments and spans of time as *values*: what a signal or a condition holds, not what a message is stamped with.
//!
//! Both have a resolution of one microsecond, so that each is one ordered 64-bit number. Their ranges are those of
//! CEL: the years 1 to 9999, and what fits 64 bits of nanoseconds. Only values in range exist.

/// A moment: microseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800 * SECOND_US);
    /// The last microsecond of the year 9999.
    pub const MAX: Self = Self(253_402_300_800 * SECOND_US - 1);

    /// The moment so many microseconds after the epoch, if it is in range.
    pub const fn from_us(us: i64) -> Option<Self> {
        if Self::MIN.0 <= us && us <= Self::MAX.0 { Some(Self(us)) } else { None }
    }

    /// Microseconds since the epoch.
    pub const fn as_us(self) -> i64 {
        self.0
    }
}

/// A span of time of either sign: microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// The longest span: whole microseconds of 64 bits of nanoseconds, some 292 years.
    pub const MAX: Self = Self(i64::MAX / 1_000);
    /// The longest negative span.
    pub const MIN: Self = Self(-Self::MAX.0);

    /// The span of so many microseconds, if it is in range.
    pub const fn from_us(us: i64) -> Option<Self> {
        if Self::MIN.0 <= us && us <= Self::MAX.0 { Some(Self(us)) } else { None }
    }

    /// Microseconds.
    pub const fn as_us(self) -> i64 {
        self.0
    }
}

/// Microseconds of a second.
const SECOND_US: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode as _, Encode as _, Value};

    #[test]
    fn only_values_in_range_exist_and_are_decoded() {
        for (first, last) in
            [(Moment::MIN.as_us(), Moment::MAX.as_us()), (Span::MIN.as_us(), Span::MAX.as_us())]
        {
            assert!(first < 0 && last > 0);
        }
        assert_eq!(Moment::from_us(Moment::MIN.as_us() - 1), None);
        assert_eq!(Moment::from_us(Moment::MAX.as_us() + 1), None);
        assert_eq!(Span::from_us(Span::MAX.as_us() + 1), None);
        assert_eq!(Span::from_us(i64::MIN), None);
        for (value, beyond) in [
            (Value::Timestamp(Moment::MAX), Moment::MAX.as_us() + 1),
            (Value::Duration(Span::MIN), Span::MIN.as_us() - 1),
        ] {
            let mut bytes = value.to_bytes().unwrap();
            assert_eq!(Value::from_bytes(&bytes), Ok(value));
            let length = bytes.len();
            bytes.splice(length - 8.., beyond.to_be_bytes());
            assert!(Value::from_bytes(&bytes).is_err());
        }
    }
}
