//! What is tried against the folder and with the signatures: changed, old and shared files, many at once, killed.

use super::SMALL;
use super::town::{Device, Town, transfer};
use crate::{code, stderr, stdout};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Leg and number of signed header lines.
fn numbered(signed: &str) -> (String, String) {
    let line = signed.lines().find(|line| line.starts_with("signature-input:")).unwrap();
    let parameter = |name: &str| {
        let rest = line.split(&format!(";{name}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    (parameter("keyid"), parameter("nonce"))
}

fn spawn(device: &Device, town: &Town, rest: &[&str]) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
    command.args(["device", "sign"]).args(transfer(&town.transfers(), SMALL));
    command.arg("--dir").arg(&device.dir).args(rest);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_changed_body_path_header_or_user_is_refused_before_the_service() {
    let town = Town::start();
    let device = town.device("phone");
    let sign = || device.sign(&town, SMALL, &["-H", "authorization: Bearer mine"]);
    let (status, answer) = town.post(&sign(), br#"{"amount":99}"#);
    assert!(status == 400 && answer.contains("digest-mismatch"), "{answer}");
    let other_user = sign().replace("Bearer mine", "Bearer yours");
    let (status, answer) = town.post(&other_user, SMALL.as_bytes());
    assert!(status == 401 && answer.contains("signature-wrong"), "{answer}");
    for name in ["glacis-event", "glacis-disclosure", "glacis-ticket", "signature"] {
        let stripped: Vec<String> =
            sign().lines().filter(|line| !line.starts_with(&format!("{name}:"))).map(str::to_owned).collect();
        let (status, answer) = town.post(&stripped.join("\n"), SMALL.as_bytes());
        assert!((400..=401).contains(&status), "{name}: {answer}");
    }
    assert!(town.seen().is_empty());
}

#[test]
fn changed_files_are_refused_and_nothing_is_signed() {
    let town = Town::start();
    let device = town.device("phone");
    device.sign(&town, SMALL, &[]);
    let backup = device.backup("backup");
    for name in ["keys.sealed", "profile.sealed", "session.sealed", "counters.sealed", "enrolled.sealed"] {
        let path = device.dir.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let refused = device.try_sign(&town, SMALL, &[]);
        assert_eq!((code(&refused), stdout(&refused).as_str()), (1, ""), "{name}: {}", stderr(&refused));
        assert!(stderr(&refused).contains("G9052"), "{name}: {}", stderr(&refused));
        device.restore(&backup);
    }
    std::fs::remove_file(device.dir.join("storage.key")).unwrap();
    assert_eq!(code(&device.try_sign(&town, SMALL, &[])), 1);
    device.restore(&backup);
    let owner = device.dir.join("device.json");
    let text = std::fs::read_to_string(&owner).unwrap();
    std::fs::write(&owner, text.replace("production", "demo")).unwrap();
    assert_eq!(code(&device.try_sign(&town, SMALL, &[])), 1, "the realm is bound into every record");
    assert_eq!(code(&device.run("forget", &[])), 0, "what does not open can still be forgotten");
}

#[test]
fn an_old_session_file_alone_opens_a_new_session() {
    let town = Town::start();
    let device = town.device("phone");
    device.sign(&town, SMALL, &[]);
    let old = std::fs::read(device.dir.join("session.sealed")).unwrap();
    let before = device.status()["session"].clone();
    for _ in 0..2 {
        device.sign(&town, SMALL, &[]);
    }
    std::fs::write(device.dir.join("session.sealed"), old).unwrap();
    let signed = device.sign(&town, SMALL, &[]);
    assert_eq!(town.post(&signed, SMALL.as_bytes()).0, 200);
    assert_ne!(device.status()["session"], before);
}

#[test]
fn an_old_copy_of_the_folder_gets_a_leg_of_its_own_and_its_old_numbers_are_refused() {
    let town = Town::start();
    let device = town.device("phone");
    device.sign(&town, SMALL, &[]);
    let backup = device.backup("backup");
    for _ in 0..4 {
        let signed = device.sign(&town, SMALL, &["--offline"]);
        assert_eq!(town.post(&signed, SMALL.as_bytes()).0, 200);
    }
    let leg = device.status()["leg"].clone();
    device.restore(&backup);
    let replayed = device.sign(&town, SMALL, &["--offline"]);
    let (status, answer) = town.post(&replayed, SMALL.as_bytes());
    assert!(status == 401 && answer.contains("replayed"), "{answer}");
    let signed = device.sign(&town, SMALL, &[]);
    assert_eq!(town.post(&signed, SMALL.as_bytes()).0, 200);
    assert_ne!(device.status()["leg"], leg);
    assert_eq!(town.seen().len(), 5);
}

#[test]
fn many_processes_at_once_never_share_a_number() {
    let town = Town::start();
    let device = town.device("phone");
    let mut seen = BTreeSet::new();
    for rest in [&[][..], &["--offline"]] {
        let children: Vec<_> = (0..6).map(|_| spawn(&device, &town, rest)).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!(code(&output), 0, "{}", stderr(&output));
            let signed = stdout(&output);
            assert!(seen.insert(numbered(&signed)), "{signed}");
            assert_eq!(town.post(&signed, SMALL.as_bytes()).0, 200);
        }
    }
}

#[test]
fn kill_9_during_signing_loses_numbers_and_never_repeats_one() {
    let town = Town::start();
    let device = town.device("phone");
    device.sign(&town, SMALL, &[]);
    let (mut seen, mut killed) = (BTreeSet::new(), 0);
    for round in 0..40_u64 {
        // Each dies a little later than the one before, so that every part of a signature is hit.
        let mut child = spawn(&device, &town, &["--offline"]);
        std::thread::sleep(Duration::from_micros(round * 400));
        let _ended_already = child.kill();
        let output = child.wait_with_output().unwrap();
        killed += u32::from(output.status.code().is_none());
        // What was printed before the end counts: it may have been sent.
        if stdout(&output).contains("signature-input:") {
            assert!(seen.insert(numbered(&stdout(&output))));
        }
    }
    assert!(killed > 0, "some were killed while they signed");
    let signed = device.sign(&town, SMALL, &[]);
    assert!(seen.insert(numbered(&signed)));
    assert_eq!(town.post(&signed, SMALL.as_bytes()).0, 200);
}

#[test]
fn a_traced_command_says_so_and_its_own_slice_ends_the_action() {
    let town = Town::start();
    let device = town.device("phone");
    device.sign(&town, SMALL, &[]);
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", env!("CARGO_BIN_EXE_glacis"), "device", "sign"]);
    command.args(transfer(&town.transfers(), SMALL)).arg("--dir").arg(&device.dir);
    let traced = command.stdin(Stdio::null()).output().unwrap();
    if stderr(&traced).contains("ptrace") {
        println!("skipped: ptrace: {}", stderr(&traced).trim());
        return;
    }
    assert_eq!((code(&traced), stdout(&traced).as_str()), (1, ""), "{}", stderr(&traced));
    assert!(stderr(&traced).contains("block"), "{}", stderr(&traced));
}
