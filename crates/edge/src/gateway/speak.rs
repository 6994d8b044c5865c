//! What is spoken on one connection of a client: TLS or not, HTTP/1.1 or HTTP/2.
//!
//! Under TLS the client chooses by ALPN. In clear text whoever begins with the preface of HTTP/2 speaks it, and all
//! others HTTP/1.1; the upgrade from one to the other (RFC 7540 §3.2) is gone from RFC 9113 and not offered.

use super::http2::{Resets, Wire};
use super::proxy::{Origin, Peer};
use super::stream::ClientStream;
use super::watch::Watch;
use super::{Worker, tunnel};
use crate::gateway::tls::Tls;
use crate::state::lock;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Bytes both ways, in clear or not.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

impl Worker {
    /// Serves one connection to its end.
    pub(super) async fn connection(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let watch = self.watcher.add();
        let origin = Origin::new(peer, self.tls.is_some());
        let Some(tls) = &self.tls else {
            let preface = self.http1(socket, Arc::clone(&watch), origin.clone()).await;
            // On the heap, as all that most connections do not have.
            if let Some((socket, early)) = preface {
                Box::pin(self.http2(Wire::new(socket, early, &self.core, &watch), watch, origin)).await;
            }
            return;
        };
        Box::pin(self.secured(tls, socket, watch, origin)).await;
    }

    async fn secured(self: &Arc<Self>, tls: &Tls, socket: TcpStream, watch: Arc<Watch>, origin: Origin) {
        // LIMIT: handshakes cost more than anything else that a stranger can ask for.
        let most = self.core.config().tls.as_ref().map_or(0, |tls| tls.handshakes);
        let begun = self.handshakes.fetch_add(1, Ordering::AcqRel);
        let shaken = if begun < most {
            let mut handshake = pin!(TlsAcceptor::from(tls.live()).accept(socket));
            let mut registered = false;
            poll_fn(|cx| {
                if !registered {
                    watch.register(cx.waker());
                    registered = true;
                }
                if watch.is_killed() || watch.is_draining() {
                    return Poll::Ready(None);
                }
                handshake.as_mut().poll(cx).map(Some)
            })
            .await
        } else {
            None
        };
        self.handshakes.fetch_sub(1, Ordering::AcqRel);
        match shaken {
            Some(Ok(socket)) if socket.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(Wire::new(socket, Vec::new(), &self.core, &watch), watch, origin).await;
            }
            Some(Ok(socket)) => drop(self.http1(socket, watch, origin).await),
            Some(Err(error)) => tracing::debug!(%error, "handshake failed"),
            None => {}
        }
    }

    /// HTTP/1.1 on a connection; where the client speaks HTTP/2 instead, the connection and what was read of it.
    async fn http1<S: Socket>(
        self: &Arc<Self>,
        socket: S,
        watch: Arc<Watch>,
        origin: Origin,
    ) -> Option<(S, Vec<u8>)> {
        let served = Arc::new(AtomicU64::new(0));
        let (worker, served_too) = (Arc::clone(self), Arc::clone(&served));
        let secured = origin.secured;
        let client = Arc::new(Peer {
            worker,
            watch: Arc::clone(&watch),
            served: served_too,
            origin,
            tunnel: Mutex::default(),
        });
        let head_max = self.core.config().limits.head_bytes;
        let mut stream = ClientStream::new(socket, Arc::clone(&self.core), Arc::clone(&watch), served);
        if secured {
            stream.secured();
        } else if self.core.config().http2.enabled {
            stream.look();
        }
        let peer = Arc::clone(&client);
        let service = service_fn(move |request| {
            let client = Arc::clone(&peer);
            async move { Ok::<_, Infallible>(client.serve(request).await) }
        });
        let mut http = http1::Builder::new();
        http.half_close(false)
            .pipeline_flush(false)
            .auto_date_header(false)
            .max_buf_size(head_max.max(8_192) * 2);
        let mut connection = http.serve_connection(TokioIo::new(stream), service);
        attend(&watch, || false, Pin::new(&mut connection), http1::Connection::graceful_shutdown).await;
        let parts = connection.into_parts();
        let mut stream = parts.io.into_inner();
        let granted = lock(&client.tunnel).take();
        if let Some(link) = granted {
            // A tunnel may be silent for as long as both ends like; it still counts as a connection.
            let socket = stream.socket;
            drop((client, watch));
            tunnel::run(socket, &parts.read_buf, *link, &self.shared).await;
            return None;
        }
        if let Some(early) = stream.preface() {
            return Some((stream.socket, early));
        }
        if let Some(refusal) = stream.tracker.refusal()
            && stream.tracker.stopped_at_head()
            && stream.is_served()
        {
            self.turn_away(stream.socket, refusal).await;
        }
        None
    }

    /// HTTP/2 on a connection. Each request is watched by itself; the connection is idle while there is none.
    async fn http2<S: Socket>(self: &Arc<Self>, wire: Wire<S>, watch: Arc<Watch>, origin: Origin) {
        let config = self.core.config();
        let resets = Resets::new(config.http2.resets, Arc::clone(&watch));
        let served = Arc::clone(&resets.served);
        let (worker, connection_watch) = (Arc::clone(self), Arc::clone(&watch));
        let service = service_fn(move |request| {
            let peer = Arc::new(Peer {
                worker: Arc::clone(&worker),
                watch: connection_watch.stream(),
                served: Arc::clone(&resets.served),
                origin: origin.clone(),
                tunnel: Mutex::default(),
            });
            let running = resets.begin();
            async move {
                let watch = Arc::clone(&peer.watch);
                let mut serving = pin!(peer.serve(request));
                let mut registered = false;
                let answer = poll_fn(|cx| {
                    // The task of the stream: it also carries the answer's body later.
                    if !registered {
                        watch.register(cx.waker());
                        registered = true;
                    }
                    serving.as_mut().poll(cx)
                })
                .await;
                running.done();
                Ok::<_, Infallible>(answer)
            }
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.auto_date_header(false)
            .max_concurrent_streams(config.http2.streams)
            .max_header_list_size(u32::try_from(config.limits.head_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .max_local_error_reset_streams(ERRORS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        let connection = pin!(http.serve_connection(TokioIo::new(wire), service));
        // One that was never answered would be cut off, so it is told after its first answer.
        let leaves = || self.core.is_draining() && served.load(Ordering::Acquire) > 0;
        attend(&watch, leaves, connection, http2::Connection::graceful_shutdown).await;
    }
}

/// Polls a connection to its end, or to where its watch ends it; once there is to be no further request, it is told to
/// `leave`.
async fn attend<C: Future>(
    watch: &Watch,
    leaves: impl Fn() -> bool,
    mut connection: Pin<&mut C>,
    leave: impl Fn(Pin<&mut C>),
) {
    let mut draining = false;
    let mut registered = false;
    poll_fn(|cx| {
        if !registered {
            watch.register(cx.waker());
            registered = true;
        }
        if watch.is_killed() {
            return Poll::Ready(());
        }
        if !draining && (watch.is_draining() || leaves()) {
            draining = true;
            leave(connection.as_mut());
        }
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Streams that a client opens and resets before they are looked at; more ends the connection. Source: CVE-2023-44487,
/// h2's own default.
const PENDING_RESETS_MAX: usize = 20;
/// Streams that we reset for what the client did wrong; more ends the connection.
const ERRORS_MAX: usize = 64;
/// What a client may send of one body before the upstream has taken it. Unit: bytes.
const STREAM_WINDOW: u32 = 65_535;
/// The same of all bodies on a connection.
const CONNECTION_WINDOW: u32 = 262_144;
/// What waits for a client of one answer. Unit: bytes.
const SEND_BUFFER: usize = 65_536;
