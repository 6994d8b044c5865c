//! Phones with evidence in the formats of real ones: Android Key Attestation and App Attest, under roots of a run.
//!
//! The formats are the real ones, byte by byte, so that what enrols in the demo takes the path that real phones take:
//! `attest` verifies it as it verifies theirs. The worth is not: roots, keyboxes and phones are made from the run's
//! entropy, nobody's hardware is asked, and no verifier believes them but the one that was given the roots. With
//! `attest` this shares no code, only the standards; a fault in either shows where they meet.

pub mod android;
pub mod apple;
mod cbor;
mod cert;
mod der;

use glacis_attest::{Anchors, AndroidApp, References};
use glacis_host::Host;
use glacis_seal::SealError;
use std::sync::Arc;

/// The makers of phones of one run.
#[derive(Debug)]
pub struct PhoneMakers {
    /// Of Android phones.
    pub android: Arc<android::Maker>,
    /// Of phones with App Attest.
    pub apple: Arc<apple::Maker>,
}

impl PhoneMakers {
    /// Founds both; the same entropy founds the same.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn found(host: &dyn Host) -> Result<Self, SealError> {
        Ok(Self { android: android::Maker::found(host)?, apple: apple::Maker::found(host)? })
    }

    /// Puts their roots into a verifier's anchors, and nobody else's: a demo believes no real phone.
    pub fn anchor(&self, anchors: &mut Anchors) {
        anchors.roots.android = vec![self.android.anchor()];
        anchors.roots.app_attest = vec![self.apple.anchor()];
        anchors.roots.apple = vec![self.apple.receipt_anchor()];
    }
}

/// What a verifier of the demo expects: its app.
pub fn references() -> References {
    References {
        android_apps: vec![AndroidApp {
            package: android::PACKAGE.to_owned(),
            signers: vec![android::signer()],
        }],
        apple_apps: vec![apple::APP.to_owned()],
        ..References::default()
    }
}
