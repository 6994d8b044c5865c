//! Results in the IETF's form: the published examples, results of our own in both serialisations, what an attacker makes
//! of them, and peers that are not ours.

use crate::{NOW, context, corpus, host};
use glacis_attest::ear::{
    Collateral, Ear, Expected, Form, Issue, Item, Label, PROFILE, VerifierId, VerifyKey, verify_cwt,
    verify_jwt,
};
use glacis_attest::{AttestError, Code, Question, References, Status};
use glacis_host::Entropy as _;
use glacis_seal::text::{base64url, parse_base64url};
use glacis_seal::{Context, MacKey, Purpose, SigningKey, jws, sha256};
use glacis_wire::message::enrol::{Evidence, TrustVector};
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Realm, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) mod attack;
mod peers;

pub(crate) fn signer(label: &str) -> SigningKey {
    SigningKey::generate(|out| host(label).fill(out)).unwrap()
}

pub(crate) fn keys() -> Vec<VerifyKey> {
    vec![VerifyKey::ours(signer("result").public())]
}

const NONCE: &[u8] = b"a nonce of ours";

pub(crate) fn audience() -> String {
    context("acme", Realm::Demo).audience(Purpose::Ear)
}

pub(crate) fn expected<'a>(audience: &'a str) -> Expected<'a> {
    Expected { audience: Some(audience), nonce: Some(NONCE), now: NOW }
}

fn issued(family: &str, outcome: &Result<glacis_attest::Appraisal, AttestError>, context: &Context) -> Ear {
    let verifier = VerifierId { developer: "Glacis".into(), build: "glacis 0.1.0".into() };
    let collateral = Collateral {
        name: "revocations".into(),
        version: Some(7),
        as_of: Some(Timestamp::from_ms(999_500)),
        digest: Some(sha256(b"list")),
    };
    let issue = Issue {
        verifier: &verifier,
        context,
        verified_at: Timestamp::from_ms(999_999),
        issued_at: NOW,
        expires: NOW.after(Duration::from_secs(600)),
        nonce: Some(NONCE),
        collateral: &[collateral],
    };
    Ear::of(family, outcome, &issue)
}

/// A refusal; every build has it.
pub(crate) fn refusal() -> Ear {
    let evidence = Evidence { family: Text("no-family".into()), body: Bytes(vec![]) };
    let question = Question {
        anchors: &crate::anchors(),
        references: &References::default(),
        revocations: None,
        constraints: &glacis_attest::Constraints::default(),
        challenge: b"c",
        device_key: None,
        activation: None,
        now: NOW,
    };
    let outcome = glacis_attest::appraise(&evidence, &question);
    issued("no-family", &outcome, &context("acme", Realm::Demo))
}

fn examples() -> Option<Vec<(String, Vec<u8>)>> {
    let files = ["ear-claims.json", "ear-claims-extension-ok.json", "ear-claims-key-attestation-ok.json"];
    let read = |file: &str| Some((file.to_owned(), corpus::bytes(&format!("ear-corim/ear/{file}"))?));
    files.into_iter().map(read).collect()
}

#[test]
fn the_published_examples_are_read_whole_and_verify_once_they_are_signed() {
    let Some(examples) = examples() else { return };
    let key = signer("result");
    for (file, bytes) in &examples {
        let ear = Ear::from_bytes(bytes, Form::Json).unwrap();
        assert_eq!(ear.status(), Status::Affirming, "{file}");
        // Nothing is lost: the same document comes out.
        let theirs: Value = serde_json::from_slice(bytes).unwrap();
        let ours: Value = serde_json::from_slice(&ear.to_bytes(Form::Json).unwrap()).unwrap();
        assert_eq!(ours, theirs, "{file}");
        let now = ear.issued_at;
        let expected = Expected { audience: None, nonce: None, now };
        let back = verify_jwt(&ear.to_jwt(&key).unwrap(), &keys(), &expected).unwrap();
        assert_eq!(back, ear, "{file}");
        let back = verify_cwt(&ear.to_cwt(&key).unwrap(), &keys(), &expected).unwrap();
        assert_eq!(back, ear, "{file}: claims with names have a form in CBOR too");
    }
    let key_attestation = Ear::from_bytes(&examples[2].1, Form::Json).unwrap();
    let (name, submod) = &key_attestation.submods[0];
    let vector = TrustVector { instance_identity: 2, executables: 2, hardware: 2, ..TrustVector::default() };
    assert_eq!((name.as_str(), submod.vector), ("PARSEC_TPM", Some(vector)));
    assert_eq!(submod.policy.as_deref(), Some("policy://parsec/60a0068d"));
    assert_eq!(key_attestation.raw_evidence.as_deref(), Some(&b"74726973656374\n"[..]));
    let Label::Name(unknown) = &submod.unknown[0].0 else { panic!("{:?}", submod.unknown) };
    assert_eq!(unknown, "ear.veraison.key-attestation");
}

#[test]
fn the_published_key_is_read_and_has_signed_none_of_ours() {
    let Some(jwk) = corpus::bytes("ear-corim/ear/pkey.json") else { return };
    let theirs = vec![VerifyKey::from_jwk(&jwk).unwrap()];
    let audience = audience();
    let jwt = refusal().to_jwt(&signer("result")).unwrap();
    let refused = verify_jwt(&jwt, &theirs, &expected(&audience)).unwrap_err();
    assert_eq!(refused.code(), Code::ResultSignature);
    let mut jwk: Value = serde_json::from_slice(&jwk).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = jwk.clone();
        changed[name] = value;
        VerifyKey::from_jwk(changed.to_string().as_bytes()).map_err(|refused| refused.code())
    };
    assert_eq!(with("kty", json!("RSA")), Err(Code::ResultAlgorithm));
    assert_eq!(with("crv", json!("P-384")), Err(Code::ResultAlgorithm));
    assert_eq!(with("alg", json!("HS256")), Err(Code::ResultAlgorithm));
    assert_eq!(with("d", json!("AAAA")), Err(Code::ResultMalformed), "a private key");
    assert_eq!(with("x", json!("AAAA")), Err(Code::ResultMalformed));
    let origin = base64url(&[1; 32]);
    assert_eq!(with("x", json!(origin)), Err(Code::ResultMalformed), "no point of the curve");
    jwk["kid"] = json!("theirs");
    assert!(VerifyKey::from_jwk(jwk.to_string().as_bytes()).is_ok());
}

#[test]
fn a_refusal_is_contraindicated_and_comes_back_from_both_serialisations() {
    let ear = refusal();
    let (family, submod) = &ear.submods[0];
    assert_eq!((family.as_str(), submod.status), ("no-family", Status::Contraindicated));
    let detail = submod.detail.as_ref().unwrap();
    assert_eq!(detail.reasons[0].code, "unknown-family");
    assert_eq!((detail.tier, detail.trust, &detail.claims), (None, None, &None));
    assert_eq!(submod.policy, None, "no policy was applied");
    let (key, audience) = (signer("result"), audience());
    let expected = expected(&audience);
    assert_eq!(verify_jwt(&ear.to_jwt(&key).unwrap(), &keys(), &expected).unwrap(), ear);
    assert_eq!(verify_cwt(&ear.to_cwt(&key).unwrap(), &keys(), &expected).unwrap(), ear);
    for form in [Form::Json, Form::Cbor] {
        assert_eq!(Ear::from_bytes(&ear.to_bytes(form).unwrap(), form).unwrap(), ear);
    }
    // Numbers and names as the drafts have them.
    let json: Value = serde_json::from_slice(&ear.to_bytes(Form::Json).unwrap()).unwrap();
    assert_eq!(json["eat_profile"], PROFILE);
    assert_eq!(json["submods"]["no-family"]["ear.status"], "contraindicated");
    assert_eq!(json["submods"]["no-family"]["ear.trustworthiness-vector"], json!({"instance-identity": 97}));
    assert_eq!(json["eat_nonce"], base64url(NONCE));
    let cbor = ear.to_bytes(Form::Cbor).unwrap();
    let tag = |bytes: &[u8]| cbor.windows(bytes.len()).any(|part| part == bytes);
    assert!(tag(&[0x19, 1, 9]) && tag(&[0x19, 1, 10]), "265, 266");
    assert!(tag(&[0x19, 3, 0xe8, 0x18, 96]) && tag(&[0x3a, 0, 1, 0x15, 0x57]), "1000: 96, -71000");
}

#[cfg(feature = "simulated")]
#[test]
fn an_appraisal_comes_back_whole_and_never_outlives_what_it_rests_on() {
    let evidence = crate::evidence(crate::genuine());
    let (device, challenge) = (crate::device_key("key"), crate::CHALLENGE);
    let outcome = crate::appraise(&evidence, &crate::anchors(), &challenge, &device, NOW);
    let found = outcome.clone().unwrap();
    let mut early = outcome.clone().unwrap();
    early.not_after = NOW.after(Duration::from_secs(5));
    let short = issued("simulated", &Ok(early), &context("acme", Realm::Demo));
    assert_eq!(short.expires, Some(NOW.after(Duration::from_secs(5))));
    let ear = issued("simulated", &outcome, &context("acme", Realm::Demo));
    let (key, audience) = (signer("result"), audience());
    for back in [
        verify_jwt(&ear.to_jwt(&key).unwrap(), &keys(), &expected(&audience)).unwrap(),
        verify_cwt(&ear.to_cwt(&key).unwrap(), &keys(), &expected(&audience)).unwrap(),
    ] {
        assert_eq!(back, ear);
        let submod = &back.submods[0].1;
        assert_eq!((submod.status, submod.vector), (found.status(), Some(found.vector)));
        assert!(submod.policy.is_some() && submod.policy == glacis_attest::standing::policy_id());
        let detail = submod.detail.as_ref().unwrap();
        assert_eq!((detail.tier, detail.trust), (Some(found.tier), Some(found.trust)));
        assert_eq!((detail.verified_at, detail.not_after), (found.verified_at, Some(found.not_after)));
        assert_eq!(detail.claims, found.claims.public_json());
        assert_eq!(detail.collateral.len(), 1, "the caller's list names the revocations");
    }
}

/// The one chain of the corpus whose device told its serial numbers.
#[cfg(feature = "android-key")]
#[test]
fn no_hardware_id_is_in_a_result() {
    let row = crate::android::named("akita/sdk34/TEE_RSA_BASE+IMEI.pem");
    let Some((chain, ask)) = crate::android::case(row) else { return };
    let outcome = ask.appraise("android-key", &chain.concat());
    let whole = outcome.as_ref().unwrap().claims.json().unwrap();
    let told = |value: &Value| {
        let list = &value["description"]["hardware_enforced"];
        let names = ["serial", "imei", "meid", "second_imei"].map(|name| format!("attestation_id_{name}"));
        names.iter().filter_map(|name| list[name].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let ids = told(&whole);
    assert!(!ids.is_empty(), "{whole}");
    let ear = issued("android-key", &outcome, &context("acme", Realm::Production));
    for form in [Form::Json, Form::Cbor] {
        let bytes = ear.to_bytes(form).unwrap();
        for id in &ids {
            assert!(!bytes.windows(id.len()).any(|part| part == id.as_bytes()), "{form:?}: {id}");
        }
    }
    let detail = ear.submods[0].1.detail.as_ref().unwrap();
    let claims = detail.claims.as_ref().unwrap();
    assert_eq!(told(claims), Vec::<String>::new());
    assert_eq!(
        claims["description"]["hardware_enforced"]["os_version"],
        whole["description"]["hardware_enforced"]["os_version"]
    );
    // Everything else is there.
    let mut rest = whole;
    for list in ["hardware_enforced", "software_enforced"] {
        let list = rest["description"][list].as_object_mut().unwrap();
        list.retain(|name, _| {
            !["serial", "imei", "meid", "second_imei"]
                .iter()
                .any(|id| *name == format!("attestation_id_{id}"))
                && name != "user_secure_id"
        });
    }
    rest["description"]["unique_id"] = json!("");
    assert_eq!(*claims, rest);
}

#[test]
fn what_one_serialisation_cannot_express_is_refused_by_name() {
    let mut ear = refusal();
    ear.unknown = vec![(Label::Number(-70_000), Item::Text("numbered".into()))];
    assert!(ear.to_bytes(Form::Cbor).is_ok());
    assert_eq!(ear.to_bytes(Form::Json).unwrap_err().code(), Code::ResultForm);
    ear.unknown = vec![(Label::Name("bytes".into()), Item::Bytes(vec![1]))];
    assert_eq!(ear.to_bytes(Form::Json).unwrap_err().code(), Code::ResultForm);
    let decimal = serde_json::Number::from_f64(0.5).unwrap();
    ear.unknown = vec![(Label::Name("half".into()), Item::Decimal(decimal))];
    assert_eq!(ear.to_bytes(Form::Cbor).unwrap_err().code(), Code::ResultForm);
    let back = Ear::from_bytes(&ear.to_bytes(Form::Json).unwrap(), Form::Json).unwrap();
    assert_eq!(back, ear);
    // What is out of its range is not written: nobody could read it.
    for nonce in [vec![1; 7], vec![1; 65]] {
        let bad = Ear { nonce: Some(nonce), ..refusal() };
        assert_eq!(bad.to_bytes(Form::Json).unwrap_err().code(), Code::ResultMalformed);
    }
    let none = Ear { submods: vec![], ..refusal() };
    assert_eq!(none.to_bytes(Form::Cbor).unwrap_err().code(), Code::ResultMalformed);
    let twice = Ear { submods: [refusal().submods, refusal().submods].concat(), ..refusal() };
    assert_eq!(twice.to_bytes(Form::Cbor).unwrap_err().code(), Code::ResultMalformed);
    let hidden = Ear { unknown: vec![(Label::Name("iat".into()), Item::Integer(1))], ..refusal() };
    assert_eq!(hidden.to_bytes(Form::Json).unwrap_err().code(), Code::ResultMalformed, "a known claim twice");
    // What nobody looked at under this name in one serialisation would count in the other.
    let named = |name: &str| vec![(Label::Name(name.into()), Item::Integer(1))];
    let unlooked = Ear { not_before: None, unknown: named("nbf"), ..refusal() };
    assert_eq!(unlooked.to_bytes(Form::Json).unwrap_err().code(), Code::ResultMalformed);
    assert_eq!(Ear::from_bytes(&unlooked.to_bytes(Form::Cbor).unwrap(), Form::Cbor), Ok(unlooked));
    let mut inside = refusal();
    inside.submods[0].1.unknown = named("ear.appraisal-policy-id");
    assert_eq!(inside.to_bytes(Form::Json).unwrap_err().code(), Code::ResultMalformed);
    // And a whole number that CBOR cannot hold is not written as another.
    let huge = Ear { unknown: vec![(Label::Name("huge".into()), Item::Integer(1 << 64))], ..refusal() };
    assert_eq!(huge.to_bytes(Form::Cbor).unwrap_err().code(), Code::ResultForm);
}
