//! Evidence of SOTER and tokens of Play Integrity.
//!
//! Invariants: nothing panics; what is accepted was signed by the keys that are anchored here, over the one challenge that
//! is asked for; the same bytes are judged alike twice. A fuzzer cannot seal or sign, so it is let behind both: of a token
//! it writes the payload, which is signed and sealed here.

use crate::evidence::{CHALLENGE, NOW, signer};
use crate::forge::spki;
use crate::rsa::{ASK, ATTK, AUTH_KEY};
use glacis_attest::play_integrity::PlayKeys;
use glacis_attest::{
    Anchors, AndroidApp, Claims, Constraints, Question, References, Relaxation, Revocations, Roots, soter,
};
use glacis_seal::jwe::{self, WrapKey};
use glacis_seal::text::{base64, base64url};
use glacis_seal::{Context, Secret, jws, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Realm, TenantId};
use std::sync::OnceLock;

/// The app of the seeds.
const APP: &str = "com.example";
/// The key that opens tokens here.
const OPENS: [u8; 32] = [9; 32];

/// Checks evidence, and the same bytes as an exported key of an app.
pub fn soter(data: &[u8]) {
    let _ = accepts_soter(data);
}

/// Checks a payload, behind signature and seal, and the same bytes as a token.
pub fn play(data: &[u8]) {
    let _ = accepts_play(data);
}

/// The same, and whether strict reading accepts it.
pub(crate) fn accepts_soter(data: &[u8]) -> bool {
    let accepted = appraise("soter", data, false);
    if let Some(claims) = accepted.clone().or_else(|| appraise("soter", data, true)) {
        let Claims::Soter(claims) = claims else { panic!("claims of another family") };
        assert_eq!(claims.scene_key, AUTH_KEY.spki(), "a key that nobody signed");
        assert!(claims.counter == 3 && claims.cpu_id.expose() == "cpu", "a statement that nobody signed");
    }
    with_question(true, |question| {
        let found = soter::check_ask(data, question);
        assert!(found.is_err(), "no chain of the seeds is by itself");
    });
    accepted.is_some()
}

/// The same, and whether the payload is accepted.
pub(crate) fn accepts_play(data: &[u8]) -> bool {
    // Whoever has no key makes no token.
    assert!(appraise("play-integrity", data, true).is_none(), "a token that nobody sealed");
    let Some(google) = signer(6) else { panic!("the fixed keys are wrong") };
    let token = jws::sign_es256(&google, br#"{"alg":"ES256"}"#, data).and_then(|inner| {
        let header = br#"{"alg":"A256KW","enc":"A256GCM"}"#;
        jwe::seal(header, inner.as_bytes(), &WrapKey::new(OPENS), (&Secret::new([2; 32]), [3; 12]))
    });
    let Ok(token) = token else { return false };
    let Some(claims) = appraise("play-integrity", token.as_bytes(), false) else { return false };
    let Claims::PlayIntegrity(claims) = claims else { panic!("claims of another family") };
    assert_eq!(claims.package, APP, "another app");
    true
}

fn appraise(family: &str, body: &[u8], relaxed: bool) -> Option<Claims> {
    let evidence = Evidence { family: Text(family.into()), body: Bytes(body.to_vec()) };
    with_question(relaxed, |question| {
        let outcome = glacis_attest::appraise(&evidence, question);
        assert_eq!(outcome, glacis_attest::appraise(&evidence, question), "judged differently twice");
        outcome.ok().map(|found| {
            assert!(relaxed || found.relaxed.is_empty(), "relaxed without leave");
            found.claims
        })
    })
}

fn with_question<T>(relaxed: bool, ask: impl FnOnce(&Question<'_>) -> T) -> T {
    static ANCHORS: OnceLock<Anchors> = OnceLock::new();
    let anchors = ANCHORS.get_or_init(anchors);
    let app = AndroidApp { package: APP.into(), signers: vec![sha256(b"signer")] };
    let references = References { android_apps: vec![app], ..References::default() };
    // A stranger's word would pass for a signature here, so that one relaxation stays off.
    let allowed = Relaxation::ALL.iter().copied().filter(|one| *one != Relaxation::DangerUnanchored);
    let constraints = Constraints {
        allow: if relaxed { allowed.collect() } else { Default::default() },
        ..Constraints::default()
    };
    ask(&Question {
        anchors,
        references: &references,
        revocations: Some(&Revocations::empty(NOW)),
        constraints: &constraints,
        challenge: CHALLENGE,
        device_key: None,
        activation: None,
        now: NOW,
    })
}

fn anchors() -> Anchors {
    let (Ok(tenant), Some(google)) = (TenantId::parse("fuzz"), signer(6)) else {
        panic!("the fixed keys are wrong")
    };
    let Some(keys) = PlayKeys::parse(&base64(&OPENS), &base64(&spki(&google))) else {
        panic!("the fixed keys are wrong")
    };
    Anchors {
        roots: Roots { soter: vec![ATTK.spki()], ..Roots::default() },
        play_integrity: vec![keys],
        ..Anchors::new(Context::new(tenant, Realm::Production))
    }
}

/// Target, name, bytes.
pub(crate) fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    vec![("attest_soter", "levels", levels()), ("attest_play", "verdict", verdict())]
}

fn levels() -> Vec<u8> {
    let pem = |der: &[u8]| format!(r"-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", base64(der));
    let about = |key: &crate::rsa::RsaKey, counter: u8| {
        format!(r#"{{"pub_key":"{}","cpu_id":"cpu","counter":{counter},"uid":"10"}}"#, pem(&key.spki()))
    };
    let signed = |text: &str, key: &crate::rsa::RsaKey| {
        let (json, signature) = (base64url(text.as_bytes()), base64url(&key.sign(text.as_bytes(), 20)));
        format!(r#"{{"json":"{json}","signature":"{signature}"}}"#)
    };
    let last = r#"{"raw":"challenge","fid":"1","counter":3,"tee_n":"t","tee_v":"1","fp_n":"s","fp_v":"2","cpu_id":"cpu","uid":"10"}"#;
    format!(
        r#"{{"attk":{{"key":"{}"}},"ask":{},"auth_key":{},"final":{}}}"#,
        base64url(&ATTK.spki()),
        signed(&about(&ASK, 1), &ATTK),
        signed(&about(&AUTH_KEY, 2), &ASK),
        signed(last, &AUTH_KEY),
    )
    .into_bytes()
}

fn verdict() -> Vec<u8> {
    let (hash, signer) = (base64url(CHALLENGE), base64url(sha256(b"signer").as_bytes()));
    format!(
        r#"{{"requestDetails":{{"requestPackageName":"{APP}","requestHash":"{hash}","timestampMillis":"{}"}},
        "appIntegrity":{{"appRecognitionVerdict":"PLAY_RECOGNIZED","packageName":"{APP}",
        "certificateSha256Digest":["{signer}"],"versionCode":"4"}},
        "deviceIntegrity":{{"deviceRecognitionVerdict":["MEETS_DEVICE_INTEGRITY"],"deviceAttributes":{{"sdkVersion":36}},
        "recentDeviceActivity":{{"deviceActivityLevel":"LEVEL_1"}},
        "deviceRecall":{{"values":{{"bitFirst":true}},"writeDates":{{"yyyymmFirst":202510}}}}}},
        "accountDetails":{{"appLicensingVerdict":"LICENSED"}},
        "environmentDetails":{{"appAccessRiskVerdict":{{"appsDetected":["KNOWN_INSTALLED"]}},"playProtectVerdict":"NO_ISSUES"}}}}"#,
        NOW.as_ms(),
    )
    .into_bytes()
}
