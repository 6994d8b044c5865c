//! One decision again, under another version of its policy that is stored.
//!
//! What the device said is used where the other version asks the very same: the same text of a condition over signals that
//! are defined alike. All else that only a device knows is unknown for the cause `version`, and the policy says what
//! that means. Features and lists are as they were answered then; what was not asked then did not answer.

use super::detail::known::{Device, Known};
use super::detail::rules::found_whole;
use super::lookup::Strict;
use super::versions::Kept;
use super::{By, Console};
use crate::error::CloudError;
use crate::policy::digest_of;
use crate::record::StoredDecision;
use crate::server::rest::{Named, Reply};
use axum::Extension;
use axum::extract::State;
use glacis_compiler::reference::whole;
use glacis_wire::{Answer, Cause, NodeOutcome, SignalName};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayAsked {
    version: u64,
}

#[derive(Serialize)]
struct Replayed {
    version: u64,
    digest: String,
    verdict: String,
    reasons: Vec<String>,
    obligations: Vec<&'static str>,
    same: bool,
    device: &'static str,
    rules: Vec<RuleJson>,
}

#[derive(Serialize)]
struct RuleJson {
    id: String,
    effect: String,
    state: &'static str,
    why: String,
}

/// The device was asked the same.
const SAME: &str = "same conditions";
/// It was not.
const OTHER: &str = "unknown: this version asks the device other questions";

/// `GET /console/v1/decisions/{reference}/replay`
pub(super) async fn replay(
    State(console): State<Console>,
    Extension(by): By,
    Named(reference): Named,
    Strict(ReplayAsked { version }): Strict<ReplayAsked>,
) -> Result<Reply, CloudError> {
    let decision = console.stored(&by.who, &reference).await?.decision;
    let facts = &decision.record.facts;
    let versions = console.versions().await?;
    let then = match versions.newest(&facts.policy) {
        Some(newest) => console.policy(newest, facts.policy).await?,
        None => None,
    };
    let event = facts.event.to_string();
    let now = console.policy_for(version, event.clone()).await?;
    let now = now.ok_or_else(|| CloudError::not_found(format!("policy for {event} in version {version}")))?;
    let work = move || Ok(replayed(version, then.as_ref(), &now, &decision));
    Reply::ok(&console.slowly(work).await?)
}

fn replayed(version: u64, then: Option<&Arc<Kept>>, now: &Arc<Kept>, decision: &StoredDecision) -> Replayed {
    let (known, same_questions) = known(then, now, decision);
    let again = whole(&now.beyond, &known.event.snapshot, known.event.passed, known.event.outage);
    let settled = decision.settled.as_ref().map(|settled| settled.verdict);
    let rules = now.compiled.checked().rules().iter().zip(now.beyond.rules()).map(|(rule, beyond)| {
        let found = found_whole(now, &known, beyond);
        RuleJson { id: rule.id.clone(), effect: rule.effect.to_string(), state: found.state, why: found.why }
    });
    Replayed {
        version,
        digest: digest_of(&now.compiled).to_string(),
        verdict: again.verdict.to_string(),
        reasons: again.matched,
        obligations: again.obligations.iter().map(|duty| duty.name()).collect(),
        same: again.verdict == settled.unwrap_or(decision.record.verdict),
        device: if same_questions { SAME } else { OTHER },
        rules: rules.collect(),
    }
}

/// What was known then, for the questions of now; and whether the device was asked all of them.
fn known(then: Option<&Arc<Kept>>, now: &Kept, decision: &StoredDecision) -> (Known, bool) {
    let facts = &decision.record.facts;
    let digest = digest_of(&now.compiled);
    if digest == facts.policy {
        return (Known::of(now, decision), true);
    }
    let said = facts.disclosed.as_ref().filter(|out| out.policy == facts.policy);
    let layout = now.compiled.layout();
    let alike = |name: &SignalName| {
        let definition = |kept: &Kept| kept.compiled.signals().signals().get(name).cloned();
        then.is_some_and(|then| definition(then).is_some() && definition(then) == definition(now))
    };
    let before = |at: usize| {
        let asked = layout.nodes.get(at)?;
        let then = then?.compiled.layout().nodes.iter().position(|node| node.text == asked.text)?;
        asked.signals.iter().all(alike).then_some(then)
    };
    let value_before = |at: usize| {
        let asked = layout.values.get(at)?;
        then?.compiled.layout().values.iter().position(|name| name == asked).filter(|_| alike(asked))
    };
    let node = |at: usize| -> Option<NodeOutcome> { said?.nodes.get(before(at)?).copied() };
    let value = |at: usize| -> Option<Answer> { said?.values.get(value_before(at)?).cloned() };
    // A device that said nothing said nothing to these questions either.
    let silence = match &facts.disclosed {
        None => crate::fact::silence(facts),
        Some(_) => Cause::Version,
    };
    let nodes = (0..layout.nodes.len()).all(|at| before(at).is_some());
    let values = (0..layout.values.len()).all(|at| value_before(at).is_some());
    let decision = comparable(then, now, decision);
    let known = Known::with(now, &decision, &Device { node: &node, value: &value, silence });
    (known, nodes && values)
}

/// The decision without those answers of the cloud that the other version defines otherwise.
fn comparable(then: Option<&Arc<Kept>>, now: &Kept, decision: &StoredDecision) -> StoredDecision {
    let mut decision = decision.clone();
    let defined = |kept: &Kept, name: &SignalName| {
        let features = kept.compiled.features().iter().find(|feature| feature.signal == *name).cloned();
        let lists = kept.compiled.lists().iter().find(|test| test.signal == *name).cloned();
        (features, lists)
    };
    if let Some(settled) = &mut decision.settled {
        let same = |name: &SignalName| {
            then.is_some_and(|then| {
                let (before, after) = (defined(then, name), defined(now, name));
                before == after && before != (None, None)
            })
        };
        settled.answers.0.retain(|answer| same(&answer.signal));
    }
    decision
}
