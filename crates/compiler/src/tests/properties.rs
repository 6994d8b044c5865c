//! Promises over random conditions and snapshots: folding, release nodes, text, gain-nothing.

use crate::checked::{Release, Rule};
use crate::cut::nodes::{NodeTable, take};
use crate::diagnostic::Span;
use crate::fold::fold;
use crate::reference::{Outcome, Snapshot, evaluate, whole};
use crate::render::render;
use crate::tests::testing::{Random, catalogue, condition, for_each_case, policy, snapshot, typed};
use glacis_policy::{Effect, Entry, Obligations, ScoreClass};
use glacis_wire::{Answer, Cause, Causes, Given, Method, Trust, Type, Zone};
use std::cell::Cell;

/// Equal as outcomes; NaN is NaN.
fn same(a: &Outcome, b: &Outcome) -> bool {
    a == b || format!("{a:?}") == format!("{b:?}")
}

#[test]
fn folding_keeps_every_outcome() {
    let (policy, catalogue) = (policy(), catalogue());
    let (total, folded_away, refused) = (Cell::new(0), Cell::new(0), Cell::new(0));
    for_each_case(|random| {
        total.set(total.get() + 1);
        let constants = random.pick(&[10, 40, 70]);
        let text = condition(random, Type::Bool, 4, constants);
        let expr = typed(&text, &catalogue).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let Ok(folded) = fold(&policy, &expr) else {
            refused.set(refused.get() + 1);
            return;
        };
        folded_away.set(folded_away.get() + usize::from(folded.readings().len() < expr.readings().len()));
        for known in [0, 50, 90] {
            let snapshot = snapshot(random, Trust::Claimed, known);
            for trusted in [false, true] {
                let source = evaluate(&policy, &expr, &snapshot, trusted, false);
                let after = evaluate(&policy, &folded, &snapshot, trusted, false);
                assert!(
                    same(&source, &after),
                    "{text} gave {source:?}, folded {} gave {after:?}",
                    render(&folded)
                );
            }
        }
    });
    assert!(folded_away.get() * 20 > total.get(), "the generator makes conditions that fold");
    assert!(
        refused.get() * 4 < total.get(),
        "and few that are refused: {} of {}",
        refused.get(),
        total.get()
    );
}

#[test]
fn a_folded_condition_of_unknown_inputs_is_unknown() {
    let (policy, catalogue) = (policy(), catalogue());
    for_each_case(|random| {
        let text = condition(random, Type::Bool, 4, 30);
        let expr = typed(&text, &catalogue).unwrap();
        let Ok(folded) = fold(&policy, &expr) else { return };
        if folded.readings().is_empty() {
            return;
        }
        // An empty snapshot: every signal is unknown(withheld).
        let outcome = evaluate(&policy, &folded, &Snapshot::default(), false, false);
        assert_eq!(
            outcome,
            Outcome::Unknown(Causes::of(Cause::Withheld)),
            "{text} folded to {}",
            render(&folded)
        );
    });
}

#[test]
fn rendered_text_is_the_same_condition() {
    let (policy, catalogue) = (policy(), catalogue());
    for_each_case(|random| {
        let text = condition(random, Type::Bool, 4, 40);
        let expr = typed(&text, &catalogue).unwrap();
        let again = typed(&render(&expr), &catalogue).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(render(&again), render(&expr), "{text}");
        let snapshot = snapshot(random, Trust::Attested, 70);
        let (a, b) = (
            evaluate(&policy, &expr, &snapshot, false, false),
            evaluate(&policy, &again, &snapshot, false, false),
        );
        assert!(same(&a, &b), "{text} and {} differ", render(&expr));
    });
}

fn rule(when: crate::checked::Expr, effect: Effect, random: &mut Random) -> Rule {
    let entries = [
        Entry::Skip,
        Entry::Match,
        Entry::Milder(Effect::Challenge(Method::Otp)),
        Entry::Milder(Effect::Challenge(Method::Passkey)),
        Entry::Milder(Effect::SoftBlock),
    ];
    Rule {
        id: format!("r{}", random.next() % 1000),
        when,
        effect,
        text: Zone::Device,
        place: None,
        release: Release::Nodes { nodes: 0, values: Vec::new(), vs_request: false },
        buckets: Vec::new(),
        declassify: Vec::new(),
        reveal: Vec::new(),
        unknown: Cause::ALL.map(|_| random.pick(&entries)),
        error: random.pick(&entries),
        obligations: Obligations::NONE,
        span: Span::default(),
        release_span: None,
    }
}

/// Taking release nodes out and putting their outcomes back changes nothing, in both planes.
#[test]
fn nodes_carry_all_that_a_condition_needs() {
    let (policy, catalogue) = (policy(), catalogue());
    let (taken_out, shared) = (Cell::new(0), Cell::new(0));
    for_each_case(|random| {
        let text = condition(random, Type::Bool, 4, 30);
        let expr = typed(&text, &catalogue).unwrap();
        let Ok(folded) = fold(&policy, &expr) else { return };
        let mut table = NodeTable::default();
        let mut rule = rule(folded.clone(), Effect::Block, random);
        // The declared number is not the point here: ask for what is found.
        let taken = (0..64).find_map(|nodes| {
            rule.release = Release::Nodes { nodes, values: Vec::new(), vs_request: false };
            table = NodeTable::default();
            take(&policy, &rule, &folded, &mut table).ok()
        });
        let Some(taken) = taken else { return };
        taken_out.set(taken_out.get() + usize::from(!table.nodes.is_empty()));
        shared.set(shared.get() + usize::from(taken.root.readings().len() > taken.nodes.len()));
        let trust = random.pick(&[Trust::Claimed, Trust::Attested]);
        let snapshot = snapshot(random, trust, 70);
        let mut far = snapshot.clone();
        let mut distant = policy.clone();
        for (at, node) in table.nodes.iter().enumerate() {
            let name = glacis_wire::SignalName::parse(&format!("node.{at}")).unwrap();
            let outcome = evaluate(&policy, &node.expr, &snapshot, false, false);
            let answer = match outcome {
                Outcome::Value(value) => Answer::Value(value),
                Outcome::Error => Answer::Error,
                Outcome::Interval(interval, _) => Answer::Interval(interval),
                Outcome::Unknown(_) => Answer::unknown(Cause::Withheld),
            };
            far.answers.insert(name.clone(), Given { answer, trust });
            let signal = crate::tests::testing::signal("node.1", Type::Bool);
            distant
                .signals
                .insert(name.clone(), crate::catalogue::Signal { name, min_trust: node.min_trust, ..signal });
        }
        far.answers.retain(|name, _| !name.as_str().starts_with('x') || name.as_str().ends_with('2'));
        for trusted in [false, true] {
            let near = evaluate(&policy, &expr, &snapshot, trusted, false);
            let through = evaluate(&distant, &taken.root, &far, trusted, false);
            assert!(same(&near, &through), "{text}: {near:?}, through nodes {through:?}");
        }
    });
    assert!(taken_out.get() > 50 && shared.get() > 10, "{} {}", taken_out.get(), shared.get());
}

/// Invariant 11: no disclosure buys a milder verdict than withholding what is not trusted.
#[test]
fn invariant_11_disclosure_gains_nothing_over_withholding() {
    let catalogue = catalogue();
    let stricter = Cell::new(0);
    for_each_case(|random| {
        let mut policy = policy();
        let effects = [
            Effect::Block,
            Effect::SoftBlock,
            Effect::Challenge(Method::Otp),
            Effect::Challenge(Method::Passkey),
            Effect::Exempt,
            Effect::Score(30),
            Effect::Score(-30),
        ];
        for _ in 0..1 + random.below(5) {
            let when = typed(&condition(random, Type::Bool, 3, 20), &catalogue).unwrap();
            let effect = random.pick(&effects);
            let rule = rule(when, effect, random);
            policy.rules.push(rule);
        }
        policy.classes = vec![
            ScoreClass { at_least: 30, effect: Effect::Challenge(Method::Otp) },
            ScoreClass { at_least: 60, effect: Effect::SoftBlock },
        ];
        let disclosed = snapshot(random, Trust::Claimed, 70);
        let mut withheld = disclosed.clone();
        for (name, given) in &mut withheld.answers {
            if given.trust < policy.signals[name].min_trust {
                given.answer = Answer::unknown(Cause::Withheld);
            }
        }
        let passed = random.pick(&[None, Some(Method::Otp), Some(Method::Passkey)]);
        let (with, without) =
            (whole(&policy, &disclosed, passed, false), whole(&policy, &withheld, passed, false));
        assert!(
            policy.rank(with.verdict) >= policy.rank(without.verdict),
            "disclosing gave {:?}, withholding {:?}",
            with.verdict,
            without.verdict
        );
        stricter.set(stricter.get() + usize::from(with.verdict != without.verdict));
    });
    assert!(stricter.get() > 5, "incriminating claims are believed: {}", stricter.get());
}
