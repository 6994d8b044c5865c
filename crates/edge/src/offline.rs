//! Evidence appraised at the edge, from collateral alone: no cloud is asked.
//!
//! A session needs no evidence here: it is opened on a result that the cloud signed, and that works offline already. This
//! is for whoever hosts the edge where the cloud is away for longer than results live, and for a look at a device between
//! two of its enrolments. Only a device that the cloud enrolled is looked at, only about the key that it enrolled, and what
//! the feed says of it counts. Nothing is enrolled, no result is signed, and the cloud does not learn of it.

use crate::core::EdgeCore;
use glacis_attest::collateral::{Age, Mark};
use glacis_attest::{
    Anchors, Appraisal, AttestError, Collateral, CollateralError, Constraints, Question, References,
};
use glacis_host::Files;
use glacis_seal::{Context, Purpose, published, thumbprint};
use glacis_wire::message::enrol::{DeviceCertificate, Evidence};
use glacis_wire::message::policy::KeyUse;
use glacis_wire::message::{PublicKey, Signed};
use glacis_wire::{Thumbprint, Tier, Timestamp, Trust};
use std::sync::{Arc, PoisonError, RwLock};

/// File of the collateral in force.
const FILE: &str = "collateral";

/// A verifier with the collateral that it holds, which survives a restart.
pub struct OfflineVerifier {
    context: Context,
    key: PublicKey,
    files: Arc<dyn Files>,
    held: RwLock<Option<Arc<(Collateral, Mark)>>>,
}

/// What is to be appraised.
#[derive(Clone, Copy, Debug)]
pub struct OfflineEvidence<'a> {
    /// What the cloud vouched for about the device's key.
    pub certificate: &'a Signed,
    /// The evidence.
    pub evidence: &'a Evidence,
    /// What it must have been made for. That it was issued by us, is fresh and unspent is the caller's to check.
    pub challenge: &'a [u8],
}

/// What a device is worth by its evidence, here and now.
#[derive(Clone, Debug)]
pub struct OfflineStanding {
    /// Which device.
    pub thumbprint: Thumbprint,
    /// What evidence, age of the collateral and feed leave of its tier.
    pub tier: Tier,
    /// The same of its trust.
    pub trust: Trust,
    /// It is not worth that any longer.
    pub not_after: Timestamp,
    /// The appraisal, with its reasons.
    pub appraisal: Appraisal,
}

/// Why nothing was appraised, or collateral was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// What was offered is refused; what is held stays.
    #[error("collateral: {0}")]
    Collateral(#[from] CollateralError),
    /// It cannot be kept, or what was kept cannot be read.
    #[error("collateral cannot be kept: {0}")]
    Keep(#[from] glacis_host::FileError),
    /// There is no collateral yet.
    #[error("there is no collateral")]
    NoCollateral,
    /// The certificate is not the cloud's, has ended, or names another key than it is about.
    #[error("the device is not known: its certificate is not in force")]
    Unknown,
    /// The feed refuses the device.
    #[error("the device is refused by the feed")]
    Refused,
    /// The evidence proves nothing.
    #[error(transparent)]
    Evidence(#[from] AttestError),
}

impl OfflineVerifier {
    /// A verifier that takes collateral of this key, with what it held before a restart.
    ///
    /// # Errors
    /// If what was kept cannot be read, or is not of this key: whoever removes the file gives up the lowest version too.
    pub fn open(context: Context, key: PublicKey, files: Arc<dyn Files>) -> Result<Self, OfflineError> {
        let held = match files.read(FILE)? {
            None => None,
            Some(bytes) => Some(Arc::new(Collateral::open(&bytes, &context, &key)?)),
        };
        Ok(Self { context, key, files, held: RwLock::new(held) })
    }

    /// Takes collateral in the place of what is held; whether it was news. It is durable before it counts.
    ///
    /// # Errors
    /// If it is not of this key, older than what is held, or of another time.
    pub fn take(&self, bytes: &[u8], now: Timestamp) -> Result<bool, OfflineError> {
        let offered = Collateral::open(bytes, &self.context, &self.key)?;
        match offered.0.life.age(now) {
            Age::Fresh | Age::Stale => {}
            age => return Err(CollateralError::Age(age).into()),
        }
        // Held over the writing, so that of two at once the older cannot come last.
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if !offered.1.succeeds(held.as_ref().map(|held| &held.1))? {
            return Ok(false);
        }
        self.files.replace(FILE, bytes)?;
        *held = Some(Arc::new(offered));
        Ok(true)
    }

    /// Version of what is held, and what it is worth at `now`.
    pub fn version(&self, now: Timestamp) -> Option<(u64, Age)> {
        self.held().map(|held| (held.1.version, held.0.life.age(now)))
    }

    fn held(&self) -> Option<Arc<(Collateral, Mark)>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for OfflineVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfflineVerifier").field("context", &self.context).finish_non_exhaustive()
    }
}

impl EdgeCore {
    /// Appraises evidence of a device that the cloud enrolled, from collateral, published keys and feed that are here.
    ///
    /// Costs one verification for the certificate and what the chain costs; the caller holds it to his budget.
    ///
    /// # Errors
    /// If the device is not known or refused, or the evidence proves nothing; collateral that is too old refuses all
    /// (`old-collateral`), a stale one gives tier `software` at most (`stale-collateral`).
    pub fn appraise_offline(
        &self,
        verifier: &OfflineVerifier,
        asked: &OfflineEvidence<'_>,
        now: Timestamp,
    ) -> Result<OfflineStanding, OfflineError> {
        let held = verifier.held().ok_or(OfflineError::NoCollateral)?;
        let context = self.context();
        let certificate: DeviceCertificate = published::open_signed(
            &self.keys(),
            KeyUse::Result,
            context,
            Purpose::Certificate,
            asked.certificate,
        )
        .map_err(|_| OfflineError::Unknown)?;
        let device = thumbprint(&certificate.device_key);
        if certificate.thumbprint != device || certificate.not_after <= now {
            return Err(OfflineError::Unknown);
        }
        // Roots and expectations come from the collateral alone.
        let question = Question {
            anchors: &Anchors::new(context.clone()),
            references: &References::default(),
            revocations: None,
            constraints: &Constraints::default(),
            challenge: asked.challenge,
            device_key: Some(&certificate.device_key),
            activation: None,
            now,
        };
        let appraisal = held.0.appraise(asked.evidence, &question)?;
        let (tier, trust) = self
            .left_by_feed(&self.config(), &device, appraisal.tier, appraisal.trust, now)
            .ok_or(OfflineError::Refused)?;
        let not_after = appraisal.not_after.min(certificate.not_after);
        Ok(OfflineStanding { thumbprint: device, tier, trust, not_after, appraisal })
    }
}
