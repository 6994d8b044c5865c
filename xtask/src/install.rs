//! The one list of programs that builds, tests and benches start, and the packages that bring them.
//!
//! `tidy` refuses source that starts a program which is not in this list. As root, missing programs are
//! installed with apt-get; otherwise the command is printed and the suites that need them are skipped.

use crate::error::Failure;
use crate::options::Options;
use crate::process::{Job, Show, variable};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "install the programs that tests and benches start (apt-get, as root)\n\
    With --check, or without root, prints what is missing and the command that installs it.";

/// Prints the list and installs what is missing.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let check_only = options.flag("--check");
    options.finish()?;
    for program in PROGRAMS {
        let state = if find(program.name).is_some() { "present" } else { "missing" };
        println!("{:<10} {:<10} {:<8} {}", program.name, program.package, state, program.used_by);
    }
    let all: Vec<&Program> = PROGRAMS.iter().collect();
    Ok(if check_only { missing(&all).is_empty() } else { ensure(&all)?.is_empty() })
}

/// A program that something of ours starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// As it is started.
    pub(crate) name: &'static str,
    /// The Debian package.
    package: &'static str,
    /// Who starts it.
    used_by: &'static str,
    /// Whether `cargo xtask ci` needs it; the others belong to benches.
    pub(crate) in_ci: bool,
}

const fn ci(name: &'static str, package: &'static str, used_by: &'static str) -> Program {
    Program { name, package, used_by, in_ci: true }
}

const fn bench(name: &'static str, package: &'static str, used_by: &'static str) -> Program {
    Program { name, package, used_by, in_ci: false }
}

/// The list.
pub(crate) const PROGRAMS: &[Program] = &[
    ci("cc", "gcc", "the build: aws-lc-sys and SQLite are C; dtx tests: a PKCS#11 module with faults"),
    ci("c++", "g++", "fuzz: libFuzzer's runtime is C++"),
    ci("git", "git", "xtask: the files that tidy reads"),
    ci("cat", "coreutils", "xtask's own tests; what the ptrace probe traces"),
    ci("uname", "coreutils", "xtask's own tests"),
    ci("sleep", "coreutils", "xtask's own tests"),
    ci("kill", "procps", "xtask: ends a program that outstays its time"),
    ci("apt-get", "apt", "xtask: installs the others"),
    ci("id", "coreutils", "xtask: installs only as root"),
    ci("curl", "curl", "cli tests: sends what `glacis device sign` printed; runs the guide"),
    ci("strace", "strace", "sdk tests: a real tracer; cloud tests: a failing fsync; xtask: the ptrace probe"),
    ci("gdb", "gdb", "sdk tests: a real debugger and its breakpoint"),
    ci("ltrace", "ltrace", "corpus: a tracer of library calls"),
    ci("bpftrace", "bpftrace", "corpus: a breakpoint set by the kernel (uprobe)"),
    ci(
        "unshare",
        "util-linux",
        "corpus: a time namespace, and a host in namespaces; mounts that nobody else sees",
    ),
    ci("proxychains4", "proxychains4", "corpus: connections led through a proxy"),
    ci("qemu-x86_64", "qemu-user", "corpus: an emulated processor"),
    ci("valgrind", "valgrind", "corpus: an instrumented processor"),
    ci("perf", "linux-perf", "corpus: a profiler, which is harmless"),
    ci("java", "default-jdk-headless", "corpus: a virtual machine that hosts the sensors"),
    ci("mount", "mount", "full-disk tests: a file system of bounded size; corpus: the trace file system"),
    ci("umount", "mount", "full-disk tests"),
    ci("softhsm2-util", "softhsm2", "dtx tests: tokens with keys in them"),
    ci("ip", "iproute2", "cli tests: gateway and control plane in two network namespaces"),
    ci("iptables", "iptables", "cli tests: packets that are lost between them"),
    ci("cp", "coreutils", "cli tests: copies a data folder"),
    ci("sh", "dash", "cli tests: runs the guide"),
    ci("faketime", "faketime", "cli tests: a clock that jumps; corpus: an app that is told another time"),
    ci(
        "python3",
        "python3-venv",
        "tests: services that we did not make, Schemathesis, Frida; hosts the sensors",
    ),
    ci(
        "nginx",
        "nginx-light",
        "edge tests: a service that we did not make; hosts tests: asks us; benches edge, edge-smoke: the peer",
    ),
    ci(
        "node",
        "nodejs",
        "console: builds the pages and runs their tests; corpus: a host of the sensors; never the build of a crate",
    ),
    ci("swtpm", "swtpm", "dtx, attest and sim tests: a TPM"),
    ci("swtpm_setup", "swtpm-tools", "dtx, attest and sim tests: a TPM with certificates of its maker"),
    ci("tpm2", "tpm2-tools", "dtx and attest tests: judges what we and the TPM say; bench device: the peer"),
    ci("npm", "npm", "console: installs what its lock file names"),
    ci("chromium", "chromium", "console: the browser of its tests"),
    ci("wrk", "wrk", "edge tests: a client that was written by others; benches edge, edge-smoke: the load"),
    ci("h2load", "nghttp2-client", "edge tests: a client of HTTP/2 that was written by others"),
    bench("taskset", "util-linux", "benches edge, edge-smoke: one core for the proxy, one for the load"),
    bench("haproxy", "haproxy", "bench edge: a peer"),
    bench("env", "coreutils", "bench edge: starts the interpreter that brings Envoy"),
];

/// Programs in PATH are missing from this list.
pub(crate) fn missing(programs: &[&Program]) -> Vec<&'static str> {
    programs.iter().filter(|program| find(program.name).is_none()).map(|program| program.name).collect()
}

/// Installs what is missing if that is possible; returns what is still missing.
pub(crate) fn ensure(programs: &[&Program]) -> Result<Vec<&'static str>, Failure> {
    let absent: BTreeSet<&str> = missing(programs).into_iter().collect();
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = programs.iter().filter(|program| absent.contains(program.name));
    let wanted: BTreeSet<&str> = wanted.map(|program| program.package).collect();
    println!("install: missing {absent:?}");
    packages(&wanted.into_iter().collect::<Vec<_>>())?;
    Ok(missing(programs))
}

/// Installs Debian packages as root; otherwise prints the command that does.
pub(crate) fn packages(names: &[&str]) -> Result<(), Failure> {
    let mut command = vec!["install", "-y", "--no-install-recommends"];
    command.extend(names);
    if !is_root() || find("apt-get").is_none() {
        println!("install: as root: apt-get {}", command.join(" "));
        return Ok(());
    }
    for args in [vec!["update"], command] {
        let job = Job::new("apt-get").args(&args).env("DEBIAN_FRONTEND", "noninteractive");
        let done = job.limit(Duration::from_secs(600)).show(Show::All).run()?;
        if !done.success {
            println!("install: apt-get {}: {}", args.join(" "), done.how);
        }
    }
    Ok(())
}

/// Full path of a program.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

/// Whether a file can be started.
pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn is_root() -> bool {
    Job::new("id").args(["-u"]).run().is_ok_and(|done| done.stdout.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_each_program_once() {
        let names: BTreeSet<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }

    #[test]
    fn a_program_is_found_only_if_it_can_be_started() {
        assert!(find("cat").is_some());
        assert!(find("no-such-program-anywhere").is_none());
        assert!(!is_executable(Path::new("/etc/passwd")));
    }
}
