//! The browser's part: what was asked, where, and for whom.
//!
//! The client data is JSON of the browser, hashed as it arrived; what is read of it here is read for comparison only.
//! Nothing is written again, so no second reading of it can differ from the first.

use super::broken;
use crate::appraisal::AttestError;
use crate::code::Code;
use crate::question::Site;
use glacis_seal::sha256;
use glacis_seal::text::parse_base64url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A `RegistrationResponseJSON`, decoded.
pub(crate) struct Response {
    pub(crate) id: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) attestation_object: Vec<u8>,
}

/// The client data.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    pub(crate) origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
    token_binding: Option<serde_json::Value>,
}

/// What a browser answers: a credential by its name, and what its authenticator said.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<R> {
    id: String,
    raw_id: String,
    response: R,
    #[serde(rename = "type")]
    kind: String,
}

impl<R: DeserializeOwned> Answer<R> {
    /// The name of the credential, and the response.
    pub(super) fn parse(body: &[u8], otherwise: &'static str) -> Result<(Vec<u8>, R), AttestError> {
        let raw: Self = serde_json::from_slice(body).map_err(|_| broken(otherwise))?;
        if raw.kind != "public-key" || raw.id != raw.raw_id {
            return Err(broken("not a public-key credential with one id"));
        }
        Ok((bytes(&raw.raw_id)?, raw.response))
    }
}

#[derive(Deserialize)]
struct RawResponse {
    #[serde(rename = "attestationObject")]
    attestation_object: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
}

impl Response {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, AttestError> {
        let (id, response) = Answer::<RawResponse>::parse(body, "not a registration")?;
        Ok(Self {
            id,
            client_data: bytes(&response.client_data)?,
            attestation_object: bytes(&response.attestation_object)?,
        })
    }
}

/// Bytes of a member.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, AttestError> {
    parse_base64url(text).ok_or_else(|| broken("not base64url"))
}

/// What a page asked its browser for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A registration.
    Create,
    /// An assertion.
    Get,
}

/// §7.1 steps 5 to 11, §7.2 steps 10 to 14: ceremony, challenge, frames. The origin is checked with the relying party.
pub(super) fn check(client_data: &[u8], kind: Kind, challenge: &[u8]) -> Result<ClientData, AttestError> {
    let client: ClientData =
        serde_json::from_slice(client_data).map_err(|_| broken("client data cannot be read"))?;
    let (expected, otherwise) = match kind {
        Kind::Create => ("webauthn.create", "not a registration"),
        Kind::Get => ("webauthn.get", "not an assertion"),
    };
    if client.kind != expected {
        return Err(AttestError::new(Code::Ceremony, otherwise));
    }
    if client.cross_origin || client.top_origin.is_some() {
        return Err(AttestError::new(Code::Ceremony, "in a frame of another origin"));
    }
    // Level 2 §7.1 step 10; browsers that still send a token binding send one of two states, or `unused` as a text.
    let state = client.token_binding.as_ref().and_then(|binding| binding.get("status"));
    if state.is_some_and(|state| !matches!(state.as_str(), Some("supported" | "present"))) {
        return Err(AttestError::new(Code::Ceremony, "a state of token binding that nobody knows"));
    }
    let signed =
        parse_base64url(&client.challenge).ok_or_else(|| broken("the challenge is not base64url"))?;
    if signed != challenge {
        return Err(Code::Challenge.into());
    }
    Ok(client)
}

/// §7.1 steps 9 and 14, §7.2 steps 13 and 15: relying party and origin belong to one expected site.
pub(super) fn site(rp_id_hash: &[u8], origin: &str, sites: &[Site]) -> Result<String, AttestError> {
    let site = sites.iter().find(|site| sha256(site.id.as_bytes()).as_bytes() == rp_id_hash);
    let site = site.ok_or_else(|| AttestError::new(Code::App, "another relying party"))?;
    if !site.origins.iter().any(|expected| expected == origin) {
        return Err(Code::Origin.into());
    }
    Ok(site.id.clone())
}
