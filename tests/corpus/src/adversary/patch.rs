//! Writers of code that attach to nothing: through `/proc/PID/mem`, and a uprobe set by bpftrace.
//!
//! The writer is this very process, as the parent of the app; an injector without an agent does the same. The uprobe
//! is set by the kernel on behalf of a privileged tool and puts a breakpoint into the function; whether a kernel can
//! do so is found by trying. The trace file system that bpftrace needs is mounted in a mount namespace of its own.

use super::{Attack, Strike};
use crate::app::HONEST;
use crate::kit::{Kit, Trouble, version};
use crate::process::{App, POLL, Running};
use crate::watch::LIMIT;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

pub(super) const MEMORY: Attack = Attack {
    tool: "/proc/PID/mem",
    mode: "code of the guarded function",
    sensors: &["prologue", "text-pages"],
    strike: guarded,
};
pub(super) const UNGUARDED: Attack = Attack {
    tool: "/proc/PID/mem",
    mode: "code that nobody guards",
    sensors: &["text-pages"],
    strike: unguarded,
};
pub(super) const DATA: Attack =
    Attack { tool: "/proc/PID/mem", mode: "a number in memory", sensors: &["canary"], strike: data };
pub(super) const UPROBE: Attack = Attack {
    tool: "bpftrace",
    mode: "uprobe on the guarded function",
    sensors: &["breakpoint", "prologue", "text-pages"],
    strike: uprobe,
};

fn guarded(kit: &Kit) -> Result<Strike, Trouble> {
    let app = honest(kit)?;
    let at = app.address();
    Ok(Strike { returns: Some(1), ..write(kit, app, at)? })
}

fn unguarded(kit: &Kit) -> Result<Strike, Trouble> {
    let app = honest(kit)?;
    let at = app.unguarded();
    Ok(Strike { returns: Some(HONEST), ..write(kit, app, at)? })
}

/// As tools for cheaters do it: searches all memory that can be written for what the app keeps, and changes it.
fn data(kit: &Kit) -> Result<Strike, Trouble> {
    let app = honest(kit)?;
    let began = kit.monotonic();
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", app.pid()))?;
    let mut found = 0;
    for (start, end) in writable(app.pid())? {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        // The kernel keeps some areas to itself.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for (at, _) in bytes.windows(LIMIT.len()).enumerate().filter(|(_, bytes)| *bytes == LIMIT) {
            memory.write_all_at(RAISED, start + u64::try_from(at).unwrap_or(0))?;
            found += 1;
        }
    }
    if found == 0 {
        return Err(Trouble::failed("the value is nowhere in memory"));
    }
    Ok(Strike { began, ..Strike::under(app, String::from("-")) })
}

/// Areas of memory of a process that can be written.
fn writable(pid: u32) -> Result<Vec<(u64, u64)>, Trouble> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let area = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        rest.starts_with("rw").then_some((hex(start)?, hex(end)?))
    };
    Ok(maps.lines().filter_map(area).collect())
}

/// An app that has answered once, and honestly.
fn honest(kit: &Kit) -> Result<App, Trouble> {
    let mut app = App::start(kit, kit.app_under(&[]))?;
    while app.returned().is_none() {
        app.pump(kit, POLL)?;
    }
    match app.returned() {
        Some(HONEST) => Ok(app),
        other => Err(Trouble::failed(format!("before any attack it returns {other:?}"))),
    }
}

/// Writes into the memory of the app and reads it back.
fn write(kit: &Kit, app: App, at: u64) -> Result<Strike, Trouble> {
    let began = kit.monotonic();
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", app.pid()))?;
    memory.write_all_at(RETURN_ONE, at)?;
    let mut after = [0; RETURN_ONE.len()];
    memory.read_exact_at(&mut after, at)?;
    if after != RETURN_ONE {
        return Err(Trouble::failed("the write changed nothing"));
    }
    Ok(Strike { began, ..Strike::under(app, String::from("-")) })
}

fn uprobe(kit: &Kit) -> Result<Strike, Trouble> {
    let version = version("bpftrace", &["--version"])?;
    let app = App::start(kit, kit.app_under(&[]))?;
    let program =
        format!("uprobe:{}:glacis_corpus_may_transfer {{ @calls = count(); }}", kit.app().display());
    let began = kit.monotonic();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", MOUNT_AND_TRACE, "sh"]).args([&app.pid().to_string(), &program]);
    let mut tool = Running::start(command)?;
    match tool.wait_for("Attaching", ATTACH_MAX) {
        Ok(()) => Ok(Strike::against(app, tool, began, version)),
        Err(why) if tool.has_ended() => Err(Trouble::lacking("uprobe", why)),
        Err(why) => Err(why),
    }
}

/// As long as what it replaces.
const RAISED: &[u8] = b"no transfer above 999";
const _: () = assert!(RAISED.len() == LIMIT.len());
/// `return 1` in machine code.
#[cfg(target_arch = "x86_64")]
const RETURN_ONE: &[u8] = &[0xb8, 0x01, 0x00, 0x00, 0x00, 0xc3];
/// `return 1` in machine code.
#[cfg(target_arch = "aarch64")]
const RETURN_ONE: &[u8] = &[0x20, 0x00, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
/// Where the trace file system is mounted already, mounting it once more in this namespace harms nobody.
const MOUNT_AND_TRACE: &str =
    "mount -t tracefs tracefs /sys/kernel/tracing && exec bpftrace -p \"$1\" -e \"$2\"";
/// Longest start of bpftrace on a busy machine.
const ATTACH_MAX: Duration = Duration::from_secs(30);
