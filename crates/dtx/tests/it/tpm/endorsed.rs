//! The endorsement key, its certificate, and what activation proves; judged by `tpm2-tools`.

use super::rig::{Swtpm, has_tools, host, options};
use glacis_dtx::tpm::{EndorsementKind, KeyUse, Tpm, TpmFault, TpmKey, TpmOptions};
use glacis_wire::message::Bytes;
use glacis_wire::message::tpm::Activation;

/// Has `tpm2-tools` wrap a secret for an endorsement key and an attestation key, as a verifier would.
fn wrap(swtpm: &Swtpm, kind: EndorsementKind, key: &TpmKey) -> Activation {
    let at = |name: &str| swtpm.folder().join(name);
    let algorithm = if kind == EndorsementKind::P256 { "ecc" } else { "rsa" };
    swtpm.tool(&["createek", "-c", "ek.ctx", "-G", algorithm, "-u", "ek.pub"]);
    std::fs::write(at("secret"), [9; 32]).unwrap();
    let name: String = key.public().name().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    swtpm.tool(&["makecredential", "-u", "ek.pub", "-s", "secret", "-n", &name, "-o", "blob"]);
    // Without a resource manager the tools leave what they made.
    swtpm.tool(&["flushcontext", "-t"]);
    // Magic and version, then what the chip takes.
    let blob = std::fs::read(at("blob")).unwrap();
    let split = 2 + usize::from(u16::from_be_bytes([blob[8], blob[9]]));
    let (credential, secret) = blob[8..].split_at(split);
    Activation { credential: Bytes(credential.to_vec()), secret: Bytes(secret.to_vec()) }
}

#[test]
fn both_endorsement_keys_are_those_of_tpm2_tools_and_activate() {
    let Some(swtpm) = Swtpm::certified() else { return };
    if !has_tools() {
        return;
    }
    let key = swtpm.open().create_key(KeyUse::Attestation).unwrap();
    for kind in EndorsementKind::ALL {
        let activation = wrap(&swtpm, kind, &key);
        let theirs = std::fs::read(swtpm.folder().join("ek.pub")).unwrap();
        let mut tpm = swtpm.open();
        assert_eq!(tpm.endorsement(kind).unwrap().as_bytes(), &theirs[2..], "{kind:?}");
        for _ in 0..3 {
            assert_eq!(tpm.activate(kind, &key, &activation).unwrap().expose(), &[9; 32], "{kind:?}");
        }
        assert_eq!(tpm.endorsement(kind).unwrap().as_bytes(), &theirs[2..], "{kind:?}, again");
    }
}

#[test]
fn a_credential_for_another_key_or_another_chip_or_a_changed_one_does_not_open() {
    let (Some(swtpm), Some(other)) = (Swtpm::blank(), Swtpm::blank()) else { return };
    if !has_tools() {
        return;
    }
    let kind = EndorsementKind::P256;
    let mut tpm = swtpm.open();
    let (key, second) =
        (tpm.create_key(KeyUse::Attestation).unwrap(), tpm.create_key(KeyUse::Attestation).unwrap());
    let signing = tpm.create_key(KeyUse::Signing).unwrap();
    drop(tpm);
    let activation = wrap(&swtpm, kind, &key);
    let elsewhere = wrap(&other, kind, &key);
    let mut tpm = swtpm.open();
    let mut refused = |key: &TpmKey, activation: &Activation| {
        let error = tpm.activate(kind, key, activation).unwrap_err();
        assert_eq!(error.fault(), TpmFault::NotOfThisTpm, "{error}");
    };
    refused(&second, &activation);
    refused(&key, &elsewhere);
    let mut flipped = activation.clone();
    flipped.credential.0[40] ^= 1;
    refused(&key, &flipped);
    let mut flipped = activation.clone();
    flipped.secret.0[20] ^= 1;
    refused(&key, &flipped);
    for cut in [0, 1, 2, activation.credential.len() - 1] {
        let cut =
            Activation { credential: Bytes(activation.credential[..cut].to_vec()), ..activation.clone() };
        refused(&key, &cut);
    }
    let unrestricted = tpm.activate(kind, &signing, &activation).unwrap_err();
    assert!(matches!(unrestricted.fault(), TpmFault::Unexpected(_)));
    assert_eq!(tpm.activate(kind, &key, &activation).unwrap().expose(), &[9; 32]);
}

#[test]
fn values_of_the_hierarchies_are_proven_and_wrong_ones_are_told() {
    let Some(swtpm) = Swtpm::blank() else { return };
    if !has_tools() {
        return;
    }
    let kind = EndorsementKind::P256;
    let key = swtpm.open().create_key(KeyUse::Attestation).unwrap();
    let activation = wrap(&swtpm, kind, &key);
    swtpm.tool(&["changeauth", "-c", "o", "owner's value"]);
    swtpm.tool(&["changeauth", "-c", "e", "endorser's value"]);
    let open = |owner: &[u8], endorsement: &[u8]| {
        let (owner_auth, endorsement_auth) = (owner.to_vec().into(), endorsement.to_vec().into());
        let options = TpmOptions { owner_auth, endorsement_auth, ..options() };
        Tpm::open(swtpm.link(), host(), options).unwrap()
    };
    for (owner, endorsement) in [(&b""[..], &b""[..]), (b"owner's valuE", b"endorser's value")] {
        let refused = open(owner, endorsement).create_key(KeyUse::Signing).unwrap_err();
        assert_eq!(refused.fault(), TpmFault::AuthWrong, "{refused}");
    }
    let refused = open(b"owner's value", b"endorser").activate(kind, &key, &activation).unwrap_err();
    assert_eq!(refused.fault(), TpmFault::AuthWrong, "{refused}");
    let mut tpm = open(b"owner's value", b"endorser's value");
    assert_eq!(tpm.activate(kind, &key, &activation).unwrap().expose(), &[9; 32]);
    let (counter, value) = tpm.define_counter(0x0180_0002).unwrap();
    assert_eq!(tpm.count(&counter).unwrap(), value + 1);
    tpm.remove_counter(&counter).unwrap();
    let signing = tpm.create_key(KeyUse::Signing).unwrap();
    tpm.certify(&signing, &key, &glacis_seal::sha256(b"nonce")).unwrap();
}

#[test]
fn certificates_of_the_maker_are_read_whole() {
    let Some(swtpm) = Swtpm::certified() else { return };
    let mut tpm = swtpm.open();
    let certificate = tpm.endorsement_certificate(EndorsementKind::Rsa2048).unwrap().unwrap();
    let public = tpm.endorsement(EndorsementKind::Rsa2048).unwrap();
    let modulus = public.as_bytes().last_chunk::<256>().unwrap();
    assert!(certificate.windows(256).any(|window| window == modulus), "it names the key");
    assert_eq!(tpm.endorsement_certificate(EndorsementKind::P256).unwrap(), None, "swtpm makes P-384 only");
    let platform = tpm.platform_certificates().unwrap();
    assert_eq!(platform.len(), 1);
    for der in [&certificate, &platform[0]] {
        assert_eq!(usize::from(u16::from_be_bytes([der[2], der[3]])) + 4, der.len());
    }
    let Some(blank) = Swtpm::blank() else { return };
    assert_eq!(blank.open().endorsement_certificate(EndorsementKind::Rsa2048).unwrap(), None);
    assert!(blank.open().platform_certificates().unwrap().is_empty());
}

#[test]
fn tpm2_tools_believe_a_quote_of_ours() {
    let Some(swtpm) = Swtpm::blank() else { return };
    if !has_tools() {
        return;
    }
    let mut tpm = swtpm.open();
    let key = tpm.create_key(KeyUse::Attestation).unwrap();
    let qualifying = glacis_seal::sha256(b"qualifying");
    let selection = glacis_dtx::tpm::PcrSelection::boot();
    let quoted = tpm.quote(&key, &qualifying, &selection).unwrap();
    let at = |name: &str| swtpm.folder().join(name);
    let public = key.public().as_bytes();
    let length = u16::try_from(public.len()).unwrap().to_be_bytes();
    std::fs::write(at("ak.pub"), [&length[..], public].concat()).unwrap();
    std::fs::write(at("quote"), &*quoted.attested.attest).unwrap();
    std::fs::write(at("signature"), &*quoted.attested.signature).unwrap();
    let hex: String = qualifying.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    swtpm.tool(&["print", "-t", "TPMS_ATTEST", "quote"]);
    swtpm.tool(&["print", "-t", "TPM2B_PUBLIC", "-f", "pem", "ak.pub"]);
    let pem = swtpm.tool(&["print", "-t", "TPM2B_PUBLIC", "-f", "pem", "ak.pub"]);
    std::fs::write(at("ak.pem"), pem).unwrap();
    swtpm.tool(&["checkquote", "-u", "ak.pem", "-m", "quote", "-s", "signature", "-q", &hex]);
}
