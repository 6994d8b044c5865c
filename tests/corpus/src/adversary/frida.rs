//! Frida 17, as its users run it: attach, hook, replace, and spawn with a hook in place before the first instruction.
//!
//! The script is `tests/python/frida_attack.py`, run by the pinned interpreter of the tests. Attach alone runs no
//! script: what is seen then is the agent. The others change what the guarded function returns, which the app says.

use super::{Attack, Strike};
use crate::benign;
use crate::kit::{Kit, Trouble, version_in};
use crate::process::{App, Running};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) const ATTACH: Attack =
    Attack { tool: "Frida", mode: "attach", sensors: AGENT, strike: |kit| running(kit, "attach", None) };
pub(super) const HOOK: Attack = Attack {
    tool: "Frida",
    mode: "hook (Interceptor.attach)",
    sensors: AGENT_AND_HOOK,
    strike: |kit| running(kit, "hook", Some(1337)),
};
pub(super) const REPLACE: Attack = Attack {
    tool: "Frida",
    mode: "replace (Interceptor.replace)",
    sensors: AGENT_AND_HOOK,
    strike: |kit| running(kit, "replace", Some(1)),
};
pub(super) const SPAWN: Attack =
    Attack { tool: "Frida", mode: "spawn, then hook", sensors: AGENT_AND_HOOK, strike: spawned };
pub(super) const IN_JAVA: Attack = Attack {
    tool: "Frida",
    mode: "attach to a Java virtual machine",
    // It opens and closes so much that descriptors tell nothing.
    sensors: &["code-maps", "libc-prologue", "text-pages", "threads"],
    strike: |kit| hosted(kit, benign::java(kit)?),
};
pub(super) const IN_NODE: Attack = Attack {
    tool: "Frida",
    mode: "attach to Node",
    sensors: AGENT,
    strike: |kit| hosted(kit, benign::node(kit)?),
};
pub(super) const IN_PYTHON: Attack = Attack {
    tool: "Frida",
    mode: "attach to CPython",
    sensors: AGENT,
    strike: |kit| hosted(kit, benign::python(kit)?),
};

/// What the agent leaves whatever it is told: its image in memory, changed code of libc, threads and descriptors.
const AGENT: &[&str] = &["code-maps", "libc-prologue", "text-pages", "threads", "descriptors"];
const AGENT_AND_HOOK: &[&str] =
    &["prologue", "code-maps", "libc-prologue", "text-pages", "threads", "descriptors"];

fn running(kit: &Kit, mode: &str, returns: Option<u32>) -> Result<Strike, Trouble> {
    let python = Kit::python_with_frida()?;
    let app = App::start(kit, kit.app_under(&[]))?;
    inject(kit, &python, app, mode, returns)
}

/// Attaches to a host that makes code itself, in which the agent has much to hide behind.
fn hosted(kit: &Kit, app: App) -> Result<Strike, Trouble> {
    let python = Kit::python_with_frida()?;
    inject(kit, &python, app, "attach", None)
}

fn inject(kit: &Kit, python: &Path, app: App, mode: &str, returns: Option<u32>) -> Result<Strike, Trouble> {
    let began = kit.monotonic();
    let mut command = script(python, mode);
    command.arg(app.pid().to_string());
    if returns.is_some() {
        command.arg(app.address().to_string());
    }
    let mut tool = Running::start(command)?;
    let version = in_place(&mut tool, mode)?;
    Ok(Strike { returns, ..Strike::against(app, tool, began, version) })
}

fn spawned(kit: &Kit) -> Result<Strike, Trouble> {
    let python = Kit::python_with_frida()?;
    let mut command = script(&python, "spawn");
    command.arg("glacis_corpus_may_transfer").arg(kit.app()).arg("watched");
    // The app has the pipes of the script.
    let app = App::start(kit, command)?;
    let version = version_in(app.said().split("frida: spawn").nth(1).unwrap_or(""));
    Ok(Strike { returns: Some(1337), ..Strike::under(app, version) })
}

fn script(python: &Path, mode: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(Kit::source("tests/python/frida_attack.py")).arg(mode);
    command
}

/// Waits until the attack is in place; its version.
fn in_place(tool: &mut Running, mode: &str) -> Result<String, Trouble> {
    let mark = format!("frida: {mode} ");
    match tool.wait_for(&mark, IN_PLACE_MAX) {
        Ok(()) => Ok(version_in(tool.said().split(&mark).nth(1).unwrap_or(""))),
        Err(_) if tool.said().contains("No module named 'frida'") => Err(Trouble::lacking(
            "python",
            "the interpreter has no Frida; `cargo xtask python` makes one that has",
        )),
        Err(_) if tool.said().contains("PermissionDenied") => Err(Trouble::lacking("ptrace", tool.said())),
        Err(why) => Err(why),
    }
}

/// Longest injection on a busy machine.
const IN_PLACE_MAX: Duration = Duration::from_secs(60);
