//! Signed results, from the appraisal to whoever relies on them; and what a folder of results and manifests is said to be.

use super::{REGISTRATION, corpus, document};
use crate::{code, glacis, keys, stderr, stdout};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Keys of a tenant, in a folder that is gone with the first value.
fn ring(tenant: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("keys");
    let output = keys(&dir, &["make"], &["--tenant", tenant, "--realm", "demo"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    (folder, dir)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// A refusal, signed: the registration is for another challenge.
fn sign(folder: &Path, dir: &Path, form: &str, rest: &[&str]) -> std::process::Output {
    let evidence = folder.join("registration.json");
    std::fs::write(&evidence, REGISTRATION).expect("a file");
    let base =
        ["attest", "verify", "--family", "webauthn", "--evidence", text(&evidence), "--challenge", "00"];
    glacis(&[&base[..], &["--ear", form, "--keys", text(dir)], rest].concat())
}

fn reasons(found: &Value) -> &Value {
    found.pointer("/reasons/0/code").unwrap_or(&Value::Null)
}

#[test]
fn a_signed_result_is_verified_by_whoever_has_the_keys_and_by_nobody_else() {
    let ((folder, dir), (_other, others)) = (ring("acme"), ring("acme"));
    for form in ["jwt", "cwt"] {
        let nonce = ["--nonce", "0102030405060708"];
        let signed = sign(folder.path(), &dir, form, &nonce);
        assert_eq!(code(&signed), 1, "the evidence is refused, and the result says so: {}", stderr(&signed));
        let token = folder.path().join(format!("printed.{form}"));
        std::fs::write(&token, stdout(&signed)).expect("a file");
        let read = |rest: &[&str]| document(&[&["attest", "result", text(&token)], rest].concat());
        let (exit, found) = read(&[&["--keys", text(&dir)], &nonce[..]].concat());
        assert_eq!(
            (exit, &found["status"], &found["verified"]),
            (0, &json!("contraindicated"), &json!(true)),
            "{found}"
        );
        let claims = &found["claims"];
        assert_eq!(claims["aud"], "glacis/ear/v1/acme/demo");
        let detail = &claims["submods"]["webauthn"]["urn:glacis:attest:appraisal"];
        assert!(detail["reasons"][0]["code"].is_string(), "{claims}");
        let set = folder.path().join("set.json");
        std::fs::write(&set, keys(&dir, &["export"], &[]).stdout).expect("a file");
        assert_eq!(read(&["--key-set", text(&set)]).0, 0, "what devices are given is enough");
        let (exit, found) = read(&["--keys", text(&others)]);
        assert_eq!((exit, reasons(&found)), (1, &json!("result-key")), "keys of another installation");
        let (exit, found) = read(&["--keys", text(&dir), "--nonce", "ffffffffffffffff"]);
        assert_eq!((exit, reasons(&found)), (1, &json!("result-nonce")));
        let (exit, found) = read(&["--keys", text(&dir), "--at", "+2h"]);
        assert_eq!((exit, reasons(&found)), (1, &json!("result-expired")));
        let (exit, found) = read(&["--keys", text(&dir), "--at", "2020-01-01T00:00:00Z"]);
        assert_eq!((exit, reasons(&found)), (1, &json!("result-not-yet-valid")));
        assert_eq!(read(&[]).0, 2, "nothing signed is shown unverified");
        let shown = glacis(&["attest", "result", text(&token), "--keys", text(&dir)]);
        assert!(
            stdout(&shown).starts_with("contraindicated verified, by Glacis (glacis "),
            "{}",
            stdout(&shown)
        );
        // A letter changed.
        let changed = stdout(&signed).trim().chars().rev().collect::<String>();
        let changed = changed.replacen(|letter| letter != 'A', "A", 1).chars().rev().collect::<String>();
        std::fs::write(&token, changed).expect("a file");
        let (exit, found) = document(&["attest", "result", text(&token), "--keys", text(&dir)]);
        assert_eq!((exit, &found["claims"]), (1, &Value::Null), "{found}");
    }
}

#[test]
fn a_result_is_written_to_a_new_file_and_never_over_another() {
    let (folder, dir) = ring("acme");
    let path = folder.path().join("result.cwt");
    let out = ["--out", text(&path)];
    let written = sign(folder.path(), &dir, "cwt", &out);
    assert_eq!((code(&written), stdout(&written).contains("contraindicated: ")), (1, true));
    let bytes = std::fs::read(&path).expect("a file");
    assert_eq!(bytes.get(..3), Some(&[0xd8, 61, 0xd2][..]), "bytes, with both tags");
    let (exit, found) = document(&["attest", "result", text(&path), "--keys", text(&dir)]);
    assert_eq!((exit, &found["verified"]), (0, &json!(true)));
    assert_eq!(code(&sign(folder.path(), &dir, "cwt", &out)), 4);
    assert_eq!(std::fs::read(&path).expect("a file"), bytes);
}

#[test]
fn wrong_usage_of_results_is_exit_code_2() {
    let (folder, dir) = ring("acme");
    let path = folder.path().join("registration.json");
    std::fs::write(&path, REGISTRATION).expect("a file");
    let base = ["attest", "verify", "--family", "webauthn", "--evidence", text(&path), "--challenge", "00"];
    for rest in [
        &["--ear", "jwt"][..],
        &["--keys", text(&dir)],
        &["--ear", "xml", "--keys", text(&dir)],
        &["--ear", "jwt", "--keys", text(&dir), "--nonce", "00"],
        &["--ear", "jwt", "--keys", text(&dir), "--nonce", "§"],
        &["--out", "x"],
    ] {
        assert_eq!(code(&glacis(&[&base[..], rest].concat())), 2, "{rest:?}");
    }
    for rest in [
        &["--key", text(&path)][..],
        &["--audience", "x"],
        &["--keys", text(&dir), "--key", text(&path)],
        &["--nonce", "00"],
    ] {
        assert_eq!(code(&glacis(&[&["attest", "result", text(&path)], rest].concat())), 2, "{rest:?}");
    }
    assert_eq!(code(&glacis(&["attest", "result", "no-such-file"])), 4);
    let (exit, found) = document(&["attest", "result", text(&path)]);
    assert_eq!((exit, reasons(&found)), (1, &json!("result-malformed")), "a registration is no result");
}

#[test]
fn the_corpus_of_results_and_manifests_is_read() {
    let Some(folder) = corpus("ear-corim") else { return };
    let (exit, rows) = document(&["attest", "corpus", &folder]);
    assert_eq!(exit, 0);
    let what = |file: &str| {
        let all = rows.as_array().expect("rows");
        let row = all.iter().find(|row| row["file"] == file).unwrap_or_else(|| panic!("{file}: {rows}"));
        row["what"].as_str().unwrap_or_default().to_owned()
    };
    for (file, want) in [
        ("ear/ear-claims.json", "attestation result, not signed: affirming"),
        ("ear/pkey.json", "public key, ES256"),
        ("corim/corim/testcases/corim-1.cbor", "manifest, not signed: reference values of 1 environments"),
        (
            "corim/corim/testcases/signed-good-corim.cbor",
            "manifest signed in the name of ACME Ltd signing key: reference values of 1 environments",
        ),
        ("corim/comid/testcases/comid-2b.cbor", "module: reference values of 3 environments"),
        ("corim/coev/testcases/ce-evidence.cbor", "concise evidence of 1 environments"),
        ("corim/coserv/testvectors/rv-class-simple.cbor", "query for reference values of 1 environments"),
        ("corim/corim/testcases/corim.json", "template of a manifest, by ACME Ltd."),
    ] {
        assert_eq!(what(file), want, "{file}");
    }
    let unknown: Vec<&Value> =
        rows.as_array().expect("rows").iter().filter(|row| row["outcome"] == "unknown").collect();
    let texts = |row: &&Value| {
        [".diag", ".md"].iter().any(|end| row["file"].as_str().is_some_and(|file| file.ends_with(end)))
    };
    assert!(unknown.iter().all(texts), "only texts for people are unknown: {unknown:?}");
    let path = format!("{folder}/ear/ear-claims.json");
    let (exit, found) = document(&["attest", "result", &path]);
    assert_eq!((exit, &found["status"], &found["verified"]), (0, &json!("affirming"), &json!(false)));
}
