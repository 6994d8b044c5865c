//! Bytes as text: base64url for names, strict base64 for header fields.
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
}
