//! What a suite is told: which sensors, what they guard, what the host of this process is like, what it may cost.
//!
//! Everything has a default that is right for a native app without a just-in-time compiler. Who embeds the suite in
//! a virtual machine says so, or the machine's own code looks injected. Nothing here is read from a file: the app
//! states it in code, the policy bundle states mutes.

use crate::sensor::mute::{MuteList, Version};
use crate::sensor::{Guarded, Pins, SensorId};
use glacis_wire::Digest;
use std::collections::BTreeSet;

/// What a [`Suite`](super::Suite) watches, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SuiteConfig {
    /// The sensors to run. Default: all.
    pub sensors: BTreeSet<SensorId>,
    /// Functions whose beginning must equal the file. Default: none, so the prologue sensor has no baseline.
    pub guarded: Vec<Guarded>,
    /// What is normal in this process.
    pub host: HostProfile,
    /// Keys of hosts that the app talks to. Default: none, so the peer-key sensor has no baseline.
    pub pins: Vec<Pins>,
    /// Share of one core that looking may take, all sensors together. Unit: thousandths. Range: 1..=1000.
    /// Default: 2, the 0.2 % that an app may spend on this. Above it every interval is widened.
    pub share_permille: u16,
    /// The version of the operating system as the app knows it, for mute lists. Default: unknown.
    pub system: Option<Version>,
    /// Sensors that are muted from the start. Default: none.
    pub muted: MuteList,
}

impl Default for SuiteConfig {
    fn default() -> Self {
        Self {
            sensors: SensorId::ALL.iter().copied().collect(),
            guarded: Vec::new(),
            host: HostProfile::default(),
            pins: Vec::new(),
            share_permille: 2,
            system: None,
            muted: MuteList::default(),
        }
    }
}

impl SuiteConfig {
    /// All sensors with their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these sensors.
    #[must_use]
    pub fn only(mut self, sensors: impl IntoIterator<Item = SensorId>) -> Self {
        self.sensors = sensors.into_iter().collect();
        self
    }

    /// Not this sensor.
    #[must_use]
    pub fn without(mut self, sensor: SensorId) -> Self {
        self.sensors.remove(&sensor);
        self
    }

    /// Guards a function.
    #[must_use]
    pub fn guard(mut self, function: Guarded) -> Self {
        self.guarded.push(function);
        self
    }

    /// What is normal in this process.
    #[must_use]
    pub fn host(mut self, host: HostProfile) -> Self {
        self.host = host;
        self
    }

    /// Pins the keys of a host.
    #[must_use]
    pub fn pin(mut self, pins: Pins) -> Self {
        self.pins.push(pins);
        self
    }

    /// Share of one core that looking may take, in thousandths.
    #[must_use]
    pub fn share_permille(mut self, share: u16) -> Self {
        self.share_permille = share;
        self
    }

    /// Mutes sensors from the start.
    #[must_use]
    pub fn muted(mut self, muted: MuteList) -> Self {
        self.muted = muted;
        self
    }
}

/// What is normal in the process that hosts the suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostProfile {
    /// The process makes code while it runs: a just-in-time compiler (Java, JavaScript, PCRE), foreign-function
    /// closures (libffi), stubs of a graphics driver. Executable memory that no file backs is then normal, and only
    /// whole program images in such memory are evidence.
    pub jit: bool,
    /// What may be preloaded. Default: nothing.
    pub preloads: Vec<Preload>,
}

/// A module that may be preloaded (`LD_PRELOAD`): an allocator, a sanitizer, a tool of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preload {
    /// By the last part of its path. Anybody can name a file: only for hosts in which nobody else sets variables.
    Named(String),
    /// By the SHA-256 of its file.
    Digest(Digest),
}

impl HostProfile {
    /// A native app: all its code comes from files.
    pub const fn native() -> Self {
        Self { jit: false, preloads: Vec::new() }
    }

    /// A process that makes code while it runs.
    pub const fn jit() -> Self {
        Self { jit: true, preloads: Vec::new() }
    }

    /// Lets a module be preloaded.
    #[must_use]
    pub fn preload(mut self, allowed: Preload) -> Self {
        self.preloads.push(allowed);
        self
    }
}
