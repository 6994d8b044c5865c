//! `glacis device` against a running installation: enrolment, signatures for other programs, and what an attacker,
//! a crash or a wrong clock makes of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod attack;
#[path = "../../../sdk/examples/client.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
mod client;
mod stores;
#[path = "../../../../tests/support/swtpm.rs"]
#[expect(dead_code, reason = "shared with tests that stop and start it")]
mod swtpm;
mod town;

use crate::{code, stderr, stdout};
use std::process::{Command, Stdio};
use town::Town;

const SMALL: &str = r#"{"amount":10}"#;

#[test]
fn a_device_enrols_once_shows_itself_and_is_forgotten() {
    let town = Town::start();
    let device = town.folder("phone");
    let first = device.enrol(&town, &["--key-set", &town.key_set(), "--json"]);
    assert_eq!(code(&first), 0, "{}", stderr(&first));
    let first: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(
        (&first["result"], &first["tier"], &first["trust"]),
        (&"enrolled".into(), &"software".into(), &"claimed".into())
    );
    assert_eq!(first["key_set_fingerprint"], town.fingerprint().as_str());

    let again = device.enrol(&town, &["--json"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&again["result"], &again["device"]), (&"already-enrolled".into(), &first["device"]));
    let renewed = device.enrol(&town, &["--renew", "--json"]);
    let renewed: serde_json::Value = serde_json::from_slice(&renewed.stdout).unwrap();
    assert_eq!(
        (&renewed["result"], &renewed["device"]),
        (&"renewed".into(), &first["device"]),
        "the keys stay"
    );

    let status = device.status();
    assert_eq!(status["device"], first["device"]);
    assert_eq!((&status["realm"], &status["pinned_by"]), (&"production".into(), &"key-set-file".into()));
    assert!(status.get("session").is_none());

    let planned = device.run("forget", &["--dry-run"]);
    assert!(stdout(&planned).starts_with("would remove storage.key\n"), "{}", stdout(&planned));
    assert_eq!(device.status()["device"], first["device"]);
    assert_eq!(code(&device.run("forget", &[])), 0);
    assert_eq!(code(&device.run("status", &[])), 4);
    assert_eq!(code(&device.run("forget", &[])), 4);
    let names: Vec<_> = device.dir.read_dir().unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, [".lock"], "nothing is left");
}

#[test]
fn the_folder_is_private_and_another_ones_eyes_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let town = Town::start();
    let device = town.device("phone");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&device.dir), 0o700);
    for entry in device.dir.read_dir().unwrap().flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
    }
    let open = |mode| {
        std::fs::set_permissions(device.dir.join("keys.sealed"), std::fs::Permissions::from_mode(mode))
    };
    open(0o640).unwrap();
    assert_eq!(code(&device.run("status", &[])), 3);
    open(0o600).unwrap();
    assert_eq!(code(&device.run("status", &[])), 0);
}

#[test]
fn a_first_contact_needs_a_key_set_a_pin_or_an_explicit_leap_of_faith() {
    let town = Town::start();
    let device = town.folder("phone");
    let refused = device.enrol(&town, &[]);
    assert_eq!(code(&refused), 2, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--trust-first-use") && !device.dir.exists());

    let wrong = device.enrol(&town, &["--pin", &"0".repeat(64)]);
    assert_eq!(code(&wrong), 3, "{}", stderr(&wrong));
    assert!(!device.dir.exists());
    let pinned = device.enrol(&town, &["--pin", &town.fingerprint().to_uppercase()]);
    assert_eq!(code(&pinned), 0, "{}", stderr(&pinned));
    assert_eq!(device.status()["pinned_by"], "fingerprint");
    assert_eq!(code(&device.enrol(&town, &["--pin", &"0".repeat(64)])), 3, "also later");
    assert_eq!(code(&device.enrol(&town, &["--pin", &town.fingerprint()])), 0);

    let trusting = town.folder("trusting");
    let planned = trusting.enrol(&town, &["--trust-first-use", "--dry-run"]);
    assert!(stdout(&planned).contains(&town.fingerprint()) && !trusting.dir.exists());
    let leap = trusting.enrol(&town, &["--trust-first-use"]);
    assert_eq!(code(&leap), 0, "{}", stderr(&leap));
    assert!(stderr(&leap).contains(&town.fingerprint()), "{}", stderr(&leap));
    assert_eq!(trusting.status()["pinned_by"], "first-use");
}

#[test]
fn another_installations_key_set_or_edge_is_refused() {
    let (town, other) = (Town::start(), Town::start());
    let device = town.folder("phone");
    let refused = device.enrol(&town, &["--key-set", &other.key_set()]);
    assert_eq!(code(&refused), 3, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("G9054"), "{}", stderr(&refused));
    assert_eq!(code(&device.run("status", &[])), 4);
    let right = device.enrol(&town, &["--key-set", &town.key_set()]);
    assert_eq!(code(&right), 0, "a failed first contact leaves nothing behind: {}", stderr(&right));

    let device = town.device("other");
    assert_eq!(code(&device.enrol(&town, &["--app-id", "other.app"])), 4);
    let moved = device.enrol(&other, &["--key-set", &other.key_set()]);
    assert_eq!(code(&moved), 4, "{}", stderr(&moved));
    let elsewhere = device.run("sign", &["GET", &other.transfers()]);
    assert_eq!(code(&elsewhere), 2, "{}", stderr(&elsewhere));
}

#[test]
fn signed_lines_carry_one_request_through_the_edge_once() {
    let town = Town::start();
    let device = town.device("phone");
    let signed = device.sign(&town, SMALL, &[]);
    assert!(signed.starts_with("content-type: application/json\n"), "{signed}");
    let (status, answer) = town.post(&signed, SMALL.as_bytes());
    assert_eq!(status, 200, "{answer}");
    assert!(answer.ends_with("carried"), "{answer}");

    let lines = town.path().join("signed.txt");
    std::fs::write(&lines, &signed).unwrap();
    let verify = |answer: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
        command.args(["device", "verify-answer", "--dir"]).arg(&device.dir).arg("--signed").arg(&lines);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), answer.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let verified = verify(&answer);
    assert_eq!(code(&verified), 0, "{}", stderr(&verified));
    assert!(stdout(&verified).starts_with("allow (reference "), "{}", stdout(&verified));
    let stripped: String = answer.lines().filter(|line| !line.starts_with("glacis-verdict")).collect();
    assert_eq!(code(&verify(&stripped)), 1, "no verdict is no allow");
    let (_, other) = town.post(&device.sign(&town, SMALL, &[]), SMALL.as_bytes());
    assert_eq!(code(&verify(&other)), 1, "another request's verdict");

    let (status, answer) = town.post(&signed, SMALL.as_bytes());
    assert!(status == 401 && answer.contains("replayed"), "{answer}");
    assert_eq!(town.seen().len(), 2);
}

#[test]
fn real_curl_sends_what_was_signed() {
    let town = Town::start();
    let device = town.device("phone");
    std::fs::write(town.path().join("body.json"), SMALL).unwrap();
    let signed = device.sign(&town, SMALL, &[]);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-H", "@-", "--data-binary", "@body.json"])
        .arg(town.transfers())
        .current_dir(town.path());
    let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut curl.stdin.take().unwrap(), signed.as_bytes()).unwrap();
    assert_eq!(stdout(&curl.wait_with_output().unwrap()), "carried");

    let line = device.sign(&town, "it's; $HOME", &["--curl", "-H", "X-Quote: it's"]);
    assert!(line.contains(r"'x-quote: it'\''s'") && line.contains(r"--data-raw 'it'\''s; $HOME'"), "{line}");
}

#[test]
fn fetch_answers_by_verdict_and_outlives_a_restart_of_the_edge() {
    let mut town = Town::start();
    let device = town.device("phone");
    let allowed = device.fetch(&town, SMALL, &[]);
    assert_eq!((code(&allowed), stdout(&allowed).as_str()), (0, "carried"), "{}", stderr(&allowed));
    let session = device.status()["session"].clone();

    town.kill();
    let down = device.fetch(&town, SMALL, &[]);
    assert_eq!(code(&down), 5, "{}", stderr(&down));
    assert_eq!(code(&device.try_sign(&town, SMALL, &[])), 5);
    town.serve();
    let allowed = device.fetch(&town, SMALL, &[]);
    assert_eq!(code(&allowed), 0, "{}", stderr(&allowed));
    assert_eq!(device.status()["session"], session, "one session, another leg");

    let challenged = device.fetch(&town, r#"{"amount":5000}"#, &["--json"]);
    assert_eq!(code(&challenged), 1);
    let challenged: serde_json::Value = serde_json::from_slice(&challenged.stdout).unwrap();
    assert_eq!(challenged["verdict"], "challenge(passkey)");
    let approved = device.fetch(&town, r#"{"amount":5000}"#, &["--approve"]);
    assert_eq!((code(&approved), stdout(&approved).as_str()), (0, "carried"), "{}", stderr(&approved));
    let blocked = device.fetch(&town, r#"{"amount":500000}"#, &["--approve"]);
    assert_eq!(code(&blocked), 1);
    assert!(stderr(&blocked).starts_with("glacis: block (reference "), "{}", stderr(&blocked));
    assert_eq!(town.seen().len(), 3);
}

#[test]
fn a_signature_survives_a_restart_of_the_edge_before_it_and_not_after_it() {
    let mut town = Town::start();
    let device = town.device("phone");
    device.sign(&town, SMALL, &[]);
    town.kill();
    town.serve();
    let signed = device.sign(&town, SMALL, &[]);
    assert_eq!(town.post(&signed, SMALL.as_bytes()).0, 200);
    let early = device.sign(&town, SMALL, &[]);
    town.kill();
    town.serve();
    let (status, answer) = town.post(&early, SMALL.as_bytes());
    assert!(status == 401 && answer.contains("leg-unknown"), "{answer}");
    let late = device.sign(&town, SMALL, &["--renew"]);
    assert_eq!(town.post(&late, SMALL.as_bytes()).0, 200);
}

#[test]
fn offline_signing_needs_a_session_and_nobody_else() {
    let mut town = Town::start();
    let device = town.device("phone");
    let without = device.try_sign(&town, SMALL, &["--offline"]);
    assert_eq!(code(&without), 4, "{}", stderr(&without));
    device.sign(&town, SMALL, &[]);
    town.kill();
    device.sign(&town, SMALL, &["--offline"]);
}

#[test]
fn a_clock_that_is_an_hour_off_is_named_with_what_to_do() {
    for seconds in [3_600, -3_600] {
        let town = Town::start_ahead(seconds);
        let device = town.folder("phone");
        let enrolled = device.enrol(&town, &["--key-set", &town.key_set()]);
        let refused = match code(&enrolled) {
            0 => device.try_sign(&town, SMALL, &[]),
            _ => enrolled,
        };
        let told = stderr(&refused);
        assert_eq!(code(&refused), 1, "{told}");
        assert!(told.contains("G9055") && told.contains("here it is 2") && told.contains("NTP"), "{told}");
    }
}

#[test]
fn the_sdks_example_client_enrols_acts_answers_and_outlives_a_restart() {
    let mut town = Town::start();
    let keys = glacis_serve::keys::read_key_set("key set", &std::fs::read(town.key_set()).unwrap());
    let (_, pinned) = keys.unwrap();
    let dir = town.path().join("app");
    let edge = town.url().trim_start_matches("http://").to_owned();
    let mut device = client::Device::open(&edge, pinned.clone(), &dir).unwrap();
    let mut transfer = |amount: u32| {
        let body = format!("{{\"amount\":{amount}}}").into_bytes();
        device.call("payment.transfer", "POST", "/transfers", body)
    };
    assert_eq!(transfer(10).unwrap().response.unwrap().body, b"carried");
    town.kill();
    assert!(transfer(10).is_err(), "no decision without an edge");
    town.serve();
    assert!(transfer(10).unwrap().allowed(), "the leg is renewed on the way");
    assert!(transfer(5_000).unwrap().allowed(), "the passkey answers");
    assert!(!transfer(500_000).unwrap().allowed());
    assert_eq!(town.seen().len(), 3);
    drop(device);
    let again = client::Device::open(&edge, pinned, &dir).unwrap();
    drop(again);

    let (_, foreign) =
        glacis_serve::keys::read_key_set("key set", &std::fs::read(Town::start().key_set()).unwrap())
            .unwrap();
    let refused = client::Device::open(&edge, foreign, &town.path().join("foreign"));
    assert!(refused.is_err(), "another installation's key set");
}

#[test]
fn the_exported_key_set_is_the_file_for_devices_or_the_bytes_for_apps() {
    use glacis_wire::Decode as _;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("keys");
    let made = crate::keys(&dir, &["make"], &["--tenant", "acme", "--realm", "production"]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let file = crate::keys(&dir, &["export"], &[]).stdout;
    assert_eq!(file, std::fs::read(dir.join("key-set-1.json")).unwrap());
    let (_, set) = glacis_serve::keys::read_key_set("export", &file).unwrap();
    let raw = crate::keys(&dir, &["export"], &["--raw"]).stdout;
    assert_eq!(glacis_wire::message::policy::KeySet::from_bytes(&raw).unwrap(), set);
    let shown = stdout(&crate::keys(&dir, &["fingerprint"], &[]));
    assert_eq!(shown.trim(), glacis_seal::published::fingerprint(&set).unwrap().to_string());
    for (from, to) in
        [("\"version\": 1", "\"version\": 2"), ("acme", "acne"), ("glacis-key-set/1", "glacis-key-set/2")]
    {
        let changed = String::from_utf8(file.clone()).unwrap().replacen(from, to, 1);
        assert!(glacis_serve::keys::read_key_set("changed", changed.as_bytes()).is_err(), "{to}");
    }
}
