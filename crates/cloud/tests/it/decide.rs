//! Event ids, proofs and verdicts: DESIGN §5.3 step 3 with the cloud as the authority.

use crate::world::{World, decided, passed, thumb};
use glacis_cloud::CloudErrorKind;
use glacis_wire::message::decide::DecideAnswer;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Answer, Method, NodeOutcome, Tier, Trust, Value, Verdict};
use std::time::Duration;

#[test]
fn verdicts_follow_lists_features_disclosure_and_trust() {
    let world = World::new(1);
    let mut core = world.core();
    core.change_list(&glacis_cloud::admin::ListChange {
        list: "mules",
        item: "m1",
        present: true,
        effective: None,
        by: "test",
    })
    .unwrap();
    let mut hooked = world.transfer(thumb(1), "ann", "bob", 5);
    hooked.disclosed.as_mut().unwrap().nodes[0] = NodeOutcome::True;
    let mut withheld = world.transfer(thumb(1), "ann", "bob", 5);
    withheld.disclosed = None;
    let mut claimed = world.transfer(thumb(1), "ann", "bob", 5);
    claimed.trust = Trust::Claimed;
    for (name, facts, want) in [
        ("plain", world.transfer(thumb(1), "ann", "bob", 5), Verdict::Allow),
        ("hooked", hooked, Verdict::Block),
        ("nothing disclosed", withheld, Verdict::Challenge(Method::Passkey)),
        ("all clear, but only claimed", claimed, Verdict::Challenge(Method::Passkey)),
        ("mule", world.transfer(thumb(1), "ann", "m1", 5), Verdict::Block),
        ("second device", world.transfer(thumb(2), "ann", "bob", 2_000), Verdict::Challenge(Method::Otp)),
        ("second device, small", world.transfer(thumb(2), "ann", "bob", 10), Verdict::Allow),
        ("another user's only device", world.transfer(thumb(2), "eve", "bob", 2_000), Verdict::Allow),
    ] {
        let answer = decided(core.decide(&facts).unwrap());
        assert_eq!(answer.verdict, want, "{name}");
        assert_eq!(answer.nonce.is_some(), matches!(want, Verdict::Challenge(_)), "{name}");
        let stored = core.decision(&answer.reference).unwrap();
        assert_eq!((stored.cut, stored.record.verdict), (answer.cut, want), "{name}");
        assert_eq!(stored.settled.unwrap().verdict, want, "{name}");
    }
}

#[test]
fn a_record_names_the_list_version_the_cut_and_what_the_cloud_answered() {
    let world = World::new(2);
    let mut core = world.core();
    let change = glacis_cloud::admin::ListChange {
        list: "mules",
        item: "m9",
        present: true,
        effective: None,
        by: "test",
    };
    core.change_list(&change).unwrap();
    core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap();
    let answer = decided(core.decide(&world.transfer(thumb(2), "ann", "bob", 5)).unwrap());
    let stored = core.decision(&answer.reference).unwrap();
    assert_eq!(stored.cut, 2);
    let settled = stored.settled.unwrap();
    assert_eq!((settled.lists[0].list.0.as_str(), settled.lists[0].version), ("mules", 1));
    let mut answers: Vec<_> =
        settled.answers.iter().map(|stated| (stated.signal.to_string(), stated.answer.clone())).collect();
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        answers,
        vec![
            ("list.mules(payee)".to_owned(), Answer::Value(Value::Bool(false))),
            ("user.devices_1d".to_owned(), Answer::Value(Value::Int(2))),
            ("user.transfers_1h".to_owned(), Answer::Value(Value::Int(1))),
        ]
    );
}

#[test]
fn the_same_request_again_gets_the_stored_verdict_and_counts_once() {
    let world = World::new(3);
    let mut core = world.core();
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    let first = decided(core.decide(&facts).unwrap());
    assert!(!first.repeated);
    for _ in 0..5 {
        world.host.advance(Duration::from_secs(1));
        let mut retry = facts.clone();
        retry.received = world.transfer(thumb(1), "ann", "bob", 5).received;
        let again = decided(core.decide(&retry).unwrap());
        assert!(again.repeated);
        assert_eq!((again.verdict, again.reference, again.cut), (first.verdict, first.reference, first.cut));
    }
    let counts = core.counts().unwrap();
    assert_eq!((counts.events, counts.decisions), (1, 1));
    let next = decided(core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap());
    let settled = core.decision(&next.reference).unwrap().settled.unwrap();
    let count = settled.answers.iter().find(|stated| stated.signal.as_str() == "user.transfers_1h").unwrap();
    assert_eq!(count.answer, Answer::Value(Value::Int(1)));
}

#[test]
fn another_content_under_the_same_id_is_refused_and_noted() {
    let world = World::new(4);
    let mut core = world.core();
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    decided(core.decide(&facts).unwrap());
    let body = world.transfer(thumb(1), "ann", "bob", 6);
    let user = world.transfer(thumb(1), "eve", "bob", 5);
    // The body is the same, what was extracted differs: as two GETs of different paths would.
    let mut field = facts.clone();
    field.fields.0[0].answer = Answer::Value(Value::String("carl".to_owned()));
    for (at, mut conflict) in [body, user, field].into_iter().enumerate() {
        conflict.event_id = facts.event_id;
        assert_eq!(core.decide(&conflict).unwrap(), DecideAnswer::Refused(Refusal::EventConflict), "{at}");
    }
    let incidents = core.incidents(10).unwrap();
    assert_eq!(incidents.len(), 3);
    assert!(incidents.iter().all(|incident| incident.kind == "event-conflict"));
    // The same id of another device is another event.
    let other = glacis_wire::message::decide::EventFacts { thumbprint: Some(thumb(2)), ..facts };
    assert!(!decided(core.decide(&other).unwrap()).repeated);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_fresh_proof_decides_anew_and_only_four_times() {
    let world = World::new(5);
    let mut core = world.core();
    core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap();
    let facts = world.transfer(thumb(2), "ann", "bob", 2_000);
    let first = decided(core.decide(&facts).unwrap());
    assert_eq!(first.verdict, Verdict::Challenge(Method::Otp));
    for proof in 1..=4 {
        let answer = decided(core.decide(&passed(&facts, Method::Otp, proof)).unwrap());
        assert_eq!((answer.verdict, answer.repeated, answer.cut), (Verdict::Allow, false, first.cut));
        // The answer was lost and the same proof comes again: the same verdict, nothing spent.
        let again = decided(core.decide(&passed(&facts, Method::Otp, proof)).unwrap());
        assert_eq!((again.reference, again.repeated), (answer.reference, true));
    }
    let fifth = core.decide(&passed(&facts, Method::Otp, 5)).unwrap();
    assert_eq!(fifth, DecideAnswer::Refused(Refusal::DecisionsSpent));
    // Without a proof, what stands is the newest verdict.
    assert_eq!(decided(core.decide(&facts).unwrap()).verdict, Verdict::Allow);
    assert_eq!(core.counts().unwrap().decisions, 6);
}

#[test]
fn a_proof_works_for_one_event_only() {
    let world = World::new(6);
    let mut core = world.core();
    let one = world.transfer(thumb(1), "ann", "bob", 5);
    let other = world.transfer(thumb(1), "ann", "bob", 5);
    decided(core.decide(&passed(&one, Method::Passkey, 1)).unwrap());
    let reuse = core.decide(&passed(&other, Method::Passkey, 1)).unwrap();
    assert_eq!(reuse, DecideAnswer::Refused(Refusal::ProofSpent));
    decided(core.decide(&other).unwrap());
    let reuse = core.decide(&passed(&other, Method::Passkey, 1)).unwrap();
    assert_eq!(reuse, DecideAnswer::Refused(Refusal::ProofSpent));
    let incidents = core.incidents(10).unwrap();
    assert_eq!(incidents.iter().filter(|incident| incident.kind == "proof-reuse").count(), 2);
}

#[test]
fn a_weaker_passed_method_does_not_lift_a_stronger_challenge() {
    let world = World::new(7);
    let mut core = world.core();
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.trust = Trust::Claimed;
    assert_eq!(
        decided(core.decide(&passed(&facts, Method::Otp, 1)).unwrap()).verdict,
        Verdict::Challenge(Method::Passkey)
    );
    assert_eq!(decided(core.decide(&passed(&facts, Method::Passkey, 2)).unwrap()).verdict, Verdict::Allow);
}

#[test]
fn an_unknown_policy_or_a_future_receive_time_decides_nothing() {
    let world = World::new(8);
    let mut core = world.core();
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.policy = glacis_wire::PolicyDigest::new([3; 32]);
    let kind = core.decide(&facts).unwrap_err().kind();
    assert_eq!(kind, CloudErrorKind::Refused(Refusal::Unavailable));
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.received = facts.received.after(Duration::from_secs(61));
    assert_eq!(core.decide(&facts).unwrap_err().kind(), CloudErrorKind::Invalid);
    assert_eq!(core.counts().unwrap().events, 0);
    assert_eq!(decided(core.decide(&world.transfer(thumb(1), "a", "b", 1)).unwrap()).cut, 1, "no gap");
}

#[test]
fn a_disclosure_of_another_policy_is_read_as_version() {
    let world = World::new(9);
    let mut core = world.core();
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.disclosed.as_mut().unwrap().policy = glacis_wire::PolicyDigest::new([3; 32]);
    assert_eq!(decided(core.decide(&facts).unwrap()).verdict, Verdict::Challenge(Method::Passkey));
}

#[test]
fn features_survive_a_restart() {
    let world = World::new(10);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let place = glacis_cloud::Place::File(&path);
    let mut core = world.open(&place);
    core.publish(&world.publish(1)).unwrap();
    for device in 1..=3 {
        core.decide(&world.transfer(thumb(device), "ann", "bob", 5)).unwrap();
        world.host.advance(Duration::from_secs(60));
    }
    drop(core);
    let mut core = world.open(&place);
    assert_eq!(core.live_policies().unwrap().version, 1);
    let answer = decided(core.decide(&world.transfer(thumb(4), "ann", "bob", 5)).unwrap());
    let stored = core.decision(&answer.reference).unwrap();
    assert_eq!(stored.seq, 4);
    let answers: Vec<_> = stored.settled.unwrap().answers.0.into_iter().map(|stated| stated.answer).collect();
    assert!(answers.contains(&Answer::Value(Value::Int(4))), "four devices, {answers:?}");
    assert!(answers.contains(&Answer::Value(Value::Int(3))), "three earlier transfers, {answers:?}");
}

#[test]
fn an_unsigned_event_has_no_device_and_gets_no_nonce() {
    let world = World::new(11);
    let mut core = world.core();
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.thumbprint = None;
    facts.tier = Tier::None;
    facts.trust = Trust::Claimed;
    facts.disclosed = None;
    let answer = decided(core.decide(&facts).unwrap());
    assert_eq!((answer.verdict, answer.nonce), (Verdict::Challenge(Method::Passkey), None));
    assert!(decided(core.decide(&facts).unwrap()).repeated);
}

#[test]
fn a_route_without_device_zone_is_absent_and_not_withheld() {
    let world = World::new(12);
    let mut core = world.core();
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.thumbprint = None;
    facts.disclosed = None;
    facts.observed.0.push(glacis_wire::message::decide::SignalAnswer {
        signal: glacis_wire::SignalName::parse(glacis_wire::message::decide::DEVICE_ZONE).unwrap(),
        answer: Answer::unknown(glacis_wire::Cause::Absent),
    });
    assert_eq!(
        decided(core.decide(&facts).unwrap()).verdict,
        Verdict::Allow,
        "`absent` skips in this policy"
    );
    // A request that a device signed cannot be excused that way.
    facts.thumbprint = Some(thumb(1));
    assert_eq!(decided(core.decide(&facts).unwrap()).verdict, Verdict::Challenge(Method::Passkey));
}

/// What a sequence of calls answers: everything but what is drawn at random.
fn told(answer: Result<DecideAnswer, glacis_cloud::CloudError>) -> String {
    match answer {
        Ok(DecideAnswer::Decided(decided)) => {
            format!("{:?} cut {} repeated {}", decided.verdict, decided.cut, decided.repeated)
        }
        Ok(DecideAnswer::Refused(refusal)) => format!("{refusal:?}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn a_batch_answers_and_stores_what_the_same_calls_do_one_by_one() {
    let outcome = |batched: bool| {
        let world = World::new(90);
        let mut core = world.core();
        let mut told_all = Vec::new();
        if batched {
            core.begin().unwrap();
        }
        for device in 1..=40 {
            let facts = world.transfer(thumb(device % 7), "ann", "bob", 5 + i64::from(device));
            let mut conflict = world.transfer(thumb(device % 7), "ann", "bob", 9_999);
            conflict.event_id = facts.event_id;
            let mut unknown_policy = world.transfer(thumb(3), "ann", "bob", 1);
            unknown_policy.policy = glacis_wire::PolicyDigest::new([3; 32]);
            told_all.push(told(core.decide(&facts)));
            // Each of these reads rows that the batch has not written yet.
            told_all.push(told(core.decide(&facts)));
            told_all.push(told(core.decide(&passed(&facts, Method::Otp, device))));
            told_all.push(told(core.decide(&conflict)));
            told_all.push(told(core.decide(&unknown_policy)));
            if device % 9 == 0 {
                told_all.push(format!("{:?}", core.incidents(100).unwrap().len()));
                told_all.push(
                    core.feedback(&glacis_wire::Reference::from_random([9; 8]), "fraud", "x")
                        .unwrap_err()
                        .kind()
                        .code()
                        .to_owned(),
                );
            }
        }
        if batched {
            core.commit().unwrap();
        }
        assert_eq!(core.verify_audit_whole().unwrap().fault, None);
        let verdicts: Vec<_> = core
            .decisions(0, 1_000)
            .unwrap()
            .1
            .iter()
            .map(|stored| (stored.record.verdict, stored.cut))
            .collect();
        (told_all, core.counts().unwrap(), verdicts)
    };
    assert_eq!(outcome(true), outcome(false));
}

#[test]
fn a_batch_that_is_given_up_leaves_nothing() {
    let world = World::new(91);
    let mut core = world.core();
    core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap();
    let (before, head) = (core.counts().unwrap(), core.audit_head().unwrap());
    core.begin().unwrap();
    let facts = world.transfer(thumb(2), "ann", "bob", 5);
    for _ in 0..2 {
        core.decide(&facts).unwrap();
        core.decide(&world.transfer(thumb(3), "ann", "bob", 5)).unwrap();
    }
    core.abandon();
    assert_eq!((core.counts().unwrap(), core.audit_head().unwrap()), (before, head));
    assert!(!decided(core.decide(&facts).unwrap()).repeated);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_batch_that_the_store_rolled_back_by_itself_is_lost_whoever_noticed() {
    let world = World::new(92);
    let mut core = world.core();
    let (first, second) =
        (world.transfer(thumb(1), "ann", "bob", 5), world.transfer(thumb(2), "ann", "bob", 5));
    core.begin().unwrap();
    core.decide(&first).unwrap();
    core.counts().unwrap();
    // As SQLite does where it had to write a page to make room and the disk was full.
    core.danger_connection().execute_batch("ROLLBACK").unwrap();
    core.decision(&glacis_wire::Reference::from_random([9; 8])).unwrap_err();
    core.decide(&second).unwrap_err();
    core.commit().unwrap_err();
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    for facts in [&first, &second] {
        assert!(!decided(core.decide(facts).unwrap()).repeated);
    }
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

/// Calls of one batch of every kind: rows that wait, rows that are read again, savepoints, reads.
fn mixed_batch(
    world: &World,
    core: &mut glacis_cloud::CloudCore,
) -> (Vec<glacis_wire::Reference>, Vec<glacis_wire::message::decide::EventFacts>) {
    use crate::report::record;
    let payee = "b".repeat(500);
    let (mut answered, mut asked) = (Vec::new(), Vec::new());
    for at in 0..24_u8 {
        let facts = world.transfer(thumb(at % 5), "ann", &payee, i64::from(at));
        let answer = core.decide(&facts);
        answered.extend(answer.ok().map(|answer| decided(answer).reference));
        asked.push(facts.clone());
        match at % 6 {
            1 => drop(core.decide(&facts)),
            2 => drop(core.decide(&passed(&facts, Method::Otp, world.event_id().as_bytes()[0]))),
            3 => {
                let transfers = (0..3).map(|_| world.transfer(thumb(9), "eve", &payee, 1));
                let records: Vec<_> = transfers.map(|facts| record(world, facts, Verdict::Allow)).collect();
                let references: Vec<_> = records.iter().map(|record| record.reference).collect();
                asked.extend(records.iter().map(|record| record.facts.clone()));
                let report = glacis_wire::message::decide::Report {
                    node: glacis_wire::NodeName::parse("edge-1").unwrap(),
                    records: glacis_wire::message::List(records),
                    openings: glacis_wire::message::List(Vec::new()),
                    devices: glacis_wire::message::List(Vec::new()),
                    operator: glacis_wire::message::List(Vec::new()),
                };
                if core.report(&report).is_ok() {
                    answered.extend(references);
                }
            }
            4 => drop(core.counts()),
            _ => {}
        }
    }
    (answered, asked)
}

#[test]
fn wherever_a_batch_meets_a_full_disk_it_happens_wholly_or_not_at_all() {
    let world = World::new(93);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let place = glacis_cloud::Place::File(&path);
    let mut core = world.open(&place);
    core.publish(&world.publish(1)).unwrap();
    let (mut acknowledged, mut outcomes) = (Vec::new(), std::collections::BTreeMap::new());
    for room in 0..40 {
        let limit = |core: &glacis_cloud::CloudCore, pages: i64| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            core.danger_connection().query_row(&sql, [], |_row| Ok(())).unwrap();
        };
        let pages: i64 =
            core.danger_connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        // Small, so that pages have to make room in the middle of a batch.
        core.danger_connection().pragma_update(None, "cache_size", 10).unwrap();
        limit(&core, pages + room / 2);
        core.begin().unwrap();
        let (answered, asked) = mixed_batch(&world, &mut core);
        let committed = core.commit().is_ok();
        limit(&core, 1_000_000);
        *outcomes.entry((committed, answered.len() == 36)).or_insert(0) += 1;
        assert_eq!(core.verify_audit_whole().unwrap().fault, None, "room {room}");
        if committed {
            acknowledged.extend(answered);
        } else {
            for facts in &asked {
                assert!(!decided(core.decide(facts).unwrap()).repeated, "room {room}");
            }
        }
        for reference in &acknowledged {
            core.decision(reference).unwrap();
        }
    }
    drop(core);
    let mut core = world.open(&place);
    for reference in &acknowledged {
        core.decision(reference).unwrap();
    }
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    println!("(committed, all answered): {outcomes:?}");
}

#[test]
fn an_event_of_a_node_whose_clock_is_ahead_counts_as_long_after_a_restart() {
    let world = World::new(94);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let place = glacis_cloud::Place::File(&path);
    let second = Duration::from_secs;
    let mut core = world.open(&place);
    core.publish(&world.publish(1)).unwrap();
    let mut ahead = world.transfer(thumb(1), "ann", "bob", 5);
    let start = ahead.received;
    ahead.received = start.after(second(50));
    core.decide(&ahead).unwrap();
    // The last moment at which a look-back still sees it.
    world.host.advance(second(25 * 3_600 + 20));
    drop(core);
    let mut core = world.open(&place);
    let mut late = world.transfer(thumb(2), "ann", "bob", 5);
    late.received = start.after(second(24 * 3_600 + 30));
    let answer = decided(core.decide(&late).unwrap());
    let answers = core.decision(&answer.reference).unwrap().settled.unwrap().answers.0;
    assert!(answers.iter().any(|stated| stated.answer == Answer::Value(Value::Int(2))), "{answers:?}");
}
