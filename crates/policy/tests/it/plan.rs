//! The plan says what the arena says, is a function of it, and costs no more than declared.

#![expect(clippy::cast_precision_loss, reason = "test code")]

use crate::generate::{Random, answers, for_each_case, inputs, parts, passed, pending};
use glacis_policy::mutant::{eval_computed, eval_counted};
use glacis_policy::{Close, Indexing, Input, Inputs, Reading, Scratch, Slice, eval};
use glacis_wire::{Cause, Causes, Trust, Zone};
use std::cell::Cell;

#[test]
fn rules_by_the_plan_are_rules_by_their_conditions() {
    let indexed = Cell::new([0; 3]);
    for_each_case(|random| {
        let zone = random.pick(&[Zone::Edge, Zone::Cloud]);
        let parts = parts(random, zone);
        let slice = Slice::try_new(&parts).unwrap();
        let (mut planned, mut computed) = (Scratch::for_slice(&slice), Scratch::for_slice(&slice));
        let mut counts = indexed.get();
        slice.indexing().for_each(|indexing| counts[indexing as usize] += 1);
        indexed.set(counts);
        for _ in 0..4 {
            let (given, waits) = (answers(random, &parts), pending(random, &parts));
            let mut slots = inputs(&given, &waits);
            if random.chance(30) {
                slots.iter_mut().for_each(|slot| slot.trust = Trust::Proven);
            }
            let close = random.pick(&[Close::Open, Close::CloudUnavailable, Close::Here]);
            let inputs = Inputs { slots: &slots, passed: passed(random), close };
            let outcome = eval(&slice, &inputs, &mut planned);
            assert_eq!(outcome, eval_computed(&slice, &inputs, &mut computed));
            assert_eq!(planned.rules(), computed.rules());
        }
    });
    let [whole, part, nothing] = indexed.get();
    assert!(whole > part && part > 0 && nothing > 0, "{:?}", indexed.get());
    assert_eq!([Indexing::Whole as usize, Indexing::Part as usize, Indexing::Nothing as usize], [0, 1, 2]);
}

#[test]
fn equal_parts_have_equal_plans() {
    for_each_case(|random| {
        let zone = random.pick(&Zone::ALL);
        let bytes = parts(random, zone).encode().unwrap();
        assert_eq!(Slice::load(&bytes).unwrap().parts().encode().unwrap(), bytes);
    });
}

/// Over random and over the worst inputs: sound, and not far above what happens.
#[test]
fn no_evaluation_takes_more_steps_than_declared() {
    let worst = Cell::new(f64::MAX);
    for_each_case(|random| {
        let zone = random.pick(&Zone::ALL);
        let parts = parts(random, zone);
        let slice = Slice::try_new(&parts).unwrap();
        let mut scratch = Scratch::for_slice(&slice);
        let mut run = |slots: &[Input<'_>]| {
            let inputs = Inputs { slots, passed: None, close: Close::Open };
            let (_, steps) = eval_counted(&slice, &inputs, &mut scratch);
            assert!(steps <= slice.steps_max(), "{steps} of {}", slice.steps_max());
            steps
        };
        for _ in 0..4 {
            let (given, waits) = (answers(random, &parts), pending(random, &parts));
            run(&inputs(&given, &waits));
        }
        let all = Cause::ALL.into_iter().map(Causes::of).fold(Causes::PENDING, Causes::union);
        let nothing = Input { reading: Reading::Unknown(all), trust: Trust::Claimed };
        let seen = run(&vec![nothing; parts.slots.len()]);
        // A model of which nothing is known is not asked: such inputs are not the worst for a slice that asks one.
        if parts.calls.is_empty() {
            worst.set(worst.get().min(seen as f64 / slice.steps_max() as f64));
        }
    });
    assert!(worst.get() >= 0.25, "the bound is {} of the worst", 1.0 / worst.get());
}

#[test]
fn every_flipped_bit_is_refused_or_is_a_slice_that_stays_in_bounds() {
    let mut random = Random::new(7);
    let parts = parts(&mut random, Zone::Cloud);
    let bytes = parts.encode().unwrap();
    let given = answers(&mut random, &parts);
    let slots = inputs(&given, &[]);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let Ok(slice) = Slice::load(&flipped) else { continue };
            let inputs = Inputs { slots: &slots, passed: None, close: Close::Here };
            let (_, steps) = eval_counted(&slice, &inputs, &mut Scratch::for_slice(&slice));
            assert!(steps <= slice.steps_max());
        }
        assert!(Slice::load(&bytes[..at]).is_err());
    }
}
