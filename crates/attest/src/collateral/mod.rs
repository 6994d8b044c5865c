//! Collateral: everything that a verifier needs beside evidence, in one signed, versioned, aged file.
//!
//! Whoever holds the file and the public key of who made it can appraise offline. A signature says whose it is, a version
//! keeps an older one out, and a life says what it is still worth: fresh, stale (a result is worth tier `software` at most,
//! and says so), or too old (nothing is appraised). Nothing here reads a clock or a file; what was seen before and what
//! time it is are the caller's to say.

#[cfg(any(
    feature = "android-key",
    feature = "app-attest",
    feature = "play-integrity",
    feature = "simulated",
    feature = "soter",
    feature = "tpm",
    feature = "webauthn"
))]
mod rests;
mod support;
mod text;

pub use support::{Support, SupportKind, Watched};
pub use text::{boot_keys, key_pem, public_key};

use crate::appraisal::{Appraisal, AttestError, Reason};
use crate::code::Code;
use crate::question::{Anchors, AndroidApp, Constraints, Question, References, Roots, Site};
use crate::revocation::{Revocations, Status};
use glacis_seal::{Context, Purpose, SealError, SigningKey, open_envelope, sha256, sign_envelope};
use glacis_wire::limits::BUNDLE_BYTES_MAX;
use glacis_wire::message::collateral as wire;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, List, PublicKey, Signed, Text};
use glacis_wire::{Decode as _, DecodeError, Digest, Encode as _, EncodeError, KeyId, Tier, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a verifier trusts and expects, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collateral {
    /// Version and times.
    pub life: Life,
    /// Keys of makers.
    pub roots: Roots,
    /// What is expected of apps and devices; its boot keys have their names in `systems`.
    pub references: References,
    /// Names of systems by their verified-boot keys.
    pub systems: BTreeMap<Vec<u8>, String>,
    /// Certificates that are worth nothing any more; none where no family has a list.
    pub revocations: Option<Revocations>,
    /// The highest tier that devices of a partner get, by the partner's name.
    pub ceilings: BTreeMap<String, Tier>,
}

/// Which version of collateral, and what its age does to results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Counts up. Range: 1..=2⁵³−1, so that JSON can say it.
    pub version: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// From then on results that rest on it are worth tier `software` at most.
    pub stale_after: Timestamp,
    /// From then on nothing rests on it.
    pub not_after: Timestamp,
}

/// What collateral is worth at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Age {
    /// It was made later than now: one of two clocks lies, and its age cannot be told.
    Future,
    /// As good as when it was made.
    Fresh,
    /// Worth less: certificates may have been revoked since that it does not know of.
    Stale,
    /// Worth nothing.
    Old,
}

impl Age {
    /// The name in answers and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Future => "future",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Old => "old",
        }
    }
}

/// Enough of a collateral to refuse an older or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its encoded body.
    pub digest: Digest,
}

/// Why collateral was refused. Whatever it is, the receiver keeps what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollateralError {
    /// Not a file of collateral.
    #[error("not a file of collateral: {0}")]
    Malformed(#[from] DecodeError),
    /// Over a limit, so that it has no encoding.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// Longer than any collateral.
    #[error("over the size limit")]
    TooLarge,
    /// Signed by another key, for another tenant or realm, or changed since.
    #[error("not signed by this key for this tenant and realm: {0}")]
    Signature(SealError),
    /// The signed bytes name another tenant or realm than the one they are signed for.
    #[error("made for another tenant or realm")]
    Scope,
    /// What it says cannot be; the text says what.
    #[error("not well formed: {0}")]
    Content(&'static str),
    /// Older than one that was seen.
    #[error("version {offered} is older than version {held}")]
    Older {
        /// What was offered.
        offered: u64,
        /// What was seen.
        held: u64,
    },
    /// The version that was seen, with another content: somebody signed twice.
    #[error("version {0} again, with another content")]
    Conflict(u64),
    /// Too old, or made later than now.
    #[error("it is {} as of now", .0.name())]
    Age(Age),
}

impl CollateralError {
    /// A stable code for metrics and records.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Encode(_) | Self::TooLarge => "too-large",
            Self::Signature(_) => "signature",
            Self::Scope => "scope",
            Self::Content(_) => "content",
            Self::Older { .. } => "older",
            Self::Conflict(_) => "conflict",
            Self::Age(_) => "age",
        }
    }
}

impl Life {
    /// What it is worth at `now`.
    pub fn age(&self, now: Timestamp) -> Age {
        if now.after(SKEW) < self.made_at {
            Age::Future
        } else if now >= self.not_after {
            Age::Old
        } else if now >= self.stale_after {
            Age::Stale
        } else {
            Age::Fresh
        }
    }

    /// Appraises with what this life allows: nothing where the collateral is too old or of the future, tier `software` and
    /// trust `claimed` where it is stale. No result outlives the collateral.
    ///
    /// # Errors
    /// `OldCollateral` and `FutureCollateral`, before any work; else what `appraise` says.
    pub fn judge(
        &self,
        now: Timestamp,
        appraise: impl FnOnce() -> Result<Appraisal, AttestError>,
    ) -> Result<Appraisal, AttestError> {
        let age = self.age(now);
        match age {
            Age::Future => return Err(Code::FutureCollateral.into()),
            Age::Old => return Err(Code::OldCollateral.into()),
            Age::Fresh | Age::Stale => {}
        }
        let mut found = appraise()?;
        found.basis.collateral = Some(self.version);
        found.not_after = found.not_after.min(self.not_after);
        if age == Age::Stale {
            found.make_stale();
            let detail = format!("version {}, stale since {}", self.version, self.stale_after.rfc3339());
            found.reasons.push(Reason::new(Code::StaleCollateral, detail));
        }
        Ok(found)
    }

    fn check(&self) -> Result<(), CollateralError> {
        if self.version == 0 || self.version > VERSION_MAX {
            return Err(CollateralError::Content("the version is 0 or above 2⁵³−1"));
        }
        // What is stale before it was made (its list is old already) is allowed: it says so by itself.
        if self.made_at >= self.not_after || self.stale_after > self.not_after {
            return Err(CollateralError::Content("it ends before it begins, or is stale only after its end"));
        }
        if self.not_after.since(self.made_at) > LIFE_MAX {
            return Err(CollateralError::Content("it lives longer than 400 days"));
        }
        Ok(())
    }
}

impl Collateral {
    /// Signs it for `context`; gives the bytes of the file.
    ///
    /// # Errors
    /// If it is over a limit, or says what cannot be.
    pub fn seal(&self, key: &SigningKey, context: &Context) -> Result<Vec<u8>, CollateralError> {
        self.life.check()?;
        let body = self.to_wire(context)?;
        let signed =
            sign_envelope(key, context, Purpose::Collateral, &body).map_err(|error| match error {
                SealError::Encode(error) => CollateralError::Encode(error),
                other => CollateralError::Signature(other),
            })?;
        Ok(signed.to_bytes()?)
    }

    /// Reads a file that `key` signed for `context`. Its age is not looked at.
    ///
    /// # Errors
    /// If it is of somebody else, for somebody else, changed, cut, or no file of collateral.
    pub fn open(bytes: &[u8], context: &Context, key: &PublicKey) -> Result<(Self, Mark), CollateralError> {
        let signed = envelope(bytes)?;
        let body: wire::Collateral =
            open_envelope(&signed, context, Purpose::Collateral, key).map_err(|error| match error {
                SealError::Decode(error) => CollateralError::Malformed(error),
                other => CollateralError::Signature(other),
            })?;
        if body.tenant != context.tenant || body.realm != context.realm {
            return Err(CollateralError::Scope);
        }
        let mark = Mark { version: body.version, digest: sha256(&signed.body) };
        Ok((Self::of_wire(body)?, mark))
    }

    /// What is asked of verifiers under this collateral. The list's age is the collateral's: what is too old is told by its
    /// [`Life`], once.
    pub fn constraints(&self) -> Constraints {
        let as_of = self.revocations.as_ref().map_or(self.life.made_at, Revocations::as_of);
        Constraints { revocation_age_max: self.life.not_after.since(as_of), ..Constraints::default() }
    }

    /// `own` with these roots: whose verifier it is, simulated makers and the keys that open tokens are in no collateral.
    pub fn anchors(&self, own: &Anchors) -> Anchors {
        Anchors { roots: self.roots.clone(), ..own.clone() }
    }

    /// Appraises evidence with nothing but this collateral, its rule of age included. What the question says of roots,
    /// references, revocations and the age of lists does not count.
    ///
    /// # Errors
    /// As [`appraise`](crate::appraise), and `OldCollateral` or `FutureCollateral`.
    pub fn appraise(&self, evidence: &Evidence, question: &Question<'_>) -> Result<Appraisal, AttestError> {
        let anchors = self.anchors(question.anchors);
        let constraints = Constraints {
            revocation_age_max: self.constraints().revocation_age_max,
            ..question.constraints.clone()
        };
        let asked = Question {
            anchors: &anchors,
            references: &self.references,
            revocations: self.revocations.as_ref(),
            constraints: &constraints,
            ..*question
        };
        self.life.judge(question.now, || crate::appraise(evidence, &asked))
    }

    fn to_wire(&self, context: &Context) -> Result<wire::Collateral, CollateralError> {
        let Self { life, references, revocations, ceilings, .. } = self;
        let mut anchors = Vec::new();
        for (usage, keys) in self.roots.by_use() {
            anchors.extend(keys.iter().map(|key| wire::Anchor { usage, key: Bytes(key.clone()) }));
        }
        let boot_key = |key: &Vec<u8>| wire::BootKey {
            key: Bytes(key.clone()),
            name: Text(self.systems.get(key).cloned().unwrap_or_default()),
        };
        let app = |app: &AndroidApp| wire::AppSigners {
            package: Text(app.package.clone()),
            signers: List(app.signers.clone()),
        };
        let site = |site: &Site| wire::SiteOrigins {
            id: Text(site.id.clone()),
            origins: List(site.origins.iter().cloned().map(Text).collect()),
        };
        let ceiling = |(partner, tier): (&String, &Tier)| {
            Ok(wire::PartnerCeiling { partner: Text(partner.clone()), tier_max: ceiling_of(*tier)? })
        };
        Ok(wire::Collateral {
            tenant: context.tenant.clone(),
            realm: context.realm,
            version: life.version,
            made_at: life.made_at,
            stale_after: life.stale_after,
            not_after: life.not_after,
            anchors: List(anchors),
            revocations: revocations.as_ref().map(list_to_wire),
            boot_keys: List(references.boot_keys.iter().map(boot_key).collect()),
            android_apps: List(references.android_apps.iter().map(app).collect()),
            apple_apps: List(references.apple_apps.iter().cloned().map(Text).collect()),
            sites: List(references.sites.iter().map(site).collect()),
            boot_authorities: List(references.boot_authorities.clone()),
            patch_level_min: references.patch_level_min,
            ceilings: List(ceilings.iter().map(ceiling).collect::<Result<_, CollateralError>>()?),
        })
    }

    fn of_wire(body: wire::Collateral) -> Result<Self, CollateralError> {
        let life = Life {
            version: body.version,
            made_at: body.made_at,
            stale_after: body.stale_after,
            not_after: body.not_after,
        };
        life.check()?;
        let mut roots = Roots::default();
        for anchor in body.anchors.0 {
            roots.of_use_mut(anchor.usage).push(anchor.key.0);
        }
        let systems =
            body.boot_keys.iter().map(|known| (known.key.0.clone(), known.name.0.clone())).collect();
        let app = |app: wire::AppSigners| AndroidApp { package: app.package.0, signers: app.signers.0 };
        let site = |site: wire::SiteOrigins| Site {
            id: site.id.0,
            origins: site.origins.0.into_iter().map(|origin| origin.0).collect(),
        };
        let references = References {
            android_apps: body.android_apps.0.into_iter().map(app).collect(),
            apple_apps: body.apple_apps.0.into_iter().map(|app| app.0).collect(),
            boot_keys: body.boot_keys.0.into_iter().map(|known| known.key.0).collect(),
            patch_level_min: body.patch_level_min,
            sites: body.sites.0.into_iter().map(site).collect(),
            boot_authorities: body.boot_authorities.0,
        };
        if body.ceilings.windows(2).any(|pair| matches!(pair, [a, b] if a.partner >= b.partner)) {
            return Err(CollateralError::Content("ceilings out of order"));
        }
        let ceiling = |ceiling: wire::PartnerCeiling| (ceiling.partner.0, tier_of(ceiling.tier_max));
        Ok(Self {
            life,
            roots,
            references,
            systems,
            revocations: body.revocations.map(list_of_wire).transpose()?,
            ceilings: body.ceilings.0.into_iter().map(ceiling).collect(),
        })
    }
}

impl Mark {
    /// Whether what was offered may come in the place of what was seen; false where it is the same.
    ///
    /// # Errors
    /// `Older` and `Conflict`.
    pub fn succeeds(&self, seen: Option<&Self>) -> Result<bool, CollateralError> {
        let Some(seen) = seen else { return Ok(true) };
        if self.version < seen.version {
            return Err(CollateralError::Older { offered: self.version, held: seen.version });
        }
        if self.version > seen.version {
            return Ok(true);
        }
        if self.digest == seen.digest { Ok(false) } else { Err(CollateralError::Conflict(self.version)) }
    }
}

/// What a file says that nobody vouches for before [`Collateral::open`]: to be shown, and to find out whose key is needed.
#[derive(Clone, Debug)]
pub struct Stated {
    /// Whose it says it is.
    pub context: Context,
    /// What it says.
    pub collateral: Collateral,
    /// Its version and digest.
    pub mark: Mark,
    /// Names the key that it says it is signed by.
    pub signer: KeyId,
}

/// Reads a file without looking at its signature.
///
/// # Errors
/// If it is no file of collateral.
pub fn danger_unverified(bytes: &[u8]) -> Result<Stated, CollateralError> {
    let signed = envelope(bytes)?;
    let body = wire::Collateral::from_bytes(&signed.body)?;
    let context = Context::new(body.tenant.clone(), body.realm);
    let mark = Mark { version: body.version, digest: sha256(&signed.body) };
    Ok(Stated { context, collateral: Collateral::of_wire(body)?, mark, signer: signed.key })
}

fn envelope(bytes: &[u8]) -> Result<Signed, CollateralError> {
    if bytes.len() > COLLATERAL_BYTES_MAX {
        return Err(CollateralError::TooLarge);
    }
    Ok(Signed::from_bytes(bytes)?)
}

fn list_to_wire(list: &Revocations) -> wire::RevocationList {
    let entry = |(serial, status): (&str, Status)| wire::ListedSerial {
        serial: Text(serial.to_owned()),
        status: match status {
            Status::Revoked => wire::SerialStatus::Revoked,
            Status::Suspended => wire::SerialStatus::Suspended,
        },
    };
    wire::RevocationList { as_of: list.as_of(), entries: List(list.entries().map(entry).collect()) }
}

fn list_of_wire(list: wire::RevocationList) -> Result<Revocations, CollateralError> {
    if list.entries.windows(2).any(|pair| matches!(pair, [a, b] if a.serial >= b.serial)) {
        return Err(CollateralError::Content("serials out of order"));
    }
    let entry = |entry: wire::ListedSerial| {
        let status = match entry.status {
            wire::SerialStatus::Revoked => Status::Revoked,
            wire::SerialStatus::Suspended => Status::Suspended,
        };
        (entry.serial.0, status)
    };
    let entries = list.entries.0.into_iter().map(entry).collect();
    Revocations::of_entries(list.as_of, entries).ok_or(CollateralError::Content("not a serial"))
}

const fn ceiling_of(tier: Tier) -> Result<wire::Ceiling, CollateralError> {
    match tier {
        Tier::None => Err(CollateralError::Content("a ceiling of `none`")),
        Tier::Software => Ok(wire::Ceiling::Software),
        Tier::Hardware => Ok(wire::Ceiling::Hardware),
        Tier::Strong => Ok(wire::Ceiling::Strong),
    }
}

const fn tier_of(ceiling: wire::Ceiling) -> Tier {
    match ceiling {
        wire::Ceiling::Software => Tier::Software,
        wire::Ceiling::Hardware => Tier::Hardware,
        wire::Ceiling::Strong => Tier::Strong,
    }
}

/// Longest file of collateral. Unit: bytes: the longest body, its length, a key id and a signature.
pub const COLLATERAL_BYTES_MAX: usize = BUNDLE_BYTES_MAX + 128;
/// How far the clocks of who made it and who uses it may differ.
const SKEW: Duration = Duration::from_secs(300);
/// Longest life: who forgets to make a new one for a year and a month is not meant to be trusted.
const LIFE_MAX: Duration = Duration::from_secs(400 * 86_400);
/// Largest version: 2⁵³−1 (RFC 8259 §6).
const VERSION_MAX: u64 = 9_007_199_254_740_991;
