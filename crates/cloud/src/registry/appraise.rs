//! The verifier's role: evidence in, and only what the registry may keep out.
//!
//! Nothing that names the hardware leaves this module: a chip leaves it as a pseudonym under this operator's key, evidence
//! and claims not at all. Without evidence a device is tier `software`, trust `claimed`; a family that does not enrol here
//! is refused, never skipped.

use super::hardware::{Chip, Uniqueness};
use super::partner::NO_EVIDENCE;
use crate::core::Tx;
use crate::error::CloudError;
use glacis_attest::soter::SoterVoucher;
use glacis_attest::tpm::identity_digest;
use glacis_attest::{Appraisal, Claims, Released};
use glacis_seal::{Purpose, sha256};
use glacis_wire::message::enrol::{EnrolBody, Evidence, TrustVector};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::simulated;
use glacis_wire::message::tpm::{self, TpmEvidence};
use glacis_wire::{Decode as _, Digest, Tier, Timestamp, Trust};

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
            });
        };
        let enrolling = &self.desk.enrolling;
        if !enrolling.families.contains(&*evidence.family) {
            let why = format!("evidence of family `{}` enrols nothing here", evidence.family.0);
            return Err(CloudError::refused(Refusal::EnrolmentRefused, why));
        }
        let released = self.released(evidence, body);
        let question = glacis_attest::Question {
            anchors: &self.desk.anchors,
            references: &enrolling.references,
            revocations: enrolling.revocations.as_ref(),
            constraints: &glacis_attest::Constraints::default(),
            challenge: &body.challenge.nonce,
            device_key: Some(&body.device_key),
            activation: released.as_ref(),
            now: self.now,
        };
        let found = glacis_attest::appraise(evidence, &question).map_err(|error| {
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
        })
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
    fn pseudonym(&self, family: &str, hardware: &Digest) -> Chip {
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
