//! The gateway: sockets around an [`EdgeCore`], HTTP/1.1 and HTTP/2 in front, in clear text or under TLS.
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
mod http2;
mod line;
mod link;
mod listen;
mod many;
mod proxy;
mod speak;
mod stream;
mod tls;
mod tunnel;
mod watch;

pub use hosted::{Background, Cloud, listeners};
pub use listen::BindError;
pub use tls::TlsError;

use crate::config::{EdgeConfig, Upstream};
use crate::core::EdgeCore;
use crate::state::lock;
use glacis_wire::message::refusal::Refusal;
use many::Road;
use speak::Socket;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watch::{TICK, Watcher};

/// A bound gateway that does not run yet.
#[derive(Debug)]
pub struct Gateway {
    core: Arc<EdgeCore>,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
}

/// The gateway cannot be where it is to be.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its port cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be spoken with the files that it is given.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What puts other settings in force while a gateway runs.
#[derive(Clone, Debug)]
pub struct Reloader {
    core: Arc<EdgeCore>,
    tls: Option<Arc<Tls>>,
}

/// Why settings were not taken; those in force stay.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The settings themselves.
    #[error(transparent)]
    Settings(#[from] crate::ReloadError),
    /// A file that TLS needs.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running gateway. Dropping it lets it run on; [`shutdown`](Self::shutdown) ends it.
#[derive(Debug)]
pub struct Running {
    core: Arc<EdgeCore>,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What all threads of a gateway share.
#[derive(Debug, Default)]
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
    upstreams: Mutex<Vec<(Arc<Upstream>, Arc<Road>)>>,
    cloud: Cloud,
    watcher: Arc<Watcher>,
    tls: Option<Arc<Tls>>,
    /// TLS handshakes that are going on.
    handshakes: AtomicUsize,
    /// Requests that have no answer yet.
    requests: AtomicUsize,
}

impl Gateway {
    /// Reads what TLS needs and binds the configured address; an error names the file with its fault, or who holds a
    /// port that is taken.
    pub fn bind(core: Arc<EdgeCore>) -> Result<Self, GatewayError> {
        let config = core.config();
        let load = |tls| Tls::load(&config, tls, Arc::clone(core.host())).map(Arc::new);
        let tls = config.tls.as_ref().map(load).transpose()?;
        let listeners = listen::bind(config.listen, config.threads)?;
        let address = listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(config.listen);
        Ok(Self { core, listeners, address, tls })
    }

    /// Where clients connect; with port 0 configured, the port that the system chose.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Starts all threads.
    pub fn start(self) -> io::Result<Running> {
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        for (at, listener) in self.listeners.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (core, shared, tls) = (Arc::clone(&self.core), Arc::clone(&shared), self.tls.clone());
            let work = move || runtime.block_on(Worker::new(core, shared, tls).run(listener));
            threads.push(std::thread::Builder::new().name(format!("edge-{at}")).spawn(work)?);
        }
        threads.extend(background::start(&self.core, &shared)?);
        Ok(Running { core: self.core, address: self.address, tls: self.tls, shared, threads })
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

    /// What puts other settings in force while this gateway runs.
    pub fn reloader(&self) -> Reloader {
        Reloader { core: Arc::clone(&self.core), tls: self.tls.clone() }
    }

    /// Takes no new connections, lets running requests finish (at most `drain`), ships and syncs what is owed.
    pub fn shutdown(self) {
        self.shared.end(self.threads);
    }
}

impl Reloader {
    /// For a host that listens by itself: settings alone.
    pub const fn without_listener(core: Arc<EdgeCore>) -> Self {
        Self { core, tls: None }
    }

    /// Puts `config` in force, with what its TLS files hold now; whether a setting changed or files were read. Connections
    /// go on with what they began with.
    ///
    /// # Errors
    /// If a file cannot be used, or a setting changed that a running gateway cannot change; then all stays as it is.
    pub fn reload(&self, config: EdgeConfig, actor: &str) -> Result<bool, ReloadError> {
        let fresh = self.fresh(&config)?;
        let changed = self.core.reload(config, actor)?;
        let (Some(tls), Some(fresh)) = (&self.tls, fresh) else { return Ok(changed) };
        self.core.audit_certificates(actor)?;
        tls.put(fresh);
        Ok(true)
    }

    /// Whether [`reload`](Self::reload) would change a setting or read files.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub fn would_reload(&self, config: &EdgeConfig) -> Result<bool, ReloadError> {
        let reads_files = self.fresh(config)?.is_some();
        Ok(self.core.would_reload(config)? || reads_files)
    }

    /// Settings in force.
    pub fn config(&self) -> Arc<EdgeConfig> {
        self.core.config()
    }

    fn fresh(&self, config: &EdgeConfig) -> Result<Option<Arc<rustls::ServerConfig>>, ReloadError> {
        match (&self.tls, &config.tls) {
            (Some(tls), Some(files)) => Ok(Some(tls.fresh(config, files)?)),
            (None, None) => Ok(None),
            _ => Err(ReloadError::Settings(crate::ReloadError::Fixed(vec!["tls"]))),
        }
    }
}

impl Shared {
    /// Tells everybody to stop, and waits for these threads.
    fn end(&self, threads: Vec<JoinHandle<()>>) {
        self.stopping.store(true, Ordering::Release);
        self.stop.notify_waiters();
        for thread in threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread of the edge ended in a panic");
            }
        }
    }

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
    fn new(core: Arc<EdgeCore>, shared: Arc<Shared>, tls: Option<Arc<Tls>>) -> Arc<Self> {
        let upstreams = Mutex::default();
        let cloud = Cloud::new(Arc::clone(&core));
        let (watcher, handshakes, requests) = (Watcher::new(), AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { core, shared, upstreams, cloud, watcher, tls, handshakes, requests })
    }

    /// The way of this worker to `place`. An upstream that a reload took away keeps its connections for the requests
    /// that hold them.
    fn road(&self, place: &Arc<Upstream>) -> Arc<Road> {
        let mut all = lock(&self.upstreams);
        if let Some((_, road)) = all.iter().find(|(known, _)| Arc::ptr_eq(known, place)) {
            return Arc::clone(road);
        }
        let road = Arc::new(Road::new(place));
        all.push((Arc::clone(place), Arc::clone(&road)));
        road
    }

    /// A place for one request; `None` where as many run as there may be connections.
    fn place(&self) -> Option<Place<'_>> {
        // Counted first, so that the last place is given once.
        let place = Place(&self.requests);
        let running = self.requests.fetch_add(1, Ordering::Relaxed);
        (running < self.core.config().limits.connections).then_some(place)
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
        let mut draining = false;
        loop {
            ticks.tick().await;
            let config = self.core.config();
            self.watcher.tick(&config.limits);
            if self.core.is_draining() != draining {
                draining = !draining;
                self.watcher.wake();
            }
            let known = &config.upstreams;
            let mut roads = lock(&self.upstreams);
            roads.retain(|(place, _)| known.iter().any(|known| Arc::ptr_eq(known, place)));
            roads.iter().for_each(|(_, road)| road.tick());
        }
    }

    fn accept(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        let worker = Arc::clone(self);
        let open = self.shared.connections.fetch_add(1, Ordering::AcqRel);
        self.core.metrics().connected();
        tokio::spawn(async move {
            if open < worker.core.config().limits.connections {
                worker.connection(socket, peer).await;
            } else if worker.tls.is_none() {
                worker.turn_away(socket, Refusal::Overloaded).await;
            }
            worker.shared.connections.fetch_sub(1, Ordering::AcqRel);
            worker.core.metrics().disconnected();
        });
    }

    /// Answers a connection that no request can be read from, and ends it so that the answer arrives.
    async fn turn_away<S: Socket>(&self, mut socket: S, refusal: Refusal) {
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

/// One of the requests that run; given back when dropped.
#[derive(Debug)]
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
