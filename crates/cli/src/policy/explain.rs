//! `glacis policy explain DIR`: how a policy decides an event, zone by zone, and the least that would have been otherwise.
//!
//! Events are golden cases, of the folder or of `--event FILE`. Needs no installation: `glacis explain` is for decisions
//! that were made. What would have to be different is replayed; of a private device signal it says which condition would
//! flip, and no value.

use super::event::{answer_text, whole_json, whole_text};
use super::source::Folder;
use super::test::compiled;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_cloud::policy::digest_of;
use glacis_compiler::reference::Outcome;
use glacis_compiler::{Case, Compiled};
use glacis_policy::Binding;
use glacis_proof::counterfactual::{Change, Counterfactual, Explanation, Flip, Path, explain};
use glacis_proof::event::Event;
use glacis_proof::run::{Run, run as run_slices};
use glacis_wire::{Causes, Value as SignalValue};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `glacis policy explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Folder with policy.toml
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// File with events, in the form of cases.toml; that of DIR where this is not given
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// Only the case of this name
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// The catalogue; signals.toml in DIR or above it where this is not given
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One event with all that is told of it.
struct Told<'a> {
    case: &'a Case,
    run: Option<Run>,
    explanation: Explanation,
}

/// Explains the wanted events.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let folder = Folder::read(&args.dir, args.signals.as_deref())?;
    let folder = match &args.event {
        Some(file) => folder.with_cases(file)?,
        None => folder,
    };
    let compiled = compiled(&folder)?;
    let wanted = |case: &&Case| args.case.as_ref().is_none_or(|name| *name == case.name);
    let cases: Vec<&Case> = compiled.cases().iter().filter(wanted).collect();
    if cases.is_empty() {
        let what =
            args.case.as_ref().map_or_else(|| "no case".to_owned(), |name| format!("no case `{name}`"));
        return Err(CliError::new(Code::PolicyFolder, format!("{}: {what}", folder.name))
            .help("events have the form of cases.toml; docs/guide/policies.md says how"));
    }
    let slices = compiled.slices(&Binding::unbound(digest_of(&compiled)));
    let told = cases.into_iter().map(|case| {
        let event = Event { snapshot: case.snapshot.clone(), passed: case.passed, outage: case.outage };
        let run = run_slices(compiled.checked(), &slices, &event);
        Told { case, run, explanation: explain((&compiled).into(), &event) }
    });
    if args.json {
        let events: Vec<Value> = told.map(|told| json_of(&told, &compiled)).collect();
        print_json(out, &json!({ "policy": compiled.name(), "events": events }))?;
    } else {
        for told in told {
            print(out, &plain(&text_of(&told, &compiled)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(told: &Told<'_>, compiled: &Compiled) -> String {
    let Explanation { decision, rules, deciding, milder, allow } = &told.explanation;
    let mut lines = vec![format!("{}: {}", told.case.name, whole_text(decision))];
    if let Some(run) = &told.run {
        let started = run.started.map(|method| format!(", after the device asked for {}", method.name()));
        lines.push(format!("  decided   {}{}", run.zone.name(), started.unwrap_or_default()));
        for (node, outcome) in compiled.layout().nodes.iter().zip(&run.nodes) {
            lines.push(format!("  disclosed `{}`: {}", node.text, format!("{outcome:?}").to_lowercase()));
        }
    }
    for path in rules.iter().filter(|path| path.acts.is_some()) {
        let mark = if deciding.contains(&path.rule) { "decides" } else { "acts" };
        lines.push(format!("  {mark:<9} {}: {}", path.rule, acted(path)));
        let atoms = path.atoms.iter().filter(|atom| atom.decides);
        lines.extend(
            atoms.map(|atom| {
                format!("            `{}` is {}", atom.text, outcomes(&atom.given, &atom.trusted))
            }),
        );
    }
    lines.push(format!("  milder    {}", counterfactual(milder)));
    if allow != milder {
        lines.push(format!("  allow     {}", counterfactual(allow)));
    }
    lines.join("\n")
}

/// With what a rule acts, and whether by its condition or by how it closes.
fn acted(path: &Path) -> String {
    let effect = path.acts.map(|effect| effect.to_string()).unwrap_or_default();
    if path.given == TRUE {
        effect
    } else {
        format!("{effect}, since its condition is {}", outcome(&path.trusted))
    }
}

const TRUE: Outcome = Outcome::Value(SignalValue::Bool(true));

/// What something came to as given, and by what is trusted where that is not the same.
fn outcomes(given: &Outcome, trusted: &Outcome) -> String {
    if given == trusted {
        return outcome(given);
    }
    format!("{} as claimed, {} by what is trusted", outcome(given), outcome(trusted))
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(SignalValue::Bool(value)) => value.to_string(),
        Outcome::Value(_) => "a value".to_owned(),
        Outcome::Error => "an error".to_owned(),
        Outcome::Unknown(causes) | Outcome::Interval(_, causes) => format!("unknown ({})", named(*causes)),
    }
}

fn named(causes: Causes) -> String {
    causes.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(", ")
}

fn counterfactual(found: &Counterfactual) -> String {
    match found {
        Counterfactual::Nothing => "nothing is milder".to_owned(),
        Counterfactual::Least(change) => changed(change),
        Counterfactual::Some(change, obstacle) => {
            format!("{} (whether less would do is not known: {obstacle})", changed(change))
        }
        Counterfactual::Impossible => "no change of signals does it".to_owned(),
        Counterfactual::Undetermined(obstacle) => format!("not known: {obstacle}"),
    }
}

fn changed(change: &Change) -> String {
    let flip = |flip: &Flip| match flip {
        Flip::Signal { signal, would_be, .. } => format!("if `{signal}` were {}", answer_text(would_be)),
        Flip::OnDevice { .. } => flip.to_string(),
    };
    let flips: Vec<String> = change.flips.iter().map(flip).collect();
    format!("{} {}", change.verdict, flips.join(", and "))
}

fn json_of(told: &Told<'_>, compiled: &Compiled) -> Value {
    let Explanation { decision, rules, deciding, milder, allow } = &told.explanation;
    let path = |path: &Path| {
        let atoms = path.atoms.iter().map(|atom| {
            json!({
                "text": atom.text,
                "given": outcome(&atom.given),
                "trusted": outcome(&atom.trusted),
                "decides": atom.decides,
            })
        });
        json!({
            "rule": path.rule,
            "given": outcome(&path.given),
            "trusted": outcome(&path.trusted),
            "acts": path.acts.map(|effect| effect.to_string()),
            "decides": deciding.contains(&path.rule),
            "atoms": atoms.collect::<Vec<_>>(),
        })
    };
    let run = told.run.as_ref().map(|run| {
        let nodes = compiled.layout().nodes.iter().zip(&run.nodes);
        let node = |outcome| format!("{outcome:?}").to_lowercase();
        json!({
            "zone": run.zone.name(),
            "verdict": run.verdict.to_string(),
            "started": run.started.map(|method| method.name()),
            "disclosed": nodes.map(|(known, outcome)| json!({ "condition": known.text, "outcome": node(outcome) })).collect::<Vec<_>>(),
        })
    });
    json!({
        "name": told.case.name,
        "decision": whole_json(decision),
        "run": run,
        "rules": rules.iter().map(path).collect::<Vec<_>>(),
        "milder": counterfactual_json(milder),
        "allow": counterfactual_json(allow),
    })
}

fn counterfactual_json(found: &Counterfactual) -> Value {
    let change = |change: &Change| {
        let flips: Vec<Value> = change.flips.iter().map(flip_json).collect();
        json!({ "verdict": change.verdict.to_string(), "flips": flips })
    };
    match found {
        Counterfactual::Nothing => json!({ "result": "nothing" }),
        Counterfactual::Least(found) => json!({ "result": "least", "change": change(found) }),
        Counterfactual::Some(found, obstacle) => {
            json!({ "result": "some", "change": change(found), "because": obstacle.to_string() })
        }
        Counterfactual::Impossible => json!({ "result": "impossible" }),
        Counterfactual::Undetermined(obstacle) => {
            json!({ "result": "undetermined", "because": obstacle.to_string() })
        }
    }
}

fn flip_json(flip: &Flip) -> Value {
    match flip {
        Flip::OnDevice { conditions } => {
            let condition =
                |(text, found): &(String, Outcome)| json!({ "text": text, "would_be": outcome(found) });
            json!({ "on_device": conditions.iter().map(condition).collect::<Vec<_>>() })
        }
        Flip::Signal { signal, was, would_be } => {
            json!({ "signal": signal.as_str(), "was": answer_text(was), "would_be": answer_text(would_be) })
        }
    }
}
