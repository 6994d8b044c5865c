//! The two keys of one app, in the forms that the Play Console shows them.
//!
//! One opens what Google seals for the operator, the other is Google's for this app. Whoever has the first reads tokens and
//! cannot make any; it is a secret all the same, and prints nothing.

use glacis_seal::jwe::WrapKey;
use glacis_seal::key::parse_info;
use glacis_seal::sha256;
use glacis_seal::text::parse_base64;
use glacis_wire::Digest;
use glacis_wire::message::PublicKey;

/// Keys that tokens of one app are opened and checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayKeys {
    pub(super) decryption: WrapKey,
    pub(super) verification: PublicKey,
    /// SHA-256 of the second key's DER.
    pub(super) id: Digest,
}

impl PlayKeys {
    /// From a text of two lines, the first for the key that opens; what follows them is not looked at.
    pub fn parse_lines(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        Self::parse(lines.next()?, lines.next()?)
    }

    /// From base64 with padding: 32 bytes of AES, and DER `SubjectPublicKeyInfo` of a P-256 key. None if they are not.
    pub fn parse(decryption: &str, verification: &str) -> Option<Self> {
        let decryption = WrapKey::parse(decryption)?;
        let info = parse_base64(verification)?;
        let verification = parse_info(&info)?;
        Some(Self { decryption, verification, id: sha256(&info) })
    }
}
