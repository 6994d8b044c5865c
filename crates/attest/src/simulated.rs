//! Family `simulated`: hardware evidence of a manufacturer that exists only in the demo.
//!
//! It checks what a real family checks, in the same order: realm, chain to an anchored key, validity, the
//! statement's signature, challenge, device key, level. Anchors are keys, not certificates.

use crate::{Anchors, Appraisal, AttestError, AttestErrorKind, Facts};
use glacis_seal::{Purpose, key_id, open_envelope, thumbprint};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::TrustVector;
use glacis_wire::message::simulated::{
    AttestationKeyCertificate, AttestationStatement, BootState, FAMILY, SecurityLevel, SimulatedEvidence,
};
use glacis_wire::{Decode, Realm, Tier, Timestamp, Trust};

pub(crate) fn appraise(
    body: &[u8],
    anchors: &Anchors,
    challenge: &[u8],
    device_key: &PublicKey,
    now: Timestamp,
) -> Result<Appraisal, AttestError> {
    if anchors.context.realm != Realm::Demo {
        return Err(AttestErrorKind::Realm.into());
    }
    let evidence = SimulatedEvidence::from_bytes(body)?;
    let certificate = certificate(&evidence, anchors, now)?;
    let statement: AttestationStatement =
        open_envelope(&evidence.statement, &anchors.context, Purpose::Attestation, &certificate.key)?;
    if *statement.challenge != *challenge {
        return Err(AttestErrorKind::Challenge.into());
    }
    if statement.device_key != thumbprint(device_key) {
        return Err(AttestErrorKind::DeviceKey.into());
    }
    if statement.level > certificate.level {
        return Err(AttestErrorKind::Level.into());
    }
    Ok(conclude(certificate, &statement, anchors))
}

fn certificate(
    evidence: &SimulatedEvidence,
    anchors: &Anchors,
    now: Timestamp,
) -> Result<AttestationKeyCertificate, AttestError> {
    let signed = &evidence.certificate;
    let root = anchors.simulated_roots.iter().find(|root| key_id(root) == signed.key);
    let root = root.ok_or(AttestErrorKind::UnknownRoot)?;
    let certificate: AttestationKeyCertificate =
        open_envelope(signed, &anchors.context, Purpose::AttestationKey, root)?;
    if certificate.not_after < now {
        return Err(AttestErrorKind::Expired.into());
    }
    Ok(certificate)
}

/// Tier: a key in a TEE is `hardware`, in a secure element with verified boot `strong`; without verified boot
/// nothing vouches for the system that uses the key, and it is worth `software`.
fn conclude(
    certificate: AttestationKeyCertificate,
    statement: &AttestationStatement,
    anchors: &Anchors,
) -> Appraisal {
    let booted = statement.boot == BootState::Verified;
    let ours = anchors.apps.contains(&statement.app);
    let tier = match (statement.level, booted) {
        (_, false) => Tier::Software,
        (SecurityLevel::Tee, true) => Tier::Hardware,
        (SecurityLevel::Strongbox, true) => Tier::Strong,
    };
    // Values of draft-ietf-rats-ar4si §2.3.
    let vector = TrustVector {
        instance_identity: 2,
        executables: if ours { 2 } else { 33 },
        hardware: if booted { 2 } else { 32 },
        storage_opaque: 2,
        ..TrustVector::default()
    };
    Appraisal {
        tier,
        trust: if ours && booted { Trust::Attested } else { Trust::Claimed },
        vector,
        family: FAMILY,
        not_after: certificate.not_after,
        facts: Facts {
            model: certificate.model.0,
            app: statement.app,
            boot: statement.boot,
            level: statement.level,
        },
    }
}
