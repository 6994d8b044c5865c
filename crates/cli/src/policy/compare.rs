//! `glacis policy diff BEFORE AFTER`: what a change of a policy changes, as a proof or as an event that shows it.
//!
//! Needs no installation. The answer is yes only where verdicts, duties and what leaves the device are the same for
//! every event: `undetermined` counts as a difference, since nobody has shown that it is none.

use super::event::{case_text, whole_json, whole_text};
use super::source::Folder;
use super::test::compiled;
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_compiler::{Compiled, NodeInfo};
use glacis_proof::diff::{Diff, Finding, RuleChanges, diff};
use glacis_proof::outside::{Changes, Outside, outside};
use glacis_wire::{SignalName, Zone};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `glacis policy diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Folder of the policy as it is
    before: PathBuf,
    /// Folder of the policy as it would be
    after: PathBuf,
    /// The catalogue of both; signals.toml in each folder or above it where this is not given
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Two compiled policies and what differs.
struct Comparison {
    after: Compiled,
    diff: Diff,
    outside: Outside,
}

/// Compares.
pub(crate) fn run(args: &DiffArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let read =
        |dir: &PathBuf| Folder::read(dir, args.signals.as_deref()).and_then(|folder| compiled(&folder));
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let (diff, outside) = (diff((&before).into(), (&after).into()), outside(&before, &after));
    let same = diff.decision == Finding::Equal && outside.nodes.is_empty() && outside.values.is_empty();
    let compared = Comparison { after, diff, outside };
    if args.json {
        print_json(out, &compared.json(same))?;
    } else {
        print(out, &plain(&compared.text()))?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

impl Comparison {
    fn json(&self, same: bool) -> Value {
        let RuleChanges { added, removed, changed, combination } = &self.diff.rules;
        let Outside { nodes, values, collected, moved, costs } = &self.outside;
        let moved = moved.iter().map(
            |rule| json!({ "rule": rule.rule, "before": names(&rule.before), "after": names(&rule.after) }),
        );
        let costs = costs
            .iter()
            .map(|cost| json!({ "zone": cost.zone.name(), "steps": cost.steps, "bytes": cost.bytes }));
        json!({
            "same": same,
            "decision": self.finding_json(&self.diff.decision),
            "reasons": self.finding_json(&self.diff.reasons),
            "rules": { "added": added, "removed": removed, "changed": changed, "combination": combination },
            "moved": moved.collect::<Vec<_>>(),
            "leaves_device": { "nodes": changes_json(nodes, node_text), "values": changes_json(values, name_text) },
            "collected": changes_json(collected, name_text),
            "cost": costs.collect::<Vec<_>>(),
        })
    }

    fn finding_json(&self, finding: &Finding) -> Value {
        match finding {
            Finding::Equal => json!({ "result": "equal" }),
            Finding::Differs(witness) => json!({
                "result": "differs",
                "event": case_text(&witness.event, self.after.checked()),
                "before": whole_json(&witness.before),
                "after": whole_json(&witness.after),
            }),
            Finding::Undetermined(obstacle) => {
                json!({ "result": "undetermined", "because": obstacle.to_string() })
            }
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![self.finding_text("decisions", &self.diff.decision)];
        if self.diff.decision == Finding::Equal {
            lines.push(self.finding_text("reasons", &self.diff.reasons));
        }
        let RuleChanges { added, removed, changed, combination } = &self.diff.rules;
        for (sign, rules) in [('+', added), ('-', removed), ('~', changed)] {
            lines.extend(rules.iter().map(|rule| format!("{sign} rule {rule}")));
        }
        lines.extend(combination.then(|| "~ methods or score classes".to_owned()));
        let Outside { nodes, values, collected, moved, costs } = &self.outside;
        lines.extend(moved.iter().map(|rule| {
            let (before, after) = (names(&rule.before).join(", "), names(&rule.after).join(", "));
            format!("~ rule {} stands in {before} -> {after}", rule.rule)
        }));
        changes_text("leaves the device: whether", nodes, node_text, &mut lines);
        changes_text("leaves the device: the value of", values, name_text, &mut lines);
        changes_text("read on the device:", collected, name_text, &mut lines);
        lines.extend(costs.iter().map(|cost| {
            let ([before, after], [from, to]) = (cost.steps, cost.bytes);
            format!("~ {}: at most {before} -> {after} steps, {from} -> {to} bytes", cost.zone.name())
        }));
        lines.join("\n")
    }

    fn finding_text(&self, what: &str, finding: &Finding) -> String {
        match finding {
            Finding::Equal => format!("{what}: equal for every event (proven)"),
            Finding::Undetermined(obstacle) => format!("{what}: undetermined: {obstacle}"),
            Finding::Differs(witness) => format!(
                "{what}: differ, as this event shows (replayed)\n  before  {}\n  after   {}\n{}\n",
                whole_text(&witness.before),
                whole_text(&witness.after),
                case_text(&witness.event, self.after.checked()),
            ),
        }
    }
}

fn names(zones: &BTreeSet<Zone>) -> Vec<&'static str> {
    zones.iter().map(|zone| zone.name()).collect()
}

fn node_text(node: &NodeInfo) -> String {
    format!("`{}`", node.text)
}

fn name_text(name: &SignalName) -> String {
    name.to_string()
}

fn changes_json<T>(changes: &Changes<T>, text: fn(&T) -> String) -> Value {
    let all = |items: &[T]| items.iter().map(text).collect::<Vec<_>>();
    json!({ "added": all(&changes.added), "removed": all(&changes.removed) })
}

fn changes_text<T>(what: &str, changes: &Changes<T>, text: fn(&T) -> String, lines: &mut Vec<String>) {
    for (sign, items) in [('+', &changes.added), ('-', &changes.removed)] {
        lines.extend(items.iter().map(|item| format!("{sign} {what} {}", text(item))));
    }
}
