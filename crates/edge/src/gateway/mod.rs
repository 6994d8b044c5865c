//! The gateway: sockets around an [`EdgeCore`], HTTP/1.1 in front and behind.
//!
//! Thread per core: each worker has its own listener on the shared port, its own single-threaded runtime and its
//! own links to the upstreams and to the cloud, so a request never changes threads. One further thread pulls
//! what the cloud publishes, ships what the node owes, and one syncs the journal.
//!
//! hyper speaks HTTP; what it would repair silently is refused in front of it (`framing`). Timeouts are
//! those of `watch`, not timers per request.

mod background;
mod body;
mod cloud;
mod framing;
mod gate;
mod hosted;
mod line;
mod link;
mod listen;
mod proxy;
mod stream;
mod tunnel;
mod watch;

pub use hosted::{Background, Cloud, listeners};
pub use listen::BindError;

use crate::core::EdgeCore;
use crate::state::lock;
use cloud::CloudClient;
use glacis_wire::message::refusal::Refusal;
use http::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use link::Links;
use proxy::Peer;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;
use stream::ClientStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watch::{TICK, Watcher};

/// A bound gateway that does not run yet.
#[derive(Debug)]
pub struct Gateway {
    core: Arc<EdgeCore>,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

/// A running gateway. Dropping it lets it run on; [`shutdown`](Self::shutdown) ends it.
#[derive(Debug)]
pub struct Running {
    core: Arc<EdgeCore>,
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What all threads of a gateway share.
#[derive(Debug)]
struct Shared {
    stopping: AtomicBool,
    connections: AtomicUsize,
    stop: tokio::sync::Notify,
}

/// One worker thread.
#[derive(Debug)]
struct Worker {
    core: Arc<EdgeCore>,
    shared: Arc<Shared>,
    upstreams: Vec<Arc<Links>>,
    cloud: CloudClient,
    watcher: Arc<Watcher>,
}

impl Gateway {
    /// Binds the configured address; an error says who holds a port that is taken.
    pub fn bind(core: Arc<EdgeCore>) -> Result<Self, BindError> {
        let listeners = listen::bind(core.config().listen, core.config().threads)?;
        let address =
            listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(core.config().listen);
        Ok(Self { core, listeners, address })
    }

    /// Where clients connect; with port 0 configured, the port that the system chose.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Starts all threads.
    pub fn start(self) -> io::Result<Running> {
        let stop = tokio::sync::Notify::new();
        let (stopping, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
        let shared = Arc::new(Shared { stopping, connections, stop });
        let mut threads = Vec::new();
        for (at, listener) in self.listeners.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (core, shared) = (Arc::clone(&self.core), Arc::clone(&shared));
            let work = move || runtime.block_on(Worker::new(core, shared).run(listener));
            threads.push(std::thread::Builder::new().name(format!("edge-{at}")).spawn(work)?);
        }
        threads.extend(background::start(&self.core, &shared)?);
        Ok(Running { core: self.core, address: self.address, shared, threads })
    }
}

impl Running {
    /// Where clients connect.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The pipeline behind it.
    pub const fn core(&self) -> &Arc<EdgeCore> {
        &self.core
    }

    /// Takes no new connections, lets running requests finish (at most `drain`), ships and syncs what is owed.
    pub fn shutdown(self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stop.notify_waiters();
        for thread in self.threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread of the gateway ended in a panic");
            }
        }
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Returns when the gateway is to stop.
    async fn stopped(&self) {
        let mut notified = std::pin::pin!(self.stop.notified());
        notified.as_mut().enable();
        if !self.is_stopping() {
            notified.await;
        }
    }
}

impl Worker {
    fn new(core: Arc<EdgeCore>, shared: Arc<Shared>) -> Arc<Self> {
        let links =
            |upstream: &crate::config::Upstream| Arc::new(Links::new(upstream.address, upstream.idle));
        let upstreams = core.config().upstreams.iter().map(links).collect();
        let cloud = CloudClient::new(Arc::clone(&core));
        Arc::new(Self { core, shared, upstreams, cloud, watcher: Watcher::new() })
    }

    /// Longest wait for the cloud where a device itself asks it something.
    fn relay_wait(&self) -> Duration {
        self.core.config().limits.upstream_wait.min(RELAY_WAIT)
    }

    async fn run(self: Arc<Self>, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "listener cannot be used"),
        };
        let ticker = tokio::spawn(Arc::clone(&self).tick());
        let mut stopped = std::pin::pin!(self.shared.stopped());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => self.accept(socket, peer),
                    // Out of descriptors, mostly: give connections time to end.
                    Err(error) => {
                        tracing::warn!(%error, "connection not accepted");
                        tokio::time::sleep(TICK).await;
                    }
                }
            }
        }
        drop(listener);
        self.watcher.drain();
        let steps = self.core.config().limits.drain.as_millis() / DRAIN_STEP.as_millis();
        for _ in 0..steps {
            if self.watcher.open() == 0 {
                break;
            }
            tokio::time::sleep(DRAIN_STEP).await;
        }
        ticker.abort();
    }

    async fn tick(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.watcher.tick(&self.core.config().limits);
            self.upstreams.iter().for_each(|links| links.tick());
        }
    }

    fn accept(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        let worker = Arc::clone(self);
        let open = self.shared.connections.fetch_add(1, Ordering::AcqRel);
        self.core.metrics().connected();
        tokio::spawn(async move {
            if open < worker.core.config().limits.connections {
                worker.connection(socket, peer).await;
            } else {
                worker.turn_away(socket, Refusal::Overloaded).await;
            }
            worker.shared.connections.fetch_sub(1, Ordering::AcqRel);
            worker.core.metrics().disconnected();
        });
    }

    async fn connection(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let watch = self.watcher.add();
        let served = Arc::new(AtomicU64::new(0));
        let address = peer.ip().to_canonical();
        let forwarded =
            HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        let (worker, served_too) = (Arc::clone(self), Arc::clone(&served));
        let client = Arc::new(Peer {
            worker,
            watch: Arc::clone(&watch),
            served: served_too,
            address,
            forwarded,
            tunnel: Mutex::default(),
        });
        let head_max = self.core.config().limits.head_bytes;
        let stream = ClientStream::new(socket, Arc::clone(&self.core), Arc::clone(&watch), served);
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
            if watch.is_draining() && !draining {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            Pin::new(&mut connection).poll(cx).map(drop)
        })
        .await;
        let parts = connection.into_parts();
        let stream = parts.io.into_inner();
        let granted = lock(&client.tunnel).take();
        if let Some(link) = granted {
            // A tunnel may be silent for as long as both ends like; it still counts as a connection.
            let socket = stream.socket;
            drop((client, watch));
            return tunnel::run(socket, &parts.read_buf, *link, &self.shared).await;
        }
        if let Some(refusal) = stream.tracker.refusal()
            && stream.tracker.stopped_at_head()
            && stream.is_served()
        {
            self.turn_away(stream.socket, refusal).await;
        }
    }

    /// Answers a connection that no request can be read from, and ends it so that the answer arrives.
    async fn turn_away(&self, mut socket: TcpStream, refusal: Refusal) {
        let answer = framing::raw(&self.core.refusal(refusal));
        let farewell = async {
            socket.write_all(&answer).await?;
            socket.shutdown().await?;
            // Unread bytes would turn the close into a reset, which can overtake the answer.
            let mut sink = [0; 4_096];
            for _ in 0..LINGER_READS_MAX {
                if socket.read(&mut sink).await? == 0 {
                    break;
                }
            }
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(LINGER, farewell).await;
    }
}

/// Longest wait for the cloud where a device itself asks it something.
const RELAY_WAIT: Duration = Duration::from_secs(10);
/// Pause between two looks at the connections while draining.
const DRAIN_STEP: Duration = Duration::from_millis(10);
/// Longest time spent on a connection after its refusal.
const LINGER: Duration = Duration::from_secs(1);
/// Most reads that are thrown away after a refusal.
const LINGER_READS_MAX: usize = 64;
