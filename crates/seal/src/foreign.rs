//! Signatures that others made, in the schemes that others chose: certificates, attestation statements, tokens.
//!
//! Only verification, and only what a caller names: a [`Scheme`] is algorithm, curve and hash together, so bytes that
//! arrive never choose how they are checked. RSA below 2048 bits is refused; SHA-1 has a name of its own that says so.
//! Nothing here is used for our own formats; those go through [`crate::Context`].

use crate::error::SealError;
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPssSaltLength, UnparsedPublicKey, VerificationAlgorithm,
};

/// A curve of NIST (FIPS 186-5); its keys are uncompressed points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// 256 bits.
    P256,
    /// 384 bits.
    P384,
    /// 521 bits.
    P521,
}

/// A hash of SHA-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashName {
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

/// How a signature is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA, signature as ASN.1 `SEQUENCE { r, s }`; curve and hash need not be of one strength.
    Ecdsa(Curve, HashName),
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2), 2048 to 8192 bits.
    RsaPkcs1(HashName),
    /// RSASSA-PSS (RFC 8017 §8.1), salt as long as the hash, MGF1 with the same hash, 2048 to 8192 bits.
    RsaPss(HashName),
    /// RSASSA-PSS with SHA-256, MGF1 with the same hash and a salt of 20 bytes (the default of RFC 8017 §A.2.3, which was
    /// made for SHA-1), as devices of SOTER sign; 2048 to 8192 bits.
    RsaPssSalt20,
    /// RSASSA-PKCS1-v1_5 with SHA-1, which is broken: collisions are affordable. For callers that record it.
    DangerRsaPkcs1Sha1,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl Scheme {
    fn algorithm(self) -> &'static dyn VerificationAlgorithm {
        use HashName::{Sha256, Sha384, Sha512};
        match self {
            Self::Ecdsa(Curve::P256, Sha256) => &ECDSA_P256_SHA256_ASN1,
            Self::Ecdsa(Curve::P256, Sha384) => &ECDSA_P256_SHA384_ASN1,
            Self::Ecdsa(Curve::P256, Sha512) => &ECDSA_P256_SHA512_ASN1,
            Self::Ecdsa(Curve::P384, Sha256) => &ECDSA_P384_SHA256_ASN1,
            Self::Ecdsa(Curve::P384, Sha384) => &ECDSA_P384_SHA384_ASN1,
            Self::Ecdsa(Curve::P384, Sha512) => &ECDSA_P384_SHA512_ASN1,
            Self::Ecdsa(Curve::P521, Sha256) => &ECDSA_P521_SHA256_ASN1,
            Self::Ecdsa(Curve::P521, Sha384) => &ECDSA_P521_SHA384_ASN1,
            Self::Ecdsa(Curve::P521, Sha512) => &ECDSA_P521_SHA512_ASN1,
            Self::RsaPkcs1(Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            Self::RsaPkcs1(Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            Self::RsaPkcs1(Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            Self::RsaPss(Sha256) => &RSA_PSS_2048_8192_SHA256,
            Self::RsaPss(Sha384) => &RSA_PSS_2048_8192_SHA384,
            Self::RsaPss(Sha512) => &RSA_PSS_2048_8192_SHA512,
            Self::RsaPssSalt20 => &PSS_SALT_20,
            Self::DangerRsaPkcs1Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Ed25519 => &ED25519,
        }
    }
}

/// Checks a signature over exactly `message`.
///
/// `key` is what a `SubjectPublicKeyInfo` carries as its bit string: a point, an `RSAPublicKey`, or 32 bytes.
///
/// # Errors
/// `Signature` if it does not verify, whatever the cause: key, length, encoding or value.
pub fn verify(scheme: Scheme, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SealError> {
    // LIMIT: the longest is an RSA signature of 8192 bits; longer input is not worth a look.
    if key.len() > KEY_BYTES_MAX || signature.len() > SIGNATURE_BYTES_MAX || !has_form(scheme, key) {
        return Err(SealError::Signature);
    }
    UnparsedPublicKey::new(scheme.algorithm(), key)
        .verify(message, signature)
        .map_err(|_| SealError::Signature)
}

/// The library also takes other encodings of keys; what names a key must have one form.
fn has_form(scheme: Scheme, key: &[u8]) -> bool {
    let point = |coordinate: usize| key.len() == 1 + 2 * coordinate && key.first() == Some(&4);
    match scheme {
        Scheme::Ecdsa(Curve::P256, _) => point(32),
        Scheme::Ecdsa(Curve::P384, _) => point(48),
        Scheme::Ecdsa(Curve::P521, _) => point(66),
        Scheme::Ed25519 => key.len() == 32,
        // `RSAPublicKey ::= SEQUENCE { modulus INTEGER, … }`; in a SubjectPublicKeyInfo a SEQUENCE comes first.
        Scheme::RsaPkcs1(_) | Scheme::RsaPss(_) | Scheme::RsaPssSalt20 | Scheme::DangerRsaPkcs1Sha1 => {
            let header = match key {
                [0x30, length, ..] if *length < 0x80 => 2,
                [0x30, length, ..] => 2 + usize::from(length & 0x7f),
                _ => return false,
            };
            key.get(header) == Some(&2)
        }
    }
}

/// SHA-384 of `bytes`, where somebody else's format names it.
pub fn sha384(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&SHA384, bytes).as_ref().to_vec()
}

/// SHA-512 of `bytes`, where somebody else's format names it.
pub fn sha512(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&SHA512, bytes).as_ref().to_vec()
}

/// SHA-1 of `bytes`, which is broken, where somebody else's format names it. For callers that record it.
pub fn danger_sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

static PSS_SALT_20: RsaParameters =
    RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20));
/// Longest public key: `RSAPublicKey` of 8192 bits with a long exponent.
const KEY_BYTES_MAX: usize = 2_100;
/// Longest signature: RSA of 8192 bits.
const SIGNATURE_BYTES_MAX: usize = 1_024;
