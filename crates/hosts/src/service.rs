//! The services that proxies ask: listeners, the shared secret, and who answers what.
//!
//! Thread per core like the gateway: each worker has its own listener on the shared port and its own way to the
//! cloud. Only loopback is listened on and only who knows the secret is answered: whoever may ask could otherwise name
//! any client address, and read what a request would be decided as.

use crate::capability::{AUTH_REQUEST, Capabilities, EXT_AUTHZ, LackError};
use crate::head::once;
use crate::pipeline::Edge;
use crate::{auth_request, ext_authz, own};
use bytes::Bytes;
use glacis_edge::EdgeCore;
use glacis_edge::gateway::{Background, BindError, listeners};
use glacis_wire::http::Response;
use glacis_wire::message::refusal::Refusal;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Header by which a proxy proves that it is the one.
pub const SECRET: &str = "x-glacis-secret";
/// Header by which a proxy says where the client is.
pub const PEER: &str = "x-glacis-peer";
/// Header by which a proxy says whether the client's connection is TLS.
const SCHEME: &str = "x-forwarded-proto";

/// Which proxy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// Envoy, over HTTP/2.
    ExtAuthz,
    /// nginx, over HTTP/1.1.
    AuthRequest,
}

impl HostKind {
    /// What such a host can do.
    pub const fn capabilities(self) -> &'static Capabilities {
        match self {
            Self::ExtAuthz => &EXT_AUTHZ,
            Self::AuthRequest => &AUTH_REQUEST,
        }
    }
}

/// What the proxy and its host share. `Debug` prints nothing of it.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

/// A secret is not fit for use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 to 512 letters, digits, `-` or `_`, such as `openssl rand -hex 32` makes")]
pub struct SecretError;

impl Secret {
    /// A secret from text; white space around it is not of it.
    ///
    /// # Errors
    /// If it is too short, or could not stand in a header or a configuration file.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if plain && (32..=512).contains(&text.len()) {
            Ok(Self(text.as_bytes().into()))
        } else {
            Err(SecretError)
        }
    }

    fn is(&self, given: &str) -> bool {
        glacis_seal::secret::equal(&self.0, given.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A host does not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The configuration needs what the host lacks.
    #[error(transparent)]
    Lack(#[from] LackError),
    /// The address is not on loopback.
    #[error(
        "cannot listen on {0}: a host that a proxy asks has no TLS of its own and listens on loopback only"
    )]
    Exposed(SocketAddr),
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system grants no thread.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Who asks on a connection, by the proxy's word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) peer: IpAddr,
    pub(crate) tls: bool,
}

/// A running service. Dropping it lets it run on; [`shutdown`](Self::shutdown) ends it.
#[derive(Debug)]
pub struct Hosted {
    core: Arc<EdgeCore>,
    address: SocketAddr,
    stop: watch::Sender<()>,
    threads: Vec<JoinHandle<()>>,
    background: Background,
}

impl Hosted {
    /// Listens on the address of the core's configuration and starts all threads, also those beside the requests.
    ///
    /// # Errors
    /// If the configuration needs what the host lacks, the address is taken or exposed, or there are no threads.
    pub fn start(core: Arc<EdgeCore>, kind: HostKind, secret: &Secret) -> Result<Self, HostError> {
        let config = core.config();
        kind.capabilities().check(&config)?;
        if !config.listen.ip().is_loopback() {
            return Err(HostError::Exposed(config.listen));
        }
        let listeners = listeners(config.listen, config.threads)?;
        let address = listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(config.listen);
        let (stop, stopped) = watch::channel(());
        let mut threads = Vec::new();
        for (at, listener) in listeners.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (core, secret, stopped) = (Arc::clone(&core), secret.clone(), stopped.clone());
            let work = move || {
                let worker = Worker { edge: Arc::new(Edge::new(core)), kind, secret };
                runtime.block_on(Arc::new(worker).run(listener, stopped));
            };
            threads.push(std::thread::Builder::new().name(format!("edge-host-{at}")).spawn(work)?);
        }
        let background = Background::start(&core)?;
        Ok(Self { core, address, stop, threads, background })
    }

    /// Where the proxy asks.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The pipeline behind it.
    pub const fn core(&self) -> &Arc<EdgeCore> {
        &self.core
    }

    /// Takes no new connections, lets running requests finish (at most `drain`), ships and syncs what is owed.
    pub fn shutdown(self) {
        drop(self.stop);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the host ended in a panic");
            }
        }
        self.background.shutdown();
    }
}

type Out = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// One worker thread.
#[derive(Debug)]
struct Worker {
    edge: Arc<Edge>,
    kind: HostKind,
    secret: Secret,
}

impl Worker {
    async fn run(self: Arc<Self>, listener: TcpListener, mut stopped: watch::Receiver<()>) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "listener cannot be used"),
        };
        let limits = self.edge.core.config().limits.clone();
        // Every connection holds one; when all are given back, nothing runs any more.
        let places = Arc::new(tokio::sync::Semaphore::new(limits.connections));
        let signal = stopped.clone();
        loop {
            let place = tokio::select! {
                _ = stopped.changed() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let (Ok(place), accepted) = (
                place,
                tokio::select! {
                    _ = stopped.changed() => break,
                    accepted = listener.accept() => accepted,
                },
            ) else {
                break;
            };
            match accepted {
                Ok((socket, _)) => {
                    let (worker, signal) = (Arc::clone(&self), signal.clone());
                    tokio::spawn(async move {
                        worker.connection(socket, signal).await;
                        drop(place);
                    });
                }
                // Out of descriptors, mostly: give connections time to end.
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(listener);
        let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
        let _late = tokio::time::timeout(limits.drain, places.acquire_many(all)).await;
    }

    async fn connection(self: Arc<Self>, socket: TcpStream, mut stopped: watch::Receiver<()>) {
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let limits = self.edge.core.config().limits.clone();
        let (head_bytes, head_wait) = (limits.head_bytes, limits.head_wait);
        let kind = self.kind;
        let service = service_fn(move |request| {
            let worker = Arc::clone(&self);
            async move { Ok::<_, Infallible>(worker.serve(request).await) }
        });
        let io = TokioIo::new(socket);
        let ended = match kind {
            HostKind::ExtAuthz => {
                let mut http = http2::Builder::new(TokioExecutor::new());
                http.timer(TokioTimer::new())
                    .max_header_list_size(u32::try_from(head_bytes * 2).unwrap_or(u32::MAX))
                    .max_concurrent_streams(STREAMS_MAX);
                let mut connection = std::pin::pin!(http.serve_connection(io, service));
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    _ = stopped.changed() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
            HostKind::AuthRequest => {
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new())
                    .header_read_timeout(head_wait)
                    .max_buf_size(head_bytes.max(8_192) * 4);
                let mut connection = std::pin::pin!(http.serve_connection(io, service));
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    _ = stopped.changed() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection of the proxy");
        }
    }

    async fn serve(&self, request: http::Request<Incoming>) -> http::Response<Out> {
        let (parts, body) = request.into_parts();
        if !once(&parts.headers, SECRET).is_some_and(|given| self.secret.is(given)) {
            tracing::warn!("refused whoever asked without the secret of `secret_file` in `{SECRET}`");
            return out(Response { status: 403, headers: Vec::new(), body: Vec::new() });
        }
        let (path, core) = (parts.uri.path(), &self.edge.core);
        if self.kind == HostKind::ExtAuthz && path == ext_authz::PATH_CHECK {
            let edge = Arc::clone(&self.edge);
            let call = ext_authz::call(edge, http::Request::from_parts(parts, body));
            return Box::pin(call).await.map(|body| UnsyncBoxBody::new(body.map_err(Into::into)));
        }
        if self.kind == HostKind::AuthRequest && path == auth_request::PATH_ANSWER {
            return out(auth_request::answer(&parts.headers));
        }
        let Some(asking) = asking(&parts) else {
            tracing::error!("the proxy does not say where the client is; have it set `{PEER}`");
            return out(core.refusal(Refusal::Unavailable));
        };
        if self.kind == HostKind::AuthRequest && path == auth_request::PATH_AUTHORIZE {
            return out(Box::pin(auth_request::authorize(&self.edge, &parts.headers, asking)).await);
        }
        out(Box::pin(own::answer(&self.edge, &parts, body, asking)).await)
    }
}

/// Who asks, by the proxy's word.
fn asking(parts: &Parts) -> Option<Asking> {
    let peer: IpAddr = once(&parts.headers, PEER)?.parse().ok()?;
    Some(Asking { peer: peer.to_canonical(), tls: once(&parts.headers, SCHEME) == Some("https") })
}

/// An answer of the pipeline as a response.
fn out(answer: Response) -> http::Response<Out> {
    crate::layer::response(answer)
        .map(|body: Full<Bytes>| UnsyncBoxBody::new(body.map_err(|never| match never {})))
}

/// Pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(250);
/// Most calls at once on one connection of Envoy; it opens further connections.
const STREAMS_MAX: u32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_plain_and_prints_nothing() {
        let text = "0123456789abcdef0123456789abcdef";
        let secret = Secret::parse(&format!("{text}\n")).unwrap();
        assert!(secret.is(text) && !secret.is("") && !secret.is(&text.replace('0', "1")));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for bad in ["", "short", "0123456789abcdef 123456789abcdef", "0123456789abcdef0123456789abcde\""] {
            assert_eq!(Secret::parse(bad).unwrap_err(), SecretError, "{bad}");
        }
    }
}
