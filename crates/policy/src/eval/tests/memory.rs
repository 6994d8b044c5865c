//! Evaluation stays inside the scratch that was made for it.
//!
//! The crate forbids unsafe code, so no counting allocator can stand here. The evaluator holds no container but
//! the vectors of the scratch and calls nothing that returns an owned one; that these neither move nor grow is
//! what remains to show.

use super::text::Case;
use crate::eval::{Close, Inputs, Scratch, eval};
use crate::tree::Slice;
use glacis_wire::Zone;

#[test]
fn evaluation_neither_moves_nor_grows_its_scratch() {
    let rules =
        "block: (|| b1 (in s1 ['a','b'])); otp: (> (size s1) 3); exempt: (== t1 ['x']); score(3): (has i1)";
    for inputs in
        ["b1=true s1='abcd' t1=['x'] i1=3", "b1~true s1=error t1~['x']", "s1=missing i1=?denied", ""]
    {
        let case = Case::new(Zone::Edge, rules, inputs);
        let slice = Slice::try_new(&case.parts).unwrap();
        let slots = case.inputs();
        let mut scratch = Scratch::for_slice(&slice);
        let before = scratch.footprint();
        for close in [Close::Open, Close::CloudUnavailable, Close::Here, Close::Open] {
            eval(&slice, &Inputs { slots: &slots, passed: None, close }, &mut scratch);
            assert_eq!(scratch.footprint(), before, "{inputs}");
        }
    }
}

#[test]
fn a_scratch_of_another_slice_gives_the_same_outcome() {
    let small = Slice::try_new(&Case::new(Zone::Edge, "", "").parts).unwrap();
    let case = Case::new(Zone::Edge, "block: (&& b1 b2); otp: b1", "b1=true b2~true");
    let slice = Slice::try_new(&case.parts).unwrap();
    let slots = case.inputs();
    let inputs = Inputs { slots: &slots, passed: None, close: Close::Open };
    let fresh = eval(&slice, &inputs, &mut Scratch::for_slice(&slice));
    assert_eq!(eval(&slice, &inputs, &mut Scratch::for_slice(&small)), fresh);
}

#[test]
fn slots_without_an_input_are_withheld() {
    let case = Case::new(Zone::Edge, "block withheld=otp: b1", "b1=false");
    let slice = Slice::try_new(&case.parts).unwrap();
    let inputs = Inputs { slots: &[], passed: None, close: Close::Open };
    let outcome = eval(&slice, &inputs, &mut Scratch::for_slice(&slice));
    assert_eq!(super::show_outcome(&outcome), "challenge(otp)");
}
