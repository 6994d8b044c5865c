//! The engine that zones run says of random conditions what the reference says: true, false, error, unknown.

use crate::cut::arena::Arena;
use crate::fold::fold;
use crate::reference::{Outcome, evaluate};
use crate::tests::testing::{SIGNALS, catalogue, condition, for_each_case, policy, snapshot, typed};
use glacis_policy::{
    Binding, Close, Effect, Entry, Input, Inputs, Obligations, Parts, Rule, RuleState, Scratch, Slice, Slot,
    Source, reading_of,
};
use glacis_wire::{Cause, EventName, Method, PolicyDigest, SignalName, Trust, Type, Value, Zone};
use std::cell::Cell;

/// A slice of the cloud with one rule, whose state tells all four outcomes apart.
fn parts(slots: Vec<Slot>) -> Parts {
    let event = EventName::parse("test").unwrap();
    let mut parts = Parts::empty(event, Zone::Cloud, Binding::unbound(PolicyDigest::new([0; 32])));
    parts.methods = vec![Method::Otp];
    parts.slots = slots;
    parts.rules = vec![Rule {
        reason: "rule".to_owned(),
        effect: Effect::Block,
        root: 0,
        unknown: Cause::ALL.map(|_| Entry::Milder(Effect::Challenge(Method::Otp))),
        error: Entry::Milder(Effect::SoftBlock),
        obligations: Obligations::NONE,
        device_final: false,
    }];
    parts
}

const fn told(state: RuleState) -> &'static str {
    match state {
        RuleState::Matched { effect: Effect::Block } => "true",
        RuleState::Matched { effect: Effect::SoftBlock } => "error",
        RuleState::Matched { .. } => "unknown",
        RuleState::Unmatched => "false",
        RuleState::Open => "open",
    }
}

#[test]
fn the_engine_says_what_the_reference_says() {
    let (policy, catalogue) = (policy(), catalogue());
    let slots: Vec<Slot> = SIGNALS
        .iter()
        .map(|(name, ty)| Slot {
            name: SignalName::parse(name).unwrap(),
            source: Source::Edge,
            ty: *ty,
            min_trust: Trust::Claimed,
            aggregate: false,
        })
        .collect();
    let seen = Cell::new([0; 4]);
    for_each_case(|random| {
        let text = condition(random, Type::Bool, 4, 40);
        let Ok(folded) = fold(&policy, &typed(&text, &catalogue).unwrap()) else { return };
        let mut arena = Arena::new(&slots);
        let root = arena.add(&folded).unwrap();
        let mut parts = parts(slots.clone());
        arena.finish(&policy, &mut parts);
        parts.rules[0].root = root;
        let slice = Slice::try_new(&parts).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut scratch = Scratch::for_slice(&slice);
        for known in [60, 90, 100] {
            let snapshot = snapshot(random, Trust::Attested, known);
            let want = match evaluate(&policy, &folded, &snapshot, false, false) {
                Outcome::Value(Value::Bool(true)) => "true",
                Outcome::Value(_) | Outcome::Interval(..) => "false",
                Outcome::Error => "error",
                Outcome::Unknown(_) => "unknown",
            };
            let inputs: Vec<Input<'_>> = slots
                .iter()
                .map(|slot| Input {
                    reading: reading_of(&snapshot.answers[&slot.name].answer),
                    trust: Trust::Proven,
                })
                .collect();
            let inputs = Inputs { slots: &inputs, passed: None, close: Close::Here };
            glacis_policy::eval(&slice, &inputs, &mut scratch);
            assert_eq!(told(scratch.rules()[0]), want, "{text}");
            let at = ["true", "false", "error", "unknown"].iter().position(|outcome| *outcome == want);
            let mut counts = seen.get();
            counts[at.unwrap()] += 1;
            seen.set(counts);
        }
    });
    assert!(seen.get().iter().all(|count| *count > 20), "each outcome comes up: {:?}", seen.get());
}
