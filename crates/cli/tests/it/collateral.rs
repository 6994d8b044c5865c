//! `glacis collateral` as a person meets it: made, shown, checked, and taken into force in a running installation, whose
//! devices fall with it and say so.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::forge::{key as forged, spki};
use crate::live::{Process, wait_for};
use crate::phone::{Batch, PACKAGE, Phone, SIGNER};
use crate::{code, glacis, keys, stderr, stdout};
use glacis_host::SystemHost;
use glacis_seal::text::{base64, hex};
use glacis_seal::{Context, Purpose, SigningKey};
use glacis_serve::{Opened, Role, ServeConfig};
use glacis_wire::message::enrol::{EnrolBody, EnrolExtras, EnrolRequest, Evidence};
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Realm, TenantId};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const SYSTEM: &str = "0303030303030303030303030303030303030303030303030303030303030303";

/// A folder with a key, its public half, a description and the files that it names.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(realm: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let made = bench.run(&["key", &bench.path("key.json"), "--tenant", "acme", "--realm", realm]);
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        bench.write("key.pub", &stdout(&made));
        bench.write("status.json", r#"{"entries": {"abc": {"status": "SUSPENDED"}}}"#);
        bench.write("systems.txt", &format!("# ours\nA system: {SYSTEM}\n"));
        let pem = base64(&spki(&forged(1)));
        bench.write("root.pem", &format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n"));
        let text = format!(
            "[anchors]\nvendors = \"none\"\nandroid = [\"root.pem\"]\n[revocations]\ngoogle_status = \"status.json\"\n\
             [android]\npatch_level_min = 202501\nboot_keys = [\"systems.txt\"]\n[android.app.\"{PACKAGE}\"]\n\
             signers = [\"{}\"]\n[apple]\napps = [\"ABCDE12345.com.example\"]\n[partner.maker-1]\n\
             tier_max = \"software\"\n",
            hex(&SIGNER)
        );
        bench.write("collateral.toml", &text);
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        glacis(&[&["collateral"], args].concat())
    }

    fn build(&self, more: &[&str]) -> std::process::Output {
        self.build_as("c.glacis", more)
    }

    fn build_as(&self, out: &str, more: &[&str]) -> std::process::Output {
        let (from, key, out) = (self.path("collateral.toml"), self.path("key.json"), self.path(out));
        self.run(&[&["build", "--from", &from, "--key", &key, "--out", &out, "--json"][..], more].concat())
    }

    fn check(&self, key: &str, more: &[&str]) -> (i32, Value) {
        let (file, key) = (self.path("c.glacis"), self.path(key));
        let output = self.run(&[&["check", &file, "--key", &key, "--json"][..], more].concat());
        (code(&output), serde_json::from_str(&stdout(&output)).unwrap_or(Value::Null))
    }
}

fn made(output: &std::process::Output) -> Value {
    assert_eq!(code(output), 0, "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_file_is_made_shown_and_checked() {
    let bench = Bench::new("production");
    let first = made(&bench.build(&[]));
    assert_eq!((&first["version"], &first["age"]), (&1.into(), &"fresh".into()));
    assert_eq!(first["files"].as_array().unwrap().len(), 3);
    let shown = made(&bench.run(&["show", &bench.path("c.glacis"), "--json"]));
    assert_eq!((&shown["tenant"], &shown["realm"]), (&"acme".into(), &"production".into()));
    assert_eq!(
        (&shown["revocations"]["serials"], &shown["revocations"]["suspended"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&shown["boot_keys"][0]["key"], &shown["boot_keys"][0]["name"]),
        (&SYSTEM.into(), &"A system".into())
    );
    assert_eq!(shown["anchors"].as_array().unwrap().len(), 1);
    assert_eq!(shown["ceilings"][0]["tier_max"], "software");
    let text = stdout(&bench.run(&["show", &bench.path("c.glacis")]));
    assert!(text.contains("not checked") && text.contains(PACKAGE), "{text}");
    let (exit, found) = bench.check("key.pub", &[]);
    assert_eq!((exit, &found["age"], &found["signed"]), (0, &"fresh".into(), &true.into()), "{found}");
    for (at, age) in [("+4d", "stale"), ("+15d", "old"), ("2020-01-01T00:00:00Z", "future")] {
        let (exit, found) = bench.check("key.pub", &["--at", at]);
        assert_eq!((exit, &found["age"]), (1, &age.into()), "{found}");
    }
    let second = made(&bench.build(&[]));
    assert_eq!(second["version"], 2, "one more than what is there");
    let lower = bench.build(&["--version", "2"]);
    assert_eq!(code(&lower), 4, "{}", stderr(&lower));
    assert_eq!(made(&bench.build(&["--version", "9"]))["version"], 9);
}

#[test]
fn another_key_a_changed_file_and_a_key_that_others_read_are_refused() {
    let bench = Bench::new("production");
    made(&bench.build(&[]));
    let other = bench.run(&["key", &bench.path("other.json"), "--tenant", "acme", "--realm", "production"]);
    bench.write("other.pub", &stdout(&other));
    let (exit, found) = bench.check("other.pub", &[]);
    assert_eq!((exit, &found["signed"], &found["code"]), (1, &false.into(), &"signature".into()), "{found}");
    let again = bench.run(&["key", &bench.path("key.json"), "--tenant", "acme", "--realm", "production"]);
    assert_eq!(code(&again), 4, "a key is never overwritten: {}", stderr(&again));
    let shown = bench.run(&["key", &bench.path("key.json")]);
    assert_eq!(stdout(&shown), std::fs::read_to_string(bench.at("key.pub")).unwrap());
    // Somebody else's file is not overwritten.
    let (from, out) = (bench.path("collateral.toml"), bench.path("c.glacis"));
    let theirs = bench.run(&["build", "--from", &from, "--key", &bench.path("other.json"), "--out", &out]);
    assert_eq!(code(&theirs), 4, "{}", stderr(&theirs));
    let mut bytes = std::fs::read(bench.at("c.glacis")).unwrap();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(bench.at("c.glacis"), &bytes).unwrap();
    assert_eq!(bench.check("key.pub", &[]).0, 1);
    bench.write("c.glacis", "no collateral");
    assert_eq!(bench.check("key.pub", &[]).1["code"], "malformed");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(bench.at("key.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = bench.run(&["key", &bench.path("key.json")]);
    assert_eq!(code(&open), 3, "{}", stderr(&open));
}

#[test]
fn what_cannot_be_read_whole_builds_nothing_and_leaves_the_old_file() {
    let bench = Bench::new("production");
    made(&bench.build(&[]));
    let before = std::fs::read(bench.at("c.glacis")).unwrap();
    let good = std::fs::read_to_string(bench.at("collateral.toml")).unwrap();
    for (name, text) in [
        ("status.json", "{\"entries\": {\"abc\": {\"status\": \"REV"),
        ("status.json", "{\"entries\": {\"xyz\": {\"status\": \"REVOKED\"}}}"),
        ("systems.txt", "A system without a key\n"),
        ("root.pem", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"),
        ("collateral.toml", "[anchor]\nvendors = \"none\"\n"),
        ("collateral.toml", "[anchors]\nandroid = [\"missing.pem\"]\n"),
        ("collateral.toml", "[life]\nstale_after_days = 9\nnot_after_days = 3\n"),
        (
            "collateral.toml",
            "[revocations]\ngoogle_status = \"status.json\"\nas_of = \"2999-01-01T00:00:00Z\"\n",
        ),
        ("collateral.toml", "[partner.x]\ntier_max = \"none\"\n"),
        ("collateral.toml", "[android.app.\"a.b\"]\nsigners = []\n"),
    ] {
        let kept = std::fs::read(bench.at(name)).unwrap();
        bench.write(name, text);
        let refused = bench.build(&[]);
        assert!([2, 4].contains(&code(&refused)), "{text}: {} {}", code(&refused), stderr(&refused));
        std::fs::write(bench.at(name), kept).unwrap();
    }
    assert_eq!(std::fs::read(bench.at("c.glacis")).unwrap(), before);
    // An old list makes the collateral as old as it is.
    bench.write(
        "collateral.toml",
        &good.replace("status.json\"\n", "status.json\"\nas_of = \"2026-01-01T00:00:00Z\"\n"),
    );
    let old = bench.build(&[]);
    assert_eq!(code(&old), 2, "its end is behind it: {}", stderr(&old));
}

/// Enrols a phone before anything is served, as an edge would pass it on.
fn enrol(opened: &mut Opened, context: &Context, batch: &Batch, key: &SigningKey) -> String {
    let (core, _) = opened.cloud_and_ring().unwrap();
    let challenge = core.enrol_challenge().unwrap();
    let body = Bytes(batch.evidence(key, &Phone::new(&challenge.nonce)));
    let evidence = Some(Evidence { family: Text("android-key".to_owned()), body });
    let body = EnrolBody { challenge, device_key: key.public(), passkey: None, evidence };
    let extras = EnrolExtras::default();
    let said = EnrolRequest::signed_bytes(&body, &extras).unwrap();
    let signature = key.sign(context, Purpose::Enrol, &said).unwrap();
    core.enrol(&EnrolRequest { body, signature, extras }).unwrap();
    key.thumbprint().to_string()
}

fn installation(bench: &Bench) -> PathBuf {
    use std::os::unix::fs::DirBuilderExt as _;
    let data = bench.at("data");
    std::fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    let owner = ["--tenant", "acme", "--realm", "production", "--node", "edge-1"];
    assert_eq!(code(&keys(&data.join("keys"), &["make"], &owner)), 0);
    bench.write(
        "glacis.toml",
        "tenant = \"acme\"\nrealm = \"production\"\ndata_dir = \"data\"\n[cloud]\nnodes_at = \"127.0.0.1:0\"\n\
         admin_at = \"127.0.0.1:0\"\n[cloud.enrolment]\nfamilies = [\"android-key\"]\ncollateral = \"c.glacis\"\n\
         collateral_key = \"key.pub\"\n",
    );
    bench.at("glacis.toml")
}

fn opened(config: &Path) -> Opened {
    let text = std::fs::read_to_string(config).unwrap();
    let mut parsed = ServeConfig::parse("glacis.toml", &text).unwrap();
    parsed.resolve(config);
    Opened::open(parsed, Role::Cloud, Arc::new(SystemHost::new())).unwrap()
}

#[test]
fn revoking_a_serial_in_the_file_lets_exactly_its_devices_fall_and_their_history_says_so() {
    let bench = Bench::new("production");
    let config = installation(&bench);
    made(&bench.build(&[]));
    let context = Context::new(TenantId::parse("acme").unwrap(), Realm::Production);
    let (leaked, sound) = (Batch::new(1, 2, 500), Batch::new(1, 3, 600));
    let mut open = opened(&config);
    let hit = [11, 12].map(|seed| enrol(&mut open, &context, &leaked, &forged(seed)));
    let kept = enrol(&mut open, &context, &sound, &forged(13));
    drop(open);
    let file = config.to_string_lossy().into_owned();
    let mut process = Process::start(bench.folder.path(), "serve", &["serve", "--config", &file]);
    process.address("control plane for operators on ");
    let data = bench.path("data");
    wait_for("control socket", || bench.at("data/control.sock").exists().then_some(()));
    let ask = |args: &[&str]| made(&glacis(&[args, &["--data-dir", &data, "--json"]].concat()));
    let history = |id: &str| ask(&["device", "history", id]);
    assert_eq!((&history(&hit[0])["tier"], &history(&hit[0])["collateral"]), (&"hardware".into(), &1.into()));
    assert_eq!(ask(&["collateral", "status"])["collateral"]["age"], "fresh");

    // A newer one is asked about first, and changes nothing by that.
    let live = std::fs::read(bench.at("c.glacis")).unwrap();
    bench.write("status.json", r#"{"entries": {"1f4": {"status": "REVOKED"}}}"#);
    made(&bench.build_as("next.glacis", &["--version", "2"]));
    let next = std::fs::read(bench.at("next.glacis")).unwrap();
    let would = ask(&["collateral", "apply", &bench.path("next.glacis"), "--dry-run"]);
    let version = would["collateral"]["version"].clone();
    assert_eq!(would["collateral"]["devices"], 2, "{would}");

    // Half a file, as a writer that was cut off leaves it; then the whole one.
    std::fs::write(bench.at("c.glacis"), next.get(..next.len() / 2).unwrap()).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(ask(&["collateral", "status"])["collateral"]["version"], 1, "half a file changes nothing");
    assert_eq!(history(&hit[0])["tier"], "hardware");
    std::fs::write(bench.at("c.glacis"), &next).unwrap();
    wait_for("the file to be taken up", || {
        let held = ask(&["collateral", "status"]);
        (held["collateral"]["version"] == version).then_some(())
    });
    let last = |id: &str| history(id)["history"].as_array().unwrap().last().unwrap().clone();
    for id in &hit {
        wait_for("the device to fall", || (history(id)["tier"] == "software").then_some(()));
        let change = last(id);
        assert_eq!((&change["from"], &change["to"]), (&"hardware".into(), &"software".into()));
        assert_eq!(change["reason"], "collateral-serial");
        let text = stdout(&glacis(&["device", "history", id, "--data-dir", &data]));
        assert!(text.contains("hardware to software: collateral-serial"), "{text}");
    }
    assert_eq!((&history(&kept)["tier"], &last(&kept)["reason"]), (&"hardware".into(), &"enrolled".into()));
    let fallen = ask(&["collateral", "devices"]);
    let mut names: Vec<&str> =
        fallen["devices"].as_array().unwrap().iter().filter_map(|one| one["thumbprint"].as_str()).collect();
    names.sort_unstable();
    let mut want: Vec<&str> = hit.iter().map(String::as_str).collect();
    want.sort_unstable();
    assert_eq!(names, want);
    // What is older is refused, over the socket as well.
    std::fs::write(bench.at("old.glacis"), &live).unwrap();
    let older = glacis(&["collateral", "apply", &bench.path("old.glacis"), "--data-dir", &data]);
    assert_eq!(code(&older), 4, "{}", stderr(&older));
    assert!(ask(&["collateral", "issuers"])["issuers"].as_array().unwrap().is_empty());
}

#[test]
fn evidence_is_verified_with_signed_collateral_alone() {
    let bench = Bench::new("production");
    made(&bench.build(&[]));
    let chain = Batch::new(1, 2, 500).evidence(&forged(11), &Phone::new(b"challenge"));
    std::fs::write(bench.at("chain.der"), chain).unwrap();
    let (evidence, file, key) = (bench.path("chain.der"), bench.path("c.glacis"), bench.path("key.pub"));
    let base = ["attest", "verify", "--family", "android-key", "--evidence", &evidence, "--challenge"];
    let challenge = hex(b"challenge");
    let verify = |more: &[&str]| glacis(&[&base[..], &[&challenge, "--json"], more].concat());
    let signed = ["--collateral", &file, "--collateral-key", &key];
    let found = made(&verify(&signed));
    assert_eq!((&found["status"], &found["collateral"]), (&"affirming".into(), &1.into()), "{found}");
    assert_eq!((&found["tier"], &found["trust"]), (&"hardware".into(), &"attested".into()));
    let stale = verify(&[&signed[..], &["--at", "+4d"]].concat());
    let stale: Value = serde_json::from_slice(&stale.stdout).unwrap();
    assert_eq!(
        (&stale["tier"], &stale["reasons"][0]["code"]),
        (&"software".into(), &"stale-collateral".into())
    );
    let old = verify(&[&signed[..], &["--at", "+15d"]].concat());
    assert_eq!(code(&old), 1);
    assert!(stdout(&old).contains("old-collateral"));
    for wrong in [
        &["--collateral", &file][..],
        &["--collateral-key", &key],
        &["--collateral", &file, "--collateral-key", &evidence],
        &["--collateral", &file, "--collateral-key", &key, "--expect", "app=com.example"],
        &["--collateral", &bench.path("status.json"), "--collateral-key", &key],
    ] {
        assert_eq!(code(&verify(wrong)), 2, "{wrong:?}");
    }
}
