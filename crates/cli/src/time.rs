//! Timestamps and durations for people: UTC, seconds, RFC 3339.
//!
//! The only calendar of the workspace. Nothing decides by it; what is parsed here comes from an operator's command
//! line. Stores and messages keep milliseconds.

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
        parse_rfc3339(text).map(Self::At).ok_or("write UTC such as 2026-01-31T12:00:00Z, or +2h")
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

/// `2026-11-22T19:28:09Z`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let (days, second) = (at.as_secs() / DAY, at.as_secs() % DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The inverse, for years 1970 to 9999; nothing else of RFC 3339.
fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let at = Timestamp::from_secs(days * DAY + hour * 3600 + minute * 60 + second);
    // Whatever is not written as we would write it (31 February, hour 24, other separators) is refused here.
    (rfc3339(at) == text).then_some(at)
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Days since 1970-01-01 (the same source).
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
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
            assert_eq!(rfc3339(Timestamp::from_secs(secs)), want);
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
