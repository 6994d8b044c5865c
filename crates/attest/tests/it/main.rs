//! Verifier against maker: evidence that `dtx` makes, and everything that must not pass for it.
#![expect(clippy::unwrap_used, reason = "helpers of a test binary")]

#[cfg(feature = "android-key")]
#[expect(clippy::panic, clippy::string_slice, reason = "helpers of a test binary")]
mod android;
#[cfg(all(feature = "android-key", feature = "app-attest"))]
#[expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "helpers of a test binary"
)]
mod apple;
#[cfg(feature = "android-key")]
mod collateral;
#[expect(clippy::panic, reason = "helpers of a test binary")]
mod corim;
mod corpus;
#[expect(clippy::string_slice, clippy::indexing_slicing, reason = "helpers of a test binary")]
mod ear;
#[cfg(any(feature = "android-key", feature = "tpm"))]
#[expect(clippy::indexing_slicing, reason = "helpers of a test binary")]
mod forge;
#[cfg(feature = "android-key")]
mod phone;
#[cfg(all(feature = "android-key", feature = "play-integrity"))]
#[expect(clippy::panic, reason = "helpers of a test binary")]
mod play_integrity;
#[cfg(feature = "soter")]
#[expect(clippy::indexing_slicing, reason = "helpers of a test binary")]
mod rsa;
#[cfg(feature = "simulated")]
mod simulated;
#[cfg(feature = "soter")]
#[expect(clippy::panic, clippy::indexing_slicing, reason = "helpers of a test binary")]
mod soter;
#[cfg(feature = "tpm")]
#[expect(clippy::panic, clippy::indexing_slicing, reason = "helpers of a test binary")]
mod swtpm;
mod table;
#[cfg(feature = "tpm")]
#[expect(clippy::panic, clippy::indexing_slicing, reason = "helpers of a test binary")]
mod tpm;
#[cfg(feature = "webauthn")]
#[expect(clippy::panic, clippy::indexing_slicing, reason = "helpers of a test binary")]
mod webauthn;

use glacis_attest::{
    Anchors, Appraisal, AttestError, Code, Constraints, FAMILIES, Question, References, Revocations,
};
use glacis_dtx::simulated::{AttestationKey, Manufacturer, PlatformFacts};
use glacis_host::{Entropy, SeededHost};
use glacis_seal::{Context, SigningKey, sha256, thumbprint};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::simulated::{BootState, FAMILY, SecurityLevel};
use glacis_wire::message::{Bytes, PublicKey, Text};
use glacis_wire::{Realm, TenantId, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_000);
pub(crate) const CHALLENGE: [u8; 32] = [5; 32];

pub(crate) fn context(tenant: &str, realm: Realm) -> Context {
    Context::new(TenantId::parse(tenant).unwrap(), realm)
}

pub(crate) fn host(label: &str) -> SeededHost {
    SeededHost::new(1, NOW).stream(label)
}

pub(crate) fn manufacturer(label: &str) -> Manufacturer {
    Manufacturer::found(context("acme", Realm::Demo), |out| host(label).fill(out)).unwrap()
}

pub(crate) fn device_key(label: &str) -> PublicKey {
    SigningKey::generate(|out| host(label).fill(out)).unwrap().public()
}

pub(crate) fn make_device(level: SecurityLevel) -> AttestationKey {
    let host = host("device");
    manufacturer("maker")
        .make_device(|out| host.fill(out), "Model T", level, Timestamp::from_secs(2_000))
        .unwrap()
}

pub(crate) fn genuine() -> PlatformFacts {
    PlatformFacts { app: sha256(b"app"), boot: BootState::Verified, level: SecurityLevel::Tee }
}

pub(crate) fn evidence(facts: PlatformFacts) -> Evidence {
    make_device(SecurityLevel::Strongbox).attest(&CHALLENGE, thumbprint(&device_key("key")), facts).unwrap()
}

pub(crate) fn anchors() -> Anchors {
    Anchors {
        simulated_roots: vec![manufacturer("maker").root()],
        apps: vec![sha256(b"other app"), sha256(b"app")],
        ..Anchors::new(context("acme", Realm::Demo))
    }
}

/// Appraises with no expectations and no relaxations.
pub(crate) fn appraise(
    evidence: &Evidence,
    anchors: &Anchors,
    challenge: &[u8],
    device_key: &PublicKey,
    now: Timestamp,
) -> Result<Appraisal, AttestError> {
    let question = Question {
        anchors,
        references: &References::default(),
        revocations: Some(&Revocations::empty(now)),
        constraints: &Constraints::default(),
        challenge,
        device_key: Some(device_key),
        activation: None,
        now,
    };
    glacis_attest::appraise(evidence, &question)
}

/// Invariant 9: what this build cannot verify is refused, whatever it looks like.
#[test]
fn invariant_9_a_missing_family_refuses_and_never_skips() {
    let body = evidence(genuine()).body;
    for family in ["", "none", "android", "simulated2", "Simulated"] {
        let evidence = Evidence { family: Text(family.to_owned()), body: body.clone() };
        let refused = appraise(&evidence, &anchors(), &CHALLENGE, &device_key("key"), NOW).unwrap_err();
        assert_eq!(refused.code(), Code::UnknownFamily, "`{family}`");
    }
    assert_eq!(FAMILIES.contains(&FAMILY), cfg!(feature = "simulated"));
    let empty = Evidence { family: Text(String::new()), body: Bytes(vec![]) };
    assert!(appraise(&empty, &anchors(), &CHALLENGE, &device_key("key"), NOW).is_err());
}

/// Invariant 9, the other half: without its feature, even genuine evidence of the family is refused.
#[cfg(not(feature = "simulated"))]
#[test]
fn genuine_evidence_is_refused_where_its_verifier_is_not_built() {
    let refused =
        appraise(&evidence(genuine()), &anchors(), &CHALLENGE, &device_key("key"), NOW).unwrap_err();
    assert_eq!(refused.code(), Code::UnknownFamily);
}
