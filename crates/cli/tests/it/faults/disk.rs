//! A disk that fills up under a serving process: told clearly, survived, nothing acknowledged is lost.

use super::tmpfs::Tmpfs;
use super::{Ledger, Load, all_on_record, ready};
use crate::live::{Process, Service, ask, control, wait_for};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Takes all the room that is left.
fn fill(file: &Path) {
    let mut ballast = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    for size in [65_536, 4_096, 1] {
        while ballast.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn invariant_10_a_full_disk_is_told_and_observing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&folder.path().join("disk"), "size=6m,mode=700") else {
        println!("skipped: tmpfs: this machine does not let us mount one");
        return;
    };
    let (service, data) = (Service::start(), disk.at.join("data"));
    let (mut process, at) = ready(folder.path(), &service, &data);
    let ledger = Ledger::default();
    let forwards: fn(u16) = |status| assert_eq!(status, 200, "observing refuses nothing, disk or no disk");
    let load = Load::start(at, "/things", &ledger, forwards);
    wait_for("acknowledged decisions", || (ledger.lock().unwrap().len() > 50).then_some(()));
    let ballast = disk.at.join("ballast");
    let token = r#"{"name":"full","scopes":["read"],"life_s":60}"#;
    let told = wait_for("a write that is refused for want of room", || {
        fill(&ballast);
        let answer = control(&data, "POST", "/admin/v1/tokens", token)?;
        (answer.status != 201).then_some(answer)
    });
    assert_eq!((told.status, told.json()["code"].as_str()), (507, Some("storage-full")), "{told:?}");
    for _ in 0..50 {
        forwards(ask(at, "GET", "/things/during", "").unwrap().status);
    }
    std::fs::remove_file(&ballast).unwrap();
    wait_for("writes after room was made", || {
        (control(&data, "POST", "/admin/v1/tokens", token)?.status == 201).then_some(())
    });
    let before = ledger.lock().unwrap().len();
    wait_for("decisions after room was made", || (ledger.lock().unwrap().len() > before + 50).then_some(()));
    let answers = load.stop();
    let kept = all_on_record(&data, &ledger);
    println!("{answers} answers, {kept} acknowledged, all on record");
    process.signal("-TERM");
    assert_eq!(process.wait().code(), Some(0), "{}", process.printed());
}

#[test]
fn invariant_10_a_failed_fsync_of_the_store_ends_the_process_and_loses_nothing() {
    let probe = Command::new("strace").args(["-o", "/dev/null", "cat", "/dev/null"]).output();
    if !probe.is_ok_and(|done| done.status.success()) {
        println!("skipped: ptrace: this machine does not let one process trace another");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    // The store is made on a sound disk, and then met with one that refuses a sync under load.
    let (process, _at) = ready(folder.path(), &service, &data);
    process.kill();
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:error=EIO:when=30+",
    ]);
    command.arg("-P").arg(data.join("cloud.db-wal")).arg("-o").arg(folder.path().join("syncs"));
    command.arg(env!("CARGO_BIN_EXE_glacis")).args(["protect", &service.url(), "--listen", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(&data);
    let mut process = Process::spawn(folder.path(), "eio", command);
    let at = process.address("glacis: http://");
    let ledger = Ledger::default();
    let load =
        Load::start(at, "/things", &ledger, |status| assert_eq!(status, 200, "observing refuses nothing"));
    let ended = process.wait();
    load.stop();
    assert_eq!(ended.code(), Some(1), "{}", process.printed());
    assert!(process.printed().contains("G9032"), "{}", process.printed());
    let syncs = std::fs::read_to_string(folder.path().join("syncs")).unwrap();
    let refused = syncs.lines().filter(|line| line.contains("(INJECTED)")).count();
    assert_eq!(refused, 1, "tried again after the fault:\n{syncs}");
    let (_process, _at) = ready(folder.path(), &service, &data);
    let kept = all_on_record(&data, &ledger);
    println!("{kept} acknowledged before and after a failed fsync, all on record");
}
