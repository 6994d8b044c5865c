//! The verifier's role: evidence in, and only what the registry may keep out.
//!
//! Nothing that names the hardware leaves this module: neither evidence nor claims are stored. Without evidence a device
//! is tier `software`, trust `claimed`; a family that does not enrol here is refused, never skipped.

use crate::core::Tx;
use crate::error::CloudError;
use glacis_wire::message::enrol::{EnrolBody, TrustVector};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Tier, Timestamp, Trust};

/// Families of evidence that enrol. A build may verify others, for the command: without references and a revocation list
/// of ours, what they find is no reason for a tier.
const ENROLLING: &[&str] = &[glacis_wire::message::simulated::FAMILY];

/// What an appraisal is worth to the registry.
pub(super) struct Appraised {
    pub(super) tier: Tier,
    pub(super) trust: Trust,
    pub(super) family: String,
    pub(super) vector: TrustVector,
    pub(super) not_after: Timestamp,
}

impl Tx<'_> {
    pub(super) fn appraise(&self, body: &EnrolBody) -> Result<Appraised, CloudError> {
        let latest = self.now.after(self.desk.limits.result_life);
        let Some(evidence) = &body.evidence else {
            return Ok(Appraised {
                tier: Tier::Software,
                trust: Trust::Claimed,
                family: "none".to_owned(),
                vector: TrustVector::default(),
                not_after: latest,
            });
        };
        if !ENROLLING.contains(&&*evidence.family) {
            let why = format!("evidence of family `{}` enrols nothing here", evidence.family.0);
            return Err(CloudError::refused(Refusal::EnrolmentRefused, why));
        }
        let question = glacis_attest::Question {
            anchors: &self.desk.anchors,
            references: &glacis_attest::References::default(),
            revocations: None,
            constraints: &glacis_attest::Constraints::default(),
            challenge: &body.challenge.nonce,
            device_key: Some(&body.device_key),
            now: self.now,
        };
        let found = glacis_attest::appraise(evidence, &question).map_err(|error| {
            let why = format!("the evidence of family `{}` does not hold: {error}", evidence.family.0);
            CloudError::refused(Refusal::EnrolmentRefused, why).caused_by(error)
        })?;
        Ok(Appraised {
            tier: found.tier,
            trust: found.trust,
            family: evidence.family.0.clone(),
            vector: found.vector,
            not_after: found.not_after.min(latest),
        })
    }
}
