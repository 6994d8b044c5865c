//! Keys that come in the place of others, and enrolments that are sent again because an answer was lost.

use crate::world::{Device, World};
use glacis_cloud::registry::{Succession, Why};
use glacis_cloud::{CloudCore, CloudErrorKind, Place};
use glacis_host::Clock as _;
use glacis_seal::Purpose;
use glacis_seal::published::accept_feed;
use glacis_wire::message::decide::Report;
use glacis_wire::message::enrol::{EnrolExtras, EnrolRequest, EnrolResponse, Predecessor};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::OpeningRecord;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::message::{List, Text};
use glacis_wire::{Decode as _, Digest, Encode as _, NodeName, Thumbprint, Tier};
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);
const TEE: Option<SecurityLevel> = Some(SecurityLevel::Tee);

fn enrol(world: &World, core: &mut CloudCore, device: &Device, level: Option<SecurityLevel>) {
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(device, &challenge, level)).unwrap();
}

/// Enrols `new` with `old` vouching for it.
fn follow(world: &World, core: &mut CloudCore, old: &Device, new: &Device) -> EnrolResponse {
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.replacing(old, new, world.enrolment(new, &challenge, TEE))).unwrap()
}

/// Two sessions that went on from one point.
pub(crate) fn fork(core: &mut CloudCore, device: Thumbprint) {
    let node = NodeName::parse("edge-1").unwrap();
    let opening = |chain| OpeningRecord {
        thumbprint: device,
        epoch_ctr: 1,
        parent: Digest::new([0; 32]),
        chain: Digest::new([chain; 32]),
        opened_at: crate::world::START,
        node: node.clone(),
    };
    let report = Report {
        openings: List(vec![opening(1), opening(2)]),
        node: node.clone(),
        records: List(Vec::new()),
        devices: List(Vec::new()),
        operator: List(Vec::new()),
    };
    core.report(&report).unwrap();
}

fn feed(world: &World, core: &mut CloudCore) -> Vec<(Thumbprint, FeedAction)> {
    let feed = accept_feed(&world.key_set, &world.context, None, &core.feed().unwrap()).unwrap();
    feed.entries.iter().map(|entry| (entry.thumbprint, entry.action)).collect()
}

#[test]
fn a_new_key_takes_the_place_of_the_one_that_vouches_for_it() {
    let world = World::new(300);
    let mut core = world.core();
    let (old, new) = (world.device(), world.device());
    enrol(&world, &mut core, &old, TEE);
    world.host.advance(Duration::from_secs(60));
    follow(&world, &mut core, &old, &new);
    let (before, after) = (core.device(&old.thumbprint).unwrap(), core.device(&new.thumbprint).unwrap());
    assert_eq!((after.tier, after.listed), (Tier::Hardware, None));
    assert_eq!((before.tier, before.listed), (Tier::Software, Some(FeedAction::Cap)));
    let change = before.history.last().unwrap();
    assert_eq!(
        (change.from, change.to, change.reason.as_str()),
        (Tier::Hardware, Tier::Software, "replaced")
    );
    let step =
        Succession { old: old.thumbprint, new: new.thumbprint, why: Why::Replaced, at: world.host.now() };
    assert_eq!((&before.lineage, &after.lineage), (&vec![step.clone()], &vec![step]));
    assert_eq!(feed(&world, &mut core), [(old.thumbprint, FeedAction::Cap)]);
    // It is named until no session of it can be left; then every node refuses it for its result that ended.
    world.host.advance(world.limits.result_life + Duration::from_secs(121));
    assert_eq!(feed(&world, &mut core), []);
    assert_eq!(core.listed_devices().unwrap(), (0, 0));
    let challenge = core.enrol_challenge().unwrap();
    let again = core.enrol(&world.enrolment(&old, &challenge, TEE)).unwrap_err();
    assert_eq!((again.kind(), again.detail()), (REFUSED, "a listed key cannot enrol again; enrol a new one"));
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_whole_line_is_known_at_each_of_its_keys_also_after_a_restart() {
    let world = World::new(301);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    let line: Vec<Device> = (0..5).map(|_| world.device()).collect();
    enrol(&world, &mut core, &line[0], TEE);
    for pair in line.windows(2) {
        world.host.advance(Duration::from_secs(1));
        follow(&world, &mut core, &pair[0], &pair[1]);
    }
    drop(core);
    let mut core = world.open(&Place::File(&path));
    let want: Vec<_> = line.windows(2).map(|pair| (pair[0].thumbprint, pair[1].thumbprint)).collect();
    for device in &line {
        let steps = core.device(&device.thumbprint).unwrap().lineage;
        assert_eq!(steps.iter().map(|step| (step.old, step.new)).collect::<Vec<_>>(), want);
    }
    assert_eq!(feed(&world, &mut core).len(), 4, "all but the newest");
    let challenge = core.enrol_challenge().unwrap();
    let fresh = world.device();
    let late = world.replacing(&line[0], &fresh, world.enrolment(&fresh, &challenge, TEE));
    assert_eq!(core.enrol(&late).unwrap_err().kind(), REFUSED, "a retired key vouches for nobody else");
    let sql = "UPDATE lineage SET old = new WHERE id = 2";
    assert_eq!(core.danger_connection().execute(sql, []).unwrap(), 1);
    assert!(core.verify_audit_whole().unwrap().fault.unwrap().contains("lineage 2"));
}

#[test]
fn only_an_enrolled_unlisted_key_vouches_and_for_this_enrolment_alone() {
    let world = World::new(302);
    let mut core = world.core();
    let [good, forked, stolen, stranger] = [(); 4].map(|()| world.device());
    for device in [&good, &forked, &stolen] {
        enrol(&world, &mut core, device, TEE);
    }
    fork(&mut core, forked.thumbprint);
    core.refuse_device(&stolen.thumbprint, "stolen").unwrap();
    let new = world.device();
    let (other, challenge) = (core.enrol_challenge().unwrap(), core.enrol_challenge().unwrap());
    let plain = world.enrolment(&new, &challenge, TEE);
    let with = |predecessor: Predecessor| {
        let extras = EnrolExtras { replaces: Some(predecessor), voucher: None };
        world.signed_enrolment(&new, plain.body.clone(), extras)
    };
    let of = |old: &Device| world.replacing(old, &new, plain.clone()).extras.replaces.unwrap();
    let elsewhere = world.replacing(&good, &new, world.enrolment(&new, &other, TEE)).extras.replaces.unwrap();
    let bytes = plain.body.to_bytes().unwrap();
    let wrong_purpose = Predecessor {
        thumbprint: good.thumbprint,
        signature: good.key.sign(&world.context, Purpose::Enrol, &bytes).unwrap(),
    };
    let not_its_own = Predecessor { thumbprint: good.thumbprint, ..of(&stranger) };
    for (name, request) in [
        ("a key that is not enrolled", with(of(&stranger))),
        ("a forked key", with(of(&forked))),
        ("a refused key", with(of(&stolen))),
        ("itself", with(of(&new))),
        ("the signature of another key", with(not_its_own)),
        ("a signature for another challenge", with(elsewhere)),
        ("a signature for another purpose", with(wrong_purpose)),
        (
            "extras that the new key did not sign",
            EnrolRequest {
                extras: EnrolExtras { replaces: Some(of(&good)), voucher: None },
                ..plain.clone()
            },
        ),
        ("extras taken away", EnrolRequest { extras: EnrolExtras::default(), ..with(of(&good)) }),
    ] {
        assert_eq!(core.enrol(&request).unwrap_err().kind(), REFUSED, "{name}");
    }
    assert_eq!(core.device(&good.thumbprint).unwrap().listed, None);
    assert_eq!(core.device(&new.thumbprint).unwrap_err().kind(), CloudErrorKind::NotFound);
    core.enrol(&with(of(&good))).unwrap();
}

#[test]
fn a_thief_of_a_key_cannot_lock_its_owner_out_by_replacing_it() {
    let world = World::new(303);
    let mut core = world.core();
    let (owner, thief) = (world.device(), world.device());
    enrol(&world, &mut core, &owner, None);
    follow(&world, &mut core, &owner, &thief);
    assert_eq!(core.device(&owner.thumbprint).unwrap().listed, Some(FeedAction::Cap), "and not refused");
    let fresh = world.device();
    enrol(&world, &mut core, &fresh, TEE);
    assert_eq!(core.device(&fresh.thumbprint).unwrap().tier, Tier::Hardware);
}

#[test]
fn an_enrolment_sent_again_gets_the_same_bytes_also_after_a_restart() {
    let world = World::new(304);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    let (old, new) = (world.device(), world.device());
    enrol(&world, &mut core, &old, TEE);
    let challenge = core.enrol_challenge().unwrap();
    let request = world.replacing(&old, &new, world.enrolment(&new, &challenge, TEE));
    let first = core.enrol(&request).unwrap().to_bytes().unwrap();
    world.host.advance(Duration::from_secs(10));
    assert_eq!(core.enrol(&request).unwrap().to_bytes().unwrap(), first);
    drop(core);
    let mut core = world.open(&Place::File(&path));
    assert_eq!(core.enrol(&request).unwrap().to_bytes().unwrap(), first);
    // A device may have to sign anew; what it says is the same.
    let signed_anew = world.replacing(&old, &new, request.clone());
    assert_ne!(signed_anew.signature, request.signature, "signatures are blinded");
    assert_eq!(core.enrol(&signed_anew).unwrap().to_bytes().unwrap(), first);
    let view = core.device(&new.thumbprint).unwrap();
    assert_eq!((view.history.len(), view.lineage.len()), (1, 1), "it happened once");
    for (name, other) in [
        ("another device", world.enrolment(&world.device(), &challenge, TEE)),
        ("without its predecessor", world.enrolment(&new, &challenge, TEE)),
        ("other evidence", world.enrolment(&new, &challenge, None)),
    ] {
        let refused = core.enrol(&other).unwrap_err();
        assert_eq!((refused.kind(), refused.detail()), (REFUSED, "the challenge was used before"), "{name}");
    }
    let mut forged = request.clone();
    forged.signature[9] ^= 1;
    assert_eq!(core.enrol(&forged).unwrap_err().kind(), REFUSED, "an answer is for who holds the key");
    world.host.advance(Duration::from_secs(300));
    let late = core.enrol(&request).unwrap_err();
    assert_eq!((late.kind(), late.detail()), (REFUSED, "the challenge expired"));
    // With the answer lost for good, the same step can be taken under a new challenge: the line already says so.
    let challenge = core.enrol_challenge().unwrap();
    let plain = world.enrolment_with(&new, &challenge, request.body.evidence.clone());
    assert_eq!(core.enrol(&plain).unwrap_err().kind(), REFUSED, "evidence for another challenge");
    let request = world.replacing(&old, &new, world.enrolment(&new, &challenge, None));
    let again = core.enrol(&request).unwrap();
    assert_ne!(again.to_bytes().unwrap(), first);
    assert_eq!(core.device(&new.thumbprint).unwrap().lineage.len(), 1);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_changed_bit_anywhere_in_an_enrolment_enrols_nobody() {
    let world = World::new(305);
    let mut core = world.core();
    let (old, new) = (world.device(), world.device());
    enrol(&world, &mut core, &old, None);
    let challenge = core.enrol_challenge().unwrap();
    let request = world.replacing(&old, &new, world.enrolment(&new, &challenge, TEE));
    let bytes = request.to_bytes().unwrap();
    let mut read = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        if let Ok(changed) = EnrolRequest::from_bytes(&changed) {
            read += 1;
            assert_eq!(core.enrol(&changed).unwrap_err().kind(), REFUSED, "byte {at}");
        }
    }
    for len in 0..bytes.len() {
        // A cut before the extras is another enrolment, which nobody signed.
        if let Ok(cut) = EnrolRequest::from_bytes(&bytes[..len]) {
            assert_eq!(cut.extras, EnrolExtras::default());
            assert_eq!(core.enrol(&cut).unwrap_err().kind(), REFUSED, "cut at {len}");
        }
    }
    assert!(read > bytes.len() / 2, "{read} of {} could be read", bytes.len());
    assert_eq!(core.counts().unwrap().devices, 1);
    core.enrol(&request).unwrap();
}

#[test]
fn an_enrolment_of_before_lineage_has_the_bytes_that_it_had() {
    let world = World::new(306);
    let mut core = world.core();
    let challenge = core.enrol_challenge().unwrap();
    let request = world.enrolment(&world.device(), &challenge, TEE);
    let old_form = [request.body.to_bytes().unwrap(), request.signature.to_vec()].concat();
    assert_eq!(request.to_bytes().unwrap(), old_form);
    let empty = [old_form.as_slice(), &[0, 0]].concat();
    EnrolRequest::from_bytes(&empty).expect_err("saying nothing has one form");
    let read = EnrolRequest::from_bytes(&old_form).unwrap();
    assert_eq!(read.body.evidence.clone().unwrap().family, Text("simulated".to_owned()));
    core.enrol(&read).unwrap();
}
