//! The edge's own endpoints behind a proxy: `/.glacis/…` passed on as it came, answered by the pipeline.
//!
//! They carry bytes that no authorization protocol brings through, so the proxy has a plain route for them. A path
//! that is no own endpoint got here by another reading than its spelling, and is refused.

use crate::head::{Head, Line, host};
use crate::pipeline::{Edge, Followed};
use crate::service::Asking;
use bytes::Bytes;
use glacis_edge::Body;
use glacis_wire::http::Response;
use glacis_wire::message::refusal::Refusal;
use http::request::Parts;
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;

/// Answers one request to an own endpoint.
pub(crate) async fn answer<B>(edge: &Edge, parts: &Parts, body: B, asking: Asking) -> Response
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let core = &edge.core;
    let named = parts.uri.authority().map(http::uri::Authority::as_str);
    let Some(authority) = named.or_else(|| host(&parts.headers)) else {
        return core.refusal(Refusal::Framing);
    };
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let line = Line { method: parts.method.as_str(), authority, tls: asking.tls, target };
    let Some(head) = Head::of(line, &parts.headers) else { return core.refusal(Refusal::Framing) };
    // The proxy read the path in another way than it is spelt.
    if !head.is_own() {
        return core.refusal(Refusal::BodyUnreadable);
    }
    let to_come = if body.is_end_stream() { Body::Empty } else { Body::ToCome };
    let step = core.begin(&head.view(), to_come, asking.peer, core.host().now());
    let step = match edge.follow(step).await {
        Followed::NeedBody(held) => {
            match collect(body, held.limit(), core.config().limits.upstream_wait).await {
                Ok(bytes) => core.body(held, &head.view(), &bytes, core.host().now()),
                Err(Refusal::BodyTooLarge) => core.body_too_large(held),
                Err(refusal) => return core.refusal(refusal),
            }
        }
        Followed::Answer(answer) => return answer,
        Followed::Forward(_) => return core.refusal(Refusal::NoRoute),
    };
    match edge.follow(step).await {
        Followed::Answer(answer) => answer,
        // INVARIANT: own endpoints end in an answer.
        Followed::NeedBody(_) | Followed::Forward(_) => core.refusal(Refusal::NoRoute),
    }
}

/// All of a body of at most `limit` bytes that comes within `wait`.
async fn collect<B>(body: B, limit: usize, wait: Duration) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match tokio::time::timeout(wait, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) | Err(_) => Err(Refusal::Framing),
    }
}
