//! A result out of an appraisal or a refusal.
//!
//! Nothing is decided here: status and vector are the appraisal's, and a refusal is contraindicated, since evidence that
//! proves nothing must never be worth more than evidence that proves something bad. No hardware id gets in: claims go
//! through [`Claims::public_json`](crate::Claims::public_json), and raw evidence is left out.

use super::{Collateral, Detail, Ear, Found, Submod, VerifierId};
use crate::appraisal::{Appraisal, AttestError, Status};
use crate::code::Code;
use glacis_seal::{Context, Purpose};
use glacis_wire::Timestamp;
use glacis_wire::message::enrol::TrustVector;

/// What a result says besides what was found.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    /// Which software appraised.
    pub verifier: &'a VerifierId,
    /// Whom it is for; its audience is made of this.
    pub context: &'a Context,
    /// As of when the evidence was verified.
    pub verified_at: Timestamp,
    /// When the result is made.
    pub issued_at: Timestamp,
    /// When it ends; it never outlives the appraisal.
    pub expires: Timestamp,
    /// What whoever asks for the result gave along: 8 to 64 bytes.
    pub nonce: Option<&'a [u8]>,
    /// What was asked besides the evidence.
    pub collateral: &'a [Collateral],
}

impl Ear {
    /// The result of appraising evidence of one family.
    pub fn of(family: &str, outcome: &Result<Appraisal, AttestError>, issue: &Issue<'_>) -> Self {
        let (expires, submod) = match outcome {
            Ok(found) => (issue.expires.min(found.not_after), affirm(found, issue)),
            Err(refused) => (issue.expires, refuse(family, refused, issue)),
        };
        Self {
            issued_at: whole(issue.issued_at),
            not_before: None,
            expires: Some(whole(expires)),
            issuer: None,
            audience: Some(issue.context.audience(Purpose::Ear)),
            verifier: issue.verifier.clone(),
            nonce: issue.nonce.map(<[u8]>::to_vec),
            raw_evidence: None,
            submods: vec![(family.to_owned(), submod)],
            unknown: Vec::new(),
        }
    }
}

/// Rounded down: tokens have whole seconds, and none may outlive what it rests on.
const fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_secs(at.as_secs())
}

fn affirm(found: &Appraisal, issue: &Issue<'_>) -> Submod {
    let detail = Detail {
        family: found.family.to_owned(),
        tier: Some(found.tier),
        trust: Some(found.trust),
        reasons: found.reasons.iter().map(Found::from).collect(),
        relaxed: found.relaxed.iter().map(|relaxation| relaxation.name().to_owned()).collect(),
        verified_at: found.verified_at,
        not_after: Some(found.not_after),
        anchor: found.basis.anchor,
        collateral: collateral(found.basis.revocations_as_of, issue),
        claims: found.claims.public_json(),
    };
    Submod {
        status: found.status(),
        vector: Some(found.vector).filter(|vector| *vector != TrustVector::default()),
        // What derived tier and trust.
        policy: crate::standing::policy_id(),
        detail: Some(detail),
        unknown: Vec::new(),
    }
}

/// The caller's list, and the revocation list that was asked where the caller does not name it.
fn collateral(as_of: Option<Timestamp>, issue: &Issue<'_>) -> Vec<Collateral> {
    let mut all = issue.collateral.to_vec();
    let unnamed = as_of.filter(|_| !all.iter().any(|one| one.name == REVOCATIONS));
    all.extend(unnamed.map(|at| Collateral {
        name: REVOCATIONS.to_owned(),
        version: None,
        as_of: Some(at),
        digest: None,
    }));
    all
}

fn refuse(family: &str, refused: &AttestError, issue: &Issue<'_>) -> Submod {
    let reason = Found { code: refused.code().name().to_owned(), detail: refused.detail().to_owned() };
    let detail = Detail {
        family: family.to_owned(),
        tier: None,
        trust: None,
        reasons: vec![reason],
        relaxed: Vec::new(),
        verified_at: issue.verified_at,
        not_after: None,
        anchor: None,
        collateral: issue.collateral.to_vec(),
        claims: None,
    };
    let identity = if refused.code() == Code::Signature { CRYPTO_FAILED } else { UNRECOGNISED };
    Submod {
        status: Status::Contraindicated,
        vector: Some(TrustVector { instance_identity: identity, ..TrustVector::default() }),
        policy: None,
        detail: Some(detail),
        unknown: Vec::new(),
    }
}

/// AR4SI: the attester is not recognised, and should be.
const UNRECOGNISED: i8 = 97;
/// AR4SI: cryptographic validation of the evidence has failed.
const CRYPTO_FAILED: i8 = 99;
/// Name of the list that [`Basis::revocations_as_of`](crate::Basis) is about.
const REVOCATIONS: &str = "revocations";
