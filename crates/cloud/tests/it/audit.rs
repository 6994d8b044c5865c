//! The chain shows every change of the past: of an entry, of a row, of the number of rows.

use crate::world::{World, decided, passed, thumb};
use glacis_cloud::CloudCore;
use glacis_cloud::admin::ListChange;
use glacis_cloud::audit::{AuditKind, Head};
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{Decode as _, Encode as _, Method};

fn busy_core() -> (World, CloudCore) {
    let world = World::new(70);
    let mut core = world.core();
    core.bootstrap_token().unwrap();
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap();
    let change = ListChange { list: "mules", item: "m1", present: true, effective: None, by: "ops" };
    core.change_list(&change).unwrap();
    for device in 1..=3 {
        let facts = world.transfer(thumb(device), "ann", "bob", 5);
        let answer = decided(core.decide(&facts).unwrap());
        core.decide(&passed(&facts, Method::Otp, device)).unwrap();
        core.feedback(&answer.reference, "fraud", "ops").unwrap();
        let mut conflict = world.transfer(thumb(device), "ann", "bob", 6);
        conflict.event_id = facts.event_id;
        core.decide(&conflict).unwrap();
    }
    (world, core)
}

#[test]
fn an_untouched_store_verifies_and_the_chain_covers_every_table() {
    let (_world, mut core) = busy_core();
    let report = core.verify_audit_whole().unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(report.head, core.audit_head().unwrap());
    assert_eq!(report.verified, report.head.seq);
    let kinds: Vec<_> = core.audit_tail(1_000).unwrap().into_iter().map(|entry| entry.kind).collect();
    for kind in [
        AuditKind::Decided,
        AuditKind::Decision,
        AuditKind::Incident,
        AuditKind::ListChange,
        AuditKind::Token,
    ] {
        assert!(kinds.contains(&kind), "{}", kind.name());
    }
}

#[test]
fn verification_goes_in_steps_from_any_head() {
    let (_world, mut core) = busy_core();
    let mut head = Head::default();
    let mut steps = 0;
    loop {
        let report = core.verify_audit(head, 3).unwrap();
        assert_eq!(report.fault, None);
        steps += 1;
        if report.complete {
            assert_eq!(report.head, core.audit_head().unwrap());
            break;
        }
        head = report.head;
    }
    assert!(steps > 5);
}

#[test]
fn every_tampering_is_found() {
    for (name, sql) in [
        ("a decision changed", "UPDATE decision SET standing = 0 WHERE id = 1"),
        (
            "a record replaced",
            "UPDATE decision SET record_bytes = (SELECT record_bytes FROM decision WHERE id = 2) WHERE id = 1",
        ),
        ("a decision removed", "DELETE FROM decision WHERE id = 6"),
        ("a first record replaced", "UPDATE decision SET record_bytes = x'00' WHERE id = 1"),
        ("a first decision made a later one", "UPDATE decision SET shared = NULL WHERE id = 1"),
        ("a later decision made a first one", "UPDATE decision SET shared = 1 WHERE id = 2"),
        ("an event pointed at another decision", "UPDATE event SET first_decision = 2 WHERE seq = 1"),
        ("an event pointed at no decision", "UPDATE event SET first_decision = NULL WHERE seq = 1"),
        ("an event removed", "DELETE FROM event WHERE seq = 2"),
        (
            "an event slipped in",
            "INSERT INTO event SELECT 99, thumbprint, x'01', identity, received, ingested, facts_bytes, 1 FROM event WHERE seq = 1",
        ),
        ("an event's time moved", "UPDATE event SET received = received + 1 WHERE seq = 2"),
        ("an incident removed", "DELETE FROM incident WHERE id = 1"),
        ("a list item swapped", "UPDATE list_change SET item = 'm2'"),
        (
            "a list change slipped in",
            "INSERT INTO list_change (list, version, item, present, effective, at, by) VALUES ('mules', 9, 'x', 1, 0, 0, 'me')",
        ),
        ("a token's scopes widened", "UPDATE token SET scopes = 63"),
        ("a tier history rewritten", "UPDATE tier_change SET to_tier = 3"),
        ("feedback removed", "DELETE FROM feedback WHERE id = 2"),
        ("an entry removed", "DELETE FROM audit WHERE seq = 4"),
        ("an entry's time moved", "UPDATE audit SET at = at + 1 WHERE seq = 3"),
        ("two entries swapped", "UPDATE audit SET row = 99 WHERE seq = 5"),
        ("the end cut off, rows left", "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)"),
        ("a policy source edited", "UPDATE policy_source SET source_bytes = x'00'"),
        ("a bundle replaced", "UPDATE bundle SET signed_bytes = x'00' WHERE zone = 1"),
    ] {
        let (_world, mut core) = busy_core();
        core.danger_connection().execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let touched = core.danger_connection().execute(sql, []).unwrap();
        assert!(touched > 0, "{name}");
        let report = core.verify_audit_whole().unwrap();
        assert!(report.fault.is_some(), "{name}");
        assert!(report.verified <= core.audit_head().unwrap().seq, "{name}");
    }
}

/// Batches of five, then two decisions of which the second is again decided, then one alone.
fn batched_core() -> (World, CloudCore) {
    let world = World::new(71);
    let mut core = world.core();
    for batch in 0..3 {
        core.begin().unwrap();
        for device in 1..=5 {
            core.decide(&world.transfer(thumb(batch * 5 + device), "ann", "bob", 5)).unwrap();
        }
        core.commit().unwrap();
    }
    core.begin().unwrap();
    core.decide(&world.transfer(thumb(20), "ann", "bob", 5)).unwrap();
    let facts = world.transfer(thumb(21), "ann", "bob", 5);
    core.decide(&facts).unwrap();
    core.decide(&passed(&facts, Method::Otp, 1)).unwrap();
    core.decide(&world.transfer(thumb(22), "ann", "bob", 5)).unwrap();
    core.commit().unwrap();
    (world, core)
}

#[test]
fn first_decisions_of_a_commit_share_an_entry() {
    let (_world, mut core) = batched_core();
    let tail = core.audit_tail(100).unwrap();
    let of = |entry: &glacis_cloud::audit::AuditEntry| (entry.kind, entry.row, entry.last_row);
    let decisions: Vec<_> = tail
        .iter()
        .rev()
        .map(of)
        .filter(|(_, row, _)| *row > 0)
        .collect::<Vec<_>>()
        .split_off(tail.len() - 6);
    assert_eq!(
        decisions,
        [
            (AuditKind::Decided, 1, 5),
            (AuditKind::Decided, 6, 10),
            (AuditKind::Decided, 11, 15),
            (AuditKind::Decided, 16, 17),
            (AuditKind::Decision, 18, 18),
            (AuditKind::Decided, 19, 19),
        ]
    );
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    // A step ends with the entry that has the last row it may read.
    let mut head = Head::default();
    let mut steps = 0;
    loop {
        let report = core.verify_audit(head, 6).unwrap();
        assert_eq!(report.fault, None);
        steps += 1;
        head = report.head;
        if report.complete {
            break;
        }
    }
    assert_eq!(head, core.audit_head().unwrap());
    assert_eq!(steps, 3, "the rows of what was set up and the first run, two runs, the rest");
}

#[test]
fn every_tampering_with_a_shared_entry_is_found() {
    for (name, sql) in [
        ("the first of a run changed", "UPDATE decision SET standing = 0 WHERE id = 6"),
        ("one in the middle changed", "UPDATE decision SET standing = 0 WHERE id = 8"),
        ("the last changed", "UPDATE decision SET standing = 0 WHERE id = 10"),
        ("an event in the middle changed", "UPDATE event SET received = received + 1 WHERE seq = 8"),
        ("one in the middle removed", "DELETE FROM decision WHERE id = 8"),
        ("an event removed", "DELETE FROM event WHERE seq = 8"),
        ("one that follows made a beginning", "UPDATE decision SET shared = 1 WHERE id = 8"),
        ("one that begins made to follow", "UPDATE decision SET shared = 2 WHERE id = 6"),
        ("a run shortened", "UPDATE audit SET last_row = 9 WHERE row = 6 AND last_row = 10"),
        ("a run lengthened", "UPDATE audit SET last_row = 11 WHERE row = 6 AND last_row = 10"),
        ("a run without end", "UPDATE audit SET last_row = 9223372036854775807 WHERE last_row = 10"),
        ("a run that ends before it begins", "UPDATE audit SET last_row = 2 WHERE last_row = 10"),
        ("a run made one row", "UPDATE audit SET last_row = NULL WHERE last_row = 10"),
        ("one row made a run", "UPDATE audit SET last_row = 19 WHERE row = 19"),
        (
            "two neighbours swapped",
            "UPDATE decision SET id = 99 WHERE id = 7; UPDATE decision SET id = 7 WHERE id = 8; \
             UPDATE decision SET id = 8 WHERE id = 99",
        ),
    ] {
        let (_world, mut core) = batched_core();
        core.danger_connection().execute_batch(sql).unwrap();
        let report = core.verify_audit_whole().unwrap();
        assert!(report.fault.is_some(), "{name}");
    }
}

#[test]
fn an_entry_with_a_matching_digest_still_breaks_the_chain() {
    let (_world, mut core) = busy_core();
    let conn = core.danger_connection();
    // An attacker who rewrites a row *and* its digest, but has to leave the later heads.
    conn.execute("UPDATE audit SET digest = zeroblob(32) WHERE seq = 2", []).unwrap();
    let fault = core.verify_audit_whole().unwrap().fault.unwrap();
    assert!(fault.contains("link 2"), "{fault}");
}

#[test]
fn the_event_log_holds_nothing_but_facts() {
    let (_world, mut core) = busy_core();
    for event in core.events(1, 100).unwrap() {
        let bytes = event.facts.to_bytes().unwrap();
        assert_eq!(EventFacts::from_bytes(&bytes).unwrap(), event.facts);
        assert_eq!(event.facts.disclosed.unwrap().nodes.len(), 1, "two bits a declared node, nothing else");
    }
}
