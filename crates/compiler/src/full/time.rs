//! Moments and spans of time: their ranges, their text, their calendar.
//!
//! A moment lies in the years 1 to 9999, as RFC 3339 can write it; a span is a number of nanoseconds that fits 64
//! bits (292 years), as in cel-go. The calendar is the proleptic Gregorian one. Nothing here asks a clock: zones come
//! from the tables that are compiled in (IANA time zone database), and an offset such as `+02:00` needs none.

use super::fault::{ErrorKind, Outcome};
use glacis_wire::{Moment, Span};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::fmt;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, within years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i128);

/// A span of time: nanoseconds, of either sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Timestamp {
    /// The moment so many nanoseconds after the epoch, if it lies in the years 1 to 9999.
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        (FIRST * SECOND..(LAST + 1) * SECOND).contains(&nanos).then_some(Self(nanos))
    }

    /// The moment so many seconds after the epoch.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        Self::from_nanos(i128::from(seconds) * SECOND)
    }

    /// Reads RFC 3339, such as `2009-02-13T23:31:30.5+01:00`. Digits beyond the nanosecond are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.as_bytes() };
        let year = reader.digits(4)?;
        let month = reader.after(b'-')?.digits(2)?;
        let day = reader.after(b'-')?.digits(2)?;
        let hour = reader.after(b'T')?.digits(2)?;
        let minute = reader.after(b':')?.digits(2)?;
        let second = reader.after(b':')?.digits(2)?;
        let nanos = if reader.after(b'.').is_some() { reader.fraction()? } else { 0 };
        let offset = reader.offset()?;
        let legal = reader.rest.is_empty()
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        let days = days_from_civil(year, month, day);
        let seconds = days * DAY + hour * 3_600 + minute * 60 + second - offset;
        Self::from_nanos(i128::from(seconds) * SECOND + i128::from(nanos)).filter(|_| legal)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        // INVARIANT: seconds of the years 1 to 9999 fit.
        i64::try_from(self.0.div_euclid(SECOND)).unwrap_or(0)
    }

    pub(crate) fn plus(self, span: Duration) -> Outcome<Self> {
        Self::from_nanos(self.0 + i128::from(span.0)).ok_or(ErrorKind::Overflow)
    }

    pub(crate) fn minus(self, span: Duration) -> Outcome<Self> {
        Self::from_nanos(self.0 - i128::from(span.0)).ok_or(ErrorKind::Overflow)
    }

    pub(crate) fn since(self, other: Self) -> Outcome<Duration> {
        i64::try_from(self.0 - other.0).map(Duration).map_err(|_| ErrorKind::Overflow)
    }

    /// The calendar's reading of the moment in a zone; UTC without one.
    pub(crate) fn civil(self, zone: Option<&str>) -> Outcome<Civil> {
        let offset = match zone {
            None => 0,
            Some(zone) => Zone::parse(zone)?.offset(self)?,
        };
        Ok(Civil::of(self.seconds() + offset, self.0.rem_euclid(SECOND)))
    }
}

impl From<Moment> for Timestamp {
    fn from(at: Moment) -> Self {
        // INVARIANT: moments have the same range.
        Self(i128::from(at.as_us()) * 1_000)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        // INVARIANT: spans have the same range.
        Self(span.as_us().saturating_mul(1_000))
    }
}

impl Timestamp {
    /// As a value of a signal, if it is a whole number of microseconds.
    pub fn moment(self) -> Option<Moment> {
        let whole = (self.0 % 1_000 == 0).then_some(self.0 / 1_000)?;
        i64::try_from(whole).ok().and_then(Moment::from_us)
    }
}

impl Duration {
    /// As a value of a signal, if it is a whole number of microseconds.
    pub fn span(self) -> Option<Span> {
        (self.0 % 1_000 == 0).then_some(self.0 / 1_000).and_then(Span::from_us)
    }
}

/// The value of a signal of type timestamp or duration that `text` spells, if it is a whole number of microseconds.
pub fn time_value(ty: glacis_wire::Type, text: &str) -> Option<glacis_wire::Value> {
    match ty {
        glacis_wire::Type::Timestamp => Timestamp::parse(text)?.moment().map(glacis_wire::Value::Timestamp),
        glacis_wire::Type::Duration => Duration::parse(text)?.span().map(glacis_wire::Value::Duration),
        _ => None,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.seconds(), self.0.rem_euclid(SECOND));
        let Civil { year, month, day, hour, minute, second, nanos, .. } = civil;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write_fraction(f, nanos)?;
        f.write_str("Z")
    }
}

impl Duration {
    /// A span of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Reads `1h30m`, `-1.5s`, `100ns`: numbers with the units h, m, s, ms, us, ns, or just `0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut nanos: i128 = 0;
        let mut parts = 0;
        while !rest.is_empty() {
            let (part, after) = amount(rest)?;
            nanos = nanos.checked_add(part)?;
            rest = after;
            parts += 1;
        }
        let signed = if negative { -nanos } else { nanos };
        i64::try_from(signed).ok().filter(|_| parts > 0).map(Self)
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    pub(crate) fn plus(self, other: Self) -> Outcome<Self> {
        self.0.checked_add(other.0).map(Self).ok_or(ErrorKind::Overflow)
    }

    pub(crate) fn minus(self, other: Self) -> Outcome<Self> {
        self.0.checked_sub(other.0).map(Self).ok_or(ErrorKind::Overflow)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absolute = self.0.unsigned_abs();
        write!(f, "{}{}", if self.0 < 0 { "-" } else { "" }, absolute / 1_000_000_000)?;
        write_fraction(f, i64::try_from(absolute % 1_000_000_000).unwrap_or(0))?;
        f.write_str("s")
    }
}

/// What a calendar and a clock on the wall say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) nanos: i64,
    /// From 0, Sunday.
    pub(crate) weekday: i64,
    /// From 0.
    pub(crate) day_of_year: i64,
}

impl Civil {
    fn of(seconds: i64, nanos: i128) -> Self {
        let days = seconds.div_euclid(DAY);
        let second = seconds.rem_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month,
            day,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            nanos: i64::try_from(nanos).unwrap_or(0),
            // 1970-01-01 was a Thursday.
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - days_from_civil(year, 1, 1),
        }
    }
}

/// A zone that dates are read in: an offset (`+02:00`, `02:00`, `-09:30`), or a name of the IANA database.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    Named(TimeZone),
}

impl Zone {
    pub(crate) fn parse(zone: &str) -> Outcome<Self> {
        if zone.get(..zone.len().min(ZONE_BYTES_MAX)).is_some_and(|zone| zone.contains(':')) {
            let unsigned = zone.strip_prefix(['+', '-']).unwrap_or(zone);
            let mut reader = Reader { rest: unsigned.as_bytes() };
            let seconds = reader.clock().filter(|_| reader.rest.is_empty()).ok_or(ErrorKind::Zone)?;
            return Ok(Self::Offset(if zone.starts_with('-') { -seconds } else { seconds }));
        }
        if zone.len() > ZONE_BYTES_MAX {
            return Err(ErrorKind::Zone);
        }
        let name = if zone.is_empty() { "UTC" } else { zone };
        TimeZoneDatabase::bundled().get(name).map(Self::Named).map_err(|_| ErrorKind::Zone)
    }

    /// Seconds east of UTC at a moment.
    pub(crate) fn offset(&self, at: Timestamp) -> Outcome<i64> {
        match self {
            Self::Offset(seconds) => Ok(*seconds),
            Self::Named(zone) => {
                // The crate's range ends some hours before the year 9999 does; no offset changes in between.
                let range = jiff::Timestamp::MIN.as_second()..=jiff::Timestamp::MAX.as_second();
                let second = at.seconds().clamp(*range.start(), *range.end());
                let moment = jiff::Timestamp::new(second, 0).map_err(|_| ErrorKind::Zone)?;
                Ok(i64::from(zone.to_offset(moment).seconds()))
            }
        }
    }

    /// The offset before the first change.
    pub(crate) fn first_offset(&self) -> Option<i32> {
        match self {
            Self::Offset(seconds) => i32::try_from(*seconds).ok(),
            Self::Named(zone) => Some(zone.to_offset(jiff::Timestamp::MIN).seconds()),
        }
    }

    /// Every change to the year 9999: its second since the epoch, and the offset from then on.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (i64, i32)> {
        let named = match self {
            Self::Offset(_) => None,
            Self::Named(zone) => Some(zone.following(jiff::Timestamp::MIN)),
        };
        named.into_iter().flatten().map(|change| (change.timestamp().as_second(), change.offset().seconds()))
    }

    /// Every name of the database.
    #[cfg(test)]
    pub(crate) fn names() -> Vec<String> {
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
    }
}

/// Reads a time from its front.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn after(&mut self, byte: u8) -> Option<&mut Self> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(self)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        digits
            .iter()
            .try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(*digit - b'0')))
    }

    /// Nanoseconds of the digits behind the dot; at least one.
    fn fraction(&mut self) -> Option<i64> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(count).filter(|_| count > 0)?;
        self.rest = rest;
        let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
        Some(padded.fold(0, |sum, digit| sum * 10 + i64::from(*digit - b'0')))
    }

    /// Seconds of `hh:mm`.
    fn clock(&mut self) -> Option<i64> {
        let hours = self.digits(2)?;
        let minutes = self.after(b':')?.digits(2)?;
        (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)
    }

    /// `Z`, or hours and minutes with a sign.
    fn offset(&mut self) -> Option<i64> {
        if self.after(b'Z').is_some() {
            return Some(0);
        }
        if self.after(b'-').is_some() {
            return self.clock().map(|seconds| -seconds);
        }
        self.after(b'+')?.clock()
    }
}

/// The first amount of a span, in nanoseconds, and what follows it.
fn amount(text: &str) -> Option<(i128, &str)> {
    let number = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, rest) = text.split_at_checked(number)?;
    let unit = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(unit)?;
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 19 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond the fifteenth are below a nanosecond even of an hour.
    let kept = fraction.get(..fraction.len().min(15))?;
    let scale = 10_i128.checked_pow(u32::try_from(kept.len()).ok()?)?;
    let part: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some((whole.checked_mul(*nanos)? + part * nanos / scale, rest))
}

fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: i64) -> fmt::Result {
    if nanos == 0 {
        return Ok(());
    }
    write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))
}

/// Days from 1970-01-01 to a day (Howard Hinnant, "chrono-compatible low-level date algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

const fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;
/// Seconds of a day.
const DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z, seconds.
const FIRST: i128 = -62_135_596_800;
/// 9999-12-31T23:59:59Z, seconds.
const LAST: i128 = 253_402_300_799;
/// LIMIT: bytes of a zone's name; the longest of the database has 32.
const ZONE_BYTES_MAX: usize = 64;
/// Units of spans, nanoseconds.
const UNITS: &[(&str, i128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];
