//! Family `app-attest`: Apple's App Attest: attestations of keys in the Secure Enclave, assertions, fraud receipts.
//!
//! Evidence is the attestation object as the system returns it. Its challenge is the client data, whose SHA-256 the app
//! handed to the system. Assertions and receipts have functions of their own, since they need what an attestation left
//! behind: the key and the counter.
//!
//! Source: <https://developer.apple.com/documentation/devicecheck/validating-apps-that-connect-to-your-server>; the
//! numbered steps there are the comments here.

mod assertion;
mod cms;
mod receipt;

pub use assertion::{AssertionClaims, Stored, check_assertion};
pub use receipt::{Receipt, ReceiptKind, check_receipt};

use crate::appraisal::{Appraisal, AttestError, Claims, Genuine};
use crate::asn1::{Element, Reader, Rules};
use crate::authdata::{AuthData, Credential, cose_key};
use crate::cbor::{self, Value};
use crate::code::Code;
use crate::path::{self, Path, Rule};
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::standing::{AppIdentity, BootState, Facts, KeyPlace};
use crate::x509::{CHAIN_MAX, Cert, KeyKind};
use der::asn1::ObjectIdentifier as Oid;
use glacis_seal::foreign::Curve;
use glacis_seal::{sha256, sha256_parts};
use glacis_wire::Digest;
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::TrustVector;
use serde::Serialize;

/// Name of the family.
pub const FAMILY: &str = "app-attest";

/// What an attestation proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppAttestClaims {
    /// `TEAMID.bundle.identifier`, where it is one of the expected ones or the certificate names it.
    pub app: Option<String>,
    /// SHA-256 of the app's identifier.
    #[serde(serialize_with = "crate::appraisal::hex_digest")]
    pub app_digest: Digest,
    /// Which of Apple's environments made it.
    pub environment: Environment,
    /// The attested key: an uncompressed P-256 point.
    #[serde(serialize_with = "crate::appraisal::hex_public_key")]
    pub key: PublicKey,
    /// Name of the key: SHA-256 of it.
    #[serde(serialize_with = "crate::appraisal::hex_digest")]
    pub key_id: Digest,
    /// Version of the system, if the certificate states it.
    pub os_version: Option<String>,
    /// The receipt, to be exchanged with Apple for a fraud metric.
    #[serde(skip)]
    pub receipt: Vec<u8>,
}

/// Which of Apple's environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Apps of the store.
    Production,
    /// Apps of developers.
    Development,
}

/// An attestation object, taken apart.
struct Parts<'a> {
    chain: Vec<&'a [u8]>,
    receipt: &'a [u8],
    auth_bytes: &'a [u8],
    auth: AuthData<'a>,
}

/// Appraises an attestation.
pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let parts = take_apart(body)?;
    let certs: Vec<Cert<'_>> = parts.chain.iter().map(|cert| Cert::parse(cert)).collect::<Result<_, _>>()?;
    let mut relaxed = Relaxed::new(question);
    // Step 1: the chain.
    let path = check_path(&certs, question, &mut relaxed)?;
    let leaf = certs.first().ok_or(Code::Malformed)?;
    // Steps 2–4: the nonce binds challenge and authenticator data to the certificate.
    let client_data = sha256(question.challenge);
    let nonce = sha256_parts(&[parts.auth_bytes, client_data.as_bytes()]);
    if leaf.extension(NONCE).and_then(nonce_of) != Some(nonce.as_bytes().as_slice()) {
        return Err(Code::Challenge.into());
    }
    // Steps 5 and 9: the key's name is its hash.
    let key = point(leaf)?;
    let key_id = sha256(&key.0);
    let credential = parts.auth.credential.as_ref().ok_or(Code::Malformed)?;
    bind(credential, leaf, &key_id)?;
    if question.device_key.is_some_and(|expected| *expected != key) {
        return Err(Code::DeviceKey.into());
    }
    // Step 6: the app.
    let app_digest = Digest::try_from(parts.auth.rp_id_hash).map_err(|_| Code::Malformed)?;
    let app = app(&app_digest, leaf, question)?;
    // Step 7: a new key has signed nothing.
    if parts.auth.counter != 0 {
        return Err(Code::Counter.into());
    }
    // Step 8: the environment.
    let environment = environment(credential.aaguid)?;
    if environment == Environment::Development {
        relaxed.use_up(Relaxation::DangerDevelopment, Code::Development)?;
    }
    let claims = AppAttestClaims {
        app,
        app_digest,
        environment,
        key,
        key_id,
        os_version: leaf.extension(SYSTEM).and_then(os_version),
        receipt: parts.receipt.to_vec(),
    };
    Ok(conclude(claims, path, relaxed, question))
}

fn conclude(claims: AppAttestClaims, path: Path, relaxed: Relaxed<'_>, question: &Question<'_>) -> Appraisal {
    let ours = claims.app.as_ref().is_some_and(|app| question.references.apple_apps.contains(app));
    // Apple vouches for hardware and app; its devices boot nothing but Apple's systems (ADR 15).
    let vector = TrustVector {
        instance_identity: 2,
        executables: if ours { 2 } else { 0 },
        hardware: 2,
        storage_opaque: 2,
        ..TrustVector::default()
    };
    let facts = Facts {
        key: KeyPlace::Element,
        vouched: true,
        boot: BootState::Enforced,
        // Another than an expected app was refused.
        app: if ours { AppIdentity::Ours } else { AppIdentity::Unasked },
        ..Facts::unproven(FAMILY, question.anchors.context.realm)
    };
    let reasons = relaxed.reasons();
    Genuine {
        facts,
        vector,
        reasons: reasons.collect(),
        relaxed: relaxed.used,
        basis: path.basis,
        verified_at: question.now,
        not_after: path.not_after,
        claims: Claims::AppAttest(Box::new(claims)),
    }
    .appraised()
}

fn take_apart(body: &[u8]) -> Result<Parts<'_>, AttestError> {
    let broken = |what: &'static str| AttestError::new(Code::Malformed, what);
    let object = cbor::read(body).map_err(|_| broken("not an attestation object"))?;
    let member = |name: &str| object.member(name).ok_or_else(|| broken("a part is missing"));
    if member("fmt")?.text() != Some("apple-appattest") {
        return Err(AttestError::new(Code::Format, "not `apple-appattest`"));
    }
    let statement = member("attStmt")?;
    if object.members() != Some(3) || statement.members() != Some(2) {
        return Err(broken("parts that nobody knows"));
    }
    let chain = certificates(statement.member("x5c")).ok_or_else(|| broken("no chain"))?;
    let receipt = statement.member("receipt").and_then(Value::bytes).ok_or_else(|| broken("no receipt"))?;
    let auth_bytes = member("authData")?.bytes().ok_or_else(|| broken("no authenticator data"))?;
    let auth = AuthData::parse(auth_bytes).ok_or_else(|| broken("authenticator data cannot be read"))?;
    Ok(Parts { chain, receipt, auth_bytes, auth })
}

/// The certificates of a member `x5c`.
pub(crate) fn certificates<'a>(member: Option<&Value<'a>>) -> Option<Vec<&'a [u8]>> {
    let list = member?.list()?;
    let fits = !list.is_empty() && list.len() <= CHAIN_MAX;
    if fits { list.iter().map(Value::bytes).collect() } else { None }
}

fn check_path(
    certs: &[Cert<'_>],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Path, AttestError> {
    let rule = Rule {
        anchors: &question.anchors.roots.app_attest,
        now: question.now,
        danger_expired: relaxed.may(Relaxation::DangerExpired),
        danger_unanchored: false,
        known: &[],
    };
    let path = path::check(certs, &rule)?;
    if path.used_expired {
        relaxed.use_up(Relaxation::DangerExpired, Code::Expired)?;
    }
    Ok(path)
}

/// What `SEQUENCE { [1] { OCTET STRING } }` holds.
pub(crate) fn nonce_of(extension: &[u8]) -> Option<&[u8]> {
    let mut inside = Reader::only(extension, Rules::Der).ok()?.sequence().ok()?;
    let nonce = inside.optional_context(1).ok()??.explicit().ok()?.octets().ok()?;
    inside.finish().ok()?;
    Some(nonce)
}

/// The leaf's key, which the Secure Enclave makes on P-256.
fn point(leaf: &Cert<'_>) -> Result<PublicKey, AttestError> {
    let is_p256 = leaf.key.kind == KeyKind::Ec(Curve::P256);
    let bits = <[u8; PublicKey::LEN]>::try_from(leaf.key.bits.as_slice()).ok().filter(|_| is_p256);
    bits.map(PublicKey).ok_or_else(|| AttestError::new(Code::Algorithm, "the key is not on P-256"))
}

/// The credential is the leaf's key, by name and, where it is there, by value.
fn bind(credential: &Credential<'_>, leaf: &Cert<'_>, key_id: &Digest) -> Result<(), AttestError> {
    if credential.id != key_id.as_bytes() {
        return Err(AttestError::new(Code::Binding, "the key has another name"));
    }
    let Some(value) = &credential.key else { return Ok(()) };
    let (_, key) = cose_key(value).ok_or_else(|| AttestError::new(Code::Malformed, "not a COSE key"))?;
    if key.bits == leaf.key.bits { Ok(()) } else { Err(AttestError::new(Code::Binding, "two keys")) }
}

/// Which app, by the hash that the system put in; refused if it is none of the expected ones.
fn app(digest: &Digest, leaf: &Cert<'_>, question: &Question<'_>) -> Result<Option<String>, AttestError> {
    let expected = &question.references.apple_apps;
    let found = expected.iter().find(|app| sha256(app.as_bytes()) == *digest);
    if found.is_some() {
        return Ok(found.cloned());
    }
    let named = leaf.extension(KEY_USE).and_then(app_name);
    let named = named.filter(|name| sha256(name.as_bytes()) == *digest);
    if !expected.is_empty() {
        return Err(AttestError::new(Code::App, named.unwrap_or_default()));
    }
    Ok(named)
}

/// The text behind a context tag of a sequence of such.
fn tagged_text(extension: &[u8], number: u32) -> Option<String> {
    let mut inside = Reader::only(extension, Rules::Der).ok()?.sequence().ok()?;
    while !inside.is_empty() {
        let element: Element<'_> = inside.next().ok()?;
        if element.tag == number {
            let text = element.explicit().ok()?.octets().ok()?;
            return std::str::from_utf8(text).ok().map(str::to_owned);
        }
    }
    None
}

fn app_name(extension: &[u8]) -> Option<String> {
    tagged_text(extension, 1_204)
}

fn os_version(extension: &[u8]) -> Option<String> {
    tagged_text(extension, 1_400)
}

fn environment(aaguid: &[u8]) -> Result<Environment, AttestError> {
    match aaguid {
        b"appattest\0\0\0\0\0\0\0" => Ok(Environment::Production),
        b"appattestdevelop" => Ok(Environment::Development),
        _ => Err(AttestError::new(Code::Format, "an AAGUID that is not App Attest's")),
    }
}

/// The extension that holds the nonce.
pub(crate) const NONCE: Oid = Oid::new_unwrap("1.2.840.113635.100.8.2");
/// The extension that says what the key is for; `[1204]` names the app.
const KEY_USE: Oid = Oid::new_unwrap("1.2.840.113635.100.8.5");
/// The extension that says which system runs; `[1400]` is its version.
const SYSTEM: Oid = Oid::new_unwrap("1.2.840.113635.100.8.7");
