//! A manufacturer that exists for one run: family `simulated`, realm `demo`.
//!
//! It makes devices with an attestation key each, certified by a root of this run, and stands in for the secure
//! hardware of its devices when they enrol. An attacker may found a manufacturer of its own; nothing but the
//! verifier's anchors tells the two apart.

use glacis_dtx::simulated::{self, AttestationKey, PlatformFacts};
use glacis_host::Host;
use glacis_seal::{Context, PublicKey, SealError, sha256, thumbprint};
use glacis_wire::Digest;
use glacis_wire::Timestamp;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::simulated::{BootState, SecurityLevel};
use std::time::Duration;

/// The maker of devices.
#[derive(Debug)]
pub struct Manufacturer {
    maker: simulated::Manufacturer,
    not_after: Timestamp,
}

impl Manufacturer {
    /// Founds a manufacturer with a root of its own.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn found(context: Context, host: &dyn Host) -> Result<Self, SealError> {
        let maker = simulated::Manufacturer::found(context, |out| host.fill(out))?;
        Ok(Self { maker, not_after: host.now().after(LIFE) })
    }

    /// The root that a verifier may anchor.
    pub const fn root(&self) -> PublicKey {
        self.maker.root()
    }

    /// The secure hardware of a new device.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn hardware(&self, level: SecurityLevel, host: &dyn Host) -> Result<Hardware, SealError> {
        let key = self.maker.make_device(|out| host.fill(out), "slope one", level, self.not_after)?;
        Ok(Hardware { key, level })
    }
}

/// SHA-256 of the demo's app, as its hardware measures it.
pub fn app() -> Digest {
    sha256(b"glacis demo app, build 1")
}

/// The secure hardware of one device: states what it is, once asked, over one challenge and one key.
#[derive(Debug)]
pub struct Hardware {
    key: AttestationKey,
    level: SecurityLevel,
}

impl Hardware {
    /// Evidence for `device_key` under `challenge`: the demo's app, verified boot.
    ///
    /// # Errors
    /// If the challenge is longer than a statement can hold.
    pub fn attest(&self, challenge: &[u8], device_key: &PublicKey) -> Result<Evidence, SealError> {
        let facts = PlatformFacts { app: app(), boot: BootState::Verified, level: self.level };
        self.key.attest(challenge, thumbprint(device_key), facts)
    }
}

/// How long attestation keys are good.
const LIFE: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_attest::{Anchors, Code, Constraints, Question, References, appraise};
    use glacis_host::{Clock, SystemHost};
    use glacis_seal::SigningKey;
    use glacis_wire::{Realm, TenantId, Tier, Trust};

    #[test]
    fn only_a_device_of_an_anchored_manufacturer_is_believed() {
        let host = SystemHost::new();
        let context = Context::new(TenantId::parse("demo").unwrap(), Realm::Demo);
        let [ours, theirs] = [(); 2].map(|()| Manufacturer::found(context.clone(), &host).unwrap());
        let device = SigningKey::from_scalar(&[5; 32]).unwrap().public();
        let anchors = Anchors {
            simulated_roots: vec![ours.root()],
            apps: vec![app()],
            ..Anchors::new(context.clone())
        };
        let (references, constraints) = (References::default(), Constraints::default());
        let judge = |maker: &Manufacturer, level| {
            let made = maker.hardware(level, &host).unwrap();
            let evidence = made.attest(&[1; 32], &device).unwrap();
            let question = Question {
                anchors: &anchors,
                references: &references,
                revocations: None,
                constraints: &constraints,
                challenge: &[1; 32],
                device_key: Some(&device),
                activation: None,
                now: host.now(),
            };
            appraise(&evidence, &question)
        };
        for (level, tier) in [(SecurityLevel::Tee, Tier::Hardware), (SecurityLevel::Strongbox, Tier::Strong)]
        {
            let appraisal = judge(&ours, level).unwrap();
            assert_eq!((appraisal.tier, appraisal.trust), (tier, Trust::Attested));
        }
        assert_eq!(judge(&theirs, SecurityLevel::Tee).unwrap_err().code(), Code::UnknownRoot);
    }
}
