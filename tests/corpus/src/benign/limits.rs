//! Hosts behind walls: namespaces and a control group of their own, and so little memory that code is read again.
//!
//! A container is normal. The memory host runs from a copy of the program that is read inside its group, so that
//! pages of its code are the group's and go when memory is short; the kernel must say that it was.

use super::{Guest, Host};
use crate::kit::{Kit, Trouble};
use crate::process::App;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const NAMESPACES: Host =
    Host { name: "control group and namespaces", soak_only: false, start: namespaces };
pub(super) const LITTLE_MEMORY: Host =
    Host { name: "little memory by a control group", soak_only: false, start: little_memory };

/// A control group of our own; removed when dropped, after what runs in it has ended.
#[derive(Debug)]
pub(super) struct ControlGroup {
    folder: PathBuf,
    pressure: Option<Pressure>,
}

impl ControlGroup {
    fn make(parent: &Path, seed: u64) -> Result<Self, Trouble> {
        let folder = parent.join(format!("glacis-{}-{seed}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| Trouble::lacking("cgroup", error))?;
        Ok(Self { folder, pressure: None })
    }

    /// Fails where the limit was never reached: then nothing was tested.
    pub(super) fn was_under_pressure(&self) -> Result<(), Trouble> {
        let Some((file, word)) = self.pressure else { return Ok(()) };
        let text = fs::read_to_string(self.folder.join(file))?;
        let count = text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok());
        match count {
            Some(count) if count > 0 => Ok(()),
            _ => Err(Trouble::failed(format!("memory was never short: {file} says {text}"))),
        }
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // The kernel takes the dead out of the group some moments after they were reaped.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(crate::process::POLL);
        }
    }
}

fn namespaces(kit: &Kit, seed: u64) -> Result<Guest, Trouble> {
    let parent = mounted("cgroup2", "").ok_or_else(|| Trouble::lacking("cgroup", "no cgroup2 is mounted"))?;
    let group = ControlGroup::make(&parent, seed)?;
    let mut command = inside(&group, &[ENTER, "&& exec \"$@\""].join(" "));
    command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["--uts", "--ipc", "--net", "--cgroup"]).arg(kit.app()).arg("watched");
    match App::start(kit, command) {
        Ok(app) => Ok(Guest { group: Some(group), ..Guest::of(app) }),
        Err(Trouble::Failed(why)) if why.contains("unshare: ") => Err(Trouble::lacking("namespaces", why)),
        Err(why) => Err(why),
    }
}

fn little_memory(kit: &Kit, seed: u64) -> Result<Guest, Trouble> {
    let (parent, limit, pressure) = memory_controller()?;
    let mut group = ControlGroup::make(&parent, seed)?;
    group.pressure = Some(pressure);
    fs::write(group.folder.join(limit), (LIMIT_MIB << 20).to_string())
        .map_err(|error| Trouble::lacking("memcg", error))?;
    let copy = kit.folder().join(format!("little-memory-{seed}"));
    let mut command = inside(&group, &[ENTER, "&& cp \"$1\" \"$2\" && shift && exec \"$@\""].join(" "));
    command.arg(kit.app()).arg(copy).args(["watched", "--churn", &CHURN_MIB.to_string()]);
    Ok(Guest { group: Some(group), ..Guest::of(App::start(kit, command)?) })
}

/// A shell that enters the group and then does `script` with the arguments that follow.
fn inside(group: &ControlGroup, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(group.folder.join("cgroup.procs"));
    command
}

/// The file that counts how often a limit was reached, and the word before the number.
type Pressure = (&'static str, &'static str);

/// Where groups with a limit of memory are made, the file of the limit, and how it tells that it was reached.
fn memory_controller() -> Result<(PathBuf, &'static str, Pressure), Trouble> {
    if let Some(parent) = mounted("cgroup2", "") {
        let controllers = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
        if controllers.split_whitespace().any(|name| name == "memory") {
            return Ok((parent, "memory.max", ("memory.events", "max ")));
        }
    }
    let parent = mounted("cgroup", "memory");
    let parent = parent.ok_or_else(|| Trouble::lacking("memcg", "no memory controller is mounted"))?;
    Ok((parent, "memory.limit_in_bytes", ("memory.failcnt", "")))
}

/// The first mount of a type whose options have a word.
fn mounted(kind: &str, option: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, found, options) = (fields.next()?, fields.next()?, fields.next()?);
        let has = option.is_empty() || options.split(',').any(|one| one == option);
        (found == kind && has).then(|| PathBuf::from(path))
    })
}

const ENTER: &str = "echo $$ > \"$1\" && shift";
/// Less than the program, its libraries and its memory together.
const LIMIT_MIB: u64 = 24;
const CHURN_MIB: u64 = 12;
