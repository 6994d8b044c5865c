//! Evidence of family `tpm`: what the chip says for one enrolment, in the messages of `wire`.
//!
//! Two steps. [`DeviceTpm::request`] names the two keys that stand for the chip; the cloud answers with a secret that only
//! this chip gives to this attestation key. [`DeviceTpm::evidence`] carries that secret, the certified device key and the
//! quoted registers, all over the challenge, the context and the device key. Which chip it is leaves with both: they go to
//! the verifier and to nobody else.

use super::certificate::is_attribute_certificate;
use super::device::{DeviceTpm, DeviceTpmError};
use super::pcr::PcrSelection;
use glacis_seal::hash::context_digest;
use glacis_seal::{Purpose, Secret};
use glacis_wire::message::enrol::{EnrolChallenge, Evidence};
use glacis_wire::message::tpm::{Activation, ActivationRequest, FAMILY, TpmEvidence, TpmIdentity};
use glacis_wire::message::{Bytes, List, PublicKey, Text};
use glacis_wire::{Digest, Encode, Timestamp};

/// What is measured of the machine, beside the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The registers to quote.
    pub pcrs: PcrSelection,
    /// The firmware's log in the TCG format; empty where there is none.
    pub event_log: Vec<u8>,
}

impl Default for Measured {
    /// What firmware, boot loader and kernel measured, without a log.
    fn default() -> Self {
        Self { pcrs: PcrSelection::boot(), event_log: Vec::new() }
    }
}

impl DeviceTpm {
    /// Asks for a secret that only this chip can open.
    ///
    /// # Errors
    /// [`DeviceTpmError::UnknownKey`] if the device key is not in this chip.
    pub fn request(
        &self,
        challenge: &EnrolChallenge,
        device_key: &PublicKey,
        now: Timestamp,
    ) -> Result<ActivationRequest, DeviceTpmError> {
        if now > challenge.not_after {
            return Err(DeviceTpmError::Expired);
        }
        self.key(device_key)?;
        let identity = self.identity()?;
        Ok(ActivationRequest { challenge: challenge.clone(), device_key: *device_key, identity })
    }

    /// Opens the secret, and makes the evidence that carries it.
    ///
    /// # Errors
    /// [`TpmFault::NotOfThisTpm`](super::TpmFault::NotOfThisTpm) if it was made for another chip or attestation key.
    pub fn evidence(
        &self,
        challenge: &EnrolChallenge,
        device_key: &PublicKey,
        activation: &Activation,
        measured: &Measured,
    ) -> Result<Evidence, DeviceTpmError> {
        let attestation = self.attestation_key()?;
        let secret = self.chip().activate(self.endorsement(), &attestation, activation)?;
        self.certify(device_key, &challenge.nonce, Some(&secret), measured)
    }

    /// Evidence over this nonce, with or without what was activated. Without it nothing is proven of the chip.
    pub(super) fn certify(
        &self,
        device_key: &PublicKey,
        nonce: &[u8; 32],
        activated: Option<&Secret>,
        measured: &Measured,
    ) -> Result<Evidence, DeviceTpmError> {
        let key = self.key(device_key)?;
        let attestation = self.attestation_key()?;
        let identity = self.identity()?;
        let qualifying = self.qualifying(nonce, device_key);
        let mut chip = self.chip();
        let certified = chip.certify(&key, &attestation, &qualifying)?;
        let quoted = chip.quote(&attestation, &qualifying, &measured.pcrs)?;
        let mut platform = chip.platform_certificates()?;
        platform.retain(|der| is_attribute_certificate(der));
        drop(chip);
        let evidence = TpmEvidence {
            identity,
            activation: activated.map(|secret| *secret.expose()),
            device_key: Bytes(key.public().as_bytes().to_vec()),
            certified,
            quoted: quoted.attested,
            pcrs: quoted.pcrs,
            event_log: Bytes(measured.event_log.clone()),
            platform_certificates: List(platform.into_iter().map(Bytes).collect()),
        };
        Ok(Evidence { family: Text(FAMILY.to_owned()), body: Bytes(evidence.to_bytes()?) })
    }

    /// What both attestations carry, as the messages of `wire` say.
    fn qualifying(&self, nonce: &[u8; 32], device_key: &PublicKey) -> Digest {
        context_digest(self.vault().context(), Purpose::TpmEvidence, &[nonce, &device_key.0])
    }

    fn identity(&self) -> Result<TpmIdentity, DeviceTpmError> {
        let attestation = self.attestation_key()?;
        let endorsement = self.chip().endorsement(self.endorsement())?;
        Ok(TpmIdentity {
            ek: Bytes(endorsement.as_bytes().to_vec()),
            ek_certificates: List(self.certificates()?.into_iter().map(Bytes).collect()),
            ak: Bytes(attestation.public().as_bytes().to_vec()),
        })
    }
}
