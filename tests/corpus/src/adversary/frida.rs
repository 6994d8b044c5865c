//! Frida 17, as its users run it: attach, hook, replace, and spawn with a hook in place before the first instruction.
//!
//! The script is `tests/python/frida_attack.py`, run by the pinned interpreter of the tests. Attach alone runs no
//! script: what is seen then is the agent. The others change what the guarded function returns, which the app says.

use super::{Attack, Strike};
use crate::kit::{Kit, Trouble, version_in};
use crate::process::{App, Running};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) const ATTACH: Attack = Attack {
    tool: "Frida",
    mode: "attach",
    sensors: &["code-maps"],
    strike: |kit| running(kit, "attach", None),
};
pub(super) const HOOK: Attack = Attack {
    tool: "Frida",
    mode: "hook (Interceptor.attach)",
    sensors: &["prologue", "code-maps"],
    strike: |kit| running(kit, "hook", Some(1337)),
};
pub(super) const REPLACE: Attack = Attack {
    tool: "Frida",
    mode: "replace (Interceptor.replace)",
    sensors: &["prologue", "code-maps"],
    strike: |kit| running(kit, "replace", Some(1)),
};
pub(super) const SPAWN: Attack =
    Attack { tool: "Frida", mode: "spawn, then hook", sensors: &["prologue", "code-maps"], strike: spawned };

fn running(kit: &Kit, mode: &str, returns: Option<u32>) -> Result<Strike, Trouble> {
    let python = Kit::python_with_frida()?;
    let app = App::start(kit, kit.app_under(&[]))?;
    let began = kit.monotonic();
    let mut command = script(&python, mode);
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
