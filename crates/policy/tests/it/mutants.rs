//! Every seeded bug is visible from outside: it changes an outcome, a rule state or a disclosure somewhere.

#![expect(clippy::unwrap_used, reason = "test code")]

use crate::generate::{Random, answers, hide, inputs, parts, passed, pending};
use glacis_policy::mutant::{Mutant, disclose_mutant, eval_mutant};
use glacis_policy::{Close, Inputs, Scratch, Slice, disclose, eval};
use glacis_wire::{Encode, Zone};

#[test]
fn every_mutant_shows_in_some_random_case() {
    assert!(Mutant::ALL.len() >= 80);
    let mut unseen = Mutant::ALL.to_vec();
    for seed in 0..100_000 {
        if unseen.is_empty() {
            break;
        }
        shown(&mut unseen, seed);
    }
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// Removes the mutants that differ from the sound evaluator in one random case.
fn shown(unseen: &mut Vec<Mutant>, seed: u64) {
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
    let outcome = eval(&slice, &inputs, &mut sound);
    let disclosed = disclose(&slice, &sound, &inputs).to_bytes().unwrap();
    unseen.retain(|mutant| {
        let same_outcome = outcome == eval_mutant(*mutant, &slice, &inputs, &mut slipped);
        let slipped_disclosed = disclose_mutant(*mutant, &slice, &slipped, &inputs).to_bytes().unwrap();
        same_outcome && sound.rules() == slipped.rules() && disclosed == slipped_disclosed
    });
}
