//! Points in time as files write them: civil time, RFC 3339, or a number since the epoch.
//!
//! Civil time without an offset is read as UTC: windows need differences, and a file of one place has one offset.
//! Fractions beyond a millisecond are cut off. What is not exactly of the declared form is no time.

use glacis_wire::Timestamp;
use glacis_wire::civil::days_from_civil;

/// How a column writes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) enum TimeFormat {
    /// `2019-01-31 23:59:59`, with `T` for the blank and a fraction as one likes; read as UTC.
    #[serde(rename = "datetime")]
    Civil,
    /// RFC 3339, with its offset.
    #[serde(rename = "rfc3339")]
    Rfc3339,
    /// Whole seconds since 1970-01-01T00:00:00Z.
    #[serde(rename = "unix-s")]
    UnixSeconds,
    /// Whole milliseconds since then.
    #[serde(rename = "unix-ms")]
    UnixMillis,
}

impl TimeFormat {
    /// Reads a cell.
    pub(crate) fn parse(self, text: &[u8]) -> Option<Timestamp> {
        match self {
            Self::Civil => match civil(text)? {
                (ms, []) => at(ms),
                _ => None,
            },
            Self::Rfc3339 => {
                let (ms, rest) = civil(text)?;
                at(ms.checked_sub(offset_ms(rest)?)?)
            }
            Self::UnixSeconds => number(text).and_then(|s| s.checked_mul(1_000)).and_then(at),
            Self::UnixMillis => number(text).and_then(at),
        }
    }
}

/// A time as a person writes it on a command line: RFC 3339, civil time, or a date.
pub fn parse_when(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let date = || TimeFormat::Civil.parse([bytes, b" 00:00:00"].concat().as_slice());
    TimeFormat::Rfc3339.parse(bytes).or_else(|| TimeFormat::Civil.parse(bytes)).or_else(date)
}

/// Milliseconds of the longest time that is taken: the end of the year 9999.
const MS_MAX: i64 = 253_402_300_799_999;

fn at(ms: i64) -> Option<Timestamp> {
    u64::try_from(ms).ok().filter(|_| ms <= MS_MAX).map(Timestamp::from_ms)
}

fn number(text: &[u8]) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    plain.then(|| digits(text))
}

fn digits(text: &[u8]) -> i64 {
    text.iter().fold(0, |number, digit| number * 10 + i64::from(digit.wrapping_sub(b'0')))
}

/// `YYYY-MM-DD HH:MM:SS[.fff]` as milliseconds, and what follows it.
fn civil(text: &[u8]) -> Option<(i64, &[u8])> {
    let (head, rest) = text.split_at_checked(19)?;
    let head: &[u8; 19] = head.try_into().ok()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', h1, h2, b':', i1, i2, b':', s1, s2] = head
    else {
        return None;
    };
    let field = |bytes: &[&u8]| {
        let all = bytes.iter().all(|byte| byte.is_ascii_digit());
        all.then(|| bytes.iter().fold(0_i64, |n, digit| n * 10 + i64::from(digit.wrapping_sub(b'0'))))
    };
    let (year, month, day) = (field(&[y1, y2, y3, y4])?, field(&[m1, m2])?, field(&[d1, d2])?);
    let (hour, minute, second) = (field(&[h1, h2])?, field(&[i1, i2])?, field(&[s1, s2])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    // A leap second counts as the second before it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59);
    let (ms, rest) = fraction(rest)?;
    Some((seconds * 1_000 + ms, rest))
}

/// Milliseconds of a fraction, if there is one, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = after.split_at_checked(length)?;
    if fraction.is_empty() {
        return None;
    }
    let ms = fraction.iter().chain([b'0', b'0'].iter()).take(3).copied().collect::<Vec<u8>>();
    Some((digits(&ms), rest))
}

fn offset_ms(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let ms = (hours * 60 + minutes) * 60_000;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -ms } else { ms })
        }
        _ => None,
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_exactly_or_not_at_all() {
        use TimeFormat::{Civil, Rfc3339, UnixMillis, UnixSeconds};
        for (format, text, want) in [
            (Civil, "1970-01-01 00:00:00", Some(0)),
            (Civil, "2019-01-01 00:12:26", Some(1_546_301_546_000)),
            (Civil, "2019-01-01T00:12:26.1239", Some(1_546_301_546_123)),
            (Civil, "2024-02-29 12:00:00.5", Some(1_709_208_000_500)),
            (Civil, "2000-02-29 00:00:00", Some(951_782_400_000)),
            (Civil, "2023-02-29 12:00:00", None),
            (Civil, "1900-02-29 12:00:00", None),
            (Civil, "2019-13-01 00:00:00", None),
            (Civil, "2019-01-01 24:00:00", None),
            (Civil, "2019-01-01 00:00:00Z", None),
            (Civil, "2019-01-01 00:00:00.", None),
            (Civil, "1969-12-31 23:59:59", None),
            (Civil, "2016-12-31 23:59:60", Some(1_483_228_799_000)),
            (Civil, "2019-01-0\u{661} 00:00:0", None),
            (Civil, "", None),
            (Rfc3339, "2019-01-01T01:12:26+01:00", Some(1_546_301_546_000)),
            (Rfc3339, "2018-12-31T23:12:26.000-01:00", Some(1_546_301_546_000)),
            (Rfc3339, "2019-01-01T00:12:26Z", Some(1_546_301_546_000)),
            (Rfc3339, "2019-01-01T00:12:26", None),
            (Rfc3339, "1970-01-01T00:00:00+01:00", None),
            (UnixSeconds, "1546301546", Some(1_546_301_546_000)),
            (UnixSeconds, "-1", None),
            (UnixSeconds, "1e9", None),
            (UnixSeconds, "99999999999999999999", None),
            (UnixMillis, "1546301546123", Some(1_546_301_546_123)),
            (UnixMillis, " 1", None),
        ] {
            assert_eq!(format.parse(text.as_bytes()).map(Timestamp::as_ms), want, "{format:?} {text}");
        }
        assert_eq!(parse_when("2019-01-02").map(Timestamp::as_ms), Some(1_546_387_200_000));
        assert_eq!(parse_when("soon"), None);
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut last = days_from_civil(1969, 12, 31);
        assert_eq!(last, -1);
        for year in 1970..2371 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    let this = days_from_civil(year, month, day);
                    assert_eq!(this, last + 1, "{year}-{month}-{day}");
                    last = this;
                }
            }
        }
    }
}
