//! Evidence: both steps on a real chip, with a verifier made of `seal` alone. The real verifier judges it in `sim`.

use super::rig::Swtpm;
use super::store::Device;
use crate::{NOW, challenge, context};
use glacis_dtx::tpm::{DeviceTpmError, Measured, PcrBank, PcrSelection, TpmFault};
use glacis_dtx::{KeyStore, Role};
use glacis_seal::credential::{EndorsementKey, make_credential};
use glacis_seal::hash::context_digest;
use glacis_seal::{Purpose, Secret, sha256, verify_raw};
use glacis_wire::Decode;
use glacis_wire::limits::EVENT_LOG_BYTES_MAX;
use glacis_wire::message::tpm::{Activation, ActivationRequest, FAMILY, TpmEvidence};
use glacis_wire::message::{Bytes, PublicKey};
use std::time::Duration;

/// What a verifier answers, for an endorsement key of P-256.
fn activation(request: &ActivationRequest) -> Activation {
    let (point, _) = point_of(&request.identity.ek);
    let name = [&[0, 0x0b][..], sha256(&request.identity.ak).as_bytes()].concat();
    let fill = |out: &mut [u8]| {
        out.fill(3);
        Ok::<_, ()>(())
    };
    let made = make_credential(EndorsementKey::P256(&point), &name, &Secret::new([9; 32]), fill).unwrap();
    Activation { credential: Bytes(made.id_object), secret: Bytes(made.encrypted_secret) }
}

/// The point at the end of a `TPMT_PUBLIC`, and what is before it.
fn point_of(public: &[u8]) -> (PublicKey, &[u8]) {
    let (head, unique) = public.split_at(public.len() - 68);
    let mut point = [4; PublicKey::LEN];
    point[1..33].copy_from_slice(&unique[2..34]);
    point[33..].copy_from_slice(&unique[36..]);
    (PublicKey(point), head)
}

#[test]
fn evidence_is_over_challenge_context_and_device_key_and_carries_what_was_activated() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let device = Device::new(swtpm);
    let tpm = device.open().unwrap();
    let store = tpm.key_store().unwrap();
    let key = store.create(Role::Device).unwrap();
    let request = tpm.request(&challenge(), &key, NOW).unwrap();
    assert_eq!((&request.challenge, request.device_key), (&challenge(), key));
    let measured = Measured { event_log: vec![1, 2, 3], ..Measured::default() };
    let evidence = tpm.evidence(&challenge(), &key, &activation(&request), &measured).unwrap();
    assert_eq!(&*evidence.family, FAMILY);
    let evidence = TpmEvidence::from_bytes(&evidence.body).unwrap();
    assert_eq!(evidence.identity, request.identity);
    assert_eq!(evidence.activation, Some([9; 32]));
    assert_eq!(point_of(&evidence.device_key).0, key);
    assert_eq!(&*evidence.event_log, [1, 2, 3]);
    assert_eq!(evidence.pcrs.len(), 13);
    let wanted = context_digest(&context(), Purpose::TpmEvidence, &[&challenge().nonce, &key.0]);
    let (attestation, _) = point_of(&evidence.identity.ak);
    for attested in [&evidence.certified, &evidence.quoted] {
        verify_raw(&attestation, &attested.attest, &super::keys::fixed(&attested.signature)).unwrap();
        assert!(attested.attest.windows(32).any(|window| window == wanted.as_bytes()));
    }
    let name = sha256(&evidence.device_key);
    assert!(evidence.certified.attest.windows(32).any(|window| window == name.as_bytes()));
    // As often as it is asked, on one open device.
    for _ in 0..3 {
        let request = tpm.request(&challenge(), &key, NOW).unwrap();
        tpm.evidence(&challenge(), &key, &activation(&request), &measured).unwrap();
    }
}

#[test]
fn evidence_without_activation_says_that_it_has_none() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let device = Device::new(swtpm);
    let store = device.open().unwrap().key_store().unwrap();
    store.create(Role::Device).unwrap();
    let evidence = store.attest(Role::Device, &[7; 32]).unwrap().unwrap();
    assert_eq!(TpmEvidence::from_bytes(&evidence.body).unwrap().activation, None);
    assert_eq!(store.attest(Role::Device, b"too short").unwrap(), None);
}

#[test]
fn nothing_is_attested_that_is_not_of_this_chip_or_late_or_too_large() {
    let (Some(swtpm), Some(other)) = (Swtpm::blank(), Swtpm::blank()) else { return };
    let (device, other) = (Device::new(swtpm), Device::new(other));
    let (tpm, elsewhere) = (device.open().unwrap(), other.open().unwrap());
    let (store, their_store) = (tpm.key_store().unwrap(), elsewhere.key_store().unwrap());
    let (key, theirs) = (store.create(Role::Device).unwrap(), their_store.create(Role::Device).unwrap());
    let unknown = tpm.request(&challenge(), &theirs, NOW).unwrap_err();
    assert!(matches!(unknown, DeviceTpmError::UnknownKey), "{unknown}");
    let late = challenge().not_after.after(Duration::from_millis(1));
    assert!(matches!(tpm.request(&challenge(), &key, late), Err(DeviceTpmError::Expired)));
    let request = tpm.request(&challenge(), &key, NOW).unwrap();
    let for_other = activation(&elsewhere.request(&challenge(), &theirs, NOW).unwrap());
    let refused = tpm.evidence(&challenge(), &key, &for_other, &Measured::default()).unwrap_err();
    assert!(
        matches!(&refused, DeviceTpmError::Tpm(error) if error.fault() == TpmFault::NotOfThisTpm),
        "{refused}"
    );
    let too_long = Measured { event_log: vec![0; EVENT_LOG_BYTES_MAX + 1], ..Measured::default() };
    let refused = tpm.evidence(&challenge(), &key, &activation(&request), &too_long).unwrap_err();
    assert!(matches!(refused, DeviceTpmError::Limit(_)), "nothing is cut to fit: {refused}");
    // A revoked key is of no ring.
    store.revoke(Role::Device).unwrap();
    let gone = tpm.request(&challenge(), &key, NOW).unwrap_err();
    assert!(matches!(gone, DeviceTpmError::UnknownKey), "{gone}");
}

#[test]
fn a_certified_chip_shows_its_certificates_and_those_above() {
    let Some(swtpm) = Swtpm::certified() else { return };
    let device = Device::new(swtpm);
    // Some makers leave the chain: two certificates over two indexes, the first split between them.
    if super::rig::has_tools() {
        let (one, two) = ([&[0x30, 0x82, 1, 0][..], &[1; 256]].concat(), [0x30, 2, 5, 0]);
        let chain = [&one[..], &two].concat();
        for (index, piece) in [("0x1c00100", &chain[..100]), ("0x1c00101", &chain[100..])] {
            std::fs::write(device.swtpm.folder().join("piece"), piece).unwrap();
            let size = piece.len().to_string();
            let attributes = "ownerread|ownerwrite|authread|authwrite|no_da";
            device.swtpm.tool(&["nvdefine", index, "-s", &size, "-a", attributes]);
            device.swtpm.tool(&["nvwrite", index, "-C", "o", "-i", "piece"]);
        }
        let tpm = device.open().unwrap();
        assert_eq!(tpm.chip().endorsement_chain().unwrap(), [one, two.to_vec()]);
    }
    let tpm = device.open().unwrap();
    let store = tpm.key_store().unwrap();
    let key = store.create(Role::Device).unwrap();
    let request = tpm.request(&challenge(), &key, NOW).unwrap();
    assert_eq!(request.identity.ek[..2], [0, 1], "RSA: the one that has a certificate");
    assert!(!request.identity.ek_certificates.is_empty());
    let evidence = store.attest(Role::Device, &[7; 32]).unwrap().unwrap();
    // swtpm's is a public-key certificate, for which evidence has no place.
    assert!(TpmEvidence::from_bytes(&evidence.body).unwrap().platform_certificates.is_empty());
    assert_eq!(tpm.chip().platform_certificates().unwrap().len(), 1);
}

#[test]
fn registers_that_the_chip_does_not_have_are_an_error() {
    let Some(swtpm) = Swtpm::certified() else { return };
    let device = Device::new(swtpm);
    let tpm = device.open().unwrap();
    let store = tpm.key_store().unwrap();
    let key = store.create(Role::Device).unwrap();
    let measured = Measured { pcrs: PcrSelection::of(PcrBank::Sha1, &[0]).unwrap(), ..Measured::default() };
    let request = tpm.request(&challenge(), &key, NOW).unwrap();
    assert_eq!(request.identity.ek[..2], [0, 1]);
    let refused = tpm.chip().read_pcrs(&measured.pcrs).unwrap_err();
    assert_eq!(refused.fault(), TpmFault::Unsupported, "swtpm_setup leaves the bank of SHA-256 only");
    assert!(PcrSelection::of(PcrBank::Sha256, &[24]).is_err());
    let all: Vec<u8> = (0..24).collect();
    let three = [PcrBank::Sha1, PcrBank::Sha256, PcrBank::Sha384];
    let three = three.iter().try_fold(PcrSelection::none(), |selection, bank| selection.and(*bank, &all));
    assert!(three.is_err(), "72 are over the limit");
}
