//! Format `tpm` (§8.3): a TPM certifies the credential's key.
//!
//! Three links: the public area is the credential's key; the TPM certified an object of exactly that public area, and
//! in the same breath the registration's hash; and the certificate of the signing key is one of an attestation key.
//! Structures are read by [`crate::structures`].

use super::statement::{chain, exactly, leaf, makers_path, model, parse};
use super::{RS1, Registration, Stated, broken, bytes_of, verify_cose};
use crate::appraisal::AttestError;
use crate::asn1::Asn1Error;
use crate::cbor::Value;
use crate::code::Code;
use crate::names::{EXTENDED_KEY_USAGE, KNOWN, SUBJECT_ALT_NAME, names_purpose, tpm_name};
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::structures::{About, Public, Statement, TpmHash};
use crate::x509::Cert;

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
    verify_cose(algorithm, &leaf.key, (info, signature), Some(relaxed))?;
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
    if !names_purpose(usages, TCG_KP_AIK).unwrap_or(false) {
        return Err(purpose("not the purpose of an attestation key"));
    }
    let names = leaf.extension(SUBJECT_ALT_NAME).ok_or_else(|| purpose("no names"))?;
    let name = tpm_name(names).map_err(|Asn1Error| purpose("the TPM is not named"))?;
    Ok(name.manufacturer)
}

/// 2.23.133.8.3: `tcg-kp-AIKCertificate`.
const TCG_KP_AIK: &[u8] = &[0x67, 0x81, 0x05, 8, 3];
