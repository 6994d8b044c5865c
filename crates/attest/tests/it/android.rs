//! Family `android-key` against the corpus: every file, what is expected of it and by which clause; field by field
//! where a reference exists; and what an attacker does with a genuine chain.

use crate::context;
use crate::corpus;
use crate::table::Line;
use glacis_attest::android::{self, AndroidClaims, SecurityLevel};
use glacis_attest::{
    Anchors, AndroidApp, Appraisal, AttestError, Claims, Code, Constraints, Question, References, Relaxation,
    Revocations,
};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, PublicKey, Text};
use glacis_wire::{Digest, Realm, Tier, Timestamp, Trust};
use serde_json::Value;

/// What is asked about a chain, with strict defaults.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) challenge: Vec<u8>,
    pub(crate) now: Timestamp,
    pub(crate) allow: Vec<Relaxation>,
    pub(crate) references: References,
    pub(crate) revocations: Option<Revocations>,
    pub(crate) anchors: Anchors,
    pub(crate) device_key: Option<PublicKey>,
}

impl Ask {
    pub(crate) fn new(challenge: &[u8], now: Timestamp) -> Self {
        Self {
            challenge: challenge.to_vec(),
            now,
            allow: Vec::new(),
            references: References::default(),
            revocations: Some(Revocations::empty(now)),
            anchors: Anchors::new(context("acme", Realm::Production)),
            device_key: None,
        }
    }

    pub(crate) fn allowing(mut self, allow: &[Relaxation]) -> Self {
        self.allow = allow.to_vec();
        self
    }

    pub(crate) fn appraise(&self, family: &str, body: &[u8]) -> Result<Appraisal, AttestError> {
        let constraints =
            Constraints { allow: self.allow.iter().copied().collect(), ..Constraints::default() };
        let question = Question {
            anchors: &self.anchors,
            references: &self.references,
            revocations: self.revocations.as_ref(),
            constraints: &constraints,
            challenge: &self.challenge,
            device_key: self.device_key.as_ref(),
            activation: None,
            now: self.now,
        };
        let evidence = Evidence { family: Text(family.to_owned()), body: Bytes(body.to_vec()) };
        glacis_attest::appraise(&evidence, &question)
    }

    fn chain(&self, chain: &[Vec<u8>]) -> Result<Appraisal, AttestError> {
        self.appraise(android::FAMILY, &chain.concat())
    }
}

/// An outcome in one line: what the table of the reference shows.
pub(crate) fn line(outcome: &Result<Appraisal, AttestError>) -> String {
    match outcome {
        Ok(found) => {
            let reasons: Vec<&str> = found.reasons.iter().map(|reason| reason.code.name()).collect();
            format!("{}, {}: {}", found.status().name(), found.tier.name(), reasons.join(" "))
                .trim_end()
                .to_owned()
        }
        Err(refused) => format!("refused: {}", refused.code()),
    }
}

fn claims(appraisal: &Appraisal) -> &AndroidClaims {
    let Claims::AndroidKey(claims) = &appraisal.claims else { panic!("{:?}", appraisal.claims) };
    claims
}

pub(crate) fn secs(text: &str) -> Timestamp {
    // The days since 1970 by the civil calendar of `wire`; tests write whole minutes.
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let days = glacis_wire::civil::days_from_civil(number(0, 4), number(5, 7), number(8, 10));
    let seconds = days * 86_400 + number(11, 13) * 3_600 + number(14, 16) * 60;
    Timestamp::from_secs(u64::try_from(seconds).unwrap())
}

/// One chain of the corpus: where, as of when, the challenge, what must come out, and why.
pub(crate) struct Row {
    pub(crate) file: &'static str,
    pub(crate) at: &'static str,
    pub(crate) challenge: &'static [u8],
    pub(crate) want: &'static str,
    pub(crate) clause: &'static str,
}

const fn row(
    file: &'static str,
    at: &'static str,
    challenge: &'static [u8],
    want: &'static str,
    clause: &'static str,
) -> Row {
    Row { file, at, challenge, want, clause }
}

const UNLOCKED: &str = "warning, software: boot-unverified unlocked";
const STRONG: &str = "affirming, strong:";
const DEVELOPMENT: &str = "development device: RootOfTrust says unverified and unlocked";

#[rustfmt::skip]
pub(crate) const CHAINS: &[Row] = &[
    row("aka/EC_SecurityLevel_StrongBox.pem", "2019-07-08T16:13Z", b"abc", "refused: unknown-root", "root 3505a0a2… is not one of Google's"),
    row("aka/EC_SecurityLevel_TEE.pem", "2018-07-29T12:45Z", b"abc", UNLOCKED, DEVELOPMENT),
    row("aka/RSA_SecurityLevel_TEE.pem", "2018-07-29T12:32Z", b"abc", UNLOCKED, DEVELOPMENT),
    row("akita/sdk34/SB_RSA_NONE.pem", "2024-09-26T22:32Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("akita/sdk34/TEE_EC_NONE.pem", "2024-09-26T22:32Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("akita/sdk34/TEE_RSA_BASE+IMEI.pem", "2024-09-26T22:32Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("akita/sdk34/TEE_RSA_NONE.pem", "2024-09-26T22:32Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("allow_while_on_body.pem", "2025-03-10T20:50Z", &[], "refused: unknown-root", "a leaf alone reaches no anchor"),
    row("blueline/sdk28/SB_RSA_NONE.pem", "2020-08-29T08:22Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("blueline/sdk28/TEE_EC_NONE.pem", "2018-09-28T23:41Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("blueline/sdk28/TEE_RSA_NONE.pem", "2018-09-28T23:41Z", b"challenge", UNLOCKED, DEVELOPMENT),
    row("caiman/sdk36/SB_EC_RKP.pem", "2025-09-26T15:31Z", b"7ccac1ea-4845-482e-858d-f6fa9aa8c295", STRONG, "StrongBox, verified boot, locked"),
    row("invalid/tags_not_in_ascending_order.pem", "2024-08-14T14:31Z", b"challenge", "refused: signature", "the leaf was changed after it was signed"),
    row("marlin/sdk29/TEE_RSA_NONE.pem", "2019-10-29T00:22Z", b"challenge", "refused: software-root", "the key of this root is public"),
    row("p256_sha384_intermediate.pem", "2026-01-01T00:00Z", b"", "refused: unknown-root", "a test root that nobody anchored"),
    row("tegu/sdk36/SB_EC_2026_ROOT.pem", "2026-02-25T00:38Z", b"90578e1d-f5bf-4ccf-a27f-a4f4d89ee21f", STRONG, "StrongBox, verified boot, locked; the root of 2026"),
    row("tegu/sdk37/TEE_MAX_USAGE_COUNT.pem", "2026-07-06T18:16Z", b"5c096f0f-e998-4059-bdec-be36d928bd8d", UNLOCKED, DEVELOPMENT),
    row("tokay/sdk37/TEE_MLDSA_FACTORY.pem", "2026-04-28T11:21Z", b"challenge", UNLOCKED, DEVELOPMENT),
];

fn file(row: &Row) -> String {
    format!("android-key-attestation/{}", row.file)
}

/// The chain of a row, and what is asked about it; `None` where there is no corpus.
pub(crate) fn case(row: &Row) -> Option<(Vec<Vec<u8>>, Ask)> {
    Some((corpus::chain(&file(row))?, Ask::new(row.challenge, secs(row.at))))
}

pub(crate) fn named(name: &str) -> &'static Row {
    CHAINS.iter().find(|row| row.file == name).unwrap()
}

#[test]
fn every_chain_of_the_corpus_comes_out_as_the_table_says() {
    for row in CHAINS {
        let Some((chain, ask)) = case(row) else { return };
        assert_eq!(line(&ask.chain(&chain)), row.want, "{} ({})", row.file, row.clause);
    }
    for found in corpus::files("android-key-attestation").iter().filter(|file| file.ends_with(".pem")) {
        assert!(CHAINS.iter().any(|row| file(row) == *found), "{found} is in no row");
    }
}

/// Every file of the family, for the table of the documentation; none where there is no corpus.
pub(crate) fn rows() -> Option<Vec<Line>> {
    let mut rows = Vec::new();
    for row in CHAINS {
        let (chain, ask) = case(row)?;
        rows.push(Line::new(&file(row), row.want, &line(&ask.chain(&chain)), row.clause));
        let reference = file(row).replace(".pem", ".json");
        if corpus::files("android-key-attestation").contains(&reference) {
            let (ours, theirs) = compared(&chain, &reference)?;
            let obtained = if ours == theirs { ALIKE } else { "other fields" };
            rows.push(Line::new(
                &reference,
                ALIKE,
                obtained,
                "the source's reading of the chain of this name",
            ));
        }
    }
    for name in DER_CHAINS {
        let (row, chain) = der_chain(name)?;
        let whole = line(&Ask::new(row.challenge, secs(row.at)).chain(&chain));
        for place in 0..chain.len() {
            let path = format!("android-key-attestation/aka/{name}/cert{place}.der");
            rows.push(Line::new(&path, row.want, &whole, "as a chain of four; as the chain in PEM"));
        }
    }
    let list = corpus::bytes("android-key-attestation/status.json")?;
    let list = Revocations::parse_google(&list, Timestamp::ZERO).map_or_else(
        |refused| format!("refused: {}", refused.code()),
        |list| format!("revocation list: {} serials", list.len()),
    );
    rows.push(Line::new("android-key-attestation/status.json", "revocation list: 5 serials", &list, LIST));
    let roots = corpus::text("android-key-attestation/roots.json")?;
    let anchored = if unanchored(&roots) == 0 { "keys of the tree" } else { "other keys" };
    rows.push(Line::new(
        "android-key-attestation/roots.json",
        "keys of the tree",
        anchored,
        "anchors are compared by key",
    ));
    let complete: Value =
        serde_json::from_str(&corpus::text("android-key-attestation/complete_authlist.json")?).ok()?;
    let missing = unnamed(&complete);
    let fields = if missing.is_empty() { "every name is known".to_owned() } else { missing.join(" ") };
    let path = "android-key-attestation/complete_authlist.json";
    rows.push(Line::new(path, "every name is known", &fields, "Android: schema of AuthorizationList"));
    let path = "android-key-attestation/marlin/sdk29/metadata.txt";
    let text = corpus::text(path)?;
    let what = if text.starts_with("Build.BOARD: marlin") { "no evidence" } else { "something else" };
    rows.push(Line::new(path, "no evidence", what, "properties of the device, for people"));
    Some(rows)
}

const ALIKE: &str = "every field as ours";
const LIST: &str = "Google: attestation/status; decimal and hexadecimal serials";
const DER_CHAINS: [&str; 2] = ["EC_SecurityLevel_StrongBox", "EC_SecurityLevel_TEE"];

/// Names of fields in a reference that no field of ours has.
fn unnamed(reference: &Value) -> Vec<String> {
    let known = include_str!("../../src/android/authorization.rs");
    let lists = ["softwareEnforced", "hardwareEnforced"].map(|list| &reference[list]);
    let names = lists.iter().filter_map(|list| list.as_object()).flat_map(serde_json::Map::keys);
    let names = names.filter(|name| *name != "areTagsOrdered");
    names.map(|name| snake(name)).filter(|name| !known.contains(&format!(" {name}: "))).collect()
}

/// Real devices are believed with and without the root, and as of any time while their certificates last, whatever
/// became of the root's certificate: it is the key that is anchored.
#[test]
fn anchors_are_keys_and_an_expired_or_missing_root_changes_nothing() {
    let Some((chain, ask)) = case(named("blueline/sdk28/TEE_EC_NONE.pem")) else { return };
    let after_the_root_ended = secs("2026-11-22T00:00Z");
    let ask =
        Ask { now: after_the_root_ended, revocations: Some(Revocations::empty(after_the_root_ended)), ..ask };
    assert_eq!(line(&ask.chain(&chain)), UNLOCKED);
    for row in CHAINS.iter().filter(|row| !row.want.starts_with("refused")) {
        let Some((mut chain, ask)) = case(row) else { return };
        let whole = ask.chain(&chain).unwrap();
        chain.pop();
        let without = ask.chain(&chain).unwrap();
        assert_eq!(without.basis.anchor, whole.basis.anchor, "{}", row.file);
        assert_eq!(
            (line(&Ok(without.clone())), without.claims),
            (row.want.to_owned(), whole.claims),
            "{}",
            row.file
        );
    }
}

/// Remotely provisioned issuers live for weeks: good while they last, and no result may outlive them.
#[test]
fn short_lived_issuers_bound_the_result() {
    let Some((chain, ask)) = case(named("caiman/sdk36/SB_EC_RKP.pem")) else { return };
    let good = ask.chain(&chain).unwrap();
    assert_eq!(
        (good.verified_at, good.not_after),
        (secs(named("caiman/sdk36/SB_EC_RKP.pem").at), {
            Timestamp::from_secs(secs("2025-10-03T15:30Z").as_secs() + 45)
        })
    );
    let at = |now| Ask { now, revocations: Some(Revocations::empty(now)), ..ask.clone() };
    let second = std::time::Duration::from_secs(1);
    assert!(at(good.not_after).chain(&chain).is_ok());
    assert_eq!(line(&at(good.not_after.after(second)).chain(&chain)), "refused: expired");
    assert_eq!(line(&at(secs("2025-09-01T00:00Z")).chain(&chain)), "refused: not-yet-valid");
    let late = at(good.not_after.after(second)).allowing(&[Relaxation::DangerExpired]);
    let late = late.chain(&chain).unwrap();
    assert_eq!((late.tier, late.relaxed), (Tier::Software, vec![Relaxation::DangerExpired]));
    assert!(late.reasons.iter().any(|reason| reason.code == Code::Relaxed), "a relaxation is seen");
}

#[test]
fn the_list_revokes_each_certificate_of_a_chain_in_either_spelling() {
    let Some((chain, ask)) = case(named("blueline/sdk28/SB_RSA_NONE.pem")) else { return };
    let good = ask.chain(&chain).unwrap();
    for (place, serial) in good.basis.serials.iter().enumerate() {
        let hex: String = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal = serial.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte)).to_string();
        for (spelling, status, want) in [
            (hex.clone(), "REVOKED", Code::Revoked),
            (hex.to_uppercase(), "SUSPENDED", Code::Suspended),
            (decimal, "REVOKED", Code::Revoked),
        ] {
            let list = format!(r#"{{"entries": {{"{spelling}": {{"status": "{status}"}}}}}}"#);
            let list = Revocations::parse_google(list.as_bytes(), ask.now).unwrap();
            let refused = Ask { revocations: Some(list), ..ask.clone() }.chain(&chain).unwrap_err();
            assert_eq!((refused.code(), refused.detail()), (want, format!("certificate {place}").as_str()));
        }
    }
    let Some(published) = corpus::bytes("android-key-attestation/status.json") else { return };
    let published = Revocations::parse_google(&published, ask.now).unwrap();
    assert_eq!(published.len(), 5);
    let ask = Ask { revocations: Some(published), ..ask };
    assert_eq!(line(&ask.chain(&chain)), UNLOCKED, "a list that does not name it changes nothing");
}

#[test]
fn no_list_and_an_old_list_are_refused_unless_that_is_allowed_by_name() {
    let Some((chain, ask)) = case(named("caiman/sdk36/SB_EC_RKP.pem")) else { return };
    let none = Ask { revocations: None, ..ask.clone() };
    assert_eq!(line(&none.chain(&chain)), "refused: no-revocation-list");
    let passed = none.allowing(&[Relaxation::DangerNoRevocationList]).chain(&chain).unwrap();
    assert_eq!((passed.tier, passed.trust), (Tier::Software, Trust::Claimed));
    let days = |count: u64| Timestamp::from_secs(ask.now.as_secs() - count * 86_400);
    let aged = |count| Ask { revocations: Some(Revocations::empty(days(count))), ..ask.clone() };
    assert_eq!(line(&aged(3).chain(&chain)), STRONG);
    assert_eq!(line(&aged(4).chain(&chain)), "refused: stale-revocation-list");
    let stale = aged(4).allowing(&[Relaxation::DangerStaleRevocationList]).chain(&chain).unwrap();
    assert_eq!(stale.relaxed, [Relaxation::DangerStaleRevocationList]);
    let unused = aged(0).allowing(Relaxation::ALL).chain(&chain).unwrap();
    assert_eq!(
        (unused.tier, unused.relaxed),
        (Tier::Strong, vec![]),
        "what was not needed is not held against it"
    );
}

#[test]
fn the_app_is_ours_only_by_package_and_signer_and_then_values_are_attested() {
    let Some((chain, ask)) = case(named("caiman/sdk36/SB_EC_RKP.pem")) else { return };
    let good = ask.chain(&chain).unwrap();
    let id = claims(&good).description.software_enforced.attestation_application_id.clone().unwrap();
    let signer = Digest::try_from(id.signatures[0].as_slice()).unwrap();
    let app = |package: &str, signers: &[Digest]| AndroidApp {
        package: package.to_owned(),
        signers: signers.to_vec(),
    };
    let other = Digest::new([7; 32]);
    for (apps, trust, want) in [
        (vec![], Trust::Claimed, STRONG),
        (vec![app("com.google.android.attestation", &[other, signer])], Trust::Attested, STRONG),
        (
            vec![app("com.google.android.attestation", &[other])],
            Trust::Claimed,
            "warning, strong: app-foreign",
        ),
        (
            vec![app("com.google.android.attestatio", &[signer])],
            Trust::Claimed,
            "warning, strong: app-foreign",
        ),
        (vec![app("com.google.android.attestation", &[])], Trust::Claimed, "warning, strong: app-foreign"),
    ] {
        let references = References { android_apps: apps, ..References::default() };
        let found = Ask { references, ..ask.clone() }.chain(&chain);
        assert_eq!((found.as_ref().unwrap().trust, line(&found).as_str()), (trust, want));
    }
    let old = References { patch_level_min: Some(202_512), ..References::default() };
    let found = Ask { references: old, ..ask.clone() }.chain(&chain);
    assert_eq!(line(&found), "warning, strong: patch-level patch-level patch-level");
    let new = References { patch_level_min: Some(202_511), ..References::default() };
    assert_eq!(line(&Ask { references: new, ..ask }.chain(&chain)), STRONG);
}

#[test]
fn evidence_is_for_one_challenge_and_one_key() {
    let Some((chain, ask)) = case(named("caiman/sdk36/SB_EC_RKP.pem")) else { return };
    for challenge in [&b"7ccac1ea-4845-482e-858d-f6fa9aa8c296"[..], b"7ccac1ea", b""] {
        let other = Ask { challenge: challenge.to_vec(), ..ask.clone() };
        assert_eq!(line(&other.chain(&chain)), "refused: challenge");
    }
    let info = claims(&ask.chain(&chain).unwrap()).key.clone();
    let genuine = PublicKey(info[info.len() - 65..].try_into().unwrap());
    assert_eq!(line(&Ask { device_key: Some(genuine), ..ask.clone() }.chain(&chain)), STRONG);
    let other = Ask { device_key: Some(crate::device_key("other")), ..ask };
    assert_eq!(line(&other.chain(&chain)), "refused: device-key");
}

/// Field by field against the JSON that the source of the corpus states for each chain.
#[test]
fn statements_read_as_the_references_say() {
    let mut count = 0;
    for row in CHAINS {
        let reference = file(row).replace(".pem", ".json");
        if !corpus::files("android-key-attestation").contains(&reference) {
            continue;
        }
        let Some(chain) = corpus::chain(&file(row)) else { return };
        let Some((ours, theirs)) = compared(&chain, &reference) else { return };
        assert_eq!(ours, theirs, "{}", row.file);
        count += 1;
    }
    assert!(count >= 11 || corpus::files("android-key-attestation").is_empty(), "{count}");
}

/// Our reading of a statement, and the reference's, in our form.
fn compared(chain: &[Vec<u8>], reference: &str) -> Option<(Value, Value)> {
    let leaf = chain.first().unwrap();
    let ours = serde_json::to_value(android::read_statement(leaf, false).unwrap()).unwrap();
    Some((ours, ours_of(serde_json::from_str(&corpus::text(reference)?).unwrap())))
}

fn snake(name: &str) -> String {
    let letters = name.chars().flat_map(|letter| {
        let upper = letter.is_ascii_uppercase();
        upper.then_some('_').into_iter().chain([letter.to_ascii_lowercase()])
    });
    letters.collect()
}

/// The reference's JSON in our form: our names, numbers as numbers, bytes in hexadecimal.
fn ours_of(theirs: Value) -> Value {
    let Value::Object(members) = theirs else { return theirs };
    let mut out = serde_json::Map::new();
    for (name, value) in members {
        let value = match name.as_str() {
            "areTagsOrdered" => continue,
            "attestationChallenge" | "uniqueId" | "verifiedBootKey" | "verifiedBootHash" | "moduleHash" => {
                Value::String(hex_of(value.as_str().unwrap()))
            }
            "signatures" => value
                .as_array()
                .unwrap()
                .iter()
                .map(|one| hex_of(one.as_str().unwrap()))
                .collect::<Vec<_>>()
                .into(),
            "origin" => match value.as_str() {
                Some("GENERATED") => 0.into(),
                other => panic!("origin {other:?}"),
            },
            "name" => value,
            "packages" => value.as_array().unwrap().iter().cloned().map(ours_of).collect::<Vec<_>>().into(),
            _ => number_of(ours_of(value), name.starts_with("attestationId")),
        };
        out.insert(snake(&name), value);
    }
    Value::Object(out)
}

fn number_of(value: Value, text: bool) -> Value {
    match value {
        Value::String(digits) if !text => digits.parse::<u64>().map_or(Value::String(digits), Value::from),
        Value::Array(items) => items.into_iter().map(|item| number_of(item, text)).collect::<Vec<_>>().into(),
        other => other,
    }
}

fn hex_of(base64: &str) -> String {
    let bytes = glacis_seal::text::parse_base64(base64).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn statements_out_of_order_are_read_only_where_that_is_allowed() {
    let Some(chain) = corpus::chain("android-key-attestation/invalid/tags_not_in_ascending_order.pem") else {
        return;
    };
    assert_eq!(android::read_statement(&chain[0], false).unwrap_err().code(), Code::Malformed);
    let lenient = android::read_statement(&chain[0], true).unwrap();
    assert_eq!(lenient.attestation_security_level, SecurityLevel::TrustedEnvironment);
    let Some(chain) = corpus::chain("android-key-attestation/allow_while_on_body.pem") else { return };
    let read = android::read_statement(&chain[0], false).unwrap();
    let lists = [read.hardware_enforced, read.software_enforced];
    assert!(lists.iter().any(|list| list.allow_while_on_body.is_some()));
}

/// The corpus holds two chains in DER too; of the StrongBox one it is another key of the same device.
#[test]
fn the_der_files_come_out_as_their_pem_files() {
    for name in DER_CHAINS {
        let Some((row, chain)) = der_chain(name) else { return };
        assert_eq!(line(&Ask::new(row.challenge, secs(row.at)).chain(&chain)), row.want, "{name}");
    }
}

fn der_chain(name: &str) -> Option<(&'static Row, Vec<Vec<u8>>)> {
    let read = |place| corpus::bytes(&format!("android-key-attestation/aka/{name}/cert{place}.der"));
    Some((named(&format!("aka/{name}.pem")), (0..4).map(read).collect::<Option<_>>()?))
}

/// A P-256 key may sign with SHA-384: the chain reaches its test root, and only then lacks what it lacks.
#[test]
fn curve_and_hash_need_not_be_of_one_strength() {
    let Some((chain, mut ask)) = case(named("p256_sha384_intermediate.pem")) else { return };
    let root = chain.last().unwrap();
    // The root's key is the SubjectPublicKeyInfo of a P-256 key: 91 bytes.
    let start = [0x30, 0x59, 0x30, 0x13];
    let at = root.windows(4).position(|part| part == start).unwrap();
    ask.anchors.roots.android = vec![root[at..at + 91].to_vec()];
    let outcome = ask.chain(&chain);
    assert_eq!(line(&outcome), "refused: malformed");
    assert_eq!(outcome.unwrap_err().detail(), "the statement cannot be read");
}

/// The roots in the tree are the keys of the published file, expired certificates or not.
#[test]
fn the_anchors_are_the_published_ones() {
    let Some(roots) = corpus::text("android-key-attestation/roots.json") else { return };
    assert_eq!(glacis_attest::Roots::vendors().android.len(), 2);
    assert_eq!(unanchored(&roots), 0);
}

/// How many published roots have a key that is not in the tree.
fn unanchored(roots: &str) -> usize {
    let roots: Vec<String> = serde_json::from_str(roots).unwrap();
    assert!(!roots.is_empty());
    let ours = glacis_attest::Roots::vendors().android;
    let anchored = |pem: &&String| {
        let der = glacis_attest::pem::certificates(pem).unwrap().remove(0);
        ours.iter().any(|key| der.windows(key.len()).any(|part| part == key))
    };
    roots.len() - roots.iter().filter(anchored).count()
}

/// Every certificate swapped, left out, doubled, or taken from another chain.
#[test]
fn a_chain_is_whole_and_in_order_or_it_is_refused() {
    let Some((chain, ask)) = case(named("caiman/sdk36/SB_EC_RKP.pem")) else { return };
    let Some((other, _)) = case(named("tegu/sdk36/SB_EC_2026_ROOT.pem")) else { return };
    let refuse = |chain: &[Vec<u8>], what: &str| {
        let outcome = ask.chain(chain);
        assert!(outcome.is_err(), "{what}: {}", line(&outcome));
    };
    for first in 0..chain.len() {
        let mut doubled = chain.clone();
        doubled.insert(first, chain[first].clone());
        refuse(&doubled, "doubled");
        let mut exchanged = chain.clone();
        exchanged[first] = other[first].clone();
        if first + 1 < chain.len() {
            let mut missing = chain.clone();
            missing.remove(first);
            refuse(&missing, "missing");
            refuse(&exchanged, "exchanged");
        }
        for second in first + 1..chain.len() {
            let mut swapped = chain.clone();
            swapped.swap(first, second);
            refuse(&swapped, "swapped");
        }
    }
    refuse(&[chain.clone(), other.clone()].concat(), "two chains");
    refuse(&[chain.clone(), vec![other[4].clone()]].concat(), "a second root behind the root");
    refuse(&[], "nothing");
    refuse(&chain[4..], "the root alone");
    refuse(&vec![chain[0].clone(); 9], "too many");
}

#[test]
fn no_cut_chain_passes_and_none_panics() {
    for name in ["caiman/sdk36/SB_EC_RKP.pem", "blueline/sdk28/TEE_RSA_NONE.pem"] {
        let Some((chain, ask)) = case(named(name)) else { return };
        let whole = chain.concat();
        let rootless = whole.len() - chain.last().unwrap().len();
        for len in (0..whole.len()).step_by(3).filter(|len| *len != rootless) {
            let cut = ask.appraise(android::FAMILY, &whole[..len]);
            assert!(cut.is_err(), "{name} cut to {len}: {}", line(&cut));
        }
        for more in [&[0][..], &[0x30, 0], &[0x30, 0x80, 0, 0]] {
            assert!(ask.appraise(android::FAMILY, &[&whole[..], more].concat()).is_err());
        }
    }
}

/// Flipped bytes: refused, or nothing that is believed changed. Only the root's certificate may change at all, since
/// only its key is believed.
#[test]
fn no_flipped_byte_changes_what_is_believed() {
    for name in ["caiman/sdk36/SB_EC_RKP.pem", "aka/EC_SecurityLevel_StrongBox.pem"] {
        let Some((chain, ask)) = case(named(name)) else { return };
        let (whole, genuine) = (chain.concat(), ask.chain(&chain).ok());
        let below_root = whole.len() - chain.last().unwrap().len();
        for at in (0..whole.len()).filter(|at| at % 9 == 0 || *at % 64 == 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let Ok(found) = ask.appraise(android::FAMILY, &bytes) else { continue };
            assert!(at >= below_root, "{name}: a flip at {at} passes");
            assert_eq!(Some(&found.claims), genuine.as_ref().map(|found| &found.claims), "{name}: {at}");
            assert_eq!(Some(&found.basis), genuine.as_ref().map(|found| &found.basis), "{name}: {at}");
        }
    }
}

mod forged;
