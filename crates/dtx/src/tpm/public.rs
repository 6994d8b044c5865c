//! Public areas (`TPMT_PUBLIC`): the templates of every key and seal of ours, and names.
//!
//! A template is the public area with an empty key in it. What the chip returns must equal it but for the key: a
//! [`Public`] with other attributes than those asked for is refused, whoever made it.
//!
//! Source: TPM 2.0 Library 1.59, Part 2, §12; TCG EK Credential Profile 2.6, B.3.3 (L-1) and B.3.4 (L-2); TCG TPM v2.0
//! Provisioning Guidance 1.0, §7.5.1 (storage root: as L-2, with the attributes of a storage root).

use super::error::TpmError;
use super::fields::{Fields, put_sized};
use glacis_seal::sha256;
use glacis_wire::Writer;
use glacis_wire::message::PublicKey;

/// A public area, in the TPM's own encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    bytes: Vec<u8>,
    point: Option<PublicKey>,
}

impl Public {
    /// What a TPM returned where `template` was asked for.
    pub(super) fn of(command: &'static str, template: &Template, bytes: &[u8]) -> Result<Self, TpmError> {
        let fields = Fields::new(command, bytes);
        let unique = bytes.strip_prefix(template.head()).ok_or_else(|| fields.unexpected("public area"))?;
        let point = template.read_unique(command, unique)?;
        Ok(Self { bytes: bytes.to_vec(), point })
    }

    /// `TPMT_PUBLIC`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key, if it is one of P-256.
    pub const fn point(&self) -> Option<PublicKey> {
        self.point
    }

    /// What the TPM calls it.
    pub fn name(&self) -> Name {
        Name::of(&self.bytes)
    }
}

/// What a TPM calls an object: the algorithm SHA-256, and the hash of its public area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name([u8; Self::LEN]);

impl Name {
    /// Length in bytes.
    pub const LEN: usize = 34;

    pub(super) fn of(public: &[u8]) -> Self {
        let mut name = [0; Self::LEN];
        let (algorithm, hash) = name.split_at_mut(2);
        algorithm.copy_from_slice(&SHA256.to_be_bytes());
        hash.copy_from_slice(sha256(public).as_bytes());
        Self(name)
    }

    /// From bytes that were stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Template {
    head: Vec<u8>,
    unique: Unique,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unique {
    /// A point; in the template its coordinates are zeros.
    Point,
    /// As a point, but the template has none, as for keys that are no primary ones.
    NewPoint,
    /// A modulus of 2048 bits; in the template zeros.
    Modulus,
    /// A digest; in the template empty.
    Digest,
}

impl Template {
    /// The storage root.
    pub(super) fn storage_root() -> Result<Self, TpmError> {
        let attributes = BORN_HERE | USER_WITH_AUTH | NO_DA | RESTRICTED | DECRYPT;
        Self::elliptic(attributes, &[], true, Unique::Point)
    }

    /// The endorsement key L-2.
    pub(super) fn endorsement_p256() -> Result<Self, TpmError> {
        Self::elliptic(ENDORSEMENT, &ENDORSEMENT_POLICY, true, Unique::Point)
    }

    /// The endorsement key L-1.
    pub(super) fn endorsement_rsa() -> Result<Self, TpmError> {
        let mut head = Self::start(RSA, ENDORSEMENT, &ENDORSEMENT_POLICY)?;
        [AES, 128, CFB, NULL, 2_048].into_iter().for_each(|field| head.u16(field));
        head.u32(0);
        Ok(Self { head: head.into_bytes(), unique: Unique::Modulus })
    }

    /// A key that signs, restricted to what the TPM itself says or not.
    pub(super) fn signing(restricted: bool) -> Result<Self, TpmError> {
        let attributes = BORN_HERE | USER_WITH_AUTH | NO_DA | SIGN;
        Self::elliptic(
            if restricted { attributes | RESTRICTED } else { attributes },
            &[],
            false,
            Unique::NewPoint,
        )
    }

    /// Sealed data under a policy; wrong authorisation values are counted if `counted`.
    pub(super) fn sealed(policy: &[u8], counted: bool) -> Result<Self, TpmError> {
        let attributes = FIXED_TPM | FIXED_PARENT | if counted { 0 } else { NO_DA };
        let mut head = Self::start(KEYED_HASH, attributes, policy)?;
        head.u16(NULL);
        Ok(Self { head: head.into_bytes(), unique: Unique::Digest })
    }

    fn elliptic(attributes: u32, policy: &[u8], wraps: bool, unique: Unique) -> Result<Self, TpmError> {
        let mut head = Self::start(ECC, attributes, policy)?;
        let fields: &[u16] = if wraps {
            &[AES, 128, CFB, NULL, NIST_P256, NULL]
        } else {
            &[NULL, ECDSA, SHA256, NIST_P256, NULL]
        };
        fields.iter().for_each(|field| head.u16(*field));
        Ok(Self { head: head.into_bytes(), unique })
    }

    fn start(kind: u16, attributes: u32, policy: &[u8]) -> Result<Writer, TpmError> {
        let mut head = Writer::new();
        head.u16(kind);
        head.u16(SHA256);
        head.u32(attributes);
        put_sized(&mut head, policy)?;
        Ok(head)
    }

    /// Everything before the key.
    fn head(&self) -> &[u8] {
        &self.head
    }

    /// As a command carries it.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, TpmError> {
        let mut out = Writer::new();
        out.raw(&self.head);
        match self.unique {
            Unique::Point => [[0; 32]; 2].iter().try_for_each(|zeros| put_sized(&mut out, zeros))?,
            Unique::NewPoint => [[]; 2].iter().try_for_each(|empty: &[u8; 0]| put_sized(&mut out, empty))?,
            Unique::Modulus => put_sized(&mut out, &[0; 256])?,
            Unique::Digest => put_sized(&mut out, &[])?,
        }
        Ok(out.into_bytes())
    }

    fn read_unique(&self, command: &'static str, bytes: &[u8]) -> Result<Option<PublicKey>, TpmError> {
        let mut fields = Fields::new(command, bytes);
        let point = match self.unique {
            Unique::Point | Unique::NewPoint => {
                Some(point(fields.sized()?, fields.sized()?).ok_or_else(|| fields.garbage("a point"))?)
            }
            Unique::Modulus => {
                let modulus = fields.sized()?;
                if modulus.len() != 256 || modulus.first().is_none_or(|byte| *byte < 0x80) {
                    return Err(fields.garbage("a modulus"));
                }
                None
            }
            Unique::Digest => {
                if fields.sized()?.len() != 32 {
                    return Err(fields.garbage("a digest"));
                }
                None
            }
        };
        fields.end()?;
        Ok(point)
    }
}

/// A point from coordinates that a TPM may have shortened.
pub(super) fn point(x: &[u8], y: &[u8]) -> Option<PublicKey> {
    let mut bytes = [0; PublicKey::LEN];
    bytes[0] = 4;
    let (_, coordinates) = bytes.split_at_mut(1);
    let (to_x, to_y) = coordinates.split_at_mut(32);
    right_aligned(to_x, x)?;
    right_aligned(to_y, y)?;
    let key = PublicKey(bytes);
    glacis_seal::key::check_public(&key).ok()?;
    Some(key)
}

/// A big number into a field of fixed length.
pub(super) fn right_aligned(to: &mut [u8], from: &[u8]) -> Option<()> {
    let start = to.len().checked_sub(from.len())?;
    to.get_mut(start..)?.copy_from_slice(from);
    Some(())
}

/// `TPM_ALG_ID` and the like: Part 2, §6.3, §6.4.
pub(super) const RSA: u16 = 0x0001;
pub(super) const AES: u16 = 0x0006;
pub(super) const KEYED_HASH: u16 = 0x0008;
pub(super) const SHA256: u16 = 0x000b;
pub(super) const NULL: u16 = 0x0010;
pub(super) const ECDSA: u16 = 0x0018;
pub(super) const ECC: u16 = 0x0023;
pub(super) const CFB: u16 = 0x0043;
pub(super) const NIST_P256: u16 = 0x0003;

/// `TPMA_OBJECT`: Part 2, §8.3.
const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const ADMIN_WITH_POLICY: u32 = 1 << 7;
/// Wrong authorisations do not count: the value has 256 random bits, and a lockout by others must not stop the device.
const NO_DA: u32 = 1 << 10;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;
/// Made by the chip, and never to leave it.
const BORN_HERE: u32 = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN;
const ENDORSEMENT: u32 = BORN_HERE | ADMIN_WITH_POLICY | RESTRICTED | DECRYPT;
/// `PolicySecret` of the endorsement hierarchy: TCG EK Credential Profile, B.3.3.
const ENDORSEMENT_POLICY: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
    0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];
