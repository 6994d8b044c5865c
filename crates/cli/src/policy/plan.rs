//! `glacis policy plan`: where each rule runs and why, what leaves the device, what each slice tells, what could go.
//!
//! The plan is the compiler's; here it gets its form. With past events it also says which zone decides them, as a
//! backtest runs them. The answer is no where the policy does not compile. Names in JSON are stable.

use super::check::errors_text;
use super::describe::{diagnostic, diagnostic_json};
use super::source::Folder;
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_backtest::{Backtest, Options, Policy};
use glacis_compiler::checked::Budget;
use glacis_compiler::plan::{Plan, ReleaseForm, ReleasePlan, RulePlan, Share, SlicePlan, Spare};
use glacis_compiler::{Compiled, Diagnostics};
use glacis_wire::{SignalName, Zone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `glacis policy plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Folder with policy.toml
    dir: PathBuf,
    /// The catalogue; signals.toml in DIR or above it where this is not given
    #[arg(long, value_name = "FILE", conflicts_with = "events")]
    signals: Option<PathBuf>,
    /// Past events, as for `policy backtest`: shows which zone decides them
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// How columns become signals, instead of events.toml of DIR
    #[arg(long, value_name = "FILE", requires = "events")]
    mapping: Option<PathBuf>,
    /// Column that says what an event was; `[label]` of events.toml where this is not given
    #[arg(long, value_name = "COLUMN", requires = "events")]
    label: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Plans one folder.
pub(crate) fn run(args: &PlanArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let folder = Folder::read(&args.dir, args.signals.as_deref())?;
    let compiled = match folder.compile() {
        Ok(compiled) => compiled,
        Err(found) => return refused(args, &folder, &found, out),
    };
    let plan = Plan::new(&compiled);
    let plan = match &args.events {
        Some(events) => plan.with_shares(decided(args, events)?),
        None => plan,
    };
    if args.json {
        print_json(out, &document(&folder, &compiled, &plan))?;
    } else {
        for warning in compiled.warnings() {
            print(out, &diagnostic(warning, "warning", &folder))?;
        }
        print(out, plain(&plan.to_string()).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(
    args: &PlanArgs,
    folder: &Folder,
    found: &Diagnostics,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    if args.json {
        let errors: Vec<Value> = found.iter().map(|found| diagnostic_json(found, "error")).collect();
        print_json(out, &json!({ "ok": false, "folder": folder.name, "errors": errors }))?;
    } else {
        print(out, &errors_text(folder, found))?;
    }
    Ok(ExitCode::from(FAILED))
}

/// How many of the recorded events each zone decides.
fn decided(args: &PlanArgs, events: &Path) -> Result<Vec<(Zone, u64)>, CliError> {
    let policy = Policy::read(&args.dir)?;
    let mapping = policy.mapping(args.mapping.as_deref(), args.label.as_deref())?;
    let report = Backtest::new(policy, mapping, events, Options::default())?.run(|_| {})?;
    let lines = report.parts.iter().flat_map(|part| &part.zones);
    let known = |name: &str| Zone::ALL.into_iter().find(|zone| zone.name() == name);
    Ok(lines.filter_map(|line| Some((known(line.zone)?, line.decided))).collect())
}

fn document(folder: &Folder, compiled: &Compiled, plan: &Plan) -> Value {
    json!({
        "ok": true,
        "folder": folder.name,
        "policy": plan.policy,
        "event": plan.event,
        "purpose": plan.purpose,
        "rules": plan.rules.iter().map(rule).collect::<Vec<_>>(),
        "slices": plan.slices.iter().map(slice).collect::<Vec<_>>(),
        "releases": plan.releases.iter().map(release).collect::<Vec<_>>(),
        "bits": plan.bits.iter().map(|(label, bits)| (label.name(), *bits)).collect::<BTreeMap<_, _>>(),
        "budget": plan.budget.as_ref().map(budget),
        "exceptions": plan.exceptions,
        "spare": spare(&plan.spare),
        "decided": plan.shares.iter().map(share).collect::<Vec<_>>(),
        "warnings": compiled.warnings().iter().map(|found| diagnostic_json(found, "warning")).collect::<Vec<_>>(),
    })
}

fn rule(rule: &RulePlan) -> Value {
    let why = rule
        .why
        .iter()
        .map(|why| json!({ "kind": why.kind.name(), "zone": why.zone.name(), "text": why.text }));
    json!({
        "id": rule.id,
        "effect": rule.effect,
        "zones": rule.zones.iter().map(|zone| zone.name()).collect::<Vec<_>>(),
        "closes": rule.closes.name(),
        "false_early": rule.false_early,
        "why": why.collect::<Vec<_>>(),
    })
}

fn slice(slice: &SlicePlan) -> Value {
    json!({
        "zone": slice.zone.name(),
        "rules": slice.rules,
        "settings": slice.settings,
        "conditions": slice.conditions,
        "constants": slice.constants,
        "signals": slice.signals,
        "models": slice.models,
        "hidden": slice.hidden,
        "bytes": slice.bytes,
        "cost": slice.cost,
        "cost_max": slice.cost_max,
    })
}

fn release(release: &ReleasePlan) -> Value {
    let (form, conditions, ranges) = match &release.form {
        ReleaseForm::Node(text) => ("node", vec![text.clone()], None),
        ReleaseForm::Range { nodes, ranges } => ("range", nodes.clone(), Some(*ranges)),
        ReleaseForm::Value => ("value", Vec::new(), None),
    };
    json!({
        "form": form,
        "conditions": conditions,
        "ranges": ranges,
        "signals": names(&release.signals),
        "requests": names(&release.requests),
        "privacy": release.privacy.name(),
        "bits": release.bits,
        "rules": release.rules,
        "min_trust": release.min_trust.name(),
    })
}

fn budget(budget: &Budget) -> Value {
    json!({
        "bits_per_request": budget.per_request,
        "bits_per_session": budget.per_session,
        "bits_per_day": budget.per_day,
    })
}

fn spare(spare: &Spare) -> Value {
    json!({
        "unused_signals": names(&spare.unused),
        "unneeded_values": names(&spare.unneeded),
        "nodes": spare.nodes,
        "untried_nodes": spare.untried,
    })
}

fn share(share: &Share) -> Value {
    json!({ "zone": share.zone.name(), "decided": share.decided, "events": share.events })
}

fn names(names: &[SignalName]) -> Vec<&str> {
    names.iter().map(SignalName::as_str).collect()
}
