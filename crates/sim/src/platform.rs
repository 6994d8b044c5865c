//! What proves something about a device: an Android phone, a phone with App Attest, or a device of the simulated maker.
//!
//! A platform answers the SDK's question for evidence as an app's bridge to the hardware does. It holds no key of the
//! device, and says what its device is, whoever asks; what that is worth is the control plane's to find.

use crate::manufacturer::{Hardware, Manufacturer};
use crate::phone::{PhoneMakers, android, apple};
use crate::schedule::Make;
use glacis_host::Host;
use glacis_sdk::flow::enrol::{Asked, AttestFailure, Attester};
use glacis_seal::{Context, PublicKey, SealError};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::message::tpm::Activation;
use std::sync::Arc;

/// The makers of one run's devices; those of TPMs are programs ([`crate::chips`]).
#[derive(Debug)]
pub struct Makers {
    /// Of family `simulated`.
    pub simulated: Manufacturer,
    /// Of phones.
    pub phones: PhoneMakers,
}

/// What can prove something about one device.
#[derive(Debug)]
pub enum Platform {
    /// An Android phone.
    Android(android::Phone),
    /// A phone with App Attest.
    Apple(apple::Phone),
    /// Secure hardware of the simulated maker.
    Simulated(Hardware),
}

impl Makers {
    /// Founds all of them; the same entropy founds the same.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn found(context: Context, host: &dyn Host) -> Result<Self, SealError> {
        Ok(Self { simulated: Manufacturer::found(context, host)?, phones: PhoneMakers::found(host)? })
    }

    /// The platform of a new device; none for those that prove nothing, or by a TPM. `host` is its clock and entropy.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn platform(
        &self,
        make: Make,
        number: u32,
        host: &Arc<dyn Host>,
    ) -> Result<Option<Platform>, SealError> {
        // Phones with keyboxes have odd numbers in the schedule, and there is more than one batch.
        let keybox = usize::try_from(number / 2).unwrap_or(0);
        let android = |spec| Platform::Android(self.phones.android.phone(spec, Arc::clone(host)));
        let platform = match make {
            Make::StrongBox => android(android::Spec::strong_box()),
            Make::Tee => android(android::Spec::tee(keybox)),
            Make::Unlocked => android(android::Spec::unlocked(keybox)),
            Make::Repackaged => android(android::Spec::repackaged(keybox)),
            Make::Enclave => Platform::Apple(self.phones.apple.phone(apple::Spec::store(), Arc::clone(host))),
            Make::Element => Platform::Simulated(self.simulated.hardware(SecurityLevel::Strongbox, &**host)?),
            Make::Chip | Make::Software => return Ok(None),
        };
        Ok(Some(platform))
    }
}

impl Platform {
    /// Evidence about `key`, made for `challenge`.
    ///
    /// # Errors
    /// If there is no entropy or a signature cannot be made.
    pub fn attest(&mut self, challenge: &[u8], key: &PublicKey) -> Result<Evidence, SealError> {
        match self {
            Self::Android(phone) => phone.attest(challenge, key),
            Self::Apple(phone) => phone.attest(challenge, key),
            Self::Simulated(hardware) => hardware.attest(challenge, key),
        }
    }
}

impl Attester for Platform {
    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        _activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        self.attest(&asked.challenge.nonce, asked.device_key).map(Some).map_err(AttestFailure::new)
    }

    fn attests_again(&self) -> bool {
        match self {
            Self::Android(_) | Self::Apple(_) => false,
            Self::Simulated(_) => true,
        }
    }
}
