//! The suite's thread: looks at each sensor when it is due, everything when asked, within its share of a core.
//!
//! Only this thread runs sensors, so none needs a lock, and only here a sensor can fail: a panic in one is an
//! unknown reading of that one. The table is locked for the moments in which something is written down.

use super::{Detection, STRETCH_NONE, Seen, Shared, Sight, SuiteConfig};
use crate::sensor::linux::scene::Scene;
use crate::sensor::linux::symptom::{Symptom, crew};
use crate::sensor::{Reason, SensorId};
use glacis_host::kernel::RawFile;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The thread's own state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    scene: Scene,
    posts: Vec<Post>,
    meter: Meter,
    /// How far real time is ahead of the host's monotonic clock: that of a program under attack may stand still.
    ahead: Duration,
}

/// A sensor and when it is due.
struct Post {
    id: SensorId,
    symptom: Box<dyn Symptom>,
    interval: Duration,
    /// Monotonic time of the next look.
    due: Duration,
}

impl Worker {
    /// Takes the baselines. Runs on the thread itself, since they cost more than a look.
    pub(super) fn new(shared: Arc<Shared>, config: &SuiteConfig) -> Self {
        let mut scene = Scene::new();
        let now = shared.host.monotonic();
        let post = |id: &SensorId| {
            let (interval, symptom) = crew(*id, config, &shared.told, &mut scene);
            Post { id: *id, symptom, interval, due: now }
        };
        let posts: Vec<_> = config.sensors.iter().map(post).collect();
        {
            let mut table = shared.table();
            table.pace = posts.iter().map(|post| post.interval).min().unwrap_or(INTERVAL_MAX);
            for post in &posts {
                table.slots.entry(post.id).or_default().interval = post.interval;
            }
        }
        Self { shared, scene, posts, meter: Meter::new(config.share_permille), ahead: Duration::ZERO }
    }

    /// Looks until the suite is dropped.
    pub(super) fn run(mut self) {
        self.pass();
        // Baselines included.
        self.meter.settled = (self.shared.host.monotonic(), self.meter.cpu(self.spent()));
        while let Some(wanted) = self.wait() {
            if wanted {
                let before = self.meter.cpu(self.spent());
                self.pass();
                self.meter.excuse(self.meter.cpu(self.spent()).saturating_sub(before));
            } else {
                self.round();
            }
        }
        let mut table = self.shared.table();
        table.ended = true;
        drop(table);
        self.shared.news.ring();
    }

    /// Sleeps until something is due. `Some(true)`: a full pass is wanted; `None`: the end.
    fn wait(&mut self) -> Option<bool> {
        loop {
            let seen = self.shared.orders.rings();
            let now = self.now();
            {
                let mut table = self.shared.table();
                if table.stop {
                    return None;
                }
                if table.passes_done < table.passes_wanted {
                    return Some(true);
                }
                table.beat = now;
            }
            let due =
                self.posts.iter().map(|post| post.due).min().unwrap_or(now.saturating_add(INTERVAL_MAX));
            if due <= now {
                return Some(false);
            }
            let sleep = due.saturating_sub(now);
            if !self.shared.orders.wait(seen, sleep) {
                let passed = self.now().saturating_sub(now);
                self.ahead += sleep.saturating_sub(passed);
            }
        }
    }

    /// Monotonic time that goes on even where the host's does not.
    fn now(&self) -> Duration {
        self.shared.host.monotonic().saturating_add(self.ahead)
    }

    /// Looks at everything.
    pub(super) fn pass(&mut self) {
        let before = self.shared.host.monotonic();
        // Whoever asks from here on wants a later pass.
        let ticket = self.shared.table().passes_wanted;
        self.look(|_, _| true);
        let mut table = self.shared.table();
        table.passes_done = ticket.max(table.passes_done);
        table.last_pass = self.shared.host.monotonic().saturating_sub(before);
        table.cpu = self.meter.cpu(table.spent());
        drop(table);
        self.shared.news.ring();
    }

    /// Elapsed time of all looks.
    fn spent(&self) -> Duration {
        self.shared.table().spent()
    }

    /// Looks at what is due, then settles the account.
    fn round(&mut self) {
        // What is due soon is looked at now: waking up costs as much as many a look.
        let soon = self.shared.table().pace / 2;
        let seen = self.look(|post, now| post.due <= now.saturating_add(soon));
        if seen {
            self.shared.news.ring();
        }
        let now = self.now();
        if !self.meter.is_due(now) {
            return;
        }
        let spent = self.spent();
        self.meter.settle(now, spent);
        let mut table = self.shared.table();
        table.cpu = self.meter.cpu(spent);
        table.stretch_permille = self.meter.stretch_permille;
        table.over_budget = self.meter.over_budget;
        for post in &self.posts {
            table.slots.entry(post.id).or_default().interval = self.meter.stretched(post.interval);
        }
        table.pace = table.slots.values().map(|slot| slot.interval).min().unwrap_or(INTERVAL_MAX);
    }

    /// Looks at the sensors that `which` names; whether anything was detected for the first time.
    fn look(&mut self, which: impl Fn(&Post, Duration) -> bool) -> bool {
        self.scene.begin();
        let mut detected = false;
        let (host, ahead) = (Arc::clone(&self.shared.host), self.ahead);
        let now = || host.monotonic().saturating_add(ahead);
        for post in &mut self.posts {
            let before = now();
            let muted = {
                let table = self.shared.table();
                self.shared.is_muted(&table, post.id)
            };
            if !which(post, before) {
                continue;
            }
            post.due = before.saturating_add(self.meter.stretched(post.interval));
            if muted {
                continue;
            }
            let scene = &mut self.scene;
            let looked = catch_unwind(AssertUnwindSafe(|| post.symptom.look(scene)));
            let sight = looked.unwrap_or(Sight::Unknown(Reason::Malformed));
            let after = now();
            detected |= self.shared.note(post.id, sight, before, after);
        }
        detected
    }
}

impl Shared {
    /// Writes one look down; whether it is a first detection.
    pub(super) fn note(&self, id: SensorId, sight: Sight, before: Duration, after: Duration) -> bool {
        let at = self.host.now();
        let mut table = self.table();
        table.beat = after;
        let slot = table.slots.entry(id).or_default();
        slot.last = Some(Seen { sight, at, when: after });
        slot.looks += 1;
        slot.spent += after.saturating_sub(before);
        let Sight::Detected(confidence, evidence) = sight else { return false };
        if let Some(first) = &mut slot.latch {
            first.confidence = first.confidence.max(confidence);
            return false;
        }
        let detection = Detection { sensor: id, at, confidence, evidence };
        slot.latch = Some(detection);
        table.detections.push(detection);
        true
    }
}

/// Holds the thread to its share of a core.
struct Meter {
    /// The kernel's account of this thread (proc(5), `schedstat`): nanoseconds on a CPU.
    account: Option<RawFile>,
    share_permille: u64,
    stretch_permille: u32,
    over_budget: bool,
    /// Monotonic time and CPU time at the last settlement.
    settled: (Duration, Duration),
    /// CPU time since then that does not count.
    excused: Duration,
}

impl Meter {
    fn new(share_permille: u16) -> Self {
        Self {
            account: RawFile::open("/proc/thread-self/schedstat").ok(),
            share_permille: u64::from(share_permille.clamp(1, 1_000)),
            stretch_permille: STRETCH_NONE,
            over_budget: false,
            settled: (Duration::ZERO, Duration::ZERO),
            excused: Duration::ZERO,
        }
    }

    /// CPU time of this thread; `otherwise` where the kernel does not tell.
    fn cpu(&self, otherwise: Duration) -> Duration {
        let mut text = [0; 64];
        let read = self.account.as_ref().and_then(|account| account.read_at(&mut text, 0).ok());
        read.and_then(|len| on_cpu(text.get(..len)?)).unwrap_or(otherwise)
    }

    fn is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.settled.0) >= SETTLE_EVERY
    }

    /// So much of what was spent does not count: baselines, and passes that were asked for.
    fn excuse(&mut self, cpu: Duration) {
        self.excused = self.excused.saturating_add(cpu);
    }

    /// Widens or narrows the intervals by what was spent since the last settlement.
    fn settle(&mut self, now: Duration, otherwise: Duration) {
        let cpu = self.cpu(otherwise);
        let wall_us = now.saturating_sub(self.settled.0).as_micros().max(1);
        let spent = cpu.saturating_sub(self.settled.1).saturating_sub(self.excused);
        self.settled = (now, cpu);
        self.excused = Duration::ZERO;
        let spent_us = spent.as_micros();
        // In force times spent over allowed: where spending is as the inverse of the interval, that is exact.
        let allowed_us = (wall_us * u128::from(self.share_permille) * AIM_PERCENT / 100_000).max(1);
        let exact = u128::from(self.stretch_permille) * spent_us / allowed_us;
        let exact = u32::try_from(exact).unwrap_or(u32::MAX).max(STRETCH_NONE);
        // Half way: one costly second is no reason to be blind in the next.
        self.stretch_permille = (self.stretch_permille / 2 + exact / 2).clamp(STRETCH_NONE, STRETCH_MAX);
        self.over_budget = exact > STRETCH_MAX && self.stretch_permille > STRETCH_MAX / 2;
    }

    fn stretched(&self, interval: Duration) -> Duration {
        (interval.saturating_mul(self.stretch_permille) / STRETCH_NONE).min(INTERVAL_MAX)
    }
}

/// The first number of a `schedstat` file.
fn on_cpu(text: &[u8]) -> Option<Duration> {
    let first = text.split(|byte| *byte == b' ').next()?;
    str::from_utf8(first).ok()?.trim().parse().ok().map(Duration::from_nanos)
}

/// Widest interval of any sensor.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Widest that the budget makes intervals.
const STRETCH_MAX: u32 = 25_000;
/// Part of the share that is aimed at, so that what is measured stays under it.
const AIM_PERCENT: u128 = 90;
/// Time between two settlements.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// A sensor that sees what a test told it, then panics.
#[cfg(test)]
struct Scripted(std::vec::IntoIter<Sight>);

#[cfg(test)]
impl Symptom for Scripted {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        self.0.next().expect("the script has ended")
    }
}

#[cfg(test)]
impl Worker {
    /// Replaces a sensor by one that sees `sights`, one a look, and then panics.
    pub(super) fn replace(&mut self, id: SensorId, sights: Vec<Sight>) {
        for post in self.posts.iter_mut().filter(|post| post.id == id) {
            post.symptom = Box::new(Scripted(sights.clone().into_iter()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(share_permille: u16) -> Meter {
        Meter { account: None, ..Meter::new(share_permille) }
    }

    #[test]
    fn the_kernels_account_is_its_first_number() {
        assert_eq!(on_cpu(b"1234567 89 10\n"), Some(Duration::from_nanos(1_234_567)));
        assert_eq!(on_cpu(b""), None);
        assert_eq!(on_cpu(b"x 1 2"), None);
    }

    #[test]
    fn intervals_widen_until_the_share_holds_and_narrow_again() {
        let mut meter = meter(2);
        let second = Duration::from_secs(1);
        let (mut now, mut cpu) = (Duration::ZERO, Duration::ZERO);
        // A load that takes 8 ms a second at its own intervals, four times what is allowed.
        for _ in 0..12 {
            now += second;
            cpu += Duration::from_micros(8_000_000 / u64::from(meter.stretch_permille));
            meter.settle(now, cpu);
        }
        assert!((4_000..=4_900).contains(&meter.stretch_permille), "{}", meter.stretch_permille);
        assert!(!meter.over_budget);
        for _ in 0..12 {
            now += second;
            meter.settle(now, cpu);
        }
        assert_eq!(meter.stretch_permille, STRETCH_NONE);
        assert_eq!(meter.stretched(second), second);
    }

    #[test]
    fn past_the_widest_interval_it_is_over_budget() {
        let mut meter = meter(1);
        for second in 1..8 {
            meter.settle(Duration::from_secs(second), Duration::from_millis(500 * second));
        }
        assert!(meter.over_budget);
        assert_eq!(meter.stretched(Duration::from_secs(1)), Duration::from_secs(25));
    }
}
