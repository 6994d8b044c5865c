//! The watch against a scripted probe: latch, budget, liveness.

use super::*;
use glacis_host::SystemHost;
use std::sync::atomic::AtomicU8;

struct Scripted {
    now: AtomicU8,
    cost: Duration,
}

impl Scripted {
    fn new(now: u8) -> Self {
        Self { now: AtomicU8::new(now), cost: Duration::ZERO }
    }
}

impl Probe for Scripted {
    fn id(&self) -> &'static str {
        "scripted"
    }

    fn look(&self) -> Look {
        thread::sleep(self.cost);
        match self.now.load(Ordering::Acquire) {
            0 => Look::Clear,
            1 => Look::Detected(sha256(b"first")),
            2 => Look::Detected(sha256(b"second")),
            _ => Look::Unknown(Reason::Unreadable),
        }
    }
}

fn watched(probe: Scripted, config: WatchConfig) -> Watched<Scripted> {
    Watched::start(probe, config, Arc::new(SystemHost::new())).unwrap()
}

fn fast() -> WatchConfig {
    WatchConfig::every(Duration::from_millis(1))
}

#[test]
fn a_transient_between_two_reads_stays_detected_with_its_first_evidence() {
    let watched = watched(Scripted::new(0), fast());
    assert_eq!(watched.read().state, State::Clear);
    watched.probe().now.store(1, Ordering::Release);
    while watched.shared.latch().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    watched.probe().now.store(2, Ordering::Release);
    let first = watched.read();
    watched.probe().now.store(0, Ordering::Release);
    let later = watched.read();
    assert_eq!((first.state, first.evidence), (State::Detected, sha256(b"first")));
    assert_eq!(first, later);
    watched.probe().now.store(3, Ordering::Release);
    assert_eq!(watched.read(), later, "an unreadable source does not clear the latch");
}

#[test]
fn a_failed_look_is_unknown_and_answers_withheld() {
    let watched = watched(Scripted::new(3), fast());
    let reading = watched.read();
    assert_eq!(reading.state, State::Unknown(Reason::Unreadable));
    assert_eq!(reading.confidence, Confidence::None);
    assert_eq!(reading.answer(), glacis_wire::Answer::unknown(glacis_wire::Cause::Withheld));
}

#[test]
fn a_watch_that_died_makes_clear_unknown() {
    let mut watched =
        watched(Scripted::new(0), WatchConfig { stale_after: Duration::from_millis(20), ..fast() });
    watched.shared.stop.store(true, Ordering::Release);
    if let Some(worker) = watched.worker.take() {
        worker.thread().unpark();
        worker.join().unwrap();
    }
    thread::sleep(Duration::from_millis(40));
    assert_eq!(watched.read().state, State::Unknown(Reason::Stale));
}

#[test]
fn a_dear_probe_widens_the_interval_first_and_is_over_budget_past_the_widest() {
    let probe = Scripted { now: AtomicU8::new(0), cost: Duration::from_millis(2) };
    // 2 ms a look at 100 thousandths of a core needs 20 ms between looks.
    let config = WatchConfig { share_permille: 100, interval_max: Duration::from_millis(500), ..fast() };
    let affordable = watched(probe, config);
    while affordable.usage().looks <= COST_WINDOW {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(affordable.usage().interval >= Duration::from_millis(20), "{:?}", affordable.usage());
    let reading = affordable.read();
    assert_eq!((reading.state, reading.confidence), (State::Clear, Confidence::Medium));

    let probe = Scripted { now: AtomicU8::new(0), cost: Duration::from_millis(2) };
    let config = WatchConfig { share_permille: 1, interval_max: Duration::from_millis(5), ..fast() };
    let dear = watched(probe, config);
    while dear.usage().looks <= COST_WINDOW {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(dear.read().state, State::Unknown(Reason::OverBudget));
    dear.probe().now.store(1, Ordering::Release);
    assert_eq!(dear.read().state, State::Detected, "a detection outweighs the budget");
}

#[test]
fn settings_outside_their_range_are_brought_into_it() {
    let config = WatchConfig {
        interval: Duration::ZERO,
        interval_max: Duration::ZERO,
        share_permille: 0,
        stale_after: Duration::ZERO,
    };
    let clamped = config.clamped();
    assert_eq!(clamped.interval, Duration::from_millis(1));
    assert_eq!((clamped.interval_max, clamped.stale_after), (clamped.interval, clamped.interval));
    assert_eq!(clamped.share_permille, 1);
}
