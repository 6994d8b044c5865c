//! The gateway: its pipeline over its own files, its sockets on threads of their own.
//!
//! It serves before policy and feed are there: until then each route's stance answers, which in observe mode is to
//! forward. Readiness is told by `health`.

use crate::error::ServeError;
use crate::installation::{Installation, edge_keys};
use crate::keys::Ring;
use glacis_edge::gateway::{Gateway, Running};
use glacis_edge::{EdgeConfig, EdgeCore};
use glacis_host::Host;
use std::sync::Arc;

/// Starts the gateway; it takes requests at once and pulls policy and feed beside.
///
/// # Errors
/// If its files are in use or damaged, a key is missing, or its address cannot be listened on.
pub(crate) fn start_edge(
    installation: &Installation,
    ring: &Ring,
    config: EdgeConfig,
    host: Arc<dyn Host>,
) -> Result<Running, ServeError> {
    let keys = edge_keys(ring, &config.node)?;
    let files = Arc::new(installation.edge_files()?);
    let core = EdgeCore::new(config, keys, host, files);
    let core = Arc::new(core.map_err(|error| ServeError::failed("gateway", error))?);
    let gateway = Gateway::bind(core).map_err(|error| ServeError::failed("gateway", error))?;
    gateway.start().map_err(|error| ServeError::failed("gateway", error))
}
