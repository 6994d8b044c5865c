//! Which rules are computed only in part, and that the parts come to the whole.

use super::text::Case;
use super::{outcome_of, run, states};
use crate::eval::Close;
use crate::tree::Slice;
use alloc::format;
use glacis_wire::Zone;

#[test]
fn only_a_conjunction_of_atoms_that_occur_once_has_a_residue() {
    for (expression, want) in [
        ("(&& (> i1 3) (> (+ i1 i2) 3))", 1),
        ("(&& (&& (== i1 i2) b1) (! (== s1 s2)))", 2),
        ("(&& (|| b1 (! b2)) (== i1 i2))", 1),
        ("(&& (? b1 b2 b3) (== i1 i2))", 1),
        // Nothing but what is computed, and nothing that is.
        ("(&& (== i1 i2) (== s1 s2))", 0),
        ("(&& b1 b2)", 0),
        // A disjunction.
        ("(|| b1 (== i1 i2))", 0),
        ("(&& b1 (|| b2 (== i1 i2)))", 0),
    ] {
        let slice =
            Slice::try_new(&Case::new(Zone::Edge, &format!("block: {expression}"), "").parts).unwrap();
        assert_eq!(slice.orders.residue(0).len(), want, "{expression}");
    }
}

#[test]
fn a_residue_and_what_the_terms_say_come_to_the_condition() {
    let expression = "(&& (? b1 b2 b3) (> (+ i1 i2) 3))";
    for b1 in ["true", "false", "error", "?denied", "missing"] {
        for i1 in ["1", "3", "error", "?denied", "?absent", "missing"] {
            let inputs = format!("b1={b1} b2=true b3=false i1={i1} i2=1");
            let rule = format!("block denied=skip absent=otp error=soft: {expression}");
            let ran = run(&Case::new(Zone::Edge, &rule, &inputs), None, Close::Open);
            let want = match outcome_of(expression, &inputs).as_str() {
                "true" => "block",
                "error" => "soft",
                "unknown(absent)" | "unknown(denied+absent)" | "unknown(absent+denied)" => "otp",
                _ => "unmatched",
            };
            assert_eq!(states(&ran), want, "{inputs}");
        }
    }
}
