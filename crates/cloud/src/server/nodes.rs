//! Handlers of the node API: bytes in, one domain call, bytes out, everything MAC'd.
//!
//! A stranger's request gets a problem without a MAC, which no edge takes for an answer. What devices send comes
//! here through an edge: what is decided or recorded for one it has authenticated, what enrols or answers a challenge
//! it hands on, for that brings proofs of its own.

use super::node::{Authentic, NODE_MAC, authenticate};
use super::problem::{PROBLEM, answer, coded, for_node, too_large};
use super::{CloudError, Shared};
use crate::core::CloudCore;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use glacis_seal::{sha256, text};
use glacis_wire::http::{MEDIA_TYPE, Request as WireRequest};
use glacis_wire::limits::MESSAGE_BYTES_MAX;
use glacis_wire::message::decide::{AttributedBatch, EventFacts, Report};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Decode, Encode, NodeName, Zone};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use std::sync::Arc;

/// What a handler gives: status, body, and an ETag where the answer may be asked for again.
struct Reply {
    status: StatusCode,
    media_type: &'static str,
    body: Vec<u8>,
    etag: Option<String>,
    retry_after_s: Option<u64>,
}

impl Reply {
    fn message(message: &impl Encode) -> Result<Self, CloudError> {
        Ok(Self { body: message.to_bytes()?, status: StatusCode::OK, ..Self::nothing() })
    }

    fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            media_type: MEDIA_TYPE,
            body: Vec::new(),
            etag: None,
            retry_after_s: None,
        }
    }

    fn problem(error: &CloudError) -> Self {
        let (status, body) = for_node(error);
        let retry_after_s = error.retry_after_s();
        Self { status, media_type: PROBLEM, body, retry_after_s, ..Self::nothing() }
    }

    /// The same answer, named by its content, or 304 where the asker has it.
    fn tagged(mut self, headers: &HeaderMap) -> Self {
        let tag = format!("\"{}\"", sha256(&self.body));
        let known =
            headers.get_all(header::IF_NONE_MATCH).iter().any(|value| value.as_bytes() == tag.as_bytes());
        if known {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Vec::new();
        }
        self.etag = Some(tag);
        self
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(entry).with_state(shared)
}

async fn entry(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MESSAGE_BYTES_MAX).await else {
        let (status, body) = for_node(&too_large());
        return answer(status, PROBLEM, body);
    };
    let wire = WireRequest {
        method: head.method.as_str().to_owned(),
        authority: String::new(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map_or(String::new(), |query| format!("?{query}")),
        headers: fields(&head.headers),
        body: body.to_vec(),
    };
    let now = shared.host.now();
    let node = match authenticate(&wire, &shared.nodes, now) {
        Ok(node) => node,
        Err(refusal) => {
            tracing::warn!(%refusal, "a request that no node made");
            let (status, body) = coded(401, refusal.code());
            return answer(status, PROBLEM, body);
        }
    };
    let reply = match dispatch(&shared, &node.node, &head.method, &wire, &head.headers).await {
        Ok(reply) => reply,
        Err(error) => Reply::problem(&error),
    };
    finish(&shared, &node, reply)
}

/// Fields whose values are not text cannot be part of a signature base, so they are left out.
fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

fn finish(shared: &Shared, node: &Authentic, reply: Reply) -> Response {
    let mac = node.answer_mac(&shared.context, reply.status.as_u16(), &reply.body);
    let mut response = answer(reply.status, reply.media_type, reply.body);
    if let Ok(value) = HeaderValue::from_str(&mac) {
        response.headers_mut().insert(NODE_MAC, value);
    }
    if let Some(value) = reply.etag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        response.headers_mut().insert(header::ETAG, value);
    }
    if let Some(seconds) = reply.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn dispatch(
    shared: &Arc<Shared>,
    node: &NodeName,
    method: &Method,
    request: &WireRequest,
    headers: &HeaderMap,
) -> Result<Reply, CloudError> {
    let handle = &shared.handle;
    let body = &request.body;
    match (method.as_str(), request.path.as_str()) {
        ("POST", "/v1/decide") => {
            let facts: EventFacts = decode(body)?;
            require_node(node, &facts.node)?;
            let began = shared.host.monotonic();
            let answer = handle.decide(facts).await?;
            handle.handled(shared.host.now(), shared.host.monotonic().saturating_sub(began));
            Reply::message(&answer)
        }
        ("POST", "/v1/report") => {
            let report: Report = decode(body)?;
            require_node(node, &report.node)?;
            let foreign = report.records.iter().any(|record| record.facts.node != report.node)
                || report.openings.iter().any(|opening| opening.node != report.node);
            if foreign {
                return Err(CloudError::invalid("a report speaks of another node"));
            }
            Reply::message(&handle.call(move |core| core.report(&report)).await?)
        }
        ("GET", "/v1/feed") => Ok(Reply::message(&handle.call(|core| core.feed()).await?)?.tagged(headers)),
        ("GET", path) if path.starts_with("/v1/published/") => published(shared, request, headers).await,
        ("POST", path) => match path.strip_prefix("/v1/device/") {
            Some(duty) => device(shared, node, duty, request).await,
            None => Err(CloudError::not_found("endpoint")),
        },
        _ => Err(CloudError::not_found("endpoint")),
    }
}

async fn published(shared: &Shared, request: &WireRequest, headers: &HeaderMap) -> Result<Reply, CloudError> {
    let name = request.path.strip_prefix("/v1/published/").unwrap_or("");
    let zone = Zone::ALL.into_iter().find(|zone| zone.name() == name);
    let zone = zone.ok_or_else(|| CloudError::not_found("zone"))?;
    let keys_from = match request.query.strip_prefix("?keys=") {
        Some(number) => number.parse().map_err(|_| CloudError::invalid("`keys` is a number"))?,
        None if request.query.is_empty() => 0,
        None => return Err(CloudError::invalid("the query is `keys` and a number")),
    };
    let published = shared.handle.call(move |core| core.published(zone, keys_from)).await?;
    Ok(Reply::message(&published)?.tagged(headers))
}

/// What an edge passes on for a device.
async fn device(
    shared: &Arc<Shared>,
    node: &NodeName,
    duty: &str,
    request: &WireRequest,
) -> Result<Reply, CloudError> {
    let (handle, body) = (&shared.handle, &request.body);
    match duty {
        "enrol/challenge" => Reply::message(&handle.call(|core| core.enrol_challenge()).await?),
        "enrol/activation" => {
            let request = decode(body)?;
            Reply::message(&handle.call(move |core| core.enrol_activation(&request)).await?)
        }
        "enrol" => {
            let prefix = prefix_of(&request.query)?;
            let request = decode(body)?;
            let enrol = move |core: &mut CloudCore| core.enrol_from(&request, prefix.as_deref());
            Reply::message(&handle.call(enrol).await?)
        }
        "otp/start" => {
            let start = decode(body)?;
            let delivery = handle.call(move |core| core.otp_start(&start)).await?;
            let sender = Arc::clone(&shared.otp);
            let sent = tokio::task::spawn_blocking(move || delivery.deliver(&*sender)).await;
            match sent {
                Ok(Ok(())) => Ok(Reply::nothing()),
                Ok(Err(_)) | Err(_) => {
                    Err(CloudError::refused(Refusal::Upstream, "the code could not be sent"))
                }
            }
        }
        "otp/verify" => {
            let verify = decode(body)?;
            Reply::message(&handle.call(move |core| core.otp_verify(&verify)).await?)
        }
        "passkey/verify" => {
            let verify = decode(body)?;
            Reply::message(&handle.call(move |core| core.passkey_verify(&verify)).await?)
        }
        "records" => {
            let batch: AttributedBatch = decode(body)?;
            let report = Report {
                node: node.clone(),
                records: Default::default(),
                openings: Default::default(),
                devices: glacis_wire::message::List(vec![batch]),
                operator: Default::default(),
            };
            Reply::message(&handle.call(move |core| core.report(&report)).await?)
        }
        _ => Err(CloudError::not_found("endpoint")),
    }
}

/// The address prefix that an edge says a device asks from, in the form that it counts by itself.
fn prefix_of(query: &str) -> Result<Option<Vec<u8>>, CloudError> {
    if query.is_empty() {
        return Ok(None);
    }
    let prefix = query.strip_prefix("?from=").filter(|text| text.len() == 16).and_then(text::parse_hex);
    prefix.map(Some).ok_or_else(|| CloudError::invalid("the query is `from` and 16 hexadecimal digits"))
}

fn decode<T: Decode>(body: &[u8]) -> Result<T, CloudError> {
    T::from_bytes(body).map_err(|error| CloudError::invalid(format!("the body is no such message: {error}")))
}

/// A node speaks for itself only.
fn require_node(authentic: &NodeName, stated: &NodeName) -> Result<(), CloudError> {
    if authentic == stated {
        return Ok(());
    }
    Err(CloudError::invalid(format!("node `{authentic}` speaks for node `{stated}`")))
}
