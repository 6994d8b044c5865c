//! What the appraisal of a TPM's enrolment costs: two certificates, two statements, eight registers, a log of real size.
//!
//! `cargo run --release -p glacis-attest --features tpm --example tpm_cost`. One thread, no I/O inside; the best and the
//! median of many batches, so that what else the machine does matters little.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints and stops on failure")]

#[path = "../tests/it/forge.rs"]
#[expect(dead_code, clippy::indexing_slicing, reason = "shared with the tests")]
mod forge;
#[path = "../tests/it/tpm/soft.rs"]
#[expect(dead_code, clippy::indexing_slicing, reason = "shared with the tests")]
mod soft;

use forge::{Draft, common_name, key, spki};
use glacis_attest::tpm::{FAMILY, identity_digest};
use glacis_attest::{Anchors, Constraints, Question, References, Released, Roots, appraise};
use glacis_host::{Clock, SystemHost};
use glacis_seal::{Context, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::tpm::TpmEvidence;
use glacis_wire::message::{Bytes, List, Text};
use glacis_wire::{Encode, Realm, TenantId, Tier, Timestamp};
use soft::{AUTHORITY, DRIVER_CONFIG, Log, SECRET, SECURITY, Soft, authority, variable, vouch};

fn main() {
    let evidence = evidence();
    let released = Released { identity: identity_digest(&evidence.identity), secret: SECRET };
    let tenant = TenantId::parse("acme").unwrap();
    let roots = Roots { tpm: vec![spki(&key(1))], ..Roots::vendors() };
    let anchors = Anchors { roots, ..Anchors::new(Context::new(tenant, Realm::Production)) };
    let references =
        References { boot_authorities: vec![sha256(&authority("vendor"))], ..References::default() };
    let question = Question {
        anchors: &anchors,
        references: &references,
        revocations: None,
        constraints: &Constraints::default(),
        challenge: &soft::CHALLENGE,
        device_key: None,
        activation: Some(&released),
        now: Timestamp::from_secs(1_800_000_000),
    };
    let log_bytes = evidence.event_log.len();
    let body = evidence.to_bytes().unwrap();
    let bytes = body.len();
    let sent = Evidence { family: Text(FAMILY.to_owned()), body: Bytes(body) };
    let host = SystemHost::new();
    let mut batches = Vec::new();
    for _ in 0..200 {
        let start = host.monotonic();
        for _ in 0..10 {
            assert_eq!(appraise(&sent, &question).unwrap().tier, Tier::Strong);
        }
        batches.push((host.monotonic() - start) / 10);
    }
    batches.sort();
    let (best, median) = (batches.first().unwrap(), batches.get(batches.len() / 2).unwrap());
    println!(
        "appraisal of a TPM enrolment: best {best:?}, median {median:?} ({bytes} bytes, log {log_bytes})"
    );
}

/// A chain with an issuer between, and a log as long as those of machines with a full list of forbidden hashes.
fn evidence() -> TpmEvidence {
    let mut soft = Soft::new();
    let mut log = Log::firmware(&[1]).event(7, DRIVER_CONFIG, &variable("dbx", SECURITY, &[7; 24_000]));
    for number in 0..60_u8 {
        log = log.event(number % 4, 0x8000_0008, &[number; 200]);
    }
    log.separators(0..=7).event(7, AUTHORITY, &vouch(&authority("vendor"))).into(&mut soft);
    let mut evidence = soft.evidence();
    let issuer = key(30);
    soft.certificate.issuer = common_name("issuer");
    let middle = Draft::new("issuer", "maker").ca(Some(0)).sign(&issuer, &soft.root);
    let leaf = soft.certificate.sign(&soft.ek, &issuer);
    evidence.identity.ek_certificates = List(vec![Bytes(leaf), Bytes(middle)]);
    evidence
}
