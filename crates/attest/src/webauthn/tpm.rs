//! Format `tpm` (§8.3): a TPM certifies the credential's key.
//!
//! Three links: the public area is the credential's key; the TPM certified an object of exactly that public area, and
//! in the same breath the registration's hash; and the certificate of the signing key is one of an attestation key.
//! Structures: TPM 2.0 Library, Part 2, §10.12.12 and §12.2.4.

use super::statement::{chain, exactly, leaf, makers_path, model, parse};
use super::{RS1, Registration, Stated, broken, bytes_of, verify_cose};
use crate::appraisal::AttestError;
use crate::asn1::{Asn1Error, Class, Reader, Rules, tag};
use crate::cbor::Value;
use crate::code::Code;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::x509::{Cert, Key, KeyKind};
use der::asn1::ObjectIdentifier as Oid;
use glacis_seal::foreign::{self, Curve};
use glacis_seal::sha256;

/// Checks a statement.
pub(super) fn check(
    statement: &Value<'_>,
    registration: &Registration<'_>,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Stated, AttestError> {
    exactly(statement, 6)?;
    if statement.member("ver").and_then(Value::text) != Some("2.0") {
        return Err(AttestError::new(Code::Format, "a TPM of another version"));
    }
    let algorithm = statement.member("alg").and_then(Value::integer).ok_or_else(|| broken("no algorithm"))?;
    let (signature, info, area) =
        (bytes_of(statement, "sig")?, bytes_of(statement, "certInfo")?, bytes_of(statement, "pubArea")?);
    let (name_algorithm, key) = public_area(area).ok_or_else(|| broken("the public area cannot be read"))?;
    if key != registration.key {
        return Err(AttestError::new(Code::Binding, "the public area is another key"));
    }
    let certified = certified(info).ok_or_else(|| broken("the certification cannot be read"))?;
    let digest = signature_hash(algorithm, &registration.signed(), relaxed)?;
    if certified.extra_data != digest {
        return Err(AttestError::new(Code::Binding, "the certification is about another registration"));
    }
    let name = [&name_algorithm.to_be_bytes()[..], &hash(name_algorithm, area, relaxed)?].concat();
    if certified.name != name {
        return Err(AttestError::new(Code::Binding, "the certification is about another key"));
    }
    let chain = chain(statement)?;
    let certs = parse(&chain)?;
    let leaf = leaf(&certs)?;
    let manufacturer = attestation_certificate(leaf)?;
    model(leaf, registration)?;
    let (path, voucher) = makers_path(&certs, question, relaxed, KNOWN)?;
    verify_cose(algorithm, &leaf.key, (info, signature), relaxed)?;
    Ok(Stated {
        format: "tpm",
        voucher,
        path: Some(path),
        tpm_manufacturer: Some(manufacturer),
        android: None,
    })
}

/// The hash of a signature algorithm, over `bytes`.
fn signature_hash(algorithm: i128, bytes: &[u8], relaxed: &mut Relaxed<'_>) -> Result<Vec<u8>, AttestError> {
    match algorithm {
        -7 | -257 | -37 => hash(ALG_SHA256, bytes, relaxed),
        -35 | -258 => hash(ALG_SHA384, bytes, relaxed),
        -36 | -259 => hash(ALG_SHA512, bytes, relaxed),
        RS1 => hash(ALG_SHA1, bytes, relaxed),
        other => Err(AttestError::new(Code::Algorithm, format!("COSE algorithm {other}"))),
    }
}

/// A hash as the TPM names it.
fn hash(algorithm: u16, bytes: &[u8], relaxed: &mut Relaxed<'_>) -> Result<Vec<u8>, AttestError> {
    match algorithm {
        ALG_SHA1 => {
            relaxed.use_up(Relaxation::DangerSha1, Code::Sha1)?;
            Ok(foreign::danger_sha1(bytes))
        }
        ALG_SHA256 => Ok(sha256(bytes).as_bytes().to_vec()),
        ALG_SHA384 => Ok(foreign::sha384(bytes)),
        ALG_SHA512 => Ok(foreign::sha512(bytes)),
        other => Err(AttestError::new(Code::Algorithm, format!("TPM algorithm {other:#06x}"))),
    }
}

/// Reads big-endian fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Bytes behind their length (`TPM2B`).
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// `TPMT_PUBLIC`: the hash of names, and the key.
fn public_area(bytes: &[u8]) -> Option<(u16, Key)> {
    let mut fields = Fields(bytes);
    let kind = fields.u16()?;
    let name_algorithm = fields.u16()?;
    let _attributes = fields.u32()?;
    let _policy = fields.sized()?;
    // A key that signs encrypts nothing: there is no symmetric algorithm.
    if fields.u16()? != ALG_NULL {
        return None;
    }
    let scheme = fields.u16()?;
    if scheme != ALG_NULL {
        let _hash = fields.u16()?;
    }
    let key = match kind {
        ALG_RSA => {
            let _bits = fields.u16()?;
            let exponent = match fields.u32()? {
                0 => 65_537,
                given => given,
            };
            rsa_key(fields.sized()?, exponent)?
        }
        ALG_ECC => {
            let curve = match fields.u16()? {
                3 => Curve::P256,
                4 => Curve::P384,
                5 => Curve::P521,
                _ => return None,
            };
            if fields.u16()? != ALG_NULL {
                let _hash = fields.u16()?;
            }
            ecc_key(curve, fields.sized()?, fields.sized()?)?
        }
        _ => return None,
    };
    fields.0.is_empty().then_some((name_algorithm, key))
}

fn rsa_key(modulus: &[u8], exponent: u32) -> Option<Key> {
    use crate::authdata::{element, unsigned};
    let numbers = [unsigned(modulus)?, unsigned(&exponent.to_be_bytes())?].concat();
    Key::from_bits(KeyKind::Rsa, &element(0x30, &numbers)?)
}

fn ecc_key(curve: Curve, x: &[u8], y: &[u8]) -> Option<Key> {
    let size = match curve {
        Curve::P256 => 32,
        Curve::P384 => 48,
        Curve::P521 => 66,
    };
    if x.len() != size || y.len() != size {
        return None;
    }
    Key::from_bits(KeyKind::Ec(curve), &[&[4], x, y].concat())
}

/// What a certification says.
struct Certified<'a> {
    extra_data: &'a [u8],
    name: &'a [u8],
}

/// `TPMS_ATTEST` of type `TPM_ST_ATTEST_CERTIFY`.
fn certified(bytes: &[u8]) -> Option<Certified<'_>> {
    let mut fields = Fields(bytes);
    if fields.u32()? != GENERATED || fields.u16()? != ST_ATTEST_CERTIFY {
        return None;
    }
    let _signer = fields.sized()?;
    let extra_data = fields.sized()?;
    let _clock = fields.take(17)?;
    let _firmware = fields.take(8)?;
    let name = fields.sized()?;
    let _qualified_name = fields.sized()?;
    fields.0.is_empty().then_some(Certified { extra_data, name })
}

/// §8.3.1: the certificate of an attestation key; the TPM's maker.
fn attestation_certificate(leaf: &Cert<'_>) -> Result<String, AttestError> {
    let purpose = |what: &'static str| AttestError::new(Code::Purpose, what);
    if !leaf.is_version_3() || !leaf.has_no_subject() {
        return Err(purpose("not a certificate of an attestation key"));
    }
    let usages = leaf.extension(EXTENDED_KEY_USAGE).ok_or_else(|| purpose("no purpose"))?;
    if !names_purpose(usages).unwrap_or(false) {
        return Err(purpose("not the purpose of an attestation key"));
    }
    let names = leaf.extension(SUBJECT_ALT_NAME).ok_or_else(|| purpose("no names"))?;
    manufacturer(names).map_err(|Asn1Error| purpose("the TPM is not named"))
}

fn names_purpose(extension: &[u8]) -> Result<bool, Asn1Error> {
    let mut usages = Reader::only(extension, Rules::Der)?.sequence()?;
    while !usages.is_empty() {
        if usages.next()?.oid()? == TCG_KP_AIK {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The maker of the TPM, of a name that gives maker, model and version.
fn manufacturer(extension: &[u8]) -> Result<String, Asn1Error> {
    let mut names = Reader::only(extension, Rules::Der)?.sequence()?;
    let mut found = [None; 3];
    while !names.is_empty() {
        let name = names.next()?;
        if name.class != Class::Context || name.tag != DIRECTORY_NAME {
            continue;
        }
        let mut sets = name.explicit()?.sequence()?;
        while !sets.is_empty() {
            let mut set = sets.next()?.set()?;
            while !set.is_empty() {
                let mut attribute = set.next()?.sequence()?;
                let (oid, value) = (attribute.next()?.oid()?, attribute.next()?);
                attribute.finish()?;
                if let [head @ .., last @ 1..=3] = oid
                    && head == TCG_ATTRIBUTES
                    && matches!(value.tag, UTF8_STRING | PRINTABLE_STRING)
                    && let Some(slot) = found.get_mut(usize::from(*last) - 1)
                {
                    *slot = Some(value.body);
                }
            }
        }
    }
    let [Some(maker), Some(_model), Some(_version)] = found else { return Err(Asn1Error) };
    let text = std::str::from_utf8(maker).map_err(|_| Asn1Error)?;
    let digits = text.strip_prefix("id:").ok_or(Asn1Error)?;
    let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(text.to_owned()) } else { Err(Asn1Error) }
}

const ALG_RSA: u16 = 0x0001;
const ALG_SHA1: u16 = 0x0004;
const ALG_SHA256: u16 = 0x000b;
const ALG_SHA384: u16 = 0x000c;
const ALG_SHA512: u16 = 0x000d;
const ALG_NULL: u16 = 0x0010;
const ALG_ECC: u16 = 0x0023;
/// `TPM_GENERATED_VALUE`: only a TPM starts structures that it signs with it.
const GENERATED: u32 = 0xff54_4347;
const ST_ATTEST_CERTIFY: u16 = 0x8017;
/// Critical extensions of such certificates: names and purpose are checked, policies restrict nothing here.
const KNOWN: &[Oid] = &[SUBJECT_ALT_NAME, EXTENDED_KEY_USAGE, CERTIFICATE_POLICIES];
const CERTIFICATE_POLICIES: Oid = Oid::new_unwrap("2.5.29.32");
const SUBJECT_ALT_NAME: Oid = Oid::new_unwrap("2.5.29.17");
const EXTENDED_KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.37");
/// 2.23.133.8.3: `tcg-kp-AIKCertificate`.
const TCG_KP_AIK: &[u8] = &[0x67, 0x81, 0x05, 8, 3];
/// 2.23.133.2: attributes of TPMs; 1 is the maker, 2 the model, 3 the version.
const TCG_ATTRIBUTES: &[u8] = &[0x67, 0x81, 0x05, 2];
const DIRECTORY_NAME: u32 = 4;
const UTF8_STRING: u32 = tag::UTF8_STRING;
const PRINTABLE_STRING: u32 = tag::PRINTABLE_STRING;
