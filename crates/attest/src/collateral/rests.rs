//! What one appraisal rests on, taken from its chain and from those of its claims that counted.
//!
//! Each family says what of it collateral can take away. Nothing that names hardware is among it, and nothing that the
//! device is not worth anything for: what did not count cannot fall.

use super::support::{Support, SupportKind, Watched};
use crate::appraisal::{Appraisal, Claims};
use std::collections::BTreeSet;

impl Appraisal {
    /// Everything that it rests on and that collateral can take away, each piece once.
    ///
    /// Of an app or a system only what counted: what a device is not worth anything for cannot fall.
    pub fn supports(&self) -> BTreeSet<Support> {
        let mut found = BTreeSet::new();
        if let Some(anchor) = self.basis.anchor.as_ref().filter(|_| self.anchored_in_collateral()) {
            let value = [self.family.as_bytes(), &[0], anchor.as_bytes()].concat();
            found.insert(Support::new(SupportKind::Anchor, value));
        }
        // Only where the list was asked: else a device would fall with what nobody looks at when it enrols again.
        let asked = self.basis.serials.iter().filter(|_| self.basis.revocations_as_of.is_some());
        found.extend(asked.map(|serial| Support::new(SupportKind::Serial, normal(serial))));
        found.extend(self.claimed());
        found
    }

    /// Keys that open tokens are secrets of the configuration: no collateral holds them, so none can take one away.
    fn anchored_in_collateral(&self) -> bool {
        self.family != "play-integrity"
    }

    /// What of its claims counted, in a form that references hold.
    fn claimed(&self) -> Vec<Support> {
        match &self.claims {
            #[cfg(feature = "android-key")]
            Claims::AndroidKey(claims) => self.android(claims),
            #[cfg(feature = "app-attest")]
            Claims::AppAttest(claims) => {
                let app = claims.app.iter().filter(|_| self.trust >= glacis_wire::Trust::Attested);
                app.map(|app| Support::new(SupportKind::AppleApp, app.as_bytes())).collect()
            }
            #[cfg(feature = "tpm")]
            Claims::Tpm(claims) => {
                // Only a boot that was verified makes it `strong`.
                let boot = claims.boot.iter().filter(|_| self.tier >= glacis_wire::Tier::Strong);
                let authorities = boot.flat_map(|boot| &boot.authorities);
                authorities
                    .map(|authority| Support::new(SupportKind::BootAuthority, *authority.as_bytes()))
                    .collect()
            }
            #[cfg(feature = "play-integrity")]
            Claims::PlayIntegrity(claims) => {
                let app = claims.app_package.iter().filter(|_| self.trust >= glacis_wire::Trust::Attested);
                let signers = claims.signers.iter().map(|signer| signer.as_bytes().as_slice());
                app.map(|app| android_app(app, signers.clone())).collect()
            }
            #[cfg(feature = "simulated")]
            Claims::Simulated(_) => Vec::new(),
            #[cfg(feature = "soter")]
            Claims::Soter(_) => Vec::new(),
            #[cfg(feature = "webauthn")]
            Claims::Webauthn(_) => Vec::new(),
        }
    }

    #[cfg(feature = "android-key")]
    fn android(&self, claims: &crate::android::AndroidClaims) -> Vec<Support> {
        use crate::android::BootState;
        let mut found = Vec::new();
        let id = claims.description.software_enforced.attestation_application_id.as_ref();
        let app = claims.app.as_ref().filter(|_| self.trust >= glacis_wire::Trust::Attested);
        if let (Some(app), Some(id)) = (app, id) {
            let signers = id.signatures.iter().filter(|signer| signer.len() == 32).map(Vec::as_slice);
            found.push(android_app(app, signers));
        }
        let root = claims.description.hardware_enforced.root_of_trust.as_ref();
        let root = root.filter(|_| self.tier > glacis_wire::Tier::Software);
        if let Some(root) = root.filter(|root| root.verified_boot_state == BootState::SelfSigned) {
            found.push(Support::new(SupportKind::BootKey, root.verified_boot_key.clone()));
        }
        found
    }

    /// The issuer of its key whose devices are worth counting; none where the maker has one for everybody.
    pub fn watched_issuer(&self) -> Option<Watched> {
        let own = match &self.claims {
            #[cfg(feature = "android-key")]
            Claims::AndroidKey(claims) => {
                Some(matches!(claims.provisioning, crate::android::Provisioning::Remote { .. }))
            }
            // Each simulated device has an attestation key of its own.
            #[cfg(feature = "simulated")]
            Claims::Simulated(_) => Some(true),
            // One authority of the maker signs for all.
            #[cfg(feature = "app-attest")]
            Claims::AppAttest(_) => None,
            #[cfg(feature = "tpm")]
            Claims::Tpm(_) => None,
            // Google's one key, and makers' certificates of which each is one device's.
            #[cfg(feature = "play-integrity")]
            Claims::PlayIntegrity(_) => None,
            #[cfg(feature = "soter")]
            Claims::Soter(_) => None,
            #[cfg(feature = "webauthn")]
            Claims::Webauthn(_) => None,
        };
        Some(Watched { issuer: *self.basis.issuers.first()?, own: own? })
    }
}

/// An app and who signed it; the signers in order, so that one app is one value.
#[cfg(any(feature = "android-key", feature = "play-integrity"))]
fn android_app<'a>(package: &str, signers: impl Iterator<Item = &'a [u8]>) -> Support {
    let signers: BTreeSet<&[u8]> = signers.collect();
    let mut value = [package.as_bytes(), &[0]].concat();
    signers.into_iter().for_each(|signer| value.extend(signer));
    Support::new(SupportKind::AndroidApp, value)
}

/// Without leading zeros.
fn normal(serial: &[u8]) -> Vec<u8> {
    serial.iter().copied().skip_while(|byte| *byte == 0).collect()
}
