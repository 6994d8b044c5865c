//! `glacis routes|enforce|observe|bypass|backup|restore` against a running gateway, and against nothing.

use crate::live::{Service, ask, control, protect, wait_for};
use crate::{code, glacis, stderr, stdout};
use std::process::Command;

#[test]
fn routes_modes_and_bypass_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let (_process, at) = protect(folder.path(), &service, &data);
    let dir = data.to_string_lossy().into_owned();
    let run = |args: &[&str]| glacis(&[args, &["--data-dir", &dir]].concat());
    assert_eq!(ask(at, "GET", "/a", "").unwrap().status, 200);
    let listed = stdout(&run(&["routes"]));
    assert!(
        listed.starts_with("MODE") && listed.contains("observe") && listed.contains("GET /a"),
        "{listed}"
    );

    let dry = run(&["enforce", "GET /a", "--dry-run", "--json"]);
    assert_eq!(code(&dry), 0, "{}", stderr(&dry));
    let json: serde_json::Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!((json["mode"].as_str(), json["dry_run"].as_bool()), (Some("enforce"), Some(true)));
    assert_eq!(ask(at, "GET", "/a", "").unwrap().status, 200, "a dry run changes nothing");
    assert_eq!(code(&run(&["enforce", "GET /a"])), 0);
    wait_for("the enforced route", || (ask(at, "GET", "/a", "")?.status == 403).then_some(()));
    assert_eq!(code(&run(&["bypass", "--for", "10m", "--reason", "drill", "--dry-run"])), 0);
    assert_eq!(ask(at, "GET", "/a", "").unwrap().status, 403);
    assert_eq!(code(&run(&["bypass", "--for", "10m", "--reason", "drill"])), 0);
    assert_eq!(ask(at, "GET", "/a", "").unwrap().status, 200);
    assert!(stdout(&run(&["routes"])).contains("bypass in force until 20"));
    assert_eq!(code(&run(&["bypass", "--end"])), 0);
    assert_eq!(code(&run(&["bypass", "--end"])), 4, "there is none any more");
    assert_eq!(code(&run(&["observe", "GET /a"])), 0);
    assert_eq!(ask(at, "GET", "/a", "").unwrap().status, 200);
    for (args, want) in [
        (&["enforce", "GET /never"][..], 4),
        (&["enforce", "GET /never", "--dry-run"], 4),
        (&["enforce", "nonsense"], 2),
        (&["enforce"], 2),
        (&["bypass"], 2),
        (&["bypass", "--for", "10"], 2),
        (&["bypass", "--for", "48h"], 2),
        (&["bypass", "--for", "1m", "--end"], 2),
    ] {
        let output = run(args);
        assert_eq!(code(&output), want, "{args:?}: {}", stderr(&output));
    }
    let nobody = glacis(&["routes", "--data-dir", "/nowhere"]);
    assert_eq!(code(&nobody), 5, "{}", stderr(&nobody));
}

#[test]
fn a_backup_of_a_running_store_becomes_a_new_installation_with_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let (process, at) = protect(folder.path(), &service, &data);
    let dir = data.to_string_lossy().into_owned();
    let reference = ask(at, "GET", "/a", "").unwrap().header("glacis-reference").unwrap().to_owned();
    let record = format!("/admin/v1/records/{reference}");
    wait_for("the record", || (control(&data, "GET", &record, "")?.status == 200).then_some(()));
    let file = folder.path().join("backup.db").to_string_lossy().into_owned();
    let backup = || glacis(&["backup", &file, "--data-dir", &dir]);
    let made = backup();
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let again = backup();
    assert_ne!(code(&again), 0, "a backup overwrites nothing");

    let new = folder.path().join("new");
    let target = new.to_string_lossy().into_owned();
    let restore = |rest: &[&str]| glacis(&[&["restore", &file, "--data-dir", &target], rest].concat());
    assert_eq!(code(&restore(&[])), 4, "no folder");
    let mut copy = Command::new("cp");
    copy.args(["-a"]).arg(&data).arg(&new);
    assert!(copy.status().unwrap().success());
    assert_eq!(code(&restore(&[])), 4, "there is a store already");
    for name in ["cloud.db", "cloud.db-wal", "cloud.db-shm", "control.sock"] {
        // Not every one was there.
        let _gone = std::fs::remove_file(new.join(name));
    }
    std::fs::remove_dir_all(new.join("edge")).unwrap();
    assert_eq!(code(&restore(&["--dry-run"])), 0);
    assert!(!new.join("cloud.db").exists());
    let garbage = folder.path().join("garbage").to_string_lossy().into_owned();
    std::fs::write(&garbage, "no store").unwrap();
    assert_ne!(code(&glacis(&["restore", &garbage, "--data-dir", &target])), 0);
    let restored = restore(&["--json"]);
    assert_eq!(code(&restored), 0, "{}", stderr(&restored));
    process.kill();
    let (_process, _at) = protect(folder.path(), &service, &new);
    assert_eq!(control(&new, "GET", &record, "").unwrap().status, 200);
}
