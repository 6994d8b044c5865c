//! Aggregates that are known to lie between two ends: atoms over them, terms that compare one twice, finality.

use super::text::Case;
use super::{outcome_of, run, show_outcome, states};
use crate::eval::Close;
use crate::load::Fault;
use crate::tree::{Effect, ScoreClass, Slice, Source};
use alloc::vec;
use glacis_wire::{Method, Type, Zone};

/// Each row: expression, inputs, outcome.
fn check(rows: &[(&str, &str, &str)]) {
    for (expression, inputs, want) in rows {
        assert_eq!(outcome_of(expression, inputs), *want, "{expression} with {inputs}");
    }
}

#[test]
fn an_atom_is_known_where_all_numbers_decide_alike() {
    check(&[
        ("(> a1 3)", "a1=4..9", "true"),
        ("(> a1 3)", "a1=3..9", "unknown(inexact)"),
        ("(> a1 3)", "a1=0..3", "false"),
        ("(< 3 a1)", "a1=4..9", "true"),
        ("(== a1 3)", "a1=0..2", "false"),
        ("(== a1 3)", "a1=0..9", "unknown(inexact)"),
        ("(!= a1 3)", "a1=4..9", "true"),
        ("(== a1 3)", "a1=3..3", "true"),
        ("(> (+ a1 1) 3)", "a1=3..3", "true"),
        ("(>= r1 0.5)", "r1=0.5..2.0", "true"),
        ("(> r1 0.5)", "r1=0.5..2.0", "unknown(inexact)"),
        ("(has a1)", "a1=0..9", "true"),
    ]);
}

#[test]
fn two_intervals_and_arithmetic_are_inexact() {
    check(&[
        ("(> a1 a2)", "a1=5..9 a2=0..1", "unknown(inexact)"),
        ("(== a1 a1)", "a1=5..9", "unknown(inexact)"),
        ("(> a1 a2)", "a1=5..9 a2=0..0", "true"),
        ("(> a1 i1)", "a1=5..9 i1=7", "unknown(inexact)"),
        ("(> a1 i1)", "a1=5..9 i1=4", "true"),
        ("(> a1 i1)", "a1=5..9 i1=?absent", "unknown(absent)"),
        ("(> (+ a1 i1) 0)", "a1=5..9 i1=4", "unknown(inexact)"),
        ("(> (neg a1) 0)", "a1=5..9", "unknown(inexact)"),
        ("(> (/ a1 0) 0)", "a1=5..9", "unknown(inexact)"),
        ("(> (+ a1 i1) 0)", "a1=5..9 i1=error", "error"),
        ("(> (? b1 a1 i1) 3)", "a1=5..9 b1=true i1=0", "true"),
        ("(> (? b1 a1 i1) 3)", "a1=5..9 b1=?absent i1=0", "unknown(absent)"),
    ]);
}

#[test]
fn atoms_over_one_interval_are_independent() {
    // Whatever the number is one of the two is false, and still neither is known to be.
    check(&[
        ("(&& (< a1 3) (> a1 5))", "a1=0..9", "unknown(inexact)"),
        ("(&& (< a1 3) (> a1 5))", "a1=3..9", "false"),
        ("(|| (< a1 6) (> a1 2))", "a1=0..9", "unknown(inexact)"),
        ("(|| (< a1 3) (! (< a1 3)))", "a1=0..9", "unknown(inexact)"),
    ]);
    for (rules, inputs, want) in [
        ("block inexact=match: (&& (< a1 3) (> a1 5))", "a1=0..9", "block"),
        ("block inexact=match: (&& (< a1 3) (> a1 5))", "a1=3..9", "unmatched"),
        ("block inexact=match: (&& b1 (&& (< a1 3) (> a1 5)))", "a1=0..9 b1=false", "unmatched"),
        ("block absent=match: (&& b1 (&& (< a1 3) (> a1 5)))", "a1=0..9 b1=?absent", "block"),
    ] {
        let ran = run(&Case::new(Zone::Cloud, rules, inputs), None, Close::Here);
        assert_eq!(states(&ran), want, "{rules} with {inputs}");
    }
}

#[test]
fn an_interval_is_open_for_its_own_cause_and_withheld_below_its_trust() {
    check(&[
        ("(> a1 3)", "a1~4..9", "true | unknown(withheld)"),
        ("(> a1 3)", "a1~0..9", "unknown(inexact) | unknown(withheld)"),
        ("(has a1)", "a1~0..9", "true | unknown(withheld)"),
    ]);
    for (rules, inputs, want) in [
        ("block inexact=otp: (> a1 3)", "a1=0..9", "otp"),
        ("block: (> a1 3)", "a1=0..9", "unmatched"),
        ("block withheld=otp: (> a1 3)", "a1~0..9", "otp"),
        ("block withheld=otp: (> a1 3)", "a1~4..9", "block"),
        ("exempt: (> a1 3)", "a1~4..9", "unmatched"),
        ("exempt: (> a1 3)", "a1=4..9", "exempt"),
    ] {
        let ran = run(&Case::new(Zone::Cloud, rules, inputs), None, Close::Here);
        assert_eq!(states(&ran), want, "{rules} with {inputs}");
    }
}

/// The sum of points is an interval while rules are open, and final is what both of its ends come to.
#[test]
fn sums_of_points_are_bounded_while_rules_are_open() {
    for (rules, inputs, want) in [
        ("score(10): b1; score(5): b2", "b1=true", "challenge(otp)"),
        ("score(10): b1; score(10): b2", "b1=true", "challenge(otp)..challenge(passkey)"),
        ("score(10): b1; score(-1): b2", "b1=true", "allow..challenge(otp)"),
        ("score(11): b1; score(-1): b2", "b1=true", "challenge(otp)"),
        ("score(10): b1; score(30): b2; score(-30): b3", "b1=true", "allow..block"),
        ("score(5): (> a1 3); score(5): b1", "a1=4..9 b1=true", "challenge(otp)"),
    ] {
        let mut case = Case::new(Zone::Edge, rules, inputs);
        case.parts.classes = vec![
            ScoreClass { at_least: 10, effect: Effect::Challenge(Method::Otp) },
            ScoreClass { at_least: 20, effect: Effect::Challenge(Method::Passkey) },
            ScoreClass { at_least: 30, effect: Effect::SoftBlock },
        ];
        assert_eq!(show_outcome(&run(&case, None, Close::Open).outcome), want, "{rules} with {inputs}");
    }
}

#[test]
fn only_numbers_that_edge_or_cloud_sum_up_are_aggregates() {
    let case = Case::new(Zone::Edge, "block: (> a1 3)", "a1=1");
    for (ty, source, good) in [
        (Type::Int, Source::Edge, true),
        (Type::Int, Source::Cloud, true),
        (Type::Int, Source::Request, false),
        (Type::Int, Source::Value(0), false),
        (Type::String, Source::Cloud, false),
    ] {
        let mut parts = case.parts.clone();
        parts.rules.clear();
        parts.nodes.clear();
        for slot in &mut parts.slots {
            (slot.ty, slot.source) = (ty, source);
        }
        let refused = Slice::try_new(&parts).err().map(|error| error.fault());
        assert_eq!(refused, (!good).then_some(Fault::Aggregate), "{ty:?} of {source:?}");
    }
}
