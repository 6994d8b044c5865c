//! Certificates, as far as chains of evidence need them: parsed by `x509-cert`, signed bytes taken from the input.
//!
//! Nothing is encoded again to check a signature: what was signed is the slice that arrived. Parsing alone says
//! nothing; whom a certificate speaks for is decided in [`crate::path`].

use crate::appraisal::AttestError;
use crate::asn1::{Reader, Rules, tag};
use crate::code::Code;
use der::asn1::ObjectIdentifier as Oid;
#[cfg(any(feature = "app-attest", feature = "tpm"))]
use der::asn1::{Any, BitString};
use der::{Decode, Encode};
use glacis_seal::foreign::{self, Curve, HashName, Scheme};
use glacis_seal::sha256;
use glacis_wire::{Digest, Timestamp};
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
#[cfg(any(feature = "app-attest", feature = "tpm"))]
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// A certificate with what was signed of it.
#[derive(Debug)]
pub(crate) struct Cert<'a> {
    parsed: Certificate,
    /// The bytes that the signature covers.
    signed: &'a [u8],
    /// The subject's key.
    pub(crate) key: Key,
    basic: Option<BasicConstraints>,
    usage: Option<KeyUsage>,
}

/// A public key with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// DER `SubjectPublicKeyInfo`.
    pub(crate) info: Vec<u8>,
    /// The key itself: a point, an `RSAPublicKey`, or bytes.
    pub(crate) bits: Vec<u8>,
    pub(crate) kind: KeyKind,
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Ec(Curve),
    Rsa,
    Ed25519,
    /// A kind that can be attested and that this verifier does not check signatures of, such as ML-DSA.
    Other(Oid),
}

impl Key {
    /// Reads a DER `SubjectPublicKeyInfo`.
    pub(crate) fn parse(info: &[u8]) -> Option<Self> {
        Self::from_info(&SubjectPublicKeyInfoOwned::from_der(info).ok()?)
    }

    fn from_info(parsed: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let algorithm = &parsed.algorithm;
        let kind = match algorithm.oid {
            oid::EC => {
                let curve: Oid = algorithm.parameters.as_ref()?.decode_as().ok()?;
                match curve {
                    oid::P256 => KeyKind::Ec(Curve::P256),
                    oid::P384 => KeyKind::Ec(Curve::P384),
                    oid::P521 => KeyKind::Ec(Curve::P521),
                    other => KeyKind::Other(other),
                }
            }
            oid::RSA => KeyKind::Rsa,
            oid::ED25519 => KeyKind::Ed25519,
            other => KeyKind::Other(other),
        };
        let bits = parsed.subject_public_key.as_bytes()?.to_vec();
        Some(Self { info: parsed.to_der().ok()?, bits, kind })
    }

    #[cfg(any(feature = "app-attest", feature = "tpm"))]
    /// From the key itself.
    pub(crate) fn from_bits(kind: KeyKind, bits: &[u8]) -> Option<Self> {
        let (algorithm, parameters) = match kind {
            KeyKind::Ec(Curve::P256) => (oid::EC, Some(Any::from(oid::P256))),
            KeyKind::Ec(Curve::P384) => (oid::EC, Some(Any::from(oid::P384))),
            KeyKind::Ec(Curve::P521) => (oid::EC, Some(Any::from(oid::P521))),
            KeyKind::Rsa => (oid::RSA, Some(Any::null())),
            KeyKind::Ed25519 => (oid::ED25519, None),
            KeyKind::Other(_) => return None,
        };
        let info = SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifierOwned { oid: algorithm, parameters },
            subject_public_key: BitString::from_bytes(bits).ok()?,
        };
        Some(Self { info: info.to_der().ok()?, bits: bits.to_vec(), kind })
    }

    /// Names the key.
    pub(crate) fn digest(&self) -> Digest {
        sha256(&self.info)
    }

    /// Checks a signature of this key whose algorithm a certificate names.
    pub(crate) fn verify_named(&self, algorithm: Oid, message: &[u8], signature: &[u8]) -> Result<(), Code> {
        let scheme = match (algorithm, self.kind) {
            (oid::ECDSA_SHA256, KeyKind::Ec(curve)) => Scheme::Ecdsa(curve, HashName::Sha256),
            (oid::ECDSA_SHA384, KeyKind::Ec(curve)) => Scheme::Ecdsa(curve, HashName::Sha384),
            (oid::ECDSA_SHA512, KeyKind::Ec(curve)) => Scheme::Ecdsa(curve, HashName::Sha512),
            (oid::RSA_SHA256, KeyKind::Rsa) => Scheme::RsaPkcs1(HashName::Sha256),
            (oid::RSA_SHA384, KeyKind::Rsa) => Scheme::RsaPkcs1(HashName::Sha384),
            (oid::RSA_SHA512, KeyKind::Rsa) => Scheme::RsaPkcs1(HashName::Sha512),
            (oid::ED25519, KeyKind::Ed25519) => Scheme::Ed25519,
            _ => return Err(Code::Algorithm),
        };
        foreign::verify(scheme, &self.bits, message, signature).map_err(|_| Code::Signature)
    }
}

/// The key of a certificate (DER), as DER `SubjectPublicKeyInfo`: what [`crate::Roots`] wants of a root.
///
/// # Errors
/// `Malformed` if it is no certificate.
pub fn public_key_of(certificate: &[u8]) -> Result<Vec<u8>, AttestError> {
    Ok(Cert::parse(certificate)?.key.info)
}

impl<'a> Cert<'a> {
    /// Reads exactly one certificate.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, AttestError> {
        let broken = |what: &'static str| AttestError::new(Code::Malformed, what);
        let parsed = Certificate::from_der(bytes).map_err(|_| broken("not a certificate"))?;
        let signed = signed_part(bytes).ok_or_else(|| broken("not a certificate"))?;
        let body = parsed.tbs_certificate();
        let key = Key::from_info(body.subject_public_key_info()).ok_or_else(|| broken("not a public key"))?;
        if body.signature() != parsed.signature_algorithm() {
            return Err(broken("a certificate names two algorithms"));
        }
        let extensions = body.extensions().map_or(&[][..], Vec::as_slice);
        if body.version() != Version::V3 && !extensions.is_empty() {
            return Err(broken("extensions in an old certificate"));
        }
        let twice = |(place, one): (usize, &Extension)| {
            extensions.iter().skip(place + 1).any(|other| other.extn_id == one.extn_id)
        };
        if extensions.len() > EXTENSIONS_MAX {
            return Err(Code::TooLarge.into());
        }
        if extensions.iter().enumerate().any(twice) {
            return Err(broken("an extension twice"));
        }
        let basic = decode_extension(extensions, oid::BASIC_CONSTRAINTS)?;
        let usage = decode_extension(extensions, oid::KEY_USAGE)?;
        Ok(Self { signed, key, basic, usage, parsed })
    }

    pub(crate) fn subject(&self) -> &Name {
        self.parsed.tbs_certificate().subject()
    }

    pub(crate) fn issuer(&self) -> &Name {
        self.parsed.tbs_certificate().issuer()
    }

    pub(crate) fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate().serial_number().as_bytes()
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        at(self.parsed.tbs_certificate().validity().not_before.to_unix_duration())
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        at(self.parsed.tbs_certificate().validity().not_after.to_unix_duration())
    }

    pub(crate) fn is_version_3(&self) -> bool {
        self.parsed.tbs_certificate().version() == Version::V3
    }

    fn extensions(&self) -> &[Extension] {
        self.parsed.tbs_certificate().extensions().map_or(&[], Vec::as_slice)
    }

    /// What an extension holds.
    pub(crate) fn extension(&self, wanted: Oid) -> Option<&[u8]> {
        self.extensions().iter().find(|one| one.extn_id == wanted).map(|one| one.extn_value.as_bytes())
    }

    /// Critical extensions that are in neither list.
    pub(crate) fn unknown_critical(&self, known: &[Oid]) -> Option<Oid> {
        let known = |one: &&Extension| known.contains(&one.extn_id) || UNDERSTOOD.contains(&one.extn_id);
        self.extensions().iter().filter(|one| one.critical).find(|one| !known(one)).map(|one| one.extn_id)
    }

    /// Whether it may issue certificates with `below` further issuers between them and the leaf.
    pub(crate) fn may_issue(&self, below: usize) -> Result<(), Code> {
        let signs = self.usage.is_none_or(|usage| usage.key_cert_sign());
        match &self.basic {
            Some(basic) if basic.ca && signs => {
                let fits = basic.path_len_constraint.is_none_or(|most| below <= usize::from(most));
                if fits { Ok(()) } else { Err(Code::PathLength) }
            }
            _ => Err(Code::NotCa),
        }
    }

    /// Whether it says of itself that it may issue.
    pub(crate) fn is_ca(&self) -> bool {
        self.basic.as_ref().is_some_and(|basic| basic.ca)
    }

    /// Whether `key` signed it.
    pub(crate) fn signed_by(&self, key: &Key) -> Result<(), Code> {
        let signature = self.parsed.signature().as_bytes().ok_or(Code::Malformed)?;
        key.verify_named(self.parsed.signature_algorithm().oid, self.signed, signature)
    }

    #[cfg(feature = "android-key")]
    /// Values of an attribute of the subject, as text.
    pub(crate) fn subject_texts(&self, attribute: Oid) -> Vec<String> {
        let all = self.subject().iter();
        let wanted = all.filter(|one| one.oid == attribute);
        wanted.map(|one| String::from_utf8_lossy(one.value.value()).into_owned()).collect()
    }

    #[cfg(feature = "webauthn")]
    /// Whether the subject is empty.
    pub(crate) fn has_no_subject(&self) -> bool {
        self.subject().is_empty()
    }
}

#[cfg(feature = "android-key")]
/// Certificates that stand one behind the other, at most [`CHAIN_MAX`].
pub(crate) fn split(bytes: &[u8]) -> Result<Vec<&[u8]>, AttestError> {
    let mut reader = Reader::new(bytes, Rules::Der);
    let mut found = Vec::new();
    while !reader.is_empty() {
        if found.len() == CHAIN_MAX {
            return Err(AttestError::new(Code::TooLarge, "more certificates than a chain may have"));
        }
        let next = reader.universal(tag::SEQUENCE).map_err(|_| Code::Malformed)?;
        found.push(next.raw);
    }
    Ok(found)
}

fn decode_extension<T: for<'x> Decode<'x, Error = der::Error>>(
    extensions: &[Extension],
    wanted: Oid,
) -> Result<Option<T>, AttestError> {
    let found = extensions.iter().find(|one| one.extn_id == wanted);
    let decoded = found.map(|one| T::from_der(one.extn_value.as_bytes())).transpose();
    decoded.map_err(|_| AttestError::new(Code::Malformed, "an extension cannot be read"))
}

/// The first element inside the certificate: what was signed.
fn signed_part(bytes: &[u8]) -> Option<&[u8]> {
    let mut inside = Reader::only(bytes, Rules::Der).ok()?.sequence().ok()?;
    Some(inside.universal(tag::SEQUENCE).ok()?.raw)
}

fn at(since_epoch: Duration) -> Timestamp {
    Timestamp::ZERO.after(since_epoch)
}

/// Longest chain; real ones have five.
pub(crate) const CHAIN_MAX: usize = 8;
/// Most extensions of a certificate; real ones have about ten.
const EXTENSIONS_MAX: usize = 32;
/// Extensions whose meaning is enforced here or that restrict nothing here.
const UNDERSTOOD: &[Oid] = &[oid::BASIC_CONSTRAINTS, oid::KEY_USAGE];

/// Object identifiers.
pub(crate) mod oid {
    use der::asn1::ObjectIdentifier as Oid;

    pub(crate) const EC: Oid = Oid::new_unwrap("1.2.840.10045.2.1");
    pub(crate) const P256: Oid = Oid::new_unwrap("1.2.840.10045.3.1.7");
    pub(crate) const P384: Oid = Oid::new_unwrap("1.3.132.0.34");
    pub(crate) const P521: Oid = Oid::new_unwrap("1.3.132.0.35");
    pub(crate) const RSA: Oid = Oid::new_unwrap("1.2.840.113549.1.1.1");
    pub(crate) const ED25519: Oid = Oid::new_unwrap("1.3.101.112");
    pub(crate) const ECDSA_SHA256: Oid = Oid::new_unwrap("1.2.840.10045.4.3.2");
    pub(crate) const ECDSA_SHA384: Oid = Oid::new_unwrap("1.2.840.10045.4.3.3");
    pub(crate) const ECDSA_SHA512: Oid = Oid::new_unwrap("1.2.840.10045.4.3.4");
    pub(crate) const RSA_SHA256: Oid = Oid::new_unwrap("1.2.840.113549.1.1.11");
    pub(crate) const RSA_SHA384: Oid = Oid::new_unwrap("1.2.840.113549.1.1.12");
    pub(crate) const RSA_SHA512: Oid = Oid::new_unwrap("1.2.840.113549.1.1.13");
    pub(crate) const BASIC_CONSTRAINTS: Oid = Oid::new_unwrap("2.5.29.19");
    pub(crate) const KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.15");
}
