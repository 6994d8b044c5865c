//! What a TPM's keys must be for their roles: endorsement, attestation, device.
//!
//! A TPM keeps to the attributes of a key, and a key's name covers them; so what is demanded here holds in the chip as
//! soon as the name is proven. Each refusal names the attribute that is missing.

use crate::appraisal::AttestError;
use crate::code::Code;
use crate::structures::{ALG_AES, ALG_CFB, ALG_ECDSA, Public, TpmHash, attribute};
use crate::x509::KeyKind;
use glacis_seal::foreign::Curve;

/// An endorsement key: it decrypts, and only what a TPM wrapped; of the kinds that credentials are made for.
pub(super) fn endorsement_key(ek: &Public<'_>) -> Result<(), AttestError> {
    demand(ek, "endorsement key", &[attribute::RESTRICTED, attribute::DECRYPT], &[attribute::SIGN])?;
    let is_known = matches!(ek.key.kind, KeyKind::Rsa | KeyKind::Ec(Curve::P256));
    let low_range =
        ek.name_algorithm == TpmHash::Sha256.id() && ek.symmetric == Some((ALG_AES, 128, ALG_CFB));
    if !is_known || !low_range || ek.scheme.is_some() {
        return Err(AttestError::new(Code::Algorithm, "an endorsement key of another template"));
    }
    Ok(())
}

/// An attestation key: it signs, and only what the TPM itself states. Returns its name.
pub(super) fn attestation_key(ak: &Public<'_>) -> Result<Vec<u8>, AttestError> {
    let without = [attribute::DECRYPT, attribute::X509_SIGN];
    demand(ak, "attestation key", &[attribute::RESTRICTED, attribute::SIGN], &without)?;
    if ak.symmetric.is_some() {
        return Err(AttestError::new(Code::Algorithm, "an attestation key that encrypts"));
    }
    name(ak)
}

/// A device key: it signs with ECDSA on P-256, and never leaves the TPM. Returns its name.
pub(super) fn device_key(key: &Public<'_>) -> Result<Vec<u8>, AttestError> {
    // A restricted key would not sign requests; one that decrypts as well could be used for what was never asked.
    let without = [attribute::RESTRICTED, attribute::DECRYPT];
    demand(key, "device key", &[attribute::SIGN], &without)?;
    let signs = key.scheme.is_none_or(|scheme| scheme == (ALG_ECDSA, TpmHash::Sha256.id()));
    if key.key.kind != KeyKind::Ec(Curve::P256) || key.symmetric.is_some() || !signs {
        return Err(AttestError::new(Code::Algorithm, "the device key is not one of ECDSA on P-256"));
    }
    name(key)
}

/// What every key needs, and what its role adds and forbids.
fn demand(key: &Public<'_>, role: &'static str, with: &[u32], without: &[u32]) -> Result<(), AttestError> {
    let missing = BOUND.iter().chain(with).find(|attribute| !key.has(**attribute));
    let forbidden = without.iter().find(|attribute| key.has(**attribute));
    let refused = match (missing, forbidden) {
        (Some(missing), _) => format!("the {role} lacks {}", named(*missing)),
        (None, Some(forbidden)) => format!("the {role} has {}", named(*forbidden)),
        (None, None) => return Ok(()),
    };
    Err(AttestError::new(Code::KeyAttributes, refused))
}

/// The name of a key, if the hash behind it is none that is broken.
fn name(key: &Public<'_>) -> Result<Vec<u8>, AttestError> {
    if key.name_algorithm == TpmHash::Sha1.id() {
        return Err(AttestError::new(Code::Sha1, "the name of a key"));
    }
    key.name().ok_or_else(|| AttestError::new(Code::Algorithm, "the hash that names a key"))
}

const fn named(attribute: u32) -> &'static str {
    match attribute {
        attribute::FIXED_TPM => "fixedTPM",
        attribute::FIXED_PARENT => "fixedParent",
        attribute::SENSITIVE_DATA_ORIGIN => "sensitiveDataOrigin",
        attribute::RESTRICTED => "restricted",
        attribute::DECRYPT => "decrypt",
        attribute::SIGN => "sign",
        attribute::X509_SIGN => "x509sign",
        _ => "an attribute",
    }
}

/// Made in this TPM, never to leave it.
const BOUND: &[u32] = &[attribute::FIXED_TPM, attribute::FIXED_PARENT, attribute::SENSITIVE_DATA_ORIGIN];
