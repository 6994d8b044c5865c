//! Compact JWS (RFC 7515) with ES256 or HS256: bytes in, bytes out; the JSON stays with the caller.
//!
//! The algorithm follows from the key that the caller passes, never from the token, so a token cannot choose
//! it. The header comes back authenticated but unread: the caller must still refuse one whose `alg` is not
//! [`Key::alg`] or that has `crit`.

use crate::error::SealError;
use crate::key::{SigningKey, verify_raw};
use crate::mac::MacKey;
use crate::text::{base64url, parse_base64url};
use glacis_wire::message::PublicKey;

/// What a token is checked with.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// ES256.
    Es256(&'a PublicKey),
    /// HS256.
    Hs256(&'a MacKey),
}

impl Key<'_> {
    /// The `alg` that the header must name.
    pub const fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Hs256(_) => "HS256",
        }
    }
}

/// An authentic token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// JSON of the protected header.
    pub header: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Checks the signature of a compact token.
///
/// Base64url is read strictly, so that one token has one text.
pub fn verify(token: &str, key: Key<'_>) -> Result<Verified, SealError> {
    verify_within(token, key, TOKEN_BYTES_MAX)
}

/// The same for a token that travels in no header field: `most` is how many bytes it may have.
pub fn verify_within(token: &str, key: Key<'_>, most: usize) -> Result<Verified, SealError> {
    if token.len() > most {
        return Err(SealError::Signature);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(SealError::Signature)?;
    let (header, payload) = signed.split_once('.').ok_or(SealError::Signature)?;
    let bytes = |text| parse_base64url(text).ok_or(SealError::Signature);
    let (header, payload, signature) = (bytes(header)?, bytes(payload)?, bytes(signature)?);
    match key {
        Key::Es256(key) => verify_raw(key, signed.as_bytes(), &signature)?,
        Key::Hs256(key) => key.verify_raw(signed.as_bytes(), &signature)?,
    }
    Ok(Verified { header, payload })
}

/// Makes a compact ES256 token. `header` must be JSON that names `ES256`.
pub fn sign_es256(key: &SigningKey, header: &[u8], payload: &[u8]) -> Result<String, SealError> {
    let signed = signing_input(header, payload);
    let signature = key.sign_raw(signed.as_bytes())?;
    Ok(format!("{signed}.{}", base64url(&signature)))
}

/// Makes a compact HS256 token. `header` must be JSON that names `HS256`.
pub fn sign_hs256(key: &MacKey, header: &[u8], payload: &[u8]) -> String {
    let signed = signing_input(header, payload);
    format!("{signed}.{}", base64url(&key.mac_raw(signed.as_bytes())))
}

fn signing_input(header: &[u8], payload: &[u8]) -> String {
    format!("{}.{}", base64url(header), base64url(payload))
}

/// Longest token that is read. Unit: bytes. A header field of the edge is shorter than this.
pub const TOKEN_BYTES_MAX: usize = 8_192;
