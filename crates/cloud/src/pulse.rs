//! What was stored second by second, for whoever watches: counts by zone and verdict, times, enrolments.
//!
//! The writer adds a batch once it is durable, so a second counts what became durable in it, whoever watches or not.
//! The last [`SECONDS_KEPT`] seconds of this process are kept, each a few numbers; nothing is read from the store for
//! them and nothing about a device or a user is in them. Times are from the receipt at the edge to the decision as the
//! records state both, in whole milliseconds; the cloud's own handling is measured in microseconds.

use glacis_wire::message::decide::EventFacts;
use glacis_wire::{Timestamp, Verdict, Zone};
use std::collections::VecDeque;
use std::time::Duration;

/// Seconds that are remembered. Unit: seconds; a quarter of an hour.
pub const SECONDS_KEPT: usize = 900;

/// Values below this have a bucket each; above it, eight share a power of two, which is within an eighth.
const EXACT: u64 = 16;
/// Buckets of a power of two.
const PARTS: u64 = 8;
/// Buckets: sixteen exact ones, and eight for each power of two from 2^4 to 2^31.
const BUCKETS: usize = 16 + 28 * 8;

/// Counts of one second by zone (device, edge, cloud) and verdict (allow, challenge, block).
pub type ByZone = [[u64; 3]; 3];

/// How long something took, of so many that were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// How many were measured.
    pub n: u64,
    /// Half of them took at most this.
    pub p50: Duration,
    /// All but one in a hundred took at most this.
    pub p99: Duration,
}

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// When it began.
    pub at: Timestamp,
    /// Decisions that became durable in it.
    pub zones: ByZone,
    /// Devices that enrolled.
    pub enrolled: u64,
    /// Enrolments that were refused.
    pub refused: u64,
    /// From receipt to decision at the edge. Resolution: one millisecond.
    pub edge: Option<Took>,
    /// From receipt at the edge to decision in the cloud. Resolution: one millisecond.
    pub cloud: Option<Took>,
    /// From receipt in the cloud until the answer was durable. Resolution: one microsecond.
    pub handled: Option<Took>,
}

/// What a batch decided, not durable yet.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    zones: ByZone,
    enrolled: u64,
    /// Zone and milliseconds of each decision whose records state a time.
    took: Vec<(Zone, u64)>,
}

/// How far a tally had come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TallyMark {
    zones: ByZone,
    enrolled: u64,
    took: usize,
}

impl Tally {
    /// A decision of a trusted zone.
    pub(crate) fn add(&mut self, zone: Zone, verdict: Verdict, facts: &EventFacts, decided: Timestamp) {
        self.count(zone, verdict);
        self.took.extend(took_ms(facts.received, decided).map(|took| (zone, took)));
    }

    /// A decision that a device took alone.
    pub(crate) fn add_device(&mut self, verdict: Verdict) {
        self.count(Zone::Device, verdict);
    }

    pub(crate) const fn enrolled(&mut self) {
        self.enrolled += 1;
    }

    /// Decisions of edge and cloud with this verdict.
    pub(crate) fn decided(&self, verdict: Verdict) -> u64 {
        let at = place(verdict);
        self.zones.iter().skip(1).filter_map(|zone| zone.get(at)).sum()
    }

    pub(crate) const fn mark(&self) -> TallyMark {
        TallyMark { zones: self.zones, enrolled: self.enrolled, took: self.took.len() }
    }

    /// Takes back what came after `mark`.
    pub(crate) fn back_to(&mut self, mark: TallyMark) {
        self.zones = mark.zones;
        self.enrolled = mark.enrolled;
        self.took.truncate(mark.took);
    }

    fn count(&mut self, zone: Zone, verdict: Verdict) {
        let counts = Zone::ALL.iter().position(|known| *known == zone).and_then(|at| self.zones.get_mut(at));
        if let Some(count) = counts.and_then(|counts| counts.get_mut(place(verdict))) {
            *count += 1;
        }
    }
}

/// Milliseconds from receipt to decision; none where the two clocks contradict each other.
pub(crate) fn took_ms(received: Timestamp, decided: Timestamp) -> Option<u64> {
    decided.as_ms().checked_sub(received.as_ms())
}

const fn place(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Allow => 0,
        Verdict::Challenge(_) => 1,
        Verdict::Block => 2,
    }
}

/// The seconds so far.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    past: VecDeque<Second>,
    now: Second,
    edge: Spread,
    cloud: Spread,
    handled: Spread,
    began: bool,
}

impl Pulse {
    /// Counts a batch that is durable.
    pub(crate) fn add(&mut self, now: Timestamp, tally: &Tally) {
        self.roll(now);
        for (sums, counts) in self.now.zones.iter_mut().zip(&tally.zones) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        self.now.enrolled += tally.enrolled;
        for (zone, took) in &tally.took {
            match zone {
                Zone::Edge => self.edge.add(*took),
                Zone::Cloud => self.cloud.add(*took),
                Zone::Device => {}
            }
        }
    }

    /// Counts an enrolment that was refused.
    pub(crate) fn refused(&mut self, now: Timestamp) {
        self.roll(now);
        self.now.refused += 1;
    }

    /// Counts a decision that was answered.
    pub(crate) fn handled(&mut self, now: Timestamp, took: Duration) {
        self.roll(now);
        self.handled.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Seconds that are over, oldest first: those after `after`.
    pub(crate) fn seconds(&mut self, now: Timestamp, after: Timestamp) -> Vec<Second> {
        self.roll(now);
        self.past.iter().filter(|second| second.at > after).copied().collect()
    }

    /// Ends seconds until `now` lies in the one that is open. A clock that was set back keeps the open one open.
    fn roll(&mut self, now: Timestamp) {
        let at = Timestamp::from_secs(now.as_secs());
        if !self.began {
            self.began = true;
            self.now.at = at;
        }
        if at <= self.now.at {
            return;
        }
        let micros = Duration::from_micros;
        let ended = Second {
            edge: self.edge.took(Duration::from_millis),
            cloud: self.cloud.took(Duration::from_millis),
            handled: self.handled.took(micros),
            ..std::mem::take(&mut self.now)
        };
        let next = ended.at.as_secs() + 1;
        self.keep(ended);
        // After a long silence only the seconds that are kept are made.
        let kept = u64::try_from(SECONDS_KEPT).unwrap_or(u64::MAX);
        let from = next.max(at.as_secs().saturating_sub(kept));
        (from..at.as_secs())
            .for_each(|second| self.keep(Second { at: Timestamp::from_secs(second), ..Second::default() }));
        self.now.at = at;
    }

    fn keep(&mut self, second: Second) {
        if self.past.len() >= SECONDS_KEPT {
            self.past.pop_front();
        }
        self.past.push_back(second);
    }
}

/// How often each range of values came.
#[derive(Debug)]
struct Spread {
    counts: [u32; BUCKETS],
    n: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], n: 0 }
    }
}

impl Spread {
    fn add(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count = count.saturating_add(1);
            self.n += 1;
        }
    }

    /// What it says, in `unit`; empty afterwards.
    fn took(&mut self, unit: fn(u64) -> Duration) -> Option<Took> {
        let all = std::mem::take(self);
        (all.n > 0).then(|| Took { n: all.n, p50: unit(all.at_most(50)), p99: unit(all.at_most(99)) })
    }

    /// The value that so many in a hundred do not exceed, rounded up to the end of its range.
    fn at_most(&self, percent: u64) -> u64 {
        let wanted = (self.n * percent).div_ceil(100);
        let mut seen = 0_u64;
        for (at, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                return upper_end(at);
            }
        }
        upper_end(BUCKETS - 1)
    }
}

fn bucket(value: u64) -> usize {
    let Some(power) = value.checked_ilog2().map(u64::from).filter(|_| value >= EXACT) else {
        return usize::try_from(value).unwrap_or(0);
    };
    let part = (value >> (power - 3)) - PARTS;
    let at = EXACT + (power - 4) * PARTS + part;
    usize::try_from(at).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let at = u64::try_from(bucket).unwrap_or(0);
    if at < EXACT {
        return at;
    }
    let (power, part) = ((at - EXACT) / PARTS + 4, (at - EXACT) % PARTS);
    ((PARTS + part + 1) << (power - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_an_eighth_of_the_end_of_its_bucket() {
        for value in (0..5_000).chain([1 << 20, (1 << 27) + 12_345]) {
            let end = upper_end(bucket(value));
            assert!(value <= end && end - value <= value / 8, "{value} is told as {end}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1, "what is longer than any bucket is in the last");
    }

    #[test]
    fn percentiles_are_what_so_many_do_not_exceed() {
        let mut spread = Spread::default();
        (1..=99).for_each(|_| spread.add(2));
        spread.add(400);
        let took = spread.took(Duration::from_millis).unwrap();
        assert_eq!((took.n, took.p50.as_millis(), took.p99.as_millis()), (100, 2, 2));
        assert_eq!(spread.took(Duration::from_millis), None, "the next second begins empty");
    }

    #[test]
    fn silent_seconds_are_seconds_as_well_and_only_the_last_are_kept() {
        let mut pulse = Pulse::default();
        let at = |second: u64| Timestamp::from_secs(1_000 + second);
        let mut tally = Tally::default();
        tally.add_device(Verdict::Block);
        pulse.add(at(0), &tally);
        pulse.refused(at(0));
        let seconds = pulse.seconds(at(3), Timestamp::ZERO);
        assert_eq!(seconds.iter().map(|second| second.at).collect::<Vec<_>>(), [at(0), at(1), at(2)]);
        assert_eq!((seconds[0].zones[0], seconds[0].refused), ([0, 0, 1], 1));
        assert_eq!(seconds[1], Second { at: at(1), ..Second::default() });
        assert_eq!(pulse.seconds(at(2), at(1)).len(), 1, "a clock set back ends nothing twice");
        let much_later = pulse.seconds(at(1_000_000), Timestamp::ZERO);
        assert_eq!((much_later.len(), much_later.last().unwrap().at), (SECONDS_KEPT, at(999_999)));
    }

    #[test]
    fn what_is_taken_back_was_never_counted() {
        let mut tally = Tally::default();
        tally.add_device(Verdict::Allow);
        let mark = tally.mark();
        tally.add_device(Verdict::Block);
        tally.enrolled();
        tally.back_to(mark);
        let mut pulse = Pulse::default();
        pulse.add(Timestamp::from_secs(5), &tally);
        let seconds = pulse.seconds(Timestamp::from_secs(6), Timestamp::ZERO);
        assert_eq!((seconds[0].zones[0], seconds[0].enrolled), ([1, 0, 0], 0));
    }
}
