//! What other hosts of the pipeline share with the gateway: the work beside requests, the way to the cloud, and
//! listeners on one port.
//!
//! A host that is no gateway has its own sockets and no upstreams; what it owes to the cloud, and how it asks, is
//! the same.

use super::cloud::CloudClient;
use super::listen::{self, BindError};
use super::{RELAY_WAIT, Shared, background};
use crate::core::{EdgeCore, Pending, Relay, Step};
use glacis_wire::http::Response;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The work beside requests: pulling policy and feed, shipping and syncing the journal. Dropping it lets it run on.
#[derive(Debug)]
pub struct Background {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Starts its threads.
    ///
    /// # Errors
    /// If the system grants none.
    pub fn start(core: &Arc<EdgeCore>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let threads = background::start(core, &shared)?;
        Ok(Self { shared, threads })
    }

    /// Ships and syncs what is owed, at most for `drain`, and ends. Call it when no request is running any more.
    pub fn shutdown(self) {
        self.shared.end(self.threads);
    }
}

/// The way to the cloud for the requests of one runtime, the gateway's own among them.
#[derive(Debug)]
pub struct Cloud {
    core: Arc<EdgeCore>,
    client: CloudClient,
}

impl Cloud {
    /// A way without connections yet.
    pub fn new(core: Arc<EdgeCore>) -> Self {
        Self { client: CloudClient::new(Arc::clone(&core)), core }
    }

    /// Does what [`Step::AskCloud`] says.
    pub async fn decide(&self, pending: Box<Pending>) -> Step {
        let begun = self.core.host().monotonic();
        let answer = self.client.decide(pending.facts()).await;
        self.core.metrics().cloud_took(self.core.host().monotonic().saturating_sub(begun));
        self.core.resume(pending, answer, self.core.host().now())
    }

    /// Does what [`Step::Relay`] says.
    pub async fn relay(&self, relay: Relay) -> Response {
        let wait = self.core.config().limits.upstream_wait.min(RELAY_WAIT);
        let target = format!("{}{}", relay.path, relay.query);
        let answer = self.client.call(relay.method, &target, None, relay.body, wait).await;
        self.core.relayed(answer.ok())
    }
}

/// Listeners for `count` workers on one port, which nobody else may hold.
///
/// # Errors
/// If the address cannot be listened on; the error says who holds it.
pub fn listeners(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    listen::bind(address, count)
}
