//! Anchors as operators have them: certificates in files, of which the key is what is trusted.
//!
//! [`Roots`](crate::Roots) hold keys, since certificates end and keys live on in new ones. Nothing of the certificate but
//! its key is believed, so its dates and signature are not looked at: who gives it vouches for it.

use crate::pem;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// The keys, as DER `SubjectPublicKeyInfo`, of all certificates in a file: PEM blocks, or one certificate in DER.
/// `None` if there is none, or one that is no certificate.
pub fn anchors(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let blocks = match std::str::from_utf8(file) {
        Ok(text) => pem::certificates(text)?,
        Err(_) => vec![file.to_vec()],
    };
    let keys: Option<Vec<_>> = blocks.iter().map(|block| key_of(block)).collect();
    keys.filter(|keys| !keys.is_empty())
}

fn key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    certificate.tbs_certificate().subject_public_key_info().to_der().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_holds_no_anchor() {
        for bad in [&b""[..], b"no block", b"\x30\x03\x02\x01\x01", b"\xff\xfe"] {
            assert_eq!(anchors(bad), None, "{bad:?}");
        }
        let block = "-----BEGIN CERTIFICATE-----\nAQI=\n-----END CERTIFICATE-----\n";
        assert_eq!(anchors(block.as_bytes()), None);
    }
}
