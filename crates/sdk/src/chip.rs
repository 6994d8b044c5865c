//! The attester of a device with a TPM: asks the cloud for a secret that only its chip can open, then gives evidence.
//!
//! A chip that fails, or a cloud that gives no secret, ends the enrolment; it does not go on as software.
//! What it measures besides the keys (registers, the firmware's log) is given by who embeds it: this module opens no file.

use crate::flow::enrol::{Asked, AttestFailure, Attester};
use glacis_dtx::tpm::{DeviceTpm, Measured};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::tpm::{Activation, ActivationRequest};
use std::sync::Arc;

/// Evidence of family `tpm` by the chip that holds the device key.
#[derive(Debug)]
pub struct TpmAttester {
    chip: Arc<DeviceTpm>,
    measured: Measured,
}

impl TpmAttester {
    /// Evidence by this chip, with these measurements.
    pub const fn new(chip: Arc<DeviceTpm>, measured: Measured) -> Self {
        Self { chip, measured }
    }
}

impl Attester for TpmAttester {
    fn activation(&mut self, asked: &Asked<'_>) -> Result<Option<ActivationRequest>, AttestFailure> {
        let request = self.chip.request(asked.challenge, asked.device_key, asked.now);
        request.map(Some).map_err(AttestFailure::new)
    }

    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        let activation = activation.ok_or_else(|| AttestFailure::new("the cloud gave no secret to open"))?;
        let evidence = self.chip.evidence(asked.challenge, asked.device_key, activation, &self.measured);
        evidence.map(Some).map_err(AttestFailure::new)
    }

    fn attests_again(&self) -> bool {
        true
    }
}
