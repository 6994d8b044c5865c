//! A secret that only one TPM opens, and only for one of its keys: `TPM2_MakeCredential` in software.
//!
//! The seed goes to the endorsement key (RSAES-OAEP, or one pass of ECDH), the secret under keys that are derived from
//! the seed and the *name* of the key that it is meant for: a TPM that does not hold both keys cannot compute them.
//! Which endorsement keys and which names deserve this is the verifier's to say; nothing of that is checked here.
//! For SHA-256 and AES-128 in CFB mode, as all endorsement keys of the low range have it.
//!
//! Source: TPM 2.0 Library 1.59, Part 1, §24 (outer wrap), §11.4.10 (KDFa, KDFe), B.10.4 (RSA), C.6.4 (ECC); TCG EK
//! Credential Profile 2.6, B.3.3 and B.3.4 (templates L-1 and L-2).

use crate::error::SealError;
use crate::mac::tag;
use crate::secret::Secret;
use crate::tpm::{coordinates, kdfa, shared_secret};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::{hmac, rsa};
use glacis_wire::message::PublicKey;

/// The public half of an endorsement key.
#[derive(Clone, Copy, Debug)]
pub enum EndorsementKey<'a> {
    /// RSA of 2048 bits, as DER `SubjectPublicKeyInfo`.
    Rsa2048(&'a [u8]),
    /// A point of P-256.
    P256(&'a PublicKey),
}

/// What `TPM2_ActivateCredential` takes, in the TPM's own encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// `TPM2B_ID_OBJECT`.
    pub id_object: Vec<u8>,
    /// `TPM2B_ENCRYPTED_SECRET`.
    pub encrypted_secret: Vec<u8>,
}

/// Wraps `secret` for the key of this `name` in the TPM of `endorsement`.
///
/// Seed and ephemeral key come from `fill`. OAEP's own seed is drawn inside the library, as the nonce of a signature is:
/// it hides the seed from whoever guesses it, and nothing is derived from it.
///
/// # Errors
/// `Entropy` if the caller's source failed, `Key` if the endorsement key is none.
pub fn make_credential<E>(
    endorsement: EndorsementKey<'_>,
    name: &[u8],
    secret: &Secret,
    mut fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Credential, SealError> {
    let (seed, encrypted_seed) = match endorsement {
        EndorsementKey::Rsa2048(info) => transport(info, &mut fill)?,
        EndorsementKey::P256(point) => agree(point, &mut fill)?,
    };
    let sealed = encrypt(&seed, name, secret)?;
    let integrity = kdfa(seed.expose(), INTEGRITY, &[], 256);
    let mut outer = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, integrity.expose()));
    outer.update(&sealed);
    outer.update(name);
    let mut id_object = sized(&tag(&outer.sign())).ok_or(SealError::Key)?;
    id_object.extend_from_slice(&sealed);
    let id_object = sized(&id_object).ok_or(SealError::Key)?;
    let encrypted_secret = sized(&encrypted_seed).ok_or(SealError::Key)?;
    Ok(Credential { id_object, encrypted_secret })
}

/// B.10.4: a random seed under OAEP with the hash of names and the label that says what it is for.
fn transport<E>(
    info: &[u8],
    fill: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(Secret, Vec<u8>), SealError> {
    let key = PublicEncryptingKey::from_der(info).map_err(|_| SealError::Key)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| SealError::Key)?;
    if key.key_size_bits() != 2_048 {
        return Err(SealError::Key);
    }
    let seed = Secret::generate(fill)?;
    let mut encrypted = vec![0; key.ciphertext_size()];
    let algorithm: &rsa::OaepAlgorithm = &OAEP_SHA256_MGF1SHA256;
    let label = [IDENTITY, &[0]].concat();
    let length = key
        .encrypt(algorithm, seed.expose(), &mut encrypted, Some(&label))
        .map_err(|_| SealError::Key)?
        .len();
    encrypted.truncate(length);
    Ok((seed, encrypted))
}

/// C.6.4: one pass of ECDH with an ephemeral key, whose point is what the TPM needs.
fn agree<E>(
    point: &PublicKey,
    fill: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(Secret, Vec<u8>), SealError> {
    let (ours, seed) = shared_secret(point, IDENTITY, fill)?;
    let (x, y) = coordinates(&ours).ok_or(SealError::Key)?;
    let encrypted = [sized(x), sized(y)].into_iter().collect::<Option<Vec<_>>>().ok_or(SealError::Key)?;
    Ok((seed, encrypted.concat()))
}

/// AES-128 in CFB mode from a zero vector, under a key of this seed and name alone.
fn encrypt(seed: &Secret, name: &[u8], secret: &Secret) -> Result<Vec<u8>, SealError> {
    let key = kdfa(seed.expose(), STORAGE, &[name], 128);
    let key = key.expose().first_chunk::<16>().ok_or(SealError::Key)?;
    let key = UnboundCipherKey::new(&AES_128, key).and_then(EncryptingKey::cfb128);
    let key = key.map_err(|_| SealError::Key)?;
    // In place, so that no copy of the secret is left.
    let mut sealed = sized(secret.expose()).ok_or(SealError::Key)?;
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(&mut sealed, zero).map_err(|_| SealError::Sealed)?;
    Ok(sealed)
}

/// `TPM2B`: bytes behind their length.
fn sized(bytes: &[u8]) -> Option<Vec<u8>> {
    Some([&u16::try_from(bytes.len()).ok()?.to_be_bytes()[..], bytes].concat())
}

const IDENTITY: &[u8] = b"IDENTITY";
const INTEGRITY: &[u8] = b"INTEGRITY";
const STORAGE: &[u8] = b"STORAGE";

#[cfg(test)]
mod tests {
    use super::*;

    fn entropy(out: &mut [u8]) -> Result<(), ()> {
        out.fill(7);
        Ok(())
    }

    #[test]
    fn a_credential_has_the_form_that_a_tpm_takes() {
        let key = crate::SigningKey::from_scalar(&[3; 32]).unwrap().public();
        let make = |name: &[u8]| {
            make_credential(EndorsementKey::P256(&key), name, &Secret::new([9; 32]), entropy).unwrap()
        };
        let made = make(b"name");
        // Sizes, in the order of `TPMS_ID_OBJECT` and `TPMS_ECC_POINT`.
        assert_eq!(made.id_object.len(), 2 + 2 + 32 + 2 + 32);
        assert_eq!(made.id_object[..4], [0, 68, 0, 32]);
        assert_eq!(made.encrypted_secret.len(), 2 + 2 * (2 + 32));
        assert_eq!(made.encrypted_secret[..4], [0, 68, 0, 32]);
        assert_eq!(make(b"name"), made, "a function of its arguments");
        let other = make(b"nome");
        assert_eq!(other.encrypted_secret, made.encrypted_secret);
        assert_ne!(other.id_object[4..36], made.id_object[4..36], "integrity");
        assert_ne!(other.id_object[36..], made.id_object[36..], "secret");
        let plain = [&[0, 32][..], &[9; 32]].concat();
        assert!(!made.id_object.windows(34).any(|window| window == plain));
    }

    #[test]
    fn what_is_no_key_wraps_nothing() {
        let off_curve = PublicKey([4; PublicKey::LEN]);
        let secret = Secret::new([9; 32]);
        let refused = |key| make_credential(key, b"name", &secret, entropy).unwrap_err();
        assert_eq!(refused(EndorsementKey::P256(&off_curve)), SealError::Key);
        for bytes in [&b""[..], b"\x30\0", &[0x30; 300]] {
            assert_eq!(refused(EndorsementKey::Rsa2048(bytes)), SealError::Key);
        }
        let key = crate::SigningKey::from_scalar(&[3; 32]).unwrap().public();
        let dry = make_credential(EndorsementKey::P256(&key), b"name", &secret, |_| Err(()));
        assert_eq!(dry.unwrap_err(), SealError::Entropy);
    }
}
