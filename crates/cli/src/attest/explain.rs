//! `glacis attest explain`: every code and every relaxation of the verifiers, and every rule by which they derive tier and
//! trust, at length.
//!
//! The tables are the library's, the rules are the policies'; nothing is worded here, so that records, metrics and this
//! output say the same.
//! Codes of the command itself are another table: `glacis explain-error`.

use super::rules;
use crate::codes::Code as CliCode;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_attest::code::Effect;
use glacis_attest::{Code, Relaxation};
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `glacis attest explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as unknown-root, a relaxation, such as danger_expired, or a rule, such as attested/app-not-ours
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    code: Option<String>,
    /// Print all of them
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One entry of a table.
struct Entry {
    name: String,
    effect: &'static str,
    what: String,
    cure: Option<&'static str>,
    when: Option<String>,
    policy: Option<String>,
}

/// Prints one entry or all.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let Some(wanted) = &args.code else { return list(args.json, out) };
    let entry = entries().find(|entry| entry.name == *wanted);
    let entry = entry.ok_or_else(|| {
        CliError::new(CliCode::UnknownCode, format!("no verifier says `{wanted}`"))
            .help("`glacis attest explain --list` prints all codes")
    })?;
    if args.json {
        return print_json(out, &entry.json());
    }
    let more = [
        entry.cure.map(|cure| format!("\n{cure}")),
        entry.when.map(|when| format!("\n\nwhen      {when}")),
        entry.policy.map(|digest| format!("\npolicy    {digest}")),
    ];
    let more: String = more.into_iter().flatten().collect();
    print(out, &format!("{} ({})\n\n{}{more}", entry.name, entry.effect, entry.what))
}

fn list(json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return print_json(out, &entries().map(|entry| entry.json()).collect());
    }
    let lines: Vec<String> =
        entries().map(|entry| format!("{:<27} {:<10} {}", entry.name, entry.effect, entry.what)).collect();
    print(out, &lines.join("\n"))
}

fn entries() -> impl Iterator<Item = Entry> {
    let codes = Code::ALL.iter().map(|code| Entry {
        name: code.name().to_owned(),
        effect: match code.effect() {
            Effect::Refused => "refused",
            Effect::Found => "found",
            Effect::Rejected => "rejected",
        },
        what: code.what().to_owned(),
        cure: Some(code.cure()),
        when: None,
        policy: None,
    });
    let relaxations = Relaxation::ALL.iter().map(|relaxation| Entry {
        name: relaxation.name().to_owned(),
        effect: "relaxation",
        what: relaxation.what().to_owned(),
        cure: None,
        when: None,
        policy: None,
    });
    let rules = rules::written().into_iter().map(|rule| Entry {
        name: rule.name,
        effect: if rule.when.is_some() { "rule" } else { "policy" },
        what: rule.what,
        cure: None,
        when: rule.when,
        policy: Some(rule.policy),
    });
    codes.chain(relaxations).chain(rules)
}

impl Entry {
    fn json(&self) -> Value {
        json!({
            "code": self.name, "effect": self.effect, "what": self.what, "cure": self.cure,
            "when": self.when, "policy": self.policy,
        })
    }
}
