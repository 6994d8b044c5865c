//! What golden cases cover and notice, on a small policy and on the shipped ones.

use crate::support::{catalogue, file, head, points, rule};
use glacis_compiler::{Compiled, Source, compile};
use glacis_proof::mutation::{Fate, Limits, Report, mutation};

fn with_cases(signals: &str, policy: &str, cases: &str) -> Compiled {
    let source = |name, text| Source { name, text };
    let cases = source("cases.toml", cases);
    compile(source("signals.toml", signals), source("policy.toml", policy), Some(cases))
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn report(compiled: &Compiled) -> Report {
    mutation(compiled.into(), compiled.cases(), Limits::default())
}

fn of_amounts(amounts: &[(i64, &str)]) -> Report {
    let text =
        head("\"otp\", \"passkey\"", "match", "match") + &points() + &rule("a", "amount > 500", "block");
    let case = |(at, (amount, verdict)): (usize, &(i64, &str))| {
        format!(
            "[[case]]\nname = \"c{at}\"\ntrust = \"claimed\"\nverdict = \"{verdict}\"\n[case.given]\namount = {amount}\n"
        )
    };
    let cases: String = amounts.iter().enumerate().map(case).collect();
    report(&with_cases(&catalogue(), &text, &cases))
}

/// The changes of a rule that no case notices although one could.
fn surviving(report: &Report, rule: &str) -> Vec<String> {
    let own = report.mutants.iter().filter(|mutant| mutant.rule == rule);
    own.filter(|mutant| matches!(mutant.fate, Fate::Survived(_)))
        .map(|mutant| mutant.change.to_string())
        .collect()
}

#[test]
fn a_threshold_is_noticed_only_by_cases_on_both_sides_of_it() {
    for (amounts, want) in [
        (
            &[(900, "block"), (3, "allow")][..],
            vec!["`amount >= 500` for `amount > 500`", "`501` for `500`", "`499` for `500`"],
        ),
        (&[(501, "block"), (3, "allow")], vec!["`amount >= 500` for `amount > 500`", "`499` for `500`"]),
        (&[(501, "block"), (500, "allow")], vec![]),
    ] {
        let report = of_amounts(amounts);
        let of_parts: Vec<String> = surviving(&report, "a")
            .into_iter()
            .filter(|change| change.contains(" for `") && !change.contains("entry"))
            .collect();
        assert_eq!(of_parts, want, "{amounts:?}");
    }
}

#[test]
fn coverage_says_what_no_case_reached() {
    let report = of_amounts(&[(900, "block")]);
    let [points, a] = report.rules.as_slice() else { panic!("{:?}", report.rules) };
    assert!(!points.matched && points.unmatched && a.matched && !a.unmatched);
    assert!(a.atoms[0].was_true && !a.atoms[0].was_false);
}

#[test]
fn a_case_that_fails_notices_nothing_and_is_named() {
    let report = of_amounts(&[(900, "allow")]);
    assert_eq!(report.failing, ["c0"]);
    assert_eq!(report.score().0, 0);
}

#[test]
fn a_change_that_means_nothing_is_not_counted_against_the_cases() {
    let text = head("\"otp\", \"passkey\"", "match", "match")
        + &points()
        + &rule("a", "amount > 500", "block")
        + &rule("b", "amount > 900", "challenge(otp)");
    let compiled = with_cases(&catalogue(), &text, "");
    let report = report(&compiled);
    let fates = report.mutants.iter().filter(|mutant| mutant.rule == "b").map(|mutant| &mutant.fate);
    let (same, other): (Vec<&Fate>, Vec<&Fate>) = fates.partition(|fate| **fate == Fate::Equivalent);
    // All but a hard block, an inverted comparison and the like are covered by the other rule.
    assert!(same.len() >= 5, "{same:?} {other:?}");
    assert!(report.mutants.iter().all(|mutant| !matches!(mutant.fate, Fate::Killed { .. })));
}

#[test]
fn surviving_changes_come_with_the_event_that_is_missing() {
    let report = of_amounts(&[(900, "block"), (3, "allow")]);
    let witness = report.mutants.iter().find_map(|mutant| match &mutant.fate {
        Fate::Survived(witness) => Some(witness),
        _ => None,
    });
    let witness = witness.unwrap();
    assert_ne!(
        (witness.before.verdict, witness.before.obligations),
        (witness.after.verdict, witness.after.obligations)
    );
}

#[test]
fn no_more_is_tried_than_the_limits_say() {
    let text =
        head("\"otp\", \"passkey\"", "match", "match") + &points() + &rule("a", "amount > 500", "block");
    let compiled = with_cases(&catalogue(), &text, "");
    let report = mutation((&compiled).into(), &[], Limits { mutants_max: 4, proofs_max: 1 });
    assert!(report.mutants.len() <= 4 && report.mutants_total > 4);
    let asked = report.mutants.iter().filter(|mutant| !matches!(mutant.fate, Fate::Undetermined(_))).count();
    assert_eq!(asked, 1);
}

#[test]
fn cases_of_the_shipped_policies_notice_most_changes() {
    for name in ["transfer", "view"] {
        let read = |path: &str| file(&format!("policies/{path}"));
        let compiled = with_cases(
            &read("signals.toml"),
            &read(&format!("{name}/policy.toml")),
            &read(&format!("{name}/cases.toml")),
        );
        let (killed, all) = report(&compiled).score();
        assert!(killed * 2 > all, "{name}: {killed} of {all}");
    }
}
