//! A server on a thread of its own, for whoever has no runtime to serve it on.
//!
//! Started, it listens; dropped, it lets open requests finish and waits for its end. The handles that it gives go
//! first, so that the writer can end with it.

use super::console::Links;
use super::writer::CloudHandle;
use super::{BindError, Server, ServerConfig};
use crate::core::CloudCore;
use axum::Router;
use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// A running server with its thread.
pub struct Hosted {
    /// Where nodes ask.
    pub nodes_at: SocketAddr,
    /// Where operators ask.
    pub admin_at: SocketAddr,
    /// Where backends ask.
    pub api_at: Option<SocketAddr>,
    /// Makes links for the console; none where there is none.
    pub console: Option<Links>,
    /// Domain calls without a socket.
    pub handle: CloudHandle,
    /// [`Server::local_router`].
    pub local: Router,
    thread: Thread,
}

/// Why a server is not running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// It does not listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no thread, no runtime or no address.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// It ended before it listened.
    #[error("the server ended before it listened")]
    Ended,
}

impl Hosted {
    /// Serves `core`; returns when it listens.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the system gives no thread.
    pub fn start(core: CloudCore, config: ServerConfig) -> Result<Self, HostError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (bound, ready) = mpsc::channel();
        let serve = move || {
            runtime.block_on(async move {
                let server = match Server::bind(core, config).await {
                    Ok(server) => server,
                    Err(error) => {
                        let _gone = bound.send(Err(error.into()));
                        return;
                    }
                };
                let _gone = bound.send(Up::of(&server).map_err(HostError::from));
                drop(bound);
                let stop = async {
                    let _dropped = stopped.await;
                };
                server.run(stop).await;
            });
        };
        let running = thread::Builder::new().name("cloud".to_owned()).spawn(serve)?;
        let up = ready.recv().map_err(|_| HostError::Ended)??;
        let Up { nodes_at, admin_at, api_at, console, handle, local } = up;
        let thread = Thread { stop: Some(stop), running: Some(running) };
        Ok(Self { nodes_at, admin_at, api_at, console, handle, local, thread })
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted")
            .field("nodes_at", &self.nodes_at)
            .field("admin_at", &self.admin_at)
            .field("api_at", &self.api_at)
            .field("console", &self.console)
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

/// Ends its thread when dropped: last of its owner's fields, so that the handles are gone before.
#[derive(Debug)]
struct Thread {
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        // The thread may have ended by itself.
        let _gone = self.stop.take().map(|stop| stop.send(()));
        if self.running.take().is_some_and(|running| running.join().is_err()) {
            tracing::error!("the control plane ended in a panic");
        }
    }
}

/// What a server says of itself once it listens.
struct Up {
    nodes_at: SocketAddr,
    admin_at: SocketAddr,
    api_at: Option<SocketAddr>,
    console: Option<Links>,
    handle: CloudHandle,
    local: Router,
}

impl Up {
    fn of(server: &Server) -> std::io::Result<Self> {
        Ok(Self {
            nodes_at: server.nodes_at()?,
            admin_at: server.admin_at()?,
            api_at: server.api_at()?,
            console: server.console_links(),
            handle: server.handle(),
            local: server.local_router(),
        })
    }
}
