//! Timeouts without timers on the hot path: a coarse clock a worker, and one look at every connection per tick.
//!
//! A connection notes the tick of its last progress in an atomic; that is all a request pays. The worker's one
//! timer advances the tick and wakes the connections that have waited too long for what they wait for.

use crate::config::Limits;
use crate::state::lock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;
use std::time::Duration;

/// Length of a tick. Timeouts are late by at most one.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The next request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body, the cloud, the upstream, or a client that does not read.
    Busy,
    /// Nothing: its streams are watched, each by itself.
    Streams,
}

impl Phase {
    const fn from_u8(raw: u8) -> Self {
        match raw {
            0 => Self::Idle,
            1 => Self::Head,
            2 => Self::Busy,
            _ => Self::Streams,
        }
    }
}

/// The connections of one worker.
#[derive(Debug)]
pub(super) struct Watcher {
    tick: AtomicU32,
    draining: AtomicBool,
    connections: Mutex<Vec<Weak<Watch>>>,
}

/// One connection as its worker watches it, or one stream of a connection that has many.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Arc<Watcher>,
    /// Of a stream: the connection.
    parent: Option<Arc<Watch>>,
    /// Of a connection: its streams.
    streams: AtomicU32,
    phase: AtomicU8,
    since: AtomicU32,
    expired: AtomicBool,
    killed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Watcher {
    pub(super) fn new() -> Arc<Self> {
        let (tick, draining) = (AtomicU32::new(0), AtomicBool::new(false));
        Arc::new(Self { tick, draining, connections: Mutex::default() })
    }

    /// Watches one more connection.
    pub(super) fn add(self: &Arc<Self>) -> Arc<Watch> {
        // A fresh connection owes us a head.
        self.watch(Phase::Head, None)
    }

    fn watch(self: &Arc<Self>, phase: Phase, parent: Option<Arc<Watch>>) -> Arc<Watch> {
        let watch = Arc::new(Watch {
            watcher: Arc::clone(self),
            parent,
            streams: AtomicU32::new(0),
            phase: AtomicU8::new(phase as u8),
            since: AtomicU32::new(self.now()),
            expired: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            waker: Mutex::default(),
        });
        lock(&self.connections).push(Arc::downgrade(&watch));
        watch
    }

    fn now(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Advances the clock and wakes whoever waited too long.
    pub(super) fn tick(&self, limits: &Limits) {
        let now = self.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut connections = lock(&self.connections);
        connections.retain(|connection| {
            let Some(watch) = connection.upgrade() else { return false };
            watch.look(now, limits);
            true
        });
    }

    /// Ends idle connections now and the others after their request.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.wake();
    }

    /// Lets every connection look around.
    pub(super) fn wake(&self) {
        lock(&self.connections).iter().filter_map(Weak::upgrade).for_each(|watch| watch.wake());
    }

    /// Connections that are still there.
    pub(super) fn open(&self) -> usize {
        lock(&self.connections).iter().filter(|connection| connection.strong_count() > 0).count()
    }
}

impl Watch {
    /// Watches one more stream of this connection, until nobody holds its watch.
    pub(super) fn stream(self: &Arc<Self>) -> Arc<Self> {
        self.streams.fetch_add(1, Ordering::AcqRel);
        self.enter(Phase::Streams);
        self.watcher.watch(Phase::Busy, Some(Arc::clone(self)))
    }

    /// Notes progress, and what is waited for next.
    pub(super) fn enter(&self, phase: Phase) {
        // A stream is never idle: it has an answer to send, or it is gone.
        let phase = if self.parent.is_some() { Phase::Busy } else { phase };
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.watcher.now(), Ordering::Relaxed);
    }

    /// Notes progress.
    pub(super) fn progress(&self) {
        self.since.store(self.watcher.now(), Ordering::Relaxed);
    }

    /// Remembers whom to wake; once per task.
    pub(super) fn register(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    fn wake(&self) {
        if let Some(waker) = &*lock(&self.waker) {
            waker.wake_by_ref();
        }
    }

    /// Whether the running request waited too long; asked once.
    pub(super) fn take_expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed) && self.expired.swap(false, Ordering::Relaxed)
    }

    /// Whether the connection must end now.
    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Whether no further request is wanted.
    pub(super) fn is_draining(&self) -> bool {
        self.watcher.draining.load(Ordering::Acquire)
    }

    /// Ends the connection.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether this is one stream of a connection.
    pub(super) const fn is_stream(&self) -> bool {
        self.parent.is_some()
    }

    fn look(&self, now: u32, limits: &Limits) {
        let waited = TICK.saturating_mul(now.wrapping_sub(self.since.load(Ordering::Relaxed)));
        let (limit, patience) = match Phase::from_u8(self.phase.load(Ordering::Relaxed)) {
            Phase::Idle => (limits.idle, false),
            Phase::Head => (limits.head_wait, false),
            Phase::Busy => (limits.upstream_wait, true),
            Phase::Streams => return,
        };
        if waited <= limit {
            return;
        }
        // A running request first gets the chance to answer for itself.
        if patience && waited <= limit.saturating_add(GRACE) {
            self.expired.store(true, Ordering::Relaxed);
            self.wake();
        } else {
            // A stream that does not answer for itself has a client that does not read.
            self.parent.as_deref().unwrap_or(self).kill();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(parent) = &self.parent
            && parent.streams.fetch_sub(1, Ordering::AcqRel) == 1
        {
            parent.enter(Phase::Idle);
        }
    }
}

/// Time between telling a request that it waited too long and ending its connection.
const GRACE: Duration = Duration::from_secs(2);
