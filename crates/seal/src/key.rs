//! ECDSA P-256 with SHA-256: signing keys from the caller's entropy, verification of any public key.
//!
//! A key is a function of the entropy it is made from; a signature is not (the library draws its own nonce),
//! so signatures are never compared and never named by hash.

use crate::context::{Context, Purpose};
use crate::error::SealError;
use crate::hash::{Sha256, sha256};
use crate::secret::Secret;
use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use glacis_wire::message::{PublicKey, Signature};
use glacis_wire::{Digest, KeyId, Thumbprint};

/// A private P-256 key in memory.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    scalar: Secret,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a key from the caller's entropy; the same entropy gives the same key.
    pub fn generate<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, SealError> {
        // Candidates at or above the group order (2⁻³² of them) are drawn again: FIPS 186-5 §A.2.2.
        for _ in 0..CANDIDATES_MAX {
            let candidate = Secret::generate(&mut fill)?;
            if let Ok(key) = Self::from_scalar(candidate.expose()) {
                return Ok(key);
            }
        }
        Err(SealError::Key)
    }

    /// From the private scalar, big-endian; refused unless it is in `1..n`.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, SealError> {
        let private =
            agreement::PrivateKey::from_private_key(&ECDH_P256, scalar).map_err(|_| SealError::Key)?;
        let point = private.compute_public_key().map_err(|_| SealError::Key)?;
        let public = PublicKey(<[u8; PublicKey::LEN]>::try_from(point.as_ref()).map_err(|_| SealError::Key)?);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            scalar,
            &public.0,
        );
        Ok(Self { pair: pair.map_err(|_| SealError::Key)?, scalar: Secret::new(*scalar), public })
    }

    /// The private scalar, for sealed storage.
    pub const fn scalar(&self) -> &Secret {
        &self.scalar
    }

    /// The public key.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Names the key in envelopes and key sets.
    pub fn key_id(&self) -> KeyId {
        key_id(&self.public)
    }

    /// Names a device by its key.
    pub fn thumbprint(&self) -> Thumbprint {
        thumbprint(&self.public)
    }

    /// Signs purpose, context and `message`.
    pub fn sign(&self, context: &Context, purpose: Purpose, message: &[u8]) -> Result<Signature, SealError> {
        self.sign_hash(prefixed(context, purpose, message))
    }

    /// Signs exactly `message`; for formats whose signed bytes a standard fixes.
    pub fn sign_raw(&self, message: &[u8]) -> Result<Signature, SealError> {
        // The library ignores the generator passed here and draws from its own.
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| SealError::Sign)?;
        Signature::try_from(signature.as_ref()).map_err(|_| SealError::Sign)
    }

    /// Signs a SHA-256 digest: of [`context_digest`](crate::hash::context_digest), or of what a standard fixes.
    pub fn sign_digest(&self, digest: &Digest) -> Result<Signature, SealError> {
        self.sign_library(&library_digest(digest)?)
    }

    fn sign_hash(&self, hash: Sha256) -> Result<Signature, SealError> {
        self.sign_library(&hash.finish_library())
    }

    fn sign_library(&self, digest: &digest::Digest) -> Result<Signature, SealError> {
        let signature = self.pair.sign_digest(digest).map_err(|_| SealError::Sign)?;
        Signature::try_from(signature.as_ref()).map_err(|_| SealError::Sign)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

/// Checks a signature over purpose, context and `message`.
pub fn verify(
    key: &PublicKey,
    context: &Context,
    purpose: Purpose,
    message: &[u8],
    signature: &Signature,
) -> Result<(), SealError> {
    let digest = prefixed(context, purpose, message).finish_library();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0)
        .verify_digest(&digest, signature)
        .map_err(|_| SealError::Signature)
}

/// Checks a signature over exactly `message`; a signature of any length but 64 does not verify.
pub fn verify_raw(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0)
        .verify(message, signature)
        .map_err(|_| SealError::Signature)
}

/// Checks a signature over a SHA-256 digest.
pub fn verify_digest(key: &PublicKey, digest: &Digest, signature: &[u8]) -> Result<(), SealError> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0)
        .verify_digest(&library_digest(digest)?, signature)
        .map_err(|_| SealError::Signature)
}

/// Checks that these bytes are a point of the curve; a decoder alone cannot.
pub fn check_public(key: &PublicKey) -> Result<(), SealError> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0).parse().map(|_| ()).map_err(|_| SealError::Key)
}

/// The key of a DER `SubjectPublicKeyInfo`, of which a P-256 key has one form; none if these bytes are another.
pub fn parse_info(info: &[u8]) -> Option<PublicKey> {
    let key = PublicKey(info.strip_prefix(&P256_INFO)?.try_into().ok()?);
    check_public(&key).ok().map(|()| key)
}

/// The first 16 bytes of SHA-256 of the public key.
pub fn key_id(key: &PublicKey) -> KeyId {
    let mut id = [0; KeyId::LEN];
    id.iter_mut().zip(sha256(&key.0).as_bytes()).for_each(|(to, from)| *to = *from);
    KeyId::new(id)
}

/// SHA-256 of the public key.
pub fn thumbprint(key: &PublicKey) -> Thumbprint {
    Thumbprint::new(*sha256(&key.0).as_bytes())
}

fn library_digest(digest: &Digest) -> Result<digest::Digest, SealError> {
    digest::Digest::import_less_safe(digest.as_bytes(), &digest::SHA256).map_err(|_| SealError::Sign)
}

fn prefixed(context: &Context, purpose: Purpose, message: &[u8]) -> Sha256 {
    let mut hash = Sha256::new();
    context.prefix(purpose, |piece| hash.update(piece));
    hash.update(message);
    hash
}

/// What stands before the uncompressed point in the DER `SubjectPublicKeyInfo` of a P-256 key (RFC 5480 §2).
pub const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Candidates drawn before giving up: entropy that fails this often is broken.
const CANDIDATES_MAX: usize = 16;
