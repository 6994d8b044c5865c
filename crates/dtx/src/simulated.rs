//! A manufacturer that exists only in realm `demo`: makes attestation keys, which make evidence.
//!
//! Shape and checks are those of real hardware, the worth is not: the root is made per run from the caller's
//! entropy, and `attest` refuses the family outside the demo. Verifier and maker share bytes, not code.

use glacis_seal::{Context, Purpose, SealError, SigningKey, sign_envelope};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::simulated::{
    AttestationKeyCertificate, AttestationStatement, BootState, FAMILY, SecurityLevel, SimulatedEvidence,
};
use glacis_wire::message::{Bytes, PublicKey, Signed, Text};
use glacis_wire::{Digest, Encode, Thumbprint, Timestamp};

/// Holds a root key and certifies the attestation keys of its devices.
#[derive(Debug)]
pub struct Manufacturer {
    root: SigningKey,
    context: Context,
}

/// The attestation key of one device, with its certificate.
#[derive(Debug)]
pub struct AttestationKey {
    key: SigningKey,
    certificate: Signed,
    context: Context,
}

/// What the (simulated) platform observes about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformFacts {
    /// SHA-256 of the running app.
    pub app: Digest,
    /// State of verified boot.
    pub boot: BootState,
    /// Where the device key lives.
    pub level: SecurityLevel,
}

impl Manufacturer {
    /// Founds a manufacturer: its root is a function of the entropy.
    pub fn found<E>(
        context: Context,
        fill: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, SealError> {
        Ok(Self { root: SigningKey::generate(fill)?, context })
    }

    /// The root, for the verifier's anchors.
    pub const fn root(&self) -> PublicKey {
        self.root.public()
    }

    /// Makes the attestation key of one device.
    pub fn make_device<E>(
        &self,
        fill: impl FnMut(&mut [u8]) -> Result<(), E>,
        model: &str,
        level: SecurityLevel,
        not_after: Timestamp,
    ) -> Result<AttestationKey, SealError> {
        let key = SigningKey::generate(fill)?;
        let certificate =
            AttestationKeyCertificate { key: key.public(), model: Text(model.to_owned()), level, not_after };
        let certificate = sign_envelope(&self.root, &self.context, Purpose::AttestationKey, &certificate)?;
        Ok(AttestationKey { key, certificate, context: self.context.clone() })
    }
}

impl AttestationKey {
    /// Evidence that a device key lives on this platform, over `challenge`.
    pub fn attest(
        &self,
        challenge: &[u8],
        device_key: Thumbprint,
        facts: PlatformFacts,
    ) -> Result<Evidence, SealError> {
        let PlatformFacts { app, boot, level } = facts;
        let statement =
            AttestationStatement { challenge: Bytes(challenge.to_vec()), device_key, app, boot, level };
        let statement = sign_envelope(&self.key, &self.context, Purpose::Attestation, &statement)?;
        let evidence = SimulatedEvidence { certificate: self.certificate.clone(), statement };
        Ok(Evidence { family: Text(FAMILY.to_owned()), body: Bytes(evidence.to_bytes()?) })
    }
}
