//! Attackers with real tools: what each does to the app, which sensors must see it, and what was seen and when.
//!
//! An attack is a function that starts the app and the tool; what follows is the same for all: wait until the sensors
//! that must see it have, let every sensor look once more, ask whether the attack did what it is for, end both. A
//! sensor that must see an attack and does not is a miss and is written into the table; it is never left out.

mod attach;
mod frida;
mod launch;
mod patch;
mod table;

pub use table::{Claim, claims, written};

use crate::kit::{Kit, Trouble};
use crate::process::{App, POLL, Running};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One tool in one way of use.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// The tool.
    pub tool: &'static str,
    /// What it does.
    pub mode: &'static str,
    /// Sensors that are made to see this.
    pub sensors: &'static [&'static str],
    strike: fn(&Kit) -> Result<Strike, Trouble>,
}

/// Every attack, in the order of the table.
pub const ATTACKS: &[Attack] = &[
    frida::ATTACH,
    frida::HOOK,
    frida::REPLACE,
    frida::SPAWN,
    frida::IN_JAVA,
    frida::IN_NODE,
    frida::IN_PYTHON,
    attach::GDB,
    attach::GDB_BREAKPOINT,
    attach::STRACE,
    attach::LTRACE,
    patch::MEMORY,
    patch::UNGUARDED,
    patch::DATA,
    patch::UPROBE,
    launch::FAKETIME,
    launch::TIME_NAMESPACE,
    launch::PROXYCHAINS,
    launch::QEMU,
    launch::VALGRIND,
    launch::PRELOAD,
    launch::PRELOAD_HIDDEN,
];

/// An attack that goes on.
#[derive(Debug)]
struct Strike {
    app: App,
    tool: Option<Running>,
    /// When it began, by the kit's clock: the start of the tool.
    began: Duration,
    version: String,
    /// What the guarded function returns once the attack works; `None` where it changes no answer.
    returns: Option<u32>,
    /// Says whether the attack took hold, where no answer shows it. An attack that does not is no test.
    holds: fn(&mut Strike) -> Result<(), Trouble>,
}

impl Strike {
    /// A tool against a running app.
    fn against(app: App, tool: Running, began: Duration, version: String) -> Self {
        Self { app, tool: Some(tool), began, version, returns: None, holds: tool_goes_on }
    }

    /// An app that was started by the tool.
    fn under(app: App, version: String) -> Self {
        let began = app.began();
        Self { app, tool: None, began, version, returns: None, holds: |_| Ok(()) }
    }
}

/// A tool that ended by itself has not done what it is for; some say that the kernel does not let them.
fn tool_goes_on(strike: &mut Strike) -> Result<(), Trouble> {
    let Some(tool) = &mut strike.tool else { return Ok(()) };
    if !tool.has_ended() {
        return Ok(());
    }
    let said = tool.said();
    if FORBIDDEN.iter().any(|words| said.contains(words)) {
        return Err(Trouble::lacking("ptrace", said));
    }
    Err(Trouble::failed(format!("the tool ended: {said}")))
}

/// What was seen of an attack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The tool.
    pub tool: String,
    /// Its version, as it says itself.
    pub version: String,
    /// What it did.
    pub mode: String,
    /// Sensors made for it that saw it, and when. Unit: milliseconds after the start of the tool.
    pub seen: BTreeMap<String, u64>,
    /// Other sensors that saw it, which nobody relies on: what they saw may be gone in milliseconds.
    pub also: BTreeMap<String, u64>,
    /// Sensors that should have.
    pub missed: Vec<String>,
}

impl Attack {
    /// Carries it out once.
    ///
    /// # Errors
    /// [`Trouble::Lacking`] where the machine lacks what it needs; a failure where it did not do what it is for.
    pub fn run(&self, kit: &Kit) -> Result<Row, Trouble> {
        let mut strike = (self.strike)(kit)?;
        let (mut quiet, until) = (None, kit.monotonic() + SEEN_MAX);
        while kit.monotonic() < until && quiet.is_none_or(|at| kit.monotonic() < at) {
            strike.app.pump(kit, POLL)?;
            let detected = strike.app.detected();
            if quiet.is_none() && self.sensors.iter().all(|sensor| detected.contains_key(sensor)) {
                // The others are given some time; which of them see it too belongs into the table.
                quiet = Some(kit.monotonic() + OTHERS_WAIT);
            }
        }
        strike.app.ask(kit)?;
        (strike.holds)(&mut strike)?;
        if strike.returns.is_some() && strike.app.returned() != strike.returns {
            let returned = strike.app.returned();
            return Err(Trouble::failed(format!(
                "the function still returns {returned:?}: {}",
                said(&strike)
            )));
        }
        Ok(self.row(&strike))
    }

    fn row(&self, strike: &Strike) -> Row {
        let millis =
            |at: Duration| u64::try_from(at.saturating_sub(strike.began).as_millis()).unwrap_or(u64::MAX);
        let detected = strike.app.detected();
        let missed = self.sensors.iter().filter(|sensor| !detected.contains_key(*sensor));
        let all = detected.iter().map(|(sensor, at)| ((*sensor).to_owned(), millis(*at)));
        let (seen, also) = all.partition(|(sensor, _)| self.sensors.contains(&sensor.as_str()));
        Row {
            tool: self.tool.to_owned(),
            version: strike.version.clone(),
            mode: self.mode.to_owned(),
            missed: missed.map(|sensor| (*sensor).to_owned()).collect(),
            seen,
            also,
        }
    }
}

fn said(strike: &Strike) -> String {
    strike.tool.as_ref().map(Running::said).unwrap_or_default()
}

/// How debuggers and tracers say that they may not attach.
const FORBIDDEN: &[&str] = &["Operation not permitted", "ptrace: "];
/// Longest wait for the sensors that must see an attack. A busy machine starts Frida in seconds.
const SEEN_MAX: Duration = Duration::from_secs(20);
/// How long the other sensors are given then.
const OTHERS_WAIT: Duration = Duration::from_millis(1_500);
