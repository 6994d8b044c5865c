//! Family `soter` against the corpus: every file, what is expected of it and by which clause; and what an attacker does with
//! genuine parts.

use crate::android::{Ask, line, secs};
use crate::corpus;
use crate::table::Line;
use glacis_attest::soter::{self, AskClaims, SoterClaims, SoterVoucher};
use glacis_attest::{
    Appraisal, AttestError, Claims, Code, Constraints, Question, Relaxation, anchors, public_key_of,
};
use glacis_seal::text::base64url;
use glacis_wire::{Tier, Trust};
use serde_json::{Value, json};

mod forged;

/// What `soter-samples/server-sample` of the source signs in its last statement.
const CHALLENGE: &[u8] = b"I'm a demo challenge string";
/// While the certificates of the corpus last.
const AT: &str = "2020-01-01T00:00Z";

/// One file of the corpus: what must come out, and why.
struct Row {
    file: &'static str,
    want: &'static str,
    clause: &'static str,
}

const fn row(file: &'static str, want: &'static str, clause: &'static str) -> Row {
    Row { file, want, clause }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("ask.pem", "key, RSA 2048", "RFC 7468 §13: SubjectPublicKeyInfo; the manifest's app key"),
    row("ask_cert_json.txt", "refused: name-chain; then malformed; then maker, counter 88", "RFC 5280 §6.1.3 (a)(4): the issuer's name is not the next subject's; §4.2.1.13: an empty cRLDistributionPoints is no SEQUENCE; both pass by name"),
    row("auth_key.pem", "key, RSA 2048", "RFC 7468 §13; it is the one in auth_key_json.txt"),
    row("auth_key_json.txt", "verified under ask.pem, salt 20, counter 240", "RFC 8017 §8.1.2, salt of 20 bytes where none is named"),
    row("auth_key_signature.bin", "signature of auth_key_json.txt", "the manifest: verified there with salt 20"),
    row("final_json.txt", "verified under auth_key.pem, salt 20, counter 246", "RFC 8017 §8.1.2; the counter is above that of the scene's key"),
    row("final_signature.bin", "signature of final_json.txt", "the manifest: verified there with salt 20"),
];

fn read(file: &str) -> Option<Vec<u8>> {
    corpus::bytes(&format!("tencent-soter/{file}"))
}

/// The parts of the corpus as evidence; the app's key is anchored, as a server does that had it confirmed.
fn parts() -> Option<(Value, Ask)> {
    let key = anchors(&read("ask.pem")?).unwrap().remove(0);
    let part = |json: &str, signature: &str| {
        Some(json!({"json": base64url(&read(json)?), "signature": base64url(&read(signature)?)}))
    };
    let body = json!({
        "ask": {"key": base64url(&key)},
        "auth_key": part("auth_key_json.txt", "auth_key_signature.bin")?,
        "final": part("final_json.txt", "final_signature.bin")?,
    });
    let mut ask = Ask::new(CHALLENGE, secs(AT));
    ask.anchors.roots.soter = vec![key];
    Some((body, ask))
}

fn appraise(ask: &Ask, body: &Value) -> Result<Appraisal, AttestError> {
    ask.appraise(soter::FAMILY, body.to_string().as_bytes())
}

fn claims(appraisal: &Appraisal) -> &SoterClaims {
    let Claims::Soter(claims) = &appraisal.claims else { panic!("{:?}", appraisal.claims) };
    claims
}

/// Checks an exported app key with these relaxations.
fn check_ask(ask: &Ask, exported: &[u8]) -> Result<AskClaims, AttestError> {
    let constraints = Constraints { allow: ask.allow.iter().copied().collect(), ..Constraints::default() };
    let question = Question {
        anchors: &ask.anchors,
        references: &ask.references,
        revocations: None,
        constraints: &constraints,
        challenge: &[],
        device_key: None,
        activation: None,
        now: ask.now,
    };
    soter::check_ask(exported, &question)
}

/// The exported chain, and a question that anchors its root by key.
fn exported() -> Option<(Vec<u8>, Ask)> {
    let bytes = read("ask_cert_json.txt")?;
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    let last = json["certs"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let root = glacis_attest::pem::certificates(last).unwrap().remove(0);
    let mut ask = Ask::new(&[], secs(AT));
    ask.anchors.roots.soter = vec![public_key_of(&root).unwrap()];
    Some((bytes, ask))
}

const QUIRKS: [Relaxation; 2] = [Relaxation::DangerNameChain, Relaxation::DangerLenientDer];

/// What a file turned out to be.
fn obtained(file: &str) -> Option<String> {
    let key = |file: &str| {
        let keys = anchors(&read(file)?).unwrap();
        // An `RSAPublicKey` of 2048 bits has 270 bytes; its `SubjectPublicKeyInfo` 294.
        let bits = if keys[0].len() == 294 { "2048" } else { "?" };
        Some(format!("key, RSA {bits}"))
    };
    let (body, ask) = parts()?;
    let good = appraise(&ask, &body).unwrap();
    let counter = |name: &str| {
        let json: Value = serde_json::from_slice(&read(name).unwrap()).unwrap();
        json["counter"].as_u64().unwrap()
    };
    // A statement or signature is what it is said to be if evidence holds with it and does not with another.
    let without = |part: &str, member: &str, other: &[u8]| {
        let mut changed = body.clone();
        changed[part][member] = json!(base64url(other));
        line(&appraise(&ask, &changed))
    };
    let signature = |part: &str, of: &str| {
        assert_eq!(without(part, "signature", &[0; 256]), "refused: signature");
        format!("signature of {of}")
    };
    Some(match file {
        "ask.pem" => key(file)?,
        "auth_key.pem" => {
            assert_eq!(anchors(&read(file)?).unwrap(), [claims(&good).scene_key.clone()]);
            key(file)?
        }
        "auth_key_json.txt" => format!("verified under ask.pem, salt 20, counter {}", counter(file)),
        "final_json.txt" => {
            assert_eq!(counter(file), claims(&good).counter);
            format!("verified under auth_key.pem, salt 20, counter {}", counter(file))
        }
        "auth_key_signature.bin" => signature("auth_key", "auth_key_json.txt"),
        "final_signature.bin" => signature("final", "final_json.txt"),
        "ask_cert_json.txt" => {
            let (bytes, ask) = exported()?;
            let strict = check_ask(&ask, &bytes).unwrap_err().code();
            let one = check_ask(&ask.clone().allowing(&QUIRKS[..1]), &bytes).unwrap_err().code();
            let both = check_ask(&ask.allowing(&QUIRKS), &bytes).unwrap();
            assert_eq!((both.voucher, both.relaxed.as_slice()), (SoterVoucher::Maker, &QUIRKS[..]));
            format!("refused: {strict}; then {one}; then maker, counter {}", both.counter)
        }
        other => panic!("{other}"),
    })
}

/// Every file of the family, for the table of the documentation; none where there is no corpus.
pub(crate) fn rows() -> Option<Vec<Line>> {
    let row = |row: &Row| {
        let file = format!("tencent-soter/{}", row.file);
        Some(Line::new(&file, row.want, &obtained(row.file)?, row.clause))
    };
    ROWS.iter().map(row).collect()
}

#[test]
fn every_file_of_the_corpus_comes_out_as_the_table_says() {
    for row in ROWS {
        let Some(found) = obtained(row.file) else { return };
        assert_eq!(found, row.want, "{} ({})", row.file, row.clause);
    }
    for found in corpus::files("tencent-soter").iter().filter(|file| !file.ends_with("MANIFEST.md")) {
        assert!(
            ROWS.iter().any(|row| format!("tencent-soter/{}", row.file) == *found),
            "{found} is in no row"
        );
    }
}

/// Every member of the source's JSON, field by field.
#[test]
fn claims_are_the_members_of_the_statements() {
    let Some((body, ask)) = parts() else { return };
    let found = appraise(&ask, &body).unwrap();
    assert_eq!(line(&Ok(found.clone())), "affirming, hardware:");
    assert_eq!((found.tier, found.trust), (Tier::Hardware, Trust::Claimed));
    let want: Value = serde_json::from_slice(&read("final_json.txt").unwrap()).unwrap();
    let got = found.claims.json().unwrap();
    for (claim, member) in [
        ("cpu_id", "cpu_id"),
        ("fid", "fid"),
        ("uid", "uid"),
        ("counter", "counter"),
        ("tee", "tee_n"),
        ("tee_version", "tee_v"),
        ("sensor", "fp_n"),
        ("sensor_version", "fp_v"),
    ] {
        assert_eq!(got[claim], want[member], "{claim}");
    }
    assert_eq!(got["voucher"], "app-key");
    let public = found.claims.public_json().unwrap();
    let mut rest = got.clone();
    rest.as_object_mut().unwrap().retain(|name, _| name != "cpu_id" && name != "fid");
    assert_eq!(public, rest, "results name neither the device nor a finger");
    // What names the device or a finger is for whoever may see it, and in no log and no record.
    let printed = format!("{found:?}");
    assert!(!printed.contains(want["cpu_id"].as_str().unwrap()) && !printed.contains("2313170"), "{printed}");
    assert_eq!(
        found.basis,
        glacis_attest::Basis::default(),
        "a key of one device is no basis that may be kept"
    );
}

#[test]
fn the_exported_chain_names_device_and_app_and_rests_on_the_root_alone() {
    let Some((bytes, ask)) = exported() else { return };
    let found = check_ask(&ask.clone().allowing(&QUIRKS), &bytes).unwrap();
    assert_eq!(found.cpu_id.expose(), "HUAWEI_HWLYA_b3161401-62fa-4d9b-a102-e12a79d814a6-54843a61");
    assert_eq!((found.uid.as_str(), found.counter), ("10147", 88));
    let at = |time: &str, more: &[Relaxation]| {
        let allow: Vec<Relaxation> = QUIRKS.iter().chain(more).copied().collect();
        check_ask(&Ask { now: secs(time), ..ask.clone() }.allowing(&allow), &bytes)
            .map_err(|error| error.code())
    };
    assert_eq!(at("2017-01-01T00:00Z", &[]).unwrap_err(), Code::NotYetValid);
    assert_eq!(
        at("2018-06-01T00:00Z", &[]).unwrap_err(),
        Code::NotYetValid,
        "the app's key alone is younger"
    );
    assert_eq!(at("2028-06-01T00:00Z", &[]).unwrap_err(), Code::Expired);
    assert!(at("2028-06-01T00:00Z", &[Relaxation::DangerExpired]).is_ok());
    let mut stranger = ask.clone().allowing(&QUIRKS);
    stranger.anchors.roots.soter = ask.anchors.roots.android.clone();
    assert_eq!(check_ask(&stranger, &bytes).unwrap_err().code(), Code::UnknownRoot);
    // No other family's relaxation helps, and no other family's root.
    stranger.allow.push(Relaxation::DangerSoftwareRoot);
    assert_eq!(check_ask(&stranger, &bytes).unwrap_err().code(), Code::UnknownRoot);
    stranger.allow.push(Relaxation::DangerUnanchored);
    assert_eq!(check_ask(&stranger, &bytes).unwrap().voucher, SoterVoucher::Nobody);
}

/// A PEM whose label says certificate and whose body is a key, as one of the source's later examples is.
#[test]
fn a_key_under_another_label_is_refused() {
    let Some(pem) = read("ask.pem") else { return };
    let text = String::from_utf8(pem).unwrap();
    for (begin, end) in
        [("CERTIFICATE----", "CERTIFICATE-----"), ("RSA PUBLIC KEY-----", "RSA PUBLIC KEY-----")]
    {
        let wrong = text.replacen("PUBLIC KEY-----", begin, 1).replacen(
            "END PUBLIC KEY-----",
            &format!("END {end}"),
            1,
        );
        assert_eq!(anchors(wrong.as_bytes()), None, "{begin}");
    }
}

#[test]
fn evidence_is_for_one_challenge_and_one_device_key() {
    let Some((body, ask)) = parts() else { return };
    let check = |ask: Ask| line(&appraise(&ask, &body));
    assert_eq!(check(Ask { challenge: b"other".to_vec(), ..ask.clone() }), "refused: challenge");
    assert_eq!(check(Ask { challenge: Vec::new(), ..ask.clone() }), "refused: challenge");
    // The bare challenge binds no device key.
    assert_eq!(check(Ask { device_key: Some(crate::device_key("x")), ..ask.clone() }), "refused: challenge");
    let mut stranger = ask.clone();
    stranger.anchors.roots.soter = ask.anchors.roots.android.clone();
    assert_eq!(check(stranger.clone()), "refused: unknown-root");
    assert_eq!(
        check(stranger.allowing(&[Relaxation::DangerUnanchored])),
        "none, software: unanchored relaxed"
    );
}

/// Parts in each other's places, missing, twice, of another family.
#[test]
fn parts_have_their_places() {
    let Some((body, ask)) = parts() else { return };
    let check = |body: &Value| line(&appraise(&ask, body));
    for name in ["ask", "auth_key", "final"] {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(check(&without), "refused: malformed", "{name}");
    }
    let with = |at: &[&str], value: Value| {
        let mut changed = body.clone();
        let mut place = &mut changed;
        for name in at {
            place = &mut place[*name];
        }
        *place = value;
        check(&changed)
    };
    assert_eq!(with(&["final"], body["auth_key"].clone()), "refused: malformed", "no challenge in it");
    assert_eq!(with(&["auth_key"], body["final"].clone()), "refused: malformed", "no key in it");
    assert_eq!(with(&["final", "signature"], body["auth_key"]["signature"].clone()), "refused: signature");
    assert_eq!(with(&["auth_key", "signature"], body["final"]["signature"].clone()), "refused: signature");
    assert_eq!(with(&["more"], json!(1)), "refused: malformed");
    assert_eq!(with(&["ask", "more"], json!(1)), "refused: malformed");
    assert_eq!(with(&["attk"], json!({"key": body["ask"]["key"]})), "refused: malformed", "two that vouch");
    assert_eq!(
        with(&["ask"], body["auth_key"].clone()),
        "refused: malformed",
        "a statement without its signer"
    );
    let text = body.to_string();
    let twice = text.replacen("{\"ask\":", "{\"final\":{},\"ask\":", 1);
    assert_eq!(line(&ask.appraise(soter::FAMILY, twice.as_bytes())), "refused: malformed", "a member twice");
    for family in ["android-key", "app-attest", "play-integrity", "tpm", "webauthn"] {
        if glacis_attest::FAMILIES.contains(&family) {
            assert!(ask.appraise(family, text.as_bytes()).is_err(), "{family}");
        }
    }
}

#[test]
fn no_cut_evidence_is_believed() {
    let Some((body, ask)) = parts() else { return };
    let bytes = body.to_string().into_bytes();
    for len in 0..bytes.len() {
        assert!(ask.appraise(soter::FAMILY, &bytes[..len]).is_err(), "cut to {len}");
    }
    for part in ["auth_key", "final"] {
        for (member, file) in
            [("json", format!("{part}_json.txt")), ("signature", format!("{part}_signature.bin"))]
        {
            let whole = read(&file).unwrap();
            for len in 0..whole.len() {
                let mut changed = body.clone();
                changed[part][member] = json!(base64url(&whole[..len]));
                assert!(appraise(&ask, &changed).is_err(), "{file} cut to {len}");
            }
        }
    }
    let Some((exported, ask)) = exported() else { return };
    let ask = ask.allowing(&QUIRKS);
    for len in 0..exported.len() {
        assert!(check_ask(&ask, &exported[..len]).is_err(), "the chain cut to {len}");
    }
}

/// No bit of the evidence is without a meaning: the list of those that may be flipped is empty.
#[test]
fn no_bit_of_the_evidence_may_be_flipped() {
    let Some((body, ask)) = parts() else { return };
    let bytes = body.to_string().into_bytes();
    let passed = flips(&bytes, |flipped| ask.appraise(soter::FAMILY, flipped).is_ok());
    assert_eq!(passed, [0; 0], "of {} bits", 8 * bytes.len());
    for part in ["auth_key", "final"] {
        for (member, file) in
            [("json", format!("{part}_json.txt")), ("signature", format!("{part}_signature.bin"))]
        {
            let passed = flips(&read(&file).unwrap(), |flipped| {
                let mut changed = body.clone();
                changed[part][member] = json!(base64url(flipped));
                appraise(&ask, &changed).is_ok()
            });
            assert_eq!(passed, [0; 0], "{file}");
        }
    }
    for file in ["ask.pem", "auth_key.pem"] {
        let bytes = read(file).unwrap();
        let key = anchors(&bytes).unwrap();
        let passed = flips(&bytes, |flipped| anchors(flipped).is_some_and(|found| found == key));
        assert_eq!(passed, [0; 0], "{file}: another key, or none");
    }
}

/// Places of the bits that may be flipped.
fn flips(bytes: &[u8], passes: impl Fn(&[u8]) -> bool) -> Vec<usize> {
    let mut flipped = bytes.to_vec();
    let mut passed = Vec::new();
    for bit in 0..8 * bytes.len() {
        flipped[bit / 8] ^= 1 << (bit % 8);
        if passes(&flipped) {
            passed.push(bit);
        }
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    passed
}

/// The chain is longer than 4 KiB; one bit of every byte of each certificate is flipped behind its PEM. What may be flipped
/// is the last certificate beside its key, since the key is the anchor; it changes nothing that is claimed.
#[test]
fn a_flipped_bit_of_the_chain_is_refused_or_in_the_certificate_of_the_anchor() {
    let Some((exported, ask)) = exported() else { return };
    let ask = ask.allowing(&QUIRKS);
    let genuine = check_ask(&ask, &exported).unwrap();
    let json: Value = serde_json::from_slice(&exported).unwrap();
    let pem = |der: &[u8]| json!(forged::pem("CERTIFICATE", der));
    let certs: Vec<Vec<u8>> = json["certs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cert| glacis_attest::pem::certificates(cert.as_str().unwrap()).unwrap().remove(0))
        .collect();
    for (place, cert) in certs.iter().enumerate() {
        let mut list: Vec<Value> = certs.iter().map(|cert| pem(cert)).collect();
        for at in 0..cert.len() {
            let mut flipped = cert.clone();
            flipped[at] ^= 1 << (at % 8);
            list[place] = pem(&flipped);
            let outcome = check_ask(&ask, json!({ "certs": list }).to_string().as_bytes());
            if let Ok(found) = outcome {
                assert_eq!((place, &found), (3, &genuine), "certificate {place}, byte {at}");
            }
        }
    }
}
