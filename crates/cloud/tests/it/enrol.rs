//! Enrolment: each way to be refused, what software-only devices get, and what a fork does.

use crate::world::{World, decided, key};
use glacis_cloud::{CloudCore, CloudErrorKind};
use glacis_host::Clock as _;
use glacis_seal::Purpose;
use glacis_seal::published::{accept_feed, open_signed};
use glacis_wire::message::decide::Report;
use glacis_wire::message::enrol::{AttestationResult, DeviceCertificate};
use glacis_wire::message::policy::{FeedAction, KeyUse};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::OpeningRecord;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::message::{Bytes, List, Text};
use glacis_wire::{Digest, NodeName, Thumbprint, Tier, Trust};
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);

#[test]
fn tier_and_trust_follow_the_evidence() {
    let world = World::new(20);
    let mut core = world.core();
    for (level, tier, trust, family) in [
        (None, Tier::Software, Trust::Claimed, "none"),
        (Some(SecurityLevel::Tee), Tier::Hardware, Trust::Attested, "simulated"),
        (Some(SecurityLevel::Strongbox), Tier::Strong, Trust::Attested, "simulated"),
    ] {
        let device = world.device();
        let challenge = core.enrol_challenge().unwrap();
        let response = core.enrol(&world.enrolment(&device, &challenge, level)).unwrap();
        let (set, context) = (&world.key_set, &world.context);
        let certificate: DeviceCertificate =
            open_signed(set, KeyUse::Result, context, Purpose::Certificate, &response.certificate).unwrap();
        let result: AttestationResult =
            open_signed(set, KeyUse::Result, context, Purpose::Result, &response.result).unwrap();
        assert_eq!(certificate.device_key, device.key.public());
        assert_eq!((certificate.thumbprint, result.thumbprint), (device.thumbprint, device.thumbprint));
        assert_eq!((result.tier, result.trust, result.family.0.as_str()), (tier, trust, family));
        assert!(result.not_after <= world.host.now().after(world.limits.result_life));
        let view = core.device(&device.thumbprint).unwrap();
        assert_eq!((view.tier, view.history.len()), (tier, 1));
        assert_eq!((view.history[0].from, view.history[0].reason.as_str()), (Tier::None, "enrolled"));
    }
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn each_flaw_is_refused_and_leaves_no_device() {
    let world = World::new(21);
    let mut core = world.core();
    let device = world.device();
    let level = Some(SecurityLevel::Tee);
    let challenge = core.enrol_challenge().unwrap();
    let mut foreign = challenge.clone();
    foreign.nonce[0] ^= 1;
    let mut stretched = challenge.clone();
    stretched.not_after = stretched.not_after.after(Duration::from_secs(1));
    let mut unsigned = world.enrolment(&device, &challenge, level);
    unsigned.signature[3] ^= 1;
    let mut swapped = world.enrolment(&device, &challenge, level);
    swapped.body.device_key = world.device().key.public();
    let stranger = key(&world.host);
    let of = |evidence| world.enrolment_with(&device, &challenge, Some(evidence));
    let mut other_family = world.evidence(&device, &challenge.nonce, SecurityLevel::Tee, &world.root);
    other_family.family = Text("android".to_owned());
    let mut phone = other_family.clone();
    phone.family = Text("app-attest".to_owned());
    let mut broken = world.evidence(&device, &challenge.nonce, SecurityLevel::Tee, &world.root);
    broken.body = Bytes(vec![1, 2, 3]);
    for (name, request) in [
        ("challenge not ours", world.enrolment(&device, &foreign, level)),
        ("challenge with another end", world.enrolment(&device, &stretched, level)),
        ("wrong signature", unsigned),
        ("another device key", swapped),
        ("unknown root", of(world.evidence(&device, &challenge.nonce, SecurityLevel::Tee, &stranger))),
        (
            "evidence for another challenge",
            of(world.evidence(&device, &[1; 32], SecurityLevel::Tee, &world.root)),
        ),
        (
            "evidence for another device",
            of(world.evidence(&world.device(), &challenge.nonce, SecurityLevel::Tee, &world.root)),
        ),
        ("family without verifier", of(other_family)),
        ("family whose verifier is for the command alone", of(phone)),
        ("no evidence at all in the bytes", of(broken)),
    ] {
        assert_eq!(core.enrol(&request).unwrap_err().kind(), REFUSED, "{name}");
    }
    world.host.advance(Duration::from_secs(301));
    let late = core.enrol(&world.enrolment(&device, &challenge, level)).unwrap_err();
    assert_eq!((late.kind(), late.detail()), (REFUSED, "the challenge expired"));
    assert_eq!(core.counts().unwrap().devices, 0);
}

#[test]
fn a_challenge_enrols_once() {
    let world = World::new(22);
    let mut core = world.core();
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap();
    let again = core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap_err();
    assert_eq!((again.kind(), again.detail()), (REFUSED, "the challenge was used before"));
    assert_eq!(core.counts().unwrap().devices, 1);
}

fn opening(device: Thumbprint, counter: u64, parent: u8, chain: u8) -> OpeningRecord {
    OpeningRecord {
        thumbprint: device,
        epoch_ctr: counter,
        parent: Digest::new([parent; 32]),
        chain: Digest::new([chain; 32]),
        opened_at: crate::world::START,
        node: NodeName::parse("edge-1").unwrap(),
    }
}

fn report(core: &mut CloudCore, openings: Vec<OpeningRecord>) {
    let report = Report {
        node: NodeName::parse("edge-1").unwrap(),
        records: List(Vec::new()),
        openings: List(openings),
        devices: List(Vec::new()),
        operator: List(Vec::new()),
    };
    core.report(&report).unwrap();
}

#[test]
fn a_fork_caps_both_branches_and_only_a_new_key_cures_it() {
    let world = World::new(23);
    let mut core = world.core();
    let device = world.device();
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&device, &challenge, Some(SecurityLevel::Tee))).unwrap();
    let id = device.thumbprint;
    // A straight line, a gap, a repeat and records out of order are no fork.
    report(
        &mut core,
        vec![opening(id, 1, 0, 1), opening(id, 3, 2, 3), opening(id, 2, 1, 2), opening(id, 1, 0, 1)],
    );
    assert_eq!(core.device(&id).unwrap().listed, None);
    report(&mut core, vec![opening(id, 4, 3, 4)]);
    report(&mut core, vec![opening(id, 4, 3, 44)]);
    let view = core.device(&id).unwrap();
    assert_eq!((view.tier, view.trust, view.listed), (Tier::Software, Trust::Claimed, Some(FeedAction::Cap)));
    let last = view.history.last().unwrap();
    assert_eq!((last.from, last.to, last.reason.as_str()), (Tier::Hardware, Tier::Software, "session-fork"));
    assert_eq!(last.at, world.host.now());
    let feed = accept_feed(&world.key_set, &world.context, None, &core.feed().unwrap()).unwrap();
    assert_eq!((feed.version, feed.entries.len(), feed.entries[0].thumbprint), (1, 1, id));
    // The cloud does not wait for the edge to have read the feed.
    let facts = world.transfer(id, "ann", "bob", 5);
    let answer = decided(core.decide(&facts).unwrap());
    let record = core.decision(&answer.reference).unwrap().record;
    assert_eq!((record.facts.tier, record.facts.trust), (Tier::Software, Trust::Claimed));
    // The forked key cannot enrol itself out of it; a new one can.
    let challenge = core.enrol_challenge().unwrap();
    let again = world.enrolment(&device, &challenge, Some(SecurityLevel::Tee));
    assert_eq!(core.enrol(&again).unwrap_err().kind(), REFUSED);
    let fresh = world.device();
    core.enrol(&world.enrolment(&fresh, &challenge, Some(SecurityLevel::Tee))).unwrap();
    assert_eq!(core.device(&fresh.thumbprint).unwrap().tier, Tier::Hardware);
    // A third branch changes nothing more.
    report(&mut core, vec![opening(id, 4, 3, 45)]);
    assert_eq!(core.device(&id).unwrap().history.len(), 2);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_counter_used_twice_is_a_fork_too() {
    let world = World::new(24);
    let mut core = world.core();
    let id = Thumbprint::new([5; 32]);
    report(&mut core, vec![opening(id, 1, 0, 1), opening(id, 1, 7, 8)]);
    let feed = accept_feed(&world.key_set, &world.context, None, &core.feed().unwrap()).unwrap();
    assert_eq!(feed.entries.len(), 1);
}

#[test]
fn a_refused_device_decides_nothing() {
    let world = World::new(25);
    let mut core = world.core();
    let device = world.device();
    let unknown = core.refuse_device(&device.thumbprint, "stolen").unwrap_err();
    assert_eq!(unknown.kind(), CloudErrorKind::NotFound);
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&device, &challenge, None)).unwrap();
    core.refuse_device(&device.thumbprint, "stolen").unwrap();
    let answer = core.decide(&world.transfer(device.thumbprint, "ann", "bob", 5)).unwrap();
    assert_eq!(answer, glacis_wire::message::decide::DecideAnswer::Refused(Refusal::DeviceRefused));
}

#[test]
fn the_feed_stays_fresh_and_its_version_never_goes_back() {
    let world = World::new(26);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let place = glacis_cloud::Place::File(&path);
    let mut core = world.open(&place);
    let first = core.feed().unwrap();
    assert_eq!(core.feed().unwrap(), first, "within a second the same bytes");
    world.host.advance(Duration::from_secs(2));
    let read = |signed: &glacis_wire::message::Signed| {
        accept_feed(&world.key_set, &world.context, None, signed).unwrap()
    };
    let later = core.feed().unwrap();
    assert_eq!((read(&later).issued, read(&later).version), (world.host.now(), 0));
    let id = Thumbprint::new([5; 32]);
    report(&mut core, vec![opening(id, 1, 0, 1), opening(id, 2, 0, 2)]);
    assert_eq!(read(&core.feed().unwrap()).version, 1);
    drop(core);
    let mut core = world.open(&place);
    assert_eq!((read(&core.feed().unwrap()).version, read(&core.feed().unwrap()).entries.len()), (1, 1));
}
