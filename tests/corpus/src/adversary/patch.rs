//! Writers of code that attach to nothing: through `/proc/PID/mem`, and a uprobe set by bpftrace.
//!
//! The writer is this very process, as the parent of the app; an injector without an agent does the same. The uprobe
//! is set by the kernel on behalf of a privileged tool and puts a breakpoint into the function; whether a kernel can
//! do so is found by trying. The trace file system that bpftrace needs is mounted in a mount namespace of its own.

use super::{Attack, Strike};
use crate::app::HONEST;
use crate::kit::{Kit, Trouble, version};
use crate::process::{App, Running};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

pub(super) const MEMORY: Attack = Attack {
    tool: "/proc/PID/mem",
    mode: "code of the guarded function",
    sensors: &["prologue"],
    strike: memory,
};
pub(super) const UPROBE: Attack = Attack {
    tool: "bpftrace",
    mode: "uprobe on the guarded function",
    sensors: &["prologue"],
    strike: uprobe,
};

fn memory(kit: &Kit) -> Result<Strike, Trouble> {
    let mut app = App::start(kit, kit.app_under(&[]))?;
    while app.returned().is_none() {
        app.pump(kit, crate::process::POLL)?;
    }
    if app.returned() != Some(HONEST) {
        return Err(Trouble::failed(format!("before any attack it returns {:?}", app.returned())));
    }
    let began = kit.monotonic();
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", app.pid()))?;
    memory.write_all_at(RETURN_ONE, app.address())?;
    Ok(Strike { returns: Some(1), ..Strike::under(app, String::from("-")).since(began) })
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

impl Strike {
    /// The same, begun at another time than the app.
    fn since(self, began: Duration) -> Self {
        Self { began, ..self }
    }
}

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
