//! One request through the gateway: hyper's parts in, the core's steps, hyper's response out.
//!
//! Headers are changed in place: what is hop-by-hop or ours is taken out in one pass, what the core adds is put
//! in. Nothing of a request is copied but the values that are kept.

use super::Worker;
use super::body::{Checked, Fate, OutBody, Uncollected, UpBody, UpstreamBody, Way, collect};
use super::gate::{Gate, Key};
use super::http2;
use super::link::{Link, LinkError};
use super::many::Road;
use super::watch::{Phase, Watch};
use crate::config::{Protocol, Upstream};
use crate::core::{Body as CoreBody, Forward, Step};
use crate::request::{Fields, HOP_BY_HOP, Headers, Once, RequestHead};
use crate::state::lock;
use bytes::Bytes;
use glacis_wire::http::{self as names, is_ours};
use glacis_wire::message::refusal::Refusal;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Version};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const DECISION: HeaderName = HeaderName::from_static(names::DECISION);
const VERDICT: HeaderName = HeaderName::from_static(names::VERDICT);
const REFERENCE: HeaderName = HeaderName::from_static(names::REFERENCE);
const POLICY_VERSION: HeaderName = HeaderName::from_static(names::POLICY_VERSION);

/// A client connection, as its requests need it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) worker: Arc<Worker>,
    pub(super) watch: Arc<Watch>,
    pub(super) served: Arc<AtomicU64>,
    pub(super) origin: Origin,
    /// The upstream's side of a WebSocket that was granted; what follows is not HTTP.
    pub(super) tunnel: Mutex<Option<Box<Link>>>,
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) address: IpAddr,
    /// The address as a header value.
    pub(super) forwarded: HeaderValue,
    /// Whether it comes under TLS.
    pub(super) secured: bool,
}

impl Origin {
    pub(super) fn new(peer: SocketAddr, secured: bool) -> Self {
        let address = peer.ip().to_canonical();
        let forwarded =
            HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, forwarded, secured }
    }
}

impl Peer {
    /// Serves one request.
    pub(super) async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Response<OutBody> {
        self.watch.enter(Phase::Busy);
        let version = request.version();
        let is_head = version == Version::HTTP_2 && request.method() == Method::HEAD;
        let mut response = self.admitted(request).await;
        if is_head {
            response = headless(response);
        }
        if self.worker.core.is_draining()
            && version < Version::HTTP_2
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.served.fetch_add(1, Ordering::Release);
        // The response still has to be written; what follows it is idleness.
        self.watch.enter(Phase::Idle);
        response
    }

    /// One of the requests that run at once on this worker; a connection of HTTP/2 brings many.
    async fn admitted(&self, request: Request<Incoming>) -> Response<OutBody> {
        let Some(_place) = self.worker.place() else { return self.refused(Refusal::Overloaded) };
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<OutBody> {
        let core = &self.worker.core;
        let (mut parts, mut body) = request.into_parts();
        // What goes no further is nothing that a decision may rest on.
        drop_named(&mut parts.headers);
        if parts.version == Version::HTTP_2
            && let Err(refusal) = http2::plain(&mut parts)
        {
            return self.refused(refusal);
        }
        let empty = hyper::body::Body::is_end_stream(&body);
        let mut whole: Option<Bytes> = None;
        let mut begun: Option<Bytes> = None;
        let forward = {
            let Some(head) = Head::of(&parts, self.origin.secured) else {
                return self.refused(Refusal::Framing);
            };
            let head = head.view();
            let to_come = if empty { CoreBody::Empty } else { CoreBody::ToCome };
            let mut step = core.begin(&head, to_come, self.origin.address, core.host().now());
            loop {
                step = match step {
                    Step::Answer(response) => return out(response),
                    Step::Forward(forward) => break forward,
                    // Waits that most requests do not have are on the heap, so that every request's future stays small.
                    Step::NeedBody(held) => {
                        match Box::pin(collect(&mut body, held.limit(), &self.watch)).await {
                            Ok(bytes) => {
                                let step = core.body(held, &head, &bytes, core.host().now());
                                whole = Some(bytes);
                                step
                            }
                            Err(Uncollected::Longer(bytes)) => {
                                begun = Some(bytes);
                                core.body_too_large(held)
                            }
                            Err(Uncollected::Broken) => return self.refused(Refusal::Framing),
                        }
                    }
                    Step::AskCloud(pending) => Box::pin(self.worker.cloud.decide(pending)).await,
                    Step::Relay(relay) => return out(Box::pin(self.worker.cloud.relay(*relay)).await),
                };
            }
        };
        let body = match (whole, begun) {
            (_, Some(begun)) => Outgoing::Rest(begun, body),
            (Some(bytes), None) if bytes.is_empty() => Outgoing::Empty,
            (Some(bytes), None) => Outgoing::Full(bytes),
            (None, None) if empty => Outgoing::Empty,
            (None, None) => Outgoing::Stream(body),
        };
        self.forward(parts, body, *forward).await
    }

    fn refused(&self, refusal: Refusal) -> Response<OutBody> {
        out(self.worker.core.refusal(refusal))
    }

    async fn forward(&self, parts: Parts, body: Outgoing, mut forward: Forward) -> Response<OutBody> {
        let learn = forward.learn.take();
        let response = self.exchange(parts, body, forward).await;
        if let Some(learn) = &learn {
            let status = response.as_ref().ok().map(|response| response.status().as_u16());
            self.worker.core.learn(learn, status);
        }
        response.unwrap_or_else(|refusal| self.refused(refusal))
    }

    async fn exchange(
        &self,
        parts: Parts,
        body: Outgoing,
        mut forward: Forward,
    ) -> Result<Response<OutBody>, Refusal> {
        let core = &self.worker.core;
        let place = Arc::clone(&forward.upstream);
        let road = self.worker.road(&place);
        let fate = Fate::default();
        let alone = place.protocol == Protocol::Http1;
        let expects = alone && parts.headers.contains_key(EXPECT) && parts.version == Version::HTTP_11;
        let (body, key) = self.on_its_way(body, &mut forward, expects, &fate);
        let tunnel = alone && wants_tunnel(&parts.headers) && matches!(body, UpBody::Empty);
        let mut request = self.upstream_request(parts, body, &forward, &place).ok_or(Refusal::Framing)?;
        if tunnel {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            request.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        match key {
            Some(key) => hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    key.open();
                }
            }),
            // Whoever reads this has the body, or there is none.
            None => drop(request.headers_mut().remove(EXPECT)),
        }
        let begun = core.host().monotonic();
        let answered = match &*road {
            Road::Links(links) => links
                .send(request, Some(&self.watch))
                .await
                .map(|(answer, link)| (answer, Way::Link(link, Arc::clone(links)))),
            Road::Many(many) => Box::pin(many.send(request, &self.watch))
                .await
                .map(|(answer, lease)| (answer, Way::Stream(lease))),
        };
        core.metrics().upstream_took(core.host().monotonic().saturating_sub(begun));
        match answered {
            Ok((answer, way)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let Way::Link(link, _) = way else { return Err(Refusal::Upstream) };
                if !tunnel || !wants_tunnel(answer.headers()) {
                    return Err(Refusal::Upstream);
                }
                let mut response = respond(answer.into_parts().0, forward, OutBody::Full(None));
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                core.metrics().tunnel();
                *lock(&self.tunnel) = Some(link);
                Ok(response)
            }
            Ok((answer, way)) => {
                let (parts, incoming) = answer.into_parts();
                let body = UpstreamBody::new(incoming, way, Arc::clone(&self.watch));
                Ok(respond(parts, forward, OutBody::Upstream(Box::new(body))))
            }
            Err(error) => {
                if error == LinkError::Expired {
                    tracing::debug!("upstream did not answer in time");
                }
                Err(fate.refusal().unwrap_or(Refusal::Upstream))
            }
        }
    }

    /// The body as a link takes it; where the client waits to be asked for it, what asks.
    fn on_its_way(
        &self,
        body: Outgoing,
        forward: &mut Forward,
        expects: bool,
        fate: &Fate,
    ) -> (UpBody, Option<Key>) {
        let stream = |mut checked: Checked| {
            if self.watch.is_stream() {
                checked = checked.paced(Arc::clone(&self.watch));
            }
            UpBody::Stream(Box::new(checked))
        };
        match body {
            Outgoing::Empty => (UpBody::Empty, None),
            Outgoing::Full(bytes) => (UpBody::Full(Some(bytes)), None),
            Outgoing::Rest(begun, body) => (stream(Checked::resumed(begun, body, fate.clone())), None),
            Outgoing::Stream(body) => {
                let mut checked = Checked::new(body, forward.content, forward.body_max, fate.clone());
                if forward.observes && forward.content.is_some() {
                    checked = checked.observed(Arc::clone(&self.worker.core), forward.counted.take());
                }
                if !expects {
                    return (stream(checked), None);
                }
                let (gate, key) = Gate::new();
                (stream(checked.behind(gate)), Some(key))
            }
        }
    }

    fn upstream_request(
        &self,
        mut parts: Parts,
        body: UpBody,
        forward: &Forward,
        place: &Upstream,
    ) -> Option<Request<UpBody>> {
        let many = place.protocol == Protocol::Http2;
        let trailers = many && parts.headers.get(TE).is_some_and(wants_trailers);
        strip(&mut parts.headers);
        if place.forwarded_for {
            parts.headers.insert(FORWARDED_FOR, self.origin.forwarded.clone());
            // Without TLS here, whoever ended it in front of us knows.
            if self.origin.secured {
                parts.headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
            }
        }
        if let Some(decision) = &forward.decision {
            parts.headers.insert(DECISION, HeaderValue::from_str(decision).ok()?);
        }
        // A client of HTTP/1.0 may name no host; we speak HTTP/1.1, which must.
        if place.own_host || !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, HeaderValue::try_from(place.address.to_string()).ok()?);
        }
        if many {
            return addressed(parts, trailers).map(|parts| Request::from_parts(parts, body));
        }
        // Without it hyper takes a `GET` of unknown length for one without a body.
        if matches!(body, UpBody::Stream(_)) && !parts.headers.contains_key(CONTENT_LENGTH) {
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if parts.uri.authority().is_some() {
            let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
            parts.uri = Uri::from(path);
        }
        parts.version = Version::HTTP_11;
        Some(Request::from_parts(parts, body))
    }
}

/// A head as HTTP/2 has it: the host in the target, and `te` where the client takes trailers.
fn addressed(mut parts: Parts, trailers: bool) -> Option<Parts> {
    let host = parts.headers.remove(HOST)?;
    let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme("http").authority(host.as_bytes()).path_and_query(path);
    parts.uri = uri.build().ok()?;
    parts.version = Version::HTTP_2;
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Some(parts)
}

fn wants_trailers(te: &HeaderValue) -> bool {
    te.as_bytes()
        .split(|byte| *byte == b',')
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Whether a head asks for, or grants, a WebSocket. No other protocol is tunnelled: HTTP in it would pass unseen.
fn wants_tunnel(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(UPGRADE).iter();
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let mut named =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    websocket(field) && named.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// An upstream's answer without what is hop-by-hop, with what the core adds.
fn respond(mut parts: http::response::Parts, forward: Forward, body: OutBody) -> Response<OutBody> {
    strip(&mut parts.headers);
    add(&mut parts.headers, forward);
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    response
}

/// Where a request body goes on from.
enum Outgoing {
    Empty,
    Full(Bytes),
    /// The beginning was read already.
    Rest(Bytes, Incoming),
    Stream(Incoming),
}

/// A head with what hyper keeps elsewhere made readable.
struct Head<'a> {
    parts: &'a Parts,
    authority: Cow<'a, str>,
    path: &'a str,
    query: &'a str,
    fields: Fields<'a>,
}

impl<'a> Head<'a> {
    /// One pass over the headers; `None` where a value that matters is not text.
    fn of(parts: &'a Parts, secured: bool) -> Option<Self> {
        let mut fields = Fields::default();
        let mut host = None;
        for (name, value) in &parts.headers {
            let name = name.as_str();
            if let Some(slot) = fields.slot(name) {
                match value.to_str() {
                    Ok(value) => slot.add(value),
                    // Not text, so it cannot be read in one way.
                    Err(_) => *slot = Once::Many,
                }
            } else if name == "host" {
                host = Some(value.to_str().ok()?);
            }
        }
        let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let (path, query) = match target.find('?') {
            Some(at) => target.split_at_checked(at)?,
            None => (target, ""),
        };
        let host = host.unwrap_or("");
        let host = host.strip_suffix(if secured { ":443" } else { ":80" }).unwrap_or(host);
        let authority = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        Some(Self { parts, authority, path: if path.is_empty() { "/" } else { path }, query, fields })
    }

    fn view(&self) -> RequestHead<'_> {
        RequestHead {
            method: self.parts.method.as_str(),
            authority: &self.authority,
            path: self.path,
            query: self.query,
            fields: self.fields,
            headers: Headers::Map(&self.parts.headers),
        }
    }
}

/// Trailers without what is ours, and without what would frame or route a message.
pub(super) fn strip_trailers(mut trailers: HeaderMap) -> HeaderMap {
    strip(&mut trailers);
    for name in [HOST, CONTENT_LENGTH] {
        trailers.remove(name);
    }
    trailers
}

/// An answer to `HEAD` says how long its body would be and has none, which over HTTP/2 nobody else sees to.
fn headless(mut response: Response<OutBody>) -> Response<OutBody> {
    if let OutBody::Full(Some(bytes)) = response.body() {
        let length = HeaderValue::from(bytes.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        *response.body_mut() = OutBody::Full(None);
    }
    response
}

/// Takes out the end-to-end fields that `connection` names (RFC 9110 §7.6.1); rare, so only then looked at one by one.
fn drop_named(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !HOP_BY_HOP.contains(&name.as_str()))
        .filter(|name| !matches!(name.as_str(), "host" | "content-length" | "content-type" | "authorization"))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Takes out what is hop-by-hop or ours.
fn strip(headers: &mut HeaderMap) {
    drop_named(headers);
    // What is kept moves into a fresh map: taking many out of the old one costs more.
    if headers.keys().any(|name| is_doomed(name.as_str())) {
        let mut kept = HeaderMap::with_capacity(headers.len());
        let mut fields = headers.drain().peekable();
        // A field that comes more than once has its name in front of the first one only.
        let mut last: Option<HeaderName> = None;
        while let Some((name, value)) = fields.next() {
            let Some(name) = name.or(last) else { break };
            last = fields.peek().is_some_and(|(next, _)| next.is_none()).then(|| name.clone());
            if !is_doomed(name.as_str()) {
                kept.append(name, value);
            }
        }
        drop(fields);
        *headers = kept;
    }
}

fn is_doomed(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'g') => is_ours(name),
        Some(b'c' | b'k' | b'p' | b't' | b'u') => HOP_BY_HOP.contains(&name),
        _ => false,
    }
}

fn add(headers: &mut HeaderMap, forward: Forward) {
    let mut put = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    };
    put(VERDICT, forward.verdict);
    put(REFERENCE, forward.reference);
    if let Some(version) = forward.policy_version {
        headers.insert(POLICY_VERSION, HeaderValue::from(version));
    }
}

/// An answer of the core as a response.
fn out(answer: names::Response) -> Response<OutBody> {
    let body = (!answer.body.is_empty()).then(|| Bytes::from(answer.body));
    let mut response = Response::new(OutBody::Full(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
