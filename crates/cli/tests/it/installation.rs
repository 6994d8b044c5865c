//! A control plane of the real binary, asked by commands over its control socket and with tokens.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::authenticator::Authenticator;
use crate::live::{Process, ask_with, wait_for};
use crate::{code, glacis, keys, stderr, stdout};
use glacis_seal::text::parse_base64url;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// One running control plane without a gateway.
pub(crate) struct Installation {
    folder: TempDir,
    pub(crate) admin: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) console: SocketAddr,
    _process: Process,
}

impl Installation {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        private_folder(&data);
        let owner = ["--tenant", "acme", "--realm", "production", "--node", "edge-1"];
        let made = keys(&data.join("keys"), &["make"], &owner);
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        let config = folder.path().join("glacis.toml");
        let text = "tenant = \"acme\"\nrealm = \"production\"\ndata_dir = \"data\"\n[cloud]\n\
                    nodes_at = \"127.0.0.1:0\"\nadmin_at = \"127.0.0.1:0\"\napi_at = \"127.0.0.1:0\"\n\
                    console_at = \"127.0.0.1:0\"\n\
                    [cloud.passkeys]\nrp_id = \"shop.test\"\norigins = [\"https://shop.test\"]\n";
        std::fs::write(&config, text).unwrap();
        let args = ["serve", "--config", &config.to_string_lossy()];
        let mut process = Process::start(folder.path(), "serve", &args);
        let admin = process.address("control plane for operators on ");
        let api = process.address("decision API on ");
        let console = process.address("glacis: console on ");
        wait_for("control socket", || data.join("control.sock").exists().then_some(()));
        Self { folder, admin, api, console, _process: process }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Over the control socket.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let data = self.data().to_string_lossy().into_owned();
        glacis(&[args, &["--data-dir", &data]].concat())
    }

    /// Over the control socket; must succeed and print JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// With the token in `file`, over TCP.
    pub(crate) fn with_token(&self, file: &Path, args: &[&str]) -> Output {
        let (url, file) = (format!("http://{}", self.admin), file.to_string_lossy().into_owned());
        glacis(&[args, &["--url", &url, "--token-file", &file]].concat())
    }

    /// Makes a token of these scopes; its file.
    pub(crate) fn token(&self, name: &str, scopes: &[&str]) -> PathBuf {
        let file = self.folder.path().join(format!("{name}.token"));
        let path = file.to_string_lossy().into_owned();
        let scopes: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", *scope]).collect();
        let made = self.run(&[&["token", "create", name, "--out", &path][..], &scopes].concat());
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        file
    }

    /// Publishes a shipped policy.
    pub(crate) fn publish(&self, name: &str) {
        let output = self.run(&["policy", "publish", &shipped(name)]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    }

    /// Asks for a decision, as a backend does; its reference.
    pub(crate) fn decide(&self, token: &Path, id: u8, fields: &Value) -> Value {
        let token = std::fs::read_to_string(token).unwrap();
        let body = json!({
            "event": "payment.transfer",
            "event_id": format!("{id:032x}"),
            "content": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "principal": "ann",
            "fields": fields,
            "device_zone": "absent",
        });
        let bearer = format!("Bearer {}", token.trim());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = ask_with(self.api, "POST", "/v1/decide", &headers, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The head of the audit chain: whether anything at all was stored.
    pub(crate) fn audit_rows(&self) -> u64 {
        self.json(&["status"]).get("audit_rows").and_then(Value::as_u64).unwrap()
    }
}

/// A policy folder of the repository.
pub(crate) fn shipped(name: &str) -> String {
    format!("{}/../../policies/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn private_folder(path: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

#[test]
fn lists_are_shown_changed_and_rehearsed() {
    let at = Installation::start();
    let before = at.audit_rows();
    let rehearsed = at.json(&["list", "add", "mules", "m-1", "m-2", "--dry-run"]);
    assert_eq!((&rehearsed["dry_run"], rehearsed["changes"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(at.audit_rows(), before, "a rehearsal stores nothing");
    assert_eq!(code(&at.run(&["list", "show", "mules"])), 4);
    at.json(&["list", "add", "mules", "m-1", "m-2", "\u{1b}[31mred"]);
    let shown = at.json(&["list", "show", "mules"]);
    assert_eq!((&shown["version"], shown["items"].as_array().unwrap().len()), (&json!(3), 3));
    let text = stdout(&at.run(&["list", "show", "mules"]));
    assert!(text.contains("\\u{1b}[31mred") && !text.contains('\u{1b}'), "no control reaches a terminal");
    at.json(&["list", "remove", "mules", "m-1"]);
    assert_eq!(at.json(&["list", "show", "mules"])["items"].as_array().unwrap().len(), 2);
    assert_eq!(at.json(&["list", "show"])["lists"], json!([{ "list": "mules", "version": 4 }]));
    let past = at.run(&["list", "add", "mules", "x", "--effective", "2020-01-01T00:00:00Z"]);
    assert_eq!(code(&past), 4, "{}", stderr(&past));
    for dry in [&[][..], &["--dry-run"]] {
        let bad = at.run(&[&["list", "add", "No Such Name", "x"][..], dry].concat());
        assert_eq!(code(&bad), 2, "{}", stderr(&bad));
    }
    let later = at.json(&["list", "add", "mules", "m-9", "--effective", "+2h"]);
    assert_eq!(later["changes"][0]["version"], 5);
}

#[test]
fn partners_are_added_limited_and_rehearsed_and_their_keys_are_shown_once() {
    let at = Installation::start();
    let add = ["partner", "add", "maker", "--family", "none", "--per-day", "5", "--total", "9"];
    let rehearsed = at.json(&[&add[..], &["--tier", "software", "--dry-run"]].concat());
    assert_eq!((rehearsed["dry_run"].as_bool(), rehearsed.get("key")), (Some(true), None));
    assert_eq!(at.json(&["partner", "list"])["partners"].as_array().unwrap().len(), 0);
    let added = stdout(&at.run(&[&add[..], &["--tier", "software"]].concat()));
    let key = added.lines().last().unwrap();
    assert!(key.starts_with("glacis_partner_"), "{added}");
    assert_eq!(code(&at.run(&add)), 4, "there is one of this name");
    assert_eq!(code(&at.run(&[&add[..], &["--dry-run"]].concat())), 4);
    let listed = stdout(&at.run(&["partner", "list"]));
    assert!(
        listed.starts_with("maker  0 of 5 today, 0 of 9 in total  up to software  none  set "),
        "{listed}"
    );
    assert!(!listed.contains("glacis_partner_"), "a key is shown once");
    assert_eq!(code(&at.run(&["partner", "limit", "maker"])), 2, "nothing is to change");
    assert_eq!(code(&at.run(&["partner", "limit", "nobody", "--per-day", "1"])), 4);
    assert_eq!(code(&at.run(&["partner", "limit", "maker", "--family", "moon"])), 2);
    at.json(&["partner", "limit", "maker", "--per-day", "0", "--dry-run"]);
    let limited = at.json(&["partner", "limit", "maker", "--per-day", "0", "--new-key"]);
    assert_eq!(
        (limited["partner"]["daily_max"].as_u64(), limited["partner"]["total_max"].as_u64()),
        (Some(0), Some(9))
    );
    assert_ne!(limited["key"].as_str().unwrap(), key);
    let reads = at.token("reader", &["read"]);
    let denied = at.with_token(&reads, &["partner", "limit", "maker", "--per-day", "3"]);
    assert_eq!(code(&denied), 3, "{}", stderr(&denied));
    assert_eq!(at.json(&["partner", "list"])["partners"][0]["daily_max"].as_u64(), Some(0));
}

#[test]
fn a_thousand_items_come_in_pages() {
    let at = Installation::start();
    let items: Vec<String> = (0..250).map(|item| format!("item-{item:04}")).collect();
    let args: Vec<&str> =
        ["list", "add", "many"].into_iter().chain(items.iter().map(String::as_str)).collect();
    at.json(&args);
    let shown = at.json(&["list", "show", "many"]);
    let shown: Vec<&str> =
        shown["items"].as_array().unwrap().iter().map(|i| i["item"].as_str().unwrap()).collect();
    assert_eq!(shown, items);
}

#[test]
fn a_passkey_that_the_shop_registered_is_shown_and_removed() {
    let at = Installation::start();
    assert_eq!(at.json(&["passkey", "list", "ann & eve"]), json!({ "passkeys": [] }));
    let token = std::fs::read_to_string(at.token("shop", &["passkeys"])).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let post =
        |path: &str, body: &Value| ask_with(at.admin, "POST", path, &headers, &body.to_string()).unwrap();
    let options = post("/admin/v1/passkeys/options", &json!({ "principal": "ann & eve" })).json();
    let bytes = |text: &Value| parse_base64url(text.as_str().unwrap()).unwrap();
    let site = ("shop.test", "https://shop.test");
    let response =
        Authenticator::new(7, site, &bytes(&options["user"]["id"])).register(&bytes(&options["challenge"]));
    let body = json!({ "principal": "ann & eve", "challenge": options["challenge"], "response": response });
    let added = post("/admin/v1/passkeys", &body);
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].to_string();
    let shown = stdout(&at.run(&["passkey", "list", "ann & eve"]));
    assert!(shown.contains("shop.test") && shown.contains("by shop, never used"), "{shown}");
    assert_eq!(code(&at.run(&["passkey", "remove", "somebody", &id])), 4, "not theirs");
    let remove = ["passkey", "remove", "ann & eve", &id];
    let rehearsed = at.json(&[&remove[..], &["--dry-run"]].concat());
    assert_eq!(rehearsed, json!({ "dry_run": true, "removed": added.json()["id"] }));
    assert_eq!(at.json(&["passkey", "list", "ann & eve"])["passkeys"].as_array().unwrap().len(), 1);
    assert!(stdout(&at.run(&remove)).contains("removed passkey"));
    assert_eq!(at.json(&["passkey", "list", "ann & eve"]), json!({ "passkeys": [] }));
    assert_eq!(code(&at.run(&remove)), 4);
    assert_eq!(code(&at.run(&["audit", "verify"])), 0);
}

#[test]
fn tokens_carry_scopes_end_and_are_in_private_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let at = Installation::start();
    let before = at.audit_rows();
    let rehearsed = at.run(&["token", "create", "ci", "--scope", "read", "--dry-run"]);
    assert_eq!((code(&rehearsed), at.audit_rows()), (0, before));
    let reader = at.token("reader", &["read"]);
    assert_eq!(reader.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(code(&at.with_token(&reader, &["status"])), 0);
    let forbidden = at.with_token(&reader, &["list", "add", "mules", "x"]);
    assert_eq!(code(&forbidden), 3);
    assert!(
        stderr(&forbidden).contains("G8005") && stderr(&forbidden).contains("`lists`"),
        "{}",
        stderr(&forbidden)
    );
    for (args, scope) in [
        (&["list", "add", "mules", "x", "--dry-run"][..], "lists"),
        (&["token", "create", "x", "--scope", "read", "--dry-run"], "tokens"),
        (&["devices", "refuse", &"0".repeat(64), "--reason", "stolen"], "devices"),
    ] {
        let refused = at.with_token(&reader, args);
        assert_eq!(code(&refused), 3, "{args:?}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(scope), "{}", stderr(&refused));
    }
    let again = at.run(&["token", "create", "y", "--scope", "read", "--out", &reader.to_string_lossy()]);
    assert_eq!(code(&again), 4, "a token is never written over another");
    let id = at.json(&["token", "list"])["tokens"][0]["id"].as_u64().unwrap().to_string();
    assert_eq!(code(&at.run(&["token", "revoke", &id, "--dry-run"])), 0);
    assert_eq!(code(&at.with_token(&reader, &["status"])), 0, "a rehearsal ends nothing");
    assert_eq!(code(&at.run(&["token", "revoke", &id])), 0);
    let refused = at.with_token(&reader, &["status", "--json"]);
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!((code(&refused), error["error"]["code"].as_str()), (3, Some("G8004")));
    assert_eq!(code(&at.run(&["token", "revoke", &id])), 4);
    assert_eq!(code(&at.run(&["token", "revoke", &id, "--dry-run"])), 4);
    std::fs::set_permissions(&reader, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = at.with_token(&reader, &["status"]);
    assert_eq!(code(&open), 3);
    assert!(stderr(&open).contains("others may read"), "{}", stderr(&open));
}

#[test]
fn an_expired_token_is_refused() {
    let at = Installation::start();
    let file = at.folder().join("short.token");
    let path = file.to_string_lossy().into_owned();
    let made = at.run(&["token", "create", "short", "--scope", "read", "--life", "1s", "--out", &path]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    wait_for("the end of the token", || (code(&at.with_token(&file, &["status"])) == 3).then_some(()));
}

#[test]
fn a_decision_is_tailed_and_explained() {
    let at = Installation::start();
    at.publish("transfer");
    at.json(&["list", "add", "mules", "m-1"]);
    let backend = at.token("backend", &["decide"]);
    let fields = |payee: &str| json!({ "amount": 4000, "payee": payee, "currency": "EUR" });
    at.decide(&backend, 1, &fields("friend"));
    let blocked = at.decide(&backend, 2, &fields("m-1"));
    let reference = blocked["reference"].as_str().unwrap();
    assert_eq!(blocked["verdict"], "block", "{blocked}");

    let told = at.json(&["explain", reference]);
    assert_eq!(told["record"]["verdict"], "block");
    assert_eq!(told["policy_versions"], json!([1]));
    let rules = told["policy"]["rules"].as_array().unwrap();
    let mule = rules.iter().find(|rule| rule["id"] == "mule").unwrap();
    assert_eq!(mule["why"], "its condition is true");
    assert_eq!(told["record"]["settled"]["lists"]["mules"], 1);
    let text = stdout(&at.run(&["explain", &reference.to_ascii_lowercase()]));
    for part in [
        "block of `payment.transfer`",
        "user      ann",
        "payee in list.mules",
        "amount = 4000",
        "list      mules at version 1",
        "user.transfers_1h =",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(code(&at.run(&["explain", "000000000000"])), 4);
    assert_eq!(code(&at.run(&["explain", "../../x"])), 4);

    let lines = |args: &[&str]| -> Vec<Value> {
        let output = at.run(&[&["events", "tail", "--json"][..], args].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&[]);
    assert_eq!(all.len(), 2);
    assert_eq!(all[1]["reference"], reference);
    assert_eq!(lines(&["--verdict", "block"]).len(), 1);
    assert_eq!(lines(&["--limit", "1"]), all[1..]);
    let status = at.json(&["status"]);
    assert_eq!((&status["decisions"], &status["nodes"][0]["node"]), (&json!(2), &json!("api")));
    assert!(stdout(&at.run(&["status"])).contains("policy     version 1 for payment.transfer"));
}

#[test]
fn following_goes_on_and_ends_cleanly_when_interrupted_or_when_nobody_reads() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let at = Installation::start();
    at.publish("transfer");
    let backend = at.token("backend", &["decide"]);
    let fields = json!({ "amount": 4, "payee": "friend", "currency": "EUR" });
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
        command.args(["events", "tail", "--follow", "--json", "--data-dir"]).arg(at.data());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (child, out)
    };
    let (mut child, mut out) = start();
    let (mut reader_gone, out_gone) = start();
    for id in 1..=3 {
        at.decide(&backend, id, &fields);
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["event_id"], format!("{id:032x}"));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = wait_for("the end of what was interrupted", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    drop(out_gone);
    at.decide(&backend, 4, &fields);
    at.decide(&backend, 5, &fields);
    let ended = wait_for("the end of what nobody reads", || reader_gone.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut reader_gone.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(said, "", "nobody's error");
}

#[test]
fn devices_that_are_not_there_and_the_audit_chain() {
    let at = Installation::start();
    assert_eq!(at.json(&["devices", "list"]), json!({ "devices": [] }));
    for args in [&["devices", "show", "abc"][..], &["devices", "refuse", &"0".repeat(64), "--reason", "lost"]]
    {
        let output = at.run(args);
        assert_eq!(code(&output), 4, "{args:?}: {}", stderr(&output));
    }
    let verified = at.json(&["audit", "verify"]);
    assert_eq!(verified["holds"], true);
    assert!(stdout(&at.run(&["audit", "verify"])).starts_with("the chain holds over "));
}

#[test]
fn nobody_there_is_exit_code_5_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().to_string_lossy().into_owned();
    for args in [
        &["status"][..],
        &["policy", "list"],
        &["list", "show"],
        &["list", "add", "a", "b"],
        &["token", "list"],
        &["devices", "list"],
        &["events", "tail"],
        &["explain", "000000000000"],
        &["audit", "verify"],
    ] {
        let output = glacis(&[args, &["--data-dir", &nowhere]].concat());
        assert_eq!(code(&output), 5, "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("G8001") && stderr(&output).contains("glacis serve"),
            "{}",
            stderr(&output)
        );
    }
    let long = format!("{nowhere}/{}", "x".repeat(120));
    let output = glacis(&["status", "--data-dir", &long]);
    assert_eq!(code(&output), 5);
    assert!(stderr(&output).contains("shorter path"), "{}", stderr(&output));
}

#[test]
fn arguments_that_are_no_text_are_wrong_usage() {
    use std::os::unix::ffi::OsStrExt as _;
    let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_glacis"));
    let output = command.args(["explain"]).arg(bad).output().unwrap();
    assert_eq!(code(&output), 2, "{}", stderr(&output));
}
