//! What comes out of a verifier: an appraisal of genuine evidence, or a refusal, each with codes from one table.
//!
//! An [`Appraisal`] is not a verdict: vector, tier and trust go into the attestation result that the cloud signs, and
//! policy decides what they are worth. Tier and trust come from the facts by [`Standing`] and from nothing else; status and
//! vector follow EAR and AR4SI (drafts of the IETF's RATS group).

use crate::code::{Code, Effect};
use crate::question::Relaxation;
use crate::standing::{Facts, Kept, Standing};
use glacis_seal::SealError;
use glacis_wire::message::enrol::TrustVector;
use glacis_wire::{DecodeError, Digest, Tier, Timestamp, Trust};
use std::borrow::Cow;
use std::fmt;

/// What the evidence of one device is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Appraisal {
    /// Which verifier said so.
    pub family: &'static str,
    /// The AR4SI vector.
    pub vector: TrustVector,
    /// What tier and trust follow from.
    pub facts: Facts,
    /// Derived from the facts: where the key lives, how the device booted.
    pub tier: Tier,
    /// `Attested` only if the app is one of ours, verified boot holds, all is fresh and nothing was relaxed.
    pub trust: Trust,
    /// The rules that kept it from a higher tier or trust; empty if nothing did.
    pub kept_by: Vec<Kept>,
    /// What keeps it from the best; empty if nothing does.
    pub reasons: Vec<Reason>,
    /// Relaxations that this evidence needed.
    pub relaxed: Vec<Relaxation>,
    /// What it rests on, for looking it up again when something of that falls.
    pub basis: Basis,
    /// As of when it was verified.
    pub verified_at: Timestamp,
    /// When the collateral behind the evidence ends; no result may outlive it.
    pub not_after: Timestamp,
    /// What the evidence proves, for records.
    pub claims: Claims,
}

impl Appraisal {
    /// The worst that the vector says.
    pub fn status(&self) -> Status {
        Status::of(&self.vector)
    }

    /// Something that it rests on is past its time.
    pub(crate) fn make_stale(&mut self) {
        self.facts.fresh = false;
        let Standing { tier, trust, kept_by } = Standing::of(&self.facts);
        (self.tier, self.trust, self.kept_by) = (tier, trust, kept_by);
    }
}

/// Genuine evidence, before anybody says what it is worth: what a verifier hands over.
#[cfg(any(
    feature = "android-key",
    feature = "app-attest",
    feature = "play-integrity",
    feature = "simulated",
    feature = "tpm",
    feature = "webauthn"
))]
pub(crate) struct Genuine {
    /// Freshness and relaxations are filled in here.
    pub(crate) facts: Facts,
    pub(crate) vector: TrustVector,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) relaxed: Vec<Relaxation>,
    pub(crate) basis: Basis,
    pub(crate) verified_at: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) claims: Claims,
}

#[cfg(any(
    feature = "android-key",
    feature = "app-attest",
    feature = "play-integrity",
    feature = "simulated",
    feature = "tpm",
    feature = "webauthn"
))]
impl Genuine {
    /// The only way from evidence to an appraisal. Evidence that answers another challenge is refused before.
    pub(crate) fn appraised(self) -> Appraisal {
        // Where no list was asked, nothing says that the certificates are still good.
        let past = |relaxation: &Relaxation| {
            use Relaxation::{DangerExpired, DangerNoRevocationList, DangerStaleRevocationList};
            matches!(relaxation, DangerExpired | DangerStaleRevocationList | DangerNoRevocationList)
        };
        let fresh = !self.relaxed.iter().any(past);
        let facts = Facts { fresh, relaxed: !self.relaxed.is_empty(), ..self.facts };
        let Standing { tier, trust, kept_by } = Standing::of(&facts);
        Appraisal {
            family: facts.family,
            vector: self.vector,
            facts,
            tier,
            trust,
            kept_by,
            reasons: self.reasons,
            relaxed: self.relaxed,
            basis: self.basis,
            verified_at: self.verified_at,
            not_after: self.not_after,
            claims: self.claims,
        }
    }
}

/// EAR's four answers, best first where they are comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Nothing is claimed.
    None,
    /// Good.
    Affirming,
    /// Something is wrong that policy may accept.
    Warning,
    /// Something is wrong that it should not.
    Contraindicated,
}

impl Status {
    /// The tier of one claim (draft-ietf-rats-ar4si §2.3.2).
    pub const fn of_claim(claim: i8) -> Self {
        match claim {
            -1..=1 => Self::None,
            -32..=-2 | 2..=31 => Self::Affirming,
            -96..=-33 | 32..=95 => Self::Warning,
            _ => Self::Contraindicated,
        }
    }

    /// The worst claim of a vector; claims that say nothing do not count unless none says anything.
    pub fn of(vector: &TrustVector) -> Self {
        named(vector).iter().map(|(_, claim)| Self::of_claim(*claim)).max().unwrap_or(Self::None)
    }

    /// The tier of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The tier of this number in EAR's CBOR form.
    pub fn from_number(number: i128) -> Option<Self> {
        Self::ALL.into_iter().find(|status| i128::from(status.number()) == number)
    }

    /// Every answer.
    pub const ALL: [Self; 4] = [Self::None, Self::Affirming, Self::Warning, Self::Contraindicated];

    /// The number of EAR.
    pub const fn number(self) -> i8 {
        match self {
            Self::None => 0,
            Self::Affirming => 2,
            Self::Warning => 32,
            Self::Contraindicated => 96,
        }
    }

    /// The word of EAR.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Affirming => "affirming",
            Self::Warning => "warning",
            Self::Contraindicated => "contraindicated",
        }
    }
}

/// The claims of a vector with their names in EAR.
pub const fn named(vector: &TrustVector) -> [(&'static str, i8); 8] {
    [
        ("instance-identity", vector.instance_identity),
        ("configuration", vector.configuration),
        ("executables", vector.executables),
        ("file-system", vector.file_system),
        ("hardware", vector.hardware),
        ("runtime-opaque", vector.runtime_opaque),
        ("storage-opaque", vector.storage_opaque),
        ("sourced-data", vector.sourced_data),
    ]
}

/// A code with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The code.
    pub code: Code,
    /// What exactly; of the evidence's public parts only.
    pub detail: Cow<'static, str>,
}

impl Reason {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!(code.effect() == Effect::Found, "a refusal is an error");
        Self { code, detail: detail.into() }
    }
}

/// What an appraisal rests on. No hardware id is in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// SHA-256 of the anchor's `SubjectPublicKeyInfo`.
    pub anchor: Option<Digest>,
    /// SHA-256 of the keys that issued, leaf's issuer first.
    pub issuers: Vec<Digest>,
    /// Serials of the chain below the anchor, leaf first.
    pub serials: Vec<Vec<u8>>,
    /// As of when the revocation list was made that was asked.
    pub revocations_as_of: Option<Timestamp>,
    /// Version of the collateral that was used; none where anchors and lists were given one by one.
    pub collateral: Option<u64>,
}

/// The end of the year 9999: nothing of the evidence ends.
#[cfg(any(feature = "soter", feature = "tpm", feature = "webauthn"))]
pub(crate) const NEVER: Timestamp = Timestamp::from_secs(253_402_300_799);

/// What the evidence proves, by family.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Claims {
    /// Family `simulated`.
    #[cfg(feature = "simulated")]
    Simulated(crate::simulated::SimulatedClaims),
    /// Family `android-key`.
    #[cfg(feature = "android-key")]
    AndroidKey(Box<crate::android::AndroidClaims>),
    /// Family `app-attest`.
    #[cfg(feature = "app-attest")]
    AppAttest(Box<crate::apple::AppAttestClaims>),
    /// Family `play-integrity`.
    #[cfg(feature = "play-integrity")]
    PlayIntegrity(Box<crate::play_integrity::PlayClaims>),
    /// Family `soter`.
    #[cfg(feature = "soter")]
    Soter(Box<crate::soter::SoterClaims>),
    /// Family `tpm`.
    #[cfg(feature = "tpm")]
    Tpm(Box<crate::tpm::TpmClaims>),
    /// Family `webauthn`.
    #[cfg(feature = "webauthn")]
    Webauthn(Box<crate::webauthn::WebauthnClaims>),
}

#[cfg(any(
    feature = "android-key",
    feature = "app-attest",
    feature = "play-integrity",
    feature = "simulated",
    feature = "tpm",
    feature = "webauthn"
))]
impl Claims {
    /// The claims as JSON, hardware ids among them: for whoever may see them, never for a log.
    ///
    /// # Errors
    /// If a value has no form in JSON; none of ours lacks one.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        match self {
            #[cfg(feature = "simulated")]
            Self::Simulated(claims) => Ok(serde_json::json!({
                "model": claims.model,
                "app": claims.app.to_string(),
                "boot": format!("{:?}", claims.boot),
                "level": format!("{:?}", claims.level),
            })),
            #[cfg(feature = "android-key")]
            Self::AndroidKey(claims) => serde_json::to_value(claims),
            #[cfg(feature = "app-attest")]
            Self::AppAttest(claims) => serde_json::to_value(claims),
            #[cfg(feature = "play-integrity")]
            Self::PlayIntegrity(claims) => serde_json::to_value(claims),
            #[cfg(feature = "soter")]
            Self::Soter(claims) => serde_json::to_value(claims),
            #[cfg(feature = "tpm")]
            Self::Tpm(claims) => serde_json::to_value(claims),
            #[cfg(feature = "webauthn")]
            Self::Webauthn(claims) => serde_json::to_value(claims),
        }
    }
}

impl Claims {
    /// The claims as JSON without hardware ids: for results, which travel. None where a value has no form in JSON.
    pub fn public_json(&self) -> Option<serde_json::Value> {
        match self {
            #[cfg(feature = "simulated")]
            Self::Simulated(_) => self.json().ok(),
            #[cfg(feature = "android-key")]
            Self::AndroidKey(claims) => {
                let public = crate::android::AndroidClaims {
                    description: claims.description.without_hardware_ids(),
                    ..(**claims).clone()
                };
                serde_json::to_value(public).ok()
            }
            #[cfg(feature = "app-attest")]
            Self::AppAttest(_) => self.json().ok(),
            // The chip's name has no form in JSON.
            #[cfg(feature = "tpm")]
            Self::Tpm(_) => self.json().ok(),
            #[cfg(feature = "play-integrity")]
            Self::PlayIntegrity(_) => self.json().ok(),
            #[cfg(feature = "soter")]
            Self::Soter(_) => {
                let mut claims = self.json().ok()?;
                // The processor's name, and the finger's.
                let members = claims.as_object_mut()?;
                members.remove("cpu_id");
                members.remove("fid");
                Some(claims)
            }
            #[cfg(feature = "webauthn")]
            Self::Webauthn(claims) => {
                let android = claims.android.as_ref();
                let public = crate::webauthn::WebauthnClaims {
                    android: android.map(crate::android::KeyDescription::without_hardware_ids),
                    ..(**claims).clone()
                };
                serde_json::to_value(public).ok()
            }
            // Without any family there are no claims.
            #[cfg(not(any(
                feature = "android-key",
                feature = "app-attest",
                feature = "play-integrity",
                feature = "simulated",
                feature = "tpm",
                feature = "webauthn"
            )))]
            _ => None,
        }
    }
}

/// Evidence that proves nothing, or a result or reference values that are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestError {
    code: Code,
    detail: Cow<'static, str>,
    cause: Option<SealError>,
}

impl AttestError {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!(code.effect() != Effect::Found, "a finding is no error");
        Self { code, detail: detail.into(), cause: None }
    }

    /// Why; branch on it.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What exactly; may be empty.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for AttestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.code.effect() == Effect::Rejected { "refused" } else { "evidence refused" };
        write!(f, "{what}: {}", self.code)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl std::error::Error for AttestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl From<Code> for AttestError {
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}

impl From<DecodeError> for AttestError {
    fn from(cause: DecodeError) -> Self {
        Self { code: Code::Malformed, detail: "".into(), cause: Some(cause.into()) }
    }
}

impl From<SealError> for AttestError {
    fn from(cause: SealError) -> Self {
        let code = match cause {
            SealError::Decode(_) | SealError::Encode(_) => Code::Malformed,
            _ => Code::Signature,
        };
        Self { code, detail: "".into(), cause: Some(cause) }
    }
}

/// Bytes in claims, as JSON shows them.
#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
pub(crate) fn hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&glacis_seal::text::hex(bytes))
}

/// A digest in claims, as JSON shows it.
#[cfg(any(feature = "app-attest", feature = "webauthn"))]
pub(crate) fn hex_digest<S: serde::Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    hex(digest.as_bytes(), serializer)
}

/// A key in claims, as JSON shows it.
#[cfg(any(feature = "app-attest", feature = "tpm"))]
pub(crate) fn hex_public_key<S: serde::Serializer>(
    key: &glacis_wire::message::PublicKey,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    hex(&key.0, serializer)
}

/// Several byte strings in claims, as JSON shows them.
#[cfg(any(feature = "android-key", feature = "tpm"))]
pub(crate) fn hexes<S: serde::Serializer>(all: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|bytes| glacis_seal::text::hex(bytes)))
}

/// Several digests in claims, as JSON shows them.
#[cfg(any(feature = "play-integrity", feature = "tpm"))]
pub(crate) fn hex_digests<S: serde::Serializer>(all: &[Digest], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_follows_the_draft() {
        for (claim, want) in [
            (0, Status::None),
            (1, Status::None),
            (-1, Status::None),
            (2, Status::Affirming),
            (31, Status::Affirming),
            (-32, Status::Affirming),
            (32, Status::Warning),
            (95, Status::Warning),
            (-33, Status::Warning),
            (96, Status::Contraindicated),
            (127, Status::Contraindicated),
            (-128, Status::Contraindicated),
        ] {
            assert_eq!(Status::of_claim(claim), want, "{claim}");
        }
        let vector = |hardware, executables| TrustVector { hardware, executables, ..TrustVector::default() };
        assert_eq!(Status::of(&vector(0, 0)), Status::None);
        assert_eq!(Status::of(&vector(2, 0)), Status::Affirming);
        assert_eq!(Status::of(&vector(2, 33)), Status::Warning);
        assert_eq!(Status::of(&vector(96, 33)), Status::Contraindicated);
    }
}
