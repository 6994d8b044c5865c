//! Assertions: what an attested key signs later, with a counter that only grows.
//!
//! The caller keeps the key and the last counter, and stores the new counter in the transaction in which it acts on the
//! assertion; two assertions with one counter are one too many.

use crate::appraisal::AttestError;
use crate::authdata::AuthData;
use crate::cbor::{self, Value};
use crate::code::Code;
use glacis_seal::foreign::{self, Curve, HashName, Scheme};
use glacis_seal::{sha256, sha256_parts};
use glacis_wire::message::PublicKey;

/// What an attestation left behind.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The attested key.
    pub key: &'a PublicKey,
    /// `TEAMID.bundle.identifier`.
    pub app: &'a str,
    /// Counter of the last assertion; 0 if there was none.
    pub counter: u32,
}

/// What an assertion proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssertionClaims {
    /// The new counter, to be stored.
    pub counter: u32,
}

/// Checks an assertion over `client_data`, which contains a challenge that the caller issued and checks.
///
/// # Errors
/// `Signature`, `App`, `Counter` or `Malformed`.
pub fn check_assertion(
    assertion: &[u8],
    client_data: &[u8],
    stored: &Stored<'_>,
) -> Result<AssertionClaims, AttestError> {
    let broken = |what: &'static str| AttestError::new(Code::Malformed, what);
    let object = cbor::read(assertion).map_err(|_| broken("not an assertion"))?;
    let part =
        |name: &str| object.member(name).and_then(Value::bytes).ok_or_else(|| broken("a part is missing"));
    let (signature, auth_bytes) = (part("signature")?, part("authenticatorData")?);
    if object.members() != Some(2) {
        return Err(broken("parts that nobody knows"));
    }
    // Apple sets the flag of attested data here and sends none.
    let auth = AuthData::parse_head(auth_bytes).ok_or_else(|| broken("authenticator data cannot be read"))?;
    if auth.rp_id_hash != sha256(stored.app.as_bytes()).as_bytes() {
        return Err(Code::App.into());
    }
    if auth.counter <= stored.counter {
        return Err(Code::Counter.into());
    }
    let nonce = sha256_parts(&[auth_bytes, sha256(client_data).as_bytes()]);
    let scheme = Scheme::Ecdsa(Curve::P256, HashName::Sha256);
    foreign::verify(scheme, &stored.key.0, nonce.as_bytes(), signature)?;
    Ok(AssertionClaims { counter: auth.counter })
}
