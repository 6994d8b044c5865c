//! The suite on this very process: readings, staleness, mutes, detections, without any attacker.

use super::*;
use crate::sensor::{Guarded, Mute, Pins};
use glacis_host::{Clock, Entropy, EntropyError, SystemHost};
use std::sync::atomic::{AtomicU64, Ordering};

#[inline(never)]
fn own() -> u32 {
    std::hint::black_box(7)
}

fn guarded() -> Guarded {
    Guarded::new("own", own as fn() -> u32 as usize)
}

fn config() -> SuiteConfig {
    // Tests run without optimisation, beside each other, and perhaps on a machine behind a proxy.
    SuiteConfig::new().guard(guarded()).share_permille(200).without(SensorId::Proxy)
}

fn start(config: SuiteConfig) -> Suite {
    let suite = Suite::start(config, Arc::new(SystemHost::new())).unwrap();
    assert!(suite.check(Duration::from_secs(20)), "no pass");
    suite
}

/// A clock whose monotonic time also goes as far ahead as it is told, or stands still.
#[derive(Debug)]
struct Ahead {
    real: SystemHost,
    ahead_ms: AtomicU64,
    still: bool,
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.real.now()
    }

    fn monotonic(&self) -> Duration {
        let real = if self.still { Duration::ZERO } else { self.real.monotonic() };
        real + Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst))
    }
}

impl Entropy for Ahead {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.real.fill(out)
    }
}

#[test]
fn an_undisturbed_process_is_clear_and_every_sensor_has_looked() {
    assert_eq!(own(), 7);
    let suite = start(config());
    for (id, reading) in suite.readings() {
        assert_ne!(reading.state, State::Detected, "{id}");
        assert_ne!(reading.state, State::Unknown(Reason::Pending), "{id}");
    }
    assert_eq!(suite.read(SensorId::Prologue).state, State::Clear);
    assert!(suite.detections().is_empty());
    let usage = suite.usage();
    assert!(usage.sensors.iter().all(|sensor| sensor.looks > 0), "{usage:?}");
    assert!(usage.cpu > Duration::ZERO && usage.passes > 0, "{usage:?}");
}

#[test]
fn sensors_that_are_not_run_are_off_and_take_no_looks() {
    let suite = start(config().only([SensorId::Prologue]));
    assert_eq!(suite.read(SensorId::Tracer).state, State::Unknown(Reason::Off));
    assert_eq!(suite.readings().len(), 1);
    let suite = start(config().without(SensorId::Prologue));
    assert_eq!(suite.sensor(SensorId::Prologue).read().state, State::Unknown(Reason::Off));
}

#[test]
fn a_muted_sensor_is_unknown_does_not_look_and_remembers_what_it_saw() {
    let suite = start(config().muted(MuteList(vec![Mute::everywhere(SensorId::Prologue)])));
    assert_eq!(suite.read(SensorId::Prologue).state, State::Unknown(Reason::Muted));
    assert_eq!(
        suite.read(SensorId::Prologue).answer(),
        glacis_wire::Answer::unknown(glacis_wire::Cause::Withheld)
    );
    let looks = |suite: &Suite| suite.usage().sensors.iter().map(|sensor| sensor.looks).min();
    assert_eq!(looks(&suite), Some(0));
    suite.mute(MuteList::default());
    assert!(suite.check(Duration::from_secs(20)));
    assert_eq!(suite.read(SensorId::Prologue).state, State::Clear);
    let evidence = sha256(b"seen before");
    let detection = Detection {
        sensor: SensorId::Prologue,
        at: Timestamp::from_ms(1),
        confidence: Confidence::High,
        evidence,
    };
    {
        let mut table = suite.shared.table();
        table.slots.get_mut(&SensorId::Prologue).unwrap().latch = Some(detection);
        table.detections.push(detection);
    }
    suite.mute(MuteList(vec![Mute::everywhere(SensorId::Prologue)]));
    assert_eq!(suite.read(SensorId::Prologue).state, State::Unknown(Reason::Muted));
    assert!(suite.detections().is_empty());
    suite.mute(MuteList::default());
    assert_eq!(suite.read(SensorId::Prologue).evidence, evidence);
    assert_eq!(suite.detections(), [detection]);
    assert_eq!(suite.wait_detections(0, Duration::from_secs(20)), 1);
}

#[test]
fn a_detection_stays_with_its_first_evidence() {
    let suite = start(config());
    let first = Sight::Detected(Confidence::Medium, sha256(b"first"));
    let later = Sight::Detected(Confidence::High, sha256(b"later"));
    let mut worker = worker::Worker::new(Arc::clone(&suite.shared), &config());
    worker.replace(SensorId::Tracer, vec![Sight::Clear, first, Sight::Clear, later]);
    let mut read = || {
        worker.pass();
        suite.read(SensorId::Tracer)
    };
    // The suite's own thread looks as well, and sees nothing.
    assert_eq!(read().state, State::Clear);
    let detected = read();
    assert_eq!((detected.state, detected.confidence), (State::Detected, Confidence::Medium));
    assert_eq!(detected.evidence, sha256(b"first"));
    assert_eq!(read(), detected, "gone, and still detected");
    let again = read();
    assert_eq!((again.evidence, again.at), (detected.evidence, detected.at));
    assert_eq!(again.confidence, Confidence::High);
    assert_eq!(suite.detections().len(), 1);
}

#[test]
fn a_panic_of_a_sensor_is_unknown_and_the_others_go_on() {
    // Its own thread does not run the sensor that fails.
    let suite = start(config().only([SensorId::Prologue]));
    let mut worker = worker::Worker::new(Arc::clone(&suite.shared), &config());
    worker.replace(SensorId::Tracer, vec![]);
    worker.pass();
    assert_eq!(
        suite.shared.table().slots.get(&SensorId::Tracer).unwrap().last.unwrap().sight,
        Sight::Unknown(Reason::Malformed)
    );
    assert_eq!(suite.read(SensorId::Prologue).state, State::Clear);
}

#[test]
fn a_thread_that_is_silent_for_too_long_makes_clear_unknown_and_one_that_wakes_does_not() {
    let host = Arc::new(Ahead { real: SystemHost::new(), ahead_ms: AtomicU64::new(0), still: false });
    let mut suite = Suite::start(config(), host.clone()).unwrap();
    assert!(suite.check(Duration::from_secs(20)));
    // As after a freeze: much time has passed, and the thread answers. A loaded machine may need some tries.
    host.ahead_ms.store(600_000, Ordering::SeqCst);
    let woke = (0..200).any(|_| suite.read(SensorId::Prologue).state == State::Clear);
    assert!(woke, "{:?}", suite.read(SensorId::Prologue));
    // Ended: nothing is clear any more, at once.
    suite.shared.table().stop = true;
    suite.shared.orders.ring();
    suite.worker.take().unwrap().join().unwrap();
    assert_eq!(suite.read(SensorId::Prologue).state, State::Unknown(Reason::Stale));
    assert!(!suite.check(Duration::from_secs(20)));
    assert_eq!(suite.wait_detections(0, Duration::from_secs(20)), 0);
}

#[test]
fn what_the_app_reports_is_judged_at_once() {
    let (good, foreign) = (sha256(b"good"), sha256(b"foreign"));
    let pins = Pins { host: String::from("api.example.com"), keys: vec![good] };
    let suite = start(config().pin(pins));
    assert_eq!(suite.read(SensorId::PeerKey).state, State::Unknown(Reason::Unobserved));
    assert!(suite.observe_peer_key("unpinned.example.com", &foreign));
    assert!(suite.observe_peer_key("api.example.com", &good));
    assert_eq!(suite.read(SensorId::PeerKey).state, State::Clear);
    assert!(!suite.observe_peer_key("api.example.com", &foreign));
    assert_eq!(suite.read(SensorId::PeerKey).state, State::Detected);
    assert!(suite.observe_peer_key("api.example.com", &good), "this key is right");
    assert_eq!(suite.read(SensorId::PeerKey).state, State::Detected, "and the other was seen");
    let off = start(config().only([SensorId::Tracer]));
    off.observe_peer_key("api.example.com", &foreign);
    assert_eq!(off.readings().len(), 1);
}

#[test]
fn a_suite_that_a_fork_inherited_waits_for_nobody() {
    // As in the child: the number of the process is another, and the thread never ends.
    let mut suite = start(config().only([SensorId::Tracer]));
    let shared = Arc::clone(&suite.shared);
    suite.process += 1;
    let worker = suite.worker.take().unwrap();
    let (never, ends) = std::sync::mpsc::channel::<()>();
    suite.worker = Some(std::thread::spawn(move || assert!(ends.recv().is_err())));
    drop(suite);
    drop(never);
    worker.join().unwrap();
    assert!(shared.table().ended);
}

#[test]
fn guarded_state_is_watched() {
    let suite = start(config());
    suite.state().store("limit", b"100").unwrap();
    assert!(suite.check(Duration::from_secs(20)));
    assert_eq!(suite.read(SensorId::Canary).state, State::Clear);
    assert_eq!(suite.state().load("limit").as_deref(), Some(&b"100"[..]));
}

#[test]
fn a_clock_that_stands_still_does_not_put_the_watch_to_sleep() {
    let host = Ahead { real: SystemHost::new(), ahead_ms: AtomicU64::new(0), still: true };
    let suite = Suite::start(config().only([SensorId::Tracer]), Arc::new(host)).unwrap();
    assert!(suite.check(Duration::from_secs(20)));
    let looks = || suite.usage().sensors.iter().map(|sensor| sensor.looks).sum::<u64>();
    let before = looks();
    let went_on = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        looks() > before + 2
    });
    assert!(went_on, "{:?}", suite.usage());
}
