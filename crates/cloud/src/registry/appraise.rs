//! The verifier's role: evidence in, and only what the registry may keep out.
//!
//! Nothing that names the hardware leaves this module: a chip leaves it as a pseudonym under this operator's key, evidence
//! and claims not at all. Without evidence a device is tier `software`, trust `claimed`; a family that does not enrol here
//! is refused, never skipped.

use super::hardware::{Chip, Uniqueness};
use super::partner::NO_EVIDENCE;
use crate::core::Tx;
use crate::error::CloudError;
use glacis_attest::collateral::{Support, Watched};
use glacis_attest::soter::SoterVoucher;
use glacis_attest::tpm::identity_digest;
use glacis_attest::{Appraisal, AttestError, Claims, Code, Constraints, Question, Released};
use glacis_seal::{Purpose, sha256};
use glacis_wire::message::enrol::{EnrolBody, Evidence, TrustVector};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::simulated;
use glacis_wire::message::tpm::{self, TpmEvidence};
use glacis_wire::{Decode as _, Digest, Tier, Timestamp, Trust};
use std::collections::BTreeSet;

/// What an appraisal is worth to the registry.
pub(super) struct Appraised {
    pub(super) tier: Tier,
    pub(super) trust: Trust,
    pub(super) family: String,
    pub(super) vector: TrustVector,
    pub(super) not_after: Timestamp,
    pub(super) uniqueness: Uniqueness,
    /// The chip that the key is in, where the family can tell.
    pub(super) chip: Option<Chip>,
    /// The tier that the evidence alone earns.
    pub(super) earned: Tier,
    /// The partner that vouches for the device.
    pub(super) partner: Option<String>,
    /// Whether it is worth less because the collateral is stale.
    pub(super) stale: bool,
    /// What it rests on.
    pub(super) basis: Basis,
}

/// What an appraisal rests on, without anything that names hardware.
#[derive(Debug, Default)]
pub(super) struct Basis {
    pub(super) supports: BTreeSet<Support>,
    pub(super) revocations_as_of: Option<Timestamp>,
    pub(super) collateral: Option<u64>,
    pub(super) watched: Option<Watched>,
}

impl Tx<'_> {
    pub(super) fn appraise(&self, body: &EnrolBody) -> Result<Appraised, CloudError> {
        let latest = self.now.after(self.desk.limits.result_life);
        let Some(evidence) = &body.evidence else {
            return Ok(Appraised {
                tier: Tier::Software,
                trust: Trust::Claimed,
                family: NO_EVIDENCE.to_owned(),
                vector: TrustVector::default(),
                not_after: latest,
                uniqueness: Uniqueness::None,
                chip: None,
                earned: Tier::Software,
                partner: None,
                stale: false,
                basis: Basis::default(),
            });
        };
        let enrolling = &self.desk.enrolling;
        if !enrolling.families.contains(&*evidence.family) {
            let why = format!("evidence of family `{}` enrols nothing here", evidence.family.0);
            return Err(CloudError::refused(Refusal::EnrolmentRefused, why));
        }
        let found = self.judge(evidence, body).map_err(|error| {
            let why = format!("the evidence of family `{}` does not hold: {error}", evidence.family.0);
            CloudError::refused(Refusal::EnrolmentRefused, why).caused_by(error)
        })?;
        let (uniqueness, hardware) = hardware_of(&found);
        Ok(Appraised {
            tier: found.tier,
            trust: found.trust,
            family: evidence.family.0.clone(),
            vector: found.vector,
            not_after: found.not_after.min(latest),
            uniqueness,
            chip: hardware.map(|id| self.pseudonym(&evidence.family, &id)),
            earned: found.tier,
            partner: None,
            stale: found.reasons.iter().any(|reason| reason.code == Code::StaleCollateral),
            basis: Basis {
                supports: found.supports(),
                revocations_as_of: found.basis.revocations_as_of,
                collateral: found.basis.collateral,
                watched: found.watched_issuer(),
            },
        })
    }

    /// Asks the verifier, with the collateral in force where the configuration says that there is to be one.
    fn judge(&self, evidence: &Evidence, body: &EnrolBody) -> Result<Appraisal, AttestError> {
        let (desk, enrolling) = (&self.desk, &self.desk.enrolling);
        let released = self.released(evidence, body);
        let held = self.in_force();
        if enrolling.collateral_key.is_some() && held.is_none() {
            return Err(Code::NoCollateral.into());
        }
        let constraints = held.map_or_else(Constraints::default, |held| held.constraints.clone());
        let (anchors, references, revocations) = match held {
            Some(held) => {
                let collateral = &held.collateral;
                (&held.anchors, &collateral.references, collateral.revocations.as_ref())
            }
            None => (&desk.anchors, &enrolling.references, enrolling.revocations.as_ref()),
        };
        let question = Question {
            anchors,
            references,
            revocations,
            constraints: &constraints,
            challenge: &body.challenge.nonce,
            device_key: Some(&body.device_key),
            activation: released.as_ref(),
            now: self.now,
        };
        let appraise = || glacis_attest::appraise(evidence, &question);
        match held {
            Some(held) => held.collateral.life.judge(self.now, appraise),
            None => appraise(),
        }
    }

    /// What the TPM of this evidence must have released: what [`enrol_activation`](crate::CloudCore::enrol_activation) put
    /// into the credential for exactly its two keys, this challenge and this device key.
    fn released(&self, evidence: &Evidence, body: &EnrolBody) -> Option<Released> {
        if *evidence.family != *tpm::FAMILY {
            return None;
        }
        // What cannot be read is the verifier's to refuse; it refuses evidence without this as well.
        let identity = TpmEvidence::from_bytes(&evidence.body).ok()?.identity;
        let secret = self.activation_secret(&body.challenge, &identity, &body.device_key);
        Some(Released { identity: identity_digest(&identity), secret })
    }

    /// A chip as this operator alone knows it.
    pub(super) fn pseudonym(&self, family: &str, hardware: &Digest) -> Chip {
        let parts: [&[u8]; 4] = [b"hardware\0", family.as_bytes(), &[0], hardware.as_bytes()];
        Chip(self.desk.keys.own.mac_parts(&self.desk.context, Purpose::Pseudonym, &parts))
    }
}

/// What one key of this evidence says about one device, and the id of the chip where there is one.
fn hardware_of(found: &Appraisal) -> (Uniqueness, Option<Digest>) {
    match &found.claims {
        // Apple estimates how many keys a device has attested of late; the receipt tells.
        Claims::AppAttest(_) => (Uniqueness::Estimate, None),
        Claims::Tpm(claims) if claims.is_unique() => {
            (Uniqueness::Hardware, Some(*claims.hardware_id.expose()))
        }
        // The device itself names its processor, below a key that the maker or the operator vouches for.
        Claims::Soter(claims) if claims.voucher != SoterVoucher::Nobody => {
            (Uniqueness::Hardware, Some(sha256(claims.cpu_id.expose().as_bytes())))
        }
        // Each simulated device has an attestation key of its own.
        _ if found.family == simulated::FAMILY => {
            (Uniqueness::Hardware, found.basis.issuers.first().copied())
        }
        _ => (Uniqueness::None, None),
    }
}
