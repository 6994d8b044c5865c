//! Anchors as operators keep them: files of certificates or public keys, of which only the keys count.
//!
//! PEM (RFC 7468, `CERTIFICATE` and `PUBLIC KEY` blocks, as many as there are) or DER of one. A block of any other kind
//! refuses the file: a private key in here is a mistake that should be seen.

use crate::pem::{BEGIN, blocks};
use crate::x509::{Cert, Key};

/// The keys of a file as DER `SubjectPublicKeyInfo`, in order; none where the file holds none or anything else.
pub fn anchors(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let pem = std::str::from_utf8(file).ok().filter(|text| text.contains(BEGIN));
    let Some(text) = pem else {
        return key_of(file).map(|key| vec![key]);
    };
    blocks(text, &["CERTIFICATE", "PUBLIC KEY"], KEYS_MAX)?.iter().map(|block| key_of(block)).collect()
}

/// The keys in Google's list of roots (`https://android.googleapis.com/attestation/root`): a JSON array of certificates as
/// PEM. None where it is no such list, or an empty one.
pub fn google_roots(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let texts: Vec<String> = serde_json::from_slice(file).ok()?;
    if texts.is_empty() || texts.len() > KEYS_MAX {
        return None;
    }
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        let found = anchors(text.as_bytes()).filter(|found| !found.is_empty())?;
        // A key that was certified again is one key.
        let new = found.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>();
        keys.extend(new);
    }
    Some(keys)
}

/// Of a certificate or of a key alone.
fn key_of(der: &[u8]) -> Option<Vec<u8>> {
    let key = Key::parse(der).or_else(|| Cert::parse(der).ok().map(|cert| cert.key));
    key.map(|key| key.info)
}

/// LIMIT: keys of one file; all makers of TPMs together have fewer roots.
const KEYS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Roots;
    use glacis_seal::text::base64;

    fn pem(kind: &str, der: &[u8]) -> String {
        format!("about it\n-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", base64(der))
    }

    #[test]
    fn keys_are_read_of_der_and_of_pem_and_nothing_else_is() {
        let keys = Roots::vendors().android;
        assert_eq!(anchors(&keys[1]), Some(vec![keys[1].clone()]));
        let both = pem("PUBLIC KEY", &keys[0]) + &pem("PUBLIC KEY", &keys[1]);
        assert_eq!(anchors(both.as_bytes()), Some(keys.clone()));
        for bad in [
            String::new(),
            "no key at all".to_owned(),
            pem("PRIVATE KEY", &keys[1]),
            "-----BEGIN CERTIFICATE-----\nAQI=\n-----END CERTIFICATE-----\n".to_owned(),
            both.clone() + &pem("EC PRIVATE KEY", &keys[1]),
            pem("CERTIFICATE", &keys[1][1..]),
            pem("PUBLIC KEY", &keys[1]).replace("-----END", "-----EMD"),
        ] {
            assert_eq!(anchors(bad.as_bytes()), None, "{bad}");
        }
        for len in 0..keys[1].len() {
            assert_eq!(anchors(&keys[1][..len]), None, "cut at {len}");
        }
    }
}
