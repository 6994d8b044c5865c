//! The gateway: its pipeline over its own files, its sockets on threads of their own; or the host that a proxy asks
//! in its place.
//!
//! It serves before policy and feed are there: until then each route's stance answers, which in observe mode is to
//! forward. Readiness is told by `health`.

use crate::config::HostSection;
use crate::error::{ServeError, ServeErrorKind};
use crate::installation::{Installation, edge_keys};
use crate::keys::{Ring, is_private};
use glacis_edge::gateway::{Gateway, Reloader, Running};
use glacis_edge::{EdgeConfig, EdgeCore};
use glacis_host::Host;
use glacis_hosts::{Hosted, Secret};
use std::net::SocketAddr;
use std::sync::Arc;

/// What brings requests to the pipeline.
#[derive(Debug)]
pub(crate) enum Edge {
    /// The gateway itself.
    Gateway(Running),
    /// What a proxy asks.
    Hosted(Hosted),
}

impl Edge {
    /// Where clients, or the proxy, connect.
    pub(crate) const fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Gateway(gateway) => gateway.local_addr(),
            Self::Hosted(hosted) => hosted.local_addr(),
        }
    }

    /// The pipeline.
    pub(crate) const fn core(&self) -> &Arc<EdgeCore> {
        match self {
            Self::Gateway(gateway) => gateway.core(),
            Self::Hosted(hosted) => hosted.core(),
        }
    }

    /// What puts other settings in force.
    pub(crate) fn reloader(&self) -> Reloader {
        match self {
            Self::Gateway(gateway) => gateway.reloader(),
            Self::Hosted(hosted) => Reloader::without_listener(Arc::clone(hosted.core())),
        }
    }

    /// Stops it, and brings what it owes. Waits.
    pub(crate) fn shutdown(self) {
        match self {
            Self::Gateway(gateway) => gateway.shutdown(),
            Self::Hosted(hosted) => hosted.shutdown(),
        }
    }
}

/// Starts the gateway, or the host in its place; it takes requests at once and pulls policy and feed beside.
///
/// # Errors
/// If its files are in use or damaged, a key or the secret is missing, or its address cannot be listened on.
pub(crate) fn start_edge(
    installation: &Installation,
    ring: &Ring,
    (config, section): (EdgeConfig, Option<&HostSection>),
    host: Arc<dyn Host>,
) -> Result<Edge, ServeError> {
    let secret = section.map(|section| Ok::<_, ServeError>((section.kind, secret(section)?))).transpose()?;
    let keys = edge_keys(ring, &config.node)?;
    let files = Arc::new(installation.edge_files()?);
    let core = EdgeCore::new(config, keys, host, files);
    let core = Arc::new(core.map_err(|error| ServeError::failed("gateway", error))?);
    if let Some((kind, secret)) = secret {
        let hosted = Hosted::start(core, kind, &secret);
        return hosted.map(Edge::Hosted).map_err(|error| ServeError::failed("host", error));
    }
    let gateway = Gateway::bind(core).map_err(|error| ServeError::failed("gateway", error))?;
    gateway.start().map(Edge::Gateway).map_err(|error| ServeError::failed("gateway", error))
}

fn secret(section: &HostSection) -> Result<Secret, ServeError> {
    let file = section.secret_file.display();
    let text = std::fs::read_to_string(&section.secret_file).map_err(|error| {
        ServeError::new(ServeErrorKind::Missing, format!("host: cannot read `{file}`: {error}"))
    })?;
    if !is_private(&section.secret_file) {
        let why = format!("host: others may read `{file}`; chmod 600 it");
        return Err(ServeError::new(ServeErrorKind::Usage, why));
    }
    Secret::parse(&text).map_err(|error| {
        ServeError::new(ServeErrorKind::Usage, format!("host: the secret in `{file}` {error}"))
    })
}
