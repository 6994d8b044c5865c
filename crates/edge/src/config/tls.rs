//! What an operator says about TLS and HTTP/2 on the side of the clients: names and files, no content.
//!
//! Files are named here and read by the gateway, at its start and whenever it is told to. Whether a file holds what
//! it should is for whoever reads it to say.

use super::reader::{ConfigError, Keys};
use super::usize_of;
use std::path::{Path, PathBuf};

/// TLS on the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// At least one; at most one of them has no names.
    pub certificates: Vec<Certificate>,
    /// Whether clients show a certificate, and which file holds the CAs that may have issued it.
    pub client_auth: ClientAuth,
    /// Whether TLS 1.2 is spoken as well.
    pub tls12: bool,
    /// Handshakes of one worker at once; further connections are closed. Range: 1..=65536.
    pub handshakes: usize,
}

/// One chain with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Host names, lower case, `*.` for any one label; empty for whoever names no host or another one.
    pub names: Vec<String>,
    /// PEM file of the certificates, the server's own first.
    pub chain: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// Whether a client shows a certificate. It is let in or not; it is worth no trust beyond that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    Off,
    /// One that is shown must be of these CAs.
    Optional(PathBuf),
    /// One of these CAs must be shown.
    Required(PathBuf),
}

/// HTTP/2 on the listener: by ALPN under TLS, by its preface without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Whether it is spoken at all.
    pub enabled: bool,
    /// Requests at once on one connection. Range: 1..=1000.
    pub streams: u32,
    /// Requests that a client may take back on one connection, beyond as many as were answered. Range: 10..=100000.
    pub resets: u64,
}

impl Default for Http2 {
    fn default() -> Self {
        Self { enabled: true, streams: STREAMS, resets: RESETS }
    }
}

impl Tls {
    /// Makes relative files relative to `base`.
    pub(super) fn resolve(&mut self, base: &Path) {
        for certificate in &mut self.certificates {
            certificate.chain = base.join(&certificate.chain);
            certificate.key = base.join(&certificate.key);
        }
        if let ClientAuth::Optional(file) | ClientAuth::Required(file) = &mut self.client_auth {
            *file = base.join(&*file);
        }
    }
}

pub(super) fn tls(mut keys: Keys<'_>) -> Result<Tls, ConfigError> {
    let mut certificates = Vec::new();
    for table in keys.tables("certificate")? {
        certificates.push(certificate(table)?);
    }
    if certificates.is_empty() {
        return Err(keys.bad("certificate", "is missing: TLS needs at least one [[…certificate]]"));
    }
    if certificates.iter().filter(|certificate| certificate.names.is_empty()).count() > 1 {
        return Err(
            keys.bad("certificate", "without `names` is the one for everybody else; there can be one")
        );
    }
    let mut names: Vec<&String> = certificates.iter().flat_map(|certificate| &certificate.names).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
    {
        let twice = twice.map_or("", |name| name.as_str());
        return Err(keys.bad("certificate", format_args!("has the name `{twice}` twice")));
    }
    let authority = keys.text("client_ca")?.map(PathBuf::from);
    let asked = keys.parsed("client_auth", "must be `none`, `optional` or `required`", |text| {
        ["none", "optional", "required"].into_iter().find(|known| *known == text)
    })?;
    let client_auth = match (asked.unwrap_or("none"), authority) {
        ("none", None) => ClientAuth::Off,
        ("none", Some(_)) => return Err(keys.bad("client_ca", "needs `client_auth` to be asked for")),
        (_, None) => return Err(keys.bad("client_auth", "needs `client_ca`, the file of the CAs")),
        ("optional", Some(file)) => ClientAuth::Optional(file),
        (_, Some(file)) => ClientAuth::Required(file),
    };
    let tls12 = keys.flag("tls12")?;
    let handshakes = keys.integer("handshakes", 1..=65_536)?.map_or(HANDSHAKES, usize_of);
    keys.finish()?;
    Ok(Tls { certificates, client_auth, tls12, handshakes })
}

fn certificate(mut keys: Keys<'_>) -> Result<Certificate, ConfigError> {
    let names = keys.texts("names")?.unwrap_or_default();
    if let Some(wrong) = names.iter().find(|name| !is_host(name)) {
        let rule =
            format!("must be lower-case host names, `*.` for any one label in front; `{wrong}` is not");
        return Err(keys.bad("names", rule));
    }
    let chain = keys.text("chain")?;
    let chain = PathBuf::from(keys.need("chain", chain)?);
    let key = keys.text("key")?;
    let key = PathBuf::from(keys.need("key", key)?);
    let names = names.into_iter().map(ToOwned::to_owned).collect();
    keys.finish()?;
    Ok(Certificate { names, chain, key })
}

/// RFC 1123 labels, in lower case.
fn is_host(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

pub(super) fn http2(keys: Option<Keys<'_>>) -> Result<Http2, ConfigError> {
    let mut http2 = Http2::default();
    let Some(mut keys) = keys else { return Ok(http2) };
    http2.enabled = !keys.flag("off")?;
    if let Some(streams) = keys.integer("streams", 1..=1_000)? {
        http2.streams = u32::try_from(streams).unwrap_or(STREAMS);
    }
    http2.resets = keys.integer("resets", 10..=100_000)?.unwrap_or(RESETS);
    keys.finish()?;
    Ok(http2)
}

/// Default handshakes at once: as many as connections, since one that says nothing costs no more than a connection.
const HANDSHAKES: usize = 4_096;
/// Default requests at once on one connection. Source: RFC 9113 §6.5.2 (not below 100).
const STREAMS: u32 = 100;
/// Default requests that may be taken back. A browser that leaves a page takes back what it asked for: at most
/// [`STREAMS`] at once.
const RESETS: u64 = 200;
