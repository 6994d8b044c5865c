//! What the cloud counts about itself: numbers only, never a name or a value of a signal.
//!
//! The writer's thread counts; any thread may read. Decisions are counted once they are durable. Counters start
//! at zero with the process and only grow, gauges say what was true after the last batch.

use crate::pulse::{Pulse, Second, Tally};
use glacis_wire::{Method, Timestamp, Verdict};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The counters behind [`CloudMetrics`].
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    allowed: AtomicU64,
    challenged: AtomicU64,
    blocked: AtomicU64,
    batches: AtomicU64,
    failed: AtomicU64,
    jobs: AtomicU64,
    jobs_last: AtomicU64,
    commit_us: AtomicU64,
    commit_last_us: AtomicU64,
    queued: AtomicU64,
    store_bytes: AtomicU64,
    swept_rows: AtomicU64,
    swept_at_ms: AtomicU64,
    collateral_version: AtomicU64,
    collateral_stale_at_ms: AtomicU64,
    collateral_refused: AtomicU64,
    devices_fallen: AtomicU64,
    issuers_crowded: AtomicU64,
    pulse: Mutex<Pulse>,
}

/// Counters and gauges at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloudMetrics {
    /// Stored decisions with verdict `allow`.
    pub allowed: u64,
    /// Stored decisions with a challenge.
    pub challenged: u64,
    /// Stored decisions with verdict `block`.
    pub blocked: u64,
    /// Batches that were committed.
    pub batches: u64,
    /// Batches that failed; nothing of them was acknowledged.
    pub failed: u64,
    /// Calls in all committed batches.
    pub jobs: u64,
    /// Calls in the last batch.
    pub jobs_last: u64,
    /// Time that all commits took.
    pub commit: Duration,
    /// Time that the last commit took.
    pub commit_last: Duration,
    /// Calls that wait now.
    pub queued: u64,
    /// Bytes of the store: used pages and log.
    pub store_bytes: u64,
    /// Rows that retention removed.
    pub swept_rows: u64,
    /// When retention last looked, in milliseconds since the epoch; zero for never.
    pub swept_at_ms: u64,
    /// Version of the collateral in force; zero where there is none.
    pub collateral_version: u64,
    /// When it becomes stale, in milliseconds since the epoch; zero where there is none.
    pub collateral_stale_at_ms: u64,
    /// Collateral that was offered and refused.
    pub collateral_refused: u64,
    /// Devices that fell with a piece of collateral.
    pub devices_fallen: u64,
    /// Issuers that vouch for more devices than there can be.
    pub issuers_crowded: u64,
}

impl Metrics {
    pub(crate) fn snapshot(&self) -> CloudMetrics {
        CloudMetrics {
            allowed: self.allowed.load(Relaxed),
            challenged: self.challenged.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            batches: self.batches.load(Relaxed),
            failed: self.failed.load(Relaxed),
            jobs: self.jobs.load(Relaxed),
            jobs_last: self.jobs_last.load(Relaxed),
            commit: Duration::from_micros(self.commit_us.load(Relaxed)),
            commit_last: Duration::from_micros(self.commit_last_us.load(Relaxed)),
            queued: self.queued.load(Relaxed),
            store_bytes: self.store_bytes.load(Relaxed),
            swept_rows: self.swept_rows.load(Relaxed),
            swept_at_ms: self.swept_at_ms.load(Relaxed),
            collateral_version: self.collateral_version.load(Relaxed),
            collateral_stale_at_ms: self.collateral_stale_at_ms.load(Relaxed),
            collateral_refused: self.collateral_refused.load(Relaxed),
            devices_fallen: self.devices_fallen.load(Relaxed),
            issuers_crowded: self.issuers_crowded.load(Relaxed),
        }
    }

    pub(crate) fn decided(&self, now: Timestamp, tally: &Tally) {
        // Any method: challenges are counted together.
        let challenge = Verdict::Challenge(Method::Otp);
        self.allowed.fetch_add(tally.decided(Verdict::Allow), Relaxed);
        self.challenged.fetch_add(tally.decided(challenge), Relaxed);
        self.blocked.fetch_add(tally.decided(Verdict::Block), Relaxed);
        self.pulse().add(now, tally);
    }

    /// An enrolment was refused.
    pub(crate) fn enrolment_refused(&self, now: Timestamp) {
        self.pulse().refused(now);
    }

    /// A decision was answered, so long after it was asked for.
    pub(crate) fn handled(&self, now: Timestamp, took: Duration) {
        self.pulse().handled(now, took);
    }

    /// Seconds that are over, oldest first: those after `after`.
    pub(crate) fn seconds(&self, now: Timestamp, after: Timestamp) -> Vec<Second> {
        self.pulse().seconds(now, after)
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn committed(&self, jobs: usize, took: Duration) {
        let (jobs, took) = (number(jobs), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.batches.fetch_add(1, Relaxed);
        self.jobs.fetch_add(jobs, Relaxed);
        self.jobs_last.store(jobs, Relaxed);
        self.commit_us.fetch_add(took, Relaxed);
        self.commit_last_us.store(took, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub(crate) fn enqueued(&self) {
        self.queued.fetch_add(1, Relaxed);
    }

    pub(crate) fn dequeued(&self) {
        self.queued.fetch_sub(1, Relaxed);
    }

    pub(crate) fn stored(&self, bytes: u64) {
        self.store_bytes.store(bytes, Relaxed);
    }

    pub(crate) fn collateral(&self, version: u64, stale_at_ms: u64) {
        self.collateral_version.store(version, Relaxed);
        self.collateral_stale_at_ms.store(stale_at_ms, Relaxed);
    }

    pub(crate) fn collateral_refused(&self) {
        self.collateral_refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn fallen(&self, devices: usize) {
        self.devices_fallen.fetch_add(number(devices), Relaxed);
    }

    pub(crate) fn issuers_crowded(&self, issuers: u64) {
        self.issuers_crowded.store(issuers, Relaxed);
    }

    pub(crate) fn swept(&self, rows: usize, at_ms: u64) {
        self.swept_rows.fetch_add(number(rows), Relaxed);
        self.swept_at_ms.store(at_ms, Relaxed);
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
