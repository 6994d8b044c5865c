//! States of rules, and how open ones close.

use super::text::Case;
use super::{run, states};
use crate::eval::Close;
use glacis_wire::Zone;

/// Each row: rules, inputs, states. Nothing is pending unless an input is left out.
fn check(zone: Zone, close: Close, rows: &[(&str, &str, &str)]) {
    for (rules, inputs, want) in rows {
        let ran = run(&Case::new(zone, rules, inputs), None, close);
        assert_eq!(states(&ran), *want, "{rules} with {inputs}");
    }
}

#[test]
fn incriminating_claims_are_believed_and_exculpating_ones_must_be_earned() {
    check(
        Zone::Edge,
        Close::Open,
        &[
            ("block: b1", "b1~true", "block"),
            ("block withheld=match: b1", "b1~false", "block"),
            ("block withheld=match: b1", "b1=false", "unmatched"),
            ("block withheld=match: (! b1)", "b1~true", "block"),
            ("block withheld=match: (&& b1 b2)", "b1~false b2=false", "unmatched"),
            ("score(3) withheld=match: b1", "b1~false", "score(3)"),
            ("exempt: b1", "b1~true", "unmatched"),
            ("exempt: b1", "b1=true", "exempt"),
            ("exempt: (! b1)", "b1~false", "unmatched"),
            ("score(-3): b1", "b1~true", "unmatched"),
            ("score(-3): b1", "b1=true", "score(-3)"),
        ],
    );
}

#[test]
fn invariant_7_an_open_rule_closes_by_the_strictest_entry_for_its_causes() {
    check(
        Zone::Edge,
        Close::Open,
        &[
            ("block withheld=skip denied=otp: (|| b1 b2)", "b1=?withheld b2=?denied", "otp"),
            ("block withheld=passkey denied=otp: (|| b1 b2)", "b1=?withheld b2=?denied", "passkey"),
            ("block withheld=soft denied=match: (&& b1 b2)", "b1=?withheld b2=?denied", "block"),
            ("block withheld=soft denied=passkey: (&& b1 b2)", "b1=?withheld b2=?denied", "soft"),
            ("block withheld=skip: b1", "b1=?withheld", "unmatched"),
            ("block error=passkey: b1", "b1=error", "passkey"),
            ("block error=skip: b1", "b1=missing", "unmatched"),
            ("block withheld=otp error=match: b1", "b1~error", "otp"),
            ("score(5) withheld=otp: b1", "b1=?withheld", "score(5)"),
            ("score(5) withheld=skip: b1", "b1=?withheld", "unmatched"),
        ],
    );
}

#[test]
fn an_entry_never_makes_a_rule_stricter_than_its_effect() {
    check(
        Zone::Edge,
        Close::Open,
        &[
            ("otp withheld=passkey: b1", "b1=?withheld", "otp"),
            ("otp withheld=soft: b1", "b1=?withheld", "otp"),
            ("soft withheld=passkey: b1", "b1=?withheld", "passkey"),
            ("passkey withheld=match: b1", "b1=?withheld", "passkey"),
        ],
    );
}

#[test]
fn lenient_rules_close_only_as_skip() {
    check(
        Zone::Cloud,
        Close::Here,
        &[
            ("exempt withheld=match error=match: b1", "b1=?withheld", "unmatched"),
            ("exempt withheld=match error=match: b1", "b1=error", "unmatched"),
            ("score(-1) withheld=match error=match: b1", "b1=?withheld", "unmatched"),
        ],
    );
}

#[test]
fn a_rule_waits_while_a_later_zone_can_still_answer() {
    check(
        Zone::Edge,
        Close::Open,
        &[
            ("block: b1", "", "open"),
            ("exempt: b1", "", "open"),
            ("block withheld=match: (&& b1 b2)", "b1=?withheld", "open"),
            ("block: (&& b1 b2)", "b1=false", "unmatched"),
            ("block: (|| b1 b2)", "b1=true", "block"),
            ("block withheld=match: (&& b1 b2)", "b1~false", "open"),
            ("block withheld=match: (? b1 b2 b3)", "b1~true b3=true", "open"),
            ("exempt: (&& b1 b2)", "b1~true", "open"),
        ],
    );
}

#[test]
fn in_an_outage_what_is_pending_closes_as_unavailable() {
    check(
        Zone::Edge,
        Close::CloudUnavailable,
        &[
            ("block unavailable=otp: b1", "", "otp"),
            ("block unavailable=skip: b1", "", "unmatched"),
            ("block withheld=match unavailable=otp: (&& b1 b2)", "b1=?withheld", "block"),
            ("exempt unavailable=match: b1", "", "unmatched"),
            ("block unavailable=otp: (|| b1 b2)", "b1=true", "block"),
        ],
    );
}

#[test]
fn a_device_never_closes_and_knows_nothing_to_be_false_downstream() {
    for close in [Close::Open, Close::CloudUnavailable, Close::Here] {
        check(
            Zone::Device,
            close,
            &[
                ("block: b1", "b1=true", "block"),
                ("block: b1", "b1~true", "block"),
                ("block withheld=match: b1", "b1=false", "open"),
                ("block withheld=match: b1", "b1=?withheld", "open"),
                ("exempt: b1", "b1=true", "open"),
                ("exempt: b1", "b1=false", "unmatched"),
                ("score(-1): b1", "b1=true", "open"),
            ],
        );
    }
}
