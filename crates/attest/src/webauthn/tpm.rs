//! Format `tpm` (§8.3): a TPM certifies the credential's key.
//!
//! Three links: the public area is the credential's key; the TPM certified an object of exactly that public area, and
//! in the same breath the registration's hash; and the certificate of the signing key is one of an attestation key.
//! Structures are read by [`crate::structures`].

use super::statement::{chain, exactly, leaf, makers_path, model, parse};
use super::{RS1, Registration, Stated, broken, bytes_of, verify_cose};
use crate::appraisal::AttestError;
use crate::asn1::{Asn1Error, Class, Reader, Rules, tag};
use crate::cbor::Value;
use crate::code::Code;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::structures::{About, Public, Statement, TpmHash};
use crate::x509::Cert;
use der::asn1::ObjectIdentifier as Oid;

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
    // A key that signs encrypts nothing: there is no symmetric algorithm.
    let public = Public::parse(area).filter(|public| public.symmetric.is_none());
    let public = public.ok_or_else(|| broken("the public area cannot be read"))?;
    if public.key != registration.key {
        return Err(AttestError::new(Code::Binding, "the public area is another key"));
    }
    let stated = Statement::parse(info).ok_or_else(|| broken("the certification cannot be read"))?;
    let About::Object { name } = stated.about else { return Err(broken("not a certification")) };
    let digest = signature_hash(algorithm, &registration.signed(), relaxed)?;
    if stated.extra_data != digest {
        return Err(AttestError::new(Code::Binding, "the certification is about another registration"));
    }
    hash(public.name_algorithm, relaxed)?;
    if public.name().as_deref() != Some(name) {
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
    let id = match algorithm {
        -7 | -257 | -37 => TpmHash::Sha256.id(),
        -35 | -258 => TpmHash::Sha384.id(),
        -36 | -259 => TpmHash::Sha512.id(),
        RS1 => TpmHash::Sha1.id(),
        other => return Err(AttestError::new(Code::Algorithm, format!("COSE algorithm {other}"))),
    };
    Ok(hash(id, relaxed)?.digest(bytes))
}

/// A hash as the TPM names it; SHA-1 only where that is allowed.
fn hash(id: u16, relaxed: &mut Relaxed<'_>) -> Result<TpmHash, AttestError> {
    let hash = TpmHash::from_id(id);
    let hash = hash.ok_or_else(|| AttestError::new(Code::Algorithm, format!("TPM algorithm {id:#06x}")))?;
    if hash == TpmHash::Sha1 {
        relaxed.use_up(Relaxation::DangerSha1, Code::Sha1)?;
    }
    Ok(hash)
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
