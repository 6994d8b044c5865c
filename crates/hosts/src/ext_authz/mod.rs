//! Envoy's external authorization: `envoy.service.auth.v3.Authorization/Check` over gRPC.
//!
//! Envoy buffers the body and asks once, with the fields as they came (`encode_raw_headers`): joined by commas they
//! could be read in two ways, so that form is refused. A body that was cut is refused where a decision needs it. What
//! may go on loses every header with our prefix and gets the decision; what may not is answered as the pipeline says.

mod message;

use crate::head::{Head, Line, length};
use crate::pipeline::{Edge, Given, Settled};
use glacis_edge::Forward;
use glacis_wire::http::{self as names, Response, is_ours};
use glacis_wire::message::refusal::Refusal;
use http::{HeaderMap, HeaderName, HeaderValue};
use message::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpRequest,
    HttpStatus, OkHttpResponse, RpcStatus,
};
use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where Envoy asks.
pub const PATH_CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Says whether a body was cut; only Envoy's own word counts, and a client's `true` refuses only itself.
const PARTIAL: &str = "x-envoy-auth-partial-body";
/// `google.rpc.Code`: `OK` and `PERMISSION_DENIED`.
const OK: i32 = 0;
const DENIED: i32 = 7;
/// Room in a message for everything but the body. Unit: bytes.
const HEAD_BYTES: usize = 1 << 20;

/// Answers one call.
pub(crate) async fn call<B>(edge: Arc<Edge>, request: http::Request<B>) -> http::Response<tonic::body::Body>
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let codec = tonic_prost::ProstCodec::<CheckResponse, CheckRequest>::default();
    let mut grpc =
        tonic::server::Grpc::new(codec).max_decoding_message_size(crate::capability::BUFFER_MAX + HEAD_BYTES);
    grpc.unary(Check(edge), request).await
}

struct Check(Arc<Edge>);

impl tower_service::Service<tonic::Request<CheckRequest>> for Check {
    type Response = tonic::Response<CheckResponse>;
    type Error = tonic::Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let edge = Arc::clone(&self.0);
        Box::pin(async move { Ok(tonic::Response::new(check(&edge, request.into_inner()).await)) })
    }
}

async fn check(edge: &Edge, request: CheckRequest) -> CheckResponse {
    let attributes = request.attributes.unwrap_or_default();
    let peer = peer(&attributes);
    let Some(asked) = attributes.request.and_then(|request| request.http) else {
        return refused(edge, Refusal::Framing);
    };
    let Some(raw) = &asked.header_map else {
        tracing::error!("Envoy sends joined headers; set `encode_raw_headers: true` in the ext_authz filter");
        return refused(edge, Refusal::Unavailable);
    };
    let Some(headers) = fields(raw) else { return refused(edge, Refusal::Framing) };
    let line = Line {
        method: &asked.method,
        authority: &asked.host,
        tls: asked.scheme == "https",
        target: &asked.path,
    };
    let Some(head) = Head::of(line, &headers) else { return refused(edge, Refusal::Framing) };
    if head.is_own() {
        tracing::error!(
            "own endpoints are asked through ext_authz; route /.glacis/ to this service without it"
        );
        return refused(edge, Refusal::NoRoute);
    }
    match edge.settle(&head, &given(&asked, &headers), peer).await {
        Settled::Answer(answer) => denied(&answer),
        Settled::Forward(forward) => passed(&forward, &headers),
    }
}

/// The fields as they came, without the pseudo-fields of HTTP/2.
fn fields(raw: &message::HeaderMap) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(raw.headers.len());
    for field in raw.headers.iter().filter(|field| !field.key.starts_with(':')) {
        let value = if field.raw_value.is_empty() { &field.value } else { &field.raw_value };
        let name = HeaderName::try_from(&field.key).ok()?;
        headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

/// The client, as Envoy sees it; a unix socket has no address, and all its clients count as one.
fn peer(attributes: &AttributeContext) -> IpAddr {
    let address = attributes.source.as_ref().and_then(|source| source.address.as_ref());
    let address = address.and_then(|address| address.socket_address.as_ref());
    let address = address.and_then(|socket| socket.address.parse::<IpAddr>().ok());
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.to_canonical())
}

/// What Envoy brought of the body. It also says "whole" where its buffer is just full and more is to come, so a body that
/// does not say how long it is counts as none that can be brought.
fn given(asked: &HttpRequest, headers: &HeaderMap) -> Given {
    let (body, length) = (&asked.raw_body, length(headers));
    let said = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"true");
    if headers.get_all(PARTIAL).iter().any(said) {
        return Given::OutOfReach(Refusal::BodyTooLarge, length);
    }
    match length {
        Some(length) if length != body.len() => Given::OutOfReach(Refusal::BodyUnreadable, Some(length)),
        Some(0) => Given::Empty,
        Some(_) => Given::Whole(body.clone()),
        // Without `with_request_body` there are encodings without bytes, without `pack_as_bytes` marks without bytes.
        None if body.is_empty()
            && !headers.contains_key("transfer-encoding")
            && !headers.contains_key(PARTIAL) =>
        {
            Given::Empty
        }
        None => Given::OutOfReach(Refusal::BodyUnreadable, None),
    }
}

fn refused(edge: &Edge, refusal: Refusal) -> CheckResponse {
    denied(&edge.core.refusal(refusal))
}

fn denied(answer: &Response) -> CheckResponse {
    let headers = answer.headers.iter().map(|(name, value)| HeaderValueOption::set(name, value));
    CheckResponse {
        status: Some(RpcStatus { code: DENIED }),
        denied_response: Some(DeniedHttpResponse {
            status: Some(HttpStatus { code: answer.status.into() }),
            headers: headers.collect(),
            body: answer.body.clone(),
        }),
        ok_response: None,
    }
}

fn passed(forward: &Forward, headers: &HeaderMap) -> CheckResponse {
    let decision = forward.decision.as_deref();
    // Envoy removes after it sets, so what is set, in place of all that came, is not named here.
    let set = |name: &str| decision.is_some() && name == names::DECISION;
    let ours: BTreeSet<&str> = headers
        .keys()
        .filter(|name| is_ours(name.as_str()))
        .map(HeaderName::as_str)
        .filter(|name| !set(name))
        .collect();
    let told = forward.told().map(|(name, value)| HeaderValueOption::set(name, &value));
    CheckResponse {
        status: Some(RpcStatus { code: OK }),
        denied_response: None,
        ok_response: Some(OkHttpResponse {
            headers: decision
                .map(|value| HeaderValueOption::set(names::DECISION, value))
                .into_iter()
                .collect(),
            headers_to_remove: ours.into_iter().map(ToOwned::to_owned).collect(),
            response_headers_to_add: told.collect(),
        }),
    }
}
