//! Compact JWE (RFC 7516) with A256KW and A256GCM: others' sealed tokens, opened with a key that an operator was given.
//!
//! Only these two algorithms, whatever the token says: what arrives never chooses how it is opened. The header comes back
//! authenticated but unread: the caller must still refuse one whose `alg` and `enc` are not [`ALG`] and [`ENC`], or that
//! compresses (`zip`) or has `crit`. Nothing of our own is sealed in this form, so only tests and fuzzers seal.

use crate::error::SealError;
use crate::secret::Secret;
use crate::text::{base64url, parse_base64, parse_base64url, parse_base64url_array};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use zeroize::Zeroizing;

/// The `alg` that the header must name: AES key wrap (RFC 3394) with 256 bits.
pub const ALG: &str = "A256KW";
/// The `enc` that the header must name: AES-256-GCM.
pub const ENC: &str = "A256GCM";
/// Longest token that is read. Unit: bytes. Tokens of Play Integrity have about three thousand.
pub const TOKEN_BYTES_MAX: usize = 16_384;

/// A key that wraps the keys of tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct WrapKey(Secret);

impl WrapKey {
    /// From a 256-bit secret.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self(secret.into())
    }

    /// From bytes; none unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <[u8; Secret::LEN]>::try_from(bytes).ok().map(Self::new)
    }

    /// From base64 with padding; none unless there are 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(&Zeroizing::new(parse_base64(text)?))
    }

    fn kek(&self) -> Result<AesKek, SealError> {
        AesKek::new(&AES_256, self.0.expose()).map_err(|_| SealError::Key)
    }
}

impl std::fmt::Debug for WrapKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrapKey(…)")
    }
}

/// An authentic token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// JSON of the protected header.
    pub header: Vec<u8>,
    /// What was sealed.
    pub plain: Vec<u8>,
}

/// Opens a compact token. Base64url is read strictly, so that one token has one text.
///
/// # Errors
/// `Sealed`, whatever the cause: form, length, another key, or one changed bit; `Key` if the library takes none.
pub fn open(token: &str, key: &WrapKey) -> Result<Opened, SealError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(SealError::Sealed);
    }
    let mut parts = token.split('.');
    let mut part = || parts.next().ok_or(SealError::Sealed);
    let (header, wrapped, nonce, body, tag) = (part()?, part()?, part()?, part()?, part()?);
    if parts.next().is_some() {
        return Err(SealError::Sealed);
    }
    let wrapped: [u8; WRAPPED] = parse_base64url_array(wrapped).ok_or(SealError::Sealed)?;
    let nonce: [u8; 12] = parse_base64url_array(nonce).ok_or(SealError::Sealed)?;
    let tag: [u8; 16] = parse_base64url_array(tag).ok_or(SealError::Sealed)?;
    let mut plain = parse_base64url(body).ok_or(SealError::Sealed)?;
    let mut content = Zeroizing::new([0; WRAPPED]);
    let content = key.kek()?.unwrap(&wrapped, &mut content[..]).map_err(|_| SealError::Sealed)?;
    plain.extend_from_slice(&tag);
    let length = cipher(content)?
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header.as_bytes()), &mut plain)
        .map_err(|_| SealError::Sealed)?
        .len();
    plain.truncate(length);
    Ok(Opened { header: parse_base64url(header).ok_or(SealError::Sealed)?, plain })
}

/// Seals a token as [`open`] takes it: for tests and fuzzers, which play the one who seals.
///
/// The caller chooses the content key and a nonce that this key never saw. `header` must be JSON that names [`ALG`] and
/// [`ENC`]; nothing here looks at it.
///
/// # Errors
/// `Key` or `Sealed` if the library refuses, which it does for no input that we know.
pub fn seal(
    header: &[u8],
    plain: &[u8],
    key: &WrapKey,
    (content, nonce): (&Secret, [u8; 12]),
) -> Result<String, SealError> {
    let mut wrapped = [0; WRAPPED];
    let wrapped = key.kek()?.wrap(content.expose(), &mut wrapped).map_err(|_| SealError::Sealed)?;
    let header = base64url(header);
    let mut body = plain.to_vec();
    let tag = cipher(content.expose())?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut body,
        )
        .map_err(|_| SealError::Sealed)?;
    let (wrapped, nonce) = (base64url(wrapped), base64url(&nonce));
    Ok(format!("{header}.{wrapped}.{nonce}.{}.{}", base64url(&body), base64url(tag.as_ref())))
}

fn cipher(content: &[u8]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, content).map(LessSafeKey::new).map_err(|_| SealError::Key)
}

/// A wrapped key of 256 bits: eight bytes longer than the key.
const WRAPPED: usize = Secret::LEN + 8;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = br#"{"alg":"A256KW","enc":"A256GCM"}"#;

    fn sealed() -> String {
        seal(HEADER, b"plain", &WrapKey::new([1; 32]), (&Secret::new([2; 32]), [3; 12])).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_under_its_key_only() {
        let opened = open(&sealed(), &WrapKey::new([1; 32])).unwrap();
        assert_eq!((opened.header.as_slice(), opened.plain.as_slice()), (HEADER, &b"plain"[..]));
        assert_eq!(open(&sealed(), &WrapKey::new([4; 32])), Err(SealError::Sealed));
        assert_eq!(format!("{:?}", WrapKey::new([1; 32])), "WrapKey(…)");
        assert!(WrapKey::from_bytes(&[1; 31]).is_none());
    }

    #[test]
    fn no_other_text_opens() {
        let token = sealed();
        let key = WrapKey::new([1; 32]);
        for at in 0..token.len() {
            assert_eq!(open(token.get(..at).unwrap(), &key), Err(SealError::Sealed), "cut to {at}");
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(open(&changed, &key), Err(SealError::Sealed), "another letter at {at}");
        }
        for more in [".", ".AA", "=", "\n", " "] {
            assert_eq!(open(&format!("{token}{more}"), &key), Err(SealError::Sealed), "{more:?}");
        }
        let long = format!("{token}{}", "A".repeat(TOKEN_BYTES_MAX));
        assert_eq!(open(&long, &key), Err(SealError::Sealed));
    }
}
