//! Evidence as a record of RATS' conceptual message wrapper: a type, and bytes that are nobody else's business.
//!
//! The type is a media type that names the family, so that whoever gets a file or a message knows which verifier it is
//! for. Here are the names and the writers; the verifier reads with a reader of its own.
//!
//! Source: draft-ietf-rats-msg-wrap, §3.1 (records), §3.1.1 (CBOR), §3.1.2 (JSON), §3.1.3 (`ind`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The media type of a family's evidence.
pub fn media_type(family: &str) -> String {
    format!("{TYPE_PREFIX}{family}")
}

/// The family of a media type, if it is one of ours.
pub fn family_of(media_type: &str) -> Option<&str> {
    media_type.strip_prefix(TYPE_PREFIX).filter(|family| !family.is_empty())
}

/// A record in CBOR: type, value, and that the value is evidence.
pub fn cbor_record(family: &str, evidence: &[u8]) -> Vec<u8> {
    let kind = media_type(family);
    let mut record = Vec::from([0x83]);
    head(&mut record, 0x60, kind.len());
    record.extend_from_slice(kind.as_bytes());
    head(&mut record, 0x40, evidence.len());
    record.extend_from_slice(evidence);
    record.push(EVIDENCE);
    record
}

/// A record in JSON; the value is given as base64url without padding, since this crate encodes none.
pub fn json_record(family: &str, base64url: &str) -> String {
    format!("[\"{}\",\"{base64url}\",{EVIDENCE}]", media_type(family))
}

/// Major type and length, in the shortest form.
fn head(out: &mut Vec<u8>, major: u8, length: usize) {
    let [.., third, second, first, last] = length.to_be_bytes();
    match length {
        0..=23 => out.push(major | last),
        24..=0xff => out.extend_from_slice(&[major | 24, last]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, first, last]),
        // LIMIT: no evidence is longer than `EVIDENCE_BYTES_MAX`, which needs three bytes.
        _ => out.extend_from_slice(&[major | 26, third, second, first, last]),
    }
}

const TYPE_PREFIX: &str = "application/vnd.glacis.evidence.";
/// `ind` of evidence: bit 2.
pub const EVIDENCE: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn records_have_the_form_of_the_draft() {
        assert_eq!(family_of(&media_type("tpm")), Some("tpm"));
        assert_eq!(family_of("application/eat+cwt"), None);
        assert_eq!(family_of(TYPE_PREFIX), None);
        let record = cbor_record("tpm", &[7; 3]);
        assert_eq!(record[..3], [0x83, 0x78, 35]);
        assert_eq!(record[3 + 35..], [0x43, 7, 7, 7, 4]);
        for (length, want) in
            [(23, &[0x57][..]), (24, &[0x58, 24]), (256, &[0x59, 1, 0]), (65_536, &[0x5a, 0, 1, 0, 0])]
        {
            let record = cbor_record("tpm", &vec![0; length]);
            assert_eq!(&record[3 + 35..][..want.len()], want, "{length}");
        }
        assert_eq!(json_record("tpm", "BwcH"), r#"["application/vnd.glacis.evidence.tpm","BwcH",4]"#);
    }
}
