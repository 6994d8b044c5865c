//! Certificates as text (RFC 7468), as people store them.
//!
//! Verifiers take DER; this is for whoever reads files. Text between the blocks is ignored, as the format has it;
//! blocks of another kind are refused, since a private key in here is a mistake that should be seen.

use glacis_seal::text::{base64, parse_base64};

/// The DER of every certificate in a text, in order; none if the text has a block that is no certificate.
pub fn certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    blocks(text, &["CERTIFICATE"], CERTIFICATES_MAX)
}

/// The bytes of every block in a text, in order; none if it has one of another kind, or more than `most`.
pub(crate) fn blocks(text: &str, kinds: &[&str], most: usize) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (kind, inside) = after.split_once("-----")?;
        if !kinds.contains(&kind) {
            return None;
        }
        let (body, after) = inside.split_once(&format!("-----END {kind}-----"))?;
        let base64: String = body.split_ascii_whitespace().collect();
        found.push(parse_base64(&base64)?);
        if found.len() > most {
            return None;
        }
        rest = after;
    }
    Some(found)
}

/// One block, with lines of 64 characters.
pub(crate) fn block(kind: &str, bytes: &[u8]) -> String {
    let base64 = base64(bytes);
    let mut text = format!("{BEGIN}{kind}-----\n");
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        text.push_str(rest);
        text.push('\n');
    }
    text + "-----END " + kind + "-----\n"
}

/// What begins a block.
pub(crate) const BEGIN: &str = "-----BEGIN ";
/// LIMIT: certificates of a text; far above any chain, far below what would hurt.
const CERTIFICATES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_in_order_and_nothing_else_passes() {
        let block = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        let two = format!("first:\n{}and\r\n{}", block("AQI\n="), block("Aw=="));
        assert_eq!(certificates(&two), Some(vec![vec![1, 2], vec![3]]));
        assert_eq!(certificates("no block"), Some(vec![]));
        for bad in [
            block("AQI"),
            block("A-I="),
            "-----BEGIN CERTIFICATE-----\nAQI=".to_owned(),
            "-----BEGIN PRIVATE KEY-----\nAQI=\n-----END PRIVATE KEY-----".to_owned(),
        ] {
            assert_eq!(certificates(&bad), None, "{bad}");
        }
        assert_eq!(certificates(&block("AQI=").repeat(65)), None);
    }
}
