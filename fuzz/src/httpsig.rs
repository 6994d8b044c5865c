//! Input: lines, each the value of one header field: `Signature-Input`, `Signature`, `Content-Digest`.
//!
//! Invariants: parsing is total; a signature base that can be written is the same each time and parses back to
//! the same parameters; signatures and digests that parse are written and parsed to the same bytes.

use glacis_seal::httpsig::{
    content_digest, parse_content_digest, parse_input, parse_signature, write_signature,
};
use glacis_wire::http::Request;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut fields = text.split('\n');
    check_input(fields.next().unwrap_or(""));
    check_signature(fields.next().unwrap_or(""));
    check_digest(fields.next().unwrap_or(""));
}

fn check_input(field: &str) {
    let Ok(Some(input)) = parse_input(field, LABEL) else { return };
    let request = Request {
        method: "POST".to_owned(),
        authority: "shop.example".to_owned(),
        path: "/transfers".to_owned(),
        query: "?a=b&c=d".to_owned(),
        headers: vec![
            ("content-digest".to_owned(), "sha-256=:AA==:".to_owned()),
            ("glacis-proof".to_owned(), "::".to_owned()),
        ],
        body: Vec::new(),
    };
    let (mut first, mut second) = (String::new(), String::from("left over"));
    let (one, two) = (input.write_base(&mut first, &request), input.write_base(&mut second, &request));
    assert_eq!(one.is_ok(), two.is_ok());
    if one.is_ok() {
        assert_eq!(first, second, "two bases of one request differ");
        let last = first.rsplit('\n').next().unwrap_or("");
        let written =
            last.strip_prefix("\"@signature-params\": ").unwrap_or_else(|| panic!("no parameters line"));
        let field = format!("{LABEL}={written}");
        let again = parse_input(&field, LABEL);
        let again = again.ok().flatten().unwrap_or_else(|| panic!("`{field}` does not parse"));
        assert_eq!((&again.components, &again.params), (&input.components, &input.params));
    }
}

fn check_signature(field: &str) {
    let Ok(Some(signature)) = parse_signature(field, LABEL) else { return };
    let mut written = String::new();
    write_signature(&mut written, LABEL, &signature);
    let again = parse_signature(&written, LABEL);
    let again = again.ok().flatten().unwrap_or_else(|| panic!("`{written}` does not parse"));
    assert_eq!(*again, *signature);
}

fn check_digest(field: &str) {
    if let Ok(digest) = parse_content_digest(field) {
        assert_eq!(parse_content_digest(&content_digest(&digest)), Ok(digest));
    }
}

const LABEL: &str = "glacis";
