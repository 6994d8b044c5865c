//! Family `play-integrity`: a verdict of Google's about an app on a device, sealed for the operator and signed by Google.
//!
//! Evidence is the token as the app got it: compact JWE (A256KW, A256GCM) around compact JWS (ES256), with the two keys that
//! the Play Console shows to an operator who manages them himself. Nothing is asked of Google's servers.
//!
//! The verdict is one vendor's word about one moment. It says nothing about any key: the device key is bound only by what the
//! app asked the verdict for ([`bound_challenge`]), so that the tier stays `software`, and a result ends a day after the
//! verdict. Values are `attested` where Google recognised an expected app by an expected signer on a device whose verified
//! boot rests on hardware. A verdict that evaluated nothing is a posture, no error.
//!
//! Source: <https://developer.android.com/google/play/integrity/verdicts> and, for the token, `…/integrity/classic`.

mod conclude;
mod keys;
mod verdict;

pub use keys::PlayKeys;
pub use verdict::{
    AppAccess, AppVerdict, DeviceActivity, DeviceRecall, DeviceVerdict, Licensing, PlayClaims, PlayProtect,
    RequestKind,
};

use crate::appraisal::{Appraisal, AttestError};
use crate::code::Code;
use crate::json::Json;
use crate::question::Question;
use glacis_seal::hash::context_digest;
use glacis_seal::text::{base64url, parse_base64url};
use glacis_seal::{Purpose, jwe, jws};
use glacis_wire::Timestamp;
use glacis_wire::message::PublicKey;
use std::time::Duration;

/// Name of the family.
pub const FAMILY: &str = "play-integrity";

/// What an app must ask a verdict for to enrol a device key: `requestHash` of a standard request, or `nonce` of a classic
/// one, in base64url. Without a device key it is the challenge itself, in base64url.
pub fn bound_challenge(context: &glacis_seal::Context, challenge: &[u8], device_key: &PublicKey) -> String {
    let parts: [&[u8]; 2] = [challenge, &device_key.0];
    base64url(context_digest(context, Purpose::PlayIntegrity, &parts).as_bytes())
}

/// Appraises a token.
pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let malformed = |what: &'static str| AttestError::new(Code::Malformed, what);
    let token = std::str::from_utf8(body).map_err(|_| malformed("not a token"))?;
    // LIMIT: the reader's own; said here by name.
    if token.len() > jwe::TOKEN_BYTES_MAX {
        return Err(Code::TooLarge.into());
    }
    header(token, &[("alg", jwe::ALG), ("enc", jwe::ENC)])?;
    let (inner, keys) = open(token, &question.anchors.play_integrity)?;
    let inner = std::str::from_utf8(&inner).map_err(|_| malformed("no token in the token"))?;
    header(inner, &[("alg", SIGNED)])?;
    let verified = jws::verify(inner, jws::Key::Es256(&keys.verification))?;
    let payload = Json::read_object(&verified.payload)?;
    let claims = PlayClaims::read(&payload)?;
    asked_for(&payload, question)?;
    fresh(claims.made_at, question)?;
    conclude::conclude(claims, keys, question)
}

/// The header says what the token is opened with anyway, and nothing that changes what the rest means.
fn header(token: &str, expected: &[(&str, &str)]) -> Result<(), AttestError> {
    let (header, _) =
        token.split_once('.').ok_or_else(|| AttestError::new(Code::Malformed, "not a token"))?;
    let bytes = parse_base64url(header).filter(|bytes| bytes.len() <= HEADER_BYTES_MAX);
    let header = Json::read_object(&bytes.ok_or_else(|| AttestError::new(Code::Malformed, "not a header"))?)?;
    for (name, value) in expected {
        if header.member(name).and_then(Json::text) != Some(*value) {
            return Err(AttestError::new(Code::Algorithm, format!("`{name}` is not {value}")));
        }
    }
    // Compression makes bombs; `crit` and `b64` change how the rest is read (RFC 7515 §4.1.11, RFC 7797).
    if let Some(name) = header.names().find(|name| ["zip", "crit", "b64"].contains(name)) {
        return Err(AttestError::new(Code::Format, format!("a header with `{name}`")));
    }
    Ok(())
}

/// What was sealed, and the keys of the app that it was sealed for: a token does not name its key.
fn open<'k>(token: &str, keys: &'k [PlayKeys]) -> Result<(Vec<u8>, &'k PlayKeys), AttestError> {
    if keys.is_empty() {
        return Err(Code::NoTokenKeys.into());
    }
    // LIMIT: apps of one operator whose keys are tried.
    for keys in keys.iter().take(KEYS_MAX) {
        if let Ok(opened) = jwe::open(token, &keys.decryption) {
            return Ok((opened.plain, keys));
        }
    }
    Err(Code::Decryption.into())
}

/// The verdict is about our challenge, whichever of the two kinds of request it answers.
fn asked_for(payload: &Json, question: &Question<'_>) -> Result<(), AttestError> {
    let expected = match question.device_key {
        Some(key) => bound_challenge(&question.anchors.context, question.challenge, key),
        None => base64url(question.challenge),
    };
    let details = payload.member("requestDetails").ok_or(Code::Malformed)?;
    let (nonce, hash) = (details.text_of("nonce")?, details.text_of("requestHash")?);
    let right = match (nonce, hash) {
        // Apps write base64 with its padding where nobody tells them not to.
        (Some(nonce), None) => {
            let padding = "=".repeat(expected.len().next_multiple_of(4) - expected.len());
            nonce == expected || nonce == format!("{expected}{padding}")
        }
        (None, Some(hash)) => hash == expected,
        _ => return Err(AttestError::new(Code::Malformed, "asked for nothing, or in both ways")),
    };
    if right { Ok(()) } else { Err(Code::Challenge.into()) }
}

/// The verdict is of now.
fn fresh(made_at: Timestamp, question: &Question<'_>) -> Result<(), AttestError> {
    if question.now.after(CLOCK_SKEW) < made_at {
        return Err(Code::FutureVerdict.into());
    }
    if made_at.after(question.constraints.verdict_age_max) < question.now {
        return Err(Code::StaleVerdict.into());
    }
    Ok(())
}

/// How the inner token is signed.
const SIGNED: &str = "ES256";
/// Longest header. Unit: bytes; real ones have about fifty.
const HEADER_BYTES_MAX: usize = 1_024;
/// Most pairs of keys that are tried, one after the other; further ones are not.
pub const KEYS_MAX: usize = 16;
/// How far Google's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
