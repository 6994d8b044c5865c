//! `glacis policy diff BEFORE AFTER`: what a change of a policy changes, as a proof or as an event that shows it.
//!
//! Needs no installation. The answer is yes only where verdicts, duties and what leaves the device are the same for
//! every event: `undetermined` counts as a difference, since nobody has shown that it is none.

use super::describe::zones;
use super::event::{case_text, whole_json, whole_text};
use super::source::Folder;
use super::test::compiled;
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_compiler::Compiled;
use glacis_proof::diff::{Diff, Finding, RuleChanges, diff};
use glacis_wire::Zone;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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
    before: Compiled,
    after: Compiled,
    diff: Diff,
}

/// Compares.
pub(crate) fn run(args: &DiffArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let read =
        |dir: &PathBuf| Folder::read(dir, args.signals.as_deref()).and_then(|folder| compiled(&folder));
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let diff = diff((&before).into(), (&after).into());
    let compared = Comparison { before, after, diff };
    let same = compared.diff.decision == Finding::Equal && compared.leaves().iter().all(Change::is_empty);
    if args.json {
        print_json(out, &compared.json(same))?;
    } else {
        print(out, &plain(&compared.text()))?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What comes and what goes of one kind of thing.
struct Change {
    what: &'static str,
    added: Vec<String>,
    removed: Vec<String>,
}

impl Change {
    fn between(what: &'static str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Self {
        let without = |all: &BTreeSet<String>, other| all.difference(other).cloned().collect();
        Self { what, added: without(after, before), removed: without(before, after) }
    }

    const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    fn json(&self) -> Value {
        json!({ "added": self.added, "removed": self.removed })
    }
}

impl Comparison {
    /// What leaves the device: conditions and values.
    fn leaves(&self) -> [Change; 2] {
        let nodes =
            |compiled: &Compiled| compiled.layout().nodes.iter().map(|node| node.text.clone()).collect();
        let values = |compiled: &Compiled| compiled.layout().values.iter().map(ToString::to_string).collect();
        [
            Change::between("condition", &nodes(&self.before), &nodes(&self.after)),
            Change::between("value", &values(&self.before), &values(&self.after)),
        ]
    }

    /// Rules of both that live in other zones: before and after.
    fn moved(&self) -> BTreeMap<&str, [String; 2]> {
        let rules = |compiled: &Compiled| -> BTreeMap<String, String> {
            let rules = compiled.checked().rules().iter();
            rules.map(|rule| (rule.id.clone(), zones(rule).join(", "))).collect()
        };
        let (before, after) = (rules(&self.before), rules(&self.after));
        let rules = self.before.checked().rules().iter().map(|rule| rule.id.as_str());
        let both = rules.filter_map(|id| Some((id, [before.get(id)?.clone(), after.get(id)?.clone()])));
        both.filter(|(_, [before, after])| before != after).collect()
    }

    fn costs(&self) -> impl Iterator<Item = (Zone, u64, u64)> {
        Zone::ALL.into_iter().map(|zone| (zone, self.before.cost(zone), self.after.cost(zone)))
    }

    fn json(&self, same: bool) -> Value {
        let RuleChanges { added, removed, changed, combination } = &self.diff.rules;
        let [nodes, values] = self.leaves();
        let costs: BTreeMap<&str, [u64; 2]> =
            self.costs().map(|(zone, before, after)| (zone.name(), [before, after])).collect();
        json!({
            "same": same,
            "decision": self.finding_json(&self.diff.decision),
            "reasons": self.finding_json(&self.diff.reasons),
            "rules": { "added": added, "removed": removed, "changed": changed, "combination": combination },
            "zones": self.moved(),
            "leaves_device": { "nodes": nodes.json(), "values": values.json() },
            "cost": costs,
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
        let moved = self.moved().into_iter();
        lines.extend(
            moved.map(|(rule, [before, after])| format!("~ rule {rule} lives in {before} -> {after}")),
        );
        for Change { what, added, removed } in self.leaves() {
            lines.extend(added.iter().map(|item| format!("+ leaves the device: {what} {item}")));
            lines.extend(removed.iter().map(|item| format!("- leaves the device no more: {what} {item}")));
        }
        let dearer = self.costs().filter(|(_, before, after)| before != after);
        let steps = |(zone, before, after): (Zone, u64, u64)| {
            format!("~ at most {before} -> {after} steps, {}", zone.name())
        };
        lines.extend(dearer.map(steps));
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
