//! The round trip before a TPM enrols: a secret that only the TPM of one endorsement key gives to one attestation key.
//!
//! Nothing is stored for it. The secret follows from the cloud's own key, the challenge, both keys of the TPM and the
//! device key, so the enrolment that comes with the same four is asked for the same secret, on whatever node of the
//! control plane and after whatever restart; for any other it is another.

use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use glacis_attest::tpm::{ENTROPY_BYTES, make_credential};
use glacis_seal::{Purpose, sha256, thumbprint};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::EnrolChallenge;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::tpm::{Activation, ActivationRequest, FAMILY, TpmIdentity};

impl CloudCore {
    /// Makes what the TPM of this identity opens; the enrolment over the same challenge has to bring what was in it.
    ///
    /// # Errors
    /// If TPMs do not enrol here, the challenge is not good, or a key is not what its role demands.
    pub fn enrol_activation(&mut self, request: &ActivationRequest) -> Result<Activation, CloudError> {
        let made = self.read(|tx| tx.activation(request));
        made.inspect_err(|error| {
            if matches!(error.kind(), crate::CloudErrorKind::Refused(_)) {
                self.count_refused();
            }
        })
    }
}

impl Tx<'_> {
    fn activation(&self, request: &ActivationRequest) -> Result<Activation, CloudError> {
        let refuse = |why: String| CloudError::refused(Refusal::EnrolmentRefused, why);
        if !self.desk.enrolling.families.contains(FAMILY) {
            return Err(refuse(format!("evidence of family `{FAMILY}` enrols nothing here")));
        }
        self.check_challenge(&request.challenge)?;
        if self.is_spent(&request.challenge)? {
            return Err(refuse("the challenge was used before".to_owned()));
        }
        if self.desk.state.feed.action(&thumbprint(&request.device_key)).is_some() {
            return Err(refuse("a listed key cannot enrol again; enrol a new one".to_owned()));
        }
        let entropy: [u8; ENTROPY_BYTES] = self.random()?;
        let secret = self.activation_secret(&request.challenge, &request.identity, &request.device_key);
        make_credential(&request.identity, &secret, &entropy)
            .map_err(|error| refuse(format!("no credential can be made: {error}")).caused_by(error))
    }

    /// What the TPM of this identity releases for this challenge and device key.
    pub(super) fn activation_secret(
        &self,
        challenge: &EnrolChallenge,
        identity: &TpmIdentity,
        device_key: &PublicKey,
    ) -> [u8; 32] {
        let (ek, ak) = (sha256(&identity.ek), sha256(&identity.ak));
        let parts: [&[u8]; 4] = [&challenge.nonce, ek.as_bytes(), ak.as_bytes(), &device_key.0];
        self.desk.keys.own.mac_parts(&self.desk.context, Purpose::Activation, &parts)
    }
}
