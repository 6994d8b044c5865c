//! Retention: what is older than its time goes, in bounded steps, and the chain says what went.
//!
//! A sweep removes the oldest events with all their decisions and spent proofs, and the oldest incidents, openings,
//! device records and feedback. It never touches what a feature window in force can still see, nor the newest row
//! of a table (numbers are given once). Each run of removed rows is a row of the deletion log, under the audit
//! chain like everything else: links of swept rows stay, and verification takes a row for swept only if the log
//! says so. Pages that become free are used again; the file does not shrink.

use crate::audit::{AuditKind, InRun};
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_wire::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;

/// Events, or rows of another table, that one step removes at most.
const STEP: i64 = 1_024;
/// Keys that one step forgets at most.
const STEP_KEYS: usize = 4_096;
/// The part of the disk quota, three quarters, that records of requests on which nothing acted may fill.
const OBSERVED_SHARE: (u64, u64) = (3, 4);
/// Shortest retention. Source: twelve times the life of a challenge, whose event must still be there.
const RETENTION_MIN: Duration = Duration::from_secs(3_600);

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Rows that are gone now.
    pub rows: usize,
    /// Whether the next step would find more.
    pub more: bool,
}

/// A table that is swept by the time in one of its columns.
struct Aged {
    kind: AuditKind,
    oldest: &'static str,
    remove: &'static str,
}

const AGED: [Aged; 4] = [
    Aged {
        kind: AuditKind::Incident,
        oldest: "SELECT id, at FROM incident WHERE id < (SELECT max(id) FROM incident) ORDER BY id LIMIT ?1",
        remove: "DELETE FROM incident WHERE id BETWEEN ?1 AND ?2",
    },
    Aged {
        kind: AuditKind::Opening,
        oldest: "SELECT id, opened_at FROM opening WHERE id < (SELECT max(id) FROM opening) ORDER BY id LIMIT ?1",
        remove: "DELETE FROM opening WHERE id BETWEEN ?1 AND ?2",
    },
    Aged {
        kind: AuditKind::DeviceRecord,
        oldest: "SELECT id, received FROM device_record WHERE id < (SELECT max(id) FROM device_record) \
                 ORDER BY id LIMIT ?1",
        remove: "DELETE FROM device_record WHERE id BETWEEN ?1 AND ?2",
    },
    Aged {
        kind: AuditKind::Feedback,
        oldest: "SELECT id, at FROM feedback WHERE id < (SELECT max(id) FROM feedback) ORDER BY id LIMIT ?1",
        remove: "DELETE FROM feedback WHERE id BETWEEN ?1 AND ?2",
    },
];

impl CloudCore {
    /// One step of retention; call it again while it says that there is more.
    pub fn sweep(&mut self) -> Result<Swept, CloudError> {
        let swept = self.call(|tx| tx.sweep())?;
        self.note_sweep(swept.rows);
        Ok(swept)
    }
}

impl Tx<'_> {
    fn sweep(&mut self) -> Result<Swept, CloudError> {
        let before = self.keep_from();
        let mut rows = self.sweep_events(before)?;
        let mut more = rows > 0;
        for aged in &AGED {
            let removed = self.sweep_aged(aged, before)?;
            more |= removed > 0;
            rows += removed;
        }
        let codes = "DELETE FROM otp WHERE not_after < ?1";
        rows += self.conn.prepare_cached(codes)?.execute([int(self.now.before(RETENTION_MIN).as_ms())])?;
        rows += self.sweep_answers()?;
        Ok(Swept { rows, more: self.forget_keys()? || more })
    }

    /// Everything from here on is kept.
    fn keep_from(&self) -> Timestamp {
        let kept = self.now.before(self.desk.limits.retention.max(RETENTION_MIN));
        let now = self.now.before(self.desk.limits.ahead_max);
        self.desk.state.features.rebuild_from(now).map_or(kept, |needed| kept.min(needed))
    }

    fn sweep_events(&mut self, before: Timestamp) -> Result<usize, CloudError> {
        // The event of the newest decision stays, however old it is: its number must not be given again.
        let sql = "SELECT seq, ingested FROM event WHERE seq < min((SELECT max(seq) FROM event), \
                   (SELECT seq FROM decision ORDER BY id DESC LIMIT 1)) ORDER BY seq LIMIT ?1";
        let Some((first, last)) = self.oldest(sql, before)? else { return Ok(0) };
        let Some(last) = self.before_run(first, last + 1)? else { return Ok(0) };
        let sql = "SELECT id, proof FROM decision WHERE id IN (SELECT first_decision FROM event \
                   WHERE seq BETWEEN ?1 AND ?2) UNION SELECT id, proof FROM decision WHERE shared IS NULL \
                   AND seq BETWEEN ?1 AND ?2 ORDER BY id";
        let found: Vec<(i64, Option<Vec<u8>>)> = self
            .conn
            .prepare_cached(sql)?
            .query_map([first, last], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, proof) in &found {
            self.conn.prepare_cached("DELETE FROM decision WHERE id = ?1")?.execute([id])?;
            if let Some(proof) = proof {
                let sql = "DELETE FROM spent_proof WHERE proof = ?1 AND seq BETWEEN ?2 AND ?3";
                self.conn.prepare_cached(sql)?.execute(params![proof, first, last])?;
            }
        }
        self.conn.prepare_cached("DELETE FROM event WHERE seq BETWEEN ?1 AND ?2")?.execute([first, last])?;
        for (first, last) in runs(found.iter().map(|(id, _)| *id)) {
            self.log_sweep(AuditKind::Decision, first, last, before)?;
        }
        self.log_sweep(AuditKind::Event, first, last, before)?;
        let state = self.state();
        state.swept_before = state.swept_before.max(before);
        state.swept_seq = last;
        Ok(found.len() + usize::try_from(last + 1 - first).unwrap_or(0))
    }

    /// The last event before one that begins a run of the audit chain, the newest such up to `next`: of rows that
    /// share an entry all stay or all go.
    fn before_run(&self, first: i64, next: i64) -> Result<Option<i64>, CloudError> {
        let sql = "SELECT event.seq FROM event LEFT JOIN decision ON decision.id = first_decision \
                   WHERE event.seq > ?1 AND event.seq <= ?2 AND shared IS NOT ?3 ORDER BY event.seq DESC LIMIT 1";
        let key = params![first, next, InRun::Follows as u8];
        let begins: Option<i64> =
            self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
        Ok(begins.map(|seq| seq - 1))
    }

    fn sweep_aged(&mut self, aged: &Aged, before: Timestamp) -> Result<usize, CloudError> {
        let Some((first, last)) = self.oldest(aged.oldest, before)? else { return Ok(0) };
        let removed = self.conn.prepare_cached(aged.remove)?.execute([first, last])?;
        self.log_sweep(aged.kind, first, last, before)?;
        Ok(removed)
    }

    /// First and last of the oldest rows, in order, whose time lies before `before`.
    fn oldest(&self, sql: &str, before: Timestamp) -> Result<Option<(i64, i64)>, CloudError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([STEP])?;
        let mut found: Option<(i64, i64)> = None;
        while let Some(row) = rows.next()? {
            let (at, time): (i64, i64) = (row.get(0)?, row.get(1)?);
            if time >= int(before.as_ms()) {
                break;
            }
            found = Some((found.map_or(at, |(first, _)| first), at));
        }
        Ok(found)
    }

    /// Tells that rows `first` to `last` of a table are gone.
    fn log_sweep(
        &mut self,
        kind: AuditKind,
        first: i64,
        last: i64,
        before: Timestamp,
    ) -> Result<(), CloudError> {
        let sql = "INSERT INTO sweep (at, kind, first_row, last_row, before) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![int(self.now.as_ms()), kind.code(), first, last, int(before.as_ms())];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Sweep).map(|_row| ())
    }

    /// Drops keys of rows that are gone; says whether there were any.
    fn forget_keys(&mut self) -> Result<bool, CloudError> {
        let oldest = "SELECT min(id) FROM decision";
        let oldest: Option<i64> = self.conn.prepare_cached(oldest)?.query_row([], |row| row.get(0))?;
        let conn = self.conn;
        let state = self.state();
        let last = state.swept_seq;
        let events = state.events.forget(conn, last, STEP_KEYS)?;
        let references = state.references.forget(conn, oldest.map_or(0, |id| id - 1), STEP_KEYS)?;
        Ok(events + references > 0)
    }

    /// Whether what did not act is stored no more, so that there is room for what does.
    pub(crate) const fn is_scarce(&self) -> bool {
        is_scarce(self.desk.used, self.desk.limits.disk_quota)
    }

    /// Refuses to store more decisions where the store has used up what it may.
    pub(crate) fn check_quota(&self) -> Result<(), CloudError> {
        if self.desk.used <= self.desk.limits.disk_quota {
            return Ok(());
        }
        let (used, quota) = (self.desk.used, self.desk.limits.disk_quota);
        let detail = format!(
            "the store uses {used} bytes and may use {quota}: raise the disk quota or shorten the retention"
        );
        Err(CloudError::new(CloudErrorKind::StorageFull, detail))
    }
}

/// Whether so many bytes are more of the quota than what only observes may use.
pub(crate) const fn is_scarce(used: u64, quota: u64) -> bool {
    used > quota / OBSERVED_SHARE.1 * OBSERVED_SHARE.0
}

/// What the deletion log says of events: rows up to which, and events before which.
pub(crate) fn swept_events(conn: &rusqlite::Connection) -> Result<(i64, Timestamp), CloudError> {
    let sql = "SELECT max(last_row), max(before) FROM sweep WHERE kind = ?1";
    let kind = AuditKind::Event.code();
    let found: Option<(Option<i64>, Option<i64>)> =
        conn.query_row(sql, [kind], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (last, before) = found.unwrap_or_default();
    Ok((last.unwrap_or(0), Timestamp::from_ms(uint(before.unwrap_or(0)))))
}

/// Runs of numbers without a gap, of numbers in order.
fn runs(rows: impl Iterator<Item = i64>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => runs.push((row, row)),
        }
    }
    runs
}
