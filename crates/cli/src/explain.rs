//! `glacis explain`: why a decision came out as it did, for the person who is asked about it.
//!
//! The cloud says what was stored and compiles the policy that decided; this only words it. Device signals appear
//! as the bits that were released, since nothing else of them ever left the device.

use crate::client::{Connection, segment, typed};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_wire::Timestamp;
use glacis_wire::message::decide::ROUTE_MODE;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io::Write;

/// Arguments of `glacis explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The reference that the client was given: 12 characters
    reference: String,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Explained {
    record: Record,
    policy_versions: Vec<u64>,
    policy: Option<Policy>,
}

#[derive(Debug, Deserialize)]
struct Record {
    reference: String,
    decided_ms: u64,
    zone: String,
    verdict: String,
    closed_by: String,
    reasons: Vec<String>,
    facts: Facts,
    settled: Option<Settled>,
    feedback: Vec<Feedback>,
}

#[derive(Debug, Deserialize)]
struct Facts {
    event: String,
    policy: String,
    thumbprint: Option<String>,
    tier: String,
    trust: String,
    principal: Option<String>,
    passed: Option<String>,
    node: String,
    observed: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Settled {
    verdict: String,
    matched: Vec<String>,
    obligations: Vec<String>,
    lists: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
    rules: Vec<Rule>,
    signals: Vec<Signal>,
    released: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    id: String,
    when: String,
    effect: String,
    why: String,
}

#[derive(Debug, Deserialize)]
struct Signal {
    signal: String,
    zone: String,
    answer: Value,
    trust: String,
}

#[derive(Debug, Deserialize)]
struct Node {
    when: String,
    outcome: String,
    trust: String,
}

#[derive(Debug, Deserialize)]
struct Feedback {
    outcome: String,
    at_ms: u64,
    by: String,
}

/// Prints the explanation.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let path = format!("/admin/v1/records/{}/explanation", segment(&args.reference));
    let answer = args.connection.open()?.get(&path)?;
    let explained: Explained = typed(&answer)?;
    if args.json { print_json(out, &answer) } else { print(out, plain(&text(&explained)).trim_end()) }
}

fn text(told: &Explained) -> String {
    let record = &told.record;
    let at = Timestamp::from_ms(record.decided_ms).rfc3339();
    let facts = &record.facts;
    let mut shown = format!(
        "{}: {} of `{}`, decided by the {} at {at}\n",
        record.reference, record.verdict, facts.event, record.zone
    );
    let _ = writeln!(shown, "user      {}", facts.principal.as_deref().unwrap_or("none that was verified"));
    let _ = match &facts.thumbprint {
        Some(device) => {
            writeln!(shown, "device    {device}, tier {}, its word is {}", facts.tier, facts.trust)
        }
        None => writeln!(shown, "device    none; the request was not signed"),
    };
    let versions: Vec<String> = told.policy_versions.iter().map(u64::to_string).collect();
    let version = if versions.is_empty() { "not stored any more".to_owned() } else { versions.join(", ") };
    let name = told.policy.as_ref().map_or("", |policy| policy.name.as_str());
    let _ = writeln!(shown, "policy    {name} in version {version}, digest {}", facts.policy);
    let _ = writeln!(shown, "node      {}", facts.node);
    if let Some(method) = &facts.passed {
        let _ = writeln!(shown, "passed    {method}");
    }
    let _ = writeln!(shown, "closed    {}", closed(&record.closed_by));
    if facts.observed.contains_key(ROUTE_MODE) {
        let _ = writeln!(shown, "acted     no: the route observes, and the request went on");
    }
    rules(told, &mut shown);
    if let Some(policy) = &told.policy {
        signals(policy, &mut shown);
    }
    settled(record, &mut shown);
    for said in &record.feedback {
        let at = Timestamp::from_ms(said.at_ms).rfc3339();
        let _ = writeln!(shown, "\nfeedback  {} by {} at {at}", said.outcome, said.by);
    }
    shown
}

/// What closed the rules that were open, in words.
fn closed(by: &str) -> &str {
    match by {
        "policy" => "by the policy, on what was known",
        "cloud-unavailable" => "at the edge: the cloud did not answer in time, so its signals were unknown",
        "stance" => "by the route's stance: no policy could be run",
        other => other,
    }
}

fn rules(told: &Explained, shown: &mut String) {
    let rules = told.policy.as_ref().map_or(&[][..], |policy| &policy.rules);
    if rules.is_empty() {
        let none =
            if told.record.reasons.is_empty() { "none".to_owned() } else { told.record.reasons.join(", ") };
        let _ = writeln!(shown, "\nrules that matched: {none}");
        return;
    }
    let _ = writeln!(shown, "\nrules that matched:");
    for rule in rules {
        let decided =
            if told.record.reasons.contains(&rule.id) { "" } else { " (found later, by the whole policy)" };
        let _ = writeln!(shown, "  {}: {}{decided}", rule.id, rule.effect);
        let _ = writeln!(shown, "      when {}\n      {}", rule.when, rule.why);
    }
}

fn signals(policy: &Policy, shown: &mut String) {
    let _ = writeln!(shown, "\nwhat was known:");
    for signal in &policy.signals {
        let _ = writeln!(
            shown,
            "  {} = {}  ({}, {})",
            signal.signal,
            answer(&signal.answer),
            signal.zone,
            signal.trust
        );
    }
    for node in &policy.released {
        let _ = writeln!(
            shown,
            "  `{}` is {}  (released by the device, {})",
            node.when, node.outcome, node.trust
        );
    }
    if policy.signals.is_empty() && policy.released.is_empty() {
        let _ = writeln!(shown, "  nothing");
    }
}

fn settled(record: &Record, shown: &mut String) {
    let Some(settled) = &record.settled else { return };
    for (list, version) in &settled.lists {
        let _ = writeln!(shown, "\nlist      {list} at version {version}");
    }
    if !settled.obligations.is_empty() {
        let _ = writeln!(shown, "\nduties    {}", settled.obligations.join(", "));
    }
    if settled.verdict != record.verdict {
        let all = settled.matched.join(", ");
        let _ = writeln!(
            shown,
            "\nthe whole policy says {} ({all}); the {} answered before all was known",
            settled.verdict, record.zone
        );
    }
}

/// An answer as a person reads it.
fn answer(answer: &Value) -> String {
    match answer {
        Value::String(word) => word.clone(),
        Value::Object(said) => match (said.get("value"), said.get("unknown")) {
            (Some(value), _) => value.to_string(),
            (_, Some(Value::Array(causes))) => {
                let causes: Vec<&str> = causes.iter().filter_map(Value::as_str).collect();
                format!("unknown ({})", causes.join(", "))
            }
            _ => answer.to_string(),
        },
        other => other.to_string(),
    }
}
