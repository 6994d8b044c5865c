//! Openings, legs, tickets: which are accepted, and what they make.

use crate::device::{Device, Spec, get, key};
use crate::world::{ATTESTED, Authority, START, World, cluster, event, says, slice, start};
use glacis_host::MemoryFiles;
use glacis_seal::httpsig::{content_digest, sfv};
use glacis_seal::{Purpose, sha256, sign_envelope};
use glacis_wire::http::{self, Request};
use glacis_wire::message::enrol::AttestationResult;
use glacis_wire::message::policy::{FeedAction, KeyUse, Published};
use glacis_wire::message::session::SessionOpen;
use glacis_wire::message::{List, Tail};
use glacis_wire::{Decode, Encode, NodeOutcome, Realm, Zone};
use std::sync::Arc;

#[test]
fn an_opening_makes_a_session_that_serves_requests_and_owes_its_record() {
    let world = World::new();
    let mut device = world.device(30, ATTESTED);
    let mut session = world.open(&mut device);
    let request = session.sign(
        get("/accounts/1"),
        event(1),
        Some(&says(world.view, NodeOutcome::False)),
        None,
        world.now(),
    );
    assert_eq!(world.code(&request), "forward");
    let report = world.core.duty().batch().unwrap().unwrap().report;
    assert_eq!(report.openings.len(), 1);
    let opening = &report.openings[0];
    assert_eq!(
        (opening.thumbprint, opening.epoch_ctr, opening.chain),
        (device.thumbprint(), 1, device.chain)
    );
}

/// Changes the body of an opening and signs it again.
fn reopened(world: &World, device: &mut Device, change: impl FnOnce(&mut SessionOpen)) -> Request {
    let (mut request, ..) = device.opening(world.now());
    let mut body = SessionOpen::from_bytes(&request.body).unwrap();
    change(&mut body);
    request.body = body.to_bytes().unwrap();
    request.headers.clear();
    request.headers.push(("content-digest".into(), content_digest(&sha256(&request.body))));
    let spec = Spec {
        components: glacis_seal::httpsig::profile::SESSION,
        alg: "ecdsa-p256-sha256",
        tag: "glacis/session/v1",
        ..Spec::at(
            world.now(),
            device.epoch_ctr,
            glacis_seal::text::base64url(device.thumbprint().as_bytes()),
        )
    };
    spec.attach(&mut request, |base| device.key.sign_raw(base.as_bytes()).unwrap().to_vec());
    request
}

#[test]
fn openings_that_do_not_hold_are_refused() {
    let world = World::new();
    let other = Authority::new("other", Realm::Demo);
    let mut device = world.device(31, ATTESTED);
    let foreign = Device::enrolled(&other.context, &other.result, 31, ATTESTED, START);
    let sibling = world.device(32, ATTESTED);

    let (good, ..) = device.opening(world.now());
    let mut tampered = good.clone();
    tampered.body[10] ^= 1;
    assert_eq!(world.code(&tampered), "digest-mismatch");

    let forged = Device { key: key(99), ..world.device(31, ATTESTED) };
    let mut forged = forged;
    let (request, ..) = forged.opening(world.now());
    assert_eq!(world.code(&request), "session-refused", "another key than the certificate's");

    let refused = |device: &mut Device, change: &dyn Fn(&mut SessionOpen)| {
        world.code(&reopened(&world, device, |b| change(b)))
    };
    assert_eq!(refused(&mut device, &|b| b.certificate = foreign.certificate.clone()), "session-refused");
    assert_eq!(refused(&mut device, &|b| b.result = foreign.result.clone()), "session-refused");
    assert_eq!(refused(&mut device, &|b| b.result = sibling.result.clone()), "session-refused");
    assert_eq!(refused(&mut device, &|b| b.certificate = b.result.clone()), "session-refused");
    assert_eq!(refused(&mut device, &|b| b.epoch_ctr += 1), "session-refused");
    assert_eq!(refused(&mut device, &|b| b.share = [0; 32]), "session-refused");

    let (old, ..) = device.opening(world.now());
    world.pass(100);
    assert_eq!(world.code(&old), "signature-expired");
    world.pass(25 * 3_600);
    let (late, ..) = device.opening(world.now());
    world.refresh_feed();
    assert_eq!(world.code(&late), "ticket-expired", "certificate and result expired");
}

#[test]
fn listed_devices_open_nothing_and_lose_what_they_have() {
    let world = World::new();
    let mut device = world.device(33, ATTESTED);
    let mut session = world.open(&mut device);
    let says = says(world.view, NodeOutcome::False);
    let list = |version, action| {
        let feed = world.authority.feed(version, &[(device.thumbprint(), action)]);
        world.core.accept_feed(&feed, world.now()).unwrap();
    };
    list(2, FeedAction::Cap);
    let capped = session.sign(get("/accounts/1"), event(1), Some(&says), None, world.now());
    assert!(
        world.code(&capped).starts_with("401 {\"verdict\":\"challenge\",\"method\":\"passkey\""),
        "claimed now"
    );
    list(3, FeedAction::Refuse);
    let request = session.sign(get("/accounts/1"), event(2), Some(&says), None, world.now());
    assert_eq!(world.code(&request), "device-refused");
    assert_eq!(world.code(&session.leg_request(world.now())), "device-refused");
    let mut device = device;
    let (opening, ..) = device.opening(world.now());
    assert_eq!(world.code(&opening), "device-refused");
    assert!(
        world.core.accept_feed(&world.authority.feed(2, &[]), world.now()).is_err(),
        "feeds never go back"
    );
}

#[test]
fn tickets_open_legs_on_any_node_of_the_cluster_and_nowhere_else() {
    let world = World::new();
    let mut session = world.session(34, ATTESTED);
    let text = crate::world::config(&world.authority.token, "").replace("edge-1", "edge-2");
    let sibling = start(&world.authority, &text, &world.host, Arc::new(MemoryFiles::new()));
    let slices = vec![slice("view", Zone::Edge)];
    sibling.accept_bundle(&world.authority.bundle(Zone::Edge, 1, slices)).unwrap();
    sibling.accept_feed(&world.authority.feed(1, &[]), world.now()).unwrap();
    let code = |request: &Request| {
        crate::world::outcome(crate::world::step(&sibling, request, crate::world::PEER, world.now()))
    };

    let disclosed = says(world.view, NodeOutcome::False);
    let request = session.sign(get("/accounts/1"), event(1), Some(&disclosed), None, world.now());
    assert_eq!(code(&request), "leg-unknown");
    let leg =
        crate::world::step(&sibling, &session.leg_request(world.now()), crate::world::PEER, world.now());
    let glacis_edge::Step::Answer(answer) = leg else { panic!("{leg:?}") };
    session.adopt(&answer.body);
    let request = session.sign(get("/accounts/1"), event(1), Some(&disclosed), None, world.now());
    assert_eq!(code(&request), "forward");

    // Another tenant or realm with the very same secrets cannot open the ticket.
    for (tenant, realm) in [("other", Realm::Demo), ("acme", Realm::Production)] {
        let authority = Authority::new(tenant, realm);
        let text = crate::world::config(&authority.token, "")
            .replace("\"acme\"", &format!("\"{tenant}\""))
            .replace("\"demo\"", &format!("\"{}\"", realm.name()));
        let node = start(&authority, &text, &world.host, Arc::new(MemoryFiles::new()));
        node.accept_feed(&authority.feed(1, &[]), world.now()).unwrap();
        let step =
            crate::world::step(&node, &session.leg_request(world.now()), crate::world::PEER, world.now());
        assert_eq!(crate::world::outcome(step), "ticket-invalid", "{tenant} {}", realm.name());
    }
}

#[test]
fn tickets_of_neighbouring_epochs_open_and_older_ones_ask_for_a_new_session() {
    let world = World::new();
    let session = world.session(35, ATTESTED);
    world.core.rotate_tickets(cluster(2));
    assert!(world.code(&session.leg_request(world.now())).starts_with("200"), "previous epoch");
    world.core.rotate_tickets(cluster(3));
    assert_eq!(world.code(&session.leg_request(world.now())), "ticket-expired");
    world.core.rotate_tickets(cluster(2));
    world.pass(31 * 60);
    assert_eq!(world.code(&session.leg_request(world.now())), "ticket-expired");
}

#[test]
fn leg_openings_need_the_sessions_key() {
    let world = World::new();
    let session = world.session(36, ATTESTED);
    let stranger = world.session(37, ATTESTED);
    let mut swapped = session.leg_request(world.now());
    for (name, value) in &mut swapped.headers {
        if name == http::TICKET {
            *value = sfv::bytes(&stranger.opened.ticket);
        }
    }
    assert_eq!(world.code(&swapped), "signature-wrong", "another session's ticket");
    let mut bent = session.opened.ticket.0.clone();
    *bent.last_mut().unwrap() ^= 1;
    for (name, value) in &mut swapped.headers {
        if name == http::TICKET {
            *value = sfv::bytes(&bent);
        }
    }
    assert_eq!(world.code(&swapped), "ticket-invalid");
}

/// The statements of a device, each signed anew.
fn restated(world: &World, device: &mut Device, change: impl FnOnce(&mut AttestationResult)) {
    let mut result = AttestationResult::from_bytes(&device.result.body).unwrap();
    change(&mut result);
    let context = &world.authority.context;
    device.result = sign_envelope(&world.authority.result, context, Purpose::Result, &result).unwrap();
}

#[test]
fn a_certificate_that_no_result_names_must_verify_by_itself() {
    let world = World::new();
    // A result of an earlier version names none.
    let mut older = world.device(40, ATTESTED);
    restated(&world, &mut older, |result| result.certificate = Tail::default());
    world.open(&mut older);
    // Another certificate than the one that is named, once genuine and once not.
    let mut device = world.device(41, ATTESTED);
    world.open(&mut device);
    restated(&world, &mut device, |result| result.certificate = Tail(vec![sha256(b"another")]));
    world.open(&mut device);
    let mut forged = world.device(41, ATTESTED);
    forged.certificate.signature[10] ^= 1;
    let (opening, ..) = forged.opening(world.now());
    assert_eq!(world.code(&opening), "session-refused", "the named certificate is these bytes and no others");
    restated(&world, &mut forged, |result| result.certificate = Tail::default());
    let (opening, ..) = forged.opening(world.now());
    assert_eq!(world.code(&opening), "session-refused");
}

#[test]
fn a_result_that_verified_once_is_worth_nothing_under_a_key_set_without_its_key() {
    let mut world = World::new();
    let mut device = world.device(42, ATTESTED);
    world.open(&mut device);
    world.open(&mut device);
    let mut forged = world.device(42, ATTESTED);
    forged.result.signature[10] ^= 1;
    let (opening, ..) = forged.opening(world.now());
    assert_eq!(world.code(&opening), "session-refused", "a known body under another signature is not known");

    let next = key(77);
    let mut newer = world.authority.key_set.clone();
    newer.version = 2;
    for named in newer.keys.0.iter_mut().filter(|named| named.usage == KeyUse::Result) {
        (named.id, named.key) = (next.key_id(), next.public());
    }
    let Authority { policy, context, .. } = &world.authority;
    let key_set = sign_envelope(policy, context, Purpose::KeySet, &newer).unwrap();
    let bundle = world.authority.bundle(Zone::Edge, 2, vec![]);
    let bundle = Published::from_bytes(&bundle).unwrap().bundle;
    let published = Published { key_sets: List(vec![key_set]), bundle }.to_bytes().unwrap();
    world.core.accept_bundle(&published).unwrap();
    let (opening, ..) = device.opening(world.now());
    assert_eq!(world.code(&opening), "session-refused");
    world.authority.result = next;
    world.open(&mut world.device(42, ATTESTED));
}
