//! Family `simulated`: hardware evidence of a manufacturer that exists only in the demo.
//!
//! It checks what a real family checks, in the same order: realm, chain to an anchored key, validity, the
//! statement's signature, challenge, device key, level. Anchors are keys, not certificates.

use crate::appraisal::{Appraisal, AttestError, Basis, Claims, Genuine, Reason};
use crate::code::Code;
use crate::question::{Anchors, Question};
use crate::standing::{self, AppIdentity, Facts, KeyPlace};
use glacis_seal::{Purpose, key_id, open_envelope, sha256, thumbprint};
use glacis_wire::message::enrol::TrustVector;
use glacis_wire::message::simulated::{
    AttestationKeyCertificate, AttestationStatement, BootState, FAMILY, SecurityLevel, SimulatedEvidence,
};
use glacis_wire::{Decode, Digest, Realm, Timestamp};

/// What the evidence proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedClaims {
    /// Model of the device.
    pub model: String,
    /// SHA-256 of the running app.
    pub app: Digest,
    /// State of verified boot.
    pub boot: BootState,
    /// Where the device key lives.
    pub level: SecurityLevel,
}

pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let anchors = question.anchors;
    if anchors.context.realm != Realm::Demo {
        return Err(Code::Realm.into());
    }
    let evidence = SimulatedEvidence::from_bytes(body)?;
    let certificate = certificate(&evidence, anchors, question.now)?;
    let statement: AttestationStatement =
        open_envelope(&evidence.statement, &anchors.context, Purpose::Attestation, &certificate.key)?;
    if *statement.challenge != *question.challenge {
        return Err(Code::Challenge.into());
    }
    if question.device_key.is_some_and(|key| statement.device_key != thumbprint(key)) {
        return Err(Code::DeviceKey.into());
    }
    if statement.level > certificate.level {
        return Err(Code::Level.into());
    }
    Ok(conclude(certificate, &statement, question))
}

fn certificate(
    evidence: &SimulatedEvidence,
    anchors: &Anchors,
    now: Timestamp,
) -> Result<AttestationKeyCertificate, AttestError> {
    let signed = &evidence.certificate;
    let root = anchors.simulated_roots.iter().find(|root| key_id(root) == signed.key);
    let root = root.ok_or(Code::UnknownRoot)?;
    let certificate: AttestationKeyCertificate =
        open_envelope(signed, &anchors.context, Purpose::AttestationKey, root)?;
    if certificate.not_after < now {
        return Err(Code::Expired.into());
    }
    Ok(certificate)
}

/// The manufacturer of the demo says of a verified boot that it is locked, too.
fn conclude(
    certificate: AttestationKeyCertificate,
    statement: &AttestationStatement,
    question: &Question<'_>,
) -> Appraisal {
    let booted = statement.boot == BootState::Verified;
    let ours = question.anchors.apps.contains(&statement.app);
    // Values of draft-ietf-rats-ar4si §2.3.
    let vector = TrustVector {
        instance_identity: 2,
        executables: if ours { 2 } else { 33 },
        hardware: if booted { 2 } else { 32 },
        storage_opaque: 2,
        ..TrustVector::default()
    };
    let (boot, finding) = match statement.boot {
        BootState::Verified => (standing::BootState::Verified, None),
        BootState::SelfSigned => (standing::BootState::SelfSigned, Some(Code::BootSelfSigned)),
        BootState::Unverified => (standing::BootState::Unverified, Some(Code::BootUnverified)),
        BootState::Failed => (standing::BootState::Failed, Some(Code::BootFailed)),
    };
    let facts = Facts {
        key: match statement.level {
            SecurityLevel::Tee => KeyPlace::Environment,
            SecurityLevel::Strongbox => KeyPlace::Element,
        },
        vouched: true,
        boot,
        locked: Some(booted),
        app: if ours { AppIdentity::Ours } else { AppIdentity::Foreign },
        ..Facts::unproven(FAMILY, question.anchors.context.realm)
    };
    let app = (!ours).then_some(Code::AppForeign);
    Genuine {
        facts,
        vector,
        reasons: [finding, app].into_iter().flatten().map(|code| Reason::new(code, "")).collect(),
        relaxed: Vec::new(),
        basis: Basis { issuers: vec![sha256(&certificate.key.0)], ..Basis::default() },
        verified_at: question.now,
        not_after: certificate.not_after,
        claims: Claims::Simulated(SimulatedClaims {
            model: certificate.model.0,
            app: statement.app,
            boot: statement.boot,
            level: statement.level,
        }),
    }
    .appraised()
}
