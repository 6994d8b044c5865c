//! The round trip before a TPM enrols, from the control plane's side. That a chip opens what is made here, and that its
//! evidence enrols, is tested over an emulated TPM in the simulator's tests.

use crate::world::{World, key};
use glacis_cloud::{CloudCore, CloudErrorKind, Enrolling, Place};
use glacis_seal::{Context, SigningKey};
use glacis_wire::message::enrol::{EnrolChallenge, Evidence};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::tpm::{ActivationRequest, FAMILY, TpmIdentity};
use glacis_wire::message::{Bytes, List, Text};
use glacis_wire::{Decode as _, Encode as _, Realm, TenantId};
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);

/// fixedTPM, fixedParent, sensitiveDataOrigin, restricted; and what the key does (TPM 2.0 Library, Part 2 §8.3).
const BOUND: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 16;
const DECRYPT: u32 = BOUND | 1 << 17;
const SIGN: u32 = BOUND | 1 << 18;

/// `TPMT_PUBLIC` of a P-256 key.
fn public(key: &SigningKey, attributes: u32) -> Bytes<{ glacis_wire::limits::TPM_BYTES_MAX }> {
    let point = key.public().0;
    let mut bytes = vec![0, 0x23, 0, 0x0b];
    bytes.extend(attributes.to_be_bytes());
    bytes.extend([0, 0]);
    if attributes & 1 << 17 == 0 {
        // No symmetric key; ECDSA with SHA-256.
        bytes.extend([0, 0x10, 0, 0x18, 0, 0x0b]);
    } else {
        // AES 128 in CFB for what is below it; no scheme.
        bytes.extend([0, 0x06, 0, 0x80, 0, 0x43, 0, 0x10]);
    }
    bytes.extend([0, 3, 0, 0x10]);
    for coordinate in [&point[1..33], &point[33..]] {
        bytes.extend([0, 32]);
        bytes.extend(coordinate);
    }
    Bytes(bytes)
}

fn identity(world: &World) -> TpmIdentity {
    TpmIdentity {
        ek: public(&key(&world.host), DECRYPT),
        ek_certificates: List(Vec::new()),
        ak: public(&key(&world.host), SIGN),
    }
}

fn core(world: &World) -> CloudCore {
    let mut config = world.config();
    config.enrolling.families.insert(FAMILY.to_owned());
    CloudCore::open(&Place::Memory, config, world.host.clone()).unwrap()
}

fn request(world: &World, challenge: &EnrolChallenge) -> ActivationRequest {
    let device_key = world.device().key.public();
    ActivationRequest { challenge: challenge.clone(), device_key, identity: identity(world) }
}

#[test]
fn nothing_of_a_family_that_does_not_enrol_is_taken() {
    let world = World::new(360);
    let mut core = world.core();
    let challenge = core.enrol_challenge().unwrap();
    let refused = core.enrol_activation(&request(&world, &challenge)).unwrap_err();
    assert_eq!((refused.kind(), refused.detail()), (REFUSED, "evidence of family `tpm` enrols nothing here"));
    let evidence = Evidence { family: Text(FAMILY.to_owned()), body: Bytes(vec![0; 64]) };
    let enrolment = world.enrolment_with(&world.device(), &challenge, Some(evidence));
    assert_eq!(core.enrol(&enrolment).unwrap_err().kind(), REFUSED);
    let mut config = world.config();
    config.enrolling = Enrolling { families: ["moon".to_owned()].into(), ..Enrolling::default() };
    let unknown = CloudCore::open(&Place::Memory, config, world.host.clone()).unwrap_err();
    assert_eq!(unknown.kind(), CloudErrorKind::Invalid, "a family without a verifier refuses the start");
}

#[test]
fn a_credential_is_made_for_a_good_challenge_and_keys_in_their_roles_and_nothing_is_kept() {
    let world = World::new(361);
    let mut core = core(&world);
    let challenge = core.enrol_challenge().unwrap();
    let good = request(&world, &challenge);
    let rows = core.danger_connection().total_changes();
    let (first, second) = (core.enrol_activation(&good).unwrap(), core.enrol_activation(&good).unwrap());
    assert_ne!(first, second, "each under an ephemeral key of its own");
    assert_eq!(core.danger_connection().total_changes(), rows);
    let with = |identity: TpmIdentity| ActivationRequest { identity, ..good.clone() };
    let (ek, ak) = (good.identity.ek.clone(), good.identity.ak.clone());
    let mut moved = challenge.clone();
    moved.nonce[0] ^= 1;
    let mut stretched = challenge.clone();
    stretched.not_after = stretched.not_after.after(Duration::from_secs(1));
    let listed = world.device();
    let other = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&listed, &other, None)).unwrap();
    core.refuse_device(&listed.thumbprint, "stolen").unwrap();
    let open_ek = public(&key(&world.host), DECRYPT & !(1 << 16));
    let loose_ak = public(&key(&world.host), SIGN & !(1 << 16));
    for (name, request) in [
        ("another nonce", ActivationRequest { challenge: moved, ..good.clone() }),
        ("another end", ActivationRequest { challenge: stretched, ..good.clone() }),
        ("a spent challenge", ActivationRequest { challenge: other, ..good.clone() }),
        ("a listed key", ActivationRequest { device_key: listed.key.public(), ..good.clone() }),
        (
            "the two keys exchanged",
            with(TpmIdentity { ek: ak.clone(), ak: ek.clone(), ..good.identity.clone() }),
        ),
        ("one key for both", with(TpmIdentity { ak: ek.clone(), ..good.identity.clone() })),
        ("an unrestricted endorsement key", with(TpmIdentity { ek: open_ek, ..good.identity.clone() })),
        (
            "an attestation key that signs anything",
            with(TpmIdentity { ak: loose_ak, ..good.identity.clone() }),
        ),
        ("no key", with(TpmIdentity { ek: Bytes(Vec::new()), ..good.identity.clone() })),
    ] {
        assert_eq!(core.enrol_activation(&request).unwrap_err().kind(), REFUSED, "{name}");
    }
    world.host.advance(Duration::from_secs(301));
    let late = core.enrol_activation(&good).unwrap_err();
    assert_eq!((late.kind(), late.detail()), (REFUSED, "the challenge expired"));
}

#[test]
fn a_challenge_of_another_tenant_or_realm_activates_nothing() {
    let world = World::new(362);
    let mut core = core(&world);
    for (tenant, realm) in [("rival", Realm::Demo), ("acme", Realm::Production)] {
        let mut other = World::new(363);
        other.context = Context::new(TenantId::parse(tenant).unwrap(), realm);
        other.key_set.tenant = other.context.tenant.clone();
        other.key_set.realm = realm;
        // The same own key: only the context keeps the two apart.
        let challenge = other.open(&Place::Memory).enrol_challenge().unwrap();
        let refused = core.enrol_activation(&request(&world, &challenge)).unwrap_err();
        assert_eq!((refused.kind(), refused.detail()), (REFUSED, "the challenge is not ours"), "{tenant}");
    }
}

#[test]
fn a_changed_byte_of_an_activation_request_is_refused_or_asks_for_something_else() {
    let world = World::new(364);
    let mut core = core(&world);
    let challenge = core.enrol_challenge().unwrap();
    let bytes = request(&world, &challenge).to_bytes().unwrap();
    let challenge_bytes = challenge.to_bytes().unwrap().len();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(changed) = ActivationRequest::from_bytes(&changed) else { continue };
        match core.enrol_activation(&changed) {
            Err(error) => assert_eq!(error.kind(), REFUSED, "byte {at}"),
            // The secret follows from what was changed, so the chip gives another one than its enrolment is asked for.
            Ok(_) => assert!(at >= challenge_bytes, "byte {at} of the challenge"),
        }
    }
    for len in 0..bytes.len() {
        assert!(ActivationRequest::from_bytes(&bytes[..len]).is_err(), "cut at {len}");
    }
}
