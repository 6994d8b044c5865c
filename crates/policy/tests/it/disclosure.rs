//! What leaves a device is its layout and nothing else.

use crate::generate::{answers, for_each_case, inputs, parts};
use glacis_policy::{Close, Inputs, Scratch, Slice, disclose, eval};
use glacis_wire::{Answer, Cause, Decode, Disclosed, Encode, NodeOutcome, Zone};

/// Runs a device slice and discloses.
fn disclosed(slice: &Slice, given: &[crate::generate::Given]) -> (Disclosed, Scratch) {
    let slots = inputs(given, &[]);
    let device = Inputs { slots: &slots, passed: None, close: Close::Open };
    let mut scratch = Scratch::for_slice(slice);
    eval(slice, &device, &mut scratch);
    (disclose(slice, &scratch, &device), scratch)
}

#[test]
fn a_disclosure_always_has_its_whole_layout_and_states_no_cause_but_withheld() {
    for_each_case(|random| {
        let parts = parts(random, Zone::Device);
        let slice = Slice::try_new(&parts).unwrap();
        let (disclosed, scratch) = disclosed(&slice, &answers(random, &parts));
        assert_eq!((disclosed.nodes.len(), disclosed.values.len()), slice.layout());
        assert_eq!(disclosed.nodes, scratch.releases(&slice).collect::<Vec<NodeOutcome>>());
        let withheld = Answer::unknown(Cause::Withheld);
        for value in &disclosed.values {
            assert!(!matches!(value, Answer::Unknown(_)) || *value == withheld);
        }
        let bytes = disclosed.to_bytes().unwrap();
        assert_eq!(Disclosed::from_bytes(&bytes).unwrap().to_bytes().unwrap(), bytes);
    });
}

/// Inputs that agree on the declared releases leave the same bytes, whatever else differs (invariant 2).
#[test]
fn invariant_2_what_leaves_is_a_function_of_the_declared_releases() {
    for_each_case(|random| {
        let parts = parts(random, Zone::Device);
        let slice = Slice::try_new(&parts).unwrap();
        let mut given = answers(random, &parts);
        let (first, _) = disclosed(&slice, &given);
        for (at, given) in given.iter_mut().enumerate() {
            if !parts.values.iter().any(|slot| usize::from(*slot) == at) && random.chance(50) {
                given.0 = crate::generate::answer(random, parts.slots[at].ty);
            }
        }
        let (second, _) = disclosed(&slice, &given);
        let same = first.nodes == second.nodes;
        assert_eq!(same, first.to_bytes().unwrap() == second.to_bytes().unwrap());
    });
}
