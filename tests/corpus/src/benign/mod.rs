//! Harmless hosts that look odd: whatever runs the sensors here, nothing may be detected.
//!
//! A false alarm locks out an honest user, so this corpus weighs as much as the attackers. Hosts that are not ours
//! load the sensors as a library into their own process: the question is not what another process looks like from
//! outside, but what the sensors make of a virtual machine, a sanitizer or an interpreter around them. A host whose
//! sensors all said "unknown" would prove nothing; each must read clear in most.

mod hosts;
mod limits;
mod soak;

pub(crate) use hosts::{java, node, python};
pub use soak::{Soak, soak};

use crate::kit::{Kit, Trouble};
use crate::line::Line;
use crate::process::{App, Running};
use limits::ControlGroup;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A harmless host.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its name in tables.
    pub name: &'static str,
    /// Only in the soak: it changes something of the machine for minutes.
    pub soak_only: bool,
    start: fn(&Kit, u64) -> Result<Guest, Trouble>,
}

/// Every host.
pub const HOSTS: &[Host] = &[
    hosts::PLAIN,
    hosts::PERF,
    hosts::SANITIZER,
    hosts::JAVA,
    hosts::NODE,
    hosts::PYTHON,
    limits::NAMESPACES,
    limits::LITTLE_MEMORY,
    hosts::STEPPED_CLOCK,
    hosts::ALLOWED_LIBRARY,
    hosts::SLEWED_CLOCK,
];

/// A host that runs.
#[derive(Debug)]
struct Guest {
    app: App,
    /// A tool beside it, which must go on as long as the host does.
    beside: Option<Running>,
    /// Gone after the processes in it, so declared after them.
    group: Option<ControlGroup>,
    /// What they read.
    _folder: Option<tempfile::TempDir>,
}

/// Parts in which a host is watched; between them its surroundings are kept odd.
const PARTS: u32 = 3;

impl Guest {
    fn of(app: App) -> Self {
        Self { app, beside: None, group: None, _folder: None }
    }
}

/// What the sensors said in a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sensors that read clear all the time.
    pub clear: BTreeSet<String>,
    /// Sensors that did not know in the end, and why.
    pub unknown: BTreeMap<String, String>,
    /// False alarms.
    pub detected: BTreeSet<String>,
}

impl Host {
    /// Runs it for `time` and reads every sensor in the end. `seed` chooses what a host varies.
    ///
    /// # Errors
    /// [`Trouble::Lacking`] where the machine lacks what it needs; a failure where the host did not live so long.
    pub fn run(&self, kit: &Kit, time: Duration, seed: u64) -> Result<Outcome, Trouble> {
        let mut guest = (self.start)(kit, seed)?;
        for part in 0..PARTS {
            if let Some(group) = guest.group.as_mut().filter(|_| part > 0) {
                group.keep_pressed()?;
            }
            guest.app.pump(kit, time / PARTS)?;
        }
        guest.app.ask(kit)?;
        if let Some(beside) = &mut guest.beside
            && beside.has_ended()
        {
            return Err(Trouble::failed(format!("the tool beside it ended: {}", beside.said())));
        }
        if let Some(group) = &mut guest.group {
            group.was_under_pressure()?;
        }
        let mut outcome = Outcome::default();
        for (sensor, (state, _)) in guest.app.readings() {
            match state.as_str() {
                Line::CLEAR => drop(outcome.clear.insert(sensor.clone())),
                Line::DETECTED => drop(outcome.detected.insert(sensor.clone())),
                unknown => drop(outcome.unknown.insert(sensor.clone(), unknown.to_owned())),
            }
        }
        Ok(outcome)
    }
}
