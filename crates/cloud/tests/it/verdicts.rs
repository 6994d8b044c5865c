//! Enrolment by a vendor's verdict: a token of Play Integrity that binds challenge and device key.
//!
//! The token is made here with the keys that an operator and Google would have; that it is read as it should be is the
//! verifier's to test. Here counts what becomes of it in the registry.

use crate::world::{Device, World, key};
use glacis_attest::AndroidApp;
use glacis_attest::play_integrity::{FAMILY, PlayKeys, bound_challenge};
use glacis_cloud::{CloudCore, CloudErrorKind, Place};
use glacis_host::Clock as _;
use glacis_seal::published::open_signed;
use glacis_seal::text::{base64, base64url};
use glacis_seal::{Purpose, Secret, SigningKey, jwe, jws, sha256};
use glacis_wire::message::enrol::{AttestationResult, EnrolChallenge, Evidence};
use glacis_wire::message::policy::KeyUse;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Tier, Trust};
use serde_json::json;
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);
const OPENS: [u8; 32] = [11; 32];

/// A core that expects one app's verdicts.
fn core(world: &World, google: &SigningKey) -> CloudCore {
    let mut config = world.config();
    config.enrolling.families.insert(FAMILY.to_owned());
    let signers = vec![sha256(b"certificate")];
    config.enrolling.references.android_apps =
        vec![AndroidApp { package: "com.example".to_owned(), signers }];
    let info = crate::forge::spki(google);
    config.anchors.play_integrity = vec![PlayKeys::parse(&base64(&OPENS), &base64(&info)).unwrap()];
    CloudCore::open(&Place::Memory, config, world.host.clone()).unwrap()
}

/// A verdict for this challenge and device key.
fn verdict(world: &World, google: &SigningKey, device: &Device, challenge: &EnrolChallenge) -> Evidence {
    let hash = bound_challenge(&world.context, &challenge.nonce, &device.key.public());
    let payload = json!({
        "requestDetails": {
            "requestPackageName": "com.example", "requestHash": hash, "timestampMillis": world.host.now().as_ms(),
        },
        "appIntegrity": {
            "appRecognitionVerdict": "PLAY_RECOGNIZED", "packageName": "com.example",
            "certificateSha256Digest": [base64url(sha256(b"certificate").as_bytes())],
        },
        "deviceIntegrity": {"deviceRecognitionVerdict": ["MEETS_STRONG_INTEGRITY"]},
    });
    let inner = jws::sign_es256(google, br#"{"alg":"ES256"}"#, payload.to_string().as_bytes()).unwrap();
    let header = br#"{"alg":"A256KW","enc":"A256GCM"}"#;
    let wrap = jwe::WrapKey::new(OPENS);
    let token = jwe::seal(header, inner.as_bytes(), &wrap, (&Secret::new([2; 32]), [3; 12])).unwrap();
    Evidence { family: Text(FAMILY.to_owned()), body: Bytes(token.into_bytes()) }
}

#[test]
fn a_verdict_enrols_one_device_key_at_tier_software_for_a_day() {
    let world = World::new(380);
    let google = key(&world.host);
    let mut core = core(&world, &google);
    let (device, other) = (world.device(), world.device());
    let challenge = core.enrol_challenge().unwrap();
    let evidence = verdict(&world, &google, &device, &challenge);
    // Somebody else's key, by the verdict of this one.
    let stolen = world.enrolment_with(&other, &challenge, Some(evidence.clone()));
    assert_eq!(core.enrol(&stolen).unwrap_err().kind(), REFUSED);
    let forged = verdict(&world, &key(&world.host), &device, &challenge);
    let forged = world.enrolment_with(&device, &challenge, Some(forged));
    assert_eq!(core.enrol(&forged).unwrap_err().kind(), REFUSED);
    let request = world.enrolment_with(&device, &challenge, Some(evidence.clone()));
    let response = core.enrol(&request).unwrap();
    let result: AttestationResult =
        open_signed(&world.key_set, KeyUse::Result, &world.context, Purpose::Result, &response.result)
            .unwrap();
    assert_eq!(
        (result.tier, result.trust, result.family.0.as_str()),
        (Tier::Software, Trust::Attested, FAMILY)
    );
    assert!(result.not_after <= world.host.now().after(Duration::from_secs(86_400)));
    assert_eq!(core.device(&device.thumbprint).unwrap().tier, Tier::Software);
    let next = core.enrol_challenge().unwrap();
    let replayed = world.enrolment_with(&world.device(), &next, Some(evidence));
    assert_eq!(core.enrol(&replayed).unwrap_err().kind(), REFUSED, "a replay");
    assert_eq!(core.counts().unwrap().devices, 1);
}
