//! Evidence in a record of RATS' conceptual message wrapper, in JSON or CBOR: which family, and its bytes.
//!
//! Only a record; a collection of several is no evidence of one device. The type decides the verifier, so a type that
//! is none of ours refuses. Whether this build has the family is asked when the evidence is appraised.
//!
//! Source: draft-ietf-rats-msg-wrap, §3.1.

use crate::appraisal::AttestError;
use crate::cbor::{self, Value};
use crate::code::Code;
use glacis_seal::text::parse_base64url;
use glacis_wire::cmw::{EVIDENCE, family_of};
use glacis_wire::limits::EVIDENCE_BYTES_MAX;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};

/// Reads a record; none if the bytes do not begin like one.
///
/// # Errors
/// `UnknownFamily` if the type is none of ours, `Format` if the value is said to be no evidence, `TooLarge`, `Malformed`.
pub fn read_record(bytes: &[u8]) -> Result<Option<Evidence>, AttestError> {
    // LIMIT: base64url of the longest evidence, and room for its type.
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(AttestError::new(Code::TooLarge, "a record"));
    }
    let parts = match bytes.first() {
        Some(b'[') => json(bytes),
        Some(0x82 | 0x83) => cbor(bytes),
        _ => return Ok(None),
    };
    let broken = || AttestError::new(Code::Malformed, "a record cannot be read");
    let (kind, value, indicator) = parts.ok_or_else(broken)?;
    if indicator.is_some_and(|indicator| indicator & u64::from(EVIDENCE) == 0) {
        return Err(AttestError::new(Code::Format, "a record of something else than evidence"));
    }
    let shown = || kind.chars().take(TYPE_CHARS_MAX).collect::<String>();
    let family = family_of(&kind).ok_or_else(|| AttestError::new(Code::UnknownFamily, shown()))?;
    Ok(Some(Evidence { family: Text(family.to_owned()), body: Bytes(value) }))
}

type Parts = (String, Vec<u8>, Option<u64>);

fn json(bytes: &[u8]) -> Option<Parts> {
    let parts: Vec<serde_json::Value> = serde_json::from_slice(bytes).ok()?;
    let (kind, value, indicator) = match parts.as_slice() {
        [kind, value] => (kind, value, None),
        [kind, value, indicator] => (kind, value, Some(indicator.as_u64()?)),
        _ => return None,
    };
    Some((kind.as_str()?.to_owned(), parse_base64url(value.as_str()?)?, indicator))
}

fn cbor(bytes: &[u8]) -> Option<Parts> {
    let Value::List(parts) = cbor::read(bytes).ok()? else { return None };
    let (kind, value, indicator) = match parts.as_slice() {
        [kind, value] => (kind, value, None),
        [kind, value, indicator] => (kind, value, Some(u64::try_from(indicator.integer()?).ok()?)),
        _ => return None,
    };
    Some((kind.text()?.to_owned(), value.bytes()?.to_vec(), indicator))
}

const RECORD_BYTES_MAX: usize = EVIDENCE_BYTES_MAX / 3 * 4 + 256;
/// Longest type that is repeated in a refusal.
const TYPE_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_seal::text::base64url;
    use glacis_wire::cmw::{cbor_record, json_record};

    fn code(bytes: &[u8]) -> &'static str {
        match read_record(bytes) {
            Ok(None) => "none",
            Ok(Some(_)) => "record",
            Err(refused) => refused.code().name(),
        }
    }

    #[test]
    fn records_come_back_as_they_were_wrapped() {
        for length in [0, 1, 23, 24, 255, 256, 65_535, EVIDENCE_BYTES_MAX] {
            let body = vec![7; length];
            for record in [cbor_record("tpm", &body), json_record("tpm", &base64url(&body)).into_bytes()] {
                let found = read_record(&record).unwrap().unwrap();
                assert_eq!((&*found.family.0, &found.body.0), ("tpm", &body), "{length}");
            }
        }
        // The indicator may be left out.
        assert_eq!(code(br#"["application/vnd.glacis.evidence.tpm","BwcH"]"#), "record");
    }

    #[test]
    fn what_is_no_record_of_ours_is_refused_or_something_else() {
        let json = |text: &str| code(text.as_bytes());
        for (text, want) in [
            (r#"["application/eat+cwt","BwcH",4]"#, "unknown-family"),
            (r#"["application/vnd.glacis.evidence.","BwcH",4]"#, "unknown-family"),
            (r#"["application/vnd.glacis.evidence.tpm","BwcH",8]"#, "format"),
            (r#"["application/vnd.glacis.evidence.tpm","Bw+H",4]"#, "malformed"),
            (r#"["application/vnd.glacis.evidence.tpm","BwcH","4"]"#, "malformed"),
            (r#"["application/vnd.glacis.evidence.tpm","BwcH",4,4]"#, "malformed"),
            (r#"[30001,"BwcH",4]"#, "malformed"),
            ("[]", "malformed"),
            ("{}", "none"),
            ("", "none"),
        ] {
            assert_eq!(json(text), want, "{text}");
        }
        let good = cbor_record("tpm", &[7; 30]);
        for length in 1..good.len() {
            assert_eq!(code(&good[..length]), "malformed", "{length} bytes");
        }
        assert_eq!(code(&[&good[..], &[0]].concat()), "malformed");
        // A length in a longer form than it needs.
        let mut long = good.clone();
        long.splice(1..3, [0x79, 0, 35]);
        assert_eq!(code(&long), "malformed");
        assert_eq!(code(&[&[b'['][..], &vec![b' '; RECORD_BYTES_MAX]].concat()), "too-large");
    }
}
