//! The few words of HTTP that a sans-I/O core exchanges with whoever owns the sockets.
//!
//! Header names are kept as given and compared without case. Nothing here parses or serialises HTTP itself:
//! the device's transport, the gateway and the simulator do that, each with its own library.

use alloc::string::String;
use alloc::vec::Vec;

/// A request that a core wants sent, or that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Host and port, as `@authority` of RFC 9421 (lower case, default port left out).
    pub authority: String,
    /// Path without query, never empty.
    pub path: String,
    /// Query with its leading `?`, or empty where there is none.
    pub query: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// Body; empty where there is none.
    pub body: Vec<u8>,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// Body; empty where there is none.
    pub body: Vec<u8>,
}

fn field<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

impl Request {
    /// The first field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        field(&self.headers, name)
    }
}

impl Response {
    /// The first field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        field(&self.headers, name)
    }
}

/// Header that carries the sealed session ticket, as a byte sequence of RFC 9651.
pub const TICKET: &str = "glacis-ticket";
/// Header that carries the event id, as a byte sequence of RFC 9651.
pub const EVENT: &str = "glacis-event";
/// Header that carries the encoded [`Disclosed`](crate::Disclosed), as a byte sequence of RFC 9651.
pub const DISCLOSURE: &str = "glacis-disclosure";
/// Header that carries the challenge proof, as a byte sequence of RFC 9651; an empty one where there is none.
pub const PROOF: &str = "glacis-proof";
/// Response header that carries the verdict under a key of the session, as a byte sequence of RFC 9651.
pub const VERDICT: &str = "glacis-verdict";
/// Response header that carries the reference of a decision or refusal, as text.
pub const REFERENCE: &str = "glacis-reference";
/// Response header with the newest bundle version of the edge, as decimal text.
pub const POLICY_VERSION: &str = "glacis-policy-version";
/// Header to the upstream: the decision under the edge's key, as a byte sequence of RFC 9651.
pub const DECISION: &str = "glacis-decision";
/// Prefix of every header that is ours; a client's own copy of a response or upstream header is dropped.
pub const OUR_PREFIX: &str = "glacis-";

/// Whether a header has our prefix, also with the underscores that some services read as dashes; in small letters.
pub fn is_ours(name: &str) -> bool {
    let prefix = name.bytes().take(OUR_PREFIX.len());
    prefix.map(|byte| if byte == b'_' { b'-' } else { byte }).eq(OUR_PREFIX.bytes())
}

/// Paths of the edge's own endpoints begin with it.
pub const OWN_PREFIX: &str = "/.glacis/";

/// Own endpoint of the edge: opens a session.
pub const PATH_SESSION: &str = "/.glacis/session";
/// Own endpoint of the edge: opens a leg.
pub const PATH_LEG: &str = "/.glacis/leg";
/// Own endpoint of the edge: issues a challenge nonce to a device that starts a challenge.
pub const PATH_CHALLENGE: &str = "/.glacis/challenge";
/// Own endpoint of the edge, passed on to the cloud: sends a one-time password.
pub const PATH_OTP_START: &str = "/.glacis/otp/start";
/// Own endpoint of the edge, passed on to the cloud: trades a one-time password for a grant.
pub const PATH_OTP_VERIFY: &str = "/.glacis/otp/verify";
/// Own endpoint of the edge, passed on to the cloud: trades an assertion of a passkey for a grant.
pub const PATH_PASSKEY_VERIFY: &str = "/.glacis/passkey/verify";
/// Own endpoint of the edge, passed on to the cloud: device records of local decisions.
pub const PATH_RECORDS: &str = "/.glacis/records";
/// Own endpoint of the edge: the device bundle.
pub const PATH_BUNDLE: &str = "/.glacis/bundle";
/// Own endpoint of the edge, passed on to the cloud: enrolment challenge.
pub const PATH_ENROL_CHALLENGE: &str = "/.glacis/enrol/challenge";
/// Own endpoint of the edge, passed on to the cloud: a secret for the TPM that is going to enrol.
pub const PATH_ENROL_ACTIVATION: &str = "/.glacis/enrol/activation";
/// Own endpoint of the edge, passed on to the cloud: enrolment.
pub const PATH_ENROL: &str = "/.glacis/enrol";
/// Media type of every body in canonical encoding.
pub const MEDIA_TYPE: &str = "application/glacis";
