//! Assertions: what a registered credential signs at a log-in, or when its user confirms something (Level 3 §7.2).
//!
//! Whoever calls keeps the credential and its counter, issues the challenge, takes each challenge once, and stores the new
//! counter in the transaction in which it acts on the assertion: two log-ins with one counter are one too many. What the
//! page showed its user is proven by none of this.

use super::ceremony::Answer;
use super::{broken, ceremony, verify_cose};
use crate::appraisal::AttestError;
use crate::authdata::{self, AuthData};
use crate::code::Code;
use crate::question::Site;
use crate::x509::Key;
use glacis_seal::sha256;
use serde::Deserialize;

/// What a registration left behind.
#[derive(Clone, Copy, Debug)]
pub struct StoredCredential<'a> {
    /// Its name.
    pub id: &'a [u8],
    /// Its key, as DER `SubjectPublicKeyInfo`.
    pub key: &'a [u8],
    /// Algorithm of the key, by the registry of COSE; not RS1, which no registration leaves behind.
    pub algorithm: i64,
    /// Counter of the last assertion, or of the registration; 0 if the authenticator counts nothing.
    pub counter: u32,
    /// Whether the key may leave the authenticator as a backup, which never changes.
    pub backup_eligible: bool,
    /// The name of its user that the registration was given; none if there was none to compare.
    pub user: Option<&'a [u8]>,
}

/// What an assertion must have been made for.
#[derive(Clone, Copy, Debug)]
pub struct AssertionAsked<'a> {
    /// The relying party that the credential is for, and the pages that may ask.
    pub site: &'a Site,
    /// What was to be signed; at least 16 bytes of chance that nobody was given before (§13.4.3).
    pub challenge: &'a [u8],
    /// The user must have been verified.
    pub user_verification: bool,
}

/// What an assertion proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionClaims {
    /// The new counter, to be stored.
    pub counter: u32,
    /// Whether the user was verified.
    pub user_verified: bool,
    /// Whether the key is backed up now.
    pub backed_up: bool,
    /// The page that asked.
    pub origin: String,
}

/// What an assertion says it is of: for looking it up, and proven by nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asserted {
    /// Name of the credential.
    pub credential: Vec<u8>,
    /// Handle of the user, where the authenticator keeps it.
    pub user: Option<Vec<u8>>,
}

/// Reads what an assertion says it is of.
///
/// # Errors
/// `Malformed` or `TooLarge`.
pub fn asserted(assertion: &[u8]) -> Result<Asserted, AttestError> {
    Response::parse(assertion).map(|response| Asserted { credential: response.id, user: response.user })
}

/// Checks an assertion: the `AuthenticationResponseJSON` of a browser.
///
/// # Errors
/// `Malformed`, `Binding` (another credential or user), `Ceremony`, `Challenge`, `App`, `Origin`, `UserPresence`,
/// `UserVerification`, `Algorithm`, `Sha1`, `Signature`, `TooLarge`, or `Counter` (a copied authenticator, or the same
/// assertion again).
pub fn check_assertion(
    assertion: &[u8],
    stored: &StoredCredential<'_>,
    asked: &AssertionAsked<'_>,
) -> Result<AssertionClaims, AttestError> {
    let response = Response::parse(assertion)?;
    if response.id != stored.id {
        return Err(AttestError::new(Code::Binding, "another credential"));
    }
    if response.user.is_some() && stored.user.is_some() && response.user.as_deref() != stored.user {
        return Err(AttestError::new(Code::Binding, "another user"));
    }
    let client = ceremony::check(&response.client_data, ceremony::Kind::Get, asked.challenge)?;
    let auth =
        AuthData::parse(&response.auth_data).ok_or_else(|| broken("authenticator data cannot be read"))?;
    if auth.credential.is_some() {
        return Err(broken("a credential in an assertion"));
    }
    ceremony::site(auth.rp_id_hash, &client.origin, std::slice::from_ref(asked.site))?;
    super::flags(&auth, asked.user_verification)?;
    if (auth.flags & authdata::BACKUP_ELIGIBLE != 0) != stored.backup_eligible {
        return Err(AttestError::new(Code::Binding, "another kind of backup than at its registration"));
    }
    let key = Key::parse(stored.key).ok_or_else(|| broken("the stored key cannot be read"))?;
    let signed = [&response.auth_data[..], sha256(&response.client_data).as_bytes()].concat();
    verify_cose(stored.algorithm.into(), &key, (&signed, &response.signature), None)?;
    // Step 22. An authenticator that counts nothing says 0 always.
    if (auth.counter, stored.counter) != (0, 0) && auth.counter <= stored.counter {
        return Err(Code::Counter.into());
    }
    Ok(AssertionClaims {
        counter: auth.counter,
        user_verified: auth.flags & authdata::VERIFIED != 0,
        backed_up: auth.flags & authdata::BACKED_UP != 0,
        origin: client.origin,
    })
}

/// An `AuthenticationResponseJSON`, decoded.
struct Response {
    id: Vec<u8>,
    client_data: Vec<u8>,
    auth_data: Vec<u8>,
    signature: Vec<u8>,
    user: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawResponse {
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
    user_handle: Option<String>,
}

impl Response {
    fn parse(body: &[u8]) -> Result<Self, AttestError> {
        // LIMIT: real ones have about a kilobyte.
        if body.len() > ASSERTION_BYTES_MAX {
            return Err(AttestError::new(Code::TooLarge, "assertion"));
        }
        let (id, response) = Answer::<RawResponse>::parse(body, "not an assertion")?;
        let bytes = ceremony::bytes;
        Ok(Self {
            id,
            client_data: bytes(&response.client_data)?,
            auth_data: bytes(&response.authenticator_data)?,
            signature: bytes(&response.signature)?,
            user: response.user_handle.as_deref().map(bytes).transpose()?,
        })
    }
}

/// Longest assertion.
const ASSERTION_BYTES_MAX: usize = 16 << 10;
