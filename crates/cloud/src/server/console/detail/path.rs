//! The way of one event through the four zones, and where it ended.
//!
//! Each zone has one state and one sentence, out of what the record says and the registry knows; a zone that had nothing
//! to do with the event says so instead of being left out.

use crate::pulse::took_ms;
use crate::record::StoredDecision;
use crate::registry::DeviceView;
use crate::registry::NO_EVIDENCE;
use crate::server::console::line::RESOLUTION_US;
use glacis_wire::message::decide::{ClosedBy, Record};
use glacis_wire::{Verdict, Zone};
use serde::Serialize;

/// What one zone had to do with it.
#[derive(Serialize)]
pub(super) struct Step {
    zone: &'static str,
    state: &'static str,
    at_ms: Option<u64>,
    took_us: Option<u64>,
    words: String,
}

impl Step {
    fn new(zone: &'static str, state: &'static str, words: impl Into<String>) -> Self {
        Self { zone, state, at_ms: None, took_us: None, words: words.into() }
    }

    fn at(self, at_ms: u64) -> Self {
        Self { at_ms: Some(at_ms), ..self }
    }
}

/// Ecosystem, device, edge, cloud.
pub(super) fn steps(decision: &StoredDecision, device: Option<&DeviceView>) -> [Step; 4] {
    let record = &decision.record;
    [ecosystem(record, device), on_device(record), edge(record), cloud(record)]
}

fn ecosystem(record: &Record, device: Option<&DeviceView>) -> Step {
    let zone = "ecosystem";
    match (record.facts.thumbprint, device) {
        (None, _) => Step::new(zone, "silent", "No device signed the request, so nobody vouches for one."),
        (Some(_), None) => Step::new(zone, "unknown", "The device is not in the registry any more."),
        (Some(_), Some(device)) if device.family == NO_EVIDENCE => {
            Step::new(zone, "silent", "The device enrolled without evidence of its hardware: tier software.")
                .at(device.enrolled.as_ms())
        }
        (Some(_), Some(device)) => {
            let words = format!(
                "Evidence of family {} vouched for the device; the request came with tier {}.",
                device.family,
                record.facts.tier.name()
            );
            Step::new(zone, "passed", words).at(device.enrolled.as_ms())
        }
    }
}

fn on_device(record: &Record) -> Step {
    let (zone, facts) = (Zone::Device.name(), &record.facts);
    if record.zone == Zone::Device {
        return Step::new(zone, ended(record.verdict), format!("The device decided: {}.", record.verdict))
            .at(record.decided.as_ms());
    }
    match (&facts.disclosed, &facts.thumbprint) {
        (None, None) => Step::new(zone, "silent", "The request came without a device of ours."),
        (None, Some(_)) => Step::new(zone, "silent", "The device said nothing that could be read."),
        (Some(out), _) if out.policy != facts.policy => {
            Step::new(zone, "unknown", "The device answered the questions of another version of the policy.")
        }
        (Some(out), _) => {
            let passed = facts
                .passed
                .as_ref()
                .map_or(String::new(), |passed| format!(" The user passed {} there.", passed.method.name()));
            let count = out.nodes.len();
            let noun = if count == 1 { "condition" } else { "conditions" };
            let words = format!("It let out the outcomes of {count} {noun} and kept its signals.{passed}");
            Step::new(zone, "passed", words)
        }
    }
}

fn edge(record: &Record) -> Step {
    let (zone, received) = (Zone::Edge.name(), record.facts.received.as_ms());
    let node = &record.facts.node;
    match (record.zone, record.closed_by) {
        (Zone::Edge, by) => {
            let how = match by {
                ClosedBy::Policy => "by the policy, on what was known there",
                ClosedBy::CloudUnavailable => "without the cloud, which did not answer in time",
                ClosedBy::Stance => "by the route's stance, since no policy could be run",
            };
            let words = format!("Node {node} decided {}: {}.", how, record.verdict);
            let step = Step::new(zone, ended(record.verdict), words).at(record.decided.as_ms());
            Step { took_us: took_us(record), ..step }
        }
        (Zone::Cloud, _) => {
            Step::new(zone, "passed", format!("Node {node} could not decide alone, and asked the cloud."))
                .at(received)
        }
        (Zone::Device, _) => Step::new(zone, "not-needed", "The device had decided."),
    }
}

fn cloud(record: &Record) -> Step {
    let zone = Zone::Cloud.name();
    match (record.zone, record.closed_by) {
        (Zone::Cloud, _) => {
            let words = format!("The cloud decided: {}.", record.verdict);
            let step = Step::new(zone, ended(record.verdict), words).at(record.decided.as_ms());
            Step { took_us: took_us(record), ..step }
        }
        (_, ClosedBy::CloudUnavailable) => {
            Step::new(zone, "silent", "It did not answer in time; what it would have said is unknown.")
        }
        (_, ClosedBy::Policy | ClosedBy::Stance) => {
            Step::new(zone, "not-needed", "It was not asked; it stored the decision.")
        }
    }
}

/// From the receipt at the edge, in the resolution of the records.
fn took_us(record: &Record) -> Option<u64> {
    took_ms(record.facts.received, record.decided).map(|took| took.saturating_mul(RESOLUTION_US))
}

const fn ended(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "decided",
        Verdict::Challenge(_) => "asked",
        Verdict::Block => "stopped",
    }
}
