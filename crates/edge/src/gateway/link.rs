//! Connections to upstreams and to the cloud, kept alive per worker.
//!
//! A link is driven by the task that uses it: whoever waits for the answer also polls the connection. That saves
//! a task, a channel hop and two wake-ups a request against the usual spawned connection. An idle link is driven by
//! nobody, kept for a short time only, and asked whether it is still open and silent before it is used.
//!
//! A peer may still close a link just as a request leaves. The request is then sent once more, over a fresh link, where
//! that does no harm: it was not sent at all, or nothing was answered, its method is idempotent (RFC 9110 §9.2.2) and
//! its body is still here. Any other request is lost with its link; from then on, for a while, such requests have links
//! of their own.

use super::body::UpBody;
use super::line::{Ear, Line};
use super::watch::{TICK, Watch};
use crate::state::lock;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;

/// Most idle links that one worker keeps to one place.
const IDLE_MAX: usize = 512;

/// Requests that cannot be sent once more and get fresh links, after the peer has closed an idle one early.
const WARY_FOR: u32 = 256;

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<UpBody>,
    connection: Connection<TokioIo<Line>, UpBody>,
    ear: Ear,
    closed: bool,
}

/// Idle connections of one worker to one place.
#[derive(Debug)]
pub(super) struct Links {
    address: SocketAddr,
    /// Ticks that a link is kept idle.
    keep: u32,
    tick: AtomicU32,
    /// How many of [`WARY_FOR`] are left.
    wary: AtomicU32,
    /// In the order in which they were put here.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    since: u32,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// No connection, or it broke, or its peer does not speak HTTP.
    Broken,
    /// Waited too long.
    Expired,
}

impl Link {
    /// Lets the connection do what it can; remembers whether it is over.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }

    /// Whether an idle link can take a request: its peer has neither closed it nor said anything.
    fn is_usable(&mut self) -> bool {
        self.ear.probe(true);
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.ear.probe(false);
        self.ear.listen();
        !self.closed && self.sender.is_ready()
    }

    /// The socket behind a link whose peer switched protocols, and what was read from it since.
    pub(super) fn into_socket(self) -> (TcpStream, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner().into_socket(), parts.read_buf)
    }
}

impl Links {
    /// Links are kept idle for at most `keep`, in whole ticks, if somebody calls [`tick`](Self::tick).
    pub(super) fn new(address: SocketAddr, keep: Duration) -> Self {
        let keep = u32::try_from(keep.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
        Self { address, keep, tick: AtomicU32::new(0), wary: AtomicU32::new(0), idle: Mutex::default() }
    }

    /// Closes what was idle for too long; to be called once a tick.
    pub(super) fn tick(&self) {
        let now = self.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut idle = lock(&self.idle);
        let old = idle.iter().take_while(|idle| now.wrapping_sub(idle.since) >= self.keep).count();
        idle.drain(..old);
    }

    /// Keeps a link for the next request, if it can serve one.
    pub(super) fn put(&self, link: Box<Link>) {
        let mut idle = lock(&self.idle);
        if self.keep > 0 && !link.closed && link.sender.is_ready() && idle.len() < IDLE_MAX {
            idle.push(Idle { link, since: self.tick.load(Ordering::Relaxed) });
        }
    }

    /// An idle link that is still open, for a request that can be sent once more, or cannot.
    fn take(&self, repeatable: bool) -> Option<Box<Link>> {
        let wary = |left: u32| left.checked_sub(1);
        if !repeatable && self.wary.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wary).is_ok() {
            return None;
        }
        loop {
            let mut link = lock(&self.idle).pop()?.link;
            if link.is_usable() {
                return Some(link);
            }
            self.distrust();
            if !repeatable {
                return None;
            }
        }
    }

    /// The peer closes links sooner than we do.
    fn distrust(&self) {
        self.wary.store(WARY_FOR, Ordering::Relaxed);
    }

    async fn connect(&self) -> Result<Box<Link>, LinkError> {
        let socket = TcpStream::connect(self.address).await.map_err(|_| LinkError::Broken)?;
        socket.set_nodelay(true).map_err(|_| LinkError::Broken)?;
        let (line, ear) = Line::new(socket);
        let (mut sender, mut connection) =
            http1::handshake(TokioIo::new(line)).await.map_err(|_| LinkError::Broken)?;
        let mut closed = false;
        poll_fn(|cx| {
            closed = Pin::new(&mut connection).poll(cx).is_ready();
            sender.poll_ready(cx)
        })
        .await
        .map_err(|_| LinkError::Broken)?;
        Ok(Box::new(Link { sender, connection, ear, closed }))
    }

    /// Sends a request and waits for the head of its answer. What an idle link lost without harm goes over a fresh
    /// one, once.
    pub(super) async fn send(
        &self,
        mut request: Request<UpBody>,
        watch: Option<&Watch>,
    ) -> Result<(Response<Incoming>, Box<Link>), LinkError> {
        let copy = copy(&request);
        if let Some(link) = self.take(copy.is_some()) {
            match exchange(link, request, watch).await {
                Ok(answer) => return Ok(answer),
                Err(Failed { unsent: Some(back), .. }) => request = *back,
                Err(Failed { error, heard, unsent: None }) => {
                    if error == LinkError::Broken {
                        self.distrust();
                    }
                    request = copy.filter(|_| error == LinkError::Broken && !heard).ok_or(error)?;
                }
            }
        }
        // On the heap: it happens once a connection, and would make every request's future larger.
        let link = expiring(Box::pin(self.connect()).as_mut(), watch).await??;
        exchange(link, request, watch).await.map_err(|failed| failed.error)
    }
}

/// A request that got no answer.
struct Failed {
    error: LinkError,
    /// Whether some of an answer came.
    heard: bool,
    /// The request itself, where none of it was sent.
    unsent: Option<Box<Request<UpBody>>>,
}

/// A request to send once more: one that may arrive twice, with a body that is not used up by sending it.
fn copy(request: &Request<UpBody>) -> Option<Request<UpBody>> {
    if request.method().is_idempotent() { again(request) } else { None }
}

/// The same request, where sending it does not use up its body.
pub(super) fn again(request: &Request<UpBody>) -> Option<Request<UpBody>> {
    let body = request.body().again()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Waits for `work` unless the watch says that it took too long.
pub(super) async fn expiring<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    watch: Option<&Watch>,
) -> Result<T, LinkError> {
    poll_fn(|cx| {
        if watch.is_some_and(Watch::take_expired) {
            return Poll::Ready(Err(LinkError::Expired));
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}

async fn exchange(
    mut link: Box<Link>,
    request: Request<UpBody>,
    watch: Option<&Watch>,
) -> Result<(Response<Incoming>, Box<Link>), Failed> {
    let mut answer = pin!(link.sender.try_send_request(request));
    let done = poll_fn(|cx| {
        if watch.is_some_and(Watch::take_expired) {
            return Poll::Ready(Err(LinkError::Expired));
        }
        if !link.closed {
            link.closed = Pin::new(&mut link.connection).poll(cx).is_ready();
        }
        answer.as_mut().poll(cx).map(Ok)
    });
    let (error, unsent) = match done.await {
        Ok(Ok(response)) => return Ok((response, link)),
        Ok(Err(mut failed)) => (LinkError::Broken, failed.take_message().map(Box::new)),
        Err(error) => (error, None),
    };
    Err(Failed { error, heard: link.ear.heard(), unsent })
}
