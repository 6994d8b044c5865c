//! Schemathesis against both APIs of a real server: whatever it finds is a fault here.
//!
//! It generates requests from the served document, valid and invalid, by a fixed seed, and checks every answer
//! against it: statuses, media types, schemas, refusals of bad data, of missing tokens and of other methods. The
//! document is narrowed to what the installation under test has (its event and signals, rows that exist, cursors
//! that it gave), so that valid requests get to where they are handled; nothing is added to it.

use crate::api::{question, token};
use crate::http::{Running, admin, passkey, post, request, root_token, send, start};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Same seed, same requests.
const SEED: &str = "20261122";
/// Generated requests for each operation and phase.
const EXAMPLES: &str = "25";
/// Every scope.
const ALL: [&str; 8] = ["read", "lists", "feedback", "policies", "devices", "tokens", "decide", "passkeys"];

/// What no generated request can do: bring signed collateral or a signed publish, or sign as an authenticator.
const REFUSING: [&str; 5] = [
    "POST /admin/v1/collateral",
    "POST /admin/v1/collateral/check",
    "POST /admin/v1/passkeys",
    "POST /admin/v1/policies",
    "POST /admin/v1/policies/check",
];

/// Listings without a second page in this store; their cursors are tested where there is one.
const ONE_PAGE: [&str; 2] = ["/admin/v1/collateral/devices", "/admin/v1/issuers"];

/// The partner that there is.
const PARTNER: &str = "acme";

/// The interpreter of the locked environment.
pub(crate) fn python() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the test step of CI says where its environment is")]
    std::env::var("GLACIS_PYTHON").ok()
}

#[test]
fn schemathesis_finds_nothing() {
    let Some(python) = python() else {
        println!("skipped: python: GLACIS_PYTHON names no interpreter; `cargo xtask python` makes one");
        return;
    };
    let running = start(320);
    let root = root_token(&running);
    let folder = tempfile::tempdir().unwrap();
    for file in ["schemathesis.toml", "hooks.py"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis").join(file);
        std::fs::copy(from, folder.path().join(file)).unwrap();
    }
    let document = narrowed(&running, &root);
    std::fs::write(folder.path().join("openapi.json"), document.to_string()).unwrap();
    for (paths, at, operations) in [("^/v1/", running.api, 3), ("^/admin/", running.admin, 38)] {
        let token = token(&running, &root, &json!(ALL));
        let output = command(&python, paths, &format!("http://{at}"), &token)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        println!("{said}");
        assert!(output.status.success(), "{}: see above", output.status);
        let report = std::fs::read(folder.path().join("report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["operations"]["tested"], operations, "{report}");
        assert_eq!((&report["complete"], &report["errors"]), (&json!(true), &json!([])), "{report}");
        let never = never_accepted(&report);
        assert_eq!(never, if operations == 3 { &[][..] } else { &REFUSING[..] }, "{report}");
    }
    let still = admin(&running, &root, "GET", "/admin/v1/status", Vec::new());
    assert_eq!(still.status, 200, "the store works after all of it");
}

/// Operations of which no valid request was ever accepted: those were not tested where it matters.
fn never_accepted(report: &Value) -> Vec<String> {
    let accepted = |phases: &Value| {
        let phases = phases.as_object().unwrap().values();
        phases.map(|phase| phase["accepted"].as_u64().unwrap()).sum::<u64>()
    };
    let rates = report["valid_rates"].as_object().unwrap().iter();
    rates.filter(|(_, phases)| accepted(phases) == 0).map(|(operation, _)| operation.clone()).collect()
}

fn command(python: &str, paths: &str, url: &str, token: &str) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "openapi.json"])
        .args(["--url", url, "--include-path-regex", paths])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args([
            "--checks",
            "all",
            "--seed",
            SEED,
            "--max-examples",
            EXAMPLES,
            "--generation-database",
            "none",
        ])
        .args(["--continue-on-failure", "--no-color", "--workers", "1", "--request-timeout", "10"])
        .args(["--report", "json", "--report-json-path", "report.json"]);
    command
}

/// The served document, narrowed to rows that exist.
fn narrowed(running: &Running, root: &str) -> Value {
    let served = send(running.api, &request("GET", "/v1/openapi.json", "", Vec::new())).json();
    let references = fill(running, root);
    let devices = admin(running, root, "GET", "/admin/v1/devices", Vec::new()).json();
    let device = devices["devices"][0]["thumbprint"].clone();
    let mut document = served;
    for (path, item) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in item.as_object_mut().unwrap() {
            let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else {
                continue;
            };
            // A cursor is of one list, and the name of the list is not fixed. Nobody fell here and no issuer is crowded:
            // those listings have one page.
            let is_without = path.ends_with("{list}") || ONE_PAGE.contains(&path.as_str());
            parameters.retain(|parameter| !(is_without && parameter["name"] == "cursor"));
            for parameter in parameters {
                let values = match parameter["name"].as_str().unwrap() {
                    "reference" => json!(references),
                    "thumbprint" => json!([device]),
                    "partner" => json!([PARTNER]),
                    "If-Match" => json!(["*"]),
                    "version" => json!([1]),
                    "cursor" => json!([cursor(running, root, path)]),
                    "id" if path.contains("passkeys") => json!([1, 2]),
                    // Tokens that the run needs are not among those that it may revoke.
                    "id" if method == "delete" => json!((3..32).collect::<Vec<u64>>()),
                    _ => continue,
                };
                parameter["schema"]["enum"] = values;
            }
        }
    }
    // Families are those of the build, which no document lists.
    for body in ["PartnerBody", "LimitsBody"] {
        let families = &mut document["components"]["schemas"][body]["properties"]["families"];
        families["items"]["enum"] = json!(["none", "tpm"]);
    }
    // A generated name is one that exists from then on, and no longer a wrong one.
    let names: Vec<String> = (0..32).map(|number| format!("partner-{number}")).collect();
    document["components"]["schemas"]["PartnerBody"]["properties"]["name"]["enum"] = json!(names);
    let question = &mut document["components"]["schemas"]["DecideBody"]["properties"];
    question["event"]["enum"] = json!(["payment.transfer"]);
    question["principal"]["maxLength"] = json!(16);
    question["fields"] = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "amount": { "type": ["integer", "null"], "minimum": i64::MIN, "maximum": i64::MAX },
            "payee": { "type": ["string", "null"], "maxLength": 16 },
        },
    });
    document
}

/// Puts two rows into every listing; the references of two decisions.
fn fill(running: &Running, root: &str) -> Vec<String> {
    (0..32).for_each(|_| drop(token(running, root, &json!(["read"]))));
    for _ in 0..2 {
        let handle = running.handle.clone().unwrap();
        let challenge = handle.call_blocking(|core| core.enrol_challenge()).unwrap();
        let enrolment = running.world.enrolment(&running.world.device(), &challenge, None);
        handle.call_blocking(move |core| core.enrol(&enrolment)).unwrap();
    }
    let partner = json!({
        "name": PARTNER, "families": ["none"], "tier_max": "software", "daily_max": 1, "total_max": 1,
    });
    assert_eq!(post(running, root, "/admin/v1/partners", &partner).status, 201);
    for number in 1..=2 {
        passkey(running, root, number, "ann");
    }
    let backend = token(running, root, &json!(["decide"]));
    let decide = |body: &Value| {
        let mut ask = request("POST", "/v1/decide", "", body.to_string().into_bytes());
        ask.headers.push(("authorization".to_owned(), format!("Bearer {backend}")));
        send(running.api, &ask)
    };
    let rows = (1..=2).map(|id| {
        let item = json!({ "item": format!("m{id}"), "present": true });
        assert_eq!(post(running, root, "/admin/v1/lists/mules", &item).status, 200);
        let reference = decide(&question(id, &json!({}))).json()["reference"].as_str().unwrap().to_owned();
        assert_eq!(decide(&question(id, &json!({ "amount": 1 }))).status, 409, "leaves an incident");
        reference
    });
    rows.collect()
}

/// Where the second page of the listing begins.
fn cursor(running: &Running, root: &str, path: &str) -> String {
    let from = if path.ends_with("/events") { "&from=1" } else { "" };
    let page = admin(running, root, "GET", &format!("{path}?limit=1{from}"), Vec::new()).json();
    page["next"].as_str().unwrap_or_else(|| panic!("{path}: {page}")).to_owned()
}
