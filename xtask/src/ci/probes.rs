//! Questions to the kernel: whether an ability that a test needs is there, asked at this moment.
//!
//! Each tries the thing itself and leaves nothing behind; a version or a build option of the kernel would not tell
//! what a container is permitted to do.

use crate::process::Job;
use std::path::{Path, PathBuf};

/// A question to the kernel.
#[derive(Debug)]
pub(super) struct Probe {
    /// As the list of skips names it.
    pub(super) name: &'static str,
    /// Asks.
    pub(super) ask: fn() -> bool,
}

/// Every question that xtask/skips.toml may name.
pub(super) const PROBES: &[Probe] = &[
    Probe { name: "ptrace", ask: ptrace },
    Probe { name: "ipv6", ask: ipv6 },
    Probe { name: "tmpfs", ask: tmpfs },
    Probe { name: "netns", ask: netns },
    Probe { name: "uprobe", ask: uprobe },
    Probe { name: "timens", ask: timens },
    Probe { name: "namespaces", ask: namespaces },
    Probe { name: "cgroup", ask: cgroup },
    Probe { name: "memcg", ask: memcg },
    Probe { name: "perf", ask: perf },
];

/// Whether one process may trace another.
fn ptrace() -> bool {
    let traced = Job::new("strace").args(["-o", "/dev/null", "cat", "/dev/null"]).run();
    traced.is_ok_and(|done| done.success)
}

/// Whether the loopback has IPv6.
fn ipv6() -> bool {
    std::net::TcpListener::bind(("::1", 0)).is_ok()
}

/// Whether a file system of bounded size can be mounted.
fn tmpfs() -> bool {
    let folder = std::env::temp_dir().join(format!("glacis-probe-{}", std::process::id()));
    if std::fs::create_dir(&folder).is_err() {
        return false;
    }
    let args = ["-t", "tmpfs", "-o", "size=1m", "glacis-probe"];
    let mounted = Job::new("mount").args(args).args([&folder]).run().is_ok_and(|done| done.success);
    if mounted {
        drop(Job::new("umount").args([&folder]).run());
    }
    drop(std::fs::remove_dir(&folder));
    mounted
}

/// Whether a network namespace can be made, entered, and its packets filtered.
fn netns() -> bool {
    let name = format!("glprobe{}", std::process::id());
    let ip = |args: &[&str]| Job::new("ip").args(args).run().is_ok_and(|done| done.success);
    let made = ip(&["netns", "add", &name]);
    let works = made && ip(&["netns", "exec", &name, "iptables", "-L", "-n"]);
    if made {
        ip(&["netns", "del", &name]);
    }
    works
}

/// Whether a breakpoint can be set by the kernel: bpftrace begins each program with one in itself.
fn uprobe() -> bool {
    const TRACE: &str =
        "mount -t tracefs tracefs /sys/kernel/tracing && exec bpftrace -e 'BEGIN { exit(); }'";
    succeeds("unshare", &["--mount", "sh", "-c", TRACE])
}

/// Whether a process can be given another uptime.
fn timens() -> bool {
    succeeds("unshare", &["--time", "--boottime", "86400", "--fork", "cat", "/dev/null"])
}

/// Whether a process can be put behind walls as a container puts it.
fn namespaces() -> bool {
    let walls = ["--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc", "--net", "--cgroup"];
    succeeds("unshare", &[&walls[..], &["cat", "/dev/null"]].concat())
}

/// Whether a control group can be made in the unified hierarchy.
fn cgroup() -> bool {
    mounted("cgroup2", "").is_some_and(|parent| group_with(&parent, None))
}

/// Whether a control group can be made that has little memory.
fn memcg() -> bool {
    let unified = mounted("cgroup2", "").is_some_and(|parent| group_with(&parent, Some("memory.max")));
    unified
        || mounted("cgroup", "memory")
            .is_some_and(|parent| group_with(&parent, Some("memory.limit_in_bytes")))
}

/// Whether a profiler may count for another process.
fn perf() -> bool {
    succeeds("perf", &["stat", "-e", "cpu-clock", "-p", &std::process::id().to_string(), "cat", "/dev/null"])
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    Job::new(program).args(args).run().is_ok_and(|done| done.success)
}

/// The first mount of a type whose options have a word.
fn mounted(kind: &str, option: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, path, found, options, ..] = fields.as_slice() else { return None };
        let has = option.is_empty() || options.split(',').any(|one| one == option);
        (*found == kind && has).then(|| PathBuf::from(path))
    })
}

/// Whether a group can be made below `parent`, and a limit of 64 MiB written into its file.
fn group_with(parent: &Path, limit: Option<&str>) -> bool {
    let folder = parent.join(format!("glacis-probe-{}", std::process::id()));
    if std::fs::create_dir(&folder).is_err() {
        return false;
    }
    let works = limit.is_none_or(|file| std::fs::write(folder.join(file), "67108864").is_ok());
    drop(std::fs::remove_dir(&folder));
    works
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_answers_and_leaves_nothing_behind() {
        for Probe { name, ask } in PROBES {
            println!("{name}: {}", ask());
        }
        let left = format!("glacis-probe-{}", std::process::id());
        let parents = [Some(std::env::temp_dir()), mounted("cgroup2", ""), mounted("cgroup", "memory")];
        for parent in parents.into_iter().flatten() {
            assert!(!parent.join(&left).exists(), "{}", parent.display());
        }
    }
}
