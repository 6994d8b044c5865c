//! Structures of a TPM 2.0 as it names and signs them: public areas, statements, signatures.
//!
//! Big-endian fields one after the other; every byte belongs to a field, and what is left over is refused. A kind that
//! is not in use here has no form. Reading says nothing about who wrote it: that is the signature's and the name's to
//! say, and both are over the bytes that arrived.
//!
//! Source: TPM 2.0 Library 1.59, Part 2, §10.12 (statements), §11.2 and §11.3 (signatures), §12.2 (public areas).

use crate::asn1::{element, unsigned};
use crate::x509::{Key, KeyKind};
use glacis_seal::foreign::{self, Curve, HashName, Scheme};
use glacis_seal::sha256;

/// Reads big-endian fields one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Bytes behind their length (`TPM2B`).
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// A hash that a TPM names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TpmHash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl TpmHash {
    /// By its `TPM_ALG_ID`.
    pub(crate) const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0004 => Some(Self::Sha1),
            0x000b => Some(Self::Sha256),
            0x000c => Some(Self::Sha384),
            0x000d => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Its `TPM_ALG_ID`.
    pub(crate) const fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
            Self::Sha512 => 0x000d,
        }
    }

    /// The digest of `bytes`. Whoever relies on SHA-1 has to say so.
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => foreign::danger_sha1(bytes),
            Self::Sha256 => sha256(bytes).as_bytes().to_vec(),
            Self::Sha384 => foreign::sha384(bytes),
            Self::Sha512 => foreign::sha512(bytes),
        }
    }

    /// Length of its digests.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn name(self) -> Option<HashName> {
        match self {
            Self::Sha1 => None,
            Self::Sha256 => Some(HashName::Sha256),
            Self::Sha384 => Some(HashName::Sha384),
            Self::Sha512 => Some(HashName::Sha512),
        }
    }
}

/// `TPMT_PUBLIC`: a key with what it may do.
#[derive(Debug)]
pub(crate) struct Public<'a> {
    raw: &'a [u8],
    /// `TPM_ALG_ID` of the hash that names the key.
    pub(crate) name_algorithm: u16,
    /// `TPMA_OBJECT`.
    pub(crate) attributes: u32,
    /// How it protects what is below it: algorithm, bits and mode.
    pub(crate) symmetric: Option<(u16, u16, u16)>,
    /// The one scheme that it signs or decrypts with, and its hash.
    pub(crate) scheme: Option<(u16, u16)>,
    pub(crate) key: Key,
}

impl<'a> Public<'a> {
    /// Reads all of it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let kind = fields.u16()?;
        let name_algorithm = fields.u16()?;
        let attributes = fields.u32()?;
        let _policy = fields.sized()?;
        let symmetric = match fields.u16()? {
            ALG_NULL => None,
            // Block ciphers only; no object has any other.
            algorithm @ ALG_AES => Some((algorithm, fields.u16()?, fields.u16()?)),
            _ => return None,
        };
        let scheme = match fields.u16()? {
            ALG_NULL => None,
            scheme @ (ALG_RSASSA | ALG_RSAPSS | ALG_OAEP | ALG_ECDSA | ALG_ECDH) => {
                Some((scheme, fields.u16()?))
            }
            _ => return None,
        };
        let key = match kind {
            ALG_RSA => rsa_key(&mut fields)?,
            ALG_ECC => ecc_key(&mut fields)?,
            _ => return None,
        };
        let whole = Self { raw: bytes, name_algorithm, attributes, symmetric, scheme, key };
        fields.is_empty().then_some(whole)
    }

    /// Whether all of these attributes are set.
    pub(crate) const fn has(&self, attributes: u32) -> bool {
        self.attributes & attributes == attributes
    }

    /// The key's name: a hash of the whole public area behind the hash's id; none if the hash is not in use.
    pub(crate) fn name(&self) -> Option<Vec<u8>> {
        let hash = TpmHash::from_id(self.name_algorithm)?;
        Some([&self.name_algorithm.to_be_bytes()[..], &hash.digest(self.raw)].concat())
    }
}

fn rsa_key(fields: &mut Fields<'_>) -> Option<Key> {
    let bits = fields.u16()?;
    let exponent = match fields.u32()? {
        0 => 65_537,
        given => given,
    };
    let modulus = fields.sized()?;
    if modulus.len() != usize::from(bits / 8) {
        return None;
    }
    let numbers = [unsigned(modulus)?, unsigned(&exponent.to_be_bytes())?].concat();
    Key::from_bits(KeyKind::Rsa, &element(0x30, &numbers)?)
}

fn ecc_key(fields: &mut Fields<'_>) -> Option<Key> {
    let (curve, size): (_, usize) = match fields.u16()? {
        3 => (Curve::P256, 32),
        4 => (Curve::P384, 48),
        5 => (Curve::P521, 66),
        _ => return None,
    };
    if fields.u16()? != ALG_NULL {
        let _hash = fields.u16()?;
    }
    let (x, y) = (fields.sized()?, fields.sized()?);
    // A TPM may leave out leading zeros (Part 1, C.8).
    let zeros = [0; 66];
    let pad = |number: &[u8]| zeros.get(..size.checked_sub(number.len())?);
    Key::from_bits(KeyKind::Ec(curve), &[&[4], pad(x)?, x, pad(y)?, y].concat())
}

/// `TPMS_ATTEST`: what a TPM states.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    /// What the asker gave.
    pub(crate) extra_data: &'a [u8],
    /// Milliseconds that the TPM has counted.
    pub(crate) clock: u64,
    /// Times that it was reset.
    pub(crate) resets: u32,
    /// Times that it resumed.
    pub(crate) restarts: u32,
    /// Whether the clock never ran backwards.
    pub(crate) clock_safe: bool,
    /// Its firmware, as its maker counts.
    pub(crate) firmware: u64,
    pub(crate) about: About<'a>,
}

/// What a statement is about.
#[derive(Debug)]
pub(crate) enum About<'a> {
    /// An object is in this TPM.
    Object { name: &'a [u8] },
    /// Registers have these values.
    Registers { selected: Vec<(u16, u8)>, digest: &'a [u8] },
}

impl<'a> Statement<'a> {
    /// Reads all of it; only what begins as a TPM alone begins is one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.u32()? != GENERATED {
            return None;
        }
        let kind = fields.u16()?;
        let _signer = fields.sized()?;
        let extra_data = fields.sized()?;
        let clock = u64::from_be_bytes(fields.take(8)?.try_into().ok()?);
        let (resets, restarts) = (fields.u32()?, fields.u32()?);
        let clock_safe = match fields.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let firmware = u64::from_be_bytes(fields.take(8)?.try_into().ok()?);
        let about = match kind {
            ST_ATTEST_CERTIFY => {
                let name = fields.sized()?;
                let _qualified_name = fields.sized()?;
                About::Object { name }
            }
            ST_ATTEST_QUOTE => {
                About::Registers { selected: selection(&mut fields)?, digest: fields.sized()? }
            }
            _ => return None,
        };
        let whole = Self { extra_data, clock, resets, restarts, clock_safe, firmware, about };
        fields.is_empty().then_some(whole)
    }
}

/// `TPML_PCR_SELECTION`: bank and number of each register, in the order in which they are hashed.
fn selection(fields: &mut Fields<'_>) -> Option<Vec<(u16, u8)>> {
    let banks = fields.u32()?;
    // LIMIT: `TPML_PCR_SELECTION` holds 16 (Part 2, §10.6.2 and `HASH_COUNT`).
    if banks > BANKS_MAX {
        return None;
    }
    let mut selected = Vec::new();
    for _ in 0..banks {
        let bank = fields.u16()?;
        let bytes = fields.u8()?;
        // LIMIT: 32 registers; the wire has no name for more.
        let bits = (bytes <= 4).then(|| fields.take(usize::from(bytes)))??;
        let chosen =
            |index: &u8| bits.get(usize::from(index / 8)).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
        selected.extend((0..32).filter(chosen).map(|index| (bank, index)));
    }
    Some(selected)
}

/// `TPMT_SIGNATURE`, with the signature in the form of certificates.
#[derive(Debug)]
pub(crate) struct TpmSignature {
    /// The scheme, `TPM_ALG_ID`.
    pub(crate) algorithm: u16,
    pub(crate) hash: TpmHash,
    bytes: Vec<u8>,
}

impl TpmSignature {
    /// Reads all of it.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let algorithm = fields.u16()?;
        let hash = TpmHash::from_id(fields.u16()?)?;
        let bytes = match algorithm {
            ALG_RSASSA | ALG_RSAPSS => fields.sized()?.to_vec(),
            ALG_ECDSA => {
                let numbers = [unsigned(fields.sized()?)?, unsigned(fields.sized()?)?].concat();
                element(0x30, &numbers)?
            }
            _ => return None,
        };
        fields.is_empty().then_some(Self { algorithm, hash, bytes })
    }

    /// How it is checked with a key of this kind; none if they do not fit.
    pub(crate) const fn scheme(&self, kind: KeyKind) -> Option<Scheme> {
        match (self.algorithm, kind, self.hash.name()) {
            (ALG_RSASSA, KeyKind::Rsa, Some(hash)) => Some(Scheme::RsaPkcs1(hash)),
            (ALG_RSASSA, KeyKind::Rsa, None) => Some(Scheme::DangerRsaPkcs1Sha1),
            (ALG_RSAPSS, KeyKind::Rsa, Some(hash)) => Some(Scheme::RsaPss(hash)),
            (ALG_ECDSA, KeyKind::Ec(curve), Some(hash)) => Some(Scheme::Ecdsa(curve, hash)),
            _ => None,
        }
    }

    /// The signature, as certificates have it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Attributes of objects (`TPMA_OBJECT`, Part 2 §8.3).
pub(crate) mod attribute {
    /// The key never leaves this TPM.
    pub(crate) const FIXED_TPM: u32 = 1 << 1;
    /// Its parent never changes.
    pub(crate) const FIXED_PARENT: u32 = 1 << 4;
    /// The TPM made it.
    pub(crate) const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
    /// It works only on what the TPM made.
    pub(crate) const RESTRICTED: u32 = 1 << 16;
    /// It decrypts.
    pub(crate) const DECRYPT: u32 = 1 << 17;
    /// It signs.
    pub(crate) const SIGN: u32 = 1 << 18;
    /// It signs certificates that the TPM fills in.
    pub(crate) const X509_SIGN: u32 = 1 << 19;
}

const ALG_RSA: u16 = 0x0001;
pub(crate) const ALG_AES: u16 = 0x0006;
pub(crate) const ALG_NULL: u16 = 0x0010;
const ALG_RSASSA: u16 = 0x0014;
const ALG_RSAPSS: u16 = 0x0016;
const ALG_OAEP: u16 = 0x0017;
pub(crate) const ALG_ECDSA: u16 = 0x0018;
const ALG_ECDH: u16 = 0x0019;
const ALG_ECC: u16 = 0x0023;
pub(crate) const ALG_CFB: u16 = 0x0043;
/// `TPM_GENERATED_VALUE`: only a TPM starts structures that it signs with it.
const GENERATED: u32 = 0xff54_4347;
const ST_ATTEST_CERTIFY: u16 = 0x8017;
const ST_ATTEST_QUOTE: u16 = 0x8018;
const BANKS_MAX: u32 = 16;
