//! Family `app-attest` against the corpus: attestations, assertions, receipts; and what an attacker does with them.

use crate::android::{Ask, line};
use crate::table::Line;
use crate::{corpus, forge};
use glacis_attest::apple::{
    self, AppAttestClaims, Environment, ReceiptKind, Stored, check_assertion, check_receipt,
};
use glacis_attest::{Appraisal, Claims, Code, References, Relaxation, Roots};
use glacis_seal::text::parse_base64;
use glacis_wire::message::PublicKey;
use glacis_wire::{Tier, Timestamp, Trust};
use std::collections::BTreeMap;
use std::time::Duration;

/// The documents of a file, each as the values of its plain members. These files use no more of YAML than that.
fn documents(file: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let text = corpus::text(&format!("apple-app-attest/{file}"))?;
    let read = |document: &str| {
        let members = document.lines().filter_map(|line| line.trim().split_once(':'));
        members.map(|(name, value)| (name.to_owned(), value.trim().trim_matches('\'').to_owned())).collect()
    };
    Some(format!("\n{text}").split("\n---\n").skip(1).map(read).collect())
}

const FILES: &[&str] = &[
    "ios-14.2.yaml",
    "ios-14.3-beta-2.yaml",
    "ios-14.3-beta-3.yaml",
    "ios-14.4-beta-1.yaml",
    "ios-14.4.yaml",
];

fn of_kind<'d>(documents: &'d [BTreeMap<String, String>], kind: &str) -> Vec<&'d BTreeMap<String, String>> {
    documents
        .iter()
        .filter(|document| document.get("receiptBase64").is_some() == (kind == "receipt"))
        .filter(|document| kind == "receipt" || document.get("type").is_some_and(|found| found == kind))
        .collect()
}

fn base64(document: &BTreeMap<String, String>, name: &str) -> Vec<u8> {
    parse_base64(&document[name]).unwrap()
}

fn app(document: &BTreeMap<String, String>) -> String {
    format!("{}.{}", document["teamIdentifier"], document["bundleIdentifier"])
}

/// The time of a document: `2021-01-23T12:13:33.335Z`, to the minute.
fn at(document: &BTreeMap<String, String>, name: &str) -> Timestamp {
    crate::android::secs(&document[name]).after(Duration::from_secs(60))
}

/// A genuine attestation and how to ask about it.
fn genuine(file: &str) -> Option<(Vec<u8>, Ask, Vec<BTreeMap<String, String>>)> {
    let documents = documents(file)?;
    let attestation = of_kind(&documents, "attestation")[0];
    let mut ask = Ask::new(&base64(attestation, "clientDataBase64"), at(attestation, "timestamp"))
        .allowing(&[Relaxation::DangerDevelopment]);
    ask.references =
        References { apple_apps: vec!["A.b.c".to_owned(), app(attestation)], ..References::default() };
    let body = base64(attestation, "attestationBase64");
    Some((body, ask, documents))
}

fn claims(appraisal: &Appraisal) -> &AppAttestClaims {
    let Claims::AppAttest(claims) = &appraisal.claims else { panic!("{:?}", appraisal.claims) };
    claims
}

const DEVELOPMENT: &str = "affirming, software: relaxed";

/// Every file of the family, for the table of the documentation; none where there is no corpus.
pub(crate) fn rows() -> Option<Vec<Line>> {
    let mut rows = Vec::new();
    for file in FILES {
        let (body, ask, documents) = genuine(file)?;
        let outcome = ask.appraise(apple::FAMILY, &body);
        let verified = outcome.as_ref().ok().map_or((0, 0), |found| {
            let key = claims(found).key;
            let asserted = of_kind(&documents, "assertion").into_iter().filter(|document| {
                let (app, counter) = (app(document), document["counter"].parse().ok());
                let stored = Stored { key: &key, app: &app, counter: 0 };
                let data = base64(document, "clientDataBase64");
                let found = check_assertion(&base64(document, "assertionBase64"), &data, &stored);
                found.ok().map(|found| found.counter) == counter
            });
            let receipts = of_kind(&documents, "receipt").into_iter().filter(|document| {
                let (bytes, app, now) =
                    (base64(document, "receiptBase64"), app(document), at(document, "creationTime"));
                check_receipt(&bytes, &Roots::vendors().apple, &app, &key, now).is_ok()
            });
            (asserted.count(), receipts.count())
        });
        let shown = |first: &str, (assertions, receipts): (usize, usize)| {
            format!("{first}; assertions {assertions}, receipts {receipts}")
        };
        let all = (of_kind(&documents, "assertion").len(), of_kind(&documents, "receipt").len());
        let (want, found) = (shown(DEVELOPMENT, all), shown(&line(&outcome), verified));
        rows.push(Line::new(&format!("apple-app-attest/{file}"), &want, &found, OWN_TIME));
    }
    let (_, ask, _) = genuine("ios-14.4.yaml")?;
    let sample = line(&ask.appraise(apple::FAMILY, &takimoto()?));
    let file = "apple-app-attest/ios-14.4.takimoto3.json";
    rows.push(Line::new(file, DEVELOPMENT, &sample, "the attestation of ios-14.4.yaml"));
    let (body, ask) = sample_of_2024()?;
    let sample = line(&ask.appraise(apple::FAMILY, &body));
    let file = "apple-app-attest/node-attestation-development.json";
    rows.push(Line::new(
        file,
        "refused: development",
        &sample,
        "development is refused where it is not allowed",
    ));
    for (file, ours) in [
        ("Apple_App_Attestation_Root_CA.pem", Roots::vendors().app_attest),
        ("AppleRootCA-G3.cer", Roots::vendors().apple),
    ] {
        let bytes = corpus::bytes(&format!("apple-app-attest/{file}"))?;
        let text = std::str::from_utf8(&bytes).ok().and_then(glacis_attest::pem::certificates);
        let der = text.and_then(|mut all| all.pop()).unwrap_or(bytes);
        let key = glacis_attest::public_key_of(&der).unwrap_or_default();
        let found = if ours.contains(&key) { "a key of the tree" } else { "another key" };
        let file = format!("apple-app-attest/{file}");
        rows.push(Line::new(&file, "a key of the tree", found, "anchors are compared by key"));
    }
    Some(rows)
}

const OWN_TIME: &str =
    "Apple: validating apps that connect to your server; as of its own time, development allowed";

/// The attestation of another project's sample.
fn takimoto() -> Option<Vec<u8>> {
    let json: serde_json::Value =
        serde_json::from_str(&corpus::text("apple-app-attest/ios-14.4.takimoto3.json")?).unwrap();
    parse_base64(json["attestation"]["attestationBase64"].as_str().unwrap())
}

/// The sample of 2024, and what is asked about it.
fn sample_of_2024() -> Option<(Vec<u8>, Ask)> {
    let json = corpus::text("apple-app-attest/node-attestation-development.json")?;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let read = |name: &str| parse_base64(json[name].as_str().unwrap()).unwrap();
    Some((read("attestation"), Ask::new(&read("challenge"), crate::android::secs("2024-03-01T00:00Z"))))
}

#[test]
fn every_attestation_of_the_corpus_verifies_as_of_its_own_time() {
    for file in FILES {
        let Some((body, ask, documents)) = genuine(file) else { return };
        let attestation = of_kind(&documents, "attestation")[0];
        let outcome = ask.appraise(apple::FAMILY, &body);
        assert_eq!(line(&outcome), DEVELOPMENT, "{file}: {:?}", outcome.as_ref().err());
        let found = outcome.unwrap();
        let claims = claims(&found);
        assert_eq!(claims.key_id.as_bytes().to_vec(), base64(attestation, "keyIdBase64"), "{file}");
        assert_eq!(claims.app, Some(app(attestation)), "{file}");
        assert_eq!(claims.environment, Environment::Development, "{file}");
        assert!(claims.os_version.as_deref().is_some_and(|version| version.starts_with("14.")), "{file}");
        assert_eq!((found.tier, found.trust), (Tier::Software, Trust::Claimed));
        let strict = ask.clone().allowing(&[]).appraise(apple::FAMILY, &body);
        assert_eq!(line(&strict), "refused: development", "{file}");
    }
}

#[test]
fn the_json_sample_is_the_yaml_sample() {
    let Some((body, ask, _)) = genuine("ios-14.4.yaml") else { return };
    let Some(theirs) = takimoto() else { return };
    assert_eq!(theirs, body);
    assert_eq!(line(&ask.appraise(apple::FAMILY, &theirs)), DEVELOPMENT);
}

/// The sample of 2024: its certificate lives for eleven months, its app was blotted out in the source.
#[test]
fn the_sample_of_2024_is_of_development_and_of_another_app() {
    let Some((body, mut ask)) = sample_of_2024() else { return };
    assert_eq!(line(&ask.appraise(apple::FAMILY, &body)), "refused: development");
    ask = ask.allowing(&[Relaxation::DangerDevelopment]);
    let found = ask.appraise(apple::FAMILY, &body).unwrap();
    assert_eq!(claims(&found).app.as_deref(), Some("V8H6LQ9448.io.uebelacker.AppAttestExample"));
    assert_eq!(found.vector.executables, 0, "no app is expected, so none is approved");
    ask.references = References { apple_apps: vec!["TEAM.other".to_owned()], ..References::default() };
    assert_eq!(line(&ask.appraise(apple::FAMILY, &body)), "refused: app");
}

#[test]
fn attestations_are_for_one_challenge_key_app_and_time() {
    let Some((body, ask, _)) = genuine("ios-14.4.yaml") else { return };
    let check = |ask: Ask| line(&ask.appraise(apple::FAMILY, &body));
    assert_eq!(check(Ask { challenge: b"wurzelpfropg".to_vec(), ..ask.clone() }), "refused: challenge");
    assert_eq!(check(Ask { challenge: vec![], ..ask.clone() }), "refused: challenge");
    assert_eq!(check(Ask { device_key: Some(crate::device_key("x")), ..ask.clone() }), "refused: device-key");
    let key = claims(&ask.appraise(apple::FAMILY, &body).unwrap()).key;
    assert_eq!(check(Ask { device_key: Some(key), ..ask.clone() }), DEVELOPMENT);
    let day = Duration::from_secs(86_400);
    assert_eq!(check(Ask { now: ask.now.after(3 * day), ..ask.clone() }), "refused: expired");
    assert_eq!(
        check(Ask { now: Timestamp::from_secs(1_000_000_000), ..ask.clone() }),
        "refused: not-yet-valid"
    );
    let mut stranger = ask.clone();
    stranger.anchors.roots = Roots { app_attest: vec![forge::spki(&forge::key(1))], ..Roots::vendors() };
    assert_eq!(check(stranger), "refused: unknown-root");
    let mut swapped = ask;
    swapped.anchors.roots = Roots { app_attest: Roots::vendors().apple, ..Roots::vendors() };
    assert_eq!(check(swapped), "refused: unknown-root", "the receipts' root is not the attestations'");
}

#[test]
fn parts_of_two_attestations_do_not_make_one() {
    let (Some((one, ask, _)), Some((other, ..))) = (genuine("ios-14.4.yaml"), genuine("ios-14.2.yaml"))
    else {
        return;
    };
    let at = |body: &[u8]| body.windows(8).position(|part| part == b"authData").unwrap();
    let mixed = [&one[..at(&one)], &other[at(&other)..]].concat();
    assert!(ask.appraise(apple::FAMILY, &mixed).is_err());
    let mixed = [&other[..at(&other)], &one[at(&one)..]].concat();
    assert!(ask.appraise(apple::FAMILY, &mixed).is_err());
}

#[test]
fn no_cut_or_flipped_attestation_is_believed() {
    let Some((body, ask, _)) = genuine("ios-14.4.yaml") else { return };
    let genuine = ask.appraise(apple::FAMILY, &body).unwrap();
    for len in (0..body.len()).step_by(3) {
        assert!(ask.appraise(apple::FAMILY, &body[..len]).is_err(), "cut to {len}");
    }
    assert!(ask.appraise(apple::FAMILY, &[&body[..], &[0]].concat()).is_err());
    // The receipt is signed on its own; here it is only carried.
    let receipt = &claims(&genuine).receipt;
    let start = body.windows(receipt.len()).position(|part| part == receipt.as_slice()).unwrap();
    let carried = start..start + receipt.len();
    let start_of_data = body.windows(8).position(|part| part == b"authData").unwrap();
    for at in (0..body.len()).filter(|at| at % 7 == 0 || *at >= start_of_data) {
        let mut flipped = body.clone();
        flipped[at] ^= 1 << (at % 8);
        let outcome = ask.appraise(apple::FAMILY, &flipped);
        assert_eq!(outcome.is_ok(), carried.contains(&at), "{at}: {}", line(&outcome));
    }
}

#[test]
fn assertions_verify_and_their_counter_only_grows() {
    for file in FILES {
        let Some((body, ask, documents)) = genuine(file) else { return };
        let key = claims(&ask.appraise(apple::FAMILY, &body).unwrap()).key;
        for document in of_kind(&documents, "assertion") {
            let (assertion, data) =
                (base64(document, "assertionBase64"), base64(document, "clientDataBase64"));
            let counter: u32 = document["counter"].parse().unwrap();
            let app = app(document);
            let stored = Stored { key: &key, app: &app, counter: 0 };
            let check = |stored: &Stored<'_>, data: &[u8], bytes: &[u8]| {
                check_assertion(bytes, data, stored)
                    .map(|claims| claims.counter)
                    .map_err(|error| error.code())
            };
            assert_eq!(check(&stored, &data, &assertion), Ok(counter), "{file}");
            let seen = Stored { counter, ..stored };
            assert_eq!(check(&seen, &data, &assertion), Err(Code::Counter), "{file}: the same again");
            let other = Stored { app: "TEAM.other", ..stored };
            assert_eq!(check(&other, &data, &assertion), Err(Code::App));
            assert_eq!(check(&stored, b"other", &assertion), Err(Code::Signature));
            let stranger = crate::device_key("x");
            assert_eq!(check(&Stored { key: &stranger, ..stored }, &data, &assertion), Err(Code::Signature));
            for at in 0..assertion.len() {
                assert!(check(&stored, &data, &assertion[..at]).is_err(), "{file}: cut to {at}");
                let mut flipped = assertion.clone();
                flipped[at] ^= 1 << (at % 8);
                assert!(check(&stored, &data, &flipped).is_err(), "{file}: flip at {at}");
            }
        }
    }
}

fn key_of(document: &BTreeMap<String, String>, file: &str) -> PublicKey {
    // All documents of a file are about the key of its attestation.
    let (body, ask, documents) = genuine(file).unwrap();
    assert_eq!(of_kind(&documents, "attestation")[0]["keyIdBase64"], document["keyIdBase64"]);
    claims(&ask.appraise(apple::FAMILY, &body).unwrap()).key
}

#[test]
fn receipts_verify_and_say_what_the_references_say() {
    let roots = Roots::vendors().apple;
    let mut metrics = 0;
    for file in FILES {
        let Some(documents) = documents(file) else { return };
        for document in of_kind(&documents, "receipt") {
            let (bytes, key, app) =
                (base64(document, "receiptBase64"), key_of(document, file), app(document));
            let now = at(document, "creationTime");
            let found = check_receipt(&bytes, &roots, &app, &key, now);
            let found = found.unwrap_or_else(|error| panic!("{file}: {error}"));
            let metric = document["riskMetric"].parse().ok();
            assert_eq!((found.risk_metric, &found.token), (metric, &document["token"]), "{file}");
            let kind = if document["type"] == "ATTEST" { ReceiptKind::Attest } else { ReceiptKind::Receipt };
            assert_eq!((found.kind, found.environment), (kind, Some(Environment::Development)), "{file}");
            assert_eq!(found.client_hash, base64(document, "clientHashBase64"), "{file}");
            assert_eq!(found.not_before.is_some(), kind == ReceiptKind::Receipt, "{file}");
            metrics += usize::from(metric.is_some());
        }
    }
    assert!(metrics > 0, "no receipt with a metric");
}

#[test]
fn receipts_are_of_one_app_key_signer_and_time() {
    let file = "ios-14.4.yaml";
    let Some(documents) = documents(file) else { return };
    let document = of_kind(&documents, "receipt")[1];
    let (bytes, key, app) = (base64(document, "receiptBase64"), key_of(document, file), app(document));
    let now = at(document, "creationTime");
    let roots = Roots::vendors().apple;
    let check = |bytes: &[u8], roots: &[Vec<u8>], app: &str, key: &PublicKey, now| {
        check_receipt(bytes, roots, app, key, now)
            .map(|found| found.risk_metric)
            .map_err(|error| error.code())
    };
    assert_eq!(check(&bytes, &roots, &app, &key, now), Ok(Some(3)));
    assert_eq!(check(&bytes, &roots, "TEAM.other", &key, now), Err(Code::App));
    assert_eq!(check(&bytes, &roots, &app, &crate::device_key("x"), now), Err(Code::DeviceKey));
    assert_eq!(check(&bytes, &Roots::vendors().app_attest, &app, &key, now), Err(Code::UnknownRoot));
    assert_eq!(check(&bytes, &[], &app, &key, now), Err(Code::UnknownRoot));
    let late = now.after(Duration::from_secs(100 * 86_400));
    assert_eq!(check(&bytes, &roots, &app, &key, late), Err(Code::Expired));
    for len in (0..bytes.len()).step_by(5) {
        assert!(check(&bytes[..len], &roots, &app, &key, now).is_err(), "cut to {len}");
    }
    // A flip passes only where nothing is signed or believed, and then says the same.
    let passed: Vec<usize> = (0..bytes.len())
        .step_by(5)
        .filter(|at| {
            let mut flipped = bytes.clone();
            flipped[*at] ^= 1 << (at % 8);
            let outcome = check(&flipped, &roots, &app, &key, now);
            assert!(outcome.is_err() || outcome == Ok(Some(3)), "{at}");
            outcome.is_ok()
        })
        .collect();
    // The root's certificate (its key is the anchor), and the issuer's name in the signer's id.
    assert!(passed.len() < 160, "{}", passed.len());
}
