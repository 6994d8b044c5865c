//! Statements by their format (§8): `none`, `packed`, `fido-u2f`, `apple`, `android-key`; `tpm` has a file of its own.
//!
//! A format that is not here is refused by its name (`android-safetynet` among them: Google switched its service off in
//! 2025). A statement with members that its format does not have is refused too.

use super::{Registration, Stated, Voucher, broken, bytes_of, tpm, verify_cose};
use crate::android;
use crate::apple;
use crate::appraisal::AttestError;
use crate::asn1::{Reader, Rules};
use crate::authdata;
use crate::cbor::Value;
use crate::code::Code;
use crate::path::{self, Path, Rule};
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::x509::{Cert, KeyKind};
use der::asn1::ObjectIdentifier as Oid;
use glacis_seal::foreign::Curve;
use glacis_seal::sha256_parts;

/// Checks a statement.
pub(super) fn check(
    format: &str,
    statement: &Value<'_>,
    registration: &Registration<'_>,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Stated, AttestError> {
    match format {
        "none" => none(statement),
        "packed" => packed(statement, registration, question, relaxed),
        "fido-u2f" => fido_u2f(statement, registration, question, relaxed),
        "apple" => anonymous(statement, registration, question, relaxed),
        "android-key" => android_key(statement, registration, question, relaxed),
        "tpm" => tpm::check(statement, registration, question, relaxed),
        other => {
            Err(AttestError::new(Code::Format, other.chars().take(FORMAT_CHARS_MAX).collect::<String>()))
        }
    }
}

const fn stated(format: &'static str, voucher: Voucher, path: Option<Path>) -> Stated {
    Stated { format, voucher, path, tpm_manufacturer: None, android: None }
}

fn none(statement: &Value<'_>) -> Result<Stated, AttestError> {
    if statement.members() == Some(0) {
        return Ok(stated("none", Voucher::Nobody, None));
    }
    Err(broken("a statement where there is none"))
}

/// §8.2.
fn packed(
    statement: &Value<'_>,
    registration: &Registration<'_>,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Stated, AttestError> {
    let signature = bytes_of(statement, "sig")?;
    let algorithm = statement.member("alg").and_then(Value::integer).ok_or_else(|| broken("no algorithm"))?;
    let signed = registration.signed();
    if statement.member("x5c").is_none() {
        exactly(statement, 2)?;
        if algorithm != registration.algorithm {
            return Err(AttestError::new(Code::Binding, "two algorithms"));
        }
        verify_cose(algorithm, &registration.key, (&signed, signature), Some(relaxed))?;
        return Ok(stated("packed", Voucher::Itself, None));
    }
    exactly(statement, 3)?;
    let chain = chain(statement)?;
    let certs = parse(&chain)?;
    let leaf = leaf(&certs)?;
    authenticator_certificate(leaf, registration)?;
    let (path, voucher) = makers_path(&certs, question, relaxed, &[])?;
    verify_cose(algorithm, &leaf.key, (&signed, signature), Some(relaxed))?;
    Ok(stated("packed", voucher, Some(path)))
}

/// §8.2.1.
fn authenticator_certificate(leaf: &Cert<'_>, registration: &Registration<'_>) -> Result<(), AttestError> {
    let unit = leaf.subject_texts(ORGANIZATIONAL_UNIT).iter().any(|unit| unit == "Authenticator Attestation");
    let named = [COUNTRY, ORGANIZATION, COMMON_NAME].iter().all(|part| !leaf.subject_texts(*part).is_empty());
    if !leaf.is_version_3() || !unit || !named {
        return Err(AttestError::new(Code::Purpose, "not a certificate of an authenticator"));
    }
    model(leaf, registration)
}

/// Where the certificate names a model, it is the one that the authenticator names.
pub(super) fn model(leaf: &Cert<'_>, registration: &Registration<'_>) -> Result<(), AttestError> {
    let Some(extension) = leaf.extension(AAGUID) else { return Ok(()) };
    let model = Reader::only(extension, Rules::Der).and_then(crate::asn1::Element::octets);
    let model = model.map_err(|_| broken("the model cannot be read"))?;
    if model == registration.aaguid { Ok(()) } else { Err(AttestError::new(Code::Binding, "two models")) }
}

/// §8.6.
fn fido_u2f(
    statement: &Value<'_>,
    registration: &Registration<'_>,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Stated, AttestError> {
    exactly(statement, 2)?;
    let signature = bytes_of(statement, "sig")?;
    let chain = chain(statement)?;
    let certs = parse(&chain)?;
    let leaf = leaf(&certs)?;
    let p256 = KeyKind::Ec(Curve::P256);
    if certs.len() != 1 || leaf.key.kind != p256 || registration.key.kind != p256 {
        return Err(AttestError::new(Code::Format, "U2F has one certificate and keys on P-256"));
    }
    // U2F knows no flags, counter or model, and signs none: what the browser fills in is not to be believed.
    let auth = &registration.auth;
    let plain = auth.flags == authdata::PRESENT | authdata::ATTESTED && auth.counter == 0;
    if !plain || registration.aaguid.iter().any(|byte| *byte != 0) {
        return Err(AttestError::new(Code::Format, "U2F has no flags, counter or model"));
    }
    let (path, voucher) = makers_path(&certs, question, relaxed, &[])?;
    let parts = [
        &[0][..],
        registration.auth.rp_id_hash,
        &registration.client_hash,
        registration.credential_id,
        &registration.key.bits,
    ];
    verify_cose(ES256, &leaf.key, (&parts.concat(), signature), Some(relaxed))?;
    Ok(stated("fido-u2f", voucher, Some(path)))
}

/// §8.8.
fn anonymous(
    statement: &Value<'_>,
    registration: &Registration<'_>,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Stated, AttestError> {
    exactly(statement, 1)?;
    let chain = chain(statement)?;
    let certs = parse(&chain)?;
    let leaf = leaf(&certs)?;
    let path = anchored_path(&certs, &question.anchors.roots.apple_webauthn, question, relaxed)?;
    let nonce = sha256_parts(&[registration.auth_bytes, &registration.client_hash]);
    if leaf.extension(apple::NONCE).and_then(apple::nonce_of) != Some(nonce.as_bytes().as_slice()) {
        return Err(AttestError::new(Code::Binding, "the statement is about another registration"));
    }
    same_key(leaf, registration)?;
    Ok(stated("apple", Voucher::Maker, Some(path)))
}

/// §8.4.
fn android_key(
    statement: &Value<'_>,
    registration: &Registration<'_>,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Stated, AttestError> {
    exactly(statement, 3)?;
    let signature = bytes_of(statement, "sig")?;
    let algorithm = statement.member("alg").and_then(Value::integer).ok_or_else(|| broken("no algorithm"))?;
    let chain = chain(statement)?;
    let certs = parse(&chain)?;
    let leaf = leaf(&certs)?;
    let path = android::check_chain(&certs, question, relaxed)?;
    same_key(leaf, registration)?;
    verify_cose(algorithm, &leaf.key, (&registration.signed(), signature), Some(relaxed))?;
    let description = android::describe(leaf, relaxed)?;
    if description.attestation_challenge != registration.client_hash {
        return Err(AttestError::new(Code::Binding, "the statement is about another registration"));
    }
    let lists = [&description.software_enforced, &description.hardware_enforced];
    if lists.iter().any(|list| list.all_applications.is_some()) {
        return Err(AttestError::new(Code::Purpose, "a key for every app"));
    }
    let list = &description.hardware_enforced;
    let level = description.attestation_security_level.min(description.key_mint_security_level);
    if level == android::SecurityLevel::Software {
        relaxed.use_up(Relaxation::DangerSoftwareLevel, Code::SoftwareLevel)?;
    } else if list.origin != Some(0) {
        relaxed.use_up(Relaxation::DangerImportedKey, Code::KeyOrigin)?;
    }
    let signs = list.purposes.as_ref().or(description.software_enforced.purposes.as_ref());
    if !signs.is_some_and(|purposes| purposes.0.contains(&SIGN)) {
        return Err(AttestError::new(Code::Purpose, "a key that may not sign"));
    }
    Ok(Stated { android: Some(description), ..stated("android-key", Voucher::Maker, Some(path)) })
}

pub(super) fn exactly(statement: &Value<'_>, members: usize) -> Result<(), AttestError> {
    if statement.members() == Some(members) { Ok(()) } else { Err(broken("a statement with other parts")) }
}

pub(super) fn chain<'a>(statement: &Value<'a>) -> Result<Vec<&'a [u8]>, AttestError> {
    apple::certificates(statement.member("x5c")).ok_or_else(|| broken("no chain"))
}

pub(super) fn parse<'a>(chain: &[&'a [u8]]) -> Result<Vec<Cert<'a>>, AttestError> {
    chain.iter().map(|cert| Cert::parse(cert)).collect()
}

pub(super) fn leaf<'c, 'a>(certs: &'c [Cert<'a>]) -> Result<&'c Cert<'a>, AttestError> {
    certs.first().ok_or_else(|| broken("no certificate"))
}

fn same_key(leaf: &Cert<'_>, registration: &Registration<'_>) -> Result<(), AttestError> {
    if leaf.key == registration.key { Ok(()) } else { Err(AttestError::new(Code::Binding, "two keys")) }
}

fn anchored_path(
    certs: &[Cert<'_>],
    anchors: &[Vec<u8>],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Path, AttestError> {
    let danger_expired = relaxed.may(Relaxation::DangerExpired);
    let rule = Rule { anchors, now: question.now, danger_expired, danger_unanchored: false, known: &[] };
    let path = path::check(certs, &rule)?;
    if path.used_expired {
        relaxed.use_up(Relaxation::DangerExpired, Code::Expired)?;
    }
    Ok(path)
}

/// A path to a maker of authenticators; to a stranger only where that is allowed.
pub(super) fn makers_path(
    certs: &[Cert<'_>],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
    known: &[Oid],
) -> Result<(Path, Voucher), AttestError> {
    let anchors = &question.anchors.roots.authenticators;
    let path = Path::of_maker(certs, anchors, known, question.now, relaxed)?;
    let voucher = if path.used_unanchored { Voucher::Stranger } else { Voucher::Maker };
    Ok((path, voucher))
}

/// ECDSA on P-256 with SHA-256 in the registry of COSE.
const ES256: i128 = -7;
/// `KeyPurpose.SIGN`.
const SIGN: u64 = 2;
/// The extension that names the authenticator's model.
const AAGUID: Oid = Oid::new_unwrap("1.3.6.1.4.1.45724.1.1.4");
const COMMON_NAME: Oid = Oid::new_unwrap("2.5.4.3");
const COUNTRY: Oid = Oid::new_unwrap("2.5.4.6");
const ORGANIZATION: Oid = Oid::new_unwrap("2.5.4.10");
const ORGANIZATIONAL_UNIT: Oid = Oid::new_unwrap("2.5.4.11");
/// Longest name of a format that is repeated in a refusal.
const FORMAT_CHARS_MAX: usize = 32;
