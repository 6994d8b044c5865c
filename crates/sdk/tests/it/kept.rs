//! A client that lives as long as one request: it goes on with the session of the one before.

use crate::rig::{Rig, transfer, with};
use glacis_sdk::FlowErrorKind;
use glacis_sdk::drive::{Transport, Unattended, drive};
use glacis_sdk::flow::pull::Pulled;
use glacis_wire::http::{PATH_BUNDLE, PATH_CHALLENGE, PATH_LEG, PATH_SESSION, Request};
use glacis_wire::{Answer, Value};
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// A rig whose client keeps its sessions, against an edge with a replay window.
fn kept() -> Rig {
    let mut rig = Rig::ready();
    rig.edge.anonymous = true;
    rig.edge.window = Some(BTreeSet::new());
    keep(&mut rig);
    rig
}

fn keep(rig: &mut Rig) {
    rig.client.keep_sessions(NonZeroU32::MIN).unwrap();
}

/// The process ends and another begins.
fn next_process(rig: &mut Rig) {
    rig.restart();
    keep(rig);
    rig.edge.log.clear();
}

fn check(rig: &mut Rig) -> Result<(), FlowErrorKind> {
    drive(&mut rig.client.check(), &mut rig.edge, &mut Unattended).map_err(|error| error.kind())
}

/// Signs for another program, which sends it; the status.
fn sign_and_send(rig: &mut Rig) -> (Request, u16) {
    let event_id = rig.client.line().event_id().unwrap();
    let signed = rig.client.sign(transfer(), event_id).unwrap().unwrap();
    let status = rig.edge.exchange(&signed.request).unwrap().status;
    (signed.request, status)
}

fn paths(rig: &Rig) -> Vec<&str> {
    rig.edge.log.iter().map(|request| request.path.as_str()).collect()
}

#[test]
fn the_next_process_needs_no_session_and_a_check_opens_the_first() {
    let mut rig = kept();
    check(&mut rig).unwrap();
    assert_eq!(paths(&rig), [PATH_SESSION, PATH_CHALLENGE]);
    assert_eq!(sign_and_send(&mut rig).1, 200);
    for _ in 0..3 {
        next_process(&mut rig);
        assert_eq!(sign_and_send(&mut rig).1, 200);
        assert_eq!(paths(&rig), ["/transfers"]);
    }
}

#[test]
fn without_a_session_nothing_is_signed() {
    let mut rig = kept();
    let event_id = rig.client.line().event_id().unwrap();
    let refused = rig.client.sign(transfer(), event_id).unwrap_err();
    assert_eq!(refused.kind(), FlowErrorKind::Misuse);
}

#[test]
fn a_check_cures_a_restarted_edge_before_a_signature_leaves() {
    let mut rig = kept();
    check(&mut rig).unwrap();
    next_process(&mut rig);
    rig.edge.forget_legs();
    check(&mut rig).unwrap();
    assert_eq!(paths(&rig), [PATH_CHALLENGE, PATH_LEG, PATH_CHALLENGE]);
    assert_eq!(sign_and_send(&mut rig).1, 200);
}

#[test]
fn a_leg_is_renewed_on_demand() {
    let mut rig = kept();
    check(&mut rig).unwrap();
    next_process(&mut rig);
    rig.client.distrust_leg();
    check(&mut rig).unwrap();
    assert_eq!(paths(&rig), [PATH_LEG, PATH_CHALLENGE]);
}

#[test]
fn an_old_copy_of_all_files_signs_nothing_twice_and_gets_a_leg_of_its_own() {
    let mut rig = kept();
    check(&mut rig).unwrap();
    let backup = rig.backup();
    let mut statuses = BTreeSet::new();
    for _ in 0..3 {
        next_process(&mut rig);
        statuses.insert(sign_and_send(&mut rig).1);
    }
    assert_eq!(statuses, BTreeSet::from([200]));
    // Unchecked, the old numbers are refused by the edge; checked, they are not used.
    rig.restore(&backup);
    keep(&mut rig);
    assert_eq!(sign_and_send(&mut rig).1, 401);
    rig.restore(&backup);
    keep(&mut rig);
    rig.edge.log.clear();
    check(&mut rig).unwrap();
    assert_eq!(paths(&rig), [PATH_CHALLENGE, PATH_LEG, PATH_CHALLENGE]);
    assert_eq!(sign_and_send(&mut rig).1, 200);
}

#[test]
fn a_new_enrolment_ends_the_kept_session() {
    let mut rig = kept();
    check(&mut rig).unwrap();
    let mut nobody = glacis_sdk::flow::enrol::NoEvidence;
    drive(&mut rig.client.enrol(&mut nobody), &mut rig.edge, &mut Unattended).unwrap();
    next_process(&mut rig);
    check(&mut rig).unwrap();
    assert_eq!(paths(&rig), [PATH_SESSION, PATH_CHALLENGE]);
}

#[test]
fn the_etag_survives_and_saves_the_next_process_the_bundle() {
    let mut rig = kept();
    let pull = |rig: &mut Rig| drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).unwrap();
    pull(&mut rig);
    next_process(&mut rig);
    assert_eq!(pull(&mut rig), Pulled::Unchanged);
    assert_eq!(paths(&rig), [PATH_BUNDLE]);
    assert_eq!(rig.edge.answers.last().unwrap().status, 304);
}

#[test]
fn a_device_block_signs_nothing() {
    let mut rig = kept();
    check(&mut rig).unwrap();
    rig.signals(|| with("app.hooked", Answer::Value(Value::Bool(true))));
    let event_id = rig.client.line().event_id().unwrap();
    assert_eq!(rig.client.sign(transfer(), event_id).unwrap(), None);
    assert_eq!(rig.client.records(), 1, "the block is reported like any other");
}
