//! Bodies on their way: to the client, to the upstream, and from the upstream with the link that carries it.
//!
//! Trailers go on without what is ours and what would frame or route a message (RFC 9110 §6.5.1), to whoever speaks of
//! them: over HTTP/1.1 hyper sends none that no field announced.
//!
//! A streamed request body is hashed as it passes, and its last byte waits until the digest is the signed one. A
//! body that breaks off is remembered with its cause; nothing here decides what the client is told.

use super::gate::Gate;
use super::link::{Link, Links};
use super::many::Lease;
use super::proxy::strip_trailers;
use super::watch::Watch;
use crate::core::EdgeCore;
use crate::learnt::Counted;
use bytes::Bytes;
use glacis_seal::Sha256;
use glacis_wire::Digest;
use glacis_wire::message::refusal::Refusal;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};

/// Why a body broke off. The text never reaches a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("upstream broke off")]
    Upstream,
    #[error("waited too long")]
    Expired,
    #[error("body refused: {0:?}")]
    Refused(Refusal),
}

/// Why a body is not whole in memory.
#[derive(Debug)]
pub(super) enum Uncollected {
    /// It is longer than allowed; this is what was read of it, the rest is still to come.
    Longer(Bytes),
    Broken,
}

/// A request body for an upstream or the cloud.
#[derive(Debug)]
pub(super) enum UpBody {
    Empty,
    Full(Option<Bytes>),
    Stream(Box<Checked>),
}

impl UpBody {
    /// The same body once more, where sending it does not use it up.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Stream(_) => None,
        }
    }
}

/// Why a streamed request body was not sent to its end; shared with whoever answers the client.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

impl Fate {
    const NONE: u8 = 0;
    const DIGEST: u8 = 1;
    const LARGE: u8 = 2;
    const FRAMING: u8 = 3;

    fn set(&self, fate: u8) {
        self.0.store(fate, Ordering::Release);
    }

    /// The refusal that the body earned.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self.0.load(Ordering::Acquire) {
            Self::NONE => None,
            Self::DIGEST => Some(Refusal::DigestMismatch),
            Self::LARGE => Some(Refusal::BodyTooLarge),
            _ => Some(Refusal::Framing),
        }
    }
}

/// A streamed request body. Its last byte is held back until the digest over all of it is the signed one, so an
/// upstream never gets a whole body that is not; where the route observes, the body goes on as it is and the core is told.
#[derive(Debug)]
pub(super) struct Checked {
    /// What was read before it was decided that the body streams; never with a digest.
    before: Option<Bytes>,
    inner: Incoming,
    hash: Option<(Sha256, Digest)>,
    held: Option<Bytes>,
    trailers: Option<HeaderMap>,
    left: usize,
    done: bool,
    fate: Fate,
    /// The stream that the body comes over, where that is not the whole connection.
    paced: Option<Arc<Watch>>,
    /// Who is told of another digest, where that does not act.
    observer: Option<(Arc<EdgeCore>, Option<Counted>)>,
    /// Closed while the upstream has not said that it wants the body.
    gate: Option<Gate>,
}

impl Checked {
    /// `content` is what the body must hash to; `None` where nobody signed it.
    pub(super) fn new(inner: Incoming, content: Option<Digest>, limit: usize, fate: Fate) -> Self {
        let hash = content.map(|content| (Sha256::new(), content));
        Self {
            before: None,
            inner,
            hash,
            held: None,
            trailers: None,
            left: limit,
            done: false,
            fate,
            paced: None,
            observer: None,
            gate: None,
        }
    }

    /// A body of which `before` was read already, as nobody signed it or nothing acts.
    pub(super) fn resumed(before: Bytes, inner: Incoming, fate: Fate) -> Self {
        Self { before: Some(before), ..Self::new(inner, None, usize::MAX, fate) }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.inner.size_hint();
        let before = self.before.as_ref().map_or(0, |before| u64::try_from(before.len()).unwrap_or(u64::MAX));
        rest.exact().map_or_else(SizeHint::new, |rest| SizeHint::with_exact(rest.saturating_add(before)))
    }

    /// The body is not asked for before `gate` opens.
    pub(super) fn behind(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    /// What comes is progress of `watch`.
    pub(super) fn paced(mut self, watch: Arc<Watch>) -> Self {
        self.paced = Some(watch);
        self
    }

    /// A body with another digest goes on as well; `core` is told.
    pub(super) fn observed(mut self, core: Arc<EdgeCore>, counted: Option<Counted>) -> Self {
        self.observer = Some((core, counted));
        self
    }

    /// The body is whole: whether it may end.
    fn ends_well(&mut self) -> bool {
        let genuine = self.hash.take().is_none_or(|(hash, want)| hash.finish() == want);
        if genuine {
            return true;
        }
        let observer = self.observer.take();
        observer.is_some_and(|(core, counted)| {
            core.unlike(counted);
            true
        })
    }

    fn fail(&mut self, fate: u8, refusal: Refusal) -> BodyError {
        self.fate.set(fate);
        self.done = true;
        self.trailers = None;
        BodyError::Refused(refusal)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll(cx));
            self.gate = None;
        }
        if let Some(before) = self.before.take() {
            return Poll::Ready(Some(Ok(Frame::data(before))));
        }
        while !self.done {
            let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)) else {
                self.done = true;
                if !self.ends_well() {
                    return Poll::Ready(Some(Err(self.fail(Fate::DIGEST, Refusal::DigestMismatch))));
                }
                break;
            };
            let Ok(frame) = frame else {
                return Poll::Ready(Some(Err(self.fail(Fate::FRAMING, Refusal::Framing))));
            };
            if let Some(watch) = &self.paced {
                watch.progress();
            }
            let mut data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    self.trailers = frame.into_trailers().ok().map(strip_trailers);
                    continue;
                }
            };
            if data.is_empty() {
                continue;
            }
            let Some(left) = self.left.checked_sub(data.len()) else {
                return Poll::Ready(Some(Err(self.fail(Fate::LARGE, Refusal::BodyTooLarge))));
            };
            self.left = left;
            let Some((hash, _)) = &mut self.hash else { return Poll::Ready(Some(Ok(Frame::data(data)))) };
            hash.update(&data);
            if self.observer.is_some() {
                // Nobody may ask again when all bytes that were announced are there.
                if self.inner.is_end_stream() {
                    self.ends_well();
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let last = data.split_off(data.len() - 1);
            let before = self.held.replace(last);
            return Poll::Ready(Some(Ok(Frame::data(match before {
                None if data.is_empty() => continue,
                None => data,
                Some(before) => [before, data].concat().into(),
            }))));
        }
        let last = self.held.take().map(Frame::data);
        let last = last.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(last.map(Ok))
    }

    const fn is_over(&self) -> bool {
        self.done && self.held.is_none() && self.before.is_none() && self.trailers.is_none()
    }
}

impl Body for UpBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Full(None) => true,
            Self::Full(Some(_)) => false,
            Self::Stream(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(bytes)) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A response body for a client.
#[derive(Debug)]
pub(super) enum OutBody {
    Full(Option<Bytes>),
    Upstream(Box<UpstreamBody>),
}

/// An upstream's body with what it comes over.
#[derive(Debug)]
pub(super) struct UpstreamBody {
    incoming: Incoming,
    way: Option<Way>,
    watch: Arc<Watch>,
}

/// What an answer comes over.
#[derive(Debug)]
pub(super) enum Way {
    /// A connection of its own; it goes back to its shelf at the end.
    Link(Box<Link>, Arc<Links>),
    /// One stream of many.
    Stream(#[expect(dead_code, reason = "it is held, until the answer is over")] Lease),
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, way: Way, watch: Arc<Watch>) -> Self {
        Self { incoming, way: Some(way), watch }
    }

    fn release(&mut self) {
        if let Some(Way::Link(mut link, links)) = self.way.take() {
            // Once more, so that the link sees the end of the message and asks for the next one.
            link.drive(&mut Context::from_waker(Waker::noop()));
            links.put(link);
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = match &mut *self {
            Self::Full(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(body) => body,
        };
        if body.watch.take_expired() {
            return Poll::Ready(Some(Err(BodyError::Expired)));
        }
        if let Some(Way::Link(link, _)) = &mut body.way {
            link.drive(cx);
        }
        let frame = ready!(Pin::new(&mut body.incoming).poll_frame(cx));
        body.watch.progress();
        let Some(frame) = frame else {
            body.release();
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|_| BodyError::Upstream)?;
        Poll::Ready(Some(Ok(match frame.into_trailers() {
            Ok(trailers) => Frame::trailers(strip_trailers(trailers)),
            Err(frame) => frame,
        })))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(bytes)) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Upstream(body) => body.incoming.size_hint(),
        }
    }
}

/// Reads a whole request body of at most `limit` bytes.
pub(super) async fn collect(body: &mut Incoming, limit: usize, watch: &Watch) -> Result<Bytes, Uncollected> {
    let mut whole: Vec<u8> = Vec::new();
    let mut first: Option<Bytes> = None;
    loop {
        let frame = std::future::poll_fn(|cx| {
            if watch.take_expired() {
                return Poll::Ready(Err(Uncollected::Broken));
            }
            Pin::new(&mut *body).poll_frame(cx).map(Ok)
        });
        let Some(frame) = frame.await? else { break };
        watch.progress();
        let Ok(data) = frame.map_err(|_| Uncollected::Broken)?.into_data() else { continue };
        // Most bodies come in one piece, which then is not copied.
        match first.take() {
            None if whole.is_empty() => first = Some(data),
            before => {
                whole.extend_from_slice(&before.unwrap_or_default());
                whole.extend_from_slice(&data);
            }
        }
        if first.as_ref().map_or(whole.len(), Bytes::len) > limit {
            return Err(Uncollected::Longer(first.unwrap_or_else(|| whole.into())));
        }
    }
    Ok(first.unwrap_or_else(|| whole.into()))
}
