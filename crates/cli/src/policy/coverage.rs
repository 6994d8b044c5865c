//! `glacis policy test --coverage`: what the cases of a policy cover, and which small changes of it they would notice.
//!
//! A change that no case notices, although one could, is shown with an event that would, in the form of a case. That a
//! case is missing is told and is no failure: whether a decision is worth a promise is for the policy's author to say.

use super::event::{case_text, whole_json, whole_text};
use glacis_compiler::Compiled;
use glacis_proof::mutation::{AtomCoverage, Coverage, Fate, Limits, Mutant, Report, mutation};
use serde_json::{Value, json};

/// Tries the changes.
pub(crate) fn report(compiled: &Compiled) -> Report {
    mutation(compiled.into(), compiled.cases(), Limits::default())
}

/// For people.
pub(crate) fn text(compiled: &Compiled, report: &Report) -> String {
    let mut lines = Vec::new();
    for Coverage { rule, matched, unmatched, atoms } in &report.rules {
        let never = [("matches", matched), ("fails to match", unmatched)];
        let never = never.into_iter().filter(|(_, seen)| !**seen);
        lines.extend(never.map(|(what, _)| format!("rule {rule}: no case in which it {what}")));
        for AtomCoverage { text, was_true, was_false } in atoms {
            let never = [("true", was_true), ("false", was_false)].into_iter().filter(|(_, seen)| !**seen);
            lines.extend(never.map(|(what, _)| format!("rule {rule}: no case in which `{text}` is {what}")));
        }
    }
    for Mutant { rule, change, fate } in &report.mutants {
        match fate {
            Fate::Killed { .. } | Fate::Equivalent => {}
            Fate::Survived(witness) => lines.push(format!(
                "rule {rule}: no case notices {change}; this one would\n  before  {}\n  after   {}\n{}\n",
                whole_text(&witness.before),
                whole_text(&witness.after),
                case_text(&witness.event, compiled.checked()),
            )),
            Fate::Undetermined(obstacle) => {
                lines.push(format!(
                    "rule {rule}: no case notices {change}; whether one could is not known: {obstacle}"
                ));
            }
        }
    }
    let (noticed, all) = report.score();
    let tried = match report.mutants.len() {
        tried if tried < report.mutants_total => {
            format!(" ({tried} of {} changes tried)", report.mutants_total)
        }
        _ => String::new(),
    };
    lines.push(format!(
        "mutation score: the cases notice {noticed} of {all} small changes that matter{tried}"
    ));
    lines.join("\n")
}

/// For programs.
pub(crate) fn json(compiled: &Compiled, report: &Report) -> Value {
    let atom = |atom: &AtomCoverage| json!({ "text": atom.text, "was_true": atom.was_true, "was_false": atom.was_false });
    let rule = |rule: &Coverage| {
        json!({
            "rule": rule.rule,
            "matched": rule.matched,
            "unmatched": rule.unmatched,
            "atoms": rule.atoms.iter().map(atom).collect::<Vec<_>>(),
        })
    };
    let mutant = |mutant: &Mutant| {
        let mut shown = json!({ "rule": mutant.rule, "change": mutant.change.to_string() });
        let fate = match &mutant.fate {
            Fate::Killed { case } => json!({ "fate": "killed", "case": case }),
            Fate::Equivalent => json!({ "fate": "equivalent" }),
            Fate::Undetermined(obstacle) => {
                json!({ "fate": "undetermined", "because": obstacle.to_string() })
            }
            Fate::Survived(witness) => json!({
                "fate": "survived",
                "event": case_text(&witness.event, compiled.checked()),
                "before": whole_json(&witness.before),
                "after": whole_json(&witness.after),
            }),
        };
        if let (Some(shown), Value::Object(fate)) = (shown.as_object_mut(), fate) {
            shown.extend(fate);
        }
        shown
    };
    let (noticed, all) = report.score();
    json!({
        "rules": report.rules.iter().map(rule).collect::<Vec<_>>(),
        "mutants": report.mutants.iter().map(mutant).collect::<Vec<_>>(),
        "mutants_total": report.mutants_total,
        "noticed": noticed,
        "of": all,
    })
}
