//! `glacis attest explain`: every code and every relaxation of the verifiers, at length.
//!
//! Both tables are the library's; nothing is worded here, so that records, metrics and this output say the same.
//! Codes of the command itself are another table: `glacis explain-error`.

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
    /// The code, such as unknown-root, or a relaxation, such as danger_expired
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    code: Option<String>,
    /// Print all of them
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One entry of either table.
struct Entry {
    name: &'static str,
    effect: &'static str,
    what: &'static str,
    cure: Option<&'static str>,
}

/// Prints one entry or all.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let Some(wanted) = &args.code else { return list(args.json, out) };
    let entry = entries().find(|entry| entry.name == wanted);
    let entry = entry.ok_or_else(|| {
        CliError::new(CliCode::UnknownCode, format!("no verifier says `{wanted}`"))
            .help("`glacis attest explain --list` prints all codes")
    })?;
    if args.json {
        return print_json(out, &entry.json());
    }
    let cure = entry.cure.map(|cure| format!("\n{cure}")).unwrap_or_default();
    print(out, &format!("{} ({})\n\n{}{cure}", entry.name, entry.effect, entry.what))
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
        name: code.name(),
        effect: match code.effect() {
            Effect::Refused => "refused",
            Effect::Found => "found",
            Effect::Rejected => "rejected",
        },
        what: code.what(),
        cure: Some(code.cure()),
    });
    let relaxations = Relaxation::ALL.iter().map(|relaxation| Entry {
        name: relaxation.name(),
        effect: "relaxation",
        what: relaxation.what(),
        cure: None,
    });
    codes.chain(relaxations)
}

impl Entry {
    fn json(&self) -> Value {
        json!({"code": self.name, "effect": self.effect, "what": self.what, "cure": self.cure})
    }
}
