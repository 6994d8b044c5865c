//! `glacis attest` as a person or a script meets it.

use crate::{code, glacis, stderr, stdout};
use serde_json::{Value, json};
use std::path::PathBuf;

mod results;

/// A registration without a statement: data of the standard's form, signed by nobody.
const REGISTRATION: &str = r#"{"id":"aWQ","rawId":"aWQ","type":"public-key","response":{"attestationObject":"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVhU5sa2nx7cKDdyeFPzcVqUbMGN6Zl-oH0OI3Y7y9KAKWVBAAAAAQAAAAAAAAAAAAAAAAAAAAAAAmlk","clientDataJSON":"e30"}}"#;

/// A file of the corpus of real evidence; `None` (said aloud) where there is none, which is a failure in CI.
#[expect(clippy::disallowed_methods, reason = "tests find the corpus through the environment")]
fn corpus(file: &str) -> Option<String> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("GLACIS_VECTORS").map_or_else(default, PathBuf::from).join(file);
    if path.exists() {
        return Some(path.to_string_lossy().into_owned());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no corpus: {}", path.display());
    println!("skipped: no corpus ({})", path.display());
    None
}

fn document(args: &[&str]) -> (i32, Value) {
    let output = glacis(&[args, &["--json"]].concat());
    let document = serde_json::from_str(&stdout(&output)).unwrap_or(Value::Null);
    (code(&output), document)
}

const CHAIN: &str = "android-key-attestation/caiman/sdk36/SB_EC_RKP.pem";
const CHALLENGE: &str = "37636361633165612d343834352d343832652d383538642d663666613961613863323935";

#[test]
fn a_genuine_chain_is_affirming_and_exits_0_and_anything_less_exits_1() {
    let (Some(chain), Some(list)) = (corpus(CHAIN), corpus("android-key-attestation/status.json")) else {
        return;
    };
    let base =
        ["attest", "verify", "--family", "android-key", "--evidence", &chain, "--challenge", CHALLENGE];
    let at = ["--at", "2025-09-26T15:31:00Z"];
    let listed = [&base[..], &at, &["--collateral", &list]].concat();
    let (exit, found) = document(&listed);
    assert_eq!(
        (exit, &found["status"], &found["tier"]),
        (0, &"affirming".into(), &"strong".into()),
        "{found}"
    );
    assert_eq!(found["vector"]["hardware"], 2);
    let facts = ["key.place", "boot.state", "boot.locked", "app.identity"].map(|name| &found["facts"][name]);
    assert_eq!(facts, [&json!("element"), &json!("verified"), &json!(true), &json!("unasked")]);
    assert_eq!(found["kept_by"], json!(["attested/app-not-ours"]));
    assert!(found["policy"].as_str().is_some_and(|id| id.starts_with("urn:glacis:appraisal:")), "{found}");
    let told = glacis(&listed);
    assert!(stdout(&told).contains("\nkept      from attested by app-not-ours\n"), "{}", stdout(&told));
    assert_eq!(found["claims"]["description"]["hardware_enforced"]["os_patch_level"], 202_511);
    assert_eq!((&found["reasons"], &found["relaxed"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let ours = "app=com.google.android.attestation,signer=10393be3b914df967a3b9e0bd0d6e8";
    assert_eq!(code(&glacis(&[&listed[..], &["--expect", ours]].concat())), 2, "half a digest");
    let (exit, foreign) = document(&[&listed[..], &["--expect", "app=com.example"]].concat());
    assert_eq!((exit, &foreign["reasons"][0]["code"]), (1, &"app-foreign".into()), "{foreign}");
    let (exit, bare) = document(&[&base[..], &at].concat());
    assert_eq!((exit, &bare["status"]), (1, &"refused".into()));
    assert_eq!(bare["reasons"][0]["code"], "no-revocation-list");
    let (exit, allowed) = document(&[&base[..], &at, &["--allow", "danger_no_revocation_list"]].concat());
    assert_eq!((exit, &allowed["tier"]), (0, &"software".into()), "{allowed}");
    assert_eq!(allowed["relaxed"][0], "danger_no_revocation_list");
    let kept = ["app-not-ours", "stale", "relaxed"].map(|rule| format!("attested/{rule}"));
    let kept = json!([&kept[..], &["hardware/stale".to_owned(), "hardware/relaxed".to_owned()]].concat());
    assert_eq!(allowed["kept_by"], kept);
    let facts = ["evidence.relaxed", "evidence.fresh"].map(|name| &allowed["facts"][name]);
    assert_eq!(facts, [&json!(true), &json!(false)], "no list was asked");
    let late = glacis(&[&base[..], &["--collateral", &list, "--at", "2026-01-01T00:00:00Z"]].concat());
    assert_eq!(code(&late), 1);
    assert!(stdout(&late).contains("expired: A certificate of the chain has ended."), "{}", stdout(&late));
}

#[test]
fn wrong_usage_is_exit_code_2_and_a_missing_file_4() {
    let base = ["attest", "verify", "--evidence", "no-such-file", "--family"];
    for rest in [
        &["sgx", "--challenge", "00"][..],
        &["android-key"],
        &["android-key", "--challenge", "§"],
        &["android-key", "--challenge", "00", "--at", "yesterday"],
        &["android-key", "--challenge", "00", "--allow", "everything"],
        &["android-key", "--challenge", "00", "--expect", "app"],
        &["android-key", "--challenge", "00", "--expect", "colour=red"],
    ] {
        assert_eq!(code(&glacis(&[&base[..], rest].concat())), 2, "{rest:?}");
    }
    let missing = glacis(&[&base[..], &["android-key", "--challenge", "00"]].concat());
    assert_eq!(code(&missing), 4);
    assert!(stderr(&missing).contains("G7023"), "{}", stderr(&missing));
    assert_eq!(code(&glacis(&["attest", "corpus", "no-such-folder"])), 4);
}

#[test]
fn every_code_is_explained_and_no_other() {
    let (exit, list) = document(&["attest", "explain", "--list"]);
    assert_eq!(exit, 0);
    let list = list.as_array().cloned().unwrap_or_default();
    assert!(list.len() > 50, "{}", list.len());
    for entry in list {
        let name = entry["code"].as_str().unwrap_or_default();
        let shown = glacis(&["attest", "explain", name]);
        assert_eq!(code(&shown), 0, "{name}");
        assert!(stdout(&shown).contains(entry["what"].as_str().unwrap_or("?")), "{name}");
    }
    assert_eq!(code(&glacis(&["attest", "explain", "G4007"])), 4);
}

/// Whatever lies in a folder gets a line, and nothing stops the others.
#[test]
fn a_corpus_of_anything_is_read_to_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).expect("a folder");
    let pem = "-----BEGIN CERTIFICATE-----\nAQI=\n-----END CERTIFICATE-----\n";
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("noise", &[0x30, 0x80, 0xff, 0, 1]),
        ("registration.json", REGISTRATION.as_bytes()),
        ("text.pem", pem.as_bytes()),
        ("list.json", br#"{"entries":{"1":{"status":"REVOKED"}}}"#),
        ("other.json", br#"{"response":{"attestationObject":1}}"#),
        ("app.yaml", b"attestationBase64: AAAA\nclientDataBase64: AAAA\n"),
    ] {
        std::fs::write(inner.join(name), bytes).expect("a file");
    }
    std::fs::write(folder.path().join("long"), vec![b'['; 200_000]).expect("a file");
    let (exit, rows) = document(&["attest", "corpus", &folder.path().to_string_lossy()]);
    assert_eq!(exit, 0);
    let rows = rows.as_array().cloned().unwrap_or_default();
    let word = |file: &str| rows.iter().find(|row| row["file"] == file).map(|row| row["outcome"].clone());
    for (file, want) in [
        ("inner/empty", "unknown"),
        ("inner/noise", "unknown"),
        ("inner/registration.json", "refused"),
        ("inner/text.pem", "parsed"),
        ("inner/list.json", "parsed"),
        ("inner/other.json", "unknown"),
        ("inner/app.yaml", "refused"),
        ("long", "unknown"),
    ] {
        assert_eq!(word(file), Some(want.into()), "{file}");
    }
    assert_eq!(rows.len(), 8);
}

/// Evidence that is none, wrapped: the record says which verifier it is for.
#[test]
fn a_record_names_its_family() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let cbor = file("record.cbor", &glacis_wire::cmw::cbor_record("tpm", b"noise"));
    let json = file("record.json", glacis_wire::cmw::json_record("tpm", "bm9pc2U").as_bytes());
    for record in [&cbor, &json] {
        let base = ["attest", "verify", "--evidence", record, "--challenge", "00"];
        let (exit, found) = document(&base);
        assert_eq!((exit, &found["family"], &found["status"]), (1, &"tpm".into(), &"refused".into()));
        assert_eq!(found["reasons"][0]["code"], "malformed");
        assert_eq!(document(&[&base[..], &["--family", "tpm"]].concat()).0, 1);
        assert_eq!(code(&glacis(&[&base[..], &["--family", "webauthn"]].concat())), 2, "two families");
    }
    let foreign = file("foreign.json", br#"["application/eat+cwt","bm9pc2U",4]"#);
    let bare = file("bare", b"noise");
    for (evidence, rest) in [
        (&foreign, &[][..]),
        (&bare, &[]),
        (&cbor, &["--realm", "test"]),
        (&cbor, &["--tenant", "No Name"]),
        (&cbor, &["--activation", "00"]),
        (&cbor, &["--anchor", &bare]),
        (&cbor, &["--expect", "boot-authority=00"]),
    ] {
        let base = ["attest", "verify", "--evidence", evidence, "--challenge", "00"];
        assert_eq!(code(&glacis(&[&base[..], rest].concat())), 2, "{evidence} {rest:?}");
    }
}

/// The parts of the corpus as evidence, with the app's key as the anchor.
fn soter(folder: &std::path::Path) -> Option<(String, String)> {
    use glacis_seal::text::base64url;
    let key = corpus("tencent-soter/ask.pem")?;
    let read = |name: &str| std::fs::read(corpus(&format!("tencent-soter/{name}"))?).ok();
    let signed = |json: &str, signature: &str| {
        Some(serde_json::json!({"json": base64url(&read(json)?), "signature": base64url(&read(signature)?)}))
    };
    let info = glacis_attest::anchors(&read("ask.pem")?)?.pop()?;
    let body = serde_json::json!({
        "ask": {"key": base64url(&info)},
        "auth_key": signed("auth_key_json.txt", "auth_key_signature.bin")?,
        "final": signed("final_json.txt", "final_signature.bin")?,
    });
    let path = folder.join("soter.json");
    std::fs::write(&path, body.to_string()).expect("a file");
    Some((path.to_string_lossy().into_owned(), key))
}

#[test]
fn statements_of_soter_verify_under_an_anchored_key_and_their_parts_are_recognised() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((evidence, key)) = soter(folder.path()) else { return };
    // "I'm a demo challenge string"
    let challenge = "49276d20612064656d6f206368616c6c656e676520737472696e67";
    let base = ["attest", "verify", "--family", "soter", "--evidence", &evidence, "--challenge", challenge];
    let (exit, found) = document(&[&base[..], &["--anchor", &key]].concat());
    assert_eq!(
        (exit, &found["status"], &found["tier"]),
        (0, &"affirming".into(), &"hardware".into()),
        "{found}"
    );
    assert_eq!((&found["claims"]["counter"], &found["claims"]["uid"]), (&246.into(), &"10115".into()));
    let (exit, stranger) = document(&base);
    assert_eq!((exit, &stranger["reasons"][0]["code"]), (1, &"unknown-root".into()));
    let keyed = [&base[..], &["--anchor", &key, "--device-key"]].concat();
    assert_eq!(code(&glacis(&[&keyed[..], &["00"]].concat())), 2, "no point");
    let point = format!("04{}", "00".repeat(64));
    let (exit, unbound) = document(&[&keyed[..], &[&point]].concat());
    assert_eq!((exit, &unbound["reasons"][0]["code"]), (1, &"challenge".into()), "bound to no key");
    let (_, rows) = document(&["attest", "corpus", &folder.path().to_string_lossy()]);
    assert_eq!((&rows[0]["outcome"], &rows[0]["status"]), (&"verified".into(), &"none".into()), "{rows}");
    let Some(corpus) = corpus("tencent-soter") else { return };
    let (_, rows) = document(&["attest", "corpus", &corpus]);
    let outcome = |file: &str| {
        let all = rows.as_array().expect("rows");
        let row = all.iter().find(|row| row["file"] == file).unwrap_or_else(|| panic!("{file}: {rows}"));
        (
            row["outcome"].as_str().unwrap_or_default().to_owned(),
            row["what"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let key = outcome("ask_cert_json.txt");
    assert_eq!(key.0, "verified", "{key:?}");
    for needed in ["counter 88", "danger_unanchored", "danger_name_chain", "danger_lenient_der"] {
        assert!(key.1.contains(needed), "{needed}: {key:?}");
    }
    assert_eq!(outcome("ask.pem"), ("parsed".to_owned(), "public key".to_owned()));
    assert!(outcome("final_json.txt").1.contains("without its signature"));
    assert!(outcome("auth_key_json.txt").1.contains("without its signature"));
    assert_eq!(outcome("final_signature.bin").0, "unknown");
}

#[test]
fn verdicts_of_play_integrity_open_with_the_keys_that_the_console_shows() {
    use glacis_seal::text::base64url;
    use glacis_seal::{Secret, SigningKey, jwe, jws};
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    // Scalar 1: its public key is the generator of P-256.
    let google = SigningKey::from_scalar(&std::array::from_fn(|at| u8::from(at == 31))).expect("a key");
    let payload = serde_json::json!({
        "requestDetails": {
            "requestPackageName": "com.example", "requestHash": base64url(b"challenge"),
            "timestampMillis": "1767225600000",
        },
        "deviceIntegrity": {"deviceRecognitionVerdict": ["MEETS_DEVICE_INTEGRITY"]},
    });
    let inner =
        jws::sign_es256(&google, br#"{"alg":"ES256"}"#, payload.to_string().as_bytes()).expect("a token");
    let header = br#"{"alg":"A256KW","enc":"A256GCM"}"#;
    let zeros = jwe::WrapKey::new([0; 32]);
    let token =
        jwe::seal(header, inner.as_bytes(), &zeros, (&Secret::new([1; 32]), [2; 12])).expect("a token");
    let evidence = file("token.txt", &format!("{token}\n"));
    let keys = file(
        "play.keys",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
         MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n",
    );
    let base = ["attest", "verify", "--family", "play-integrity", "--evidence", &evidence, "--challenge"];
    let at = ["6368616c6c656e6765", "--at", "2026-01-01T00:05:00Z"];
    let keyed = [&base[..], &at, &["--play-keys", &keys]].concat();
    let (exit, found) = document(&keyed);
    assert_eq!(
        (exit, &found["status"], &found["tier"]),
        (0, &"affirming".into(), &"software".into()),
        "{found}"
    );
    assert_eq!(found["reasons"][0]["code"], "key-unproven");
    assert_eq!(found["claims"]["device"][0], "MEETS_DEVICE_INTEGRITY");
    let (exit, bare) = document(&[&base[..], &at].concat());
    assert_eq!((exit, &bare["reasons"][0]["code"]), (1, &"no-token-keys".into()));
    let (exit, foreign) = document(&[&keyed[..], &["--expect", "app=other.app"]].concat());
    assert_eq!((exit, &foreign["reasons"][0]["code"]), (1, &"app".into()));
    assert_eq!(code(&glacis(&[&keyed[..], &["--play-keys", &evidence]].concat())), 2, "no keys in there");
    let (_, rows) = document(&["attest", "corpus", &folder.path().to_string_lossy()]);
    let sealed = rows.as_array().and_then(|rows| rows.iter().find(|row| row["file"] == "token.txt"));
    assert_eq!(sealed.map(|row| &row["outcome"]), Some(&"parsed".into()), "{rows}");
}

#[test]
fn the_corpus_of_tpms_is_read() {
    let Some(folder) = corpus("tpm") else { return };
    let (exit, rows) = document(&["attest", "corpus", &folder]);
    assert_eq!(exit, 0);
    let row = |file: &str| {
        let all = rows.as_array().expect("rows");
        all.iter().find(|row| row["file"] == file).unwrap_or_else(|| panic!("{file}: {rows}")).clone()
    };
    let what = |file: &str| row(file)["what"].as_str().unwrap_or_default().to_owned();
    let log = what("go-tpm-tools/eventlogs/cos-93-amd-sev.bin");
    assert_eq!(log, "log of measured boot, 45 events: secure boot on, 3 loaders");
    assert!(what("go-attestation/crypto_agile_eventlog").contains("secure boot not shown"));
    assert_eq!(what("platform-certs/Intel_pc2.cer"), "platform certificate of Intel DE3815TYKH H26998-402");
    let dump = row("go-attestation/windows_gcp_shielded_vm.json");
    assert_eq!(dump["outcome"], "verified", "{dump}");
    let quotes = row("go-tpm-tools/gce-cos-85-nonce9009.pb");
    assert_eq!(
        (&quotes["outcome"], quotes["quotes"].as_array().map(Vec::len)),
        (&"verified".into(), Some(3))
    );
    let second = quotes["quotes"][1]["what"].as_str().unwrap_or_default();
    assert!(second.starts_with("bank 0x000b, ") && second.contains("secure boot on"), "{second}");
    assert_eq!(row("keylime/binary_bios_measurements-bogus")["outcome"], "unknown");
}
