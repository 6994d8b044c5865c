//! Connections to upstreams that carry many requests at once: HTTP/2 in clear text, known beforehand.
//!
//! A worker keeps few of them. Each is driven by a task of its own, as no single request can. What an upstream did not
//! process is sent once more: what never left, and what it refused or took no notice of when it said that it goes
//! (RFC 9113 §8.7), if the body is still here.

use super::body::UpBody;
use super::link::{LinkError, Links, again, expiring};
use super::watch::{TICK, Watch};
use crate::config::{Protocol, Upstream};
use crate::state::lock;
use ::h2::Reason;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;

/// A worker's way to one upstream.
#[derive(Clone, Debug)]
pub(super) enum Road {
    Links(Arc<Links>),
    Many(Arc<Many>),
}

impl Road {
    pub(super) fn new(upstream: &Upstream) -> Self {
        match upstream.protocol {
            Protocol::Http1 => Self::Links(Arc::new(Links::new(upstream.address, upstream.idle))),
            Protocol::Http2 => Self::Many(Arc::new(Many::new(upstream.address, upstream.idle))),
        }
    }

    /// Closes what was idle for too long; to be called once a tick.
    pub(super) fn tick(&self) {
        match self {
            Self::Links(links) => links.tick(),
            Self::Many(many) => many.tick(),
        }
    }
}

/// The connections of one worker to one upstream.
#[derive(Debug)]
pub(super) struct Many {
    address: SocketAddr,
    /// Ticks that a connection is kept without a request.
    keep: u32,
    open: Mutex<Vec<Carrier>>,
    /// One connects, and the others wait for it.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Carrier {
    sender: SendRequest<UpBody>,
    load: Arc<Load>,
}

#[derive(Debug, Default)]
struct Load {
    running: AtomicU32,
    /// Ticks since there was a request.
    idle: AtomicU32,
}

/// One request on a shared connection, until its answer is over.
#[derive(Debug)]
pub(super) struct Lease(Arc<Load>);

impl Lease {
    fn on(load: &Arc<Load>) -> Self {
        load.running.fetch_add(1, Ordering::Relaxed);
        load.idle.store(0, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Many {
    fn new(address: SocketAddr, keep: Duration) -> Self {
        let keep = u32::try_from(keep.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
        Self { address, keep, open: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    fn tick(&self) {
        lock(&self.open).retain(|carrier| {
            let used = carrier.load.running.load(Ordering::Relaxed) > 0;
            // Whoever gives a sender away ends its connection, after what runs on it.
            let idle = carrier.load.idle.fetch_add(1, Ordering::Relaxed);
            !carrier.sender.is_closed() && (used || idle < self.keep)
        });
    }

    /// The connection with the fewest requests, unless that is full and there may be a further one.
    fn take(&self) -> Option<(SendRequest<UpBody>, Lease)> {
        let mut open = lock(&self.open);
        open.retain(|carrier| !carrier.sender.is_closed());
        let running = |carrier: &&Carrier| carrier.load.running.load(Ordering::Relaxed);
        let least = open.iter().min_by_key(running)?;
        let full = running(&least) >= STREAMS_MAX && open.len() < CONNECTIONS_MAX;
        (!full).then(|| (least.sender.clone(), Lease::on(&least.load)))
    }

    async fn connect(&self) -> Result<(SendRequest<UpBody>, Lease), LinkError> {
        let socket = TcpStream::connect(self.address).await.map_err(|_| LinkError::Broken)?;
        socket.set_nodelay(true).map_err(|_| LinkError::Broken)?;
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_BYTES_MAX)
            .max_send_buf_size(SEND_BUFFER);
        let (sender, connection) =
            http.handshake(TokioIo::new(socket)).await.map_err(|_| LinkError::Broken)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an upstream ended");
            }
        });
        let load = Arc::new(Load::default());
        let lease = Lease::on(&load);
        let mut open = lock(&self.open);
        // Others may have connected meanwhile; what is not kept ends with its request.
        if open.len() < CONNECTIONS_MAX {
            open.push(Carrier { sender: sender.clone(), load });
        }
        Ok((sender, lease))
    }

    /// A connection with room, or a new one; whether it is new.
    async fn lend(&self, fresh: bool) -> Result<(SendRequest<UpBody>, Lease, bool), LinkError> {
        let open = || self.take().filter(|_| !fresh).map(|(sender, lease)| (sender, lease, false));
        if let Some(open) = open() {
            return Ok(open);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(open) = open() {
            return Ok(open);
        }
        self.connect().await.map(|(sender, lease)| (sender, lease, true))
    }

    /// No further request goes over this connection: it may be dead without anybody having said so.
    fn distrust(&self, lease: &Lease) {
        lock(&self.open).retain(|carrier| !Arc::ptr_eq(&carrier.load, &lease.0));
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        request: Request<UpBody>,
        watch: &Watch,
    ) -> Result<(Response<Incoming>, Lease), LinkError> {
        let mut copy = again(&request);
        let mut next = Some(request);
        let mut fresh = false;
        while let Some(request) = next.take() {
            let (mut sender, lease, is_new) = expiring(pin!(self.lend(fresh)), Some(watch)).await??;
            let mut answer = pin!(sender.try_send_request(request));
            let mut failed = match expiring(answer.as_mut(), Some(watch)).await {
                Ok(Ok(answer)) => return Ok((answer, lease)),
                Ok(Err(failed)) => failed,
                Err(expired) => {
                    self.distrust(&lease);
                    return Err(expired);
                }
            };
            if is_new {
                break;
            }
            fresh = true;
            let unsent = failed.take_message();
            next = unsent.or_else(|| copy.take().filter(|copy| may_repeat(copy, failed.error())));
        }
        Err(LinkError::Broken)
    }
}

/// Whether a request that was sent can be sent once more: it was not processed, or may arrive twice and was not heard of.
fn may_repeat(request: &Request<UpBody>, error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<::h2::Error>());
    let refused = cause.is_some_and(|cause| {
        let left = cause.is_go_away() && cause.is_remote() && cause.reason() == Some(Reason::NO_ERROR);
        left || cause.reason() == Some(Reason::REFUSED_STREAM)
    });
    let lost = cause.is_none_or(|cause| cause.is_io());
    refused || (lost && request.method().is_idempotent())
}

/// Requests on one connection before there is another. Source: RFC 9113 §6.5.2, what every upstream should allow.
const STREAMS_MAX: u32 = 100;
/// Most connections of one worker to one upstream; beyond [`STREAMS_MAX`] on each, requests wait their turn.
const CONNECTIONS_MAX: usize = 8;
/// What an upstream may send of one answer before the client has taken it. Unit: bytes.
const STREAM_WINDOW: u32 = 65_535;
/// The same of all answers on a connection, which clients share: none that does not read may use it up for the others, so
/// the windows of the streams are what bounds memory.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// Longest head of an answer. Unit: bytes, as RFC 9113 §6.5.2 counts them.
const HEAD_BYTES_MAX: u32 = 65_536;
/// What waits for an upstream of one request. Unit: bytes.
const SEND_BUFFER: usize = 65_536;
