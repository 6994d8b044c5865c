//! The long run: every host again and again, each for another while, all at the same time.
//!
//! How long a host runs before it is started anew follows from the seed, so that baselines are taken, and sensors
//! first look, at ever other moments of a machine that is never idle. One false alarm fails the soak and is told
//! with its host, its sensor and how long the host had run.

use super::{HOSTS, Host, Outcome};
use crate::kit::{Kit, Trouble};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What the soak found in one host.
#[derive(Clone, Debug, Default)]
pub struct Soak {
    /// Times the host was started.
    pub starts: u64,
    /// For so long in all.
    pub watched: Duration,
    /// Fewest sensors that read clear at the end of a run.
    pub clear_min: usize,
    /// Sensors that did not know at the end of a run, and why.
    pub unknown: BTreeMap<String, String>,
    /// False alarms: sensors, and how many runs ended with one.
    pub detected: BTreeMap<String, u64>,
    /// Why it ended early, or never ran.
    pub trouble: Option<Trouble>,
}

/// Runs every host for `time`; the hosts' names with what was found.
///
/// # Errors
/// If there is no kit.
pub fn soak(app: &Path, time: Duration, seed: u64) -> Result<Vec<(&'static str, Soak)>, Trouble> {
    let kit = Kit::new(app)?;
    let until = kit.monotonic() + time;
    let found = std::thread::scope(|scope| {
        let kit = &kit;
        let threads: Vec<_> = HOSTS
            .iter()
            .zip(seed..)
            .map(|(host, seed)| (host, scope.spawn(move || again(host, kit, until, seed))))
            .collect();
        let ended = |thread: std::thread::ScopedJoinHandle<'_, Soak>| {
            let panicked = |_| Soak { trouble: Some(Trouble::failed("its thread ended")), ..Soak::default() };
            thread.join().unwrap_or_else(panicked)
        };
        threads.into_iter().map(|(host, thread)| (host.name, ended(thread))).collect()
    });
    Ok(found)
}

/// One host until the time is up.
fn again(host: &Host, kit: &Kit, until: Duration, seed: u64) -> Soak {
    let mut soak = Soak { clear_min: usize::MAX, ..Soak::default() };
    let mut noise = seed;
    while kit.monotonic() < until {
        // Knuth's constants; any spread of lengths will do.
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = RUN_MIN + Duration::from_millis((noise >> 33) % RUN_SPREAD_MS);
        let length = length.min(until.saturating_sub(kit.monotonic()).max(RUN_MIN));
        match host.run(kit, length, noise) {
            Ok(outcome) => soak.take(host.name, &outcome, length),
            Err(trouble) => {
                println!("{}: {trouble}", host.name);
                soak.trouble = Some(trouble);
                return soak;
            }
        }
    }
    soak
}

impl Soak {
    fn take(&mut self, host: &str, outcome: &Outcome, length: Duration) {
        self.starts += 1;
        self.watched += length;
        self.clear_min = self.clear_min.min(outcome.clear.len());
        self.unknown.extend(outcome.unknown.clone());
        for sensor in &outcome.detected {
            println!("{host}: FALSE ALARM of `{sensor}` within {} s", length.as_secs());
            *self.detected.entry(sensor.clone()).or_default() += 1;
        }
    }
}

/// Shortest run of a host before it is started anew.
const RUN_MIN: Duration = Duration::from_secs(10);
/// Longest run beyond that.
const RUN_SPREAD_MS: u64 = 110_000;
