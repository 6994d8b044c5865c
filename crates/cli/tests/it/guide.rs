//! The commands of docs/guide/protect.md, as they stand there, from nothing to one enforced route.
//!
//! The guide's ports are replaced by free ones, so that it runs beside anything; nothing else is touched. The shell
//! stops at the first command that fails.

use glacis_host::{Clock as _, SystemHost};
use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

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

#[test]
fn the_guide_leads_a_stranger_from_nothing_to_one_enforced_route() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/protect.md");
    let mut script = commands(&std::fs::read_to_string(guide).unwrap());
    assert!(script.contains("glacis enforce 'GET /login'"), "{script}");
    let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    for (port, listener) in ["3000", "8080", "8081"].into_iter().zip(&free) {
        script = script.replace(port, &listener.local_addr().unwrap().port().to_string());
    }
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_glacis")).parent().unwrap();
    let prologue = format!("set -eux\nPATH=\"{}:$PATH\"\n", bin.display());
    let log = folder.path().join("guide.log");
    let output = File::create(&log).unwrap();
    let host = SystemHost::new();
    let began = host.monotonic();
    let mut shell = Command::new("sh")
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
    let status = shell.wait().unwrap();
    let took = host.monotonic().saturating_sub(began);
    // What the guide leaves running.
    let group = format!("-{}", shell.id());
    let ended = Command::new("kill").args(["-TERM", "--", &group]).status();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{text}");
    assert!(ended.is_ok_and(|ended| ended.success()), "the service and the gateway were still there:\n{text}");
    assert!(text.contains("enforce"), "{text}");
    println!("guide: nothing to enforced route in {:.1} s", took.as_secs_f64());
}
