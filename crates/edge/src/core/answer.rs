//! What a client is told: refusals, verdicts, and the MAC'd headers of both directions.
//!
//! A refusal names its stable code and a random reference, nothing else; refusals by rule, list, model or limit
//! of one kind differ in nothing but the reference (DESIGN §5.3 step 4).

use glacis_wire::http::{MEDIA_TYPE, REFERENCE, Response, VERDICT};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Encode, Reference, Verdict};

const PROBLEM: &str = "application/problem+json";

/// A refusal as an RFC 9457 problem.
pub(crate) fn refusal(refusal: Refusal, reference: Reference) -> Response {
    let reference = reference.text();
    let (code, status) = (refusal.name(), refusal.status());
    let title = title(status);
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{status},"code":"{code}","reference":"{reference}"}}"#
    );
    let mut headers =
        vec![("content-type".to_owned(), PROBLEM.to_owned()), (REFERENCE.to_owned(), reference)];
    if matches!(status, 429 | 503) {
        headers.push(("retry-after".to_owned(), "1".to_owned()));
    }
    Response { status, headers, body: body.into_bytes() }
}

/// A verdict that is not `allow`.
pub(crate) fn verdict(verdict: Verdict, reference: Reference, maced: Option<String>) -> Response {
    let reference = reference.text();
    let (status, body) = match verdict {
        Verdict::Challenge(method) => (
            401,
            format!(r#"{{"verdict":"challenge","method":"{}","reference":"{reference}"}}"#, method.name()),
        ),
        _ => (403, format!(r#"{{"verdict":"block","reference":"{reference}"}}"#)),
    };
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
        (REFERENCE.to_owned(), reference),
    ];
    headers.extend(maced.map(|value| (VERDICT.to_owned(), value)));
    Response { status, headers, body: body.into_bytes() }
}

/// A message of ours.
pub(crate) fn message(status: u16, message: &impl Encode) -> Result<Response, Refusal> {
    let body = message.to_bytes().map_err(|_| Refusal::Overloaded)?;
    Ok(bytes(status, body))
}

/// Encoded bytes of ours.
pub(crate) fn bytes(status: u16, body: Vec<u8>) -> Response {
    let headers = vec![
        ("content-type".to_owned(), MEDIA_TYPE.to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
    ];
    Response { status, headers, body }
}

pub(crate) const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Refused",
    }
}
