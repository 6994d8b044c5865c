//! What `analyse` says of rules, one row each, and that nothing it says is refuted by any event of a small space.

use crate::mutants::{draft, some_event};
use crate::support::{Random, head, points, policy, rule, try_policy};
use glacis_compiler::reference::{Outcome, evaluate, whole};
use glacis_proof::analyse::{Kind, Question, analyse};
use glacis_wire::{Answer, Value};

/// What is found out about rules, a sentence each.
fn found(rules: &str) -> Vec<String> {
    let text = format!("{}{}{rules}", head("\"otp\", \"passkey\"", "match", "match"), points());
    analyse((&policy(&text)).into())
        .facts
        .iter()
        .filter(|fact| fact.rule != "points")
        .map(ToString::to_string)
        .collect()
}

#[test]
fn rules_that_do_not_do_what_they_say_are_named() {
    let block = |id: &str, when: &str| rule(id, when, "block");
    let otp = |id: &str, when: &str| rule(id, when, "challenge(otp)");
    for (rules, want) in [
        (block("a", "amount > 5"), vec![]),
        (
            block("a", "night && has(night) && !has(night)"),
            vec!["the condition of `a` is never true: night excludes !has(night)"],
        ),
        (
            block("a", "amount > 5 && other < 1 && amount < 3"),
            vec!["the condition of `a` is never true: amount > 5 excludes amount < 3"],
        ),
        (block("a", "has(night) && false"), vec!["`a` never matches"]),
        (block("a", "tries < 0 && other > 1"), vec!["the condition of `a` is never true: tries < 0"]),
        (
            block("a", "amount > 5 || amount <= 5"),
            vec!["the condition of `a` is true whatever its signals say"],
        ),
        (
            format!("{}{}", block("a", "amount > 5"), block("b", "!(amount <= 5)")),
            vec![
                "no decision depends on `a`: covered by b",
                "`b` does what `a` does",
                "no decision depends on `b`: covered by a",
            ],
        ),
        (
            format!("{}{}", block("a", "amount > 5"), otp("b", "amount > 7 && night")),
            vec!["no decision depends on `b`: covered by a"],
        ),
        (
            format!("{}{}", block("a", "amount > 5"), otp("b", "amount > 7")),
            vec!["no decision depends on `b`: covered by a"],
        ),
        (
            format!("{}{}{}", otp("a", "amount > 5"), otp("b", "amount <= 5"), otp("c", "amount < 9")),
            vec!["no decision depends on `b`: covered by c", "no decision depends on `c`: covered by a, b"],
        ),
        (format!("{}{}", otp("a", "night"), rule("e", "night", "exempt")), vec![]),
        (
            format!("{}{}", rule("a", "night", "score(3)"), rule("b", "night", "score(5)")),
            vec!["no decision depends on `a`", "no decision depends on `b`"],
        ),
    ] {
        assert_eq!(found(&rules), want, "{rules}");
    }
}

#[test]
fn what_cannot_be_told_is_said_with_the_atom_in_the_way() {
    let text = format!(
        "{}{}{}",
        head("\"otp\", \"passkey\"", "match", "match"),
        points(),
        rule("a", "name.matches('^(a|b){9}$')", "block")
    );
    let analysis = analyse((&policy(&text)).into());
    assert!(analysis.facts.is_empty());
    let [open] = analysis.open.as_slice() else { panic!("{:?}", analysis.open) };
    assert_eq!((open.rule.as_str(), open.question), ("a", Question::NeverTrue));
    assert!(open.obstacle.to_string().contains("matches"), "{}", open.obstacle);
}

#[test]
fn no_event_refutes_what_is_said() {
    let mut random = Random::new(21);
    let mut facts = 0;
    for _ in 0..400 {
        let text = draft(&mut random).text();
        let Ok(compiled) = try_policy(&text) else { continue };
        let checked = compiled.checked();
        for fact in analyse((&compiled).into()).facts {
            let at = checked.rules().iter().position(|rule| rule.id == fact.rule).unwrap();
            let mut rules = checked.rules().to_vec();
            let rule = rules.remove(at);
            let without = checked.with_rules(rules);
            let refuted = some_event([checked, &without], |snapshot, outage| {
                let full = whole(checked, snapshot, None, outage);
                match &fact.kind {
                    Kind::Dead => full.matched.contains(&fact.rule),
                    Kind::NeverTrue { .. } => {
                        evaluate(checked, &rule.when, snapshot, false, outage)
                            == Outcome::Value(Value::Bool(true))
                    }
                    Kind::AlwaysTrue => {
                        let valued = |given: &glacis_wire::Given| matches!(given.answer, Answer::Value(_));
                        let known = rule
                            .when
                            .readings()
                            .iter()
                            .all(|(name, _)| snapshot.answers.get(*name).is_some_and(valued));
                        known
                            && !outage
                            && evaluate(checked, &rule.when, snapshot, false, false)
                                != Outcome::Value(Value::Bool(true))
                    }
                    Kind::Duplicate { of } => full.matched.contains(of) != full.matched.contains(&fact.rule),
                    Kind::Shadowed { .. } => {
                        let other = whole(&without, snapshot, None, outage);
                        (other.verdict, other.obligations) != (full.verdict, full.obligations)
                    }
                }
            });
            facts += usize::from(refuted.is_some());
            assert_ne!(refuted, Some(true), "{fact}\n{text}");
        }
    }
    assert!(facts > 50, "{facts}");
}
