//! The table `[host]`: which proxy brings requests to the pipeline in the gateway's place.
//!
//! What the proxy cannot bring is refused here, so that `--check-config` finds it. The secret itself is read when the
//! host starts, and stands in no configuration.

use glacis_edge::config::reader::Keys;
use glacis_edge::{ConfigError, EdgeConfig};
use glacis_hosts::HostKind;
use std::path::PathBuf;

/// Settings of a host that a proxy asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSection {
    /// Which proxy.
    pub kind: HostKind,
    /// The file with the secret that the proxy shows.
    pub secret_file: PathBuf,
}

pub(super) fn host(mut keys: Keys<'_>) -> Result<HostSection, ConfigError> {
    let kinds = [HostKind::ExtAuthz, HostKind::AuthRequest];
    let kind = keys.parsed("kind", "must be `ext-authz` (Envoy) or `auth-request` (nginx)", |text| {
        kinds.into_iter().find(|kind| kind.capabilities().name == text)
    })?;
    let kind = keys.need("kind", kind)?;
    let secret_file = keys.text("secret_file")?;
    let secret_file = PathBuf::from(keys.need("secret_file", secret_file)?);
    keys.finish()?;
    Ok(HostSection { kind, secret_file })
}

impl HostSection {
    /// Whether `edge`, of the file `keys`, asks for nothing that this host lacks.
    pub(super) fn fits(&self, keys: &Keys<'_>, edge: Option<&EdgeConfig>) -> Result<(), ConfigError> {
        let Some(edge) = edge else {
            return Err(keys.bad("host", "needs an [edge] table, whose pipeline it asks"));
        };
        if !edge.listen.ip().is_loopback() {
            let rule = "needs `edge.listen` on loopback: what a proxy asks has no TLS of its own";
            return Err(keys.bad("host", rule));
        }
        if edge.tls.is_some() {
            return Err(keys.bad("host", "leaves no place for [edge.tls]: the proxy speaks TLS with clients"));
        }
        let fits = self.kind.capabilities().check(edge);
        fits.map_err(|lack| keys.bad("host", format_args!("does not fit: {lack}")))
    }
}
