//! The commands of the guides, as they stand there: of protect.md from nothing to one enforced route, of first-policy.md
//! from an empty folder to a policy.
//!
//! Ports are replaced by free ones, so that a guide runs beside anything; nothing else is touched. The shell stops at the
//! first command that fails.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::live::wait_for;
use glacis_host::{Clock as _, SystemHost};
use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The fenced shell commands of a guide, one script.
fn commands(guide: &str) -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in guide.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => {
                let _ = writeln!(script, "{line}");
            }
            _ => {}
        }
    }
    script
}

/// Three ports that nobody listens on, below those that the system gives to tests beside this one.
fn free_ports() -> impl Iterator<Item = u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    (first..32_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(3)
}

/// The shell and everything that it started; ended when dropped.
struct Group(Child);

impl Group {
    /// Whether there was anything to end.
    fn end(&self) -> bool {
        let group = format!("-{}", self.0.id());
        Command::new("kill").args(["-TERM", "--", &group]).output().is_ok_and(|done| done.status.success())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // After an orderly end nothing is left.
        self.end();
    }
}

#[test]
fn the_guide_leads_a_stranger_from_nothing_to_one_enforced_route() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/protect.md");
    let mut script = commands(&std::fs::read_to_string(guide).unwrap());
    assert!(script.contains("glacis enforce 'GET /login'"), "{script}");
    for port in ["3000", "8080", "8081"].into_iter().zip(free_ports()) {
        script = script.replace(port.0, &port.1.to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_glacis")).parent().unwrap();
    let prologue = format!("set -eux\nPATH=\"{}:$PATH\"\n", bin.display());
    let log = folder.path().join("guide.log");
    let output = File::create(&log).unwrap();
    let host = SystemHost::new();
    let began = host.monotonic();
    let shell = Command::new("sh")
        .args(["-c", &format!("{prologue}{script}")])
        .current_dir(folder.path())
        .env_remove("GLACIS_DATA_DIR")
        .env_remove("GLACIS_URL")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .process_group(0)
        .spawn()
        .unwrap();
    let mut group = Group(shell);
    let status = wait_for("the end of the guide", || group.0.try_wait().unwrap());
    let took = host.monotonic().saturating_sub(began);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{text}");
    assert!(group.end(), "the service and the gateway were still there:\n{text}");
    println!("guide: nothing to enforced route in {:.1} s", took.as_secs_f64());
}

/// Lines of the fenced blocks that show what comes out.
fn shown(guide: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        match line {
            "```text" => inside = true,
            "```" => inside = false,
            _ if inside => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines
}

#[test]
fn the_guide_leads_an_analyst_to_a_first_policy_and_shows_what_comes_out() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/first-policy.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_glacis")).parent().unwrap();
    let script = format!("set -eu\nPATH=\"{}:$PATH\"\nexec 2>&1\n{}", bin.display(), commands(&guide));
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let mut rest = &*text;
    for line in shown(&guide) {
        // In the order of the guide, each behind the one before.
        let at = rest.find(&line).unwrap_or_else(|| panic!("`{line}` does not come out:\n{rest}"));
        rest = rest.get(at + line.len()..).unwrap();
    }
    assert!(!text.contains("FAIL"), "{text}");
}
