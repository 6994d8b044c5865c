//! HMAC-SHA256 with the keyed state prepared once: the cost of a request on the hot path.
//!
//! [`MacKey::mac`] is for our own formats and starts with purpose and context. [`MacKey::mac_raw`] is for
//! formats whose signed bytes a standard fixes (RFC 9421, JWS): there the same triple goes into the derivation
//! of the key ([`crate::hkdf`]) and into the standard's own context field.

use crate::context::{Context, Purpose};
use crate::error::SealError;
use crate::secret::Secret;
use aws_lc_rs::{constant_time, hmac};

/// A key for MACs, ready to use. Cloning copies the prepared state.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// From a 256-bit secret.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.into().expose()))
    }

    /// From shared bytes of another system; at least 32 of them (RFC 7518 §3.2).
    pub fn from_shared(bytes: &[u8]) -> Result<Self, SealError> {
        if bytes.len() < Secret::LEN {
            return Err(SealError::Key);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// MAC over purpose, context and `message`.
    pub fn mac(&self, context: &Context, purpose: Purpose, message: &[u8]) -> [u8; 32] {
        self.mac_parts(context, purpose, &[message])
    }

    /// MAC over purpose, context and the concatenation of `parts`, whose lengths must be fixed or implied.
    pub fn mac_parts(&self, context: &Context, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut state = hmac::Context::with_key(&self.0);
        context.prefix(purpose, |piece| state.update(piece));
        parts.iter().for_each(|part| state.update(part));
        tag(&state.sign())
    }

    /// Checks [`mac`](Self::mac) in constant time.
    pub fn verify(
        &self,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
        mac: &[u8],
    ) -> Result<(), SealError> {
        self.verify_parts(context, purpose, &[message], mac)
    }

    /// Checks [`mac_parts`](Self::mac_parts) in constant time.
    pub fn verify_parts(
        &self,
        context: &Context,
        purpose: Purpose,
        parts: &[&[u8]],
        mac: &[u8],
    ) -> Result<(), SealError> {
        let want = self.mac_parts(context, purpose, parts);
        constant_time::verify_slices_are_equal(&want, mac).map_err(|_| SealError::Mac)
    }

    /// MAC over exactly `message`.
    pub fn mac_raw(&self, message: &[u8]) -> [u8; 32] {
        tag(&hmac::sign(&self.0, message))
    }

    /// Checks [`mac_raw`](Self::mac_raw) in constant time; only a full-length MAC can hold.
    pub fn verify_raw(&self, message: &[u8], mac: &[u8]) -> Result<(), SealError> {
        hmac::verify(&self.0, message, mac).map_err(|_| SealError::Mac)
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(…)")
    }
}

pub(crate) fn tag(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}
