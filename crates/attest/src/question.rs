//! What a verifier is asked, besides the evidence: whom to trust, what to expect, what to let pass, and when.
//!
//! Everything is a value; nothing is read from anywhere. The default of each is the strict one. A [`Relaxation`] is
//! the only way to let something pass, each has a name that says `danger`, and each that was needed stands in the
//! appraisal.

use crate::roots;
use glacis_seal::Context;
use glacis_wire::message::PublicKey;
use glacis_wire::{Digest, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// Everything that is asked about one piece of evidence.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whom to trust.
    pub anchors: &'a Anchors,
    /// What is expected of app and device.
    pub references: &'a References,
    /// Which certificates are worth nothing any more.
    pub revocations: Option<&'a crate::Revocations>,
    /// What to insist on, and what to let pass.
    pub constraints: &'a Constraints,
    /// What the evidence must have been made for. That it was issued by us, is fresh and unspent is the caller's to
    /// check.
    pub challenge: &'a [u8],
    /// The key that the evidence must be about; none means any, and the claims name it.
    pub device_key: Option<&'a PublicKey>,
    /// What the TPM must have released (family `tpm`).
    pub activation: Option<&'a Released>,
    /// As of when.
    pub now: Timestamp,
}

/// What a TPM must have released before it sent evidence: the secret of a credential, and whose credential it was.
///
/// The secret alone would prove the wrong thing: a device could open the credential of one attestation key and sign with
/// another. So the evidence has to be of the very identity that the credential was made for.
#[derive(Clone, PartialEq, Eq)]
pub struct Released {
    /// `tpm::identity_digest` of the identity that the credential was made for.
    pub identity: Digest,
    /// The secret in it.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for Released {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Released(…)")
    }
}

/// What a verifier trusts before it looks at any evidence.
#[derive(Clone, Debug)]
pub struct Anchors {
    /// Whose verifier this is, and in which realm.
    pub context: Context,
    /// Root keys of simulated manufacturers. Refused outside realm `demo`, whoever put them here.
    pub simulated_roots: Vec<PublicKey>,
    /// SHA-256 of every app build that is ours (family `simulated`).
    pub apps: Vec<Digest>,
    /// Root keys of makers, as DER `SubjectPublicKeyInfo`: keys and not certificates, since certificates end.
    pub roots: Roots,
    /// Keys of our apps' tokens (family `play-integrity`); 16 are tried at most.
    #[cfg(feature = "play-integrity")]
    pub play_integrity: Vec<crate::play_integrity::PlayKeys>,
}

impl Anchors {
    /// The vendors' roots, no simulated manufacturer, no app.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            simulated_roots: Vec::new(),
            apps: Vec::new(),
            roots: Roots::vendors(),
            #[cfg(feature = "play-integrity")]
            play_integrity: Vec::new(),
        }
    }
}

/// Root keys of makers by family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// Android Key Attestation.
    pub android: Vec<Vec<u8>>,
    /// App Attest: attestations.
    pub app_attest: Vec<Vec<u8>>,
    /// App Attest: receipts.
    pub apple: Vec<Vec<u8>>,
    /// WebAuthn statements of Apple's platform authenticator.
    pub apple_webauthn: Vec<Vec<u8>>,
    /// WebAuthn statements of other authenticators: security keys and TPMs, by their makers' roots.
    pub authenticators: Vec<Vec<u8>>,
    /// Endorsement certificates of TPMs, by their makers' roots.
    pub tpm: Vec<Vec<u8>>,
    /// Platform certificates, by the keys that sign them.
    pub platforms: Vec<Vec<u8>>,
    /// SOTER: roots of makers, keys of devices (ATTK), or keys of apps (ASK) that a maker's service has confirmed.
    pub soter: Vec<Vec<u8>>,
}

impl Roots {
    /// The keys that Google and Apple publish. Makers of security keys, TPMs and devices with SOTER are the
    /// operator's choice.
    pub fn vendors() -> Self {
        let keys = |texts: &[&str]| texts.iter().filter_map(|text| roots::decode(text)).collect();
        Self {
            android: keys(&[roots::GOOGLE_RSA, roots::GOOGLE_P384]),
            app_attest: keys(&[roots::APPLE_APP_ATTESTATION]),
            apple: keys(&[roots::APPLE_G3]),
            apple_webauthn: keys(&[roots::APPLE_WEBAUTHN]),
            authenticators: Vec::new(),
            tpm: Vec::new(),
            platforms: Vec::new(),
            soter: Vec::new(),
        }
    }
}

/// What is expected of app and device. An empty list expects nothing, and then nothing is claimed about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Android apps that are ours.
    pub android_apps: Vec<AndroidApp>,
    /// Apple apps that are ours: `TEAMID.bundle.identifier`.
    pub apple_apps: Vec<String>,
    /// SHA-256 or verified-boot keys of systems that are trusted although their owner signed them.
    pub boot_keys: Vec<Vec<u8>>,
    /// Oldest patch level of system, vendor and boot image that is still good, as `YYYYMM`.
    pub patch_level_min: Option<u32>,
    /// Web sites that are ours.
    pub sites: Vec<Site>,
    /// SHA-256 of the certificates that may vouch for what a machine boots (UEFI secure boot, shim).
    pub boot_authorities: Vec<Digest>,
}

/// One Android app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndroidApp {
    /// Its package.
    pub package: String,
    /// SHA-256 of the certificates that may sign it; one of them must.
    pub signers: Vec<Digest>,
}

/// One web site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The relying party id: a domain.
    pub id: String,
    /// Origins whose pages may ask.
    pub origins: Vec<String>,
}

/// What to insist on, and what to let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// Relaxations that may be used.
    pub allow: BTreeSet<Relaxation>,
    /// How old a revocation list may be.
    pub revocation_age_max: Duration,
    /// How old a verdict may be (family `play-integrity`).
    pub verdict_age_max: Duration,
    /// The user must have been verified (WebAuthn).
    pub user_verification: bool,
}

impl Default for Constraints {
    fn default() -> Self {
        // Google publishes its list with `max-age` of one day; three survive a weekend.
        Self {
            allow: BTreeSet::new(),
            revocation_age_max: Duration::from_secs(3 * 86_400),
            // An enrolment takes seconds; a user who has to update Play services takes minutes.
            verdict_age_max: Duration::from_secs(600),
            user_verification: false,
        }
    }
}

macro_rules! relaxations {
    ($($variant:ident $name:literal $what:literal;)*) => {
        /// A check that may be skipped, by name. Whatever needed one is worth tier `software` at most.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Relaxation {
            $(#[doc = $what] $variant,)*
        }

        impl Relaxation {
            /// Every relaxation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in settings and records.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it lets pass.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

relaxations! {
    DangerExpired "danger_expired" "Certificates outside their time.";
    DangerNoRevocationList "danger_no_revocation_list" "No revocation list where the family has one.";
    DangerStaleRevocationList "danger_stale_revocation_list" "A revocation list that is too old.";
    DangerSoftwareRoot "danger_software_root" "The root of emulators, whose private key everybody has.";
    DangerSoftwareLevel "danger_software_level" "Keys that are not in secure hardware.";
    DangerLevelMismatch "danger_level_mismatch" "Key and attestation of different levels; the lower one counts.";
    DangerImportedKey "danger_imported_key" "Keys that were not made in the secure hardware.";
    DangerNoRootOfTrust "danger_no_root_of_trust" "Evidence that does not say how the device booted.";
    DangerLenientDer "danger_lenient_der" "Statements in an encoding that is not canonical.";
    DangerDevelopment "danger_development" "App Attest keys of the development environment.";
    DangerSha1 "danger_sha1" "Signatures and digests that rest on SHA-1.";
    DangerUnanchored "danger_unanchored" "Authenticators, TPMs and devices whose maker is not anchored.";
    DangerNoActivation "danger_no_activation" "TPMs that did not prove to hold their endorsement key.";
    DangerNameChain "danger_name_chain" "Keys of SOTER whose certificate names another issuer than the device that signed it.";
}

impl Relaxation {
    /// The relaxation of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|relaxation| relaxation.name() == name)
    }
}
