//! What was known of each signal, who said it, how private it is, and that of the device nothing is held.
//!
//! A signal of the device that stays there has no answer here, only the outcomes of the conditions over it that were let
//! out. What left as a declared value is held like any other.

use super::known::Known;
use crate::record::StoredDecision;
use crate::server::console::versions::Kept;
use crate::server::view;
use glacis_compiler::catalogue::{Birth, Origin, Signal};
use glacis_compiler::node_name;
use glacis_wire::SignalName;
use serde::Serialize;

/// One signal that the policy reads.
#[derive(Serialize)]
pub(super) struct SignalJson {
    signal: String,
    zone: &'static str,
    privacy: &'static str,
    purpose: Vec<String>,
    origin: String,
    age_ms: Option<u64>,
    trust: &'static str,
    held: bool,
    #[serde(flatten)]
    said: Said,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    /// We have it.
    Held { answer: view::Stated },
    /// We do not, by design; what was let out of it.
    NotHeld { disclosed: &'static str, nodes: Vec<NodeJson> },
}

#[derive(Serialize)]
struct NodeJson {
    when: String,
    outcome: &'static str,
}

/// Every signal that the policy reads, by name.
pub(super) fn of(kept: &Kept, known: &Known, decision: &StoredDecision) -> Vec<SignalJson> {
    let signals = kept.compiled.checked().signals().iter();
    signals.map(|(name, signal)| one(kept, known, decision, name, signal)).collect()
}

fn one(
    kept: &Kept,
    known: &Known,
    decision: &StoredDecision,
    name: &SignalName,
    signal: &Signal,
) -> SignalJson {
    let record = &decision.record;
    let layout = kept.compiled.layout();
    let given = known.event.snapshot.answers.get(name);
    let held = signal.birth != Birth::Device || layout.values.contains(name);
    let said = match given.filter(|_| held) {
        Some(given) => Said::Held { answer: view::answer(&given.answer) },
        None => not_held(kept, known, name),
    };
    let trust = match (given, signal.birth) {
        (Some(given), _) => given.trust.name(),
        (None, _) => record.facts.trust.name(),
    };
    // What edge and device said was said with the request; the cloud answers when it decides.
    let age_ms = match signal.birth {
        Birth::Cloud => Some(0),
        _ => record.decided.as_ms().checked_sub(record.facts.received.as_ms()),
    };
    SignalJson {
        signal: name.to_string(),
        zone: signal.birth.name(),
        privacy: signal.privacy.name(),
        purpose: signal.purpose.clone(),
        origin: origin(signal),
        age_ms,
        trust,
        held,
        said,
    }
}

/// What the device let out of a signal: outcomes of conditions over it.
fn not_held(kept: &Kept, known: &Known, name: &SignalName) -> Said {
    let nodes = kept.compiled.layout().nodes.iter().enumerate();
    let nodes = nodes.filter(|(_, node)| node.signals.contains(name)).filter_map(|(at, node)| {
        let given = known.event.snapshot.answers.iter().find(|(name, _)| name.as_str() == node_name(at))?.1;
        Some(NodeJson { when: node.text.clone(), outcome: outcome(&given.answer) })
    });
    let nodes: Vec<NodeJson> = nodes.collect();
    Said::NotHeld { disclosed: if nodes.is_empty() { "none" } else { "condition" }, nodes }
}

pub(super) const fn outcome(answer: &glacis_wire::Answer) -> &'static str {
    use glacis_wire::{Answer, Value};
    match answer {
        Answer::Value(Value::Bool(true)) => "true",
        Answer::Value(_) => "false",
        Answer::Error => "error",
        Answer::Missing | Answer::Interval(_) | Answer::Unknown(_) => "unknown",
    }
}

/// Who produced it.
fn origin(signal: &Signal) -> String {
    match (&signal.origin, signal.birth) {
        (Origin::Principal, _) => "the verified user of the request".to_owned(),
        (Origin::BuiltIn, _) => "the edge, of the session".to_owned(),
        (Origin::Feature, _) => "the cloud, over past events".to_owned(),
        (Origin::ListTest { list, key }, _) => format!("the cloud: whether {key} is in list {list}"),
        (Origin::Observed, Birth::Device) => "the app's process on the device".to_owned(),
        (Origin::Observed, Birth::Request) => "the edge, out of the bytes of the request".to_owned(),
        (Origin::Observed, Birth::Edge) => "the edge".to_owned(),
        (Origin::Observed, Birth::Cloud) => "the cloud".to_owned(),
    }
}
