//! Signals of the device zone: what the app and its sensors know about one event, in the clear.
//!
//! A [`SignalSet`] holds private values. It has no encoder, no `Clone` and no accessor that hands its values out
//! of this crate; `Debug` prints names only. The one way on is [`DeviceSlice::judge`](crate::slice::DeviceSlice),
//! which consumes it and yields a `Disclosed`. The feature `observe` adds a way for a simulator in the same
//! process to see values after the decision; nothing of it reaches a request.

use crate::sensor::Sensor;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sensor::{
    Suite,
    signal::{SIGNALS, answer},
};
use glacis_wire::{Answer, Cause, EventName, SignalName};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Answers of the device zone about one event. A signal that is not in it reads as `unknown(withheld)`.
///
/// It cannot be encoded, nor copied for later:
///
/// ```compile_fail,E0599
/// # use glacis_sdk::SignalSet;
/// use glacis_wire::Encode;
/// let bytes = SignalSet::new().to_bytes();
/// ```
/// ```compile_fail,E0599
/// # use glacis_sdk::SignalSet;
/// let kept = SignalSet::new().clone();
/// ```
#[derive(Default, PartialEq)]
pub struct SignalSet(BTreeMap<SignalName, Answer>);

impl SignalSet {
    /// No answers: everything is withheld.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// States an answer; the last one counts. A device can only withhold: any cause becomes `withheld`.
    pub fn state(&mut self, signal: SignalName, answer: Answer) {
        let answer = match answer {
            Answer::Unknown(_) => Answer::unknown(Cause::Withheld),
            known => known,
        };
        self.0.insert(signal, answer);
    }

    /// The names that are answered.
    pub fn names(&self) -> impl Iterator<Item = &SignalName> {
        self.0.keys()
    }

    pub(crate) fn answer(&self, signal: &SignalName) -> Option<&Answer> {
        self.0.get(signal)
    }

    /// Everything that was stated, for a checker in this process. `trust` is the producer's, which the device
    /// itself does not know: the checker takes it from the decision record.
    #[cfg(feature = "observe")]
    pub fn snapshot(&self, trust: glacis_wire::Trust) -> BTreeMap<SignalName, glacis_wire::Given> {
        let given = |(name, answer): (&SignalName, &Answer)| {
            (name.clone(), glacis_wire::Given { answer: answer.clone(), trust })
        };
        self.0.iter().map(given).collect()
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(SignalName::as_str)).finish()
    }
}

impl FromIterator<(SignalName, Answer)> for SignalSet {
    fn from_iter<I: IntoIterator<Item = (SignalName, Answer)>>(answers: I) -> Self {
        let mut set = Self::new();
        answers.into_iter().for_each(|(signal, answer)| set.state(signal, answer));
        set
    }
}

/// Where the signals of an event come from. Asked once for each user action, not for its retries.
pub trait SignalSource: Send {
    /// What is known about an event of this name now.
    fn signals(&mut self, event: &EventName) -> SignalSet;
}

impl<F: FnMut(&EventName) -> SignalSet + Send> SignalSource for F {
    fn signals(&mut self, event: &EventName) -> SignalSet {
        self(event)
    }
}

/// The source of an honest app: each signal from one sensor, or a fixed answer.
#[derive(Clone, Default)]
pub struct Sensors {
    sensors: Vec<(SignalName, Arc<dyn Sensor>)>,
    fixed: Vec<(SignalName, Answer)>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    suite: Option<Arc<Suite>>,
}

impl Sensors {
    /// No sensors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads all signals of [`sensor::signal`](crate::sensor::signal) from a suite, after one look at everything
    /// for each event, at most [`CHECK_LIMIT`] long. What another sensor or a fixed answer states counts more.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub fn suite(mut self, suite: Arc<Suite>) -> Self {
        self.suite = Some(suite);
        self
    }

    /// Reads a Boolean signal from `sensor`: true when it detects.
    #[must_use]
    pub fn sensor(mut self, signal: SignalName, sensor: Arc<dyn Sensor>) -> Self {
        self.sensors.push((signal, sensor));
        self
    }

    /// A signal that does not change while the app runs, such as the name of the operating system.
    #[must_use]
    pub fn fixed(mut self, signal: SignalName, answer: Answer) -> Self {
        self.fixed.push((signal, answer));
        self
    }
}

impl SignalSource for Sensors {
    fn signals(&mut self, _event: &EventName) -> SignalSet {
        let sensed = self.sensors.iter().map(|(signal, sensor)| (signal.clone(), sensor.read().answer()));
        self.of_suite().into_iter().chain(self.fixed.iter().cloned()).chain(sensed).collect()
    }
}

impl Sensors {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn of_suite(&self) -> Vec<(SignalName, Answer)> {
        let Some(suite) = &self.suite else { return Vec::new() };
        // Readings say stale by themselves where the look did not come about in time.
        suite.check(CHECK_LIMIT);
        let readings = suite.readings();
        let named = |signal| Some((SignalName::parse(signal).ok()?, answer(signal, &readings)));
        SIGNALS.into_iter().filter_map(named).collect()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn of_suite_names(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        SIGNALS.into_iter().filter(|_| self.suite.is_some()).map(|signal| (signal, "suite"))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn of_suite_names(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        std::iter::empty()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn of_suite(&self) -> Vec<(SignalName, Answer)> {
        Vec::new()
    }
}

/// How long an event waits for a look at everything: the limit of a critical check.
pub const CHECK_LIMIT: Duration = Duration::from_millis(50);

impl fmt::Debug for Sensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sensed = self.sensors.iter().map(|(signal, sensor)| (signal.as_str(), sensor.id()));
        let fixed = self.fixed.iter().map(|(signal, _)| (signal.as_str(), "fixed"));
        f.debug_map().entries(self.of_suite_names()).entries(sensed).entries(fixed).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_wire::Value;

    #[test]
    fn debug_prints_names_only() {
        let name = SignalName::parse("app.hooked").unwrap();
        let secret = Answer::Value(Value::String(String::from("hush")));
        let set = SignalSet::from_iter([(name, secret)]);
        assert_eq!(format!("{set:?}"), "{\"app.hooked\"}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_suite_answers_its_signals_and_what_is_stated_otherwise_counts_more() {
        use crate::sensor::SuiteConfig;
        let suite = Suite::start(SuiteConfig::new(), Arc::new(glacis_host::SystemHost::new())).unwrap();
        assert!(suite.check(Duration::from_secs(20)));
        let name = |name: &str| SignalName::parse(name).unwrap();
        let truth = Answer::Value(Value::Bool(true));
        let mut source = Sensors::new().suite(Arc::new(suite)).fixed(name("app.emulator"), truth.clone());
        let signals = source.signals(&EventName::parse("payment.transfer").unwrap());
        assert_eq!(signals.answer(&name("app.emulator")), Some(&truth));
        assert_eq!(signals.answer(&name("app.hooked")), Some(&Answer::Value(Value::Bool(false))));
        assert_eq!(signals.answer(&name("net.foreign_key")), Some(&Answer::unknown(Cause::Withheld)));
        assert!(format!("{source:?}").contains("\"app.debugger\": \"suite\""));
    }

    #[test]
    fn a_device_can_only_withhold() {
        let name = SignalName::parse("app.hooked").unwrap();
        for cause in Cause::ALL {
            let set = SignalSet::from_iter([(name.clone(), Answer::unknown(cause))]);
            assert_eq!(set.answer(&name), Some(&Answer::unknown(Cause::Withheld)), "{}", cause.name());
        }
    }
}
