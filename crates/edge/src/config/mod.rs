//! What an operator says about one edge node: raw TOML in, checked settings out.
//!
//! A typo in any key or value names file, line, column and the nearest accepted key ([`ConfigError`]). Key
//! material is not in here ([`crate::EdgeKeys`]), except for the key that verifies the principal's token. Defaults
//! are the constants at the end of this file.

pub mod reader;
mod route;
mod tls;

pub use reader::ConfigError;
pub use route::{DeviceZone, Extract, Field, Mode, Principal, RouteConfig, Segment, Stance};
pub use tls::{Certificate, ClientAuth, Http2, Tls};

use crate::limit::Rate;
use crate::request::base64url;
use glacis_wire::message::PublicKey;
use glacis_wire::{NodeName, Realm, TenantId};
use reader::{Keys, Source};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Settings of one edge node that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeConfig {
    /// Whose node this is.
    pub tenant: TenantId,
    /// Which realm it serves.
    pub realm: Realm,
    /// Its name, unique in the installation.
    pub node: NodeName,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// TLS where they connect; clear text without.
    pub tls: Option<Tls>,
    /// HTTP/2 where they connect.
    pub http2: Http2,
    /// Worker threads, each with its own listener. Range: 1..=256.
    pub threads: usize,
    /// Where the cloud listens.
    pub cloud: SocketAddr,
    /// Longest wait for a decision of the cloud.
    pub cloud_wait: Duration,
    /// Pause between two pulls of the policy bundles.
    pub bundle_every: Duration,
    /// Pause between two pulls of the revocation feed.
    pub feed_every: Duration,
    /// A feed older than this caps every tier to `software` and every trust to `claimed`.
    pub feed_stale: Duration,
    /// With a feed older than this no policy can be run; the route's stance answers.
    pub feed_very_stale: Duration,
    /// Limits.
    pub limits: Limits,
    /// How a principal's token is verified, if any route wants one.
    pub token: Option<TokenKey>,
    /// Services behind the edge.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Routes in order; the first match counts.
    pub routes: Vec<RouteConfig>,
}

/// One service behind the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in routes.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether `x-forwarded-for` says who the client is, and under TLS `x-forwarded-proto` how it came, in place of what
    /// the client says.
    pub forwarded_for: bool,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether it gets its own address as `host`, and not the one that the client asked for.
    pub own_host: bool,
    /// Longest time that a connection to it is kept without use, in steps of 250 ms; below that, none is kept.
    pub idle: Duration,
}

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// One request at a time on a connection.
    #[default]
    Http1,
    /// Many at once, without TLS and known beforehand (RFC 9113 §3.3); what gRPC needs.
    Http2,
}

/// Everything that is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one address prefix (/24, /48).
    pub prefix: Rate,
    /// Requests of one device.
    pub device: Rate,
    /// Asymmetric operations of this node.
    pub asymmetric: Rate,
    /// Cells of each rate table (16 bytes each).
    pub rate_keys: usize,
    /// Legs held at once; the least recently opened gives way and its device opens a new one.
    pub legs: usize,
    /// Events remembered at once; the cloud stays the authority.
    pub events: usize,
    /// Bytes that the journal may hold while the cloud takes none; then nothing is decided at the edge.
    pub journal_bytes: u64,
    /// Client connections at once.
    pub connections: usize,
    /// Longest request head. Unit: bytes.
    pub head_bytes: usize,
    /// Longest wait for a complete request head.
    pub head_wait: Duration,
    /// Longest idle time of a kept connection.
    pub idle: Duration,
    /// Longest wait for the upstream's answer head, and for each further piece of its body.
    pub upstream_wait: Duration,
    /// Longest wait for running requests at shutdown.
    pub drain: Duration,
}

/// The key that verifies tokens, with what they must say.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The key and with it the only accepted algorithm.
    pub key: TokenAlg,
    /// Required `iss`.
    pub issuer: Option<String>,
    /// Required `aud`.
    pub audience: Option<String>,
}

/// Algorithm and key in one, so that a token cannot choose.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenAlg {
    /// ECDSA on P-256.
    Es256(PublicKey),
    /// HMAC-SHA256; at least 32 bytes.
    Hs256(Vec<u8>),
}

impl fmt::Debug for TokenAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es256(_) => "ES256",
            Self::Hs256(_) => "HS256",
        })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?})", self.key)
    }
}

impl EdgeConfig {
    /// Reads and checks `text`; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file, text };
        let document = source.parse()?;
        let mut keys = Keys::root(source, &document);
        let tenant = name(&mut keys, "tenant", TenantId::parse)?;
        let realm = realm(&mut keys)?;
        Self::section(keys, tenant, realm, None)
    }

    /// Reads and checks the keys of one node from a table of a larger file, which says itself whose it is.
    /// `cloud` is where the cloud listens if the table does not say.
    pub fn section(
        mut keys: Keys<'_>,
        tenant: TenantId,
        realm: Realm,
        cloud: Option<SocketAddr>,
    ) -> Result<Self, ConfigError> {
        let upstreams = upstreams(&mut keys)?;
        let token = keys.table("token")?.map(token).transpose()?;
        let config = Self {
            tenant,
            realm,
            node: name(&mut keys, "node", NodeName::parse)?,
            listen: address(&mut keys, "listen")?,
            tls: keys.table("tls")?.map(tls::tls).transpose()?,
            http2: tls::http2(keys.table("http2")?)?,
            threads: usize_of(keys.integer("threads", 1..=256)?.unwrap_or(THREADS)),
            cloud: address_or(&mut keys, "cloud", cloud)?,
            cloud_wait: millis(&mut keys, "cloud_wait_ms", 1..=10_000, CLOUD_WAIT_MS)?,
            bundle_every: millis(&mut keys, "bundle_every_ms", 50..=60_000, BUNDLE_EVERY_MS)?,
            feed_every: millis(&mut keys, "feed_every_ms", 50..=5_000, FEED_EVERY_MS)?,
            feed_stale: seconds(&mut keys, "feed_stale_s", 1..=86_400, FEED_STALE_S)?,
            feed_very_stale: seconds(&mut keys, "feed_very_stale_s", 1..=604_800, FEED_VERY_STALE_S)?,
            limits: limits(keys.table("limits")?)?,
            routes: route::routes(&mut keys, &upstreams, token.is_some())?,
            upstreams,
            token,
        };
        if config.feed_very_stale < config.feed_stale {
            return Err(keys.bad("feed_very_stale_s", "must not be below `feed_stale_s`"));
        }
        keys.finish()?;
        Ok(config)
    }

    /// Makes relative files relative to `base`, the folder of the configuration file.
    pub fn resolve(&mut self, base: &Path) {
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
    }
}

fn usize_of(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A name that `parse` accepts; must be there.
pub fn name<T, E: fmt::Display>(
    keys: &mut Keys<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, ConfigError> {
    let text = keys.text(key)?;
    parse(keys.need(key, text)?).map_err(|error| keys.bad(key, format_args!("is not accepted: {error}")))
}

/// The realm; must be there.
pub fn realm(keys: &mut Keys<'_>) -> Result<Realm, ConfigError> {
    let realm = keys.parsed("realm", "must be `production` or `demo`", |text| {
        [Realm::Production, Realm::Demo].into_iter().find(|realm| realm.name() == text)
    })?;
    keys.need("realm", realm)
}

/// An address and port; must be there.
pub fn address(keys: &mut Keys<'_>, key: &'static str) -> Result<SocketAddr, ConfigError> {
    address_or(keys, key, None)
}

fn address_or(
    keys: &mut Keys<'_>,
    key: &'static str,
    default: Option<SocketAddr>,
) -> Result<SocketAddr, ConfigError> {
    let address =
        keys.parsed(key, "must be an address and port, such as 127.0.0.1:8080", |text| text.parse().ok())?;
    keys.need(key, address.or(default))
}

fn millis(
    keys: &mut Keys<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
    default: u64,
) -> Result<Duration, ConfigError> {
    Ok(Duration::from_millis(keys.integer(key, range)?.unwrap_or(default)))
}

fn seconds(
    keys: &mut Keys<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
    default: u64,
) -> Result<Duration, ConfigError> {
    Ok(Duration::from_secs(keys.integer(key, range)?.unwrap_or(default)))
}

fn upstreams(keys: &mut Keys<'_>) -> Result<Vec<Arc<Upstream>>, ConfigError> {
    let mut upstreams = Vec::new();
    for (name, mut table) in keys.entries("upstream")? {
        let host = table.parsed("host", "must be `preserve` or `upstream`", |text| match text {
            "preserve" => Some(false),
            "upstream" => Some(true),
            _ => None,
        })?;
        let protocol = table.parsed("protocol", "must be `http1` or `http2`", |text| match text {
            "http1" => Some(Protocol::Http1),
            "http2" => Some(Protocol::Http2),
            _ => None,
        })?;
        let upstream = Upstream {
            name: name.to_owned(),
            address: address(&mut table, "address")?,
            forwarded_for: table.flag("forwarded_for")?,
            protocol: protocol.unwrap_or_default(),
            own_host: host.unwrap_or(false),
            idle: millis(&mut table, "idle_ms", 0..=600_000, UPSTREAM_IDLE_MS)?,
        };
        table.finish()?;
        upstreams.push(Arc::new(upstream));
    }
    Ok(upstreams)
}

fn token(mut keys: Keys<'_>) -> Result<TokenKey, ConfigError> {
    let alg = keys.text("alg")?;
    let alg = keys.need("alg", alg)?;
    let key = keys.text("key")?;
    let raw = base64url(keys.need("key", key)?.as_bytes())
        .ok_or_else(|| keys.bad("key", "must be base64url without padding"))?;
    let key = match alg {
        "ES256" => {
            let point = <[u8; PublicKey::LEN]>::try_from(raw.as_slice())
                .ok()
                .filter(|point| point.first() == Some(&4));
            TokenAlg::Es256(PublicKey(
                point.ok_or_else(|| keys.bad("key", "must be an uncompressed P-256 point"))?,
            ))
        }
        "HS256" if raw.len() >= TOKEN_SECRET_BYTES_MIN => TokenAlg::Hs256(raw),
        "HS256" => return Err(keys.bad("key", "must hold at least 32 bytes")),
        _ => return Err(keys.bad("alg", "must be `ES256` or `HS256`")),
    };
    let issuer = keys.text("issuer")?.map(ToOwned::to_owned);
    let audience = keys.text("audience")?.map(ToOwned::to_owned);
    keys.finish()?;
    Ok(TokenKey { key, issuer, audience })
}

fn rate(keys: &mut Keys<'_>, key: &'static str, default: (u32, u32)) -> Result<Rate, ConfigError> {
    let mut burst = u64::from(default.0);
    let mut per_second = u64::from(default.1);
    if let Some(mut table) = keys.table(key)? {
        burst = table.integer("burst", 1..=1_000_000)?.unwrap_or(burst);
        per_second = table.integer("per_second", 1..=1_000_000)?.unwrap_or(per_second);
        table.finish()?;
    }
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Rate::new(small(burst), small(per_second)).ok_or_else(|| keys.bad(key, "is out of range"))
}

fn limits(keys: Option<Keys<'_>>) -> Result<Limits, ConfigError> {
    let Some(mut keys) = keys else { return Ok(Limits::default()) };
    let d = Limits::default();
    let limits = Limits {
        prefix: rate(&mut keys, "prefix", PREFIX_RATE)?,
        device: rate(&mut keys, "device", DEVICE_RATE)?,
        asymmetric: rate(&mut keys, "asymmetric", ASYMMETRIC_RATE)?,
        rate_keys: keys.integer("rate_keys", 1_024..=16_777_216)?.map_or(d.rate_keys, usize_of),
        legs: keys.integer("legs", 16..=16_777_216)?.map_or(d.legs, usize_of),
        events: keys.integer("events", 16..=16_777_216)?.map_or(d.events, usize_of),
        journal_bytes: keys.integer("journal_bytes", 262_144..=1 << 40)?.unwrap_or(d.journal_bytes),
        connections: keys.integer("connections", 1..=1_000_000)?.map_or(d.connections, usize_of),
        head_bytes: keys.integer("head_bytes", 1_024..=262_144)?.map_or(d.head_bytes, usize_of),
        head_wait: millis(&mut keys, "head_wait_ms", 100..=60_000, HEAD_WAIT_MS)?,
        idle: millis(&mut keys, "idle_ms", 1_000..=3_600_000, IDLE_MS)?,
        upstream_wait: millis(&mut keys, "upstream_wait_ms", 100..=600_000, UPSTREAM_WAIT_MS)?,
        drain: millis(&mut keys, "drain_ms", 0..=600_000, DRAIN_MS)?,
    };
    keys.finish()?;
    Ok(limits)
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |(burst, per_second)| Rate::new(burst, per_second).unwrap_or(Rate::ONE);
        Self {
            prefix: rate(PREFIX_RATE),
            device: rate(DEVICE_RATE),
            asymmetric: rate(ASYMMETRIC_RATE),
            rate_keys: 65_536,
            legs: 65_536,
            events: 65_536,
            journal_bytes: 256 << 20,
            connections: 4_096,
            head_bytes: 16_384,
            head_wait: Duration::from_millis(HEAD_WAIT_MS),
            idle: Duration::from_millis(IDLE_MS),
            upstream_wait: Duration::from_millis(UPSTREAM_WAIT_MS),
            drain: Duration::from_millis(DRAIN_MS),
        }
    }
}

/// Default worker threads.
const THREADS: u64 = 1;
/// Default longest wait for the cloud. Unit: ms. Source: build contract.
const CLOUD_WAIT_MS: u64 = 250;
/// Default pause between bundle pulls. Unit: ms. Source: build contract (≤ 2 s, jittered).
const BUNDLE_EVERY_MS: u64 = 1_500;
/// Default pause between feed pulls. Unit: ms. Source: DESIGN §5.3 step 5 (≤ 5 s).
const FEED_EVERY_MS: u64 = 2_000;
/// Default age from which a feed caps tiers. Unit: s. Six missed pulls at the slowest allowed pace.
const FEED_STALE_S: u64 = 30;
/// Default age from which no policy is run on a feed. Unit: s.
const FEED_VERY_STALE_S: u64 = 3_600;
/// Shortest HS256 secret. Unit: bytes. Source: RFC 7518 §3.2.
const TOKEN_SECRET_BYTES_MIN: usize = 32;
/// Default longest wait for a request head. Unit: ms.
const HEAD_WAIT_MS: u64 = 10_000;
/// Default longest idle time of a kept connection. Unit: ms.
const IDLE_MS: u64 = 60_000;
/// Default longest time without use of a connection to an upstream. Unit: ms. Source: shorter than what the usual
/// servers keep: nginx 75 s, node and uvicorn 5 s, gunicorn 2 s.
const UPSTREAM_IDLE_MS: u64 = 1_500;
/// Default longest wait for the upstream. Unit: ms.
const UPSTREAM_WAIT_MS: u64 = 30_000;
/// Default longest wait for running requests at shutdown. Unit: ms.
const DRAIN_MS: u64 = 5_000;
/// Default rate of one address prefix: burst, per second.
const PREFIX_RATE: (u32, u32) = (2_000, 1_000);
/// Default rate of one device: burst, per second.
const DEVICE_RATE: (u32, u32) = (60, 20);
/// Default budget of asymmetric work: burst, per second. At 55 µs each, half a core.
const ASYMMETRIC_RATE: (u32, u32) = (2_000, 8_000);

#[cfg(test)]
mod tests;
