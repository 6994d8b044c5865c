//! A writer of CBOR (RFC 8949), as far as attestation objects of simulated phones need it.
//!
//! Shortest forms and definite lengths only. It writes and reads nothing, and sorts nothing: maps keep the order in which
//! they are given, as Apple's objects do.

/// A number that is not negative.
pub(super) fn unsigned(number: u64) -> Vec<u8> {
    head(0, number)
}

/// `-1 - number`.
pub(super) fn negative(number: u64) -> Vec<u8> {
    head(1, number)
}

/// A byte string.
pub(super) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

/// A text string.
pub(super) fn text(text: &str) -> Vec<u8> {
    [head(3, text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// A list of encoded values.
pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A map of encoded keys and values.
pub(super) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = head(5, entries.len() as u64);
    entries.iter().for_each(|(key, value)| out.extend(key.iter().chain(value)));
    out
}

fn head(major: u8, argument: u64) -> Vec<u8> {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    let (minor, size) = match argument {
        0..=23 => return bytes.last().map(|small| major | small).into_iter().collect(),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    [major | minor].into_iter().chain(bytes.into_iter().skip(8 - size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949, appendix A.
    #[test]
    fn values_have_the_encoding_of_the_standard() {
        for (got, want) in [
            (unsigned(0), &[0][..]),
            (unsigned(23), &[0x17]),
            (unsigned(24), &[0x18, 0x18]),
            (unsigned(1_000), &[0x19, 3, 0xe8]),
            (unsigned(1_000_000), &[0x1a, 0, 0x0f, 0x42, 0x40]),
            (unsigned(1_000_000_000_000), &[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0]),
            (negative(99), &[0x38, 0x63]),
            (bytes(&[1, 2, 3, 4]), &[0x44, 1, 2, 3, 4]),
            (text("IETF"), &[0x64, b'I', b'E', b'T', b'F']),
            (list(&[unsigned(1), list(&[unsigned(2)])]), &[0x82, 1, 0x81, 2]),
            (map(&[(unsigned(1), unsigned(2)), (unsigned(3), unsigned(4))]), &[0xa2, 1, 2, 3, 4]),
        ] {
            assert_eq!(got, want);
        }
    }
}
