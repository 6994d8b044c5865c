//! Collateral's neighbours as people keep them: the key that signs it, and lists of verified-boot keys.
//!
//! Readers of other people's files, so they are strict about what counts and lenient about what does not: blank lines and
//! comments are skipped, and a line that cannot be read refuses the whole list rather than losing a system.

use crate::pem;
use glacis_seal::key::{P256_INFO, parse_info};
use glacis_seal::text::parse_hex;
use glacis_wire::limits::{BOOT_KEY_BYTES_MAX, NAME_BYTES_MAX, REFERENCES_MAX};
use glacis_wire::message::PublicKey;

/// The one P-256 key of a file: PEM (`PUBLIC KEY`) or DER of it. None where it holds anything else.
pub fn public_key(file: &[u8]) -> Option<PublicKey> {
    let text = std::str::from_utf8(file).ok().filter(|text| text.contains(pem::BEGIN));
    let block = match text {
        Some(text) => pem::blocks(text, &["PUBLIC KEY"], 1)?.pop()?,
        None => file.to_vec(),
    };
    parse_info(&block)
}

/// A key as [`public_key`] reads it.
pub fn key_pem(key: &PublicKey) -> String {
    pem::block("PUBLIC KEY", &[&P256_INFO[..], &key.0].concat())
}

/// Verified-boot keys with the names of their systems: one a line, in hexadecimal, with the name before it (`NAME: KEY`) or
/// behind it (`KEY NAME`), as projects publish them; `#` begins a comment. None where a line holds no key or two.
pub fn boot_keys(text: &str) -> Option<Vec<(Vec<u8>, String)>> {
    let mut found: Vec<(Vec<u8>, String)> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (mut key, mut name) = (None, Vec::new());
        for word in line.split_whitespace() {
            // SHA-256, or a whole key: no word of a name is that long and nothing but digits.
            let bytes = parse_hex(word).filter(|bytes| (32..=BOOT_KEY_BYTES_MAX).contains(&bytes.len()));
            match bytes {
                Some(_) if key.is_some() => return None,
                Some(bytes) => key = Some(bytes),
                None => name.push(word),
            }
        }
        let name = name.join(" ").trim_end_matches(':').to_owned();
        let key = key.filter(|key| name.len() <= NAME_BYTES_MAX && !found.iter().any(|(k, _)| k == key))?;
        found.push((key, name));
        if found.len() > REFERENCES_MAX {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_seal::SigningKey;

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is() {
        let key = SigningKey::from_scalar(&[7; 32]).unwrap().public();
        let pem = key_pem(&key);
        assert_eq!(public_key(pem.as_bytes()), Some(key));
        let der = [&P256_INFO[..], &key.0].concat();
        assert_eq!(public_key(&der), Some(key));
        let mut off_curve = der.clone();
        off_curve[90] ^= 1;
        for bad in [&der[..90], &der[1..], &off_curve, b"", pem.repeat(2).as_bytes()] {
            assert_eq!(public_key(bad), None);
        }
        assert_eq!(public_key(pem.replace("PUBLIC", "PRIVATE").as_bytes()), None);
    }

    #[test]
    fn lists_of_boot_keys_name_their_systems_before_or_behind() {
        let (one, other) = ("ab".repeat(32), "CD".repeat(32));
        let list = format!("# GrapheneOS\nPixel 9 Pro: {one}\n\n{other} Pixel 8 # older\r\n");
        let found = boot_keys(&list).unwrap();
        let want = [(vec![0xab; 32], "Pixel 9 Pro".to_owned()), (vec![0xcd; 32], "Pixel 8".to_owned())];
        assert_eq!(found, want);
        assert_eq!(boot_keys(""), Some(vec![]));
        for bad in [
            "Pixel 9",
            "abcd",
            &format!("{one} {other}"),
            &format!("{one}\n{one}"),
            one.trim_start_matches('a'),
        ] {
            assert_eq!(boot_keys(bad), None, "{bad}");
        }
    }
}
