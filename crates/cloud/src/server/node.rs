//! The API between nodes: what an edge asks, under a key that both ends hold.
//!
//! A request is an RFC 9421 signature (`hmac-sha256`, tag `glacis/node/v1`) by a named node over method, path,
//! query and content digest; the answer carries a MAC over that signature, the status and the body's digest in
//! [`NODE_MAC`]. So neither a stranger's question nor a stranger's answer is ever taken for a node's.
//!
//! Here is the check as a pure function over [`Request`]; sockets are in `server`.

use glacis_seal::httpsig::{parse_content_digest, parse_input, parse_signature, profile, sfv};
use glacis_seal::{Context, MacKey, Purpose, sha256};
use glacis_wire::http::Request;
use glacis_wire::{NodeName, Timestamp};
use std::fmt;
use std::time::Duration;

/// Response header that proves who answered, as a byte sequence of RFC 9651.
pub const NODE_MAC: &str = "glacis-node-mac";

/// How far a node's clock may be off. Skew between servers that keep time by NTP is far below it.
pub const NODE_SKEW: Duration = Duration::from_secs(60);

/// One node that may ask, and a key shared with it. Two of one name while its key is rotated.
#[derive(Clone, Debug)]
pub struct NodeKey {
    /// Its name, which is the `keyid` of its requests.
    pub name: NodeName,
    /// The shared key.
    pub key: MacKey,
}

/// Why a request is not a node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeRefusal {
    /// A signature field is missing or appears twice.
    Missing,
    /// A signature field cannot be parsed.
    Malformed,
    /// Not exactly the components that must be covered.
    Coverage,
    /// Another algorithm or tag, or no nonce.
    Parameters,
    /// `created` is too far from now.
    Expired,
    /// No such node.
    UnknownNode,
    /// The body does not have the signed digest.
    Digest,
    /// The signature does not verify.
    Signature,
}

impl NodeRefusal {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "signature-missing",
            Self::Malformed => "signature-malformed",
            Self::Coverage => "signature-coverage",
            Self::Parameters => "signature-parameters",
            Self::Expired => "signature-expired",
            Self::UnknownNode => "unknown-node",
            Self::Digest => "digest-mismatch",
            Self::Signature => "signature-wrong",
        }
    }
}

impl fmt::Display for NodeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A request that a node really made.
#[derive(Clone, Debug)]
pub struct Authentic {
    /// Which node.
    pub node: NodeName,
    signature: Vec<u8>,
    key: MacKey,
}

impl Authentic {
    /// Value of [`NODE_MAC`] for an answer: MAC over signature ‖ status (2 bytes, big-endian) ‖ SHA-256 of the body.
    pub fn answer_mac(&self, context: &Context, status: u16, body: &[u8]) -> String {
        let digest = sha256(body);
        let parts: [&[u8]; 3] = [&self.signature, &status.to_be_bytes(), digest.as_bytes()];
        sfv::bytes(&self.key.mac_parts(context, Purpose::NodeResponse, &parts))
    }
}

/// Checks that `request` was made by one of `nodes`, now, and as it is.
pub fn authenticate(request: &Request, nodes: &[NodeKey], now: Timestamp) -> Result<Authentic, NodeRefusal> {
    let input = single(request, profile::SIGNATURE_INPUT)?;
    let signature = single(request, profile::SIGNATURE)?;
    let digest = single(request, profile::CONTENT_DIGEST)?;
    let input = parse_input(input, profile::LABEL).map_err(|_| NodeRefusal::Malformed)?;
    let input = input.ok_or(NodeRefusal::Missing)?;
    let signature = parse_signature(signature, profile::LABEL).map_err(|_| NodeRefusal::Malformed)?;
    let signature = signature.ok_or(NodeRefusal::Missing)?;
    if !input.covers(profile::NODE) {
        return Err(NodeRefusal::Coverage);
    }
    let params = &input.params;
    let is = |have: Option<&str>, want: &str| have == Some(want);
    let nonce = params.nonce.as_deref().is_some_and(|nonce| (1..=64).contains(&nonce.len()));
    if !is(params.alg.as_deref(), "hmac-sha256") || !is(params.tag.as_deref(), profile::TAG_NODE) || !nonce {
        return Err(NodeRefusal::Parameters);
    }
    let created = params.created.map(Timestamp::from_secs).ok_or(NodeRefusal::Parameters)?;
    if created.before(NODE_SKEW) > now || created.after(NODE_SKEW) < now {
        return Err(NodeRefusal::Expired);
    }
    let name = params.keyid.as_deref().ok_or(NodeRefusal::Parameters)?;
    let mut keys = nodes.iter().filter(|node| node.name.as_str() == name).peekable();
    if keys.peek().is_none() {
        return Err(NodeRefusal::UnknownNode);
    }
    let mut base = String::new();
    input.write_base(&mut base, request).map_err(|_| NodeRefusal::Malformed)?;
    // A node whose key was rotated is known under the new one and the one before it.
    let node = keys.find(|node| node.key.verify_raw(base.as_bytes(), &signature).is_ok());
    let node = node.ok_or(NodeRefusal::Signature)?;
    let digest = parse_content_digest(digest).map_err(|_| NodeRefusal::Malformed)?;
    if digest != sha256(&request.body) {
        return Err(NodeRefusal::Digest);
    }
    Ok(Authentic { node: node.name.clone(), signature: signature.to_vec(), key: node.key.clone() })
}

/// The one field of this name.
fn single<'a>(request: &'a Request, name: &str) -> Result<&'a str, NodeRefusal> {
    let mut fields = request.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    match (fields.next(), fields.next()) {
        (Some((_, value)), None) => Ok(value),
        _ => Err(NodeRefusal::Missing),
    }
}
