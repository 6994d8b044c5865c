//! Every seeded bug is visible from outside: it changes an outcome, a rule state or a disclosure somewhere.

#![expect(clippy::unwrap_used, reason = "test code")]

use crate::generate::{Random, answers, hide, inputs, parts, passed, pending};
use glacis_policy::mutant::{Mutant, disclose_mutant, eval_mutant};
use glacis_policy::{Close, Inputs, Scratch, Slice, disclose, eval};
use glacis_wire::{Encode, Zone};

#[test]
fn every_mutant_shows_in_some_random_case() {
    assert!(Mutant::ALL.len() >= 20);
    let unseen: Vec<_> =
        Mutant::ALL.iter().filter(|mutant| !(0..100_000).any(|seed| shows(**mutant, seed))).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// Whether the mutant differs from the sound evaluator in one random case.
fn shows(mutant: Mutant, seed: u64) -> bool {
    let mut random = Random::new(seed);
    let zone = random.pick(&Zone::ALL);
    let mut parts = parts(&mut random, zone);
    if zone == Zone::Edge {
        parts = hide(&parts, random.below(parts.rules.len() + 1));
        parts.hidden.unavailable.soft = parts.hidden.soft;
    }
    let slice = Slice::try_new(&parts).unwrap();
    let (given, waits) = (answers(&mut random, &parts), pending(&mut random, &parts));
    let slots = inputs(&given, &waits);
    let close = random.pick(&[Close::Open, Close::CloudUnavailable, Close::Here]);
    let inputs = Inputs { slots: &slots, passed: passed(&mut random), close };
    let (mut sound, mut slipped) = (Scratch::for_slice(&slice), Scratch::for_slice(&slice));
    let same_outcome =
        eval(&slice, &inputs, &mut sound) == eval_mutant(mutant, &slice, &inputs, &mut slipped);
    let disclosed = disclose(&slice, &sound, &inputs).to_bytes().unwrap();
    let slipped_disclosed = disclose_mutant(mutant, &slice, &slipped, &inputs).to_bytes().unwrap();
    !same_outcome || disclosed != slipped_disclosed
}
