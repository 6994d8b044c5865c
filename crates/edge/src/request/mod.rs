//! A request as the trust pipeline sees it: borrowed, with the few header fields that matter picked out in one
//! pass. A field that must be single and comes twice is remembered as such and refused where it is used.
//! Nothing here is believed yet: what the fields say is checked by the trust pipeline.

mod signature;

pub(crate) use signature::{LEG, Profile, REQUEST, REQUEST_WITH_PRINCIPAL, SESSION, SignatureFields};

use ::http::HeaderMap;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use glacis_wire::http::{self, Request};

/// Headers for the connection, not for the message (RFC 9110 §7.6.1); named by `connection` are the others.
pub(crate) const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Head of a request: borrowed from whoever owns the sockets.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// As `@authority` of RFC 9421: lower case, default port left out.
    pub authority: &'a str,
    /// Path without query, never empty, as received.
    pub path: &'a str,
    /// Query with its leading `?`, or empty where there is none.
    pub query: &'a str,
    /// The fields that matter.
    pub fields: Fields<'a>,
    /// All fields, for those that an operator asks for.
    pub headers: Headers<'a>,
}

impl<'a> RequestHead<'a> {
    /// The head of an owned request.
    pub fn of(request: &'a Request) -> Self {
        let mut fields = Fields::default();
        for (name, value) in &request.headers {
            fields.add(&name.to_ascii_lowercase(), value);
        }
        Self {
            method: &request.method,
            authority: &request.authority,
            path: &request.path,
            query: &request.query,
            fields,
            headers: Headers::List(&request.headers),
        }
    }
}

/// All header fields, as whoever owns the request keeps them.
#[derive(Clone, Copy, Debug)]
pub enum Headers<'a> {
    /// As hyper keeps them.
    Map(&'a HeaderMap),
    /// As a plain request keeps them.
    List(&'a [(String, String)]),
}

impl<'a> Headers<'a> {
    /// The field of this (lower-case) name; one whose value is not text counts as having come twice, since it
    /// cannot be read in one way.
    pub fn once(self, name: &str) -> Once<'a> {
        let mut found = Once::Absent;
        match self {
            Self::Map(map) => map.get_all(name).iter().for_each(|value| match value.to_str() {
                Ok(value) => found.add(value),
                Err(_) => found = Once::Many,
            }),
            Self::List(list) => list
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .for_each(|(_, value)| found.add(value)),
        }
        found
    }
}

/// One header field that may come at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Once<'a> {
    /// It did not come.
    #[default]
    Absent,
    /// It came once, with this value (surrounding white space removed).
    One(&'a str),
    /// It came more than once.
    Many,
}

impl<'a> Once<'a> {
    pub(crate) fn add(&mut self, value: &'a str) {
        *self = match self {
            Self::Absent => Self::One(value.trim_matches([' ', '\t'])),
            _ => Self::Many,
        };
    }

    /// The value, if it came exactly once.
    pub const fn one(self) -> Option<&'a str> {
        match self {
            Self::One(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it did not come.
    pub const fn is_absent(self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The header fields that the pipeline reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    /// `signature-input`.
    pub signature_input: Once<'a>,
    /// `signature`.
    pub signature: Once<'a>,
    /// `content-digest`.
    pub content_digest: Once<'a>,
    /// `authorization`.
    pub authorization: Once<'a>,
    /// `glacis-ticket`.
    pub ticket: Once<'a>,
    /// `glacis-event`.
    pub event: Once<'a>,
    /// `glacis-disclosure`.
    pub disclosure: Once<'a>,
    /// `glacis-proof`.
    pub proof: Once<'a>,
    /// `content-type`.
    pub content_type: Once<'a>,
    /// `content-encoding`.
    pub content_encoding: Once<'a>,
    /// `if-none-match`.
    pub if_none_match: Once<'a>,
}

impl<'a> Fields<'a> {
    /// Takes note of one field; `name` is lower case.
    pub fn add(&mut self, name: &str, value: &'a str) {
        if let Some(slot) = self.slot(name) {
            slot.add(value);
        }
    }

    /// Where a field of this (lower-case) name is noted; `None` for every other name.
    pub(crate) fn slot(&mut self, name: &str) -> Option<&mut Once<'a>> {
        Some(match name {
            "signature-input" => &mut self.signature_input,
            "signature" => &mut self.signature,
            "content-digest" => &mut self.content_digest,
            "authorization" => &mut self.authorization,
            http::TICKET => &mut self.ticket,
            http::EVENT => &mut self.event,
            http::DISCLOSURE => &mut self.disclosure,
            http::PROOF => &mut self.proof,
            "content-type" => &mut self.content_type,
            "content-encoding" => &mut self.content_encoding,
            "if-none-match" => &mut self.if_none_match,
            _ => return None,
        })
    }
}

/// Decodes base64url without padding, canonical form only.
pub(crate) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes base64url without padding into exactly `N` bytes.
pub(crate) fn base64url_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    match BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut out) {
        Ok(len) if len == N => Some(out),
        _ => None,
    }
}

/// Decodes a byte sequence item of RFC 9651 (`:base64:`), canonical form only.
pub(crate) fn sequence(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text.strip_prefix(':')?.strip_suffix(':')?).ok()
}

/// Decodes a byte sequence item of RFC 9651 into exactly `N` bytes.
pub(crate) fn sequence_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let inner = text.strip_prefix(':')?.strip_suffix(':')?;
    // `decode_slice` wants room for the worst case of its estimate, hence a few bytes to spare.
    let mut out = [0_u8; 96];
    let room = out.get_mut(..(N + 3).min(96))?;
    let len = BASE64_STANDARD.decode_slice(inner, room).ok()?;
    (len == N).then_some(())?;
    <[u8; N]>::try_from(out.get(..N)?).ok()
}

/// Renders a byte sequence item of RFC 9651.
pub(crate) fn render_sequence(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
    out.push(':');
    BASE64_STANDARD.encode_string(bytes, &mut out);
    out.push(':');
    out
}
