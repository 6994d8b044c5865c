//! Keys in the chip: made, used, certified, and of no use elsewhere.

use super::rig::Swtpm;
use glacis_dtx::tpm::{KeyUse, PcrBank, PcrSelection, TpmFault, TpmKey};
use glacis_seal::{sha256, verify_raw};

#[test]
fn a_key_signs_in_the_chip_and_survives_resets() {
    let Some(mut swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let key = tpm.create_key(KeyUse::Signing).unwrap();
    for _ in 0..20 {
        let signature = tpm.sign(&key, &sha256(b"message")).unwrap();
        verify_raw(&key.point(), b"message", &signature).unwrap();
    }
    let stored = key.to_bytes().unwrap();
    drop(tpm);
    swtpm.reset();
    let again = TpmKey::from_bytes(&stored).unwrap();
    assert_eq!(again, key);
    let signature = swtpm.open().sign(&again, &sha256(b"after")).unwrap();
    verify_raw(&key.point(), b"after", &signature).unwrap();
}

#[test]
fn a_key_is_of_no_use_in_another_chip() {
    let (Some(swtpm), Some(other)) = (Swtpm::blank(), Swtpm::blank()) else { return };
    let key = swtpm.open().create_key(KeyUse::Signing).unwrap();
    let refused = other.open().sign(&key, &sha256(b"message")).unwrap_err();
    assert_eq!(refused.fault(), TpmFault::NotOfThisTpm, "{refused}");
}

#[test]
fn an_attestation_key_quotes_and_certifies_and_signs_nothing_of_ours() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut tpm = swtpm.open();
    let (ak, key) = (tpm.create_key(KeyUse::Attestation).unwrap(), tpm.create_key(KeyUse::Signing).unwrap());
    let qualifying = sha256(b"qualifying");
    let pcrs = PcrSelection::boot().and(PcrBank::Sha256, &[16, 17, 23]).unwrap();
    tpm.extend_pcr(16, &sha256(b"measured")).unwrap();
    let quoted = tpm.quote(&ak, &qualifying, &pcrs).unwrap();
    assert_eq!(quoted.pcrs.len(), 16);
    let certified = tpm.certify(&key, &ak, &qualifying).unwrap();
    for attested in [&quoted.attested, &certified] {
        let signature = fixed(&attested.signature);
        verify_raw(&ak.point(), &attested.attest, &signature).unwrap();
    }
    let refused = tpm.sign(&ak, &sha256(b"message")).unwrap_err();
    assert!(matches!(refused.fault(), TpmFault::Code(_) | TpmFault::Unsupported), "{refused}");
    for refused in [tpm.quote(&key, &qualifying, &pcrs).err(), tpm.certify(&key, &key, &qualifying).err()] {
        assert!(matches!(refused.unwrap().fault(), TpmFault::Unexpected(_)));
    }
}

/// r ‖ s of a `TPMT_SIGNATURE` whose coordinates have no leading zeros cut off.
pub(crate) fn fixed(signature: &[u8]) -> Vec<u8> {
    let mut rest = &signature[4..];
    let mut fixed = Vec::new();
    for _ in 0..2 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        fixed.extend(std::iter::repeat_n(0, 32 - length));
        fixed.extend(&rest[2..2 + length]);
        rest = &rest[2 + length..];
    }
    fixed
}
