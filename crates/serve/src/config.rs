//! What an operator says about one installation: raw TOML in, checked settings out.
//!
//! Reading is strict like the edge's ([`glacis_edge::config`]): every typo names file, line, column and the nearest
//! accepted key. Nothing is opened, resolved or made here. Defaults are the constants at the end.

mod enrolment;
mod host;
mod passkeys;

pub use enrolment::{AndroidApps, CollateralFile, Enrolment, PlayApps};
pub use host::HostSection;

use glacis_attest::Site;
use glacis_edge::config::reader::{Keys, Source};
use glacis_edge::config::{address, name, realm};
use glacis_edge::{ConfigError, EdgeConfig};
use glacis_wire::{Realm, TenantId};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of one installation that passed every check.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The file it was read from, if any; where it is read again.
    pub file: Option<PathBuf>,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which realm it serves, for ever.
    pub realm: Realm,
    /// The folder of keys, store, journal and control socket.
    pub data_dir: PathBuf,
    /// Which log lines are written, such as `info` or `glacis_edge=debug`.
    pub log: String,
    /// In which form.
    pub log_format: LogFormat,
    /// The control plane, where the file describes one.
    pub cloud: Option<CloudSection>,
    /// Where health and metrics are asked for.
    pub health: Option<SocketAddr>,
    /// The gateway, where the file describes one.
    pub edge: Option<EdgeConfig>,
    /// Who brings requests in the gateway's place, where the file says so.
    pub host: Option<HostSection>,
}

/// Why a configuration file is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be read.
    #[error("{name}: {cause}")]
    File {
        /// As it was named.
        name: String,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudSection {
    /// Where gateways ask.
    pub nodes_at: SocketAddr,
    /// Where operators ask; loopback only.
    pub admin_at: SocketAddr,
    /// Where backends ask for decisions.
    pub api_at: Option<SocketAddr>,
    /// Where the console is; loopback only.
    pub console_at: Option<SocketAddr>,
    /// Records and events older than this are swept.
    pub retention: Duration,
    /// No decision is stored beyond it. Unit: bytes.
    pub disk_quota: u64,
    /// Who is told of challenges and blocks.
    pub webhook: Option<Webhook>,
    /// Which devices enrol.
    pub enrolment: Enrolment,
    /// The relying party of users' passkeys, where they may pass challenges.
    pub passkeys: Option<Site>,
}

/// One receiver of webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where they are posted.
    pub url: String,
    /// The file with the secret that signs them.
    pub secret_file: PathBuf,
    /// Which verdicts are told.
    pub events: Vec<String>,
}

/// Which zones a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Every zone that the file describes.
    #[default]
    All,
    /// The control plane.
    Cloud,
    /// The gateway.
    Edge,
}

impl Role {
    /// Whether the control plane runs.
    pub const fn has_cloud(self) -> bool {
        !matches!(self, Self::Edge)
    }

    /// Whether the gateway runs.
    pub const fn has_edge(self) -> bool {
        !matches!(self, Self::Cloud)
    }
}

impl ServeConfig {
    /// Reads and checks `text`; `file` is its name in errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file, text };
        let document = source.parse()?;
        let mut keys = Keys::root(source, &document);
        let tenant = name(&mut keys, "tenant", TenantId::parse)?;
        let realm = realm(&mut keys)?;
        let data_dir = keys.text("data_dir")?.map_or_else(|| PathBuf::from(DATA_DIR), PathBuf::from);
        let log = keys.text("log")?.unwrap_or(LOG).to_owned();
        let log_format = keys.parsed("log_format", "must be `text` or `json`", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })?;
        let cloud = keys.table("cloud")?.map(cloud).transpose()?;
        let health = keys.table("health")?.map(health).transpose()?;
        let own_cloud = cloud.as_ref().map(|cloud| cloud.nodes_at);
        let edge = keys.table("edge")?;
        let edge =
            edge.map(|edge| EdgeConfig::section(edge, tenant.clone(), realm, own_cloud)).transpose()?;
        if cloud.is_none() && edge.is_none() {
            return Err(keys.bad("cloud", "or `edge` is needed: the file describes no zone to run"));
        }
        let host = keys.table("host")?.map(host::host).transpose()?;
        if let Some(host) = &host {
            host.fits(&keys, edge.as_ref())?;
        }
        keys.finish()?;
        let log_format = log_format.unwrap_or(LogFormat::Text);
        Ok(Self { file: None, tenant, realm, data_dir, log, log_format, cloud, health, edge, host })
    }

    /// Reads and checks a file; what it names is relative to its folder.
    ///
    /// # Errors
    /// If it cannot be read, or the first thing that is wrong in it.
    pub fn read(file: &Path) -> Result<Self, ReadError> {
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|cause| ReadError::File { name: name.clone(), cause })?;
        let mut config = Self::parse(&name, &text)?;
        config.resolve(file);
        config.file = Some(file.to_owned());
        Ok(config)
    }

    /// Makes a relative data folder relative to the folder of the file, not to wherever the process was started.
    pub fn resolve(&mut self, file: &Path) {
        let base = file.parent().unwrap_or(Path::new(""));
        self.data_dir = base.join(&self.data_dir);
        if let Some(edge) = &mut self.edge {
            edge.resolve(base);
        }
        if let Some(host) = &mut self.host {
            host.secret_file = base.join(&host.secret_file);
        }
        if let Some(cloud) = &mut self.cloud {
            cloud.enrolment.resolve(base);
        }
        if let Some(webhook) = self.cloud.as_mut().and_then(|cloud| cloud.webhook.as_mut()) {
            webhook.secret_file = base.join(&webhook.secret_file);
        }
    }
}

fn cloud(mut keys: Keys<'_>) -> Result<CloudSection, ConfigError> {
    let nodes_at = address(&mut keys, "nodes_at")?;
    let admin_at = address(&mut keys, "admin_at")?;
    if !admin_at.ip().is_loopback() {
        return Err(keys.bad("admin_at", "must be on loopback: the admin surface has no TLS of its own"));
    }
    let rule = "must be an address and port, such as 127.0.0.1:7403";
    let api_at: Option<SocketAddr> = keys.parsed("api_at", rule, |text| text.parse().ok())?;
    if api_at.is_some_and(|at| !at.ip().is_loopback()) {
        return Err(keys.bad("api_at", "must be on loopback: the decision API has no TLS of its own"));
    }
    let rule = "must be an address and port, such as 127.0.0.1:7405";
    let console_at: Option<SocketAddr> = keys.parsed("console_at", rule, |text| text.parse().ok())?;
    if console_at.is_some_and(|at| !at.ip().is_loopback()) {
        return Err(keys.bad("console_at", "must be on loopback: the console has no TLS of its own"));
    }
    let days = keys.integer("retention_days", 1..=3_650)?.unwrap_or(RETENTION_DAYS);
    let megabytes = keys.integer("disk_quota_mb", 16..=(1 << 30))?.unwrap_or(DISK_QUOTA_MB);
    let webhook = keys.table("webhook")?.map(webhook).transpose()?;
    let enrolment = keys.table("enrolment")?.map(enrolment::enrolment).transpose()?.unwrap_or_default();
    let passkeys = keys.table("passkeys")?.map(passkeys::passkeys).transpose()?;
    keys.finish()?;
    Ok(CloudSection {
        nodes_at,
        admin_at,
        api_at,
        console_at,
        retention: Duration::from_secs(days * 86_400),
        disk_quota: megabytes << 20,
        webhook,
        enrolment,
        passkeys,
    })
}

fn webhook(mut keys: Keys<'_>) -> Result<Webhook, ConfigError> {
    let url = keys.parsed("url", "must start with https:// or http://", |text| {
        ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme)).then(|| text.to_owned())
    })?;
    let url = keys.need("url", url)?;
    let secret_file = keys.text("secret_file")?;
    let secret_file = PathBuf::from(keys.need("secret_file", secret_file)?);
    let events = keys.texts("events")?.unwrap_or_else(|| WEBHOOK_EVENTS.to_vec());
    if events.is_empty() || events.iter().any(|event| !WEBHOOK_EVENTS.contains(event)) {
        return Err(keys.bad("events", "must be a list of `challenge` and `block`"));
    }
    let events = events.into_iter().map(ToOwned::to_owned).collect();
    keys.finish()?;
    Ok(Webhook { url, secret_file, events })
}

fn health(mut keys: Keys<'_>) -> Result<SocketAddr, ConfigError> {
    let listen = address(&mut keys, "listen")?;
    keys.finish()?;
    Ok(listen)
}

/// Default data folder, beside the configuration file.
pub const DATA_DIR: &str = "glacis-data";
/// Default filter of log lines.
const LOG: &str = "info";
/// Default age at which records are swept. Unit: days.
const RETENTION_DAYS: u64 = 90;
/// Default size that the store may have. Unit: MiB.
const DISK_QUOTA_MB: u64 = 10_240;
/// Verdicts that a webhook may be told of.
const WEBHOOK_EVENTS: [&str; 2] = ["challenge", "block"];

#[cfg(test)]
mod tests;
