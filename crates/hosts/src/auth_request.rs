//! nginx's `auth_request`: a subrequest without body that asks whether a request may go on.
//!
//! nginx says in headers what the client asked for, and takes a status: 2xx goes on, 403 does not, and nothing else
//! may be said, nor does a body come through. So a refusal carries the whole answer in one header, which nginx's
//! configuration sends back to [`PATH_ANSWER`] from an `error_page`: the client gets the very answer.
//!
//! Which headers nginx takes out of a request must stand in its configuration by name; a request with another one of
//! our prefix is refused.

use crate::head::{Head, Line, once};
use crate::pipeline::{Edge, Given, Settled};
use crate::service::Asking;
use base64::prelude::{BASE64_STANDARD, Engine};
use glacis_edge::Forward;
use glacis_wire::http::{self as names, Response, is_ours};
use glacis_wire::message::refusal::Refusal;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// Where nginx asks.
pub const PATH_AUTHORIZE: &str = "/authorize";
/// Where nginx fetches the answer of a refusal.
pub const PATH_ANSWER: &str = "/answer";

/// The answer of a refusal, on its way through nginx.
const ANSWER: &str = "x-glacis-answer";
/// What the client asked for.
const METHOD: &str = "x-original-method";
const TARGET: &str = "x-original-uri";
const AUTHORITY: &str = "x-original-host";
const PROTOCOL: &str = "x-original-protocol";
const LENGTH: &str = "x-original-length";
const ENCODING: &str = "x-original-encoding";
const ORIGINAL: [&str; 6] = [METHOD, TARGET, AUTHORITY, PROTOCOL, LENGTH, ENCODING];

/// Headers of ours that a request may have: those that the guide's configuration takes out or replaces.
const KNOWN: [&str; 8] = [
    names::TICKET,
    names::EVENT,
    names::DISCLOSURE,
    names::PROOF,
    names::VERDICT,
    names::REFERENCE,
    names::POLICY_VERSION,
    names::DECISION,
];

#[derive(Serialize, Deserialize)]
struct Carried {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Says whether a request may go on.
pub(crate) async fn authorize(edge: &Edge, headers: &HeaderMap, asking: Asking) -> Response {
    let settled = match original(headers) {
        Some((line, body)) => ask(edge, line, body, headers, asking).await,
        None => edge.refuse(Refusal::Framing),
    };
    match settled {
        Settled::Forward(forward) => passed(&forward),
        Settled::Answer(answer) => denied(answer),
    }
}

async fn ask(edge: &Edge, line: Line<'_>, body: Given, headers: &HeaderMap, asking: Asking) -> Settled {
    let mut fields = headers.clone();
    // What is nginx's own, not the client's.
    ORIGINAL.iter().chain(&["host", "connection"]).for_each(|name| drop(fields.remove(*name)));
    let line = Line { tls: asking.tls, ..line };
    let Some(head) = Head::of(line, &fields) else { return edge.refuse(Refusal::Framing) };
    if head.is_own() {
        tracing::error!(
            "own endpoints are asked through auth_request; pass /.glacis/ to this service instead"
        );
        return edge.refuse(Refusal::NoRoute);
    }
    if fields.keys().any(|name| is_ours(name.as_str()) && !KNOWN.contains(&name.as_str())) {
        return edge.refuse(Refusal::Framing);
    }
    edge.settle(&head, &body, asking.peer).await
}

/// What the client asked for, as far as nginx says it in one way.
fn original(headers: &HeaderMap) -> Option<(Line<'_>, Given)> {
    let method = once(headers, METHOD)?;
    let target = once(headers, TARGET)?;
    let authority = if headers.contains_key(AUTHORITY) { once(headers, AUTHORITY)? } else { "" };
    let declared =
        if headers.contains_key(LENGTH) { Some(once(headers, LENGTH)?.parse().ok()?) } else { None };
    let one = matches!(once(headers, PROTOCOL)?, "HTTP/1.1" | "HTTP/1.0");
    // In HTTP/2 a body may come without a length, and nginx does not say so.
    let body = match declared {
        Some(0) => Given::Empty,
        None if one && !headers.contains_key(ENCODING) => Given::Empty,
        length => Given::OutOfReach(Refusal::BodyUnreadable, length),
    };
    Some((Line { method, authority, tls: false, target }, body))
}

fn passed(forward: &Forward) -> Response {
    let decision = forward.decision.iter().map(|value| (names::DECISION.to_owned(), value.clone()));
    let told = forward.told().map(|(name, value)| (name.to_owned(), value.into_owned()));
    Response { status: 204, headers: decision.chain(told).collect(), body: Vec::new() }
}

fn denied(answer: Response) -> Response {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let carried = Carried { status: answer.status, headers: answer.headers, body };
    let text = serde_json::to_vec(&carried).map(|json| BASE64_STANDARD.encode(json));
    let headers = text.map(|text| (ANSWER.to_owned(), text)).into_iter().collect();
    Response { status: 403, headers, body: Vec::new() }
}

/// The answer that nginx was given to keep; a bare 403 where it brings none, since nginx itself refused.
pub(crate) fn answer(headers: &HeaderMap) -> Response {
    let carried = once(headers, ANSWER).and_then(|text| BASE64_STANDARD.decode(text).ok());
    let carried = carried.and_then(|json| serde_json::from_slice::<Carried>(&json).ok());
    let carried = carried.filter(|carried| (400..600).contains(&carried.status));
    match carried {
        Some(Carried { status, headers, body }) => Response { status, headers, body: body.into_bytes() },
        None => Response { status: 403, headers: Vec::new(), body: Vec::new() },
    }
}
