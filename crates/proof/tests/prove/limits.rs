//! What is over a limit is not proven, and whatever bytes are given, there is an answer.
//!
//! A limit must never turn into a proof, nor into a refutation of what is right.

use crate::rich;
use crate::rng::Rng;
use crate::support::{quick, reasons, slices};
use glacis_compiler::Compiled;
use glacis_policy::Slice;
use glacis_proof::prove::{Claim, Limits, Proof, REASONS_MAX, Standing, prove};

fn proof(compiled: &Compiled, slices: &[Vec<u8>; 3], limits: Limits) -> Proof {
    prove(compiled, slices.each_ref().map(Vec::as_slice), limits)
}

#[test]
fn what_is_over_a_limit_is_not_proven_and_named() {
    let compiled = rich::policy();
    let all = slices(&compiled);
    let usual = Limits::default();
    for (limits, claim, names) in [
        (Limits { nodes_max: 8, ..usual }, Claim::Equality, "a decision diagram has more than 8 nodes"),
        (Limits { states_max: 3, ..usual }, Claim::Equality, "more than 3 states of"),
        (Limits { walk_max: 1, ..usual }, Claim::Equality, "comparing it takes more steps than the limit"),
        (Limits { cases_max: 99, ..usual }, Claim::Finality, "more than 99 combinations of effects"),
    ] {
        let proof = proof(&compiled, &all, limits);
        let theorem = proof.theorems.iter().find(|theorem| theorem.claim == claim).unwrap();
        assert!(!proof.is_proven());
        assert!(
            theorem.open.iter().any(|open| open.to_string().contains(names)),
            "{names}\n{}",
            reasons(&proof)
        );
        assert!(proof.theorems.iter().all(|theorem| theorem.open.len() <= REASONS_MAX));
        assert_eq!(theorem.standing(), Standing::NotProven, "{}", reasons(&proof));
    }
}

#[test]
fn bytes_that_are_no_slice_refute_everything() {
    let compiled = rich::policy();
    let mut all = slices(&compiled);
    all[1].pop();
    let proof = proof(&compiled, &all, Limits::default());
    for theorem in &proof.theorems {
        assert_eq!(theorem.standing(), Standing::Refuted);
        assert!(theorem.refuted[0].to_string().contains("edge slice: the slice"));
    }
}

#[test]
fn slices_of_other_zones_are_refuted() {
    let compiled = rich::policy();
    let all = slices(&compiled);
    for order in [[1, 0, 2], [0, 2, 1], [2, 1, 0], [0, 1, 1]] {
        let proof = quick(&compiled, &order.map(|at| all[at].clone()));
        assert_eq!(proof.theorems[0].standing(), Standing::Refuted, "{order:?}");
    }
}

/// One byte in the body of a slice says something else, or the loader refuses it.
#[test]
fn a_changed_byte_that_loads_is_refuted() {
    let compiled = rich::policy();
    let sound = slices(&compiled);
    let mut rng = Rng::new(3);
    let mut refuted = 0;
    for _ in 0..150 {
        let zone = usize::try_from(rng.below(3)).unwrap();
        let mut changed = sound.clone();
        let at = usize::try_from(rng.below(changed[zone].len() as u64)).unwrap();
        changed[zone][at] ^= 1 << rng.below(8);
        if Slice::load(&changed[zone]).is_err() {
            continue;
        }
        let before = Slice::load(&sound[zone]).unwrap();
        let after = Slice::load(&changed[zone]).unwrap();
        let proof = quick(&compiled, &changed);
        if before.parts() != after.parts() {
            assert!(proof.refuted().next().is_some(), "zone {zone} byte {at} is proven");
            refuted += 1;
        }
    }
    assert!(refuted > 5, "{refuted}");
}
