//! Operations that the command needs and a person rarely does by hand: decisions as they come, why one came out as
//! it did, the installation at a glance, what was published, and changes that are checked and not made.
//!
//! Looking up why compiles a policy; that happens on a thread of its own, so that neither decisions nor other
//! operators wait for it.

use super::{
    Answer, App, CODE, Caller, LIST_CHECK, ListBody, REFERENCE, Surface, change, proven, read, scoped,
};
use crate::CloudCore;
use crate::admin::{Bearer, Scope};
use crate::browse::Counts;
use crate::error::CloudError;
use crate::explain::{Explained, ExplainedRule, Explanation, ReadSignal, ReleasedNode};
use crate::page::ROWS_MAX;
use crate::policy::{LivePolicies, PUBLISH_BYTES_MAX, Publish};
use crate::record::StoredDecision;
use crate::server::rest::{Named, NoQuery, ROWS_DEFAULT, Reply, body_of, json_of, parse_reference};
use crate::server::spec::{Routes, number, text};
use crate::server::view;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, State};
use axum::routing::{get, post};
use glacis_seal::text::base64url;
use glacis_wire::http::MEDIA_TYPE;
use glacis_wire::{Decode as _, Encode as _};
use http::HeaderMap;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Events that are looked at for which nodes there are.
const NODES_SEEN_EVENTS: u32 = 500;
/// Largest number in a query; JSON cannot say a larger one exactly (RFC 8259 §6).
const NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// Every operation with its handler.
pub(super) fn operations(routes: Routes<Surface>) -> Routes<Surface> {
    let largest = NUMBER_MAX.cast_signed();
    let version = number().minimum(Some(1)).maximum(Some(largest));
    routes
        .on(
            read("/admin/v1/decisions", "decisions", "Decisions in order of storage; the newest by default")
                .query(
                    "after",
                    number().minimum(Some(0)).maximum(Some(largest)),
                    "`after` of the answer before.",
                )
                .limit()
                .gives::<Decisions>(200, "Decisions, oldest first."),
            get(decisions),
        )
        .on(
            read(
                "/admin/v1/records/{reference}/explanation",
                "explanation",
                "Why a decision came out as it did",
            )
            .part("reference", text(REFERENCE), "What the client was given.")
            .gives::<WhyDecided>(200, "The decision in the words of its policy."),
            get(explanation),
        )
        .on(
            read("/admin/v1/overview", "overview", "The installation at a glance")
                .gives::<Overview>(200, "What is in force, stored and seen."),
            get(overview),
        )
        .on(
            read("/admin/v1/policies/{version}", "publication", "What was published as a version")
                .part("version", version, "Which.")
                .gives::<Publication>(200, "Sources and signed bundles."),
            get(publication),
        )
        .on(
            change(
                "/admin/v1/policies/check",
                "checkPublish",
                "Check a publish, take nothing",
                Scope::Policies,
            )
            .takes_bytes(MEDIA_TYPE)
            .gives::<view::Published>(200, "The version that it would be.")
            .problems([409]),
            post(check_publish),
        )
        .on(
            change(LIST_CHECK, "checkList", "Check a change of a list, make none", Scope::Lists)
                .part("list", text(CODE), "Its name.")
                .takes::<ListBody>()
                .gives::<view::ListVersion>(200, "The version that it would make.")
                .problems([409]),
            post(check_list),
        )
}

/// Decisions in order of storage.
#[derive(Serialize, ToSchema)]
struct Decisions {
    decisions: Vec<DecisionLine>,
    /// Where to go on.
    after: u64,
}

/// A decision in short.
#[derive(Serialize, ToSchema)]
struct DecisionLine {
    reference: String,
    decided_ms: u64,
    ingested_ms: u64,
    event: String,
    event_id: String,
    verdict: String,
    /// Who decided.
    zone: &'static str,
    /// What closed open rules.
    closed_by: &'static str,
    /// Codes of the rules that justify the verdict.
    reasons: Vec<String>,
    /// Duties; none where the policy was not in force here.
    obligations: Option<Vec<&'static str>>,
    principal: Option<String>,
    thumbprint: Option<String>,
    tier: &'static str,
    node: String,
    policy: String,
}

/// A decision in the words of its policy.
#[derive(Serialize, ToSchema)]
struct WhyDecided {
    record: view::Record,
    /// Versions that held its policy, newest first; none where they are not stored any more.
    policy_versions: Vec<u64>,
    policy: Option<PolicyWords>,
}

/// A policy with what a decision says of it.
#[derive(Serialize, ToSchema)]
struct PolicyWords {
    name: String,
    /// Rules that matched.
    rules: Vec<RuleWords>,
    /// What the policy reads that is not the device's.
    signals: Vec<SignalWords>,
    /// What the device let out.
    released: Vec<NodeWords>,
}

/// A rule that matched.
#[derive(Serialize, ToSchema)]
struct RuleWords {
    id: String,
    when: String,
    effect: String,
    /// Why it matched, in one sentence.
    why: String,
    /// The signals that it reads.
    reads: Vec<String>,
}

/// A signal as it was answered.
#[derive(Serialize, ToSchema)]
struct SignalWords {
    signal: String,
    /// Who produced it.
    zone: &'static str,
    answer: view::Stated,
    /// Trust of its producer.
    trust: &'static str,
}

/// A released condition.
#[derive(Serialize, ToSchema)]
struct NodeWords {
    when: String,
    outcome: &'static str,
    /// Trust of the device's process.
    trust: &'static str,
}

/// The installation at a glance.
#[derive(Serialize, ToSchema)]
struct Overview {
    tenant: String,
    realm: &'static str,
    events: u64,
    decisions: u64,
    devices: u64,
    incidents: u64,
    /// Zero before the first publish.
    policy_version: u64,
    key_set: u64,
    /// Events that a policy decides, with its digest.
    policies: BTreeMap<String, String>,
    feed: FeedCounts,
    /// Nodes that stated the newest events.
    nodes: Vec<NodeSeen>,
    audit_rows: u64,
}

/// How many devices the feed lists.
#[derive(Serialize, ToSchema)]
struct FeedCounts {
    refused: usize,
    capped: usize,
}

/// A node with its newest event.
#[derive(Serialize, ToSchema)]
struct NodeSeen {
    node: String,
    newest_ms: u64,
}

/// What was published as a version.
#[derive(Serialize, ToSchema)]
struct Publication {
    version: u64,
    /// The publish in canonical encoding, base64url without padding.
    publish: String,
}

impl DecisionLine {
    fn of(decision: &StoredDecision) -> Self {
        let (record, facts) = (&decision.record, &decision.record.facts);
        let settled = decision.settled.as_ref();
        Self {
            reference: record.reference.text(),
            decided_ms: record.decided.as_ms(),
            ingested_ms: decision.ingested.as_ms(),
            event: facts.event.to_string(),
            event_id: facts.event_id.to_string(),
            verdict: record.verdict.to_string(),
            zone: record.zone.name(),
            closed_by: record.closed_by.name(),
            reasons: record.reasons.iter().map(|reason| reason.0.clone()).collect(),
            obligations: settled.map(|settled| settled.obligations.iter().map(|duty| duty.name()).collect()),
            principal: facts.principal.as_ref().map(|principal| principal.0.clone()),
            thumbprint: facts.thumbprint.map(|device| device.to_string()),
            tier: facts.tier.name(),
            node: facts.node.to_string(),
            policy: facts.policy.to_string(),
        }
    }
}

impl WhyDecided {
    fn of(found: Explanation, explained: Option<Explained>) -> Self {
        let trust = found.decision.record.facts.trust.name();
        let policy = explained.map(|explained| PolicyWords {
            name: explained.policy,
            rules: explained.rules.into_iter().map(RuleWords::of).collect(),
            signals: explained.signals.into_iter().map(SignalWords::of).collect(),
            released: explained.released.into_iter().map(|node| NodeWords::of(node, trust)).collect(),
        });
        let record = view::Record::of(&found.decision, found.feedback);
        Self { record, policy_versions: found.versions, policy }
    }
}

impl RuleWords {
    fn of(rule: ExplainedRule) -> Self {
        let effect = rule.effect.to_string();
        Self { id: rule.id, when: rule.when, effect, why: rule.why, reads: rule.reads }
    }
}

impl SignalWords {
    fn of(read: ReadSignal) -> Self {
        let answer = view::answer(&read.given.answer);
        Self { signal: read.signal, zone: read.zone, answer, trust: read.given.trust.name() }
    }
}

impl NodeWords {
    fn of(node: ReleasedNode, trust: &'static str) -> Self {
        Self { when: node.when, outcome: view::node(node.outcome), trust }
    }
}

/// Which decisions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<u64>,
    limit: Option<u32>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, CloudError> {
        let Query(asked) = Query::<Self>::try_from_uri(&parts.uri)
            .map_err(|error| CloudError::invalid(error.body_text()))?;
        match asked.limit {
            Some(limit) if limit == 0 || limit > ROWS_MAX => {
                Err(CloudError::invalid(format!("`limit` is 1 to {ROWS_MAX}")))
            }
            _ if asked.after.is_some_and(|after| after > NUMBER_MAX) => {
                Err(CloudError::invalid(format!("`after` is at most {NUMBER_MAX}")))
            }
            _ => Ok(asked),
        }
    }
}

async fn decisions(State(app): App, caller: Caller, asked: Asked) -> Answer {
    let limit = asked.limit.unwrap_or(ROWS_DEFAULT);
    let find = move |core: &mut CloudCore, _by: &Bearer| match asked.after {
        Some(after) => core.decisions(after, limit),
        None => core.newest_decisions(limit),
    };
    let (after, found) = scoped(&app, &caller, Scope::Read, find).await?;
    Reply::ok(&Decisions { decisions: found.iter().map(DecisionLine::of).collect(), after })
}

async fn explanation(State(app): App, caller: Caller, Named(reference): Named, _: NoQuery) -> Answer {
    let reference = parse_reference(&reference)?;
    let find = move |core: &mut CloudCore, _by: &Bearer| core.explanation(&reference);
    let found = scoped(&app, &caller, Scope::Read, find).await?;
    let explained = tokio::task::spawn_blocking(move || found.rules().map(|rules| (found, rules))).await;
    let (found, rules) = explained.map_err(|error| CloudError::corrupt(error.to_string()))??;
    Reply::ok(&WhyDecided::of(found, rules))
}

async fn overview(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    let look = |core: &mut CloudCore, _by: &Bearer| {
        let Counts { events, decisions, devices, incidents, .. } = core.counts()?;
        let LivePolicies { version, key_set, policies, is_current: _ } = core.live_policies()?;
        let nodes = core.nodes_seen(NODES_SEEN_EVENTS)?.into_iter();
        let (refused, capped) = core.listed_devices()?;
        Ok(Overview {
            tenant: core.context().tenant.to_string(),
            realm: core.context().realm.name(),
            events,
            decisions,
            devices,
            incidents,
            policy_version: version,
            key_set,
            policies: policies.into_iter().map(|(event, digest)| (event, digest.to_string())).collect(),
            feed: FeedCounts { refused, capped },
            nodes: nodes.map(|(node, at)| NodeSeen { node, newest_ms: at.as_ms() }).collect(),
            audit_rows: core.audit_head()?.seq,
        })
    };
    Reply::ok(&scoped(&app, &caller, Scope::Read, look).await?)
}

async fn publication(State(app): App, caller: Caller, Named(version): Named, _: NoQuery) -> Answer {
    let version: u64 = version.parse().map_err(|_| CloudError::not_found("policy version"))?;
    let find = move |core: &mut CloudCore, _by: &Bearer| core.publication(version);
    let publish = scoped(&app, &caller, Scope::Read, find).await?.to_bytes()?;
    Reply::ok(&Publication { version, publish: base64url(&publish) })
}

async fn check_publish(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    _: NoQuery,
    body: Body,
) -> Answer {
    // Look at the token before reading what may be fifty megabytes.
    scoped(&app, &caller, Scope::Policies, |_core, _by| Ok(())).await?;
    let bytes = body_of(&headers, body, MEDIA_TYPE, PUBLISH_BYTES_MAX).await?;
    let publish = Publish::from_bytes(&bytes)
        .map_err(|error| CloudError::invalid(format!("the body is no publish: {error}")))?;
    let (publish, proofs) = proven(publish).await?;
    let check = move |core: &mut CloudCore, _by: &Bearer| core.check_publish(&publish, proofs);
    Reply::ok(&view::Published { version: scoped(&app, &caller, Scope::Policies, check).await? })
}

async fn check_list(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    Named(list): Named,
    _: NoQuery,
    body: Body,
) -> Answer {
    let body: ListBody = json_of(&headers, body).await?;
    let check = move |core: &mut CloudCore, by: &Bearer| {
        let version = core.check_list_change(&body.change(&list, by))?;
        Ok(view::ListVersion { list, version })
    };
    Reply::ok(&scoped(&app, &caller, Scope::Lists, check).await?)
}
