//! Evidence of phones and authenticators: chains, attestation objects, assertions, receipts, registrations, lists.
//!
//! Invariants: nothing panics; what is accepted was signed by the one key that is anchored here, over the one challenge
//! that is asked for; what strict reading accepts, lenient reading accepts with the same meaning; the same bytes are
//! judged alike twice.

use glacis_attest::apple::{Stored, check_assertion, check_receipt};
use glacis_attest::webauthn::{self as login, AssertionAsked, StoredCredential};
use glacis_attest::{
    Anchors, Claims, Constraints, Question, References, Relaxation, Revocations, Roots, Site, android, pem,
};
use glacis_seal::{Context, SigningKey};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Realm, TenantId, Timestamp};

/// What all evidence here is made for.
pub(crate) const CHALLENGE: &[u8] = b"challenge";
/// As of when it is judged.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
/// The app of the seeds.
pub(crate) const APP: &str = "TEAMID.example";

/// Checks one chain of family `android-key`, as DER and as text.
pub fn android(data: &[u8]) {
    let _ = accepts_android(data);
}

/// Checks one object of App Attest: 0 attestation, 1 assertion, 2 receipt.
pub fn apple(data: &[u8]) {
    let _ = accepts_apple(data);
}

/// Checks one registration or assertion.
pub fn webauthn(data: &[u8]) {
    let _ = accepts_webauthn(data);
}

/// The same, and whether strict reading accepts it.
pub(crate) fn accepts_android(data: &[u8]) -> bool {
    let accepted = appraise("android-key", data, false).is_some();
    if let Some(claims) = appraise("android-key", data, true) {
        let Claims::AndroidKey(claims) = claims else { panic!("claims of another family") };
        assert_eq!(claims.description.attestation_challenge, CHALLENGE, "another challenge");
    }
    let strict = android::read_statement(data, false);
    if let Ok(strict) = strict {
        assert_eq!(android::read_statement(data, true).ok(), Some(strict), "lenient reads otherwise");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = pem::certificates(text);
    }
    accepted || Revocations::parse_google(data, NOW).is_ok()
}

/// The same, and whether it is accepted.
pub(crate) fn accepts_apple(data: &[u8]) -> bool {
    let (Some((kind, body)), Some(key)) = (data.split_first(), signer(3)) else { return false };
    let public = key.public();
    match kind {
        0 => appraise("app-attest", body, true).is_some(),
        1 => {
            let stored = Stored { key: &public, app: APP, counter: 4 };
            let found = check_assertion(body, CHALLENGE, &stored);
            assert!(found.as_ref().map_or(true, |found| found.counter == 5), "a counter that nobody signed");
            found.is_ok()
        }
        _ => {
            let found = check_receipt(body, &roots().apple, APP, &public, NOW);
            assert!(found.as_ref().map_or(true, |found| found.risk_metric == Some(2)), "nobody signed this");
            found.is_ok()
        }
    }
}

/// The same, and whether strict reading accepts it.
pub(crate) fn accepts_webauthn(data: &[u8]) -> bool {
    let accepted = appraise("webauthn", data, false).is_some();
    if let Some(claims) = appraise("webauthn", data, true) {
        let Claims::Webauthn(claims) = claims else { panic!("claims of another family") };
        assert_eq!((claims.site.as_str(), claims.origin.as_str()), ("site.test", "https://site.test"));
    }
    accepted || accepts_login(data)
}

/// Whether it is an assertion of the one credential that is stored here.
fn accepts_login(data: &[u8]) -> bool {
    let Some(key) = signer(5).map(|key| crate::forge::spki(&key)) else { return false };
    let stored = StoredCredential {
        id: b"id",
        key: &key,
        algorithm: -7,
        counter: 4,
        backup_eligible: false,
        user: None,
    };
    let site = Site { id: "site.test".into(), origins: vec!["https://site.test".into()] };
    let asked = AssertionAsked { site: &site, challenge: CHALLENGE, user_verification: true };
    let found = login::check_assertion(data, &stored, &asked);
    assert!(found.as_ref().map_or(true, |found| found.counter == 5), "a counter that nobody signed");
    found.is_ok()
}

fn appraise(family: &str, body: &[u8], relaxed: bool) -> Option<Claims> {
    let tenant = TenantId::parse("fuzz").ok()?;
    let anchors = Anchors { roots: roots(), ..Anchors::new(Context::new(tenant, Realm::Production)) };
    let site = Site { id: "site.test".into(), origins: vec!["https://site.test".into()] };
    let references = References { apple_apps: vec![APP.into()], sites: vec![site], ..References::default() };
    // A stranger's word would pass for a signature here, so that one relaxation stays off.
    let allowed = Relaxation::ALL.iter().copied().filter(|one| *one != Relaxation::DangerUnanchored);
    let constraints = Constraints {
        allow: if relaxed { allowed.collect() } else { Default::default() },
        ..Constraints::default()
    };
    let question = Question {
        anchors: &anchors,
        references: &references,
        revocations: Some(&Revocations::empty(NOW)),
        constraints: &constraints,
        challenge: CHALLENGE,
        device_key: None,
        activation: None,
        now: NOW,
    };
    let evidence = Evidence { family: Text(family.into()), body: Bytes(body.to_vec()) };
    let outcome = glacis_attest::appraise(&evidence, &question);
    assert_eq!(outcome, glacis_attest::appraise(&evidence, &question), "judged differently twice");
    outcome.ok().map(|found| {
        assert!(relaxed || found.relaxed.is_empty(), "relaxed without leave");
        found.claims
    })
}

/// One key is trusted for everything.
fn roots() -> Roots {
    let Some(key) = signer(1) else { panic!("the fixed keys are wrong") };
    let key = vec![crate::forge::spki(&key)];
    Roots {
        android: key.clone(),
        app_attest: key.clone(),
        apple: key.clone(),
        apple_webauthn: key.clone(),
        authenticators: key.clone(),
        tpm: key.clone(),
        platforms: key.clone(),
        soter: key,
    }
}

/// A key of the seeds. Public on purpose: nothing but seeds is signed with it.
pub(crate) fn signer(seed: u8) -> Option<SigningKey> {
    SigningKey::from_scalar(&[seed; 32]).ok()
}
