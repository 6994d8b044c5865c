//! Combination, passed methods, hidden rules, finality, and what a device may do early.

use super::text::Case;
use super::{run, show_outcome};
use crate::eval::Close;
use crate::tree::{Effect, Hidden, HiddenClosed, Obligation, Obligations, ScoreClass};
use alloc::vec;
use glacis_wire::{Method, Verdict, Zone};

/// Each row: rules, inputs, passed method, outcome.
fn check(zone: Zone, close: Close, rows: &[(&str, &str, Option<Method>, &str)]) {
    for (rules, inputs, passed, want) in rows {
        let ran = run(&case(zone, rules, inputs), *passed, close);
        assert_eq!(show_outcome(&ran.outcome), *want, "{rules} with {inputs} and {passed:?}");
    }
}

/// A case with the classes 10 → otp, 20 → passkey, 30 → soft block.
fn case(zone: Zone, rules: &str, inputs: &str) -> Case {
    let mut case = Case::new(zone, rules, inputs);
    case.parts.classes = vec![
        ScoreClass { at_least: 10, effect: Effect::Challenge(Method::Otp) },
        ScoreClass { at_least: 20, effect: Effect::Challenge(Method::Passkey) },
        ScoreClass { at_least: 30, effect: Effect::SoftBlock },
    ];
    case
}

const OTP: Option<Method> = Some(Method::Otp);
const PASSKEY: Option<Method> = Some(Method::Passkey);

#[test]
fn the_strictest_effect_wins_and_exempt_lifts_soft_ones_only() {
    check(
        Zone::Cloud,
        Close::Here,
        &[
            ("otp: b1; passkey: b2", "b1=true b2=true", None, "challenge(passkey)"),
            ("passkey: b1; otp: b2", "b1=true b2=true", None, "challenge(passkey)"),
            ("otp: b1; soft: b2", "b1=true b2=true", None, "block"),
            ("otp: b1; soft: b2; exempt: b3", "b1=true b2=true b3=true", None, "allow"),
            ("block: b1; exempt: b2", "b1=true b2=true", None, "block"),
            ("score(30): b1; exempt: b2", "b1=true b2=true", None, "allow"),
            ("otp: b1", "b1=false", None, "allow"),
        ],
    );
}

#[test]
fn scores_add_up_and_reach_a_class_at_its_threshold() {
    check(
        Zone::Cloud,
        Close::Here,
        &[
            ("score(9): b1", "b1=true", None, "allow"),
            ("score(10): b1", "b1=true", None, "challenge(otp)"),
            ("score(10): b1; score(10): b2", "b1=true b2=true", None, "challenge(passkey)"),
            ("score(10): b1; score(20): b2", "b1=true b2=true", None, "block"),
            ("score(10): b1; score(-1): b2", "b1=true b2=true", None, "allow"),
            ("score(2147483647): b1; score(-2147483648): b2", "b1=true b2=true", None, "allow"),
        ],
    );
}

#[test]
fn a_passed_method_removes_challenges_up_to_it() {
    check(
        Zone::Cloud,
        Close::Here,
        &[
            ("otp: b1", "b1=true", OTP, "allow"),
            ("otp: b1", "b1=true", PASSKEY, "allow"),
            ("passkey: b1", "b1=true", OTP, "challenge(passkey)"),
            ("otp: b1; passkey: b2", "b1=true b2=true", OTP, "challenge(passkey)"),
            ("score(10): b1", "b1=true", OTP, "allow"),
            ("score(20): b1", "b1=true", OTP, "challenge(passkey)"),
            ("soft: b1", "b1=true", PASSKEY, "block"),
            ("block: b1", "b1=true", PASSKEY, "block"),
        ],
    );
}

#[test]
fn a_method_that_the_policy_does_not_name_passes_nothing() {
    let mut case = case(Zone::Cloud, "otp: b1", "b1=true");
    case.parts.methods = vec![Method::Otp];
    case.parts.classes.clear();
    assert_eq!(show_outcome(&run(&case, PASSKEY, Close::Here).outcome), "challenge(otp)");
}

#[test]
fn the_policy_ranks_methods() {
    let mut case = case(Zone::Cloud, "otp: b1; passkey: b2", "b1=true b2=true");
    case.parts.methods = vec![Method::Passkey, Method::Otp];
    assert_eq!(show_outcome(&run(&case, None, Close::Here).outcome), "challenge(otp)");
    assert_eq!(show_outcome(&run(&case, PASSKEY, Close::Here).outcome), "challenge(otp)");
    assert_eq!(show_outcome(&run(&case, OTP, Close::Here).outcome), "allow");
}

#[test]
fn a_zone_is_final_where_no_open_rule_can_change_the_verdict() {
    check(
        Zone::Edge,
        Close::Open,
        &[
            ("block: b1; otp: b2", "b1=true", None, "block"),
            ("otp: b1; block: b2", "b1=true", None, "challenge(otp)..block"),
            ("passkey: b1; otp: b2", "b1=true", None, "challenge(passkey)"),
            ("otp: b1", "", None, "allow..challenge(otp)"),
            ("otp: b1", "", OTP, "allow"),
            ("exempt: b1; otp: b2", "b2=true", None, "allow..challenge(otp)"),
            ("exempt: b1; otp: b2", "b1=true", None, "allow"),
            ("exempt: b1; block: b2", "b2=true", None, "block"),
            ("score(9): b1", "", None, "allow"),
            ("score(10): b1; score(-5): b2", "b1=true", None, "allow..challenge(otp)"),
            ("score(10): b1; score(4): b2", "b1=true", None, "challenge(otp)"),
        ],
    );
}

#[test]
fn hidden_rules_count_with_the_strongest_they_could_do() {
    let none = Hidden::NONE;
    for (hidden, rules, want) in [
        (Hidden { block: true, ..none }, "otp: b1", "challenge(otp)..block"),
        (Hidden { soft: Some(Effect::SoftBlock), ..none }, "otp: b1", "challenge(otp)..block"),
        (Hidden { soft: Some(Effect::Challenge(Method::Otp)), ..none }, "otp: b1", "challenge(otp)"),
        (Hidden { exempt: true, ..none }, "otp: b1", "allow..challenge(otp)"),
        (Hidden { exempt: true, ..none }, "block: b1", "block"),
        (Hidden { score: (0, 9), ..none }, "otp: b1", "challenge(otp)"),
        (Hidden { score: (0, 20), ..none }, "otp: b1", "challenge(otp)..challenge(passkey)"),
        (Hidden { score: (-1, 0), ..none }, "score(10): b1", "allow..challenge(otp)"),
    ] {
        let ran = run(&case(Zone::Edge, rules, "b1=true").hiding(hidden), None, Close::Open);
        assert_eq!(show_outcome(&ran.outcome), want, "{hidden:?} beside {rules}");
    }
}

#[test]
fn in_an_outage_hidden_rules_close_to_what_the_summary_says() {
    let closed = HiddenClosed { block: false, soft: None, score: 0 };
    for (unavailable, rules, want) in [
        (closed, "otp: b1", "challenge(otp)"),
        (HiddenClosed { block: true, ..closed }, "otp: b1; exempt: b1", "block"),
        (HiddenClosed { soft: Some(Effect::SoftBlock), ..closed }, "otp: b1", "block"),
        (HiddenClosed { soft: Some(Effect::SoftBlock), ..closed }, "exempt: b1", "allow"),
        (HiddenClosed { score: 10, ..closed }, "score(10): b1", "challenge(passkey)"),
    ] {
        let hidden = Hidden { block: true, exempt: true, score: (-50, 50), unavailable, ..Hidden::NONE };
        let ran = run(&case(Zone::Edge, rules, "b1=true").hiding(hidden), None, Close::CloudUnavailable);
        assert_eq!(show_outcome(&ran.outcome), want, "{unavailable:?} beside {rules}");
    }
}

#[test]
fn a_device_settles_only_a_hard_block() {
    for (rules, inputs, settled) in [
        ("block: b1", "b1=true", Some(Verdict::Block)),
        ("block: b1; exempt: b2", "b1=true b2=true", Some(Verdict::Block)),
        ("soft: b1", "b1=true", None),
        ("passkey: b1", "b1=true", None),
        ("block: b1", "b1=false", None),
        ("", "", None),
    ] {
        let ran = run(&case(Zone::Device, rules, inputs), None, Close::Open);
        assert_eq!(ran.outcome.settled, settled, "{rules} with {inputs}");
    }
}

#[test]
fn a_device_starts_a_challenge_only_if_no_completion_is_milder() {
    let exempting = Hidden { exempt: true, ..Hidden::NONE };
    let blocking = Hidden { block: true, soft: Some(Effect::SoftBlock), ..Hidden::NONE };
    for (rules, inputs, hidden, passed, starts) in [
        ("passkey: b1", "b1=true", Hidden::NONE, None, PASSKEY),
        ("passkey: b1", "b1=true", blocking, None, PASSKEY),
        ("otp: b1; passkey: b2", "b1=true b2=false", Hidden::NONE, None, OTP),
        ("passkey: b1", "b1=true", exempting, None, None),
        ("passkey: b1; exempt: b2", "b1=true b2=?withheld", Hidden::NONE, None, None),
        ("passkey: b1", "b1=true", Hidden::NONE, PASSKEY, None),
        ("passkey: b1", "b1=true", Hidden::NONE, OTP, PASSKEY),
        ("passkey: b1; block: b2", "b1=true b2=true", Hidden::NONE, None, None),
        ("passkey: b1", "b1=?withheld", Hidden::NONE, None, None),
    ] {
        let ran = run(&case(Zone::Device, rules, inputs).hiding(hidden), passed, Close::Open);
        assert_eq!(ran.outcome.starts, starts, "{rules} with {inputs}, {hidden:?}, {passed:?}");
    }
    let at_the_edge = run(&case(Zone::Edge, "passkey: b1", "b1=true"), None, Close::Open);
    assert_eq!(at_the_edge.outcome.starts, None);
}

#[test]
fn a_device_rule_without_release_of_its_verdict_decides_nothing_early() {
    let mut quiet = case(Zone::Device, "block: b1; passkey: b1", "b1=true");
    quiet.parts.rules.iter_mut().for_each(|rule| rule.device_final = false);
    let ran = run(&quiet, None, Close::Open);
    assert_eq!((ran.outcome.settled, ran.outcome.starts), (None, None));
}

#[test]
fn matched_rules_oblige_however_they_matched() {
    let mut case =
        case(Zone::Edge, "block withheld=otp: b1; score(0): b2; otp: b3", "b1=?withheld b2=true b3=false");
    let duties = [Obligation::Review, Obligation::Notify, Obligation::Notify];
    for (rule, duty) in case.parts.rules.iter_mut().zip(duties) {
        rule.obligations = Obligations::of(duty);
    }
    let ran = run(&case, OTP, Close::Open);
    assert!(ran.outcome.obligations.contains(Obligation::Review));
    assert!(ran.outcome.obligations.contains(Obligation::Notify));
    assert_eq!(ran.scratch.reasons(&ran.slice).collect::<vec::Vec<_>>(), ["rule-0", "rule-1"]);
}
