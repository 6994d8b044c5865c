//! The equality check: every decision of a run against the whole policy on the event's full snapshot.
//!
//! For each decision record it puts Σ together from four sources that share no code with the zones: what the
//! device's process knew ([`Snapshots`], which never crossed a socket), what the request said, what edge and
//! registry stated in the record, and cloud signals recomputed from the event log at the record's cut
//! ([`crate::features`], one scan a value) and from the lists by effective time. The reference
//! interpreter then says what the verdict had to be. Events that were decided early, on the device or at the
//! edge, are treated alike: cloud signals that nobody asked for then are recomputed all the same.
//!
//! Equal means: same verdict and method, same obligations after settlement, and reasons that are a subset of the
//! reference's (DESIGN §4.2). The request's signals in the record must be the ones that were sent.

use crate::features::{self, Definition, Entry, Kind};
use crate::policies::Policies;
use crate::records::{Decided, Kept, OnDevice, entry};
use crate::report::EqualityReport;
use crate::snapshots::{Snapshot, Snapshots};
use glacis_compiler::catalogue::{FeatureDef, FeatureKind, Origin};
use glacis_compiler::reference::{self, whole};
use glacis_compiler::{Compiled, ListTest};
use glacis_wire::message::decide::ClosedBy;
use glacis_wire::{Answer, Given, Method, SignalName, Trust, Type, Value, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// What was compared, and what differed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// The counts for the report.
    pub report: EqualityReport,
    /// Each difference as a sentence without any signal value.
    pub differences: Vec<String>,
}

/// Compares every decision that was kept.
pub fn check(kept: &Kept, snapshots: &Snapshots, policies: &Policies) -> Checked {
    let desk = Desk { kept, policies, principals: policies.principals() };
    let mut checked = Checked::default();
    let mut count = |name: String, result: Result<(), String>| {
        checked.report.checked += 1;
        if let Err(difference) = result {
            checked.report.diverged += 1;
            checked.differences.push(format!("{name}: {difference}"));
        }
    };
    for decided in &kept.decided {
        let facts = &decided.record.facts;
        count(format!("event {} ({})", facts.event_id, facts.event), desk.decided(decided, snapshots));
    }
    for one in &kept.on_device {
        let record = &one.record;
        count(format!("event {} ({})", record.event_id, record.event), desk.on_device(one, snapshots));
    }
    checked
}

struct Desk<'a> {
    kept: &'a Kept,
    policies: &'a Policies,
    principals: BTreeSet<SignalName>,
}

impl Desk<'_> {
    /// A decision of edge or cloud.
    fn decided(&self, decided: &Decided, snapshots: &Snapshots) -> Result<(), String> {
        let record = &decided.record;
        let facts = &record.facts;
        let snapshot = facts.thumbprint.and_then(|device| snapshots.of(device, facts.event_id));
        let snapshot = snapshot.ok_or("no device of this run made it")?;
        let (policy, compiled) = self.policies.of(&facts.event).ok_or("no such policy")?;
        if policy != facts.policy {
            return Err("decided by another policy".to_owned());
        }
        let entry = entry(facts, &self.principals);
        said_is_extracted(&snapshot, &entry)?;
        let sigma = self.sigma(compiled, &snapshot, facts.trust, &entry, decided.seq);
        let passed = facts.passed.as_ref().map(|passed| passed.method);
        let outage = record.closed_by == ClosedBy::CloudUnavailable;
        let reference = whole(compiled.checked(), &sigma, passed, outage);
        same_verdict(record.verdict, reference.verdict, passed)?;
        let matched: BTreeSet<&str> = reference.matched.iter().map(String::as_str).collect();
        if let Some(reason) = record.reasons.iter().find(|reason| !matched.contains(&***reason)) {
            return Err(format!("reason `{}` does not match in the whole policy", &**reason));
        }
        match decided.obligations() {
            Some(duties) if duties == reference.obligations => Ok(()),
            Some(_) => Err("settled obligations differ".to_owned()),
            None => Err("its obligations were never settled".to_owned()),
        }
    }

    /// A decision of a device. Nothing of the request was sent, so the simulator's own knowledge of it counts.
    fn on_device(&self, one: &OnDevice, snapshots: &Snapshots) -> Result<(), String> {
        let record = &one.record;
        let snapshot =
            snapshots.of(one.thumbprint, record.event_id).ok_or("no device of this run made it")?;
        let (policy, compiled) = self.policies.of(&record.event).ok_or("no such policy")?;
        if policy != record.disclosed.policy {
            return Err("decided by another policy".to_owned());
        }
        let entry = self.unsent(one, &snapshot);
        // What the log held when the record came: nothing after it can have been known.
        let earlier = self.kept.log.iter().filter(|logged| logged.ingested <= one.received);
        let cut = earlier.map(|logged| logged.seq + 1).max().unwrap_or(0);
        let sigma = self.sigma(compiled, &snapshot, one.trust, &entry, cut);
        let reference = whole(compiled.checked(), &sigma, None, false);
        same_verdict(record.verdict, reference.verdict, None)
    }

    /// What features would see of an action that was never sent.
    fn unsent(&self, one: &OnDevice, snapshot: &Snapshot) -> Entry {
        let mut signals = snapshot.request.clone();
        signals.extend(crate::records::stated(one.tier, Some(one.thumbprint)));
        Entry {
            event: one.record.event.clone(),
            thumbprint: Some(one.thumbprint),
            event_id: one.record.event_id,
            received: one.received,
            signals,
        }
    }

    /// Σ of one event.
    fn sigma(
        &self,
        compiled: &Compiled,
        snapshot: &Snapshot,
        device_trust: Trust,
        entry: &Entry,
        cut: u64,
    ) -> reference::Snapshot {
        let given = |trust: Trust| {
            move |(name, answer): (&SignalName, &Answer)| {
                (name.clone(), Given { answer: answer.clone(), trust })
            }
        };
        let mut answers: BTreeMap<SignalName, Given> =
            snapshot.device.iter().map(given(device_trust)).collect();
        answers.extend(entry.signals.iter().map(given(Trust::Proven)));
        for feature in compiled.features() {
            let definition = definition(feature, compiled);
            let answer = features::value(&definition, entry, cut, &self.kept.log, &self.principals);
            answers.insert(feature.signal.clone(), Given { answer, trust: Trust::Proven });
        }
        for test in compiled.lists() {
            let answer = self.listed(test, entry);
            answers.insert(test.signal.clone(), Given { answer, trust: Trust::Proven });
        }
        reference::Snapshot { answers }
    }

    /// `key in list`: the newest change that was effective when the event was received decides.
    fn listed(&self, test: &ListTest, entry: &Entry) -> Answer {
        let key = match entry.signals.get(&test.key) {
            Some(Answer::Value(value)) => item(value),
            _ if self.principals.contains(&test.key) => {
                return Answer::unknown(glacis_wire::Cause::Withheld);
            }
            _ => return Answer::Error,
        };
        let of_item = |change: &&crate::records::ListChange| {
            change.list == test.list && change.item == key && change.effective <= entry.received
        };
        let changes = self.kept.lists.iter().filter(of_item);
        let newest = changes.max_by_key(|change| (change.effective, change.version));
        Answer::Value(Value::Bool(newest.is_some_and(|change| change.present)))
    }
}

/// How an item is written in a list.
fn item(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::String(value) => value.clone(),
        // No list holds the others.
        Value::List(_) | Value::Uint(_) | Value::Bytes(_) | Value::Timestamp(_) | Value::Duration(_) => {
            String::new()
        }
    }
}

fn same_verdict(run: Verdict, whole: Verdict, passed: Option<Method>) -> Result<(), String> {
    if run == whole {
        return Ok(());
    }
    let after = passed.map_or(String::new(), |method| format!(" after {}", method.name()));
    Err(format!("run says {}, whole says {}{after}", text(run), text(whole)))
}

fn text(verdict: Verdict) -> String {
    match verdict {
        Verdict::Challenge(method) => format!("challenge({})", method.name()),
        other => other.name().to_owned(),
    }
}

/// What the edge extracted is what the client sent, signal by signal.
fn said_is_extracted(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    let differs =
        |(name, said): (&SignalName, &Answer)| (entry.signals.get(name) != Some(said)).then(|| name.clone());
    match snapshot.request.iter().find_map(differs) {
        None => Ok(()),
        Some(name) => Err(format!("`{name}` in the record is not what was sent")),
    }
}

/// The catalogue's feature as the quadratic reference takes it.
pub(crate) fn definition(feature: &FeatureDef, compiled: &Compiled) -> Definition {
    let of_type =
        feature.of.as_ref().and_then(|of| compiled.signals().signals().get(of)).map(|signal| signal.ty);
    Definition {
        signal: feature.signal.clone(),
        kind: match feature.kind {
            FeatureKind::Count => Kind::Count,
            FeatureKind::Sum => Kind::Sum,
            FeatureKind::Distinct => Kind::Distinct,
        },
        event: feature.event.clone(),
        key: feature.key.clone(),
        of: feature.of.clone(),
        double: of_type == Some(Type::Double),
        window: feature.window,
        lateness: feature.lateness,
        include_self: feature.include_self,
    }
}

/// The signals of a catalogue that name the user.
pub(crate) fn principals(compiled: &Compiled) -> BTreeSet<SignalName> {
    let signals = compiled.signals().signals().values();
    signals.filter(|signal| signal.origin == Origin::Principal).map(|signal| signal.name.clone()).collect()
}
