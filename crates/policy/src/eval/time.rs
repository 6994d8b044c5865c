//! Moments and spans: arithmetic within their ranges, and the parts that a calendar knows.
//!
//! The calendar is the proleptic Gregorian one; where a zone is, its table says by how much the clock on the wall
//! differs. Every computation is of constant cost and in range for every moment that exists, so nothing here fails
//! but what leaves the years 1 to 9999 or the longest span.

use crate::mutant::{Faults, Mutant};
use crate::table::TimeZone;
use crate::tree::TimePart;
use glacis_wire::{Moment, Span};

/// A moment moved by a span, forth or back; `None` outside of the calendar.
pub(super) fn moved(at: Moment, by: Span, sign: i64) -> Option<Moment> {
    at.as_us().checked_add(by.as_us().checked_mul(sign)?).and_then(Moment::from_us)
}

/// The span from one moment to another; `None` beyond the longest.
pub(super) fn between(later: Moment, earlier: Moment) -> Option<Span> {
    later.as_us().checked_sub(earlier.as_us()).and_then(Span::from_us)
}

/// The sum of two spans, the second with a sign; `None` beyond the longest.
pub(super) fn sum(a: Span, b: Span, sign: i64) -> Option<Span> {
    a.as_us().checked_add(b.as_us().checked_mul(sign)?).and_then(Span::from_us)
}

/// A part of a moment in a zone.
pub(super) fn part<F: Faults>(faults: F, part: TimePart, at: Moment, zone: &TimeZone) -> i64 {
    let second = at.as_us().div_euclid(SECOND);
    let offset = if faults.has(Mutant::ZoneIgnored) { 0 } else { i64::from(zone.offset(second)) };
    // INVARIANT: a moment has some 2^38 seconds, an offset fewer than 2^17.
    let second = second.saturating_add(offset);
    let (days, of_day) = (second.div_euclid(DAY), second.rem_euclid(DAY));
    match part {
        TimePart::Hours => of_day / 3_600,
        TimePart::Minutes => of_day / 60 % 60,
        TimePart::Seconds => of_day % 60,
        TimePart::Milliseconds => at.as_us().rem_euclid(SECOND) / 1_000,
        // 1970-01-01 was a Thursday.
        TimePart::DayOfWeek if faults.has(Mutant::WeekFromMonday) => (days + 3).rem_euclid(7),
        TimePart::DayOfWeek => (days + 4).rem_euclid(7),
        TimePart::FullYear => date(days).year,
        TimePart::Month => date(days).month - 1,
        TimePart::Date => date(days).day,
        TimePart::DayOfMonth => date(days).day - 1,
        TimePart::DayOfYear => date(days).day_of_year,
    }
}

/// Whole units of a span, toward zero; milliseconds are those of the second.
pub(super) fn span_part(part: TimePart, span: Span) -> Option<i64> {
    let us = span.as_us();
    Some(match part {
        TimePart::Hours => us / (3_600 * SECOND),
        TimePart::Minutes => us / (60 * SECOND),
        TimePart::Seconds => us / SECOND,
        TimePart::Milliseconds => us / 1_000 % 1_000,
        _ => return None,
    })
}

struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
    /// From 0.
    day_of_year: i64,
}

/// The date of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms"). Years are
/// counted from March, so that the leap day is the last of its year.
const fn date(days: i64) -> Date {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let from_march = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * from_march + 2) / 153;
    let day = from_march - (153 * months + 2) / 5 + 1;
    let year_of_march = year_of_era + era * 400;
    let begins_year = months < 10;
    let year = if begins_year { year_of_march } else { year_of_march + 1 };
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let before_march = if is_leap { 60 } else { 59 };
    if begins_year {
        Date { year, month: months + 3, day, day_of_year: from_march + before_march }
    } else {
        Date { year, month: months - 9, day, day_of_year: from_march - 306 }
    }
}

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Seconds of a day.
const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutant::Sound;
    use alloc::vec::Vec;

    /// In the order of `TimePart::ALL`.
    fn parts(at: Moment, offset: i32) -> Vec<i64> {
        let zone = TimeZone::fixed(offset).unwrap();
        TimePart::ALL.iter().map(|wanted| part(Sound, *wanted, at, &zone)).collect()
    }

    #[test]
    fn the_calendar_holds_from_its_first_to_its_last_moment() {
        let at = |us| Moment::from_us(us).unwrap();
        for (moment, offset, want) in [
            (Moment::MIN, 0, [1, 0, 1, 0, 1, 0, 0, 0, 0, 0]),
            (Moment::MIN, -3_600, [0, 11, 31, 30, 0, 365, 23, 0, 0, 0]),
            (Moment::MAX, 0, [9_999, 11, 31, 30, 5, 364, 23, 59, 59, 999]),
            (Moment::MAX, 3_600, [10_000, 0, 1, 0, 6, 0, 0, 59, 59, 999]),
            (at(-1), 0, [1969, 11, 31, 30, 3, 364, 23, 59, 59, 999]),
            (at(951_782_400_000_000), 0, [2000, 1, 29, 28, 2, 59, 0, 0, 0, 0]),
            (at(951_868_800_000_000), 0, [2000, 2, 1, 0, 3, 60, 0, 0, 0, 0]),
            (at(4_107_542_400_000_000), 0, [2100, 2, 1, 0, 1, 59, 0, 0, 0, 0]),
        ] {
            assert_eq!(parts(moment, offset), want, "{moment:?} at {offset}");
        }
    }

    #[test]
    fn what_leaves_the_range_is_no_time() {
        let short = Span::from_us(1).unwrap();
        assert_eq!(moved(Moment::MAX, short, 1), None);
        assert_eq!(moved(Moment::MIN, short, -1), None);
        assert!(moved(Moment::MAX, short, -1).is_some());
        assert_eq!(between(Moment::MAX, Moment::MIN), None);
        assert_eq!(sum(Span::MAX, short, 1), None);
        assert_eq!(sum(Span::MIN, Span::MAX, -1), None);
        assert_eq!(sum(Span::MIN, Span::MAX, 1), Span::from_us(0));
        assert_eq!(span_part(TimePart::Hours, Span::from_us(-5_400_000_001).unwrap()), Some(-1));
        assert_eq!(span_part(TimePart::Milliseconds, Span::from_us(-1_500_999).unwrap()), Some(-500));
        assert_eq!(span_part(TimePart::Date, short), None);
    }
}
