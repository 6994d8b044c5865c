//! Evidence of TPMs, records around it, platform certificates, and logs of measured boot.
//!
//! Invariants: nothing panics; the same bytes are judged alike twice; what strict reading accepts, relaxed reading
//! accepts, and never for a lower tier; a log says nothing of registers that do not count, and never more than it has
//! events.

use crate::evidence::{NOW, signer};
use crate::soft::SECRET;
use glacis_attest::tpm::{Boot, EventLog, PlatformCertificate, describe_endorsement, identity_digest};
use glacis_attest::{
    Anchors, Appraisal, Claims, Constraints, Question, References, Relaxation, Released, Roots, cmw,
};
use glacis_seal::Context;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::tpm::{FAMILY, TpmEvidence};
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Decode, Realm, TenantId};

/// Checks evidence, alone or in a record, and whatever else certificates say of a TPM.
pub fn evidence(data: &[u8]) {
    let _ = accepts_evidence(data);
}

/// Checks one log.
pub fn event_log(data: &[u8]) {
    let _ = accepts_event_log(data);
}

/// The same, and whether strict reading accepts it.
pub(crate) fn accepts_evidence(data: &[u8]) -> bool {
    let _ = (PlatformCertificate::parse(data).is_ok(), describe_endorsement(data).is_ok());
    let record = cmw::read_record(data);
    assert_eq!(record, cmw::read_record(data), "a record read differently twice");
    let body = match record {
        Ok(Some(Evidence { family, body })) if *family.0 == *FAMILY => body.0,
        _ => data.to_vec(),
    };
    let (strict, relaxed) = (appraise(&body, false), appraise(&body, true));
    let Some(strict) = strict else { return false };
    let Some(relaxed) = relaxed else { panic!("relaxed reading refuses what strict reading accepts") };
    assert!(strict.tier >= relaxed.tier && strict.relaxed.is_empty(), "relaxing raised a tier");
    let Claims::Tpm(claims) = &strict.claims else { panic!("claims of another family") };
    assert!(claims.activated && claims.is_unique(), "accepted without proof of the chip");
    assert!(claims.replayed.iter().all(|index| claims.registers.iter().any(|one| one.index == *index)));
    true
}

/// The same, and whether it is a log.
pub(crate) fn accepts_event_log(data: &[u8]) -> bool {
    let Ok(log) = EventLog::parse(data) else {
        assert!(EventLog::parse(data).is_err(), "read differently twice");
        return false;
    };
    for bank in log.banks() {
        let values = log.replay(bank);
        assert_eq!(values, log.replay(bank), "replayed differently twice");
        let whole = log.boot(bank, |_| true);
        assert_eq!(log.boot(bank, |_| false), Boot::default(), "registers that do not count say something");
        assert!(whole.loaders.len() + whole.authorities.len() <= log.len());
        for register in 0..=7 {
            let alone = log.boot(bank, |index| index == register);
            assert!(
                alone.faults.iter().all(|fault| whole.faults.contains(fault)),
                "a fault of one register only"
            );
            assert!(register == 7 || (alone.secure_boot.is_none() && alone.authorities.is_empty()));
        }
    }
    true
}

fn appraise(body: &[u8], relaxed: bool) -> Option<Appraisal> {
    let tenant = TenantId::parse("fuzz").ok()?;
    let Some(root) = signer(1) else { panic!("the fixed keys are wrong") };
    let root = vec![crate::forge::spki(&root)];
    let roots = Roots { tpm: root.clone(), platforms: root, ..Roots::vendors() };
    let anchors = Anchors { roots, ..Anchors::new(Context::new(tenant, Realm::Production)) };
    let allow = if relaxed { Relaxation::ALL.iter().copied().collect() } else { Default::default() };
    // A credential is taken to have been made for whatever keys are sent; only its secret is known.
    let identity = TpmEvidence::from_bytes(body).ok().map(|evidence| identity_digest(&evidence.identity));
    let released = identity.map(|identity| Released { identity, secret: SECRET });
    let question = Question {
        anchors: &anchors,
        references: &References::default(),
        revocations: None,
        constraints: &Constraints { allow, ..Constraints::default() },
        challenge: &crate::soft::CHALLENGE,
        device_key: None,
        activation: released.as_ref(),
        now: NOW,
    };
    let evidence = Evidence { family: Text(FAMILY.into()), body: Bytes(body.to_vec()) };
    let outcome = glacis_attest::appraise(&evidence, &question);
    assert_eq!(outcome, glacis_attest::appraise(&evidence, &question), "judged differently twice");
    outcome.ok()
}

/// Target, name, bytes.
pub(crate) fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    use crate::soft::{Log, Soft, authority};
    use glacis_wire::Encode;
    let mut soft = Soft { tenant: "fuzz", ..Soft::new() };
    let bare = soft.evidence().to_bytes();
    let log = Log::boot(&[1], &authority("vendor"));
    log.clone().into(&mut soft);
    let booted = soft.evidence().to_bytes();
    let (Ok(bare), Ok(booted)) = (bare, booted) else { panic!("the seeds have no encoding") };
    let record = glacis_wire::cmw::cbor_record(FAMILY, &booted);
    let json = glacis_wire::cmw::json_record(FAMILY, &glacis_seal::text::base64url(&bare));
    // One event of the old form: register 4, a separator.
    let old = [&[4, 0, 0, 0, 4, 0, 0, 0][..], &[0; 20], &[4, 0, 0, 0], &[0; 4]].concat();
    vec![
        ("tpm_evidence", "bare", bare),
        ("tpm_evidence", "booted", booted),
        ("tpm_evidence", "record", record),
        ("tpm_evidence", "record-json", json.into_bytes()),
        ("tpm_eventlog", "boot", log.bytes),
        ("tpm_eventlog", "old", old),
    ]
}
