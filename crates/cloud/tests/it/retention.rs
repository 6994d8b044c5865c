//! Retention and quota: what is old goes in steps, what is needed stays, and nobody can pretend that it went.

use crate::report::{record, report};
use crate::world::{World, decided, did_not_act, passed, thumb};
use glacis_cloud::server::writer::{CloudHandle, Writer, WriterLimits};
use glacis_cloud::{CloudCore, CloudErrorKind, CloudLimits, Place};
use glacis_wire::message::decide::ReportAck;
use glacis_wire::{Answer, Method, Reference, Value, Verdict};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.limits = CloudLimits { retention: 10 * DAY, ..CloudLimits::default() };
    world
}

/// Events of two devices, each decided twice, one after another; `proofs` are the numbers of the second's proofs.
fn live(world: &World, core: &mut CloudCore, proofs: std::ops::Range<u8>) -> Vec<Reference> {
    proofs
        .map(|event| {
            let facts = world.transfer(thumb(event % 2), "ann", "bob", 5);
            let first = decided(core.decide(&facts).unwrap());
            core.decide(&passed(&facts, Method::Otp, event)).unwrap();
            core.feedback(&first.reference, "fine", "ops").unwrap();
            let mut conflict = world.transfer(thumb(event % 2), "ann", "bob", 6);
            conflict.event_id = facts.event_id;
            core.decide(&conflict).unwrap();
            world.host.advance(Duration::from_secs(1));
            first.reference
        })
        .collect()
}

fn sweep_all(core: &mut CloudCore) -> usize {
    let mut rows = 0;
    for _ in 0..1_000 {
        let swept = core.sweep().unwrap();
        rows += swept.rows;
        if !swept.more {
            return rows;
        }
    }
    panic!("the sweep never ends");
}

#[test]
fn old_events_go_and_the_chain_still_holds() {
    let world = world(140);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    let old = live(&world, &mut core, 0..30);
    let head = core.audit_head().unwrap();
    assert_eq!(sweep_all(&mut core), 0, "nothing is old yet");
    world.host.advance(11 * DAY);
    let new = live(&world, &mut core, 100..120);
    // 30 events with two decisions, 30 incidents, 30 pieces of feedback.
    assert_eq!(sweep_all(&mut core), 150);
    let counts = core.counts().unwrap();
    assert_eq!((counts.events, counts.decisions, counts.incidents), (20, 40, 20));
    for reference in &old {
        assert_eq!(core.decision(reference).unwrap_err().kind(), CloudErrorKind::NotFound);
    }
    for reference in &new {
        core.decision(reference).unwrap();
    }
    let report = core.verify_audit_whole().unwrap();
    assert_eq!((report.fault, report.complete), (None, true));
    assert!(report.head.seq > head.seq, "links of what was swept are still there");
    // The log goes on where it was, also after a restart.
    drop(core);
    let mut core = world.open(&Place::File(&path));
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    let next = decided(core.decide(&world.transfer(thumb(3), "ann", "bob", 5)).unwrap());
    assert_eq!(next.cut, 51);
    // What was spent for an event that is gone may be spent again; what was spent since may not.
    let facts = world.transfer(thumb(3), "eve", "bob", 5);
    decided(core.decide(&passed(&facts, Method::Otp, 29)).unwrap());
}

#[test]
fn everything_swept_leaves_the_newest_and_numbers_are_never_given_twice() {
    let world = world(141);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    live(&world, &mut core, 0..5);
    world.host.advance(11 * DAY);
    sweep_all(&mut core);
    assert_eq!(core.counts().unwrap().events, 1);
    drop(core);
    let mut core = world.open(&Place::File(&path));
    assert_eq!(decided(core.decide(&world.transfer(thumb(3), "ann", "bob", 5)).unwrap()).cut, 6);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn decisions_that_share_an_entry_go_together() {
    let world = world(147);
    let mut core = world.core();
    // Two commits; the second goes on while the clock passes what will be the end of retention.
    for pause in [0, 3_600] {
        core.begin().unwrap();
        for device in 0..4 {
            core.decide(&world.transfer(thumb(device), "ann", "bob", 5)).unwrap();
            world.host.advance(Duration::from_secs(pause));
        }
        core.commit().unwrap();
    }
    decided(core.decide(&world.transfer(thumb(9), "ann", "bob", 5)).unwrap());
    world.host.advance(10 * DAY - Duration::from_secs(3 * 3_600));
    assert_eq!(
        sweep_all(&mut core),
        8,
        "the first four events with their decisions, and none of the second four"
    );
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    assert_eq!(core.counts().unwrap().events, 5);
    world.host.advance(DAY);
    assert_eq!(sweep_all(&mut core), 8);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_part_of_an_entry_pretended_to_be_swept_is_found() {
    let world = world(148);
    let mut core = world.core();
    for _ in 0..3 {
        core.begin().unwrap();
        for device in 0..4 {
            core.decide(&world.transfer(thumb(device), "ann", "bob", 5)).unwrap();
        }
        core.commit().unwrap();
        world.host.advance(6 * DAY);
    }
    assert!(sweep_all(&mut core) > 0);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    core.danger_connection()
        .execute_batch(
            "UPDATE sweep SET last_row = last_row + 2; DELETE FROM event WHERE seq <= 6; \
             DELETE FROM decision WHERE id <= 6",
        )
        .unwrap();
    let fault = core.verify_audit_whole().unwrap().fault.unwrap();
    assert!(fault.contains("swept in part"), "{fault}");
}

#[test]
fn what_a_feature_still_sees_is_kept() {
    let mut world = World::new(142);
    // Shorter than the window of a day that `user.devices_1d` has.
    world.limits = CloudLimits { retention: Duration::from_secs(3_600), ..CloudLimits::default() };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    for device in 1..=3 {
        core.decide(&world.transfer(thumb(device), "ann", "bob", 5)).unwrap();
    }
    world.host.advance(Duration::from_secs(20 * 3_600));
    assert_eq!(core.sweep().unwrap().rows, 0);
    drop(core);
    let mut core = world.open(&Place::File(&path));
    let answer = decided(core.decide(&world.transfer(thumb(4), "ann", "bob", 5)).unwrap());
    let answers = core.decision(&answer.reference).unwrap().settled.unwrap().answers.0;
    assert!(answers.iter().any(|stated| stated.answer == Answer::Value(Value::Int(4))), "{answers:?}");
    world.host.advance(Duration::from_secs(30 * 3_600));
    assert_eq!(core.sweep().unwrap().rows, 6, "three events with their decisions");
}

#[test]
fn a_pretended_sweep_is_found() {
    for (name, sql) in [
        ("an event removed beyond the log", "DELETE FROM event WHERE seq = 12"),
        (
            "a decision removed beyond the log",
            "DELETE FROM decision WHERE id = (SELECT max(id) FROM decision) - 1",
        ),
        ("a run of the log widened", "UPDATE sweep SET last_row = last_row + 2 WHERE kind = 0"),
        (
            "rows removed, and the run widened",
            "UPDATE sweep SET last_row = 12 WHERE kind = 0; DELETE FROM event WHERE seq <= 12",
        ),
        (
            "rows removed, and a run slipped in",
            "INSERT INTO sweep (at, kind, first_row, last_row, before) VALUES (0, 2, 11, 12, 0); \
             DELETE FROM incident WHERE id IN (11, 12)",
        ),
        ("a run forgotten", "DELETE FROM sweep WHERE id = 1"),
        ("a time moved", "UPDATE sweep SET before = before + 1 WHERE id = 1"),
        (
            "a swept row put back",
            "INSERT INTO incident SELECT 3, at, kind, thumbprint, event_id, node, detail_bytes FROM incident LIMIT 1",
        ),
    ] {
        let world = world(143);
        let mut core = world.core();
        live(&world, &mut core, 0..10);
        world.host.advance(11 * DAY);
        live(&world, &mut core, 100..110);
        assert!(sweep_all(&mut core) > 0);
        assert_eq!(core.verify_audit_whole().unwrap().fault, None);
        core.danger_connection().execute_batch(sql).unwrap();
        assert!(core.verify_audit_whole().unwrap().fault.is_some(), "{name}");
    }
}

#[test]
fn a_report_older_than_the_log_is_settled_without_what_is_gone() {
    let world = world(144);
    let mut core = world.core();
    let late = world.transfer(thumb(1), "ann", "bob", 5);
    live(&world, &mut core, 0..5);
    world.host.advance(11 * DAY);
    live(&world, &mut core, 100..105);
    sweep_all(&mut core);
    let answer = decided(core.decide(&late).unwrap());
    let answers = core.decision(&answer.reference).unwrap().settled.unwrap().answers.0;
    let unknown = Answer::unknown(glacis_wire::Cause::Unavailable);
    assert!(answers.iter().any(|stated| stated.answer == unknown), "{answers:?}");
}

#[test]
fn what_only_observes_leaves_room_for_what_acts() {
    let mut world = world(146);
    world.limits.disk_quota = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let mut core = world.open(&Place::File(&dir.path().join("cloud.db")));
    core.publish(&world.publish(1)).unwrap();
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let payee = "b".repeat(500);
    let facts = |observes: bool| {
        let mut facts = world.transfer(thumb(1), "ann", &payee, 5);
        facts.observed.0.extend(observes.then(did_not_act));
        facts
    };
    let decide = |observes: bool| {
        let facts = facts(observes);
        handle.call_blocking(move |core| core.decide(&facts))
    };
    let told = |observes: bool| {
        let record = record(&world, facts(observes), Verdict::Allow);
        handle.call_blocking(move |core| Ok(report(core, vec![record]))).unwrap()
    };
    let full = (0..10_000).find_map(|_| decide(true).err()).unwrap();
    assert_eq!(full.kind(), CloudErrorKind::StorageFull);
    let used = handle.metrics().store_bytes;
    for _ in 0..20 {
        assert_eq!(told(true), ReportAck { accepted: 0, repeated: 0 }, "taken, and not kept");
    }
    assert!(handle.metrics().store_bytes <= used + 4_096);
    decided(decide(false).unwrap());
    assert_eq!(told(false), ReportAck { accepted: 1, repeated: 0 });
    drop(handle);
    writer.join();
}

#[test]
fn the_quota_refuses_before_the_disk_does_and_a_sweep_makes_room() {
    let mut world = world(145);
    world.limits.disk_quota = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let payee = "b".repeat(500);
    let decide = |handle: &CloudHandle| {
        let facts = world.transfer(thumb(1), "ann", &payee, 5);
        handle.call_blocking(move |core| core.decide(&facts))
    };
    let mut kept = Vec::new();
    let full = loop {
        match decide(&handle) {
            Ok(answer) => kept.push(decided(answer).reference),
            Err(error) => break error,
        }
        assert!(kept.len() < 10_000, "the quota never held");
    };
    assert_eq!((full.kind(), full.kind().status()), (CloudErrorKind::StorageFull, 507));
    assert!(handle.metrics().store_bytes > 1 << 20);
    // Reading goes on, and so does what an operator does.
    let read = kept.clone();
    let reading = handle.call_blocking(move |core| {
        for reference in &read {
            core.decision(reference)?;
        }
        core.feedback(&read[0], "fine", "ops")
    });
    reading.unwrap();
    drop(handle);
    writer.join();
    let size = std::fs::metadata(&path).unwrap().len();
    world.host.advance(11 * DAY);
    let mut core = world.open(&Place::File(&path));
    // All but the newest event and its decision; the one piece of feedback is the newest of its table.
    assert_eq!(sweep_all(&mut core), 2 * (kept.len() - 1));
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    for _ in 0..kept.len() / 2 {
        decided(decide(&handle).unwrap());
    }
    drop(handle);
    writer.join();
    assert_eq!(world.open(&Place::File(&path)).verify_audit_whole().unwrap().fault, None);
    assert!(std::fs::metadata(&path).unwrap().len() <= size, "free pages were used again");
}

#[test]
fn what_the_log_holds_twice_does_not_use_the_quota_up() {
    const QUOTA: u64 = 2 << 20;
    let mut world = world(147);
    world.limits.disk_quota = QUOTA;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    // One at a time, each of which writes the same few pages into the log again; nothing here acts.
    let payee = "b".repeat(500);
    let observed = |core: &mut CloudCore| {
        let mut facts = world.transfer(thumb(1), "ann", &payee, 5);
        facts.observed.0.push(did_not_act());
        core.decide(&facts)
    };
    // A reader keeps the log from being emptied, as a backup does.
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM event").unwrap();
    let full = (0..10_000).find_map(|_| observed(&mut core).err()).unwrap();
    assert_eq!(full.kind(), CloudErrorKind::StorageFull);
    drop(reader);
    let full = (0..10_000).find_map(|_| observed(&mut core).err()).unwrap();
    assert_eq!(full.kind(), CloudErrorKind::StorageFull);
    let number = |sql| -> u64 {
        core.danger_connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    };
    let kept = number("PRAGMA page_count") * number("PRAGMA page_size");
    assert!((QUOTA / 8 * 5..QUOTA).contains(&kept), "{kept} bytes");
}
