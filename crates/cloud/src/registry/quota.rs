//! Counted enrolments: nobody fills the registry, nor takes more of it than was agreed.
//!
//! Each count is a row that changes in the transaction that enrols, so it is exact whenever the process ends, and what was
//! refused is not counted. Times are whole hours and days of UTC. What is counted by (an address prefix, a partner) is in
//! the table only as a pseudonym under the cloud's own key, and goes when its time is over.

use crate::core::Tx;
use crate::error::CloudError;
use crate::store::{int, uint};
use glacis_seal::Purpose;
use glacis_wire::Timestamp;
use glacis_wire::message::refusal::Refusal;
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;

/// How long a count goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Until the hour is over.
    Hour,
    /// Until the day is over.
    Day,
    /// For ever.
    Ever,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted<'a> {
    /// Every enrolment.
    All,
    /// Those from one address prefix.
    Prefix(&'a [u8]),
    /// Those of one partner.
    Partner(&'a str),
}

impl Span {
    /// The first moment that is not in it any more.
    fn ends(self, now: Timestamp) -> i64 {
        let whole = |ms: u64| int((now.as_ms() / ms + 1).saturating_mul(ms));
        match self {
            Self::Hour => whole(3_600_000),
            Self::Day => whole(86_400_000),
            Self::Ever => i64::MAX,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hour => "this hour",
            Self::Day => "today",
            Self::Ever => "in total",
        }
    }
}

impl Tx<'_> {
    /// Counts an enrolment, or refuses it where there were `max` already.
    pub(super) fn count_enrolment(
        &self,
        counted: Counted<'_>,
        span: Span,
        max: u64,
    ) -> Result<(), CloudError> {
        let sql = "INSERT INTO enrol_count (scope, ends, count) VALUES (?1, ?2, 1) \
                   ON CONFLICT (scope, ends) DO UPDATE SET count = count + 1 RETURNING count";
        let ends = span.ends(self.now);
        let key = params![self.scope(counted), ends];
        let count: i64 = self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
        if uint(count) <= max {
            return Ok(());
        }
        let what = match counted {
            Counted::All => "enrolments".to_owned(),
            Counted::Prefix(_) => "enrolments from this address prefix".to_owned(),
            Counted::Partner(name) => format!("enrolments of partner `{name}`"),
        };
        let wait = match span {
            // Only an operator can raise it.
            Span::Ever => Duration::from_secs(86_400),
            Span::Hour | Span::Day => Timestamp::from_ms(uint(ends)).since(self.now),
        };
        let detail = format!("{max} {what} {}, as many as may be", span.name());
        Err(CloudError::refused(Refusal::EnrolmentLimited, detail).retry_after(wait))
    }

    /// How many were counted.
    pub(super) fn enrolments(&self, counted: Counted<'_>, span: Span) -> Result<u64, CloudError> {
        let sql = "SELECT count FROM enrol_count WHERE scope = ?1 AND ends = ?2";
        let key = params![self.scope(counted), span.ends(self.now)];
        let count: Option<i64> =
            self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
        Ok(count.map_or(0, uint))
    }

    /// Forgets counts whose time is over.
    pub(super) fn sweep_counts(&self) -> Result<(), CloudError> {
        let sql = "DELETE FROM enrol_count WHERE ends <= ?1";
        self.conn.prepare_cached(sql)?.execute([int(self.now.as_ms())])?;
        Ok(())
    }

    fn scope(&self, counted: Counted<'_>) -> [u8; 32] {
        let (kind, name): (&[u8], &[u8]) = match counted {
            Counted::All => (b"enrol-all", b""),
            Counted::Prefix(prefix) => (b"enrol-prefix", prefix),
            Counted::Partner(name) => (b"enrol-partner", name.as_bytes()),
        };
        self.desk.keys.own.mac_parts(&self.desk.context, Purpose::Pseudonym, &[kind, &[0], name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_are_whole_ones_of_utc() {
        let at = |ms| Timestamp::from_ms(ms);
        assert_eq!(Span::Hour.ends(at(0)), 3_600_000);
        assert_eq!(Span::Hour.ends(at(3_599_999)), 3_600_000);
        assert_eq!(Span::Hour.ends(at(3_600_000)), 7_200_000);
        assert_eq!(Span::Day.ends(at(86_399_999)), 86_400_000);
        assert_eq!(Span::Ever.ends(at(u64::MAX)), i64::MAX);
    }
}
