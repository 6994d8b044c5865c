//! Latch and background watch: makes a [`Probe`], which looks once, into a [`Sensor`] that forgets nothing.
//!
//! A watch owns one thread that looks at a fixed interval. [`Sensor::read`] looks once more on the caller's
//! thread, so a decision never rests on an old look, and it asks that the watch is alive: a watch that was
//! stopped makes the reading unknown. What looking costs is metered; when one look is too dear for the allowed
//! share of a core, the watch first widens its interval, and past the widest reading is unknown(over-budget).

use super::{Confidence, Reading, Reason, Sensor, State};
use glacis_host::Clock;
use glacis_seal::sha256;
use glacis_wire::{Digest, Timestamp};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What one look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The symptom is not there.
    Clear,
    /// The symptom is there; SHA-256 of the evidence.
    Detected(Digest),
    /// Could not look.
    Unknown(Reason),
}

/// Looks once for one symptom.
pub trait Probe: Send + Sync + 'static {
    /// Stable name in logs and metrics.
    fn id(&self) -> &'static str;

    /// Looks. Bounded in time; called from the watch and from readers at once.
    fn look(&self) -> Look;
}

/// How a watch looks and what it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// Time between two looks. Range: 1 ms ..= `interval_max`.
    pub interval: Duration,
    /// Widest interval that the budget may force. Range: `interval` ..= 60 s.
    pub interval_max: Duration,
    /// Share of one core that looking may take. Unit: thousandths. Range: 1..=1000.
    pub share_permille: u16,
    /// A watch that has not looked for so long makes readings unknown(stale).
    pub stale_after: Duration,
}

impl WatchConfig {
    /// A watch at `interval` with the defaults: at most 2 % of a core, interval at most 25 times wider.
    pub const fn every(interval: Duration) -> Self {
        Self {
            interval,
            interval_max: interval.saturating_mul(25),
            share_permille: 20,
            stale_after: Duration::from_secs(2).saturating_add(interval.saturating_mul(50)),
        }
    }

    fn clamped(self) -> Self {
        let interval = self.interval.clamp(Duration::from_millis(1), INTERVAL_MAX);
        Self {
            interval,
            interval_max: self.interval_max.clamp(interval, INTERVAL_MAX),
            share_permille: self.share_permille.clamp(1, 1_000),
            stale_after: self.stale_after.max(interval),
        }
    }
}

/// What a watch has spent since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Looks taken.
    pub looks: u64,
    /// Elapsed time of these looks; an upper bound of their CPU time.
    pub spent: Duration,
    /// Interval in force.
    pub interval: Duration,
}

/// A probe under watch, with its latch. Dropping it ends the thread.
#[derive(Debug)]
pub struct Watched<P: Probe> {
    shared: Arc<Shared<P>>,
    worker: Option<JoinHandle<()>>,
}

struct Shared<P> {
    probe: P,
    clock: Arc<dyn Clock>,
    config: WatchConfig,
    latch: Mutex<Option<(Timestamp, Digest)>>,
    /// Monotonic time of the watch's last look, in microseconds.
    beat: AtomicU64,
    looks: AtomicU64,
    spent_us: AtomicU64,
    /// Interval in force, in microseconds.
    interval_us: AtomicU64,
    over_budget: AtomicBool,
    stop: AtomicBool,
}

impl<P: Probe> std::fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("probe", &self.probe.id())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<P: Probe> Watched<P> {
    /// Looks once and starts the watch.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(probe: P, config: WatchConfig, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let config = config.clamped();
        let shared = Arc::new(Shared {
            beat: AtomicU64::new(micros(clock.monotonic())),
            interval_us: AtomicU64::new(micros(config.interval)),
            probe,
            clock,
            config,
            latch: Mutex::new(None),
            looks: AtomicU64::new(0),
            spent_us: AtomicU64::new(0),
            over_budget: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        shared.look();
        let watching = Arc::clone(&shared);
        let worker = thread::Builder::new().stack_size(WATCH_STACK_BYTES).spawn(move || watching.watch())?;
        Ok(Self { shared, worker: Some(worker) })
    }

    /// The probe under watch.
    pub fn probe(&self) -> &P {
        &self.shared.probe
    }

    /// What the watch has spent.
    pub fn usage(&self) -> Usage {
        Usage {
            looks: self.shared.looks.load(Ordering::Relaxed),
            spent: Duration::from_micros(self.shared.spent_us.load(Ordering::Relaxed)),
            interval: Duration::from_micros(self.shared.interval_us.load(Ordering::Relaxed)),
        }
    }

    /// Whether the watch has looked lately; wakes it and waits a little where it has not, because a frozen and
    /// thawed process (job control, Android's app freezer) must not read stale for want of one time slice.
    fn watch_is_alive(&self) -> bool {
        for _ in 0..WAKE_TRIES {
            if self.shared.beat_age() <= self.shared.config.stale_after {
                return true;
            }
            match &self.worker {
                Some(worker) if !worker.is_finished() => worker.thread().unpark(),
                _ => return false,
            }
            thread::sleep(WAKE_WAIT);
        }
        false
    }
}

impl<P: Probe> Sensor for Watched<P> {
    fn id(&self) -> &'static str {
        self.shared.probe.id()
    }

    fn read(&self) -> Reading {
        let look = self.shared.look();
        let at = self.shared.clock.now();
        if let Some((at, evidence)) = *self.shared.latch() {
            return Reading { state: State::Detected, confidence: Confidence::High, at, evidence };
        }
        let unknown = |reason| Reading {
            state: State::Unknown(reason),
            confidence: Confidence::None,
            at,
            evidence: sha256(&[]),
        };
        match look {
            Look::Unknown(reason) => unknown(reason),
            _ if self.shared.over_budget.load(Ordering::Relaxed) => unknown(Reason::OverBudget),
            _ if !self.watch_is_alive() => unknown(Reason::Stale),
            _ => {
                let widened = self.usage().interval > self.shared.config.interval;
                let confidence = if widened { Confidence::Medium } else { Confidence::High };
                Reading { state: State::Clear, confidence, at, evidence: sha256(self.id().as_bytes()) }
            }
        }
    }
}

impl<P: Probe> Drop for Watched<P> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(worker) = self.worker.take() {
            worker.thread().unpark();
            // A panic of the probe ended the watch; there is nothing left to undo.
            drop(worker.join());
        }
    }
}

impl<P: Probe> Shared<P> {
    fn latch(&self) -> MutexGuard<'_, Option<(Timestamp, Digest)>> {
        self.latch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> Look {
        let look = self.probe.look();
        if let Look::Detected(evidence) = look {
            self.latch().get_or_insert_with(|| (self.clock.now(), evidence));
        }
        look
    }

    fn watch(&self) {
        let mut cheapest_us = u64::MAX;
        while !self.stop.load(Ordering::Acquire) {
            let before = micros(self.clock.monotonic());
            self.look();
            let after = micros(self.clock.monotonic());
            let cost_us = after.saturating_sub(before);
            self.beat.store(after, Ordering::Release);
            self.spent_us.fetch_add(cost_us, Ordering::Relaxed);
            let looks = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
            cheapest_us = cheapest_us.min(cost_us);
            if looks.is_multiple_of(COST_WINDOW) {
                self.budget(cheapest_us);
                cheapest_us = u64::MAX;
            }
            thread::park_timeout(Duration::from_micros(self.interval_us.load(Ordering::Relaxed)));
        }
    }

    /// Sets the interval from what a look costs. The cheapest of a window is what a look costs; the others were
    /// preempted, and a loaded machine (or an attacker who loads it) must not thin out the watch.
    fn budget(&self, cost_us: u64) {
        let needed = cost_us.saturating_mul(1_000) / u64::from(self.config.share_permille);
        let (low, high) = (micros(self.config.interval), micros(self.config.interval_max));
        self.interval_us.store(needed.clamp(low, high), Ordering::Relaxed);
        self.over_budget.store(needed > high, Ordering::Relaxed);
    }

    fn beat_age(&self) -> Duration {
        let now = micros(self.clock.monotonic());
        Duration::from_micros(now.saturating_sub(self.beat.load(Ordering::Acquire)))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Widest interval of any watch.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Looks after which the cost is judged.
const COST_WINDOW: u64 = 16;
/// Stack of a watch thread: probes keep one page of file content on it, the rest is head room.
const WATCH_STACK_BYTES: usize = 128 << 10;
/// A stale watch gets this many chances of [`WAKE_WAIT`] to run before a reading says so (50 ms in all: the
/// limit of a critical check).
const WAKE_TRIES: u32 = 10;
const WAKE_WAIT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;
