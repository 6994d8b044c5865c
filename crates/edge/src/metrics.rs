//! Counters of what the node did, cheap enough for the hot path: relaxed atomics, read as a whole on demand.
//!
//! No path, address, user or device is ever counted apart, so nobody outside makes a counter; learnt routes have
//! their own bounded table. Latencies are in fixed buckets, since an average hides what a user waits for.

use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Verdict, Zone};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets of every latency. Unit: µs.
pub const LATENCY_BUCKETS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// How long something took, by bucket.
#[derive(Debug, Default)]
struct Latency {
    buckets: [AtomicU64; LATENCY_BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What a latency held at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts by bucket of [`LATENCY_BUCKETS_US`], not cumulated; the last one is for all above.
    pub buckets: [u64; LATENCY_BUCKETS_US.len() + 1],
    /// Sum over all. Unit: µs.
    pub sum_us: u64,
}

impl Latency {
    fn note(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = LATENCY_BUCKETS_US.iter().position(|end| us <= *end).unwrap_or(LATENCY_BUCKETS_US.len());
        Facts::add(self.buckets.get(at));
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    fn view(&self) -> Histogram {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Histogram { buckets: self.buckets.each_ref().map(read), sum_us: read(&self.sum_us) }
    }
}

/// Counters of one node. Read them with [`Facts::snapshot`].
#[derive(Debug, Default)]
pub struct Facts {
    requests: AtomicU64,
    sessions: AtomicU64,
    legs: AtomicU64,
    repeated: AtomicU64,
    bundles: AtomicU64,
    reloads: AtomicU64,
    edge: [AtomicU64; 3],
    cloud: [AtomicU64; 3],
    refused: [AtomicU64; Refusal::ALL.len()],
    would_refuse: [AtomicU64; Refusal::ALL.len()],
    connections: AtomicU64,
    closed: AtomicU64,
    tunnels: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    upstream: Latency,
    cloud_wait: Latency,
}

/// What [`Facts`] held at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Requests begun.
    pub requests: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Further legs opened.
    pub legs: u64,
    /// Stored verdicts given again.
    pub repeated: u64,
    /// Bundles put in force.
    pub bundles: u64,
    /// Configurations put in force while the node ran.
    pub reloads: u64,
    /// Verdicts of this node: allow, challenge, block.
    pub edge: [u64; 3],
    /// Verdicts of the cloud: allow, challenge, block.
    pub cloud: [u64; 3],
    /// Refusals by code, those that happened.
    pub refused: Vec<(&'static str, u64)>,
    /// Refusals by code that did not happen because the route observes.
    pub would_refuse: Vec<(&'static str, u64)>,
    /// Client connections accepted.
    pub connections: u64,
    /// Client connections that are open.
    pub open_connections: u64,
    /// WebSockets granted.
    pub tunnels: u64,
    /// Bytes read from clients, tunnels left out.
    pub bytes_in: u64,
    /// Bytes written to clients, tunnels left out.
    pub bytes_out: u64,
    /// From sending a request to an upstream to the head of its answer.
    pub upstream: Histogram,
    /// From asking the cloud for a decision to its answer, or to giving up.
    pub cloud_wait: Histogram,
}

impl Facts {
    fn add(counter: Option<&AtomicU64>) {
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn request(&self) {
        Self::add(Some(&self.requests));
    }

    pub(crate) fn session(&self) {
        Self::add(Some(&self.sessions));
    }

    pub(crate) fn leg(&self) {
        Self::add(Some(&self.legs));
    }

    pub(crate) fn repeated(&self) {
        Self::add(Some(&self.repeated));
    }

    pub(crate) fn bundle(&self) {
        Self::add(Some(&self.bundles));
    }

    /// Another configuration is in force.
    pub(crate) fn reloaded(&self) {
        Self::add(Some(&self.reloads));
    }

    pub(crate) fn decided(&self, zone: Zone, verdict: Verdict) {
        let counters = if zone == Zone::Cloud { &self.cloud } else { &self.edge };
        let at = match verdict {
            Verdict::Allow => 0,
            Verdict::Challenge(_) => 1,
            Verdict::Block => 2,
        };
        Self::add(counters.get(at));
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        Self::add(place(refusal).and_then(|at| self.refused.get(at)));
    }

    pub(crate) fn would_refuse(&self, refusal: Refusal) {
        Self::add(place(refusal).and_then(|at| self.would_refuse.get(at)));
    }

    pub(crate) fn connected(&self) {
        Self::add(Some(&self.connections));
    }

    pub(crate) fn disconnected(&self) {
        Self::add(Some(&self.closed));
    }

    pub(crate) fn tunnel(&self) {
        Self::add(Some(&self.tunnels));
    }

    pub(crate) fn passed(&self, read: usize, written: usize) {
        let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        if read > 0 {
            self.bytes_in.fetch_add(wide(read), Ordering::Relaxed);
        }
        if written > 0 {
            self.bytes_out.fetch_add(wide(written), Ordering::Relaxed);
        }
    }

    pub(crate) fn upstream_took(&self, took: Duration) {
        self.upstream.note(took);
    }

    pub(crate) fn cloud_took(&self, took: Duration) {
        self.cloud_wait.note(took);
    }

    /// All counters now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_code = |counters: &[AtomicU64]| {
            let all = Refusal::ALL.iter().zip(counters).map(|(refusal, count)| (refusal.name(), read(count)));
            all.filter(|(_, count)| *count > 0).collect()
        };
        Snapshot {
            requests: read(&self.requests),
            sessions: read(&self.sessions),
            legs: read(&self.legs),
            repeated: read(&self.repeated),
            bundles: read(&self.bundles),
            reloads: read(&self.reloads),
            edge: [0, 1, 2].map(|at: usize| self.edge.get(at).map_or(0, read)),
            cloud: [0, 1, 2].map(|at: usize| self.cloud.get(at).map_or(0, read)),
            refused: by_code(&self.refused),
            would_refuse: by_code(&self.would_refuse),
            connections: read(&self.connections),
            open_connections: read(&self.connections).saturating_sub(read(&self.closed)),
            tunnels: read(&self.tunnels),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            upstream: self.upstream.view(),
            cloud_wait: self.cloud_wait.view(),
        }
    }
}

fn place(refusal: Refusal) -> Option<usize> {
    Refusal::ALL.iter().position(|known| *known == refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_first_bucket_that_holds_it() {
        let latency = Latency::default();
        for us in [0, 100, 101, 5_000_000, 5_000_001] {
            latency.note(Duration::from_micros(us));
        }
        let view = latency.view();
        assert_eq!((view.buckets[0], view.buckets[1], view.buckets[13], view.buckets[14]), (2, 1, 1, 1));
        assert_eq!((view.buckets.iter().sum::<u64>(), view.sum_us), (5, 10_000_202));
    }
}
