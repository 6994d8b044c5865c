//! The signature verifications that an appraisal cannot do without, taken out of the evidence, to be measured alone.
//!
//! Read here by `x509-cert`, apart from the verifier: what the verifier does is not asked of the verifier. Every link of a
//! chain counts once; a last certificate whose key is anchored is not verified, and one that is not counts under the
//! anchor that signed it.

use crate::Outcome;
use der::{Decode as _, Encode as _};
use glacis_seal::foreign::{self, Curve, HashName, Scheme};
use x509_cert::Certificate;

/// Verifications to be done, with everything that they need.
#[derive(Default)]
pub(crate) struct Signatures(Vec<One>);

struct One {
    scheme: Scheme,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signatures {
    /// Those of a chain, leaf first, under anchors given as `SubjectPublicKeyInfo`.
    pub(crate) fn of_chain(chain: &[Vec<u8>], anchors: &[Vec<u8>]) -> Outcome<Self> {
        let read: Result<Vec<Certificate>, _> = chain.iter().map(|der| Certificate::from_der(der)).collect();
        let read = read?;
        let mut found = Self::default();
        for (number, certificate) in read.iter().enumerate() {
            let own = certificate.tbs_certificate().subject_public_key_info().to_der()?;
            match read.get(number + 1) {
                Some(issuer) => {
                    let issuer = issuer.tbs_certificate().subject_public_key_info().to_der()?;
                    found.0.push(signed(certificate, &issuer)?);
                }
                None if anchors.contains(&own) => {}
                None => {
                    let all: Vec<One> =
                        anchors.iter().filter_map(|anchor| signed(certificate, anchor).ok()).collect();
                    let holds = all.into_iter().find(|one| one.verify().is_ok());
                    found.0.push(holds.ok_or("no anchor signed the last certificate")?);
                }
            }
        }
        found.verify()?;
        Ok(found)
    }

    /// One more: over `message` by the key of a certificate, ECDSA P-256 with SHA-256.
    pub(crate) fn and_statement(
        mut self,
        certificate: &[u8],
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> Outcome<Self> {
        let certificate = Certificate::from_der(certificate)?;
        let key =
            certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes().to_vec();
        self.0.push(One { scheme: Scheme::Ecdsa(Curve::P256, HashName::Sha256), key, message, signature });
        self.verify()?;
        Ok(self)
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    /// Does them all.
    pub(crate) fn verify(&self) -> Outcome<()> {
        self.0.iter().try_for_each(One::verify)
    }
}

impl One {
    fn verify(&self) -> Outcome<()> {
        Ok(foreign::verify(self.scheme, &self.key, &self.message, &self.signature)?)
    }
}

/// What `issuer`, a `SubjectPublicKeyInfo`, signed.
fn signed(certificate: &Certificate, issuer: &[u8]) -> Outcome<One> {
    let issuer = x509_cert::spki::SubjectPublicKeyInfoOwned::from_der(issuer)?;
    let key = issuer.subject_public_key.raw_bytes().to_vec();
    let curve = if key.len() == 97 { Curve::P384 } else { Curve::P256 };
    let scheme = match certificate.signature_algorithm().oid.to_string().as_str() {
        "1.2.840.10045.4.3.2" => Scheme::Ecdsa(curve, HashName::Sha256),
        "1.2.840.10045.4.3.3" => Scheme::Ecdsa(curve, HashName::Sha384),
        "1.2.840.113549.1.1.11" => Scheme::RsaPkcs1(HashName::Sha256),
        other => return Err(format!("signature algorithm {other}").into()),
    };
    let message = certificate.tbs_certificate().to_der()?;
    Ok(One { scheme, key, message, signature: certificate.signature().raw_bytes().to_vec() })
}
