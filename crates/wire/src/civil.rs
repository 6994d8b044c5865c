//! Days and dates, UTC: the only calendar of the workspace.
//!
//! Proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). Nothing decides by
//! it; it writes times for people and reads those that files and operators write.

use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;

/// Days from 1970-01-01 to a day. Years are counted from March, so that the leap day is the last of its year.
pub const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year_of_march = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days =
        year_of_march.div_euclid(4) - year_of_march.div_euclid(100) + year_of_march.div_euclid(400);
    year_of_march * 365 + leap_days + day_of_year - 719_468
}

/// Year, month and day of a day since 1970-01-01.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
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

impl Timestamp {
    /// RFC 3339 in UTC, to the second: `2026-11-22T19:28:09Z`.
    pub fn rfc3339(self) -> String {
        format!("{}Z", self.date_and_time())
    }

    /// The inverse of [`rfc3339`](Self::rfc3339), for years 1970 to 9999; none for any other form of RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits =
                text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            digits.parse().ok()
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_from_civil(year, month, day);
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        let at = Self::from_secs(u64::try_from(seconds).ok()?);
        // Whatever is not written as we would write it (31 February, hour 24, other separators) is refused here.
        (at.rfc3339() == text).then_some(at)
    }

    /// RFC 3339 in UTC, to the millisecond: `2026-11-22T19:28:09.000Z`.
    pub fn rfc3339_ms(self) -> String {
        format!("{}.{:03}Z", self.date_and_time(), self.as_ms() % 1_000)
    }

    fn date_and_time(self) -> String {
        let (days, second) = (self.as_secs() / DAY, self.as_secs() % DAY);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// Seconds of a day.
const DAY: u64 = 86_400;
