//! Bytes as text: base64url for names, strict base64 for header fields, hexadecimal for people.
//!
//! Decoding is strict: one text for one byte string (canonical padding, no trailing bits), so that what was
//! compared or signed as text cannot arrive in a second form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Base64url without padding (RFC 4648 §5): key ids in parameters, JWS parts.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse of [`base64url`]; `None` if the text is not canonical.
pub fn parse_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The inverse of [`base64url`] for a fixed length, without allocation.
pub fn parse_base64url_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    exact(|out| URL_SAFE_NO_PAD.decode_slice(text, out).ok())
}

/// Base64 with padding (RFC 4648 §4).
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends base64 with padding (RFC 4648 §4).
pub(crate) fn write_base64(out: &mut String, bytes: &[u8]) {
    STANDARD.encode_string(bytes, out);
}

/// Strict base64 with padding (RFC 4648 §4).
pub fn parse_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Strict base64 with padding into `out`; the length that was written.
pub(crate) fn parse_base64_into(text: &str, out: &mut [u8]) -> Option<usize> {
    STANDARD.decode_slice(text, out).ok()
}

/// Lower-case hexadecimal (RFC 4648 §8).
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

/// Bytes of hexadecimal digits of either case; `None` if there is half a byte or anything else.
pub fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

fn exact<const N: usize>(decode: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<[u8; N]> {
    let mut out = [0; N];
    (decode(&mut out)? == N).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_text_decodes() {
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        assert_eq!(parse_base64url("-_8").as_deref(), Some(&[0xfb, 0xff][..]));
        for bad in ["-_9", "-_8=", "+/8", "-_8\n", " -_8", "-"] {
            assert_eq!(parse_base64url(bad), None, "{bad}");
        }
        assert_eq!(parse_base64url_array::<2>("-_8"), Some([0xfb, 0xff]));
        assert_eq!(parse_base64url_array::<3>("-_8"), None);
        assert_eq!(parse_base64url_array::<1>("-_8"), None);
        assert_eq!(parse_base64("+/8=").as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!((parse_base64("+/8"), parse_base64("+/9=")), (None, None));
    }

    #[test]
    fn hexadecimal_is_read_in_either_case_and_written_in_one() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(hex(&[0x0f, 0xa0]), "0fa0");
        assert_eq!(parse_hex(&hex(&bytes)), Some(bytes));
        assert_eq!(parse_hex("aAFf"), Some(vec![0xaa, 0xff]));
        assert_eq!(parse_hex(""), Some(Vec::new()));
        for bad in ["0", "0g", " 00", "0x00", "é0"] {
            assert_eq!(parse_hex(bad), None, "{bad}");
        }
    }
}
