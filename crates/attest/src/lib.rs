//! Verifiers of attestation evidence: bytes, anchors and a time in, one appraisal out.
//!
//! One module and one feature a family. A family that this build does not have refuses; it never skips
//! (invariant 9). Nothing here reads a clock, a file or a socket (invariant 3), and nothing here makes evidence:
//! prover and verifier share the bytes of `glacis_wire::message` and no code.
//!
//! An [`Appraisal`] is not a verdict: tier and trust go into the attestation result that the cloud signs, and
//! policy decides what they are worth.

#[cfg(feature = "simulated")]
mod simulated;

use glacis_seal::{Context, SealError};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::{Evidence, TrustVector};
use glacis_wire::message::simulated::{BootState, SecurityLevel};
use glacis_wire::{DecodeError, Digest, Tier, Timestamp, Trust};

/// Families that this build verifies; every other is [`AttestErrorKind::UnknownFamily`].
pub const FAMILIES: &[&str] = &[
    #[cfg(feature = "simulated")]
    glacis_wire::message::simulated::FAMILY,
];

/// What a verifier trusts before it looks at any evidence.
#[derive(Clone, Debug)]
pub struct Anchors {
    /// Whose verifier this is, and in which realm.
    pub context: Context,
    /// Root keys of simulated manufacturers. Refused outside realm `demo`, whoever put them here.
    pub simulated_roots: Vec<PublicKey>,
    /// SHA-256 of every app build that is ours.
    pub apps: Vec<Digest>,
}

/// What the evidence of one device is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Appraisal {
    /// Derived from where the key lives and how the device booted.
    pub tier: Tier,
    /// `Attested` only if the app is one of ours and verified boot holds.
    pub trust: Trust,
    /// The AR4SI vector behind both.
    pub vector: TrustVector,
    /// Which verifier said so.
    pub family: &'static str,
    /// When the collateral behind the evidence ends; no result may outlive it.
    pub not_after: Timestamp,
    /// What the evidence proves, for records.
    pub facts: Facts,
}

/// What the evidence proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Model of the device.
    pub model: String,
    /// SHA-256 of the running app.
    pub app: Digest,
    /// State of verified boot.
    pub boot: BootState,
    /// Where the device key lives.
    pub level: SecurityLevel,
}

/// Evidence that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("evidence refused: {kind}")]
pub struct AttestError {
    kind: AttestErrorKind,
    #[source]
    cause: Option<SealError>,
}

/// Why evidence was refused: a stable code for records and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttestErrorKind {
    /// No verifier for this family in this build.
    UnknownFamily,
    /// The family may not be used in this realm.
    Realm,
    /// The bytes are not evidence of the family they claim.
    Malformed,
    /// The chain does not end in an anchor.
    UnknownRoot,
    /// A signature in the chain or of the statement is wrong.
    Signature,
    /// A certificate of the chain has ended.
    Expired,
    /// Made for another challenge.
    Challenge,
    /// Made for another device key.
    DeviceKey,
    /// The statement claims more than its certificate allows.
    Level,
}

impl AttestErrorKind {
    /// The code in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownFamily => "unknown-family",
            Self::Realm => "realm",
            Self::Malformed => "malformed",
            Self::UnknownRoot => "unknown-root",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::Challenge => "challenge",
            Self::DeviceKey => "device-key",
            Self::Level => "level",
        }
    }
}

impl std::fmt::Display for AttestErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl AttestError {
    /// Why; branch on it.
    pub const fn kind(&self) -> AttestErrorKind {
        self.kind
    }
}

impl From<AttestErrorKind> for AttestError {
    fn from(kind: AttestErrorKind) -> Self {
        Self { kind, cause: None }
    }
}

impl From<DecodeError> for AttestError {
    fn from(cause: DecodeError) -> Self {
        Self { kind: AttestErrorKind::Malformed, cause: Some(cause.into()) }
    }
}

impl From<SealError> for AttestError {
    fn from(cause: SealError) -> Self {
        let kind = match cause {
            SealError::Decode(_) | SealError::Encode(_) => AttestErrorKind::Malformed,
            _ => AttestErrorKind::Signature,
        };
        Self { kind, cause: Some(cause) }
    }
}

/// Appraises evidence over `challenge` and `device_key` as of `now`.
///
/// `challenge` is the nonce of the enrolment challenge. That it was issued by us, is fresh and unspent is the
/// caller's to check, as is the proof that the device holds the key.
pub fn appraise(
    evidence: &Evidence,
    anchors: &Anchors,
    challenge: &[u8],
    device_key: &PublicKey,
    now: Timestamp,
) -> Result<Appraisal, AttestError> {
    match &*evidence.family {
        #[cfg(feature = "simulated")]
        glacis_wire::message::simulated::FAMILY => {
            simulated::appraise(&evidence.body, anchors, challenge, device_key, now)
        }
        _ => {
            // Without any family there is nobody to hand these to.
            let _ = (anchors, challenge, device_key, now);
            Err(AttestErrorKind::UnknownFamily.into())
        }
    }
}
