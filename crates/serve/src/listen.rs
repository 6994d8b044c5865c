//! A bounded HTTP/1.1 listener for the small surfaces: health, metrics, control socket.
//!
//! Connections, heads and waiting are bounded, as everywhere. A surface is a [`Router`]; what it answers is its own
//! business.

use axum::Router;
use glacis_cloud::server::connection;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

/// Connections served at once on one surface; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 64;
/// Largest head. Unit: bytes; hyper's minimum.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Pause after a failed accept: out of descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Something that gives connections.
pub(crate) trait Listener {
    /// One connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The next connection.
    fn accept_one(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = tokio::net::TcpStream;
    async fn accept_one(&self) -> io::Result<Self::Stream> {
        self.accept().await.map(|(stream, _peer)| stream)
    }
}

impl Listener for UnixListener {
    type Stream = tokio::net::UnixStream;
    async fn accept_one(&self) -> io::Result<Self::Stream> {
        self.accept().await.map(|(stream, _peer)| stream)
    }
}

/// Serves `router` until `stopped` closes; open connections end after the answer under way.
pub(crate) async fn serve(listener: impl Listener, router: Router, mut stopped: watch::Receiver<()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stopped.changed() => return,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (listener.accept_one().await, slot)
            } => accepted,
        };
        match accepted {
            (Ok(stream), Ok(slot)) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                tokio::spawn(async move {
                    connection(stream, router, HEAD_BYTES_MAX, stopped).await;
                    drop(slot);
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (_, Err(_)) => return,
        }
    }
}
