//! Attestation results in the IETF's form: EAT Attestation Results (EAR), as JWT and as CWT.
//!
//! One result holds one appraisal, or several of a composite device, each with its AR4SI vector; ours carry in a private
//! claim what an EAR has no word for ([`Detail`]). Whoever relies on a result needs this module, a key and a clock, and
//! nothing of any family. A result says what a verifier found; it is no verdict and no session.
//!
//! Names and numbers are those of profile [`PROFILE`], which the implementations in the field write; later drafts rename
//! claims under profiles of their own, and a result of another profile is refused rather than guessed at. Claims that
//! nobody here knows are kept and not believed. Hardware ids are never written.
//!
//! Source: draft-ietf-rats-ear and draft-fv-rats-ear (claims), draft-ietf-rats-ar4si (vector), RFC 9711 (EAT), RFC 7519
//! and RFC 8392 (tokens).

mod claims;
mod detail;
mod issue;
mod item;
mod token;

pub use detail::{Collateral, Detail, Found};
pub use issue::Issue;
pub use item::{Form, Item, Label};
pub use token::{Expected, VerifyKey, verify_cwt, verify_jwt};

use crate::appraisal::Status;
use glacis_wire::Timestamp;
use glacis_wire::message::enrol::TrustVector;

/// The profile that is read and written here.
pub const PROFILE: &str = "tag:github.com,2023:veraison/ear";

/// A result: who found what about which attesters, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Ear {
    /// When it was made; whole seconds.
    pub issued_at: Timestamp,
    /// From when on it is good.
    pub not_before: Option<Timestamp>,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// Who signed it, where it says so.
    pub issuer: Option<String>,
    /// Whom it is for.
    pub audience: Option<String>,
    /// The software that appraised.
    pub verifier: VerifierId,
    /// What whoever asked for the result gave along: 8 to 64 bytes.
    pub nonce: Option<Vec<u8>>,
    /// The evidence itself. It holds hardware ids where evidence does.
    pub raw_evidence: Option<Vec<u8>>,
    /// One appraisal for each attester, by its label; at least one. Ours has one, whose label is the family.
    pub submods: Vec<(String, Submod)>,
    /// Claims that nobody here knows.
    pub unknown: Vec<(Label, Item)>,
}

/// Which software appraised (AR4SI §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierId {
    /// Who made it.
    pub developer: String,
    /// Which build it is.
    pub build: String,
}

/// The appraisal of one attester.
#[derive(Clone, Debug, PartialEq)]
pub struct Submod {
    /// The worst that the vector says, or something worse.
    pub status: Status,
    /// The AR4SI vector; none says nothing about why.
    pub vector: Option<TrustVector>,
    /// Which policy was applied.
    pub policy: Option<String>,
    /// What our verifier adds.
    pub detail: Option<Detail>,
    /// Claims that nobody here knows.
    pub unknown: Vec<(Label, Item)>,
}

impl Ear {
    /// The worst of all appraisals.
    pub fn status(&self) -> Status {
        self.submods.iter().map(|(_, submod)| submod.status).max().unwrap_or(Status::None)
    }
}

/// Longest result, token or claims. Unit: bytes. Source: raw evidence of 64 KiB has 87,382 characters in base64url, and
/// a token encodes those again.
pub const RESULT_BYTES_MAX: usize = 128 << 10;
