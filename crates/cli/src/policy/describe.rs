//! Policies, rules and diagnostics in words and as JSON: the one place that gives them a form.
//!
//! Diagnostics are drawn with the line they are about; rules say in which zones they live and what of them leaves
//! the device. Names in JSON are stable.

use super::source::Folder;
use crate::output::plain;
use glacis_cloud::policy::digest_of;
use glacis_compiler::checked::{Bucket, Release, Rule};
use glacis_compiler::{Compiled, Diagnostic};
use glacis_policy::{Effect, Entry, Indexing};
use glacis_wire::{Cause, Value as Number, Zone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A diagnostic with its line, the place in it underlined.
pub(crate) fn diagnostic(found: &Diagnostic, level: &str, folder: &Folder) -> String {
    drawn(found, level, folder.text_of(&found.file))
}

/// The same, of the file's own text.
pub(crate) fn drawn(found: &Diagnostic, level: &str, text: Option<&str>) -> String {
    let mut shown = format!("{level}[{}]: {}\n", found.code, plain(&found.message));
    let line_number = found.line.to_string();
    let margin = " ".repeat(line_number.len());
    let _ = writeln!(shown, "{margin}--> {}:{}:{}", plain(&found.file), found.line, found.column);
    let line = text.and_then(|text| text.lines().nth(found.line.saturating_sub(1)));
    if let Some(line) = line {
        // Characters of any width would shift the mark; each of them is one column here.
        let before = found.column.saturating_sub(1);
        let length = found.span.end.saturating_sub(found.span.start);
        let rest = line.chars().count().saturating_sub(before);
        let text: String =
            line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let mark = "^".repeat(length.min(rest).max(1));
        let _ = writeln!(
            shown,
            "{margin} |\n{line_number} | {}\n{margin} | {}{mark}",
            plain(&text),
            " ".repeat(before)
        );
    }
    if !found.path.is_empty() {
        let _ = writeln!(shown, "{margin} = in: {}", plain(&found.path));
    }
    if let Some(help) = &found.help {
        let _ = writeln!(shown, "{margin} = help: {}", plain(help));
    }
    shown
}

/// A diagnostic as JSON. Lines and columns count from 1, columns in characters; the end is the place behind the last.
pub(crate) fn diagnostic_json(found: &Diagnostic, severity: &str) -> Value {
    json!({
        "severity": severity,
        "code": found.code,
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "end_line": found.end_line,
        "end_column": found.end_column,
        "start": found.span.start,
        "end": found.span.end,
        "message": found.message,
        "help": found.help,
        "path": found.path,
    })
}

/// A compiled policy as JSON: rules with their zones, what leaves the device, costs.
pub(crate) fn policy_json(compiled: &Compiled) -> Value {
    let node = |node: &glacis_compiler::NodeInfo| {
        json!({
            "condition": node.text,
            "signals": node.signals.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            "requests": node.requests.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            "min_trust": node.min_trust.name(),
        })
    };
    let layout = compiled.layout();
    let costs: BTreeMap<&str, u64> =
        Zone::ALL.iter().map(|zone| (zone.name(), compiled.cost(*zone))).collect();
    json!({
        "name": compiled.name(),
        "event": compiled.event().as_str(),
        "purpose": compiled.checked().purpose(),
        "digest": digest_of(compiled).to_string(),
        "rules": compiled.checked().rules().iter().map(rule_json).collect::<Vec<_>>(),
        "computed": computed(compiled),
        "leaves_device": {
            "nodes": layout.nodes.iter().map(node).collect::<Vec<_>>(),
            "values": layout.values.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        },
        "cost": costs,
    })
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "when": rule.when.to_string(),
        "effect": rule.effect.to_string(),
        "obligations": rule.obligations.iter().map(|duty| duty.name()).collect::<Vec<_>>(),
        "text": rule.text.name(),
        "zones": zones(rule),
        "release": release(rule),
    })
}

/// The policy for people.
pub(crate) fn policy_text(compiled: &Compiled) -> String {
    let checked = compiled.checked();
    let mut shown = format!(
        "policy `{}` decides `{}` with {} rules\ndigest {}\n\n",
        compiled.name(),
        compiled.event(),
        checked.rules().len(),
        digest_of(compiled)
    );
    let width = checked.rules().iter().map(|rule| rule.id.chars().count()).max().unwrap_or(0).max(4);
    let _ = writeln!(shown, "  {:<width$}  {:<20}  {:<7}  zones", "rule", "effect", "text");
    for rule in checked.rules() {
        let (what, text) = (does(rule), rule.text.name());
        let _ = writeln!(shown, "  {:<width$}  {what:<20}  {text:<7}  {}", rule.id, zones(rule).join(", "));
    }
    let layout = compiled.layout();
    if layout.nodes.is_empty() && layout.values.is_empty() {
        let _ = writeln!(shown, "\nnothing leaves the device");
    } else {
        let _ = writeln!(shown, "\nleaves the device, in every disclosure:");
    }
    for node in &layout.nodes {
        let trust = node.min_trust.name();
        let adaptive = if node.requests.is_empty() { "" } else { "; adaptive, asked anew by each request" };
        let text = plain(&node.text);
        let _ = writeln!(shown, "  whether `{text}` (counts as an excuse from {trust} on{adaptive})");
    }
    for value in &layout.values {
        let _ = writeln!(shown, "  the value of {value}");
    }
    let cost = |zone| compiled.cost(zone);
    let [device, edge, cloud] = Zone::ALL.map(cost);
    let computed = computed(compiled);
    if !computed.is_empty() {
        let _ = writeln!(shown, "\nno table decides, so computed for each event: {}", computed.join(", "));
    }
    let _ = write!(shown, "\nat most {device} steps on the device, {edge} at the edge, {cloud} in the cloud");
    shown
}

/// The rules that the cloud's slice computes for each event.
fn computed(compiled: &Compiled) -> Vec<&str> {
    let rules = compiled.plan(Zone::Cloud).into_iter().flat_map(|plan| &plan.rules);
    rules.filter(|(_, indexing)| *indexing == Indexing::Nothing).map(|(id, _)| &**id).collect()
}

/// Effect and duties in one word each.
fn does(rule: &Rule) -> String {
    let duties: Vec<&str> = rule.obligations.iter().map(|duty| duty.name()).collect();
    match (rule.effect, duties.is_empty()) {
        (Effect::Score(0), false) => duties.join(", "),
        (own, true) => own.to_string(),
        (own, false) => format!("{own}, {}", duties.join(", ")),
    }
}

/// Which zones hold the rule.
pub(crate) fn zones(rule: &Rule) -> Vec<&'static str> {
    let device = rule.release == Release::Verdict;
    let held = [(Zone::Device, device), (Zone::Edge, !rule.is_hidden()), (Zone::Cloud, true)];
    held.into_iter().filter(|(_, held)| *held).map(|(zone, _)| zone.name()).collect()
}

fn entry(entry: Entry) -> String {
    match entry {
        Entry::Skip => "skip".to_owned(),
        Entry::Match => "match".to_owned(),
        Entry::Milder(milder) => milder.to_string(),
    }
}

/// What it lets out of the device, its ranges among it.
fn release(rule: &Rule) -> String {
    let bounds = |bucket: &Bucket| {
        let bounds: Vec<String> = bucket.bounds.iter().map(number).collect();
        format!("{} [{}]", bucket.signal, bounds.join(", "))
    };
    let ranges: Vec<String> = rule.buckets.iter().map(bounds).collect();
    let ranges = if ranges.is_empty() { String::new() } else { format!(", ranges {}", ranges.join(", ")) };
    match &rule.release {
        Release::Nothing => "nothing".to_owned(),
        Release::Verdict => "verdict".to_owned(),
        Release::Nodes { nodes, values, vs_request } => {
            let values: Vec<&str> = values.iter().map(|name| name.as_str()).collect();
            let adaptive = if *vs_request { ", vs_request" } else { "" };
            format!("{nodes} nodes, values [{}]{ranges}{adaptive}", values.join(", "))
        }
        Release::Undisclosed => "danger_undisclosed".to_owned(),
    }
}

/// A bound: an int, a uint or a double.
fn number(bound: &Number) -> String {
    match bound {
        Number::Int(value) => value.to_string(),
        Number::Uint(value) => value.to_string(),
        Number::Double(value) => value.to_string(),
        _ => String::new(),
    }
}

/// Everything that a rule means, by the name of the key that says it; two rules of one meaning are equal here.
pub(crate) fn meaning(rule: &Rule) -> BTreeMap<&'static str, String> {
    let unknown = Cause::ALL.iter().map(|cause| format!("{}: {}", cause.name(), entry(rule.entry(*cause))));
    let reveal: Vec<&str> = rule.reveal.iter().map(|name| name.as_str()).collect();
    BTreeMap::from([
        ("when", rule.when.to_string()),
        ("effect", does(rule)),
        ("text", rule.text.name().to_owned()),
        ("place", rule.place.map_or("", Zone::name).to_owned()),
        ("release", release(rule)),
        ("declassify", rule.declassify.join(", ")),
        ("reveal", reveal.join(", ")),
        ("if_unknown", unknown.collect::<Vec<_>>().join(", ")),
        ("if_error", entry(rule.error)),
    ])
}
