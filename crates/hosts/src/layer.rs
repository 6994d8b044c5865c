//! A tower layer: the pipeline inside the service that it protects, such as one of axum.
//!
//! Around all routes, so that own endpoints are answered too. A decided route's body is collected up to its limit
//! and compared with what was signed; every other body passes as it is. The service sees the decision header and
//! no header with our prefix that a client sent. HTTP is parsed by the service's own server: the gateway's strict
//! framing is not in front of it.

use crate::body::{Answered, Passed};
use crate::head::{Head, Line, host, length};
use crate::pipeline::{Edge, Followed};
use bytes::Bytes;
use glacis_edge::{Body as Given, EdgeCore, Forward, Held};
use glacis_wire::http::{self as names, Response as Answer, is_ours};
use glacis_wire::message::refusal::Refusal;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type PeerOf = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;

/// Puts the pipeline in front of a service. [`glacis_edge::gateway::Background`] does what goes on beside.
#[derive(Clone)]
pub struct GlacisLayer {
    edge: Arc<Edge>,
    peer: Arc<PeerOf>,
}

/// A service behind the pipeline.
#[derive(Clone)]
pub struct GlacisService<S> {
    inner: S,
    edge: Arc<Edge>,
    peer: Arc<PeerOf>,
}

impl GlacisLayer {
    /// `peer` says where a request comes from; a request of which it does not know is refused.
    ///
    /// # Errors
    /// If the core's configuration needs what a layer lacks.
    pub fn new(
        core: Arc<EdgeCore>,
        peer: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Result<Self, crate::LackError> {
        crate::LAYER.check(&core.config())?;
        Ok(Self { edge: Arc::new(Edge::new(core)), peer: Arc::new(peer) })
    }
}

impl fmt::Debug for GlacisLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlacisLayer").field("edge", &self.edge).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for GlacisService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlacisService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for GlacisLayer {
    type Service = GlacisService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GlacisService { inner, edge: Arc::clone(&self.edge), peer: Arc::clone(&self.peer) }
    }
}

impl<S, B, R> Service<Request<B>> for GlacisService<S>
where
    S: Service<Request<Passed<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
    R: Send + 'static,
{
    type Response = Response<Answered<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is the one to be called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let (edge, peer) = (Arc::clone(&self.edge), Arc::clone(&self.peer));
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (body, mut forward) = match settle(&edge, &*peer, &parts, body).await {
                Ok(settled) => settled,
                Err(answer) => return Ok(response(answer).map(Answered::Ours)),
            };
            strip(&mut parts.headers);
            if let Some(decision) =
                forward.decision.take().and_then(|value| HeaderValue::try_from(value).ok())
            {
                parts.headers.insert(HeaderName::from_static(names::DECISION), decision);
            }
            let answered = inner.call(Request::from_parts(parts, body)).await;
            if let Some(learn) = forward.learn.take() {
                edge.core.learn(&learn, answered.as_ref().ok().map(|answer| answer.status().as_u16()));
            }
            let mut answer = answered?;
            strip(answer.headers_mut());
            tell(answer.headers_mut(), &forward);
            Ok(answer.map(Answered::Theirs))
        })
    }
}

/// What goes on to the service, or the answer in its place.
async fn settle<B>(
    edge: &Edge,
    peer: &PeerOf,
    parts: &Parts,
    body: B,
) -> Result<(Passed<B>, Box<Forward>), Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let core = &edge.core;
    let Some(peer) = peer(parts) else {
        tracing::error!("nobody says where a request comes from; serve with connect info");
        return Err(core.refusal(Refusal::Unavailable));
    };
    let named = parts.uri.authority().map(http::uri::Authority::as_str);
    let Some(authority) = named.or_else(|| host(&parts.headers)) else {
        return Err(core.refusal(Refusal::Framing));
    };
    let tls = parts.uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let line = Line { method: parts.method.as_str(), authority, tls, target };
    // A target and a `host` that name two servers are two readings.
    let named_twice = named.is_some_and(|named| {
        host(&parts.headers).is_none_or(|host| !host.is_empty() && !host.eq_ignore_ascii_case(named))
    });
    let head = Head::of(line, &parts.headers).filter(|_| !named_twice);
    let Some(head) = head else { return Err(core.refusal(Refusal::Framing)) };
    let to_come = if body.is_end_stream() { Given::Empty } else { Given::ToCome };
    let step = core.begin(&head.view(), to_come, peer, core.host().now());
    match edge.follow(step).await {
        Followed::Answer(answer) => Err(answer),
        Followed::Forward(forward) => unread(edge, parts, body, forward).await,
        Followed::NeedBody(held) => read(edge, &head, body, held).await,
    }
}

/// The body is needed for the decision.
async fn read<B>(
    edge: &Edge,
    head: &Head<'_>,
    body: B,
    held: Box<Held>,
) -> Result<(Passed<B>, Box<Forward>), Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let core = &edge.core;
    let mut body = Passed::new(body);
    let whole = body.keep(held.limit(), core.config().limits.upstream_wait).await;
    let step = match &whole {
        Ok(bytes) => core.body(held, &head.view(), bytes, core.host().now()),
        Err(Refusal::BodyTooLarge) => core.body_too_large(held),
        Err(refusal) => return Err(core.refusal(*refusal)),
    };
    match edge.follow(step).await {
        Followed::Answer(answer) => Err(answer),
        Followed::Forward(forward) => Ok((body, forward)),
        // INVARIANT: the body is asked for once.
        Followed::NeedBody(_) => Err(core.refusal(Refusal::BodyUnreadable)),
    }
}

/// The decision needed no body; what was signed is compared now, and a plain route's limit is held.
async fn unread<B>(
    edge: &Edge,
    parts: &Parts,
    body: B,
    mut forward: Box<Forward>,
) -> Result<(Passed<B>, Box<Forward>), Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let core = &edge.core;
    let mut body = Passed::new(body);
    let Some(content) = forward.content else {
        return match length(&parts.headers) {
            Some(length) if length > forward.body_max => Err(core.refusal(Refusal::BodyTooLarge)),
            // Of unknown length: it passes, cut where it is longer.
            _ => {
                body.limit(forward.body_max);
                Ok((body, forward))
            }
        };
    };
    let limit = if forward.observes { crate::BUFFER_MAX } else { forward.body_max };
    match body.keep(limit, core.config().limits.upstream_wait).await {
        Ok(bytes) if glacis_seal::sha256(&bytes) == content => {}
        Ok(_) if forward.observes => core.unlike(forward.counted.take()),
        Ok(_) => return Err(core.refusal(Refusal::DigestMismatch)),
        Err(Refusal::BodyTooLarge) if forward.observes => {}
        Err(refusal) => return Err(core.refusal(refusal)),
    }
    Ok((body, forward))
}

/// Takes out every header with our prefix.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// What the client is told beside the service's answer.
fn tell(headers: &mut HeaderMap, forward: &Forward) {
    for (name, value) in forward.told() {
        if let Ok(value) = HeaderValue::try_from(&*value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// An answer of the pipeline as a response.
pub(crate) fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
