//! Attacks that once worked, each against the pure core.

use crate::device::{get, post};
use crate::world::{ATTESTED, World, event, outcome, says, step, transfer};
use glacis_edge::Step;
use glacis_wire::http::PATH_RECORDS;
use glacis_wire::message::List;
use glacis_wire::message::decide::{DecideAnswer, Decided, DeviceBatch, DeviceRecord};
use glacis_wire::{
    Answer, Cause, Disclosed, Encode, EventName, NodeOutcome, Reference, Timestamp, Value, Verdict,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// With a stolen token, the verdict on the thief's own request must not be had for the victim's.
#[test]
fn a_stored_verdict_about_one_user_is_not_given_to_another() {
    let world = World::new();
    let mut session = world.session(70, ATTESTED);
    let end = world.now().after(Duration::from_secs(600));
    let mut send = |user: &str| {
        let mut request = transfer(r#"{"payee":"bob","amount":5,"currency":"EUR"}"#);
        request.headers.push(("authorization".into(), world.authority.token(user, end)));
        let says = says(world.transfer, NodeOutcome::False);
        session.sign(request, event(1), Some(&says), None, world.now())
    };
    let pending = world.ask(&send("thief"));
    let decided = Decided {
        verdict: Verdict::Allow,
        reference: Reference::from_random([1; 8]),
        cut: 1,
        repeated: false,
        nonce: None,
    };
    let step = world.core.resume(pending, Some(DecideAnswer::Decided(decided)), world.now());
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    assert_eq!(world.code(&send("victim")), "event-conflict");
    assert_eq!(world.code(&send("thief")), "forward", "the stored verdict");
}

/// Certificate and result of a device cross the wire; with them alone nobody uses up the device's rate.
#[test]
fn openings_that_the_device_did_not_sign_do_not_count_against_it() {
    let world = World::new();
    let mut device = world.device(71, ATTESTED);
    let mut session = world.open(&mut device);
    let (opening, ..) = device.opening(world.now());
    for n in 0..200_u8 {
        let mut forged = opening.clone();
        let (_, field) = forged.headers.iter_mut().find(|(name, _)| name == "signature").unwrap();
        *field = format!("glacis=:{}A==:", "A".repeat(85));
        let peer = IpAddr::V4(Ipv4Addr::new(198, 51, n, 1));
        assert_eq!(outcome(step(&world.core, &forged, peer, world.now())), "signature-wrong");
    }
    let says = says(world.view, NodeOutcome::False);
    let request = session.sign(get("/accounts/1"), event(1), Some(&says), None, world.now());
    assert_eq!(world.code(&request), "forward");
}

/// Device records are a courtesy: a device that sends them without end must not stop decisions of others.
#[test]
fn device_records_leave_the_journal_room_for_decisions() {
    let world =
        World::with("[limits]\njournal_bytes = 1048576\n[limits.device]\nburst = 1000\nper_second = 1000\n");
    let mut session = world.session(72, ATTESTED);
    let policy = world.view;
    let mut send = |records: usize, bytes: usize| {
        let values = vec![Answer::Value(Value::String("x".repeat(bytes)))];
        let record = DeviceRecord {
            event: EventName::parse("account.view").unwrap(),
            event_id: event(1),
            disclosed: Disclosed { policy, nodes: Vec::new(), values },
            verdict: Verdict::Block,
            decided: Timestamp::ZERO,
        };
        let batch = DeviceBatch { records: List(vec![record; records]) }.to_bytes().unwrap();
        let request = session.sign(post(PATH_RECORDS, batch), event(1), None, None, world.now());
        world.answer(&request).status
    };
    assert_eq!(send(32, 3_900), 202);
    // Large ones until none fits, then smaller ones into what is left.
    for (records, bytes) in [(32, 3_900), (1, 3_900), (1, 100), (1, 0)] {
        let refused = (0..100).any(|_| send(records, bytes) == 503);
        assert!(refused, "{records} records of {bytes} bytes");
    }
    let says = says(world.view, NodeOutcome::False);
    let request = session.sign(get("/accounts/1"), event(99), Some(&says), None, world.now());
    assert_eq!(world.code(&request), "forward");
}

/// Who holds the feed back, or makes the cloud say "no change" to an old one, must not stop revocation unseen.
#[test]
fn an_old_feed_does_not_stay_fresh_by_being_heard_of_again() {
    let world = World::new();
    let old = world.authority.feed(1, &[]);
    world.pass(60 + 31);
    let mut session = world.session(73, ATTESTED);
    let says = says(world.view, NodeOutcome::False);
    let mut code = |n: u8| {
        let request = session.sign(get("/accounts/1"), event(n), Some(&says), None, world.now());
        world.code(&request)
    };
    world.core.confirm_feed(world.now());
    assert!(code(1).starts_with("401"), "nobody is believed under a stale feed");
    world.core.accept_feed(&old, world.now()).unwrap();
    assert!(code(2).starts_with("401"), "nor under a replayed one");
    world.refresh_feed();
    assert_eq!(code(3), "forward");
}

/// What closes the rules of a route without device zone must be the same at the edge and in the cloud.
#[test]
fn the_cloud_is_told_that_a_route_has_no_device_zone() {
    let world = World::new();
    world.step(&get("/kiosk"));
    world.step(&get("/maybe"));
    let records = world.records();
    let stated: Vec<_> = records
        .iter()
        .map(|record| record.facts.observed.iter().any(|s| s.answer == Answer::unknown(Cause::Absent)))
        .collect();
    assert_eq!(stated, [true, false]);
}
