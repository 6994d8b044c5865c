//! The control plane: its store opened with the keys of the ring, its listeners on a thread of their own.
//!
//! The ring may be ahead of the store: a rotated key signs only once the key set that names it is in force, which
//! the next publish brings. Until then the store is opened with the keys before it.

use crate::config::{self, CloudSection};
use crate::error::{ServeError, ServeErrorKind};
use crate::installation::{Installation, cloud_keys, first_key_set, node_keys};
use crate::keys::Ring;
use glacis_attest::Anchors;
use glacis_cloud::otp::OtpSendError;
use glacis_cloud::server::webhook::Webhook;
use glacis_cloud::server::writer::WriterLimits;
use glacis_cloud::server::{Hosted, ServerConfig};
use glacis_cloud::webhook::Tell;
use glacis_cloud::{Birth, CloudConfig, CloudCore, CloudErrorKind, CloudLimits, Enrolling, OtpSender, Place};
use glacis_host::Host;
use std::sync::Arc;

/// Opens the store of an installation, or makes it.
///
/// # Errors
/// If it belongs to another tenant or realm, is damaged, or the ring lacks a key.
pub(crate) fn open_cloud(
    installation: &Installation,
    ring: &Ring,
    (section, limits): (&CloudSection, &CloudLimits),
    (anchors, enrolling): &(Anchors, Enrolling),
    host: &Arc<dyn Host>,
) -> Result<CloudCore, ServeError> {
    let context = ring.context();
    let store = installation.store();
    let mut refused = None;
    for keys in cloud_keys(ring)? {
        let config = CloudConfig {
            birth: Birth { tenant: context.tenant.clone(), realm: context.realm },
            key_set: first_key_set(ring)?,
            keys,
            anchors: anchors.clone(),
            enrolling: enrolling.clone(),
            passkeys: section.passkeys.clone(),
            limits: limits.clone(),
        };
        match CloudCore::open(&Place::File(&store), config, Arc::clone(host)) {
            Ok(core) => {
                if refused.is_some() {
                    tracing::warn!("the newest key set is not in force: publish a policy to bring it");
                }
                return Ok(core);
            }
            Err(error) if error.kind() == CloudErrorKind::WrongKey => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(refused
        .map_or_else(|| ServeError::new(ServeErrorKind::Missing, "keys: none fits the store"), Into::into))
}

/// The receiver of the configuration, with the secrets of its file: one a line, two while one is replaced.
fn webhook(section: &config::Webhook) -> Result<Webhook, ServeError> {
    let file = section.secret_file.display();
    let secrets = std::fs::read_to_string(&section.secret_file).map_err(|error| {
        ServeError::new(ServeErrorKind::Missing, format!("webhook: cannot read `{file}`: {error}"))
    })?;
    let tells = |event: &str| section.events.iter().any(|told| told == event);
    let tell = Tell { challenge: tells("challenge"), block: tells("block") };
    Webhook::new(&section.url, secrets.lines().filter(|line| !line.trim().is_empty()), tell).map_err(
        |error| ServeError::new(ServeErrorKind::Usage, format!("webhook (secrets in `{file}`): {error}")),
    )
}

/// Serves `core` from a thread of its own; returns when it listens.
///
/// # Errors
/// If an address cannot be listened on; the message says who holds it.
pub(crate) fn start_cloud(
    core: CloudCore,
    ring: &Ring,
    section: &CloudSection,
    host: Arc<dyn Host>,
) -> Result<Hosted, ServeError> {
    let config = ServerConfig {
        nodes_at: section.nodes_at,
        admin_at: section.admin_at,
        api_at: section.api_at,
        console_at: section.console_at,
        webhook: section.webhook.as_ref().map(webhook).transpose()?,
        nodes: node_keys(ring)?,
        writer: WriterLimits::default(),
        otp: Arc::new(NoOtp),
        host,
    };
    Hosted::start(core, config).map_err(|error| ServeError::failed("control plane", error))
}

/// No way of sending codes is built in: a challenge `otp` cannot be passed, and the device is told so.
struct NoOtp;

impl OtpSender for NoOtp {
    fn send(&self, _principal: &str, _code: &str) -> Result<(), OtpSendError> {
        tracing::warn!("a one-time password was asked for, and no way of sending one is built in");
        Err(OtpSendError)
    }
}
