//! The two keys of one app, in the forms that the Play Console shows them.
//!
//! One opens what Google seals for the operator, the other is Google's for this app. Whoever has the first reads tokens and
//! cannot make any; it is a secret all the same, and prints nothing.

use glacis_seal::jwe::WrapKey;
use glacis_seal::key::check_public;
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
    /// From base64 with padding: 32 bytes of AES, and DER `SubjectPublicKeyInfo` of a P-256 key. None if they are not.
    pub fn parse(decryption: &str, verification: &str) -> Option<Self> {
        let decryption = WrapKey::from_bytes(&parse_base64(decryption)?)?;
        let info = parse_base64(verification)?;
        let verification = PublicKey(info.strip_prefix(P256_INFO)?.try_into().ok()?);
        check_public(&verification).ok()?;
        Some(Self { decryption, verification, id: sha256(&info) })
    }
}

/// What stands before the uncompressed point in the one DER form of a P-256 `SubjectPublicKeyInfo` (RFC 5480 §2).
const P256_INFO: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
