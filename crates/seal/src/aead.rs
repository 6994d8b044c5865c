//! AES-256-GCM for what is kept or carried sealed.
//!
//! Associated data is `purpose ‖ context ‖ aad`. The caller guarantees that a nonce is never used twice with one
//! key; [`SealKey::derive`] with a random salt makes a key of its own for each box, and then any nonce will do.

use crate::context::{Context, Purpose};
use crate::error::SealError;
use crate::kdf::hkdf;
use crate::secret::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes that sealing adds.
pub const OVERHEAD_BYTES: usize = 16;

/// A key that seals.
#[derive(Clone)]
pub struct SealKey(Secret);

impl SealKey {
    /// From a 256-bit secret.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(secret.into())
    }

    /// A key for one box: HKDF with a salt that is used once.
    #[must_use]
    pub fn derive(&self, salt: &[u8], context: &Context, purpose: Purpose, info: &[u8]) -> Self {
        Self(hkdf(self.0.expose(), salt, context, purpose, info))
    }

    /// Seals `plain`; the tag is appended.
    pub fn seal(
        &self,
        context: &Context,
        purpose: Purpose,
        nonce: [u8; 12],
        aad: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plain.len().saturating_add(OVERHEAD_BYTES));
        sealed.extend_from_slice(plain);
        let aad = associated(context, purpose, aad);
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
            .map_err(|_| SealError::Sealed)?;
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made under the same key, purpose, context, nonce and associated data.
    pub fn open(
        &self,
        context: &Context,
        purpose: Purpose,
        nonce: [u8; 12],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut plain = sealed.to_vec();
        let aad = associated(context, purpose, aad);
        let len = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut plain)
            .map_err(|_| SealError::Sealed)?
            .len();
        plain.truncate(len);
        Ok(plain)
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        UnboundKey::new(&AES_256_GCM, self.0.expose()).map(LessSafeKey::new).map_err(|_| SealError::Key)
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

fn associated(context: &Context, purpose: Purpose, aad: &[u8]) -> Vec<u8> {
    let mut bytes = context.prefix_bytes(purpose);
    bytes.extend_from_slice(aad);
    bytes
}
