//! `Content-Digest` (RFC 9530) with `sha-256`, the one algorithm that Glacis makes and demands.
//!
//! Other algorithms may stand beside it; they are checked for form and otherwise ignored.
//! Whether the body has that digest is the caller's comparison; nothing here reads a body.

use super::HttpSigError;
use super::HttpSigErrorKind::{Duplicate, Syntax};
use super::sfv::{Cursor, Item, write_bytes};
use crate::text::parse_base64_into;
use glacis_wire::Digest;

/// The field value for a body of this digest: `sha-256=:…:`.
pub fn content_digest(digest: &Digest) -> String {
    let mut out = String::with_capacity(54);
    write_content_digest(&mut out, digest);
    out
}

/// Appends the field value.
pub fn write_content_digest(out: &mut String, digest: &Digest) {
    out.push_str("sha-256=");
    write_bytes(out, digest.as_bytes());
}

/// The `sha-256` member of a field; it must be there, once.
pub fn parse_content_digest(field: &str) -> Result<Digest, HttpSigError> {
    let mut cursor = Cursor::new(field)?;
    let mut found = None;
    loop {
        let at = cursor.clone();
        let key = cursor.key()?;
        cursor.expect(b'=')?;
        let Item::Bytes(text) = cursor.item()? else {
            return Err(at.error(Syntax));
        };
        cursor.skip_parameters()?;
        if key == "sha-256" {
            let mut bytes = [0; Digest::LEN];
            if parse_base64_into(text, &mut bytes) != Some(Digest::LEN) {
                return Err(at.error(Syntax));
            }
            if found.replace(Digest::new(bytes)).is_some() {
                return Err(at.error(Duplicate));
            }
        }
        if !cursor.next_member()? {
            return found.ok_or(cursor.error(Syntax));
        }
    }
}
