//! The suite of sensors, switched on, and every change of a reading as a line.
//!
//! The app and the library that other hosts load use this very code, so that what the table says of one holds for
//! the other. It keeps no opinion of its own: what a sensor reads is what is said, in order of the sensors.

use crate::line::Line;
use glacis_host::{Clock, Entropy, EntropyError, Host, SystemHost};
use glacis_sdk::sensor::{Guarded, HostProfile, SensorId, State, Suite, SuiteConfig};
use glacis_wire::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The running suite and what was said of it.
#[derive(Debug)]
pub struct Watch {
    suite: Suite,
    host: Arc<SteppedHost>,
    began: Duration,
    said: BTreeMap<SensorId, State>,
}

impl Watch {
    /// Starts every sensor, with `guarded` under guard.
    ///
    /// # Errors
    /// If the thread of the suite cannot be started.
    pub fn start(profile: HostProfile, guarded: &[Guarded]) -> io::Result<Self> {
        let host = Arc::new(SteppedHost::default());
        let config = SuiteConfig::new().host(profile);
        let config = if cfg!(debug_assertions) { config.share_permille(UNOPTIMISED_SHARE) } else { config };
        let config = guarded.iter().fold(config, |config, function| config.guard(*function));
        let began = host.monotonic();
        let suite = Suite::start(config, Arc::clone(&host) as Arc<dyn Host>)?;
        suite.state().store("limit", LIMIT).map_err(io::Error::other)?;
        suite.check(FIRST_PASS_MAX);
        Ok(Self { suite, host, began, said: BTreeMap::new() })
    }

    /// The clock that the suite was given.
    pub fn clock(&self) -> &SteppedHost {
        &self.host
    }

    /// A line for each reading that is not as it was said last; a detection never changes again.
    pub fn changes(&mut self) -> Vec<Line> {
        let at_ms = self.host.monotonic().saturating_sub(self.began).as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        let mut lines = Vec::new();
        for (sensor, reading) in self.suite.readings() {
            if self.said.insert(sensor, reading.state) != Some(reading.state) {
                let (sensor, state) = (sensor.name().to_owned(), name(reading.state));
                lines.push(Line::Reading { sensor, state, at_ms });
            }
        }
        lines
    }

    /// Makes every sensor look now.
    pub fn look(&self) {
        self.suite.check(PASS_MAX);
    }
}

/// A state as lines say it.
fn name(state: State) -> String {
    match state {
        State::Clear => Line::CLEAR.to_owned(),
        State::Detected => Line::DETECTED.to_owned(),
        State::Unknown(reason) => format!("unknown:{}", reason.name()),
    }
}

/// Says a line on standard output.
///
/// # Errors
/// If nobody reads it any more.
pub fn say(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", line.text())?;
    out.flush()
}

/// The system's clock, as far ahead or behind as it was stepped: what a user does who sets the time.
#[derive(Debug, Default)]
pub struct SteppedHost {
    system: SystemHost,
    ahead_ms: AtomicI64,
}

impl SteppedHost {
    /// Steps the wall clock; the monotonic one never steps.
    pub fn step(&self, by_ms: i64) {
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for SteppedHost {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        Timestamp::from_ms(self.system.now().as_ms().saturating_add_signed(ahead))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

impl Entropy for SteppedHost {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.system.fill(out)
    }
}

/// What the app keeps as guarded state; an attacker searches memory for it.
pub const LIMIT: &[u8] = b"no transfer above 500";
/// A first pass takes the baselines; under an emulator that is slow.
const FIRST_PASS_MAX: Duration = Duration::from_secs(60);
/// A pass takes milliseconds; under an emulator, on a busy machine, seconds.
const PASS_MAX: Duration = Duration::from_secs(30);
/// An unoptimised build takes ten times as long for a look; with the share of a release it would look too rarely.
const UNOPTIMISED_SHARE: u16 = 20;
