//! Reads the `code` of a problem document (RFC 9457), and nothing else of it.
//!
//! A refusal is unauthenticated advice: the worst that a wrong reading can do is one bounded retry more or less.
//! So this is a scanner for one member of one flat JSON object, not a JSON library, and anything unusual (nesting,
//! escapes in the code, a second `code`) reads as "no code".

use glacis_wire::Reference;
use glacis_wire::http::{REFERENCE, Response};
use glacis_wire::message::refusal::Refusal;

/// The refusal that a response states, if it states one.
pub(crate) fn refusal(response: &Response) -> Option<Refusal> {
    let code = code(response.body.get(..response.body.len().min(BODY_BYTES_MAX))?)?;
    let refusal = Refusal::ALL.iter().copied().find(|refusal| refusal.name() == code)?;
    (refusal.status() == response.status).then_some(refusal)
}

/// The reference that a response states, if it states one.
pub(crate) fn reference(response: &Response) -> Option<Reference> {
    response.header(REFERENCE).and_then(Reference::parse)
}

/// The string member `code` of a flat object of strings and numbers.
fn code(json: &[u8]) -> Option<&str> {
    let mut rest = json.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?.trim_ascii();
    let mut code = None;
    while !rest.is_empty() {
        let (key, after) = string(rest)?;
        let value = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let after = if value.first() == Some(&b'"') {
            let (text, after) = string(value)?;
            if key == "code" && code.replace(text).is_some() {
                return None;
            }
            after
        } else {
            number(value)?
        };
        rest = match after.trim_ascii_start() {
            [] => &[],
            more => more.strip_prefix(b",")?.trim_ascii_start(),
        };
    }
    code
}

/// A string without escapes, and what follows it.
fn string(json: &[u8]) -> Option<(&str, &[u8])> {
    let inner = json.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let (text, after) = inner.split_at_checked(end)?;
    if text.contains(&b'\\') {
        return None;
    }
    Some((str::from_utf8(text).ok()?, after.strip_prefix(b"\"")?))
}

/// What follows a number.
fn number(json: &[u8]) -> Option<&[u8]> {
    let end = json.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(json.len());
    if end == 0 { None } else { json.get(end..) }
}

/// A problem document of ours is shorter.
const BODY_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_only_in_its_plain_form() {
        for (json, want) in [
            (
                r#"{"type":"about:blank","title":"Unknown leg","status":401,"code":"leg-unknown","reference":"0123"}"#,
                Some("leg-unknown"),
            ),
            (r#" { "code" : "replayed" , "status" : 401 } "#, Some("replayed")),
            (r#"{"code":"a","code":"b"}"#, None),
            (r#"{"code":"a\u0062"}"#, None),
            (r#"{"inner":{"code":"a"}}"#, None),
            (r#"{"title":"code","status":401}"#, None),
            (r#"{"code":7}"#, None),
            (r#"{"code":"a""#, None),
            (r#"["code"]"#, None),
            ("", None),
        ] {
            assert_eq!(code(json.as_bytes()), want, "{json}");
        }
    }

    #[test]
    fn a_refusal_counts_only_with_its_own_status() {
        let answer =
            |status, body: &str| Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        assert_eq!(refusal(&answer(401, r#"{"code":"leg-unknown"}"#)), Some(Refusal::LegUnknown));
        assert_eq!(refusal(&answer(200, r#"{"code":"leg-unknown"}"#)), None);
        assert_eq!(refusal(&answer(401, r#"{"code":"no-such-code"}"#)), None);
    }
}
