//! `glacis protect`: one service behind a gateway that observes, from nothing, in one process.
//!
//! Makes what is missing (folder, keys, store), publishes the built-in policy where none is in force, and describes
//! the rest as a configuration file would: no setting here that an operator's file cannot have.

use crate::config::ServeConfig;
use crate::error::{ServeError, ServeErrorKind};
use crate::installation::Installation;
use crate::keys::Ring;
use crate::release::{PolicyFiles, publish};
use crate::run::Opened;
use glacis_cloud::policy::digest_of;
use glacis_host::Host;
use glacis_wire::NodeName;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ProtectOptions {
    /// The service, such as `http://127.0.0.1:3000`.
    pub url: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where health and metrics are asked for.
    pub health: Option<SocketAddr>,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The policy to publish instead of the built-in one.
    pub policy: Option<PathBuf>,
}

/// Name of the one gateway.
pub const NODE: &str = "edge-1";
/// Tenant of an installation that nobody named.
const TENANT: &str = "local";

/// The configuration that `options` stand for.
///
/// # Errors
/// If the URL is none of a plain HTTP service.
pub fn config(options: &ProtectOptions) -> Result<ServeConfig, ServeError> {
    let upstream = upstream(&options.url)?;
    let mut config = ServeConfig::parse("protect", &text(options.listen, upstream))
        .map_err(|error| ServeError::failed("configuration", error))?;
    config.data_dir.clone_from(&options.data_dir);
    config.health = options.health;
    Ok(config)
}

fn text(listen: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        r#"
tenant = "{TENANT}"
realm = "production"

[cloud]
nodes_at = "127.0.0.1:0"
admin_at = "127.0.0.1:0"
console_at = "127.0.0.1:0"

[edge]
node = "{NODE}"
listen = "{listen}"

[edge.upstream.app]
address = "{upstream}"

[[edge.route]]
path = "/{{*}}"
upstream = "app"
event = "http.request"
device = "optional"
mode = "observe"
body_max_bytes = {BODY_MAX}
[edge.route.fields."http.route"]
target = "route"
max_bytes = 512
[edge.route.fields."http.user_agent"]
header = "user-agent"
max_bytes = 1024
"#
    )
}

/// Keys of the installation; made where there are none.
///
/// # Errors
/// If they cannot be made or read.
pub fn ring(installation: &Installation, config: &ServeConfig, host: &dyn Host) -> Result<Ring, ServeError> {
    let context = glacis_seal::Context::new(config.tenant.clone(), config.realm);
    let node = NodeName::parse(NODE).map_err(|error| ServeError::failed("configuration", error))?;
    installation.ring_or_new(&context, &node, host)
}

/// Brings the policy into force: the one named, if it is not; the built-in one where there is none. What was published
/// by a version of this program whose slices this one cannot run is published again. Returns the version that was
/// published, if any.
///
/// # Errors
/// If the policy does not compile, or the store refuses it.
pub fn ensure_policy(
    opened: &mut Opened,
    policy: Option<&std::path::Path>,
    host: &dyn Host,
) -> Result<Option<u64>, ServeError> {
    let Some((core, ring)) = opened.cloud_and_ring() else { return Ok(None) };
    let live = core.live_policies()?;
    let files = match policy {
        Some(dir) => PolicyFiles::read(dir)?,
        None if live.version > 0 && live.is_current => return Ok(None),
        None => built_in(),
    };
    let digest = digest_of(&files.compile()?);
    let is_known = live.policies.iter().any(|(_, known)| *known == digest);
    if is_known && live.is_current || policy.is_none() && live.version > 0 && !is_known {
        return Ok(None);
    }
    let publish = publish(ring, &[files], live.version + 1, live.key_set, host.now())?;
    Ok(Some(core.publish(&publish)?))
}

/// The policy that protect starts with.
pub fn built_in() -> PolicyFiles {
    let file = |name: &str, text: &str| (format!("policies/protect/{name}"), text.to_owned());
    PolicyFiles {
        catalogue: file("signals.toml", include_str!("../../../policies/protect/signals.toml")),
        policy: file("policy.toml", include_str!("../../../policies/protect/policy.toml")),
        cases: Some(file("cases.toml", include_str!("../../../policies/protect/cases.toml"))),
    }
}

/// The address behind `http://HOST[:PORT]`.
fn upstream(url: &str) -> Result<SocketAddr, ServeError> {
    let bad = |why: &str| ServeError::new(ServeErrorKind::Usage, format!("`{url}`: {why}"));
    if url.starts_with("https://") {
        return Err(bad("a service that speaks TLS is not supported; name its plain HTTP address"));
    }
    let rest = url.strip_prefix("http://").ok_or_else(|| bad("must be http://HOST:PORT"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(bad("must be http://HOST:PORT without path; the whole service is protected"));
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut found =
        authority.to_socket_addrs().map_err(|error| bad(&format!("cannot be resolved: {error}")))?;
    found.next().ok_or_else(|| bad("resolves to no address"))
}

/// Longest body that is passed on. Unit: bytes.
const BODY_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_compiles_and_its_cases_hold() {
        let compiled = built_in().compile().unwrap();
        let failed: Vec<_> =
            compiled.run_cases().into_iter().filter(|case| !case.faults.is_empty()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn only_the_address_of_a_plain_http_service_is_taken() {
        assert_eq!(upstream("http://127.0.0.1:3000").unwrap().to_string(), "127.0.0.1:3000");
        assert_eq!(upstream("http://127.0.0.1/").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(upstream("http://[::1]:3000").unwrap().to_string(), "[::1]:3000");
        for bad in
            ["https://127.0.0.1", "127.0.0.1:3000", "http://127.0.0.1/app", "http://u@127.0.0.1", "http://"]
        {
            assert_eq!(upstream(bad).unwrap_err().kind(), ServeErrorKind::Usage, "{bad}");
        }
    }
}
