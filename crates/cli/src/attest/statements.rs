//! Parts of SOTER, sealed tokens and public keys, as people keep them in files.
//!
//! What can be checked by itself is: a chain about an app's key, and evidence that states its own challenge. A statement
//! without its signature, or a token without its keys, can only be recognised, and is never called verified.

use super::corpus::{Found, asking};
use crate::error::CliError;
use glacis_attest::{References, soter};
use glacis_seal::jwe;
use glacis_seal::text::parse_base64url;
use glacis_wire::Timestamp;
use serde_json::Value;

/// The challenge that evidence of SOTER carries in its final statement; none if this is none.
pub(super) fn of_soter(document: &Value) -> Option<Vec<u8>> {
    document.get("ask")?;
    let last = parse_base64url(document.get("final")?.get("json")?.as_str()?)?;
    let last: Value = serde_json::from_slice(&last).ok()?;
    Some(last.get("raw")?.as_str()?.as_bytes().to_vec())
}

/// A part of SOTER's evidence: what the device exports about an app's key, or a statement.
pub(super) fn part_of_soter(
    bytes: &[u8],
    document: &Value,
    now: Timestamp,
) -> Result<Option<Found>, CliError> {
    let has = |name: &str| document.get(name).is_some();
    if has("certs") {
        let outcome = asking(&[], now, &References::default(), |question| soter::check_ask(bytes, question))?;
        let outcome = outcome.map(|found| {
            let needed: Vec<&str> = found.relaxed.iter().map(|relaxation| relaxation.name()).collect();
            format!("counter {}; {}", found.counter, needed.join(", "))
        });
        return Ok(Some(Found::Part { what: "SOTER key of an app", outcome }));
    }
    let what = match (has("cpu_id") && has("counter"), has("pub_key"), has("raw")) {
        (true, true, false) => "SOTER statement about a key, without its signature",
        (true, false, true) => "final SOTER statement, without its signature",
        _ => return Ok(None),
    };
    Ok(Some(Found::Read(what.to_owned())))
}

/// A token that is sealed for somebody, or public keys.
pub(super) fn token_or_key(text: &str) -> Found {
    let token = text.trim();
    let header = token.split_once('.').and_then(|(header, _)| parse_base64url(header));
    let header = header.and_then(|header| serde_json::from_slice::<Value>(&header).ok());
    let names = |name: &str, value: &str| {
        header.as_ref().and_then(|header| header.get(name)).and_then(Value::as_str) == Some(value)
    };
    if token.split('.').count() == 5 && names("alg", jwe::ALG) && names("enc", jwe::ENC) {
        return Found::Read("sealed token; its keys are needed to read it".to_owned());
    }
    match glacis_attest::anchors(text.as_bytes()) {
        Some(keys) if !keys.is_empty() => Found::Read("public key".to_owned()),
        _ => Found::Unknown,
    }
}
