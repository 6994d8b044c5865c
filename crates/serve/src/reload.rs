//! The configuration file read again while the process runs.
//!
//! The gateway's part is put in force whole or not at all. Parts that a running process cannot change are named, so that
//! nobody takes them for changed.

use crate::config::{ReadError, ServeConfig};
use glacis_edge::gateway;

/// Reads the file again that the process was started with.
#[derive(Debug)]
pub(crate) struct Reloader {
    gateway: gateway::Reloader,
    started: ServeConfig,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// Whether the gateway has other settings now, or would have.
    pub(crate) changed: bool,
    /// Parts of the file that differ from what runs and wait for a restart.
    pub(crate) restart: Vec<&'static str>,
}

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefusedReload {
    #[error("this process was started without a configuration file; there is nothing to read again")]
    NoFile,
    #[error(transparent)]
    File(#[from] ReadError),
    #[error("the file has no [edge] table any more")]
    NoEdge,
    #[error("[edge] does not fit the host that runs: {0}")]
    Host(#[from] glacis_hosts::LackError),
    #[error("[edge] {0}")]
    Edge(#[from] gateway::ReloadError),
}

impl Reloader {
    /// For a process that runs a gateway as `started` said.
    pub(crate) const fn new(gateway: gateway::Reloader, started: ServeConfig) -> Self {
        Self { gateway, started }
    }

    /// Reads the file and puts the gateway's part in force, or with `dry_run` only says what would be.
    ///
    /// # Errors
    /// If the file cannot be read, or says what a running gateway cannot take; then nothing changed.
    pub(crate) fn reload(&self, actor: &str, dry_run: bool) -> Result<Reloaded, RefusedReload> {
        let file = self.started.file.as_deref().ok_or(RefusedReload::NoFile)?;
        let mut config = ServeConfig::read(file)?;
        let mut edge = config.edge.take().ok_or(RefusedReload::NoEdge)?;
        // Where the control plane beside it was given any free port, the gateway was told which.
        if config.cloud.as_ref().is_some_and(|cloud| cloud.nodes_at == edge.cloud)
            && self.started.cloud.is_some()
        {
            edge.cloud = self.gateway.config().cloud;
        }
        // What runs, whatever the file says of it now.
        if let Some(host) = &self.started.host {
            host.kind.capabilities().check(&edge)?;
        }
        let restart = self.waiting(&config);
        let changed =
            if dry_run { self.gateway.would_reload(&edge)? } else { self.gateway.reload(edge, actor)? };
        Ok(Reloaded { changed, restart })
    }

    fn waiting(&self, config: &ServeConfig) -> Vec<&'static str> {
        let started = &self.started;
        let differs = [
            ("data_dir", config.data_dir != started.data_dir),
            ("log", config.log != started.log),
            ("log_format", config.log_format != started.log_format),
            ("cloud", started.cloud.is_some() && config.cloud != started.cloud),
            ("health", config.health != started.health),
            ("host", config.host != started.host),
        ];
        differs.into_iter().filter_map(|(part, differs)| differs.then_some(part)).collect()
    }
}
