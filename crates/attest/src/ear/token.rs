//! Results as tokens: compact JWS with ES256, and `COSE_Sign1` with ES256; made and checked.
//!
//! The key decides the algorithm, never the token. Ours name their key, their kind and their audience, which is tenant
//! and realm (DESIGN §5.3): a result for one customer is none for another. Checked is, in this order: length, headers,
//! key, signature, claims, audience, nonce, times. No clock is read: the caller says when it is.

use super::claims::broken;
use super::item::{Form, Item};
use super::{Ear, RESULT_BYTES_MAX};
use crate::appraisal::AttestError;
use crate::cbor::{self, Rules, Value};
use crate::code::Code;
use crate::cose::{self, Sign1};
use glacis_seal::jws::{self, Key};
use glacis_seal::text::{hex, parse_base64url, parse_base64url_array};
use glacis_seal::{PublicKey, SigningKey, key_id};
use glacis_wire::Timestamp;
use std::time::Duration;

/// A key that results are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyKey {
    public: PublicKey,
    /// How a token names it; none where any name will do.
    id: Option<KeyName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyName {
    /// One of ours: hexadecimal in JWT, bytes in CWT.
    Ours(Vec<u8>),
    /// The `kid` of a JWK.
    Given(String),
}

impl VerifyKey {
    /// A key of a Glacis installation.
    pub fn ours(public: PublicKey) -> Self {
        Self { public, id: Some(KeyName::Ours(key_id(&public).as_bytes().to_vec())) }
    }

    /// Reads a public key as JWK (RFC 7517): `EC`, P-256, with `kid` where it has one.
    ///
    /// # Errors
    /// `ResultAlgorithm` for a key of another kind or curve, `ResultMalformed` if it is no key. A private key is refused:
    /// it is not needed here and should not lie about.
    pub fn from_jwk(bytes: &[u8]) -> Result<Self, AttestError> {
        if bytes.len() > JWK_BYTES_MAX {
            return Err(broken("not a JWK"));
        }
        let item = Item::from_json(bytes).map_err(|_| broken("not a JWK"))?;
        let text = |name: &str| item.member(name).and_then(Item::text);
        let kind = (text("kty").ok_or_else(|| broken("not a JWK"))?, text("crv"));
        let alg = text("alg");
        if kind != ("EC", Some("P-256")) || alg.is_some_and(|alg| alg != ES256) {
            return Err(Code::ResultAlgorithm.into());
        }
        if item.member("d").is_some() {
            return Err(broken("a private key"));
        }
        let part =
            |name: &str| text(name).and_then(parse_base64url_array::<32>).ok_or_else(|| broken("not a JWK"));
        let (x, y) = (part("x")?, part("y")?);
        let mut point = [4; PublicKey::LEN];
        point.iter_mut().skip(1).zip(x.iter().chain(&y)).for_each(|(to, from)| *to = *from);
        let public = PublicKey(point);
        glacis_seal::key::check_public(&public).map_err(|_| broken("not a point of the curve"))?;
        Ok(Self { public, id: text("kid").map(|kid| KeyName::Given(kid.to_owned())) })
    }

    fn is_named(&self, name: Option<&[u8]>, form: Form) -> bool {
        match (&self.id, name) {
            (None, _) | (_, None) => true,
            (Some(KeyName::Ours(id)), Some(name)) => match form {
                Form::Json => hex(id).as_bytes() == name,
                Form::Cbor => id == name,
            },
            (Some(KeyName::Given(id)), Some(name)) => id.as_bytes() == name,
        }
    }
}

/// What a result must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Whom it must be for: [`Context::audience`](glacis_seal::Context::audience) of purpose `Ear` for ours. None demands
    /// a result that is for nobody in particular (RFC 7519 §4.1.3).
    pub audience: Option<&'a str>,
    /// What must be echoed; none where nothing was asked.
    pub nonce: Option<&'a [u8]>,
    /// As of when.
    pub now: Timestamp,
}

/// Checks a compact JWS and reads the result in it.
///
/// # Errors
/// One of the codes `result-…`; nothing of a refused token comes back.
pub fn verify_jwt(token: &str, keys: &[VerifyKey], expected: &Expected<'_>) -> Result<Ear, AttestError> {
    if token.len() > RESULT_BYTES_MAX {
        return Err(Code::ResultTooLarge.into());
    }
    // Nothing is believed of the header before the signature holds; it only chooses among trusted keys.
    let header =
        token.split('.').next().and_then(parse_base64url).and_then(|bytes| Item::from_json(&bytes).ok());
    let header = header.ok_or_else(|| AttestError::new(Code::ResultType, "not a compact JWS"))?;
    let name = check_header(&header)?;
    let key = choose(keys, name.as_deref().map(str::as_bytes), Form::Json)?;
    let verified = jws::verify_within(token, Key::Es256(&key.public), RESULT_BYTES_MAX);
    let verified = verified.map_err(|_| AttestError::from(Code::ResultSignature))?;
    let ear = Ear::from_bytes(&verified.payload, Form::Json)?;
    check(&ear, expected)?;
    Ok(ear)
}

/// The name of the key, if the header is one of ES256 and demands nothing that is unknown here.
fn check_header(header: &Item) -> Result<Option<String>, AttestError> {
    header.map().ok_or(Code::ResultType)?;
    let text = |name: &str| header.member(name).map(|item| item.owned().ok_or(Code::ResultType)).transpose();
    if text("alg")?.as_deref() != Some(ES256) {
        return Err(Code::ResultAlgorithm.into());
    }
    let known_type = text("typ")?.is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        JWT_TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    });
    if !known_type || ["crit", "b64"].iter().any(|name| header.member(name).is_some()) {
        return Err(AttestError::new(Code::ResultType, "typ, crit or b64"));
    }
    Ok(text("kid")?)
}

/// Checks a `COSE_Sign1` with tag 18, with or without the tag of CWT before it, and reads the result in it.
///
/// # Errors
/// One of the codes `result-…`; nothing of a refused token comes back.
pub fn verify_cwt(token: &[u8], keys: &[VerifyKey], expected: &Expected<'_>) -> Result<Ear, AttestError> {
    if token.len() > RESULT_BYTES_MAX {
        return Err(Code::ResultTooLarge.into());
    }
    let value = cbor::read_by(token, Rules::RATS).ok();
    let value = match value {
        Some(Value::Tagged(CWT_TAG, inner)) => Some(*inner),
        other => other,
    };
    let message = value.as_ref().and_then(Sign1::parse);
    let message = message.ok_or_else(|| AttestError::new(Code::ResultType, "not a tagged COSE_Sign1"))?;
    message.check_headers()?;
    let kind = message.protected(cose::TYPE);
    // RFC 9596: a text, or the number of a content format.
    if kind.is_some_and(|kind| kind.text() != Some(CWT_TYPE) && kind.integer() != Some(CWT_FORMAT)) {
        return Err(AttestError::new(Code::ResultType, "typ"));
    }
    let key = choose(keys, message.key_id(), Form::Cbor)?;
    message.verify(&key.public)?;
    let ear = Ear::from_bytes(message.payload, Form::Cbor)?;
    check(&ear, expected)?;
    Ok(ear)
}

/// The key that a token names; without a name there must be one key only.
fn choose<'a>(keys: &'a [VerifyKey], name: Option<&[u8]>, form: Form) -> Result<&'a VerifyKey, AttestError> {
    let mut named = keys.iter().filter(|key| key.is_named(name, form));
    match (named.next(), named.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(Code::ResultKey.into()),
    }
}

fn check(ear: &Ear, expected: &Expected<'_>) -> Result<(), AttestError> {
    if ear.audience.as_deref() != expected.audience {
        return Err(Code::ResultAudience.into());
    }
    if expected.nonce.is_some() && ear.nonce.as_deref() != expected.nonce {
        return Err(Code::ResultNonce.into());
    }
    if ear.expires.is_some_and(|end| expected.now >= end) {
        return Err(Code::ResultExpired.into());
    }
    let soon = expected.now.after(SKEW);
    if ear.issued_at > soon || ear.not_before.is_some_and(|begin| begin > soon) {
        return Err(Code::ResultNotYetValid.into());
    }
    Ok(())
}

impl Ear {
    /// The result as a compact JWS with ES256.
    ///
    /// # Errors
    /// As [`Ear::to_bytes`]; `Signature` if the library cannot sign; `ResultTooLarge`.
    pub fn to_jwt(&self, key: &SigningKey) -> Result<String, AttestError> {
        let header = format!(r#"{{"alg":"{ES256}","typ":"{JWT_TYPE}","kid":"{}"}}"#, key.key_id());
        let token = jws::sign_es256(key, header.as_bytes(), &self.to_bytes(Form::Json)?)?;
        if token.len() > RESULT_BYTES_MAX { Err(Code::ResultTooLarge.into()) } else { Ok(token) }
    }

    /// The result as a CWT with ES256: tag 61 before tag 18.
    ///
    /// # Errors
    /// As [`Ear::to_bytes`]; `Signature` if the library cannot sign; `ResultTooLarge`.
    pub fn to_cwt(&self, key: &SigningKey) -> Result<Vec<u8>, AttestError> {
        let kind = [(Value::Integer(cose::TYPE), Value::Text(CWT_TYPE))];
        let message = cose::sign(key, &kind, &self.to_bytes(Form::Cbor)?)?;
        let token = [&CWT_PREFIX[..], &message].concat();
        if token.len() > RESULT_BYTES_MAX { Err(Code::ResultTooLarge.into()) } else { Ok(token) }
    }
}

const ES256: &str = "ES256";
/// RFC 9782 §3, without `application/` (RFC 7515 §4.1.9).
const JWT_TYPE: &str = "eat+jwt";
/// Kinds that are taken: ours, and what implementations in the field write. The profile tells results from other tokens.
const JWT_TYPES: &[&str] = &[JWT_TYPE, "jwt"];
/// RFC 9782 §3.
const CWT_TYPE: &str = "application/eat+cwt";
/// Its content format (RFC 9782 §6.6).
const CWT_FORMAT: i128 = 263;
/// RFC 8392 §6.
const CWT_TAG: u64 = 61;
/// Tag 61, encoded.
const CWT_PREFIX: [u8; 2] = [0xd8, 61];
/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(60);
/// LIMIT: a key has about 200 bytes.
const JWK_BYTES_MAX: usize = 4 << 10;
