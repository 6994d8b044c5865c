//! Virtual machines, interpreters, sanitizers, profilers, clocks that move.
//!
//! Each of them works while it is watched: a just-in-time compiler that compiles nothing, or a `ctypes` without
//! callbacks, would look like any other process. What each does is in `hosts/`.

use super::{Guest, Host};
use crate::kit::{Kit, Trouble};
use crate::process::{App, Running};
use std::process::Command;
use std::time::Duration;

pub(super) const PLAIN: Host = Host {
    name: "nothing odd",
    soak_only: false,
    start: |kit, _| Ok(Guest::of(App::start(kit, kit.app_under(&[]))?)),
};
pub(super) const PERF: Host = Host { name: "perf record on the process", soak_only: false, start: perf };
pub(super) const SANITIZER: Host =
    Host { name: "AddressSanitizer build", soak_only: false, start: |kit, _| Ok(Guest::of(sanitizer(kit)?)) };
pub(super) const JAVA: Host =
    Host { name: "Java virtual machine", soak_only: false, start: |kit, _| Ok(Guest::of(java(kit)?)) };
pub(super) const NODE: Host =
    Host { name: "Node", soak_only: false, start: |kit, _| Ok(Guest::of(node(kit)?)) };
pub(super) const PYTHON: Host =
    Host { name: "CPython with ctypes", soak_only: false, start: |kit, _| Ok(Guest::of(python(kit)?)) };
pub(super) const STEPPED_CLOCK: Host =
    Host { name: "clock stepped by up to a day", soak_only: false, start: stepped_clock };
pub(super) const ALLOWED_LIBRARY: Host =
    Host { name: "preloaded library that the app allows", soak_only: false, start: allowed_library };
pub(super) const SLEWED_CLOCK: Host =
    Host { name: "clock of the machine slewed", soak_only: true, start: slewed_clock };

fn perf(kit: &Kit, seed: u64) -> Result<Guest, Trouble> {
    let app = App::start(kit, kit.app_under(&[]))?;
    let mut command = Command::new("perf");
    command.args(["record", "-q", "-e", "cpu-clock", "-F", "99", "-g", "-o"]);
    command.arg(kit.folder().join(format!("perf-{seed}.data"))).args(["-p", &app.pid().to_string()]);
    let mut beside = Running::start(command)?;
    std::thread::sleep(REFUSED_WITHIN);
    if beside.has_ended() {
        return Err(Trouble::lacking("perf", beside.said()));
    }
    Ok(Guest { beside: Some(beside), ..Guest::of(app) })
}

fn sanitizer(kit: &Kit) -> Result<App, Trouble> {
    let program = kit.compile("sanitized.c", &["-fsanitize=address", "-pthread", "-ldl"])?;
    host(kit, Command::new(program))
}

/// A Java virtual machine with the sensors in it, at work.
pub(crate) fn java(kit: &Kit) -> Result<App, Trouble> {
    let mut command = Command::new("java");
    command.args(["-Xmx128m", "-XX:+UseG1GC"]).arg(Kit::source("tests/corpus/hosts/GlacisHost.java"));
    host(kit, command)
}

/// Node with the sensors in it, at work.
pub(crate) fn node(kit: &Kit) -> Result<App, Trouble> {
    let mut command = Command::new(Kit::node());
    command.arg(Kit::source("tests/corpus/hosts/host.js"));
    host(kit, command)
}

/// CPython with the sensors in it, at work.
pub(crate) fn python(kit: &Kit) -> Result<App, Trouble> {
    let mut command = Command::new("python3");
    command.arg(Kit::source("tests/corpus/hosts/host.py"));
    host(kit, command)
}

/// A process that is not ours, told where the library is.
fn host(kit: &Kit, mut command: Command) -> Result<App, Trouble> {
    command.arg(kit.library());
    App::start(kit, command)
}

fn stepped_clock(kit: &Kit, seed: u64) -> Result<Guest, Trouble> {
    let mut command = kit.app_under(&[]);
    command.args(["--step-clock", &seed.to_string()]);
    Ok(Guest::of(App::start(kit, command)?))
}

/// The very library of the attack, but the app knows it: an allocator or a profiler of its own would look the same.
fn allowed_library(kit: &Kit, _: u64) -> Result<Guest, Trouble> {
    let library = kit.compile("shim.c", &["-shared", "-fPIC"])?;
    let name = library.file_name().unwrap_or_default();
    let mut command = kit.app_under(&[]);
    command.arg("--allow").arg(name).env("LD_PRELOAD", &library);
    Ok(Guest::of(App::start(kit, command)?))
}

/// The kernel runs its clock at another speed, as a time service makes it do; half of the time faster, then slower.
fn slewed_clock(kit: &Kit, _: u64) -> Result<Guest, Trouble> {
    let app = App::start(kit, kit.app_under(&[]))?;
    let mut command = Command::new("python3");
    command.arg(Kit::source("tests/corpus/hosts/slew.py"));
    let mut beside = Running::start(command)?;
    match beside.wait_for("slewing", crate::process::ANSWER_MAX) {
        Ok(()) => Ok(Guest { beside: Some(beside), ..Guest::of(app) }),
        Err(why) => Err(Trouble::lacking("adjtime", why)),
    }
}

/// A profiler that may not profile says so at once.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
