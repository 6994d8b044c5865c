//! Reports of the edge: settled, idempotent, and never a second count.

use crate::world::{World, decided, passed, thumb};
use glacis_cloud::CloudCore;
use glacis_host::{Clock as _, Entropy as _};
use glacis_policy::Obligation;
use glacis_wire::message::decide::{
    AttributedBatch, ClosedBy, DeviceBatch, DeviceRecord, EventFacts, OperatorAction, Record, Report,
    ReportAck,
};
use glacis_wire::message::{List, Text};
use glacis_wire::{Disclosed, Method, NodeName, NodeOutcome, Reference, Tier, Trust, Verdict, Zone};
use std::time::Duration;

pub(crate) fn record(world: &World, facts: EventFacts, verdict: Verdict) -> Record {
    Record {
        facts,
        zone: Zone::Edge,
        verdict,
        reference: Reference::from_random(world.host.array().unwrap()),
        closed_by: ClosedBy::Policy,
        decided: world.host.now(),
        reasons: List(Vec::new()),
    }
}

pub(crate) fn report(core: &mut CloudCore, records: Vec<Record>) -> ReportAck {
    let report = Report {
        node: NodeName::parse("edge-1").unwrap(),
        records: List(records),
        openings: List(Vec::new()),
        devices: List(Vec::new()),
        operator: List(Vec::new()),
    };
    core.report(&report).unwrap()
}

#[test]
fn a_report_is_idempotent_and_its_events_count_once() {
    let world = World::new(60);
    let mut core = world.core();
    let mut hooked = world.transfer(thumb(1), "ann", "bob", 5);
    hooked.disclosed.as_mut().unwrap().nodes[0] = NodeOutcome::True;
    let records = vec![
        record(&world, hooked.clone(), Verdict::Block),
        record(&world, world.transfer(thumb(1), "ann", "bob", 6), Verdict::Allow),
    ];
    assert_eq!(report(&mut core, records.clone()), ReportAck { accepted: 2, repeated: 0 });
    assert_eq!(report(&mut core, records.clone()), ReportAck { accepted: 0, repeated: 2 });
    let counts = core.counts().unwrap();
    assert_eq!((counts.events, counts.decisions), (2, 2));
    let stored = core.decision(&records[0].reference).unwrap();
    assert_eq!(stored.record, records[0]);
    let settled = stored.settled.unwrap();
    assert_eq!((settled.verdict, settled.matched[0].0.as_str()), (Verdict::Block, "tampered-app"));
    // The same request at the cloud, from another node: the edge's verdict stands.
    let again = decided(core.decide(&hooked).unwrap());
    assert_eq!(
        (again.verdict, again.reference, again.repeated),
        (Verdict::Block, records[0].reference, true)
    );
}

#[test]
fn obligations_are_settled_from_the_whole_slice() {
    let world = World::new(61);
    let mut core = world.core();
    for _ in 0..3 {
        core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap();
    }
    let fourth = record(&world, world.transfer(thumb(1), "ann", "bob", 5), Verdict::Allow);
    report(&mut core, vec![fourth.clone()]);
    let settled = core.decision(&fourth.reference).unwrap().settled.unwrap();
    assert!(settled.obligations.contains(Obligation::Review));
    assert_eq!(settled.matched[0].0, "burst");
}

#[test]
fn a_late_edge_verdict_is_kept_beside_the_clouds_own() {
    let world = World::new(62);
    let mut core = world.core();
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    let own = decided(core.decide(&facts).unwrap());
    // The edge did not wait for it and closed by `unavailable`.
    let mut late = record(&world, facts.clone(), Verdict::Challenge(Method::Passkey));
    late.closed_by = ClosedBy::CloudUnavailable;
    assert_eq!(report(&mut core, vec![late.clone()]).accepted, 1);
    assert_eq!(report(&mut core, vec![late.clone()]).repeated, 1);
    let stored = core.decision(&late.reference).unwrap();
    assert_eq!((stored.standing, stored.record.verdict), (false, Verdict::Challenge(Method::Passkey)));
    assert_eq!(decided(core.decide(&facts).unwrap()).reference, own.reference, "the cloud is the authority");
    // What the edge decided upon a proof is new and stands.
    let answered = record(&world, passed(&facts, Method::Passkey, 1), Verdict::Allow);
    report(&mut core, vec![answered.clone()]);
    assert_eq!(decided(core.decide(&facts).unwrap()).reference, answered.reference);
    assert_eq!(core.counts().unwrap().events, 1);
}

#[test]
fn a_conflicting_report_is_kept_as_an_incident() {
    let world = World::new(63);
    let mut core = world.core();
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    core.decide(&facts).unwrap();
    let mut conflict = record(&world, world.transfer(thumb(1), "ann", "bob", 99), Verdict::Allow);
    conflict.facts.event_id = facts.event_id;
    assert_eq!(report(&mut core, vec![conflict.clone()]).accepted, 1);
    assert_eq!(report(&mut core, vec![conflict]).repeated, 1);
    assert_eq!(core.incidents(10).unwrap().len(), 1);
    assert_eq!(core.counts().unwrap().events, 1);
}

#[test]
fn an_event_that_comes_too_late_is_kept_but_does_not_count() {
    let world = World::new(64);
    let mut core = world.core();
    let late = world.transfer(thumb(1), "ann", "bob", 5);
    world.host.advance(Duration::from_secs(31));
    report(&mut core, vec![record(&world, late, Verdict::Allow)]);
    let answer = decided(core.decide(&world.transfer(thumb(2), "ann", "bob", 5_000)).unwrap());
    assert_eq!(answer.verdict, Verdict::Allow, "the first device's event was 31 s late, lateness is 30 s");
    assert_eq!(core.counts().unwrap().events, 2);
}

#[test]
fn a_report_hours_old_is_settled_from_the_log() {
    let world = World::new(65);
    let mut core = world.core();
    for _ in 0..3 {
        core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap();
    }
    world.host.advance(Duration::from_secs(60));
    let old = record(&world, world.transfer(thumb(1), "ann", "bob", 5), Verdict::Allow);
    world.host.advance(Duration::from_secs(7_200));
    core.decide(&world.transfer(thumb(1), "eve", "bob", 5)).unwrap();
    report(&mut core, vec![old.clone()]);
    let settled = core.decision(&old.reference).unwrap().settled.unwrap();
    assert_eq!(settled.matched[0].0, "burst", "three transfers lay in the hour before it");
}

#[test]
fn device_records_are_kept_once() {
    let world = World::new(66);
    let mut core = world.core();
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    let record = DeviceRecord {
        event: facts.event.clone(),
        event_id: facts.event_id,
        disclosed: Disclosed { policy: facts.policy, nodes: vec![NodeOutcome::True], values: Vec::new() },
        verdict: Verdict::Block,
        decided: world.host.now(),
    };
    let batch = AttributedBatch {
        thumbprint: thumb(1),
        tier: Tier::Software,
        trust: Trust::Claimed,
        received: world.host.now(),
        batch: DeviceBatch { records: List(vec![record.clone(), record.clone()]) },
    };
    let report = Report {
        node: NodeName::parse("edge-1").unwrap(),
        records: List(Vec::new()),
        openings: List(Vec::new()),
        devices: List(vec![batch]),
        operator: List(Vec::new()),
    };
    core.report(&report).unwrap();
    core.report(&report).unwrap();
    let (_, kept) = core.device_records(0, 10).unwrap();
    assert_eq!((kept.len(), kept[0].thumbprint, &kept[0].record), (1, thumb(1), &record));
    // A request that arrives all the same is decided as if the device had not.
    assert_eq!(decided(core.decide(&facts).unwrap()).verdict, Verdict::Allow);
}

#[test]
fn what_operators_did_at_a_node_is_audited_once() {
    let world = World::new(66);
    let mut core = world.core();
    let action = |id: u8, detail: &str| OperatorAction {
        id: [id; 16],
        at: world.host.now(),
        actor: Text("ann".into()),
        action: Text("mode".into()),
        detail: Text(detail.into()),
    };
    let report = |node: &str, actions: Vec<OperatorAction>| Report {
        node: NodeName::parse(node).unwrap(),
        records: List(Vec::new()),
        openings: List(Vec::new()),
        devices: List(Vec::new()),
        operator: List(actions),
    };
    let before = core.audit_head().unwrap();
    let both = report("edge-1", vec![action(1, "enforce GET /a"), action(2, "observe GET /a")]);
    core.report(&both).unwrap();
    let after = core.audit_head().unwrap();
    assert_eq!(after.seq, before.seq + 2);
    core.report(&both).unwrap();
    assert_eq!(core.audit_head().unwrap(), after, "a report that comes twice tells it once");
    core.report(&report("edge-2", vec![action(1, "enforce GET /a")])).unwrap();
    assert_eq!(core.audit_head().unwrap().seq, after.seq + 1, "another node did the same");
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}
