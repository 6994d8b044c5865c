//! `glacis policy analyse`: rules that never act, always act, say something twice, or change no decision.
//!
//! What is told is proven for every event; what could not be told is named with what stood in the way. The answer is no
//! where something was found. Whether it is a mistake is for the author to say: a rule may well wait for better days.

use super::source::Folders;
use super::test::compiled;
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_proof::analyse::{Analysis, Fact, Kind, Open, Question, analyse};
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis policy analyse`.
#[derive(Debug, Args)]
pub(crate) struct AnalyseArgs {
    #[command(flatten)]
    folders: Folders,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Analyses every folder.
pub(crate) fn run(args: &AnalyseArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let mut policies = Vec::new();
    let mut found = false;
    for folder in args.folders.read()? {
        let analysis = analyse((&compiled(&folder)?).into());
        found |= !analysis.facts.is_empty();
        if args.json {
            policies.push(json_of(&folder.name, &analysis));
        } else {
            print(out, &plain(&text_of(&folder.name, &analysis)))?;
        }
    }
    if args.json {
        print_json(out, &json!({ "ok": !found, "policies": policies }))?;
    }
    Ok(if found { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn text_of(name: &str, analysis: &Analysis) -> String {
    let mut lines: Vec<String> = analysis.facts.iter().map(|fact| format!("{name}: {fact}")).collect();
    lines.extend(analysis.open.iter().map(|open| {
        format!("{name}: `{}`: not told whether {}: {}", open.rule, asked(open.question), open.obstacle)
    }));
    if lines.is_empty() {
        lines.push(format!("{name}: every rule can act, and some decision depends on each"));
    }
    lines.join("\n")
}

const fn asked(question: Question) -> &'static str {
    match question {
        Question::Dead => "it ever matches",
        Question::NeverTrue => "its condition is ever true",
        Question::AlwaysTrue => "its condition is always true",
        Question::Duplicate => "it does what another rule does",
        Question::Shadowed => "a decision depends on it",
    }
}

const fn name_of(question: Question) -> &'static str {
    match question {
        Question::Dead => "dead",
        Question::NeverTrue => "never-true",
        Question::AlwaysTrue => "always-true",
        Question::Duplicate => "duplicate",
        Question::Shadowed => "shadowed",
    }
}

fn json_of(name: &str, analysis: &Analysis) -> Value {
    let fact = |fact: &Fact| {
        let (kind, others) = match &fact.kind {
            Kind::Dead => (Question::Dead, Vec::new()),
            Kind::NeverTrue { because } => (Question::NeverTrue, because.clone()),
            Kind::AlwaysTrue => (Question::AlwaysTrue, Vec::new()),
            Kind::Duplicate { of } => (Question::Duplicate, vec![of.clone()]),
            Kind::Shadowed { by } => (Question::Shadowed, by.clone()),
        };
        json!({ "rule": fact.rule, "fact": name_of(kind), "because": others, "text": fact.to_string() })
    };
    let open = |open: &Open| json!({ "rule": open.rule, "question": name_of(open.question), "because": open.obstacle.to_string() });
    json!({
        "folder": name,
        "facts": analysis.facts.iter().map(fact).collect::<Vec<_>>(),
        "open": analysis.open.iter().map(open).collect::<Vec<_>>(),
    })
}
