//! Sensors: what this process can observe about its own surroundings, as tri-state, latched readings.
//!
//! A sensor says [`State::Clear`], [`State::Detected`] or [`State::Unknown`]; a sensor that could not look is
//! `Unknown`, never `Clear`, and the policy (not this crate) says what unknown means. Evidence of an attack is
//! often gone after milliseconds, so a detection is *latched*: once seen, it stays for the life of the sensor.
//! A reading carries a digest of its evidence for the app's own log; neither digest nor reading has an encoder.
//!
//! [`Suite`] runs all sensors of this platform under one thread; [`Tracer`] and [`Prologue`] also stand alone. All
//! (Linux and Android) read only files of the kernel about their own process, need no privilege and no `unsafe`.

mod id;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
pub mod mute;
pub mod signal;
pub mod watch;

pub use id::SensorId;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use linux::{
    Detection, Guarded, GuardedState, HostProfile, Pins, Preload, Prologue, SensorUsage, StateError, Suite,
    SuiteConfig, SuiteUsage, Tracer, prologue, suite, tracer,
};
pub use mute::{Mute, MuteList, Version, Versions};
pub use watch::{Look, Probe, Usage, WatchConfig, Watched};

use glacis_wire::{Answer, Cause, Digest, Timestamp, Value};

/// Something that observes one symptom.
pub trait Sensor: Send + Sync {
    /// Stable name in logs and metrics; not a signal name.
    fn id(&self) -> &'static str;

    /// The present reading. Bounded in time; never panics.
    fn read(&self) -> Reading;
}

/// What a sensor observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Looked, and the symptom is not there.
    Clear,
    /// The symptom is there, or was at any time since the sensor began.
    Detected,
    /// Could not look.
    Unknown(Reason),
}

/// Why a sensor does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The operating system did not let us read what we need.
    Unreadable,
    /// It was readable and did not have the documented form.
    Malformed,
    /// The background watch has not looked for too long: starved, stopped, or kept from running.
    Stale,
    /// One look costs more than the sensor may spend.
    OverBudget,
    /// There is nothing to compare with, such as code that no file backs.
    NoBaseline,
    /// The first look is not done yet.
    Pending,
    /// Nobody has shown it yet what it judges.
    Unobserved,
    /// Not believed on this version of the system, by a mute list.
    Muted,
    /// Not among the sensors that the app runs.
    Off,
}

impl Reason {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Malformed => "malformed",
            Self::Stale => "stale",
            Self::OverBudget => "over-budget",
            Self::NoBaseline => "no-baseline",
            Self::Pending => "pending",
            Self::Unobserved => "unobserved",
            Self::Muted => "muted",
            Self::Off => "off",
        }
    }
}

/// How much a reading says, before any base rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nothing was learnt.
    None,
    /// Observed now; a transient between two looks may have been missed.
    Medium,
    /// The kernel states it, or bytes differ; and the watch between looks is running.
    High,
}

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What was observed.
    pub state: State,
    /// How much it says.
    pub confidence: Confidence,
    /// When it was observed; for a latched detection, when it was first seen.
    pub at: Timestamp,
    /// SHA-256 of the evidence: equal evidence, equal digest. Of nothing for an unknown.
    pub evidence: Digest,
}

impl Reading {
    /// The answer to a Boolean signal "is the symptom there?".
    pub const fn answer(&self) -> Answer {
        match self.state {
            State::Clear => Answer::Value(Value::Bool(false)),
            State::Detected => Answer::Value(Value::Bool(true)),
            State::Unknown(_) => Answer::unknown(Cause::Withheld),
        }
    }
}
