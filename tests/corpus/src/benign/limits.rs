//! Hosts behind walls: namespaces and a control group of their own, and so little memory that code is read again.
//!
//! A container is normal. The memory host runs from a copy of the program that is read inside its group, so that
//! pages of its code are the group's and go when memory is short; the kernel must say that it was.

use super::{Guest, Host};
use crate::kit::{Kit, Trouble};
use crate::process::App;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(super) const NAMESPACES: Host =
    Host { name: "control group and namespaces", soak_only: false, start: namespaces };
pub(super) const LITTLE_MEMORY: Host =
    Host { name: "little memory by a control group", soak_only: false, start: little_memory };

/// A control group of our own; removed when dropped, after what runs in it has ended.
#[derive(Debug)]
pub(super) struct ControlGroup {
    folder: PathBuf,
    /// Where memory was made short.
    pressed: Option<Pressed>,
}

/// Memory that was made short.
#[derive(Debug)]
struct Pressed {
    controller: &'static Controller,
    /// How often the limit had been reached when last looked.
    reached: u64,
    /// How often since, without the times of pressing itself.
    times: u64,
}

/// The files of one version of the kernel's memory controller.
#[derive(Debug)]
struct Controller {
    limit: &'static str,
    usage: &'static str,
    /// The file that counts how often the limit was reached, and the word before the number.
    reached: (&'static str, &'static str),
}

const UNIFIED: Controller =
    Controller { limit: "memory.max", usage: "memory.current", reached: ("memory.events", "max ") };
const FIRST: Controller = Controller {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reached: ("memory.failcnt", ""),
};

impl ControlGroup {
    fn make(parent: &Path, seed: u64) -> Result<Self, Trouble> {
        let folder = parent.join(format!("glacis-{}-{seed}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| Trouble::lacking("cgroup", error))?;
        Ok(Self { folder, pressed: None })
    }

    /// Takes room away until what the app reads all the time does not fit: the kernel then drops pages and reads them
    /// again without end. What nobody reads any more goes first, so one step is not enough.
    fn press(&mut self, controller: &'static Controller) -> Result<(), Trouble> {
        let times = self.pressed.as_ref().map_or(0, |pressed| pressed.times);
        let mut refused = None;
        for _ in 0..PRESS_TRIES {
            let limit = self.number(controller.usage, "")?.saturating_sub(STEP_BYTES);
            match fs::write(self.folder.join(controller.limit), limit.to_string()) {
                Ok(()) => {
                    // The first pass pays for the step itself.
                    std::thread::sleep(PASS);
                    let before = self.reached(controller)?;
                    std::thread::sleep(PASS);
                    let reached = self.reached(controller)?;
                    if reached.saturating_sub(before) >= PRESSED_MIN {
                        self.pressed = Some(Pressed { controller, reached, times });
                        return Ok(());
                    }
                }
                // Pages that are not yet written to the disk cannot be dropped.
                Err(busy) if busy.kind() == io::ErrorKind::ResourceBusy => refused = Some(busy),
                Err(error) => return Err(Trouble::lacking("memcg", error)),
            }
            std::thread::sleep(PRESS_WAIT);
        }
        Err(Trouble::failed(format!("memory cannot be made short: {refused:?}")))
    }

    /// Takes more room away where what is read has come to fit: on a slow disk the kernel is still dropping what
    /// nobody reads when the first pressing ends.
    pub(super) fn keep_pressed(&mut self) -> Result<(), Trouble> {
        match self.look()? {
            Some((controller, times)) if times < PRESSED_MIN => self.press(controller),
            _ => Ok(()),
        }
    }

    /// Fails where the limit was hardly ever reached: then nothing was tested.
    pub(super) fn was_under_pressure(&mut self) -> Result<(), Trouble> {
        self.look()?;
        match &self.pressed {
            Some(Pressed { times, .. }) if *times < PRESSED_MIN => {
                Err(Trouble::failed(format!("memory was short only {times} times")))
            }
            _ => Ok(()),
        }
    }

    /// How often the limit was reached since the last look, where there is one.
    fn look(&mut self) -> Result<Option<(&'static Controller, u64)>, Trouble> {
        let Some(controller) = self.pressed.as_ref().map(|pressed| pressed.controller) else {
            return Ok(None);
        };
        let now = self.reached(controller)?;
        let Some(pressed) = &mut self.pressed else { return Ok(None) };
        let times = now.saturating_sub(pressed.reached);
        (pressed.reached, pressed.times) = (now, pressed.times + times);
        Ok(Some((controller, times)))
    }

    fn reached(&self, controller: &Controller) -> Result<u64, Trouble> {
        self.number(controller.reached.0, controller.reached.1)
    }

    /// The number after `word` in one of its files.
    fn number(&self, file: &str, word: &str) -> Result<u64, Trouble> {
        let text = fs::read_to_string(self.folder.join(file))?;
        let number = text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
        number.ok_or_else(|| Trouble::failed(format!("{file} has no `{word}`: {text}")))
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
    let mut command = inside(&group, &[ENTER, "exec \"$@\""].join(" && "));
    command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["--uts", "--ipc", "--net", "--cgroup", "--time"]).arg(kit.app()).arg("watched");
    match App::start(kit, command) {
        Ok(app) => Ok(Guest { group: Some(group), ..Guest::of(app) }),
        Err(Trouble::Failed(why)) if why.contains("unshare: ") => Err(Trouble::lacking("namespaces", why)),
        Err(why) => Err(why),
    }
}

fn little_memory(kit: &Kit, seed: u64) -> Result<Guest, Trouble> {
    let (parent, controller) = memory_controller()?;
    let mut group = ControlGroup::make(&parent, seed)?;
    // Beside the app, which lies on a disk: what lies in a file system of memory cannot be dropped.
    let beside = kit.app().parent().ok_or_else(|| Trouble::failed("the app has no folder"))?;
    let folder = tempfile::tempdir_in(beside)?;
    let (copy, stream) = (folder.path().join("app"), folder.path().join("stream"));
    let mut command = inside(&group, &[ENTER, FILL, "exec \"$2\" watched --stream \"$3\""].join(" && "));
    command.args([kit.app(), &copy, &stream]);
    let app = App::start(kit, command)?;
    group.press(controller)?;
    Ok(Guest { group: Some(group), _folder: Some(folder), ..Guest::of(app) })
}

/// A shell that enters the group and then does `script` with the arguments that follow.
fn inside(group: &ControlGroup, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(group.folder.join("cgroup.procs"));
    command
}

/// Where groups with a limit of memory are made, and by which files.
fn memory_controller() -> Result<(PathBuf, &'static Controller), Trouble> {
    if let Some(parent) = mounted("cgroup2", "") {
        let controllers = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
        if controllers.split_whitespace().any(|name| name == "memory") {
            return Ok((parent, &UNIFIED));
        }
    }
    let parent = mounted("cgroup", "memory");
    let parent = parent.ok_or_else(|| Trouble::lacking("memcg", "no memory controller is mounted"))?;
    Ok((parent, &FIRST))
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
/// Copies the app, and makes a file of 16 MiB: what is read and written here is the group's.
const FILL: &str = "cp \"$1\" \"$2\" && head -c 16777216 /dev/zero > \"$3\"";
/// Room that a step takes.
const STEP_BYTES: u64 = 4 << 20;
/// The app reads the file of 16 MiB once a second.
const PASS: Duration = Duration::from_millis(1_200);
/// Fewest times that memory must be short while somebody looks.
const PRESSED_MIN: u64 = 20;
/// A disk that is busy writes for seconds.
const PRESS_TRIES: u32 = 300;
const PRESS_WAIT: Duration = Duration::from_millis(100);
