//! Evidence appraised at the edge with the cloud away: only from collateral, only of devices that the cloud enrolled, and
//! only for as long as the collateral is worth something.

use crate::device::Device;
use crate::forge::{key as forged, spki};
use crate::phone::{Batch, PACKAGE, Phone, SIGNER};
use crate::world::{ATTESTED, SOFTWARE, START, World};
use glacis_attest::collateral::{Age, Life};
use glacis_attest::{AndroidApp, Code, Collateral, CollateralError, References, Revocations, Roots};
use glacis_edge::{OfflineError, OfflineEvidence, OfflineStanding, OfflineVerifier};
use glacis_host::Files;
use glacis_host::MemoryFiles;
use glacis_seal::{Context, SigningKey};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Digest, Realm, TenantId, Tier, Timestamp, Trust};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const CHALLENGE: &[u8] = b"a challenge of the host";

fn maker() -> SigningKey {
    forged(40)
}

fn held(version: u64, revoked: &str) -> Collateral {
    let list = format!("{{\"entries\": {{{revoked}}}}}");
    Collateral {
        life: Life {
            version,
            made_at: START,
            stale_after: START.after(3 * DAY),
            not_after: START.after(14 * DAY),
        },
        roots: Roots { android: vec![spki(&forged(1))], ..Roots::default() },
        references: References {
            android_apps: vec![AndroidApp {
                package: PACKAGE.to_owned(),
                signers: vec![Digest::new(SIGNER)],
            }],
            ..References::default()
        },
        systems: Default::default(),
        revocations: Some(Revocations::parse_google(list.as_bytes(), START).unwrap()),
        ceilings: Default::default(),
    }
}

fn sealed(world: &World, version: u64, revoked: &str) -> Vec<u8> {
    held(version, revoked).seal(&maker(), &world.authority.context).unwrap()
}

fn open(world: &World, files: &Arc<MemoryFiles>) -> Result<OfflineVerifier, OfflineError> {
    let files: Arc<dyn Files> = Arc::clone(files) as Arc<dyn Files>;
    OfflineVerifier::open(world.authority.context.clone(), maker().public(), files)
}

/// A feed that names these, confirmed at `now`.
fn feed(world: &World, version: u64, now: Timestamp, entries: &[(glacis_wire::Thumbprint, FeedAction)]) {
    world.core.accept_feed(&world.authority.feed_at(now, version, entries), now).unwrap();
}

fn appraise(
    world: &World,
    verifier: &OfflineVerifier,
    device: &Device,
    made: &SigningKey,
    now: Timestamp,
) -> Result<OfflineStanding, OfflineError> {
    let body = Bytes(Batch::new(1, 2, 500).evidence(made, &Phone::new(CHALLENGE)));
    let evidence = Evidence { family: Text("android-key".to_owned()), body };
    let asked =
        OfflineEvidence { certificate: &device.certificate, evidence: &evidence, challenge: CHALLENGE };
    world.core.appraise_offline(verifier, &asked, now)
}

fn code(refused: OfflineError) -> Option<Code> {
    match refused {
        OfflineError::Evidence(error) => Some(error.code()),
        _ => None,
    }
}

fn enrolled(world: &World) -> Device {
    Device::enrolled(&world.authority.context, &world.authority.result, 50, SOFTWARE, START)
}

#[test]
fn a_known_device_is_appraised_while_the_cloud_is_away_and_age_follows_the_rule() {
    let world = World::new();
    let (device, files) = (enrolled(&world), Arc::new(MemoryFiles::new()));
    let verifier = open(&world, &files).unwrap();
    let none = appraise(&world, &verifier, &device, &device.key, START).unwrap_err();
    assert!(matches!(none, OfflineError::NoCollateral), "{none}");
    assert!(verifier.take(&sealed(&world, 7, ""), START).unwrap());
    feed(&world, 10, START, &[]);
    let good = appraise(&world, &verifier, &device, &device.key, START).unwrap();
    assert_eq!(((good.tier, good.trust), good.thumbprint), (ATTESTED, device.thumbprint()));
    assert_eq!(good.appraisal.basis.collateral, Some(7));
    assert!(good.not_after <= held(7, "").life.not_after);

    let later = START.after(4 * DAY);
    let device = Device::enrolled(&world.authority.context, &world.authority.result, 51, SOFTWARE, later);
    feed(&world, 11, later, &[]);
    let stale = appraise(&world, &verifier, &device, &device.key, later).unwrap();
    assert_eq!((stale.tier, stale.trust), (Tier::Software, Trust::Claimed));
    assert!(stale.appraisal.reasons.iter().any(|reason| reason.code == Code::StaleCollateral));
    let end = START.after(14 * DAY);
    let device = Device::enrolled(&world.authority.context, &world.authority.result, 52, SOFTWARE, end);
    feed(&world, 12, end, &[]);
    let old = appraise(&world, &verifier, &device, &device.key, end).unwrap_err();
    assert_eq!(code(old), Some(Code::OldCollateral));
    let back = appraise(&world, &verifier, &device, &device.key, START.before(DAY)).unwrap_err();
    assert_eq!(code(back), Some(Code::FutureCollateral), "a clock that was put back");
}

#[test]
fn strangers_foreign_keys_refused_devices_and_revoked_chains_get_nothing() {
    let world = World::new();
    let (device, files) = (enrolled(&world), Arc::new(MemoryFiles::new()));
    let verifier = open(&world, &files).unwrap();
    verifier.take(&sealed(&world, 1, ""), START).unwrap();
    feed(&world, 10, START, &[]);
    // A certificate that the cloud did not sign.
    let stranger = Device::enrolled(&world.authority.context, &forged(99), 60, ATTESTED, START);
    let refused = appraise(&world, &verifier, &stranger, &stranger.key, START).unwrap_err();
    assert!(matches!(refused, OfflineError::Unknown), "{refused}");
    // Genuine evidence, about another key than the cloud enrolled.
    let refused = appraise(&world, &verifier, &device, &forged(77), START).unwrap_err();
    assert_eq!(code(refused), Some(Code::DeviceKey));
    // A certificate that has ended.
    let late = START.after(2 * 365 * DAY);
    let refused = appraise(&world, &verifier, &device, &device.key, late).unwrap_err();
    assert!(matches!(refused, OfflineError::Unknown), "{refused}");
    feed(&world, 11, START, &[(device.thumbprint(), FeedAction::Cap)]);
    let capped = appraise(&world, &verifier, &device, &device.key, START).unwrap();
    assert_eq!((capped.tier, capped.trust), SOFTWARE);
    feed(&world, 12, START, &[(device.thumbprint(), FeedAction::Refuse)]);
    let refused = appraise(&world, &verifier, &device, &device.key, START).unwrap_err();
    assert!(matches!(refused, OfflineError::Refused), "{refused}");
    feed(&world, 13, START, &[]);
    verifier.take(&sealed(&world, 2, "\"500\": {\"status\": \"REVOKED\"}"), START).unwrap();
    let refused = appraise(&world, &verifier, &device, &device.key, START).unwrap_err();
    assert_eq!(code(refused), Some(Code::Revoked));
}

#[test]
fn an_older_forged_or_foreign_collateral_is_refused_also_after_a_restart() {
    let world = World::new();
    let files = Arc::new(MemoryFiles::new());
    let verifier = open(&world, &files).unwrap();
    assert!(verifier.take(&sealed(&world, 7, ""), START).unwrap());
    assert!(!verifier.take(&sealed(&world, 7, ""), START).unwrap(), "the same content is no news");
    drop(verifier);
    let verifier = open(&world, &files).unwrap();
    assert_eq!(verifier.version(START), Some((7, Age::Fresh)));
    let refused = |bytes: &[u8]| match verifier.take(bytes, START).unwrap_err() {
        OfflineError::Collateral(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(refused(&sealed(&world, 6, "")), CollateralError::Older { offered: 6, held: 7 });
    assert_eq!(refused(&sealed(&world, 7, "\"5\": {\"status\": \"REVOKED\"}")), CollateralError::Conflict(7));
    let by_other = held(8, "").seal(&forged(41), &world.authority.context).unwrap();
    assert_eq!(refused(&by_other).code(), "signature");
    let globex = Context::new(TenantId::parse("globex").unwrap(), Realm::Demo);
    assert_eq!(refused(&held(8, "").seal(&maker(), &globex).unwrap()).code(), "signature");
    let good = sealed(&world, 8, "");
    assert_eq!(refused(&good[..good.len() / 2]).code(), "malformed");
    assert_eq!(verifier.version(START).map(|(version, _)| version), Some(7));
    // What was kept is damaged: nothing is taken for good because of that.
    files.replace("collateral", &good[..40]).unwrap();
    assert!(matches!(open(&world, &files), Err(OfflineError::Collateral(_))));
}
