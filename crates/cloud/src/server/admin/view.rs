//! JSON that operators see. One function a shape; names are stable, times are milliseconds since the epoch.
//!
//! Only what was stored is shown. Values of request fields are pseudonymous at most (the catalogue says which);
//! device signals appear as the two bits that were released.

use crate::admin::{FeedbackView, ListItem, TokenView};
use crate::audit::{AuditEntry, AuditReport, Head};
use crate::browse::{Counts, Incident};
use crate::policy::{LivePolicies, PublishedVersion};
use crate::record::{LoggedEvent, Settled, StoredDecision};
use crate::registry::DeviceView;
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::{Answer, NodeOutcome, Thumbprint, Tier, Value as SignalValue, Verdict};
use serde_json::{Map, Value, json};

pub(super) fn tokens(tokens: &[TokenView]) -> Value {
    let one = |token: &TokenView| {
        json!({
            "id": token.id,
            "name": token.name,
            "scopes": token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
            "created_ms": token.created.as_ms(),
            "expires_ms": token.expires.as_ms(),
            "ended_ms": token.ended.map(|at| at.as_ms()),
        })
    };
    json!({ "tokens": tokens.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn lists(lists: &[(String, u64)]) -> Value {
    let one = |(list, version): &(String, u64)| json!({ "list": list, "version": version });
    json!({ "lists": lists.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn list(list: &str, version: u64, items: &[ListItem]) -> Value {
    let one = |item: &ListItem| json!({ "item": item.item, "effective_ms": item.effective.as_ms() });
    json!({ "list": list, "version": version, "items": items.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn decision(decision: &StoredDecision, feedback: &[FeedbackView]) -> Value {
    let record = &decision.record;
    let said =
        |view: &FeedbackView| json!({ "outcome": view.outcome, "at_ms": view.at.as_ms(), "by": view.by });
    json!({
        "reference": record.reference.text(),
        "seq": decision.seq,
        "cut": decision.cut,
        "ingested_ms": decision.ingested.as_ms(),
        "decided_ms": record.decided.as_ms(),
        "zone": record.zone.name(),
        "verdict": verdict(record.verdict),
        "closed_by": record.closed_by.name(),
        "standing": decision.standing,
        "reasons": record.reasons.iter().map(|reason| reason.0.as_str()).collect::<Vec<_>>(),
        "facts": facts(&record.facts),
        "settled": decision.settled.as_ref().map(settled),
        "feedback": feedback.iter().map(said).collect::<Vec<_>>(),
    })
}

fn settled(settled: &Settled) -> Value {
    let list = |list: &crate::record::ListVersion| (list.list.0.clone(), Value::from(list.version));
    json!({
        "verdict": verdict(settled.verdict),
        "matched": settled.matched.iter().map(|reason| reason.0.as_str()).collect::<Vec<_>>(),
        "obligations": settled.obligations.iter().map(|duty| duty.name()).collect::<Vec<_>>(),
        "answers": answers(&settled.answers),
        "lists": settled.lists.iter().map(list).collect::<Map<_, _>>(),
    })
}

pub(super) fn events(events: &[LoggedEvent]) -> Value {
    let one = |event: &LoggedEvent| json!({ "seq": event.seq, "ingested_ms": event.ingested.as_ms(), "facts": facts(&event.facts) });
    json!({ "events": events.iter().map(one).collect::<Vec<_>>() })
}

fn facts(facts: &EventFacts) -> Value {
    let node = |outcome: &NodeOutcome| match outcome {
        NodeOutcome::False => "false",
        NodeOutcome::True => "true",
        NodeOutcome::Unknown => "unknown",
        NodeOutcome::Error => "error",
    };
    json!({
        "event": facts.event.as_str(),
        "event_id": facts.event_id.to_string(),
        "policy": facts.policy.to_string(),
        "thumbprint": facts.thumbprint.map(|device| device.to_string()),
        "tier": facts.tier.name(),
        "trust": facts.trust.name(),
        "principal": facts.principal.as_ref().map(|principal| principal.0.as_str()),
        "received_ms": facts.received.as_ms(),
        "released": facts.disclosed.as_ref().map(|out| out.nodes.iter().map(node).collect::<Vec<_>>()),
        "fields": answers(&facts.fields),
        "observed": answers(&facts.observed),
        "passed": facts.passed.as_ref().map(|passed| passed.method.name()),
        "node": facts.node.as_str(),
    })
}

fn answers(answers: &[SignalAnswer]) -> Map<String, Value> {
    answers.iter().map(|stated| (stated.signal.to_string(), answer(&stated.answer))).collect()
}

fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::Value(value) => json!({ "value": signal_value(value) }),
        Answer::Missing => json!("missing"),
        Answer::Error => json!("error"),
        Answer::Unknown(causes) => {
            json!({ "unknown": causes.iter().map(|cause| cause.name()).collect::<Vec<_>>() })
        }
    }
}

fn signal_value(value: &SignalValue) -> Value {
    match value {
        SignalValue::Bool(value) => json!(value),
        SignalValue::Int(value) => json!(value),
        // JSON has no NaN and no infinity.
        SignalValue::Double(value) if value.is_finite() => json!(value),
        SignalValue::Double(value) => json!(value.to_string()),
        SignalValue::String(value) => json!(value),
        SignalValue::List(items) => items.iter().map(signal_value).collect(),
    }
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Challenge(method) => format!("challenge({})", method.name()),
        Verdict::Allow | Verdict::Block => verdict.name().to_owned(),
    }
}

pub(super) fn incidents(incidents: &[Incident]) -> Value {
    let one = |incident: &Incident| {
        json!({
            "at_ms": incident.at.as_ms(),
            "kind": incident.kind,
            "thumbprint": incident.thumbprint.map(|device| device.to_string()),
            "node": incident.node,
        })
    };
    json!({ "incidents": incidents.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn status(counts: &Counts, live: &LivePolicies) -> Value {
    json!({
        "events": counts.events,
        "decisions": counts.decisions,
        "devices": counts.devices,
        "incidents": counts.incidents,
        "device_records": counts.device_records,
        "feature_entries": counts.feature_entries,
        "policy_version": live.version,
        "key_set": live.key_set,
    })
}

pub(super) fn devices(devices: &[(Thumbprint, Tier)]) -> Value {
    let one = |(device, tier): &(Thumbprint, Tier)| json!({ "thumbprint": device.to_string(), "tier": tier.name() });
    json!({ "devices": devices.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn device(device: &DeviceView) -> Value {
    let change = |change: &crate::registry::TierChange| {
        json!({
            "at_ms": change.at.as_ms(),
            "from": change.from.name(),
            "to": change.to.name(),
            "reason": change.reason,
        })
    };
    json!({
        "thumbprint": device.thumbprint.to_string(),
        "tier": device.tier.name(),
        "trust": device.trust.name(),
        "family": device.family,
        "enrolled_ms": device.enrolled.as_ms(),
        "listed": device.listed.map(|action| action.name()),
        "history": device.history.iter().map(change).collect::<Vec<_>>(),
    })
}

pub(super) fn policies(live: &LivePolicies, versions: &[PublishedVersion]) -> Value {
    let policy = |(event, digest): &(String, glacis_wire::PolicyDigest)| json!({ "event": event, "digest": digest.to_string() });
    let version =
        |version: &PublishedVersion| json!({ "version": version.version, "at_ms": version.at.as_ms() });
    json!({
        "live": live.version,
        "key_set": live.key_set,
        "policies": live.policies.iter().map(policy).collect::<Vec<_>>(),
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
    })
}

pub(super) fn audit(head: &Head, tail: &[AuditEntry]) -> Value {
    let one = |entry: &AuditEntry| json!({ "seq": entry.seq, "at_ms": entry.at.as_ms(), "kind": entry.kind.name(), "row": entry.row });
    json!({
        "seq": head.seq,
        "head": head.digest.to_string(),
        "tail": tail.iter().map(one).collect::<Vec<_>>(),
    })
}

pub(super) fn audit_report(report: &AuditReport) -> Value {
    json!({
        "holds": report.fault.is_none(),
        "verified": report.verified,
        "fault": report.fault,
        "head": report.head.digest.to_string(),
    })
}
