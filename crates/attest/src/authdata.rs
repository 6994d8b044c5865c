//! Authenticator data: what an authenticator signs about itself, in `WebAuthn` and App Attest alike.
//!
//! Layout: Web Authentication Level 3 §6.1. Every byte must belong to a field; what is left over is refused.
//! Reading says nothing about who wrote it: the statement or the assertion around it does.

use crate::asn1::{element, unsigned};
use crate::cbor::{self, Value};
use crate::x509::{Key, KeyKind};
use glacis_seal::foreign::Curve;

/// Authenticator data, borrowed.
#[derive(Debug)]
pub(crate) struct AuthData<'a> {
    pub(crate) rp_id_hash: &'a [u8],
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) credential: Option<Credential<'a>>,
}

/// The credential that was made.
#[derive(Debug)]
pub(crate) struct Credential<'a> {
    pub(crate) aaguid: &'a [u8],
    pub(crate) id: &'a [u8],
    /// The public key as COSE; `App Attest` of old systems leaves it out.
    pub(crate) key: Option<Value<'a>>,
}

impl<'a> AuthData<'a> {
    /// Reads what an assertion of App Attest signs: the head alone, whatever its flags promise.
    #[cfg(feature = "app-attest")]
    pub(crate) fn parse_head(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = Self::head(bytes)?;
        rest.is_empty().then_some(head)
    }

    fn head(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (rp_id_hash, rest) = bytes.split_at_checked(32)?;
        let (flags, rest) = rest.split_first()?;
        let (counter, rest) = rest.split_at_checked(4)?;
        let counter = u32::from_be_bytes(counter.try_into().ok()?);
        Some((Self { rp_id_hash, flags: *flags, counter, credential: None }, rest))
    }

    /// Reads all of it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = Self::head(bytes)?;
        let flags = head.flags;
        let mut credential = None;
        if flags & ATTESTED != 0 {
            let (aaguid, after) = rest.split_at_checked(16)?;
            let (length, after) = after.split_at_checked(2)?;
            let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
            // LIMIT: §4 of the standard allows credential ids of 1023 bytes.
            if length > ID_BYTES_MAX {
                return None;
            }
            let (id, mut after) = after.split_at_checked(length)?;
            let mut key = None;
            if !after.is_empty() {
                let (value, behind) = cbor::read_prefix(after).ok()?;
                (key, after) = (Some(value), behind);
            }
            credential = Some(Credential { aaguid, id, key });
            rest = after;
        }
        if flags & EXTENSIONS != 0 {
            let (extensions, after) = cbor::read_prefix(rest).ok()?;
            extensions.members()?;
            rest = after;
        }
        rest.is_empty().then_some(Self { credential, ..head })
    }
}

/// A COSE key (RFC 9052 §7, RFC 9053 §2 and §7) with the algorithm it names.
pub(crate) fn cose_key(value: &Value<'_>) -> Option<(i128, Key)> {
    let algorithm = value.numbered(3)?.integer()?;
    let bytes = |number| value.numbered(number)?.bytes();
    let key = match value.numbered(1)?.integer()? {
        KTY_EC2 => {
            let (curve, size) = match value.numbered(-1)?.integer()? {
                1 => (Curve::P256, 32),
                2 => (Curve::P384, 48),
                3 => (Curve::P521, 66),
                _ => return None,
            };
            let (x, y) = (bytes(-2)?, bytes(-3)?);
            if x.len() != size || y.len() != size {
                return None;
            }
            Key::from_bits(KeyKind::Ec(curve), &[&[4], x, y].concat())?
        }
        KTY_RSA => {
            let (modulus, exponent) = (unsigned(bytes(-1)?)?, unsigned(bytes(-2)?)?);
            Key::from_bits(KeyKind::Rsa, &element(0x30, &[modulus, exponent].concat())?)?
        }
        KTY_OKP if value.numbered(-1)?.integer()? == 6 => Key::from_bits(KeyKind::Ed25519, bytes(-2)?)?,
        _ => return None,
    };
    Some((algorithm, key))
}

#[cfg(feature = "webauthn")]
/// User present.
pub(crate) const PRESENT: u8 = 1;
#[cfg(feature = "webauthn")]
/// User verified.
pub(crate) const VERIFIED: u8 = 1 << 2;
#[cfg(feature = "webauthn")]
/// May be backed up.
pub(crate) const BACKUP_ELIGIBLE: u8 = 1 << 3;
#[cfg(feature = "webauthn")]
/// Is backed up.
pub(crate) const BACKED_UP: u8 = 1 << 4;
/// A credential follows.
pub(crate) const ATTESTED: u8 = 1 << 6;
/// Extensions follow.
pub(crate) const EXTENSIONS: u8 = 1 << 7;
const ID_BYTES_MAX: usize = 1_023;
const KTY_OKP: i128 = 1;
const KTY_EC2: i128 = 2;
const KTY_RSA: i128 = 3;
