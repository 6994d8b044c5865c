//! The suite: all sensors of this platform behind one object and one background thread.
//!
//! The thread looks at each sensor at its own interval, keeps the newest reading of each, and latches detections.
//! [`Suite::read`] returns that reading in about a microsecond and looks at nothing itself; [`Suite::check`] asks
//! the thread for one pass over everything now and waits for it, so that a decision does not rest on an old look.
//! A reading that is too old is `Unknown(Stale)`: whoever stops the thread makes everything unknown, nothing clear.
//!
//! What looking costs is metered by the kernel's own account of the thread. Above the configured share of a core
//! every interval is widened alike; past the widest, clear readings become `Unknown(OverBudget)`.
//!
//! ```no_run
//! use glacis_host::SystemHost;
//! use glacis_sdk::sensor::{Guarded, SensorId, State, Suite, SuiteConfig};
//! use std::{sync::Arc, time::Duration};
//!
//! fn may_transfer(amount: u32) -> bool {
//!     amount < 100
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let guarded = Guarded::new("may_transfer", may_transfer as fn(u32) -> bool as usize);
//! let suite = Suite::start(SuiteConfig::new().guard(guarded), Arc::new(SystemHost::new()))?;
//! suite.check(Duration::from_millis(50));
//! if suite.read(SensorId::Prologue).state == State::Detected {
//!     // A policy decides what follows.
//! }
//! # Ok(())
//! # }
//! ```

mod config;
mod worker;

pub use config::{HostProfile, Preload, SuiteConfig};

use super::mute::{self, MuteList, Version};
use super::peer_key::PeerKeys;
use super::symptom::Told;
use super::{Confidence, GuardedState, Reading, Reason, Sensor, SensorId, State};
use glacis_host::{Bell, Host};
use glacis_seal::sha256;
use glacis_wire::{Digest, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// All sensors under one thread. Dropping it ends the thread, and the latches with it.
#[derive(Debug)]
pub struct Suite {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
    /// Where the thread is: a child of this process has none.
    process: u32,
}

/// A detection, as it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Which sensor.
    pub sensor: SensorId,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// How much it says.
    pub confidence: Confidence,
    /// SHA-256 of the evidence.
    pub evidence: Digest,
}

/// What a sensor of the suite has cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorUsage {
    /// Which sensor.
    pub sensor: SensorId,
    /// Looks taken.
    pub looks: u64,
    /// Elapsed time of these looks; an upper bound of their CPU time.
    pub spent: Duration,
    /// Time between two looks now.
    pub interval: Duration,
}

/// What the suite has cost since it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteUsage {
    /// CPU time of the thread, as the kernel counts it; without that, the elapsed time of all looks.
    pub cpu: Duration,
    /// How much wider than configured the intervals are, in thousandths: 1000 is as configured.
    pub stretch_permille: u32,
    /// Full passes taken.
    pub passes: u64,
    /// Elapsed time of the last full pass.
    pub last_pass: Duration,
    /// Each sensor's part.
    pub sensors: Vec<SensorUsage>,
}

impl Suite {
    /// Starts the thread, which takes the baselines and a first pass at once.
    ///
    /// # Errors
    /// If no thread can be started. What a sensor cannot look at is an unknown reading, not an error.
    pub fn start(config: SuiteConfig, host: Arc<dyn Host>) -> io::Result<Self> {
        let began = host.monotonic();
        let slots = config.sensors.iter().map(|id| (*id, Slot::default())).collect();
        let muted = config.muted.clone();
        let (system, kernel) = (config.system, mute::kernel());
        let state = Table { slots, muted, beat: began, stretch_permille: STRETCH_NONE, ..Table::default() };
        let told = Told { state: GuardedState::new(&*host), peers: PeerKeys::new(&config.pins) };
        let shared = Arc::new(Shared {
            host,
            told,
            system,
            kernel,
            table: Mutex::new(state),
            orders: Bell::default(),
            news: Bell::default(),
        });
        let working = Arc::clone(&shared);
        let worker = thread::Builder::new()
            .stack_size(WORKER_STACK_BYTES)
            .spawn(move || worker::Worker::new(working, &config).run())?;
        Ok(Self { shared, worker: Some(worker), process: std::process::id() })
    }

    /// The present reading of a sensor: cached, not older than its interval and some slack.
    pub fn read(&self, sensor: SensorId) -> Reading {
        self.shared.read(sensor)
    }

    /// All readings, in the order of [`SensorId`].
    pub fn readings(&self) -> Vec<(SensorId, Reading)> {
        let running: Vec<_> = self.shared.table().slots.keys().copied().collect();
        running.into_iter().map(|id| (id, self.shared.read(id))).collect()
    }

    /// Asks for one look at everything now and waits for it, at most `limit`. Whether it was done in time; the
    /// readings say stale by themselves if it was not for too long.
    pub fn check(&self, limit: Duration) -> bool {
        self.shared.check(limit)
    }

    /// One sensor of the suite, for [`Sensors`](crate::Sensors). Reading it does not look; see [`Self::check`].
    pub fn sensor(&self, sensor: SensorId) -> Arc<dyn Sensor> {
        Arc::new(Seat { shared: Arc::clone(&self.shared), sensor })
    }

    /// What was detected so far, in order of detection; each sensor at most once. Muted ones are left out.
    pub fn detections(&self) -> Vec<Detection> {
        let table = self.shared.table();
        table.detections.iter().filter(|one| !self.shared.is_muted(&table, one.sensor)).copied().collect()
    }

    /// Waits until there are more than `seen` detections, at most `limit`; returns how many there are.
    pub fn wait_detections(&self, seen: usize, limit: Duration) -> usize {
        self.shared.wait(limit, |table| table.detections.len() > seen);
        self.shared.table().detections.len()
    }

    /// Replaces the mute list. A latched detection outlives being muted: it shows again when the mute ends.
    pub fn mute(&self, muted: MuteList) {
        self.shared.table().muted = muted;
        self.shared.orders.ring();
    }

    /// Values of the app that nobody else may change unnoticed, under the canary sensor.
    pub fn state(&self) -> &GuardedState {
        &self.shared.told.state
    }

    /// Tells which public key (SHA-256 of its SubjectPublicKeyInfo) a host showed, for the peer-key sensor. Returns
    /// whether it is one of the host's pins; true for a host without pins.
    pub fn observe_peer_key(&self, host: &str, key: &Digest) -> bool {
        let Some(sight) = self.shared.told.peers.observe(host, key) else { return true };
        if self.shared.table().slots.contains_key(&SensorId::PeerKey) {
            let now = self.shared.host.monotonic();
            self.shared.note(SensorId::PeerKey, sight, now, now);
            self.shared.news.ring();
        }
        self.shared.told.peers.is_pinned(host, key)
    }

    /// What the suite has cost.
    pub fn usage(&self) -> SuiteUsage {
        let table = self.shared.table();
        let sensors = table.slots.iter().map(|(sensor, slot)| SensorUsage {
            sensor: *sensor,
            looks: slot.looks,
            spent: slot.spent,
            interval: slot.interval,
        });
        SuiteUsage {
            cpu: table.cpu,
            stretch_permille: table.stretch_permille,
            passes: table.passes_done,
            last_pass: table.last_pass,
            sensors: sensors.collect(),
        }
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        self.shared.table().stop = true;
        self.shared.orders.ring();
        // After a fork there is nobody to wait for.
        let is_here = std::process::id() == self.process;
        if let Some(worker) = self.worker.take().filter(|_| is_here) {
            // A panic ended the thread; there is nothing left to undo.
            drop(worker.join());
        }
    }
}

/// A seat in the suite that looks like a sensor.
#[derive(Debug)]
struct Seat {
    shared: Arc<Shared>,
    sensor: SensorId,
}

impl Sensor for Seat {
    fn id(&self) -> &'static str {
        self.sensor.name()
    }

    fn read(&self) -> Reading {
        self.shared.read(self.sensor)
    }
}

/// What readers and the thread share.
struct Shared {
    host: Arc<dyn Host>,
    told: Told,
    system: Option<Version>,
    kernel: Option<Version>,
    table: Mutex<Table>,
    /// Something to do for the thread.
    orders: Bell,
    /// The thread has done something.
    news: Bell,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("table", &self.table()).finish_non_exhaustive()
    }
}

/// The newest of everything.
#[derive(Debug, Default)]
struct Table {
    slots: BTreeMap<SensorId, Slot>,
    detections: Vec<Detection>,
    muted: MuteList,
    passes_wanted: u64,
    passes_done: u64,
    last_pass: Duration,
    /// Monotonic time of the thread's last sign of life.
    beat: Duration,
    /// Shortest interval in force: how often there should be one.
    pace: Duration,
    cpu: Duration,
    stretch_permille: u32,
    over_budget: bool,
    stop: bool,
    /// The thread has ended.
    ended: bool,
}

/// One sensor's place in the table.
#[derive(Debug, Default)]
struct Slot {
    last: Option<Seen>,
    latch: Option<Detection>,
    looks: u64,
    spent: Duration,
    interval: Duration,
}

/// One look.
#[derive(Clone, Copy, Debug)]
struct Seen {
    sight: Sight,
    at: Timestamp,
    /// Monotonic time.
    when: Duration,
}

/// What a sensor saw in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The symptom is not there.
    Clear,
    /// The symptom is there.
    Detected(Confidence, Digest),
    /// Could not look.
    Unknown(Reason),
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_muted(&self, table: &Table, sensor: SensorId) -> bool {
        table.muted.holds(sensor, self.system, self.kernel)
    }

    fn check(&self, limit: Duration) -> bool {
        let ticket = {
            let mut table = self.table();
            table.passes_wanted = table.passes_wanted.max(table.passes_done) + 1;
            table.passes_wanted
        };
        self.orders.ring();
        self.wait(limit, |table| table.passes_done >= ticket)
    }

    /// Waits until `done`, at most `limit` and not past the end of the thread. Whether it is.
    fn wait(&self, limit: Duration, done: impl Fn(&Table) -> bool) -> bool {
        let began = self.host.monotonic();
        loop {
            let seen = self.news.rings();
            {
                let table = self.table();
                if done(&table) || table.ended {
                    return done(&table);
                }
            }
            let left = limit.saturating_sub(self.host.monotonic().saturating_sub(began));
            if left.is_zero() || !self.news.wait(seen, left) {
                return done(&self.table());
            }
        }
    }

    fn read(&self, sensor: SensorId) -> Reading {
        let now = self.host.monotonic();
        let mut reading = self.table().reading(sensor, now, self);
        if reading.state == State::Unknown(Reason::Stale) && self.check(WAKE_WAIT) {
            // Frozen and thawed (job control, Android's app freezer): that is no starved thread.
            reading = self.table().reading(sensor, self.host.monotonic(), self);
        }
        reading
    }
}

impl Table {
    fn reading(&self, sensor: SensorId, now: Duration, shared: &Shared) -> Reading {
        let unknown = |reason| Reading {
            state: State::Unknown(reason),
            confidence: Confidence::None,
            at: shared.host.now(),
            evidence: sha256(&[]),
        };
        let Some(slot) = self.slots.get(&sensor) else { return unknown(Reason::Off) };
        if shared.is_muted(self, sensor) {
            return unknown(Reason::Muted);
        }
        if let Some(first) = slot.latch {
            let Detection { at, confidence, evidence, .. } = first;
            return Reading { state: State::Detected, confidence, at, evidence };
        }
        let Some(seen) = slot.last else {
            return unknown(if self.ended { Reason::Stale } else { Reason::Pending });
        };
        match seen.sight {
            Sight::Unknown(reason) => unknown(reason),
            _ if self.over_budget => unknown(Reason::OverBudget),
            _ if self.is_stale(slot, &seen, now) => unknown(Reason::Stale),
            _ => {
                let widened = self.stretch_permille > STRETCH_MEDIUM;
                let confidence = if widened { Confidence::Medium } else { Confidence::High };
                let evidence = sha256(sensor.name().as_bytes());
                Reading { state: State::Clear, confidence, at: seen.at, evidence }
            }
        }
    }

    /// Elapsed time of all looks.
    fn spent(&self) -> Duration {
        self.slots.values().map(|slot| slot.spent).sum()
    }

    /// Whether the thread has been silent for too long, or has skipped this sensor.
    fn is_stale(&self, slot: &Slot, seen: &Seen, now: Duration) -> bool {
        let silent =
            now.saturating_sub(self.beat) > SLACK.saturating_add(self.pace.saturating_mul(BEATS_MISSED));
        let skipped = now.saturating_sub(seen.when) > SLACK.saturating_add(slot.interval.saturating_mul(3));
        silent || skipped || self.ended
    }
}

/// Intervals as configured.
const STRETCH_NONE: u32 = 1_000;
/// Intervals so much wider than configured lower the confidence of a clear reading: transients get away.
const STRETCH_MEDIUM: u32 = 2_000;
/// A busy machine may keep the thread waiting for so long without a reading becoming stale.
const SLACK: Duration = Duration::from_secs(2);
/// And for so many of its shortest intervals.
const BEATS_MISSED: u32 = 50;
/// How long a reader of a stale reading waits for the thread: the limit of a critical check.
const WAKE_WAIT: Duration = Duration::from_millis(50);
/// Stack of the thread; sensors keep tables on the heap.
const WORKER_STACK_BYTES: usize = 192 << 10;

#[cfg(test)]
mod tests;
