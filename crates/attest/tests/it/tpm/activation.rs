//! `make_credential` against TPMs: one in software opens what we made, and nobody else's does.

use super::SECRET;
use crate::corpus;
use crate::swtpm::Swtpm;
use glacis_attest::Code;
use glacis_attest::tpm::make_credential;
use glacis_seal::sha256_parts;
use glacis_wire::message::tpm::{Activation, TpmIdentity};
use glacis_wire::message::{Bytes, List};

fn entropy(seed: u8) -> [u8; 64] {
    let halves = [0, 1].map(|half| *sha256_parts(&[&[seed, half]]).as_bytes());
    halves.concat().try_into().unwrap()
}

fn identity(ek: Vec<u8>, ak: Vec<u8>) -> TpmIdentity {
    TpmIdentity { ek: Bytes(ek), ek_certificates: List(vec![]), ak: Bytes(ak) }
}

/// An endorsement key and an attestation key below it, named `ek-KIND` and `ak-KIND` in the folder.
fn keys(tpm: &Swtpm, kind: &str) -> TpmIdentity {
    let scheme = if kind == "rsa" { "rsassa" } else { "ecdsa" };
    tpm.run(&[
        &format!("tpm2_createek -G {kind} -c ek-{kind}.ctx -u ek-{kind}.pub"),
        &format!(
            "tpm2_createak -C ek-{kind}.ctx -c ak-{kind}.ctx -G {kind} -g sha256 -s {scheme} -u ak-{kind}.pub -n ak-{kind}.name"
        ),
    ]);
    identity(tpm.read_sized(&format!("ek-{kind}.pub")), tpm.read_sized(&format!("ak-{kind}.pub")))
}

/// Opens a credential as the tools do; the error is theirs.
fn open(tpm: &Swtpm, kind: &str, activation: &Activation) -> Result<Vec<u8>, String> {
    let header = [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1];
    tpm.write("credential", &[&header[..], &activation.credential, &activation.secret].concat());
    tpm.run(&["tpm2_startauthsession --policy-session -S session.ctx"]);
    tpm.try_run("tpm2_policysecret -S session.ctx -c e").unwrap();
    let opened = tpm.try_run(&format!(
        "tpm2_activatecredential -c ak-{kind}.ctx -C ek-{kind}.ctx -i credential -o opened -P session:session.ctx"
    ));
    tpm.try_run("tpm2_flushcontext session.ctx").unwrap();
    tpm.try_run("tpm2_flushcontext -t").unwrap();
    opened.map(|()| tpm.read("opened"))
}

#[test]
fn a_tpm_opens_what_was_made_for_its_two_keys_and_nothing_else() {
    let (Some(tpm), Some(other)) = (Swtpm::start(), Swtpm::start()) else { return };
    for kind in ["ecc", "rsa"] {
        let ours = keys(&tpm, kind);
        let made = make_credential(&ours, &SECRET, &entropy(1)).unwrap();
        assert_eq!(open(&tpm, kind, &made).as_deref(), Ok(&SECRET[..]), "{kind}");
        // What another TPM's keys were made for does not open: neither its own endorsement key nor a foreign name.
        let theirs = keys(&other, kind);
        let crossed = identity(ours.ek.to_vec(), theirs.ak.to_vec());
        for (wrong, why) in [(&theirs, "another TPM"), (&crossed, "another TPM's attestation key")] {
            let made = make_credential(wrong, &SECRET, &entropy(1)).unwrap();
            assert!(
                open(&tpm, kind, &made).unwrap_err().contains("Esys_ActivateCredential"),
                "{kind}: {why}"
            );
        }
        // Nor does anything that was changed on its way.
        for place in [3, 20, 40, 60] {
            let mut bent = made.clone();
            bent.credential.0[place] ^= 1;
            assert!(open(&tpm, kind, &bent).is_err(), "{kind}: byte {place} of the credential");
        }
        let mut bent = made.clone();
        bent.secret.0[30] ^= 1;
        assert!(open(&tpm, kind, &bent).is_err(), "{kind}: the encrypted seed");
    }
}

#[test]
fn the_tools_make_what_we_make() {
    let Some(tpm) = Swtpm::start() else { return };
    for kind in ["ecc", "rsa"] {
        let ours = keys(&tpm, kind);
        let made = make_credential(&ours, &SECRET, &entropy(1)).unwrap();
        tpm.write("secret", &SECRET);
        let name: String =
            tpm.read(&format!("ak-{kind}.name")).iter().map(|byte| format!("{byte:02x}")).collect();
        // `-u` takes a public key as the tools write it; the tool then needs no TPM at all.
        tpm.run(&[&format!("tpm2_makecredential -T none -u ek-{kind}.pub -s secret -n {name} -o theirs")]);
        let theirs = tpm.read("theirs");
        let credential = made.credential.len();
        assert_eq!(theirs[8..12], made.credential[..4], "{kind}: sizes of the credential");
        // Their point leaves out leading zeros.
        let shorter = 8 + credential + made.secret.len() - theirs.len();
        assert!(shorter == 0 || (kind == "ecc" && shorter < 8), "{kind}: {shorter}");
    }
}

#[test]
fn the_corpus_of_keylime_has_our_name_and_our_form() {
    let Some(ak) = corpus::bytes("tpm/keylime/ak.pub") else { return };
    let part = |file: &str| corpus::bytes(&format!("tpm/keylime/{file}")).unwrap();
    let (ek, theirs, secret) = (part("ek.pub"), part("mkcred.out"), part("secret.data"));
    let keys = identity(ek[2..].to_vec(), ak[2..].to_vec());
    let made = make_credential(&keys, &SECRET, &entropy(1)).unwrap();
    // Header, then `TPM2B_ID_OBJECT` and `TPM2B_ENCRYPTED_SECRET`: theirs holds a shorter secret.
    assert_eq!(theirs[..8], [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1]);
    let (object, seed) = theirs[8..].split_at(2 + usize::from(theirs[9]));
    assert_eq!(object.len() - secret.len(), made.credential.len() - SECRET.len());
    assert_eq!(object[2..4], made.credential[2..4]);
    assert_eq!(seed.len(), made.secret.len());
    assert_eq!(seed[..2], made.secret[..2]);
}

/// The public areas of the corpus with one attribute changed: bit of `TPMA_OBJECT`, and whose.
#[test]
fn keys_that_are_not_of_their_role_get_no_secret() {
    let Some(ak) = corpus::bytes("tpm/keylime/ak.pub") else { return };
    let ek = corpus::bytes("tpm/keylime/ek.pub").unwrap();
    let flipped = |area: &[u8], bit: u32| {
        let mut area = area[2..].to_vec();
        let attributes = u32::from_be_bytes(area[4..8].try_into().unwrap()) ^ 1 << bit;
        area[4..8].copy_from_slice(&attributes.to_be_bytes());
        area
    };
    let refused = |ek: &[u8], ak: &[u8]| {
        let refused = make_credential(&identity(ek.to_vec(), ak.to_vec()), &SECRET, &entropy(1)).unwrap_err();
        (refused.code(), refused.detail().to_owned())
    };
    for (bit, name) in [(1, "fixedTPM"), (4, "fixedParent"), (5, "sensitiveDataOrigin"), (16, "restricted")] {
        let lacks = |role: &str| (Code::KeyAttributes, format!("the {role} lacks {name}"));
        assert_eq!(refused(&flipped(&ek, bit), &ak[2..]), lacks("endorsement key"));
        assert_eq!(refused(&ek[2..], &flipped(&ak, bit)), lacks("attestation key"));
    }
    for (area, bit, says) in [
        ("ek", 17, "the endorsement key lacks decrypt"),
        ("ek", 18, "the endorsement key has sign"),
        ("ak", 17, "the attestation key has decrypt"),
        ("ak", 18, "the attestation key lacks sign"),
        ("ak", 19, "the attestation key has x509sign"),
    ] {
        let (changed_ek, changed_ak) = match area {
            "ek" => (flipped(&ek, bit), ak[2..].to_vec()),
            _ => (ek[2..].to_vec(), flipped(&ak, bit)),
        };
        assert_eq!(refused(&changed_ek, &changed_ak), (Code::KeyAttributes, says.to_owned()));
    }
    // The keys in each other's place.
    assert_eq!(refused(&ak[2..], &ek[2..]).0, Code::KeyAttributes);
    // An endorsement key of another template, and a name that rests on SHA-1.
    let with = |area: &[u8], place: usize, value: u8| {
        let mut area = area[2..].to_vec();
        area[place] = value;
        area
    };
    assert_eq!(refused(&with(&ek, 3, 0x0c), &ak[2..]).0, Code::Algorithm, "SHA-384");
    assert_eq!(refused(&ek[2..], &with(&ak, 3, 0x04)).0, Code::Sha1);
    // Cut and lengthened areas.
    for length in 0..ek.len() - 2 {
        assert_eq!(refused(&ek[2..2 + length], &ak[2..]).0, Code::Malformed, "{length} bytes");
    }
    assert_eq!(refused(&[&ek[2..], &[0]].concat(), &ak[2..]).0, Code::Malformed);
}
