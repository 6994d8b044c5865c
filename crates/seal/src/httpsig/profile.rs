//! What Glacis covers, tags and allows in its own signatures (DESIGN §5.3): one list for signer and verifier.
//!
//! Every signature of ours carries the label [`LABEL`] and the parameters `created`, `expires`, `nonce`,
//! `keyid`, `alg`, `tag`, in this order.

use super::Params;
use crate::context::Purpose;
use core::time::Duration;
use glacis_wire::{Timestamp, http};

/// The label of our signatures.
pub const LABEL: &str = "glacis";

/// Components of a request (step 3), in order. `authorization` stands before `glacis-ticket` and is covered
/// exactly if the request has that header: see [`REQUEST_WITH_PRINCIPAL`].
pub const REQUEST: &[&str] = &[
    "@method",
    "@authority",
    "@path",
    "@query",
    CONTENT_DIGEST,
    http::TICKET,
    http::EVENT,
    http::DISCLOSURE,
    http::PROOF,
];

/// [`REQUEST`] for a request that has an `authorization` header.
pub const REQUEST_WITH_PRINCIPAL: &[&str] = &[
    "@method",
    "@authority",
    "@path",
    "@query",
    CONTENT_DIGEST,
    AUTHORIZATION,
    http::TICKET,
    http::EVENT,
    http::DISCLOSURE,
    http::PROOF,
];

/// Components of a session opening (step 2), in order.
pub const SESSION: &[&str] = &["@method", "@authority", "@path", CONTENT_DIGEST];

/// Components of a leg opening, in order.
pub const LEG: &[&str] = &["@method", "@authority", "@path", http::TICKET];

/// Components of a request between nodes, in order.
pub const NODE: &[&str] = &["@method", "@path", "@query", CONTENT_DIGEST];

/// The header that carries a principal's token.
pub const AUTHORIZATION: &str = "authorization";
/// The header that carries the digest of the body (RFC 9530).
pub const CONTENT_DIGEST: &str = "content-digest";
/// The header that carries labelled covers and parameters.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// The header that carries labelled signatures.
pub const SIGNATURE: &str = "signature";

/// Tag of a request.
pub const TAG_REQUEST: &str = Purpose::Request.label();
/// Tag of a session opening.
pub const TAG_SESSION: &str = Purpose::Session.label();
/// Tag of a leg opening.
pub const TAG_LEG: &str = Purpose::Leg.label();
/// Tag of a request between nodes.
pub const TAG_NODE: &str = Purpose::NodeRequest.label();

/// Longest `expires − created`. Source: DESIGN §5.3.
pub const LIFETIME_MAX: Duration = Duration::from_secs(60);
/// How far `created` may lie in the future, and `expires` in the past, by the verifier's clock.
pub const SKEW_MAX: Duration = Duration::from_secs(30);

/// Whether `created` and `expires` are both there, at most [`LIFETIME_MAX`] apart, and enclose `now` give or take
/// [`SKEW_MAX`].
pub fn is_timely(params: &Params<'_>, now: Timestamp) -> bool {
    let (Some(created), Some(expires)) = (params.created, params.expires) else { return false };
    let (from, to) = (Timestamp::from_secs(created), Timestamp::from_secs(expires));
    created <= expires
        && expires - created <= LIFETIME_MAX.as_secs()
        && from <= now.after(SKEW_MAX)
        && to >= now.before(SKEW_MAX)
}
