//! The control plane: its store opened with the keys of the ring, its listeners on a thread of their own.
//!
//! The ring may be ahead of the store: a rotated key signs only once the key set that names it is in force, which
//! the next publish brings. Until then the store is opened with the keys before it.

use crate::config::{self, CloudSection};
use crate::error::{ServeError, ServeErrorKind};
use crate::installation::{Installation, cloud_keys, first_key_set, node_keys};
use crate::keys::Ring;
use axum::Router;
use glacis_attest::Anchors;
use glacis_cloud::otp::OtpSendError;
use glacis_cloud::server::webhook::Webhook;
use glacis_cloud::server::writer::{CloudHandle, WriterLimits};
use glacis_cloud::server::{Server, ServerConfig};
use glacis_cloud::webhook::Tell;
use glacis_cloud::{Birth, CloudConfig, CloudCore, CloudErrorKind, CloudLimits, OtpSender, Place};
use glacis_host::Host;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// A running control plane.
pub(crate) struct CloudZone {
    /// Where gateways ask.
    pub(crate) nodes_at: SocketAddr,
    /// Where operators ask.
    pub(crate) admin_at: SocketAddr,
    /// Where backends ask.
    pub(crate) api_at: Option<SocketAddr>,
    /// Domain calls without a socket.
    pub(crate) handle: CloudHandle,
    /// The admin routes for whoever can open the control socket.
    pub(crate) local: Router,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Opens the store of an installation, or makes it.
///
/// # Errors
/// If it belongs to another tenant or realm, is damaged, or the ring lacks a key.
pub(crate) fn open_cloud(
    installation: &Installation,
    ring: &Ring,
    limits: &CloudLimits,
    host: &Arc<dyn Host>,
) -> Result<CloudCore, ServeError> {
    let context = ring.context();
    let store = installation.store();
    let mut refused = None;
    for keys in cloud_keys(ring)? {
        let config = CloudConfig {
            birth: Birth { tenant: context.tenant.clone(), realm: context.realm },
            key_set: first_key_set(ring)?,
            keys,
            // No hardware family is built in yet: without anchors every device is of tier software.
            anchors: Anchors { context: context.clone(), simulated_roots: Vec::new(), apps: Vec::new() },
            limits: limits.clone(),
        };
        match CloudCore::open(&Place::File(&store), config, Arc::clone(host)) {
            Ok(core) => {
                if refused.is_some() {
                    tracing::warn!("the newest key set is not in force: publish a policy to bring it");
                }
                return Ok(core);
            }
            Err(error) if error.kind() == CloudErrorKind::WrongKey => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(refused
        .map_or_else(|| ServeError::new(ServeErrorKind::Missing, "keys: none fits the store"), Into::into))
}

/// The receiver of the configuration, with the secrets of its file: one a line, two while one is replaced.
fn webhook(section: &config::Webhook) -> Result<Webhook, ServeError> {
    let file = section.secret_file.display();
    let secrets = std::fs::read_to_string(&section.secret_file).map_err(|error| {
        ServeError::new(ServeErrorKind::Missing, format!("webhook: cannot read `{file}`: {error}"))
    })?;
    let tells = |event: &str| section.events.iter().any(|told| told == event);
    let tell = Tell { challenge: tells("challenge"), block: tells("block") };
    Webhook::new(&section.url, secrets.lines().filter(|line| !line.trim().is_empty()), tell).map_err(
        |error| ServeError::new(ServeErrorKind::Usage, format!("webhook (secrets in `{file}`): {error}")),
    )
}

impl CloudZone {
    /// Serves `core` from a thread of its own; returns when it listens.
    ///
    /// # Errors
    /// If an address cannot be listened on; the message says who holds it.
    pub(crate) fn start(
        core: CloudCore,
        ring: &Ring,
        section: &CloudSection,
        host: Arc<dyn Host>,
    ) -> Result<Self, ServeError> {
        let failed = |error: &dyn fmt::Display| ServeError::failed("control plane", error);
        let config = ServerConfig {
            nodes_at: section.nodes_at,
            admin_at: section.admin_at,
            api_at: section.api_at,
            webhook: section.webhook.as_ref().map(webhook).transpose()?,
            nodes: node_keys(ring)?,
            writer: WriterLimits::default(),
            otp: Arc::new(NoOtp),
            host,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let (stop, stopped) = oneshot::channel();
        let (bound, ready) = mpsc::channel();
        let serve = move || {
            runtime.block_on(async move {
                let server = match Server::bind(core, config).await {
                    Ok(server) => server,
                    Err(error) => {
                        let _gone = bound.send(Err(error.to_string()));
                        return;
                    }
                };
                let _gone = bound.send(Up::of(&server).map_err(|error| error.to_string()));
                drop(bound);
                let stop = async {
                    let _dropped = stopped.await;
                };
                server.run(stop).await;
            });
        };
        let thread = thread::Builder::new().name("cloud".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| failed(&error))?;
        let up = ready.recv().map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let Up { nodes_at, admin_at, api_at, handle, local } = up;
        Ok(Self { nodes_at, admin_at, api_at, handle, local, stop, thread })
    }

    /// Lets open requests finish and waits for the end.
    pub(crate) fn stop(self) {
        let Self { handle, local, stop, thread, .. } = self;
        drop((handle, local));
        // The thread may have ended by itself.
        let _gone = stop.send(());
        if thread.join().is_err() {
            tracing::error!("the control plane ended in a panic");
        }
    }
}

impl fmt::Debug for CloudZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudZone")
            .field("nodes_at", &self.nodes_at)
            .field("admin_at", &self.admin_at)
            .field("api_at", &self.api_at)
            .finish_non_exhaustive()
    }
}

/// What a server says of itself once it listens.
struct Up {
    nodes_at: SocketAddr,
    admin_at: SocketAddr,
    api_at: Option<SocketAddr>,
    handle: CloudHandle,
    local: Router,
}

impl Up {
    fn of(server: &Server) -> std::io::Result<Self> {
        Ok(Self {
            nodes_at: server.nodes_at()?,
            admin_at: server.admin_at()?,
            api_at: server.api_at()?,
            handle: server.handle(),
            local: server.local_router(),
        })
    }
}

/// No way of sending codes is built in: a challenge `otp` cannot be passed, and the device is told so.
struct NoOtp;

impl OtpSender for NoOtp {
    fn send(&self, _principal: &str, _code: &str) -> Result<(), OtpSendError> {
        tracing::warn!("a one-time password was asked for, and no way of sending one is built in");
        Err(OtpSendError)
    }
}
