//! Debuggers and tracers that attach to the running app: gdb, strace, ltrace.
//!
//! All of them use `ptrace`; a container may forbid it, which is the one reason for which these may be skipped. The
//! breakpoint is a dynamic print, which goes on by itself, as a debugger does that only listens.

use super::{Attack, Strike};
use crate::kit::{Kit, Trouble, version};
use crate::process::{App, Running};
use std::process::Command;
use std::time::Duration;

pub(super) const GDB: Attack =
    Attack { tool: "gdb", mode: "attach", sensors: &["tracer"], strike: |kit| gdb(kit, false) };
pub(super) const GDB_BREAKPOINT: Attack = Attack {
    tool: "gdb",
    mode: "breakpoint in the guarded function",
    sensors: &["tracer", "breakpoint", "prologue", "text-pages"],
    strike: |kit| gdb(kit, true),
};
pub(super) const STRACE: Attack =
    Attack { tool: "strace", mode: "attach", sensors: &["tracer"], strike: strace };
pub(super) const LTRACE: Attack =
    Attack { tool: "ltrace", mode: "attach", sensors: &["tracer", "text-pages"], strike: ltrace };

fn gdb(kit: &Kit, breakpoint: bool) -> Result<Strike, Trouble> {
    let version = version("gdb", &["--version"])?;
    let app = App::start(kit, kit.app_under(&[]))?;
    let began = kit.monotonic();
    let mut command = Command::new("gdb");
    command.args(["-nx", "-q", "-batch", "-p", &app.pid().to_string()]);
    if breakpoint {
        command.args(["-ex", &format!("dprintf *{},\"hit\\n\"", app.address())]);
    }
    command.args(["-ex", "continue"]);
    strike(app, command, began, version)
}

fn strace(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("strace", &["--version"])?;
    let app = App::start(kit, kit.app_under(&[]))?;
    let began = kit.monotonic();
    let mut command = Command::new("strace");
    command.args(["-f", "-q", "-o", "/dev/null", "-p", &app.pid().to_string()]);
    strike(app, command, began, version)
}

fn ltrace(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("ltrace", &["--version"])?;
    let app = App::start(kit, kit.app_under(&[]))?;
    let began = kit.monotonic();
    let mut command = Command::new("ltrace");
    command.args(["-o", "/dev/null", "-p", &app.pid().to_string()]);
    strike(app, command, began, version)
}

fn strike(app: App, command: Command, began: Duration, version: String) -> Result<Strike, Trouble> {
    Ok(Strike::against(app, Running::start(command)?, began, version))
}
