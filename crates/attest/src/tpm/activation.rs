//! The first half of a TPM's proof: a secret that only the TPM of the endorsement key gives to the attestation key.
//!
//! Both keys are looked at before anything is made for them. The secret says nothing about who holds it beyond this:
//! the TPM that opened it holds both keys, and the attestation key is exactly the one whose public area was named.

use super::keys::{attestation_key, endorsement_key};
use super::parse_public;
use crate::appraisal::AttestError;
use crate::code::Code;
use crate::x509::KeyKind;
use glacis_seal::credential::{self, EndorsementKey};
use glacis_seal::foreign::Curve;
use glacis_seal::{Secret, sha256, sha256_parts};
use glacis_wire::Digest;
use glacis_wire::message::tpm::{Activation, TpmIdentity};
use glacis_wire::message::{Bytes, PublicKey};

/// Makes what `TPM2_ActivateCredential` opens to `secret`.
///
/// `entropy` has to be fresh for each call and is the caller's, since nothing here makes any. Whether the endorsement key
/// is a maker's is asked when the evidence comes: a secret for a stranger's key harms nobody.
///
/// # Errors
/// `Malformed`, `Algorithm`, `Sha1` or `KeyAttributes` if a key is not what its role demands.
pub fn make_credential(
    identity: &TpmIdentity,
    secret: &[u8; 32],
    entropy: &[u8; ENTROPY_BYTES],
) -> Result<Activation, AttestError> {
    let ek = parse_public(&identity.ek)?;
    let ak = parse_public(&identity.ak)?;
    endorsement_key(&ek)?;
    let name = attestation_key(&ak)?;
    // One candidate for a private key fails with probability 2⁻³²; two never do.
    let mut candidates = entropy.chunks_exact(Secret::LEN);
    let fill = |out: &mut [u8]| {
        let fresh = candidates.next().ok_or(())?;
        out.iter_mut().zip(fresh).for_each(|(to, from)| *to = *from);
        Ok::<(), ()>(())
    };
    let point;
    let endorsement = match ek.key.kind {
        KeyKind::Rsa => EndorsementKey::Rsa2048(&ek.key.info),
        KeyKind::Ec(Curve::P256) => {
            point = PublicKey(ek.key.bits.as_slice().try_into().map_err(|_| Code::Algorithm)?);
            EndorsementKey::P256(&point)
        }
        _ => return Err(Code::Algorithm.into()),
    };
    let made = credential::make_credential(endorsement, &name, &Secret::new(*secret), fill)
        .map_err(|_| AttestError::new(Code::Algorithm, "the endorsement key cannot be used"))?;
    Ok(Activation { credential: Bytes(made.id_object), secret: Bytes(made.encrypted_secret) })
}

/// Names the two keys of a TPM: what a secret is derived for, and what [`crate::Released`] has to name.
///
/// Over the public areas as they arrived, so that the same key under other attributes is another identity.
pub fn identity_digest(identity: &TpmIdentity) -> Digest {
    // Fixed lengths in between, so that no two pairs of keys give the same bytes.
    sha256_parts(&[sha256(&identity.ek).as_bytes(), sha256(&identity.ak).as_bytes()])
}

/// Fresh bytes that one credential needs.
pub const ENTROPY_BYTES: usize = 64;
