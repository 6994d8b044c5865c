//! The cloud behind HTTP: a listener for nodes, one for operators, one for backends, one for browsers, one writer.
//!
//! Nodes authenticate every request and get every answer MAC'd ([`node`]); operators bring a bearer token
//! ([`admin`](mod@admin), on loopback), and so do backends that ask for decisions (`api`). Handlers only translate:
//! what happens is a domain call on the [writer]'s thread, and an answer leaves only after it is durable. Bodies,
//! heads, connections and the queue are bounded.

pub mod admin;
mod api;
pub mod console;
mod hosted;
pub mod node;
mod nodes;
mod post;
mod problem;
mod rest;
mod spec;
mod stall;
mod view;
pub mod webhook;
pub mod writer;

pub use hosted::{HostError, Hosted};

use crate::core::CloudCore;
use crate::error::CloudError;
use crate::otp::OtpSender;
use axum::Router;
use console::{Console, Links, Sessions};
use glacis_host::{Host, PortHolder};
use glacis_seal::Context;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use node::NodeKey;
use stall::Stall;
use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use webhook::Webhook;
use writer::{CloudHandle, Writer, WriterLimits};

/// Longest that a peer may take nothing of what waits for it.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Time for a peer to send the head of a request.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// Connections served at once on one listener; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 512;
/// Largest head. Unit: bytes; hyper's minimum is 8,192.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Tries to find a port that is free at every address of `localhost`.
const FREE_PORT_TRIES: usize = 8;
/// EAFNOSUPPORT, for which `std` has no kind: of Linux (`asm-generic/errno.h`), else of the BSDs and macOS (`sys/errno.h`).
const NO_FAMILY: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
/// Time that open connections get to finish when the server stops.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// What a server needs besides its core.
pub struct ServerConfig {
    /// Where nodes ask. Port 0 takes a free one.
    pub nodes_at: SocketAddr,
    /// Where operators ask; on loopback; any other address is refused.
    pub admin_at: SocketAddr,
    /// Where backends ask for decisions; none for no such listener. On loopback; any other address is refused.
    pub api_at: Option<SocketAddr>,
    /// Where the console is; none for no console. On loopback; any other address is refused.
    pub console_at: Option<SocketAddr>,
    /// Who is told of challenges and blocks.
    pub webhook: Option<Webhook>,
    /// Nodes that may ask, with the keys shared with them.
    pub nodes: Vec<NodeKey>,
    /// Bounds of queue and batch.
    pub writer: WriterLimits,
    /// Brings one-time passwords to users.
    pub otp: Arc<dyn OtpSender>,
    /// Clock for the check of node signatures.
    pub host: Arc<dyn Host>,
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("nodes_at", &self.nodes_at)
            .field("admin_at", &self.admin_at)
            .field("api_at", &self.api_at)
            .field("console_at", &self.console_at)
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) handle: CloudHandle,
    pub(crate) context: Context,
    pub(crate) nodes: Vec<NodeKey>,
    pub(crate) otp: Arc<dyn OtpSender>,
    pub(crate) host: Arc<dyn Host>,
}

/// A bound server; [`run`](Self::run) serves it.
pub struct Server {
    nodes: TcpListener,
    admin: TcpListener,
    api: Option<TcpListener>,
    console: Option<(Vec<TcpListener>, Links)>,
    webhook: Option<Webhook>,
    shared: Arc<Shared>,
    writer: Writer,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    /// Binds the listeners and starts the writer. An address beyond loopback is refused where tokens are taken.
    pub async fn bind(mut core: CloudCore, config: ServerConfig) -> Result<Self, BindError> {
        for (surface, at) in [
            ("admin", Some(config.admin_at)),
            ("decision API", config.api_at),
            ("console", config.console_at),
        ] {
            if let Some(at) = at.filter(|at| !at.ip().is_loopback()) {
                return Err(BindError::Exposed { surface, at });
            }
        }
        let nodes = bind(config.nodes_at).await?;
        let admin = bind(config.admin_at).await?;
        let api = match config.api_at {
            Some(at) => Some(bind(at).await?),
            None => None,
        };
        let console = match config.console_at {
            Some(at) => Some(localhost(at).await?),
            None => None,
        };
        let webhook = listening(&mut core, config.webhook).map_err(BindError::Writer)?;
        let context = core.context().clone();
        let (writer, handle) = Writer::start(core, config.writer).map_err(BindError::Writer)?;
        let console = console.map(|(at, listeners)| {
            let sessions = Arc::new(Sessions::new(context.clone(), Arc::clone(&config.host)));
            (listeners, Links::new(at, sessions))
        });
        let shared = Shared { handle, context, nodes: config.nodes, otp: config.otp, host: config.host };
        Ok(Self { nodes, admin, api, console, webhook, shared: Arc::new(shared), writer })
    }

    /// Where nodes ask.
    pub fn nodes_at(&self) -> std::io::Result<SocketAddr> {
        self.nodes.local_addr()
    }

    /// Where operators ask.
    pub fn admin_at(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Where backends ask, if anywhere.
    pub fn api_at(&self) -> std::io::Result<Option<SocketAddr>> {
        self.api.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Makes links for the console; none where there is none.
    pub fn console_links(&self) -> Option<Links> {
        self.console.as_ref().map(|(_, links)| links.clone())
    }

    /// The admin routes with the operator signed in: every scope, no token, actor `local`; and links for the console.
    ///
    /// To be served on a socket that only the operator can open (a Unix socket of mode 0600). It holds a
    /// [`handle`](Self::handle).
    pub fn local_router(&self) -> Router {
        admin::local_router(Arc::clone(&self.shared)).merge(console::links_router(self.console_links()))
    }

    /// Domain calls without a socket, for whoever runs in the same process.
    pub fn handle(&self) -> CloudHandle {
        self.shared.handle.clone()
    }

    /// Serves until `stop` is ready, then lets open requests finish.
    ///
    /// The writer ends once every [`handle`](Self::handle) is dropped.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let Self { nodes, admin, api, console, webhook, shared, writer } = self;
        let (stopping, stopped) = tokio::sync::watch::channel(());
        let nodes = serve(nodes, nodes::router(Arc::clone(&shared)), stopped.clone());
        let admin = serve(admin, admin::router(Arc::clone(&shared)), stopped.clone());
        let webhook = {
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            async move {
                if let Some(webhook) = webhook {
                    webhook::deliver(webhook, shared, stopped).await;
                }
            }
        };
        let console = {
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            async move {
                if let Some((listeners, links)) = console {
                    let router = Console::new(shared, &links, stopped.clone()).router();
                    let serve = |listener| serve(listener, router.clone(), stopped.clone());
                    listeners.into_iter().map(serve).collect::<JoinSet<()>>().join_all().await;
                }
            }
        };
        let api = async move {
            if let Some(api) = api {
                serve(api, api::router(shared), stopped).await;
            }
        };
        let stop = async move {
            stop.await;
            drop(stopping);
        };
        tokio::join!(nodes, admin, api, console, webhook, stop);
        drop(writer);
    }
}

/// The OpenAPI 3.1 document of the decision API and the admin API, as JSON.
pub fn openapi() -> String {
    let both = api::operations().doc().merge(admin::operations().doc());
    let about = "Decisions for backends (`/v1`) and administration (`/admin/v1`), on listeners of their own. \
                 Errors are problems (RFC 9457) with a stable `code`.";
    let document = both.finish("Glacis", about).to_pretty_json();
    // A tree of texts and numbers has an encoding.
    document.unwrap_or_default()
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {at}: {}", holder.reason(source))]
    Listen {
        /// Which address.
        at: SocketAddr,
        /// Who is in the way.
        holder: PortHolder,
        /// What the system said.
        source: std::io::Error,
    },
    /// A surface that takes bearer tokens would be reachable from outside, and it speaks no TLS.
    #[error("the {surface} surface listens on loopback only, not on {at}: it has no TLS of its own")]
    Exposed {
        /// Which surface.
        surface: &'static str,
        /// Which address.
        at: SocketAddr,
    },
    /// The writer did not start.
    #[error("{0}")]
    Writer(#[source] CloudError),
}

/// Has the core leave messages for a receiver that still wants them.
fn listening(core: &mut CloudCore, webhook: Option<Webhook>) -> Result<Option<Webhook>, CloudError> {
    let Some(webhook) = webhook else { return Ok(None) };
    if core.is_receiver_gone(&webhook.url())? {
        tracing::warn!(
            "the receiver of webhooks said 410 and is told nothing; give another address to resume"
        );
        return Ok(None);
    }
    core.tell(webhook.tell());
    Ok(Some(webhook))
}

/// Where the console is, and its listeners: there, and at the other addresses that browsers take `localhost` for.
///
/// Whoever else had its port at one of them would be the console to a browser that asks `localhost`, cookies and passkeys
/// included, so it is refused to start beside them. Where any port will do, another one is taken.
async fn localhost(at: SocketAddr) -> Result<(SocketAddr, Vec<TcpListener>), BindError> {
    for _ in 1..FREE_PORT_TRIES {
        match bind_localhost(at).await {
            Err(BindError::Listen { at: other, source, .. })
                if at.port() == 0 && other.port() != 0 && source.kind() == ErrorKind::AddrInUse =>
            {
                tracing::debug!(%other, "a free port of the console is taken at its other address");
            }
            bound => return bound,
        }
    }
    bind_localhost(at).await
}

/// Once; an address that the machine does not have is passed over.
async fn bind_localhost(at: SocketAddr) -> Result<(SocketAddr, Vec<TcpListener>), BindError> {
    let listener = bind(at).await?;
    let at = listener.local_addr().map_err(|source| no_listener(at, source))?;
    let mut listeners = vec![listener];
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        if ip == at.ip() {
            continue;
        }
        match bind(SocketAddr::new(ip, at.port())).await {
            Ok(listener) => listeners.push(listener),
            Err(BindError::Listen { source, .. }) if source.kind() == ErrorKind::AddrNotAvailable => {
                tracing::debug!(%ip, %source, "the console has not all addresses of `localhost`");
            }
            Err(BindError::Listen { source, .. }) if source.raw_os_error() == Some(NO_FAMILY) => {
                tracing::warn!(%ip, %source, "the console has not all addresses of `localhost`");
            }
            Err(error) => return Err(error),
        }
    }
    Ok((at, listeners))
}

async fn bind(at: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(at).await.map_err(|source| no_listener(at, source))
}

fn no_listener(at: SocketAddr, source: std::io::Error) -> BindError {
    let holder = PortHolder::find(at.port(), &source);
    BindError::Listen { at, holder, source }
}

/// Accepts until `stopped` closes, then waits for what is open.
async fn serve(listener: TcpListener, router: Router, mut stopped: tokio::sync::watch::Receiver<()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let slot = tokio::select! {
            _ = stopped.changed() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => accepted,
        };
        match (accepted, slot) {
            (Ok((stream, _peer)), Ok(slot)) => {
                // Answers are small and wait for a commit; holding them back for Nagle would only add to that.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no nodelay");
                }
                let (router, stopped) = (router.clone(), stopped.clone());
                open.spawn(async move {
                    connection(stream, router, HEAD_BYTES_MAX, stopped).await;
                    drop(slot);
                });
            }
            (Err(error), _) => {
                // Out of descriptors or an aborted handshake: neither is a reason to stop serving.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (_, Err(_)) => break,
        }
    }
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_WAIT, drained).await.is_err() {
        tracing::warn!("connections were cut at the end of the drain time");
    }
}

/// One bounded HTTP/1.1 connection, until it ends or `stopped` closes; also for surfaces beside the server's own.
pub async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    head_bytes_max: usize,
    mut stopped: tokio::sync::watch::Receiver<()>,
) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(head_bytes_max)
        .serve_connection(TokioIo::new(Stall::new(stream, STALL_MAX)), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}
