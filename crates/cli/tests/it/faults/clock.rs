//! A clock that jumps by an hour under a serving process, both ways, and over a restart.
//!
//! libfaketime answers the process's questions for the time of day from a file that the test rewrites; the monotonic
//! clock stays, as it does when somebody sets the clock of a machine.

use super::{Ledger, Load, all_on_record};
use crate::live::{Process, Service, ask, control, wait_for};
use crate::{code, glacis, stderr};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The time of day of one process.
struct Clock {
    file: PathBuf,
    library: String,
}

impl Clock {
    fn new(folder: &Path) -> Self {
        let told = Command::new("faketime").args(["-m", "-f", "+0s", "env"]).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let library = told.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).unwrap().to_owned();
        let clock = Self { file: folder.join("clock"), library };
        clock.set("+0");
        clock
    }

    fn set(&self, offset: &str) {
        // Whole or not at all: the process reads it at any moment.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{offset}\n")).unwrap();
        std::fs::rename(&next, &self.file).unwrap();
    }

    fn protect(&self, folder: &Path, service: &Service, data: &Path) -> (Process, SocketAddr) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
        command.args(["protect", &service.url(), "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut process = Process::spawn(folder, "clock", command);
        let at = process.address("glacis: http://");
        wait_for("policy and feed", || {
            (control(data, "GET", "/edge/v1/status", "")?.json()["ready"] == true).then_some(())
        });
        (process, at)
    }
}

/// What curl is told for these header lines.
pub(super) fn sent(url: &str, headers: &Path) -> u16 {
    let mut command = Command::new("curl");
    command
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H"])
        .arg(format!("@{}", headers.display()));
    let done = command.arg(url).output().unwrap();
    String::from_utf8(done.stdout).unwrap().parse().unwrap()
}

fn unsigned_gets(at: SocketAddr, status: u16) {
    wait_for(&format!("status {status}"), || (ask(at, "GET", "/vault", "")?.status == status).then_some(()));
}

#[test]
fn a_clock_that_jumps_loses_nothing_and_lets_no_replay_through() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let clock = Clock::new(folder.path());
    let (mut process, at) = clock.protect(folder.path(), &service, &data);
    assert_eq!(ask(at, "GET", "/vault", "").unwrap().status, 200);
    let enforce = r#"{"route":"GET /vault","mode":"enforce"}"#;
    assert_eq!(control(&data, "POST", "/edge/v1/routes/mode", enforce).unwrap().status, 200);
    let (base, url) = (format!("http://{at}"), format!("http://{at}/vault"));
    let device = folder.path().join("device").to_string_lossy().into_owned();
    let keys = data.join("keys/key-set-1.json").to_string_lossy().into_owned();
    let enrolled = glacis(&["device", "enrol", "--url", &base, "--dir", &device, "--key-set", &keys]);
    assert_eq!(code(&enrolled), 0, "{}", stderr(&enrolled));
    let sign = |name: &str| {
        let signed = glacis(&["device", "sign", "GET", &url, "--dir", &device]);
        assert_eq!(code(&signed), 0, "{}", stderr(&signed));
        let file = folder.path().join(name);
        std::fs::write(&file, &signed.stdout).unwrap();
        file
    };
    let ledger = Ledger::default();
    let load =
        Load::start(at, "/open", &ledger, |status| assert_eq!(status, 200, "observing refuses nothing"));
    let (used, kept) = (sign("used"), sign("kept"));
    assert_eq!((sent(&url, &used), sent(&url, &used)), (200, 401), "once, and no more");
    let bypass = control(&data, "POST", "/edge/v1/bypass", r#"{"for_s":600,"reason":"drill"}"#).unwrap();
    assert_eq!(bypass.status, 200, "{bypass:?}");
    unsigned_gets(at, 200);

    for offset in ["+3600", "-3600"] {
        clock.set(offset);
        // The bypass is over, or has not begun; and the policy runs again once the feed is of this hour.
        unsigned_gets(at, 403);
        for file in [&used, &kept] {
            assert_eq!(sent(&url, file), 401, "at {offset}");
        }
        let before = ledger.lock().unwrap().len();
        wait_for("decisions at this hour", || (ledger.lock().unwrap().len() > before + 20).then_some(()));
    }
    assert_eq!(sent(&url, &used), 401, "a number that was used stays used");
    load.stop();
    process.signal("-TERM");
    assert_eq!(process.wait().code(), Some(0), "{}", process.printed());

    let (_process, at) = clock.protect(folder.path(), &service, &data);
    unsigned_gets(at, 403);
    clock.set("+0");
    // Within its ten minutes again.
    wait_for("the bypass to end", || {
        (control(&data, "DELETE", "/edge/v1/bypass", "")?.status == 200).then_some(())
    });
    unsigned_gets(at, 403);
    let moved = format!("http://{at}/vault");
    assert_eq!((sent(&moved, &used), sent(&moved, &kept)), (401, 401), "nor after a restart");
    let kept = all_on_record(&data, &ledger);
    println!("an hour forth, two back, a restart, one forth: {kept} acknowledged, all on record");
}
