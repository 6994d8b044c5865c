//! Timestamps and durations for people: UTC, seconds, RFC 3339.
//!
//! What is parsed here comes from an operator's command line. Stores and messages keep milliseconds; the calendar is
//! [`glacis_wire::civil`].

use glacis_wire::Timestamp;
use std::str::FromStr;
use std::time::Duration;

/// A point in time as an argument: RFC 3339 in UTC, or a duration from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A point.
    At(Timestamp),
    /// So long from now.
    In(Duration),
}

/// A duration as an argument: a whole number and `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(Duration);

impl Moment {
    /// The point, if it is `now`.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::In(span) => now.after(span),
        }
    }
}

impl Span {
    /// In whole seconds.
    pub(crate) const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }
}

impl FromStr for Moment {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(span) = text.strip_prefix('+') {
            return span.parse().map(|Span(span)| Self::In(span));
        }
        Timestamp::parse_rfc3339(text).map(Self::At).ok_or("write UTC such as 2026-01-31T12:00:00Z, or +2h")
    }
}

impl FromStr for Span {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a whole number and a unit: 30s, 15m, 24h, 30d";
        let unit = match text.bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => DAY,
            _ => return Err(wrong),
        };
        let digits =
            text.get(..text.len() - 1).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let count: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or(wrong)?;
        // LIMIT: a thousand years, so that no sum overflows.
        let seconds = count.checked_mul(unit).filter(|seconds| *seconds <= 366_000 * DAY);
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or("longer than a thousand years")
    }
}

/// Seconds of a day.
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_are_right_both_ways() {
        for (secs, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_795_375_689, "2026-11-22T19:28:09Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_secs(secs).rfc3339(), want);
            assert_eq!(want.parse(), Ok(Moment::At(Timestamp::from_secs(secs))));
        }
    }

    #[test]
    fn times_and_spans_are_parsed_strictly() {
        for text in [
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00+01:00",
            "tomorrow",
            "+2 h",
            "+",
            "",
            "1969-12-31T23:59:59Z",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert_eq!("+90m".parse(), Ok(Moment::In(Duration::from_secs(5_400))));
        assert!("99999999999999999999d".parse::<Span>().is_err());
        assert!("9999999999999999d".parse::<Span>().is_err());
        assert!("é".parse::<Span>().is_err());
    }
}
