//! The shop's listeners: axum in front of [`Shop::handle`].
//!
//! Both doors are served by one thread, which is enough for a fleet that acts one after another, and keeps the
//! paired measurements of the two doors comparable. Nothing is decided here.

use super::{Door, Shop};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response as Answer};
use glacis_wire::http::Request;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Both listeners of a running shop; dropping it stops them.
#[derive(Debug)]
pub struct Server {
    /// Behind the edge.
    pub protected: SocketAddr,
    /// For logins and measurements.
    pub plain: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `shop` on two loopback ports from a thread of its own.
    ///
    /// # Errors
    /// If ports or thread are not to be had.
    pub fn start(shop: Arc<Shop>) -> io::Result<Self> {
        let protected = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let plain = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (stop, stopped) = oneshot::channel();
        let addresses = (protected.local_addr()?, plain.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("shop".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let protected = serve(Arc::clone(&shop), Door::Protected, protected);
                let plain = serve(shop, Door::Plain, plain);
                tokio::select! {
                    _ = protected => {}
                    _ = plain => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { protected: addresses.0, plain: addresses.1, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

async fn serve(shop: Arc<Shop>, door: Door, listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let router = Router::new().fallback(answer).with_state((shop, door));
    axum::serve(NoDelay(listener), router).await
}

/// Accepts with Nagle's algorithm off: answers are small and waited for.
struct NoDelay(TcpListener);

impl axum::serve::Listener for NoDelay {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        let _unsupported = stream.set_nodelay(true);
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

async fn answer(State((shop, door)): State<(Arc<Shop>, Door)>, request: axum::http::Request<Body>) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let request = Request {
        method: head.method.as_str().to_owned(),
        authority: head.headers.get("host").map(text).unwrap_or_default(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(|query| format!("?{query}")).unwrap_or_default(),
        headers: head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_vec(),
    };
    let answer = shop.handle(door, &request);
    let mut response = Answer::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Longest body that the shop reads. Unit: bytes.
const BODY_BYTES_MAX: usize = 16 << 10;
