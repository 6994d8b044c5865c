//! JSON that operators and backends see, as types: what is sent is what the document declares.
//!
//! Only what was stored is shown. Values of request fields are pseudonymous at most (the catalogue says which);
//! device signals appear as the two bits that were released. Times are milliseconds since the epoch.

use crate::admin::{FeedbackView, ListItem, TokenView};
use crate::ask::Told;
use crate::audit::{AuditEntry, AuditReport, Head};
use crate::browse::{Counts, Incident};
use crate::page::Page;
use crate::policy::{LivePolicies, PublishedVersion};
use crate::record::{LoggedEvent, Settled, StoredDecision};
use crate::registry::DeviceView;
use glacis_compiler::full;
use glacis_policy::Obligations;
use glacis_seal::httpsig::content_digest;
use glacis_wire::interval::Ends;
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::{Answer, Interval, NodeOutcome, Thumbprint, Tier, Value as SignalValue, Verdict};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A new token, shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct NewToken {
    /// The secret.
    #[schema(pattern = "^glacis_[A-Za-z0-9_-]{43}$")]
    pub(super) token: String,
}

/// A page of tokens, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
    /// Where the next page begins.
    next: Option<String>,
}

/// A token without its secret.
#[derive(Serialize, ToSchema)]
struct Token {
    /// For revoking it.
    #[schema(minimum = 1)]
    id: u64,
    name: String,
    /// What it allows; empty for a bootstrap token.
    scopes: Vec<&'static str>,
    created_ms: u64,
    expires_ms: u64,
    /// When it was revoked or used up.
    ended_ms: Option<u64>,
}

impl Tokens {
    pub(super) fn of(page: Page<TokenView>) -> Self {
        let one = |token: TokenView| Token {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().map(|scope| scope.name()).collect(),
            created_ms: token.created.as_ms(),
            expires_ms: token.expires.as_ms(),
            ended_ms: token.ended.map(glacis_wire::Timestamp::as_ms),
        };
        Self { tokens: page.items.into_iter().map(one).collect(), next: page.next }
    }
}

/// A token that is good no more.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {
    #[schema(minimum = 1)]
    pub(super) revoked: u64,
}

/// Every list that something was ever put into.
#[derive(Serialize, ToSchema)]
pub(super) struct Lists {
    lists: Vec<ListVersion>,
}

/// A list at a version.
#[derive(Serialize, ToSchema)]
pub(super) struct ListVersion {
    pub(super) list: String,
    /// How many changes it had.
    pub(super) version: u64,
}

/// A page of a list, sorted.
#[derive(Serialize, ToSchema)]
pub(super) struct List {
    list: String,
    /// How many changes it had.
    version: u64,
    items: Vec<Item>,
    /// Where the next page begins.
    next: Option<String>,
}

/// What is in a list now or will be.
#[derive(Serialize, ToSchema)]
struct Item {
    item: String,
    effective_ms: u64,
}

impl Lists {
    pub(super) fn of(lists: Vec<(String, u64)>) -> Self {
        Self { lists: lists.into_iter().map(|(list, version)| ListVersion { list, version }).collect() }
    }
}

impl List {
    pub(super) fn of(list: String, version: u64, page: Page<ListItem>) -> Self {
        let one = |item: ListItem| Item { item: item.item, effective_ms: item.effective.as_ms() };
        Self { list, version, items: page.items.into_iter().map(one).collect(), next: page.next }
    }
}

/// A decision with all that was read for it.
#[derive(Serialize, ToSchema)]
pub(super) struct Record {
    #[schema(pattern = "^[0-9A-Z]{12}$")]
    reference: String,
    /// Its event's place in the log.
    seq: u64,
    /// Features count events before this one.
    cut: u64,
    ingested_ms: u64,
    decided_ms: u64,
    /// Who decided.
    #[schema(pattern = "^(device|edge|cloud)$")]
    zone: &'static str,
    /// `allow`, `block` or `challenge(METHOD)`.
    verdict: String,
    /// What closed open rules.
    closed_by: &'static str,
    /// Whether a repeated request gets this verdict.
    standing: bool,
    /// Codes of the rules that justify the verdict.
    reasons: Vec<String>,
    facts: Facts,
    settled: Option<Settlement>,
    feedback: Vec<Feedback>,
}

/// The whole policy, run over the facts.
#[derive(Serialize, ToSchema)]
struct Settlement {
    verdict: String,
    /// Codes of all rules that matched.
    matched: Vec<String>,
    obligations: Vec<&'static str>,
    answers: BTreeMap<String, Stated>,
    /// Versions of the lists that were read.
    lists: BTreeMap<String, u64>,
}

/// What came of a decided event.
#[derive(Serialize, ToSchema)]
pub(super) struct Feedback {
    outcome: String,
    at_ms: u64,
    /// Who said it.
    by: String,
}

/// What a trusted zone knew of an event.
#[derive(Serialize, ToSchema)]
struct Facts {
    event: String,
    #[schema(pattern = "^[0-9a-f]{32}$")]
    event_id: String,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    policy: String,
    /// The device, where the request was signed.
    thumbprint: Option<String>,
    tier: &'static str,
    trust: &'static str,
    principal: Option<String>,
    received_ms: u64,
    /// The outcomes that the device let out.
    released: Option<Vec<&'static str>>,
    fields: BTreeMap<String, Stated>,
    observed: BTreeMap<String, Stated>,
    /// A challenge method that was passed.
    passed: Option<&'static str>,
    /// Who received the request.
    node: String,
}

/// An answer about a signal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stated {
    /// It has this value.
    Value(Value),
    /// It lies between these two numbers, both included.
    Interval(Vec<Value>),
    /// There is none.
    Missing,
    /// It could not be computed.
    Error,
    /// Nobody knows, for these causes.
    Unknown(Vec<&'static str>),
}

impl Record {
    pub(super) fn of(decision: &StoredDecision, feedback: Vec<FeedbackView>) -> Self {
        let record = &decision.record;
        Self {
            reference: record.reference.text(),
            seq: decision.seq,
            cut: decision.cut,
            ingested_ms: decision.ingested.as_ms(),
            decided_ms: record.decided.as_ms(),
            zone: record.zone.name(),
            verdict: record.verdict.to_string(),
            closed_by: record.closed_by.name(),
            standing: decision.standing,
            reasons: record.reasons.iter().map(|reason| reason.0.clone()).collect(),
            facts: Facts::of(&record.facts),
            settled: decision.settled.as_ref().map(Settlement::of),
            feedback: feedback.into_iter().map(Feedback::of).collect(),
        }
    }
}

impl Settlement {
    fn of(settled: &Settled) -> Self {
        Self {
            verdict: settled.verdict.to_string(),
            matched: settled.matched.iter().map(|reason| reason.0.clone()).collect(),
            obligations: settled.obligations.iter().map(|duty| duty.name()).collect(),
            answers: stated(&settled.answers),
            lists: settled.lists.iter().map(|list| (list.list.0.clone(), list.version)).collect(),
        }
    }
}

impl Feedback {
    pub(super) fn of(said: FeedbackView) -> Self {
        Self { outcome: said.outcome, at_ms: said.at.as_ms(), by: said.by }
    }
}

impl Facts {
    fn of(facts: &EventFacts) -> Self {
        Self {
            event: facts.event.to_string(),
            event_id: facts.event_id.to_string(),
            policy: facts.policy.to_string(),
            thumbprint: facts.thumbprint.map(|device| device.to_string()),
            tier: facts.tier.name(),
            trust: facts.trust.name(),
            principal: facts.principal.as_ref().map(|principal| principal.0.clone()),
            received_ms: facts.received.as_ms(),
            released: facts
                .disclosed
                .as_ref()
                .map(|out| out.nodes.iter().map(|outcome| node(*outcome)).collect()),
            fields: stated(&facts.fields),
            observed: stated(&facts.observed),
            passed: facts.passed.as_ref().map(|passed| passed.method.name()),
            node: facts.node.to_string(),
        }
    }
}

/// What a device said of one released condition.
pub(super) const fn node(outcome: NodeOutcome) -> &'static str {
    match outcome {
        NodeOutcome::False => "false",
        NodeOutcome::True => "true",
        NodeOutcome::Unknown => "unknown",
        NodeOutcome::Error => "error",
    }
}

fn stated(answers: &[SignalAnswer]) -> BTreeMap<String, Stated> {
    answers.iter().map(|stated| (stated.signal.to_string(), answer(&stated.answer))).collect()
}

pub(super) fn answer(answer: &Answer) -> Stated {
    match answer {
        Answer::Value(value) => Stated::Value(signal_value(value)),
        Answer::Interval(interval) => Stated::Interval(ends(*interval)),
        Answer::Missing => Stated::Missing,
        Answer::Error => Stated::Error,
        Answer::Unknown(causes) => Stated::Unknown(causes.iter().map(|cause| cause.name()).collect()),
    }
}

fn ends(interval: Interval) -> Vec<Value> {
    let ends = match interval.ends() {
        Ends::Ints { lo, hi } => [lo, hi].map(SignalValue::Int),
        Ends::Doubles { lo, hi } => [lo, hi].map(SignalValue::Double),
    };
    ends.iter().map(signal_value).collect()
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
        SignalValue::Uint(value) => json!(value),
        SignalValue::Bytes(value) => json!(value),
        SignalValue::Timestamp(at) => json!(full::Timestamp::from(*at).to_string()),
        SignalValue::Duration(span) => json!(full::Duration::from(*span).to_string()),
    }
}

/// A page of the event log, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<Event>,
    /// Where the next page begins.
    next: Option<String>,
}

/// An event of the log.
#[derive(Serialize, ToSchema)]
struct Event {
    seq: u64,
    ingested_ms: u64,
    facts: Facts,
}

impl Events {
    pub(super) fn of(page: Page<LoggedEvent>) -> Self {
        let one = |event: LoggedEvent| Event {
            seq: event.seq,
            ingested_ms: event.ingested.as_ms(),
            facts: Facts::of(&event.facts),
        };
        Self { events: page.items.into_iter().map(one).collect(), next: page.next }
    }
}

/// A page of incidents, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Incidents {
    incidents: Vec<OneIncident>,
    /// Where the next page begins.
    next: Option<String>,
}

/// Something that should not happen and did.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
struct OneIncident {
    at_ms: u64,
    /// Stable code.
    kind: String,
    thumbprint: Option<String>,
    /// Who reported it.
    node: String,
}

impl Incidents {
    pub(super) fn of(page: Page<Incident>) -> Self {
        let one = |incident: Incident| OneIncident {
            at_ms: incident.at.as_ms(),
            kind: incident.kind,
            thumbprint: incident.thumbprint.map(|device| device.to_string()),
            node: incident.node,
        };
        Self { incidents: page.items.into_iter().map(one).collect(), next: page.next }
    }
}

/// How much there is, and what is in force.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    events: u64,
    decisions: u64,
    devices: u64,
    incidents: u64,
    device_records: u64,
    feature_entries: u64,
    /// Zero before the first publish.
    policy_version: u64,
    key_set: u64,
}

impl Status {
    pub(super) fn of(counts: &Counts, live: &LivePolicies) -> Self {
        Self {
            events: counts.events,
            decisions: counts.decisions,
            devices: counts.devices,
            incidents: counts.incidents,
            device_records: counts.device_records,
            feature_entries: counts.feature_entries,
            policy_version: live.version,
            key_set: live.key_set,
        }
    }
}

/// A page of devices, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Devices {
    devices: Vec<DeviceTier>,
    /// Where the next page begins.
    next: Option<String>,
}

/// A device and what its attestation is worth.
#[derive(Serialize, ToSchema)]
struct DeviceTier {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    thumbprint: String,
    tier: &'static str,
}

impl Devices {
    pub(super) fn of(page: Page<(Thumbprint, Tier)>) -> Self {
        let one = |(device, tier): (Thumbprint, Tier)| DeviceTier {
            thumbprint: device.to_string(),
            tier: tier.name(),
        };
        Self { devices: page.items.into_iter().map(one).collect(), next: page.next }
    }
}

/// One device with its history.
#[derive(Serialize, ToSchema)]
pub(super) struct Device {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    thumbprint: String,
    tier: &'static str,
    trust: &'static str,
    /// What kind of evidence it gave.
    family: String,
    /// What its key says about one device.
    #[schema(pattern = "^(none|estimate|hardware)$")]
    uniqueness: &'static str,
    /// The partner that brought it.
    partner: Option<String>,
    enrolled_ms: u64,
    /// What the revocation feed says of it.
    listed: Option<&'static str>,
    history: Vec<TierChange>,
    /// The line of keys that it stands in, oldest step first.
    lineage: Vec<Succession>,
    /// Version of the collateral that it was appraised with last.
    collateral: Option<u64>,
    /// When the revocation list was made that was asked then.
    revocations_as_of_ms: Option<u64>,
    /// What its standing rests on; nothing where it rests on no evidence, or fell.
    rests_on: Vec<Piece>,
}

/// What an appraisal rests on, and what it falls with.
#[derive(Serialize, ToSchema)]
struct Piece {
    /// Code of the fall.
    reason: &'static str,
    /// Which one, in hexadecimal: a serial, an app, a system's key, …
    piece: String,
}

impl Piece {
    fn of(support: &glacis_attest::collateral::Support) -> Self {
        Self { reason: support.kind.reason(), piece: glacis_seal::text::hex(&support.value) }
    }
}

/// A key that came in the place of another.
#[derive(Serialize, ToSchema)]
struct Succession {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    old: String,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    new: String,
    /// Stable code.
    #[schema(pattern = "^(replaced|same-hardware)$")]
    why: &'static str,
    at_ms: u64,
}

impl Succession {
    fn of(step: &crate::registry::Succession) -> Self {
        Self {
            old: step.old.to_string(),
            new: step.new.to_string(),
            why: step.why.name(),
            at_ms: step.at.as_ms(),
        }
    }
}

/// A tier given or taken.
#[derive(Serialize, ToSchema)]
struct TierChange {
    at_ms: u64,
    from: &'static str,
    to: &'static str,
    reason: String,
}

impl Device {
    pub(super) fn of(device: DeviceView) -> Self {
        let change = |change: crate::registry::TierChange| TierChange {
            at_ms: change.at.as_ms(),
            from: change.from.name(),
            to: change.to.name(),
            reason: change.reason,
        };
        Self {
            thumbprint: device.thumbprint.to_string(),
            tier: device.tier.name(),
            trust: device.trust.name(),
            family: device.family,
            uniqueness: device.uniqueness.name(),
            partner: device.partner,
            enrolled_ms: device.enrolled.as_ms(),
            listed: device.listed.map(|action| action.name()),
            history: device.history.into_iter().map(change).collect(),
            lineage: device.lineage.iter().map(Succession::of).collect(),
            collateral: device.collateral,
            revocations_as_of_ms: device.revocations_as_of.map(glacis_wire::Timestamp::as_ms),
            rests_on: device.rests_on.iter().map(Piece::of).collect(),
        }
    }
}

/// Policies in force and the versions before.
#[derive(Serialize, ToSchema)]
pub(super) struct Policies {
    /// Version in force; zero before the first publish.
    live: u64,
    /// Whether edges and devices of this version of the program can run it; else publish it again.
    current: bool,
    key_set: u64,
    policies: Vec<Policy>,
    /// Newest first.
    versions: Vec<PolicyVersion>,
}

/// A policy in force.
#[derive(Serialize, ToSchema)]
struct Policy {
    event: String,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    digest: String,
}

/// A publish.
#[derive(Serialize, ToSchema)]
struct PolicyVersion {
    version: u64,
    at_ms: u64,
}

impl Policies {
    pub(super) fn of(live: LivePolicies, versions: &[PublishedVersion]) -> Self {
        let policy = |(event, digest): (String, glacis_wire::PolicyDigest)| Policy {
            event,
            digest: digest.to_string(),
        };
        let version = |one: &PublishedVersion| PolicyVersion { version: one.version, at_ms: one.at.as_ms() };
        Self {
            live: live.version,
            current: live.is_current,
            key_set: live.key_set,
            policies: live.policies.into_iter().map(policy).collect(),
            versions: versions.iter().map(version).collect(),
        }
    }
}

/// The version that a publish brought.
#[derive(Serialize, ToSchema)]
pub(super) struct Published {
    #[schema(minimum = 1)]
    pub(super) version: u64,
}

/// The end of the audit chain.
#[derive(Serialize, ToSchema)]
pub(super) struct Audit {
    /// Number of entries.
    seq: u64,
    /// Head of the chain; write it down elsewhere.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    head: String,
    tail: Vec<Entry>,
}

/// An entry of the audit chain.
#[derive(Serialize, ToSchema)]
struct Entry {
    seq: u64,
    at_ms: u64,
    kind: &'static str,
    /// Row of the table of its kind.
    row: u64,
    /// The last of the rows that it is over; the same where it is over one.
    last_row: u64,
}

impl Audit {
    pub(super) fn of(head: &Head, tail: &[AuditEntry]) -> Self {
        let one = |entry: &AuditEntry| Entry {
            seq: entry.seq,
            at_ms: entry.at.as_ms(),
            kind: entry.kind.name(),
            row: entry.row,
            last_row: entry.last_row,
        };
        Self { seq: head.seq, head: head.digest.to_string(), tail: tail.iter().map(one).collect() }
    }
}

/// What a check of the audit chain found.
#[derive(Serialize, ToSchema)]
pub(super) struct Verified {
    /// Whether every entry and every row is as it was written.
    holds: bool,
    /// Entries checked.
    verified: u64,
    /// Where it does not hold.
    fault: Option<String>,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    head: String,
}

impl Verified {
    pub(super) fn of(report: &AuditReport) -> Self {
        Self {
            holds: report.fault.is_none(),
            verified: report.verified,
            fault: report.fault.clone(),
            head: report.head.digest.to_string(),
        }
    }
}

/// The reference of a decision that feedback was taken for.
#[derive(Serialize, ToSchema)]
pub(super) struct Referred {
    #[schema(pattern = "^[0-9A-Z]{12}$")]
    pub(super) reference: String,
}

/// A verdict, bound to the digest of the action.
#[derive(Serialize, ToSchema)]
pub(super) struct Verdicted {
    /// What becomes of the event.
    #[schema(pattern = "^(allow|challenge|block)$")]
    verdict: &'static str,
    /// For `challenge`: what the user must pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(otp|passkey)$")]
    method: Option<&'static str>,
    /// What may be quoted, to the user as well.
    #[schema(pattern = "^[0-9A-Z]{12}$")]
    reference: String,
    /// Duties that nobody waits for.
    obligations: Vec<&'static str>,
    /// The digest that was asked about.
    #[schema(pattern = "^sha-256=:[A-Za-z0-9+/]{43}=:$")]
    content: String,
    /// Void afterwards; milliseconds since the epoch.
    not_after: u64,
    /// Whether this event was decided before.
    repeated: bool,
    policy: PolicyNamed,
}

/// The policy that decided.
#[derive(Serialize, ToSchema)]
struct PolicyNamed {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    digest: String,
    /// Its version, as long as it is in force.
    version: Option<u64>,
}

impl Verdicted {
    pub(super) fn of(told: &Told) -> Self {
        Self {
            verdict: told.verdict.name(),
            method: method(told.verdict),
            reference: told.reference.text(),
            obligations: told.obligations.iter().map(|duty| duty.name()).collect(),
            content: content_digest(&told.content),
            not_after: told.not_after.as_ms(),
            repeated: told.repeated,
            policy: PolicyNamed { digest: told.policy.to_string(), version: told.version },
        }
    }
}

/// A decision as a backend sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct Decision {
    #[schema(pattern = "^[0-9A-Z]{12}$")]
    reference: String,
    event: String,
    #[schema(pattern = "^[0-9a-f]{32}$")]
    event_id: String,
    /// The digest that the verdict is bound to.
    #[schema(pattern = "^sha-256=:[A-Za-z0-9+/]{43}=:$")]
    content: String,
    #[schema(pattern = "^(allow|challenge|block)$")]
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(otp|passkey)$")]
    method: Option<&'static str>,
    /// Who decided.
    #[schema(pattern = "^(device|edge|cloud)$")]
    zone: &'static str,
    decided_ms: u64,
    /// Codes of the rules that justify the verdict; not for the user.
    reasons: Vec<String>,
    obligations: Vec<&'static str>,
    /// Digest of the policy that decided.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    policy: String,
    feedback: Vec<Feedback>,
}

impl Decision {
    pub(super) fn of(decision: &StoredDecision, feedback: Vec<FeedbackView>) -> Self {
        let record = &decision.record;
        let duties = decision.settled.as_ref().map_or(Obligations::NONE, |settled| settled.obligations);
        Self {
            reference: record.reference.text(),
            event: record.facts.event.to_string(),
            event_id: record.facts.event_id.to_string(),
            content: content_digest(&record.facts.content),
            verdict: record.verdict.name(),
            method: method(record.verdict),
            zone: record.zone.name(),
            decided_ms: record.decided.as_ms(),
            reasons: record.reasons.iter().map(|reason| reason.0.clone()).collect(),
            obligations: duties.iter().map(|duty| duty.name()).collect(),
            policy: record.facts.policy.to_string(),
            feedback: feedback.into_iter().map(Feedback::of).collect(),
        }
    }
}

const fn method(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Challenge(method) => Some(method.name()),
        Verdict::Allow | Verdict::Block => None,
    }
}
