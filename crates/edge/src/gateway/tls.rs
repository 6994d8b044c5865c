//! TLS where clients connect: rustls over aws-lc-rs, certificates by name, files that can be read again.
//!
//! TLS 1.3 alone unless 1.2 is asked for; the hybrid X25519MLKEM768 first (draft-ietf-tls-ecdhe-mlkem). Tickets resume sessions, with
//! keys of this process that change every six hours; there is no early data, since it can be replayed. A client's
//! certificate lets it in where the operator says so, and says nothing to the pipeline.
//!
//! What is loaded is swapped as a whole: a handshake uses what was in force when it began, and files that are wrong
//! change nothing.

use crate::config::{self, ClientAuth, EdgeConfig};
use glacis_host::Host;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ProducesTickets, ResolvesServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig, version};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use x509_cert::der::Decode;

/// TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
#[error("tls: `{}` {reason}", file.display())]
pub struct TlsError {
    file: PathBuf,
    reason: String,
}

/// What a listener speaks TLS with.
pub(super) struct Tls {
    host: Arc<dyn Host>,
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    live: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads all files.
    pub(super) fn load(
        config: &EdgeConfig,
        tls: &config::Tls,
        host: Arc<dyn Host>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let tickets = tickets(tls)?;
        let live = build(tls, alpn(config), &host, &provider, Arc::clone(&tickets))?;
        Ok(Self { host, provider, tickets, live: RwLock::new(Arc::new(live)) })
    }

    /// What the files hold now, also others than before; nothing is in force yet.
    pub(super) fn fresh(
        &self,
        config: &EdgeConfig,
        tls: &config::Tls,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        build(tls, alpn(config), &self.host, &self.provider, Arc::clone(&self.tickets)).map(Arc::new)
    }

    /// Handshakes from now on use this.
    pub(super) fn put(&self, fresh: Arc<ServerConfig>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// What the next handshake uses.
    pub(super) fn live(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Protocols by preference.
fn alpn(config: &EdgeConfig) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = if config.http2.enabled { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    names.iter().map(|name| name.to_vec()).collect()
}

fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: GROUPS.to_vec(), ..aws_lc_rs::default_provider() }
}

/// The hybrid first; without it no client that can do it would get it.
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

fn tickets(config: &config::Tls) -> Result<Arc<dyn ProducesTickets>, TlsError> {
    let file = config.certificates.first().map_or(Path::new(""), |certificate| &certificate.chain);
    aws_lc_rs::Ticketer::new().map_err(|error| TlsError::new(file, format!("has no ticket keys: {error}")))
}

fn build(
    config: &config::Tls,
    alpn: Vec<Vec<u8>>,
    host: &Arc<dyn Host>,
    provider: &Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, TlsError> {
    let names = Names::load(config, host, provider)?;
    let versions: &[_] = if config.tls12 { &[&version::TLS13, &version::TLS12] } else { &[&version::TLS13] };
    let first = config.certificates.first().map_or(Path::new(""), |certificate| &certificate.chain);
    let unusable =
        |file: &Path, error: &dyn fmt::Display| TlsError::new(file, format!("cannot be used: {error}"));
    let clock = Arc::new(Clock(Arc::clone(host)));
    let builder = ServerConfig::builder_with_details(Arc::clone(provider), clock)
        .with_protocol_versions(versions)
        .map_err(|error| unusable(first, &error))?;
    let verifier = |file: &Path| {
        let roots = Arc::new(roots(file)?);
        Ok((file.to_owned(), WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))))
    };
    let builder = match &config.client_auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        ClientAuth::Optional(file) => {
            let (file, verifier) = verifier(file)?;
            let built = verifier.allow_unauthenticated().build();
            builder.with_client_cert_verifier(built.map_err(|error| unusable(&file, &error))?)
        }
        ClientAuth::Required(file) => {
            let (file, verifier) = verifier(file)?;
            builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(&file, &error))?)
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(names));
    server.alpn_protocols = alpn;
    // A ticket would let a client in again and again whose certificate has ended.
    if matches!(config.client_auth, ClientAuth::Off) {
        server.ticketer = tickets;
    }
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.max_early_data_size = 0;
    Ok(server)
}

fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(file)? {
        roots.add(root).map_err(|error| TlsError::new(file, format!("holds what is no CA: {error}")))?;
    }
    Ok(roots)
}

/// Certificates by the names that they are for.
#[derive(Debug, Default)]
struct Names {
    exact: BTreeMap<String, Arc<CertifiedKey>>,
    /// By what follows the `*`.
    wild: BTreeMap<String, Arc<CertifiedKey>>,
    other: Option<Arc<CertifiedKey>>,
}

impl Names {
    fn load(config: &config::Tls, host: &Arc<dyn Host>, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut names = Self::default();
        for certificate in &config.certificates {
            let loaded = Arc::new(pair(certificate, host, provider)?);
            for name in &certificate.names {
                match name.strip_prefix('*') {
                    Some(rest) => names.wild.insert(rest.to_owned(), Arc::clone(&loaded)),
                    None => names.exact.insert(name.clone(), Arc::clone(&loaded)),
                };
            }
            if certificate.names.is_empty() {
                names.other = Some(loaded);
            }
        }
        Ok(names)
    }

    fn of(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let known = name.and_then(|name| {
            let below = || name.find('.').and_then(|at| name.get(at..));
            self.exact.get(name).or_else(|| self.wild.get(below()?))
        });
        known.or(self.other.as_ref())
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.of(name.as_deref()).cloned()
    }
}

/// A chain with its key: they belong together, and are for the names that they are given for.
fn pair(
    certificate: &config::Certificate,
    host: &Arc<dyn Host>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&certificate.chain)?;
    let leaf =
        chain.first().cloned().ok_or_else(|| TlsError::new(&certificate.chain, "holds no certificate"))?;
    let parsed = ParsedCertificate::try_from(&leaf).map_err(|error| {
        TlsError::new(&certificate.chain, format!("begins with what is no certificate: {error}"))
    })?;
    let text = read(&certificate.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| TlsError::new(&certificate.key, format!("holds no private key as PEM: {error}")))?;
    let loaded = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let other = certificate.chain.display();
            TlsError::new(&certificate.key, format!("is not the key of the certificate in `{other}`"))
        }
        error => TlsError::new(&certificate.key, format!("cannot be used: {error}")),
    })?;
    for name in &certificate.names {
        let sample = name.strip_prefix('*').map_or_else(|| name.clone(), |rest| format!("a{rest}"));
        let sample = DnsName::try_from(sample).map(ServerName::DnsName);
        let fits = sample.is_ok_and(|sample| rustls::client::verify_server_name(&parsed, &sample).is_ok());
        if !fits {
            return Err(TlsError::new(&certificate.chain, format!("is not a certificate for `{name}`")));
        }
    }
    warn_of_age(&certificate.chain, &leaf, host);
    Ok(loaded)
}

/// A certificate out of its time is served all the same: clients refuse it and the operator is told.
fn warn_of_age(file: &Path, leaf: &CertificateDer<'_>, host: &Arc<dyn Host>) {
    let Ok(parsed) = x509_cert::Certificate::from_der(leaf) else { return };
    let validity = *parsed.tbs_certificate().validity();
    let now = Duration::from_secs(host.now().as_secs());
    let file = file.display();
    if validity.not_after.to_unix_duration() < now {
        tracing::warn!(%file, "certificate expired on {}", validity.not_after);
    } else if now < validity.not_before.to_unix_duration() {
        tracing::warn!(%file, "certificate is not valid before {}", validity.not_before);
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| TlsError::new(file, format!("is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(TlsError::new(file, "holds no certificate as PEM"));
    }
    if found.len() > CERTIFICATES_MAX {
        return Err(TlsError::new(file, format!("holds more than {CERTIFICATES_MAX} certificates")));
    }
    Ok(found)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error: io::Error| TlsError::new(file, format!("cannot be read: {error}"));
    if std::fs::metadata(file).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(TlsError::new(file, format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read(file).map_err(failed)
}

impl TlsError {
    fn new(file: &Path, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), reason: reason.into() }
    }
}

/// The host's clock, for the certificates of clients.
struct Clock(Arc<dyn Host>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.now().as_secs())))
    }
}

/// Largest file of certificates or of a key. Unit: bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most certificates of one file.
const CERTIFICATES_MAX: usize = 256;
