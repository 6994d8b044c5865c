//! Properties of evaluation over random slices: information order, finality, gain-nothing (invariant 11), reasons
//! (invariant 6).

use crate::generate::{
    WITHHELD, answer, answers, for_each_case, hide, inputs, outcome, parts, passed, pending,
};
use glacis_policy::{Close, Input, Inputs, RuleState, Scratch, Slice, eval};
use glacis_wire::{Trust, Zone};

/// Learning more never contradicts what was said: decided rules stay, and the verdict's interval only shrinks.
#[test]
fn refining_what_is_pending_never_contradicts() {
    for_each_case(|random| {
        let parts = parts(random, Zone::Edge);
        let slice = Slice::try_new(&parts).unwrap();
        let (given, less, passed) = (answers(random, &parts), pending(random, &parts), passed(random));
        let more: Vec<bool> = less.iter().map(|waits| *waits && random.chance(50)).collect();
        let mut scratch = Scratch::for_slice(&slice);
        let run = |pending: &[bool], scratch: &mut Scratch| {
            eval(&slice, &Inputs { slots: &inputs(&given, pending), passed, close: Close::Open }, scratch)
        };
        let early = run(&less, &mut scratch);
        let states = scratch.rules().to_vec();
        let late = run(&more, &mut scratch);
        for (early, late) in states.iter().zip(scratch.rules()) {
            assert!(*early == RuleState::Open || early == late, "{early:?} became {late:?}");
        }
        assert!(slice.rank(early.mildest) <= slice.rank(late.mildest));
        assert!(slice.rank(late.mildest) <= slice.rank(late.strictest));
        assert!(slice.rank(late.strictest) <= slice.rank(early.strictest));
        assert!(early.settled.is_none() || early.settled == late.settled);
        assert!(late.obligations.covers(early.obligations));
    });
}

/// What the edge settles before the cloud is asked, every completion by the cloud agrees with: with any answers
/// to what was pending, and any rules behind the summary.
#[test]
fn what_the_edge_settles_every_completion_agrees_with() {
    let settled = std::cell::Cell::new(0_u32);
    for_each_case(|random| {
        let whole = parts(random, Zone::Cloud);
        let keep = random.below(whole.rules.len() + 1);
        let cut = Slice::try_new(&hide(&whole, keep)).unwrap();
        let full = Slice::try_new(&whole).unwrap();
        let (mut given, waits, passed) = (answers(random, &whole), pending(random, &whole), passed(random));
        let edge = {
            let slots = inputs(&given, &waits);
            outcome(&cut, &Inputs { slots: &slots, passed, close: Close::Open })
        };
        for _ in 0..4 {
            for (at, given) in given.iter_mut().enumerate().filter(|(at, _)| waits[*at]) {
                *given = (answer(random, whole.slots[at].ty), Trust::Proven);
            }
            let slots = inputs(&given, &[]);
            let cloud = outcome(&full, &Inputs { slots: &slots, passed, close: Close::Here });
            let verdict = cloud.settled.unwrap();
            assert!(edge.settled.is_none_or(|early| early == verdict), "{edge:?} and {cloud:?}");
            assert!(full.rank(edge.mildest) <= full.rank(verdict));
            assert!(full.rank(verdict) <= full.rank(edge.strictest));
        }
        settled.set(settled.get() + u32::from(edge.settled.is_some()));
    });
    assert!(settled.get() > 0, "no case settled at the edge: the property was not exercised");
}

/// A zone that closes always settles.
#[test]
fn the_cloud_and_an_edge_in_an_outage_always_settle() {
    for_each_case(|random| {
        let whole = parts(random, Zone::Cloud);
        let keep = random.below(whole.rules.len() + 1);
        let (given, waits) = (answers(random, &whole), pending(random, &whole));
        let slots = inputs(&given, &waits);
        let cloud = Slice::try_new(&whole).unwrap();
        let here = outcome(&cloud, &Inputs { slots: &slots, passed: None, close: Close::Here });
        assert_eq!(here.settled, Some(here.mildest));
        let edge = Slice::try_new(&hide(&whole, keep)).unwrap();
        let outage = outcome(&edge, &Inputs { slots: &slots, passed: None, close: Close::CloudUnavailable });
        assert_eq!(outage.settled, Some(outage.strictest));
    });
}

/// Invariant 11: whatever is claimed in place of what is not trusted, the verdict is no milder than if it were
/// withheld.
#[test]
fn invariant_11_no_claim_buys_a_milder_verdict_than_withholding() {
    for_each_case(|random| {
        let zone = random.pick(&[Zone::Edge, Zone::Cloud]);
        let parts = parts(random, zone);
        let slice = Slice::try_new(&parts).unwrap();
        let (mut given, waits, passed) = (answers(random, &parts), pending(random, &parts), passed(random));
        let untrusted = |slot: usize, trust: Trust| trust < parts.slots[slot].min_trust && !waits[slot];
        let close = random.pick(&[Close::CloudUnavailable, Close::Here]);
        let honest: Vec<Input<'_>> = inputs(&given, &waits)
            .into_iter()
            .enumerate()
            .map(
                |(at, input)| {
                    if untrusted(at, input.trust) { Input { reading: WITHHELD, ..input } } else { input }
                },
            )
            .collect();
        let withheld = outcome(&slice, &Inputs { slots: &honest, passed, close }).settled.unwrap();
        drop(honest);
        for _ in 0..4 {
            for (at, (claim, trust)) in given.iter_mut().enumerate() {
                if untrusted(at, *trust) {
                    *claim = answer(random, parts.slots[at].ty);
                }
            }
            let slots = inputs(&given, &waits);
            let claimed = outcome(&slice, &Inputs { slots: &slots, passed, close }).settled.unwrap();
            assert!(slice.rank(claimed) >= slice.rank(withheld), "{claimed:?} for {withheld:?}");
        }
    });
}

/// Invariant 6: whatever is not allowed has a rule to name as its reason. Left out: a score class that no points
/// at all reach already, which no rule stands for.
#[test]
fn invariant_6_every_challenge_and_block_has_a_reason() {
    for_each_case(|random| {
        let mut parts = parts(random, Zone::Cloud);
        parts.classes.retain(|class| class.at_least > 0);
        let slice = Slice::try_new(&parts).unwrap();
        let (given, passed) = (answers(random, &parts), passed(random));
        let slots = inputs(&given, &[]);
        let mut scratch = Scratch::for_slice(&slice);
        let outcome = eval(&slice, &Inputs { slots: &slots, passed, close: Close::Here }, &mut scratch);
        let reasons = scratch.reasons(&slice).count();
        assert!(outcome.settled == Some(glacis_wire::Verdict::Allow) || reasons > 0, "{outcome:?}");
    });
}

/// A passed method never makes a verdict stricter, and never touches a block.
#[test]
fn passing_a_method_only_removes_challenges() {
    for_each_case(|random| {
        let parts = parts(random, Zone::Cloud);
        let slice = Slice::try_new(&parts).unwrap();
        let given = answers(random, &parts);
        let slots = inputs(&given, &[]);
        let run = |passed| outcome(&slice, &Inputs { slots: &slots, passed, close: Close::Here }).mildest;
        let (bare, passed) = (run(None), passed(random).map_or(run(None), |method| run(Some(method))));
        assert!(slice.rank(passed) <= slice.rank(bare));
        assert_eq!(passed == glacis_wire::Verdict::Block, bare == glacis_wire::Verdict::Block);
    });
}

/// What a device does early, an honest run downstream is at least as strict as.
#[test]
fn what_a_device_does_early_no_completion_is_milder_than() {
    for_each_case(|random| {
        let mut parts = parts(random, Zone::Device);
        parts.releases.clear();
        parts.values.clear();
        let device = Slice::try_new(&parts).unwrap();
        let (given, passed) = (answers(random, &parts), passed(random));
        let slots = inputs(&given, &[]);
        let early = outcome(&device, &Inputs { slots: &slots, passed, close: Close::Open });
        parts.zone = Zone::Cloud;
        parts.slots.iter_mut().for_each(|slot| slot.source = glacis_policy::Source::Value(0));
        parts.rules.iter_mut().for_each(|rule| rule.device_final = false);
        let cloud = Slice::try_new(&parts).unwrap();
        let late = outcome(&cloud, &Inputs { slots: &slots, passed, close: Close::Here }).mildest;
        assert!(early.settled.is_none_or(|settled| settled == late), "{early:?} and {late:?}");
        let started = early.starts.map_or(0, |method| cloud.rank(glacis_wire::Verdict::Challenge(method)));
        assert!(cloud.rank(late) >= started, "{early:?} and {late:?}");
    });
}
