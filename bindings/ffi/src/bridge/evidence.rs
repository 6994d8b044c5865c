//! Evidence for an enrolment, from a platform that said that it gives some.
//!
//! "None" would enrol the device as software. A platform that was to attest and does not must not slide there unseen, so
//! that is a failure, as are its own errors: the flow ends before an enrolment leaves.

use glacis_dtx::{KeyStore, Role};
use glacis_sdk::flow::enrol::{Asked, AttestFailure, Attester};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::tpm::Activation;
use std::sync::Arc;

/// The platform behind the key store.
pub(super) struct OfPlatform(pub(super) Arc<dyn KeyStore>);

impl Attester for OfPlatform {
    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        _activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        match self.0.attest(Role::Device, &asked.challenge.nonce) {
            Ok(Some(evidence)) => Ok(Some(evidence)),
            Ok(None) => Err(AttestFailure::new("it was to attest its key")),
            Err(error) => Err(AttestFailure::new(error)),
        }
    }
}
