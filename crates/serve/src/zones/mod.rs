//! The zones of one process, each on threads of its own, up and down in the right order.
//!
//! The control plane starts first and stops last: the gateway ships what it owes before the control plane goes.
//! A zone that does not start takes the others down with it: half an installation would look like a whole one.

mod cloud;
mod edge;

pub(crate) use cloud::{open_cloud, start_cloud};
pub(crate) use edge::{Edge, start_edge};

use crate::error::ServeError;
use glacis_cloud::server::Hosted;

/// What runs.
#[derive(Debug)]
pub(crate) struct Zones {
    /// The control plane, if it runs here.
    pub(crate) cloud: Option<Hosted>,
    /// The gateway, if it runs here.
    pub(crate) edge: Option<Edge>,
}

impl Zones {
    /// Stops the gateway, so that it can bring what it owes, then the control plane. Waits for both.
    pub(crate) fn stop(self) {
        if let Some(edge) = self.edge {
            edge.shutdown();
            tracing::info!("gateway stopped");
        }
        if let Some(cloud) = self.cloud {
            drop(cloud);
            tracing::info!("control plane stopped");
        }
    }

    /// Starts `edge` beside what runs already; stops that where it fails.
    ///
    /// # Errors
    /// Whatever `edge` says.
    pub(crate) fn with_edge(
        mut self,
        edge: impl FnOnce() -> Result<Edge, ServeError>,
    ) -> Result<Self, ServeError> {
        match edge() {
            Ok(running) => {
                self.edge = Some(running);
                Ok(self)
            }
            Err(error) => {
                self.stop();
                Err(error)
            }
        }
    }
}
