//! `COSE_Sign1` (RFC 9052 §4.2) with ES256: taken apart, checked, made.
//!
//! Tag 18 is required, since it says what is signed. The algorithm follows from the caller's key and must be the one that
//! the protected header names; a header that is unprotected chooses nothing. Signed is what arrived: headers and payload
//! are never encoded again for a check. What a payload means is not this module's business.

use crate::appraisal::AttestError;
use crate::cbor::{self, Rules, Value};
use crate::code::Code;
use glacis_seal::{PublicKey, SigningKey};

/// A message, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sign1<'a> {
    protected: &'a [u8],
    headers: Value<'a>,
    unprotected: Value<'a>,
    /// What was signed.
    pub(crate) payload: &'a [u8],
    /// The signature.
    pub(crate) signature: &'a [u8],
}

impl<'a> Sign1<'a> {
    /// Takes a tagged message apart; none if it is no such message.
    pub(crate) fn parse(value: &Value<'a>) -> Option<Self> {
        let Value::Tagged(TAG, inner) = value else { return None };
        let [protected, unprotected, payload, signature] = inner.list()? else { return None };
        let protected = protected.bytes()?;
        // An empty map has the empty string for its form (RFC 9052 §3).
        let headers = match protected {
            [] => Value::Map(Vec::new()),
            some => cbor::read_by(some, Rules::RATS).ok()?,
        };
        headers.entries()?;
        // Nobody has signed anything yet: two maps of thousands must not cost the square of that.
        if unprotected.entries()?.len() > UNPROTECTED_MAX {
            return None;
        }
        // RFC 9052 §3: no label in both, or one of them would be believed by whoever looks there first.
        let twice = |(key, _): &(Value<'a>, Value<'a>)| {
            headers.entries().is_some_and(|all| all.iter().any(|(other, _)| other == key))
        };
        if unprotected.entries()?.iter().any(twice) {
            return None;
        }
        let (payload, signature) = (payload.bytes()?, signature.bytes()?);
        Some(Self { protected, headers, unprotected: unprotected.clone(), payload, signature })
    }

    /// A header that is signed.
    pub(crate) fn protected(&self, label: i128) -> Option<&Value<'a>> {
        self.headers.numbered(label)
    }

    /// The name of the key, from whichever header has it: it only chooses among keys that are trusted already.
    pub(crate) fn key_id(&self) -> Option<&'a [u8]> {
        self.protected(KEY_ID).or_else(|| self.unprotected.numbered(KEY_ID))?.bytes()
    }

    /// The protected headers as bytes and as a map.
    pub(crate) const fn headers(&self) -> (&'a [u8], &Value<'a>) {
        (self.protected, &self.headers)
    }

    /// Whether the headers leave the algorithm to the key and demand nothing that is unknown here.
    ///
    /// # Errors
    /// `ResultAlgorithm`, `ResultType`.
    pub(crate) fn check_headers(&self) -> Result<(), AttestError> {
        let algorithm = self.protected(ALGORITHM).and_then(Value::integer);
        if algorithm != Some(ES256) {
            return Err(Code::ResultAlgorithm.into());
        }
        if self.protected(CRITICAL).is_some() || self.unprotected.numbered(CRITICAL).is_some() {
            return Err(AttestError::new(Code::ResultType, "a critical header"));
        }
        Ok(())
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// `ResultSignature`.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), AttestError> {
        let signed = to_be_signed(self.protected, self.payload);
        glacis_seal::key::verify_raw(key, &signed, self.signature).map_err(|_| Code::ResultSignature.into())
    }
}

/// Makes a tagged message; `headers` are signed, the name of the key and the algorithm are put before them.
///
/// # Errors
/// If the library cannot sign.
pub(crate) fn sign(
    key: &SigningKey,
    headers: &[(Value<'_>, Value<'_>)],
    payload: &[u8],
) -> Result<Vec<u8>, AttestError> {
    let id = key.key_id();
    let mut entries = vec![
        (Value::Integer(ALGORITHM), Value::Integer(ES256)),
        (Value::Integer(KEY_ID), Value::Bytes(id.as_bytes())),
    ];
    entries.extend(headers.iter().cloned());
    let protected = cbor::to_bytes(&Value::Map(entries));
    let signature = key.sign_raw(&to_be_signed(&protected, payload)).map_err(AttestError::from)?;
    let parts =
        [Value::Bytes(&protected), Value::Map(Vec::new()), Value::Bytes(payload), Value::Bytes(&signature)];
    Ok(cbor::to_bytes(&Value::Tagged(TAG, Box::new(Value::List(parts.to_vec())))))
}

/// `Sig_structure` (RFC 9052 §4.4).
fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let parts =
        [Value::Text("Signature1"), Value::Bytes(protected), Value::Bytes(&[]), Value::Bytes(payload)];
    cbor::to_bytes(&Value::List(parts.to_vec()))
}

/// `COSE_Sign1` (RFC 9052 §2).
const TAG: u64 = 18;
/// LIMIT: headers that are not signed; real messages have one or two.
const UNPROTECTED_MAX: usize = 32;
/// ECDSA with SHA-256, here with P-256 always (RFC 9053 §2.1).
const ES256: i128 = -7;
const ALGORITHM: i128 = 1;
const CRITICAL: i128 = 2;
const KEY_ID: i128 = 4;
/// What kind of message it is (RFC 9596).
pub(crate) const TYPE: i128 = 16;
