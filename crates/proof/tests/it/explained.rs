//! Why an event was decided as it was: the path agrees with the decision, and the least change is one and is the least.

use crate::mutants::{answers, draft};
use crate::support::{Random, head, points, policy, rule, try_policy};
use glacis_compiler::Checked;
use glacis_compiler::reference::Snapshot;
use glacis_proof::counterfactual::{Counterfactual, Explanation, Flip, explain};
use glacis_proof::event::Event;
use glacis_wire::{Answer, Cause, Given, Method, SignalName, Trust, Value, Verdict};

fn given(name: &str, answer: Answer, device: Trust) -> Given {
    let told = matches!(&answer, Answer::Unknown(causes) if !causes.contains(Cause::Withheld));
    let trust = if name.starts_with("dev.") && !told { device } else { Trust::Proven };
    Given { answer, trust }
}

fn event(answers: &[(&str, Value)]) -> Event {
    let answers = answers.iter().map(|(name, value)| {
        let answer = Answer::Value(value.clone());
        (SignalName::parse(name).unwrap(), given(name, answer, Trust::Attested))
    });
    Event { snapshot: Snapshot { answers: answers.collect() }, passed: None, outage: false }
}

/// The least change, in words.
fn sentence(found: &Counterfactual) -> String {
    match found {
        Counterfactual::Least(change) => {
            let flips: Vec<String> = change.flips.iter().map(ToString::to_string).collect();
            format!("{} {}", change.verdict, flips.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn explained(rules: &str, event: &Event) -> Explanation {
    let text = format!("{}{}{rules}", head("\"otp\", \"passkey\"", "match", "match"), points());
    explain((&policy(&text)).into(), event)
}

#[test]
fn the_least_change_is_named_and_private_values_are_not() {
    let usual = event(&[
        ("amount", Value::Int(900)),
        ("night", Value::Bool(true)),
        ("dev.hooked", Value::Bool(true)),
        ("dev.risk", Value::Int(7)),
        ("speed", Value::Double(2.0)),
    ]);
    for (rules, milder, allow) in [
        (rule("a", "amount > 500", "block"), "allow if `amount` were 500", "allow if `amount` were 500"),
        (
            rule("a", "amount > 500", "block") + &rule("b", "night", "challenge(otp)"),
            "challenge(otp) if `amount` were 500",
            "allow if `amount` were 500, if `night` were false",
        ),
        (
            rule("a", "dev.risk > 5 && dev.hooked", "block") + &rule("b", "dev.risk > 3", "challenge(otp)"),
            "allow if on the device `dev.risk > 5` were false and `dev.risk > 3` were false",
            "allow if on the device `dev.risk > 5` were false and `dev.risk > 3` were false",
        ),
        (rule("a", "true", "block"), "Impossible", "Impossible"),
        (rule("a", "amount > 5 || amount <= 5", "block"), "Impossible", "Impossible"),
        (rule("a", "!night", "block"), "Nothing", "Nothing"),
    ] {
        let found = explained(&rules, &usual);
        assert_eq!(
            (sentence(&found.milder), sentence(&found.allow)),
            (milder.to_owned(), allow.to_owned()),
            "{rules}"
        );
    }
}

#[test]
fn atoms_that_decide_are_marked() {
    let usual = event(&[("amount", Value::Int(9)), ("night", Value::Bool(false)), ("other", Value::Int(1))]);
    for (when, want) in [
        ("amount > 5 && night", vec!["night"]),
        ("amount > 5 || night", vec!["amount > 5"]),
        ("amount > 5 && other == 1", vec!["amount > 5", "other == 1"]),
        ("!(amount > 5 && other == 1)", vec!["amount > 5", "other == 1"]),
        ("night ? amount > 1 : other > 1", vec!["night", "other > 1"]),
        ("amount > 5 && speed > 1.0", vec!["speed > 1.0"]),
    ] {
        let found = explained(&rule("a", when, "block"), &usual);
        let path = found.rules.iter().find(|path| path.rule == "a").unwrap();
        let decisive: Vec<&str> =
            path.atoms.iter().filter(|atom| atom.decides).map(|atom| atom.text.as_str()).collect();
        assert_eq!(decisive, want, "{when}");
    }
}

/// Whether changing one signal, or two, makes the verdict milder than `below`, by trying what there is.
fn changes(checked: &Checked, event: &Event, device: Trust, below: usize) -> [bool; 2] {
    let names: Vec<&SignalName> = checked.signals().keys().collect();
    let milder = |event: &Event| checked.rank(event.decide(checked).verdict) < below;
    let mut found = [false; 2];
    let with = |event: &Event, name: &SignalName, answer: &Answer| {
        let mut event = event.clone();
        event.snapshot.answers.insert(name.clone(), given(name.as_str(), answer.clone(), device));
        event
    };
    for (at, first) in names.iter().enumerate() {
        for one in answers(first.as_str()) {
            let changed = with(event, first, &one);
            found[0] |= milder(&changed);
            for second in names.iter().skip(at + 1) {
                found[1] |= answers(second.as_str()).iter().any(|two| milder(&with(&changed, second, two)));
            }
        }
    }
    found[1] |= found[0];
    found
}

#[test]
fn the_path_is_the_decision_and_no_smaller_change_does() {
    let mut random = Random::new(31);
    let (mut least, mut impossible) = (0, 0);
    for _ in 0..600 {
        let text = draft(&mut random).text();
        let Ok(compiled) = try_policy(&text) else { continue };
        let checked = compiled.checked();
        let device = random.pick(&[Trust::Attested, Trust::Claimed]);
        let mut snapshot = Snapshot::default();
        for name in checked.signals().keys() {
            let answer = random.pick(&answers(name.as_str()));
            snapshot.answers.insert(name.clone(), given(name.as_str(), answer, device));
        }
        let passed = random.chance(20).then_some(Method::Otp);
        let event = Event { snapshot, passed, outage: random.chance(20) };
        let found = explain((&compiled).into(), &event);
        let acting: Vec<String> =
            found.rules.iter().filter(|path| path.acts.is_some()).map(|path| path.rule.clone()).collect();
        assert_eq!(acting, found.decision.matched, "{text}");
        assert!(found.decision.verdict == Verdict::Allow || !found.deciding.is_empty(), "{text}");
        for (change, below) in [(&found.milder, checked.rank(found.decision.verdict)), (&found.allow, 1)] {
            match change {
                Counterfactual::Least(change) | Counterfactual::Some(change, _) => {
                    assert_eq!(change.decide(checked).verdict, change.verdict);
                    assert!(checked.rank(change.verdict) < below, "{text}");
                    let secret = |flip: &Flip| matches!(flip, Flip::Signal { signal, .. } if signal.as_str().starts_with("dev."));
                    assert!(!change.flips.iter().any(secret), "{text}");
                    if matches!(found.milder, Counterfactual::Some(..))
                        || matches!(found.allow, Counterfactual::Some(..))
                    {
                        continue;
                    }
                    let [one, two] = changes(checked, &event, device, below);
                    assert!(change.flips.len() < 2 || !one, "{text}\n{change:?}");
                    assert!(change.flips.len() < 3 || !two, "{text}\n{change:?}");
                    least += 1;
                }
                Counterfactual::Impossible => {
                    assert!(!changes(checked, &event, device, below)[1], "{text}");
                    impossible += 1;
                }
                Counterfactual::Nothing => assert_eq!(found.decision.verdict, Verdict::Allow),
                Counterfactual::Undetermined(_) => {}
            }
        }
    }
    assert!(least > 200 && impossible > 10, "{least} {impossible}");
}
