//! From facts to a verdict: fills the slots of the cloud slice, runs it, and says what was read.
//!
//! Every slot of a slice in force has a *plan* that says where its answer comes from ([`plan`]); plans are made
//! when a release is put into force, so that deciding looks nothing up by name. What a device let out has the
//! trust of its process, everything else is proven. Signals that the cloud itself answers (features, lists) are
//! returned with the verdict, because the record keeps them.

pub(crate) mod plan;

use crate::core::Tx;
use crate::error::CloudError;
use crate::fact::Stated;
use crate::feature::{Definition, FeatureTable, Logged};
use crate::policy::Release;
use crate::state::facts_of;
use crate::store::{int, uint};
use glacis_policy::{Close, Obligations, Outcome, Scratch, Slice};
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::{Answer, PolicyDigest, Timestamp, Verdict};
pub(crate) use plan::CloudPolicy;
use plan::{Given, Plan, SlotSource, World};
use std::collections::HashMap;
use std::sync::Arc;

/// Policies by digest, with their plans; all releases that are still decided by.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    releases: Vec<Arc<Release>>,
    plans: HashMap<PolicyDigest, Shelved>,
}

/// A policy of a release, by its place there, with a plan for each slot.
#[derive(Clone, Debug)]
struct Shelved {
    release: Arc<Release>,
    at: usize,
    plans: Arc<[Plan]>,
    outage: Arc<[Plan]>,
}

/// One run of one slice.
struct Run {
    outcome: Outcome,
    reasons: Vec<String>,
    given: Given,
}

/// What an evaluation says and what it read.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) verdict: Verdict,
    pub(crate) obligations: Obligations,
    pub(crate) reasons: Vec<String>,
    /// Signals that the cloud answered.
    pub(crate) answers: Vec<SignalAnswer>,
    /// Versions of the lists that were read.
    pub(crate) lists: Vec<(String, u64)>,
}

/// The different features of all policies of `releases`.
pub(crate) fn definitions(releases: &[Arc<Release>]) -> Vec<Definition> {
    definitions_of(releases.iter().flat_map(|release| &release.policies))
}

/// The different features of `policies`.
pub(crate) fn definitions_of<'p>(policies: impl IntoIterator<Item = &'p CloudPolicy>) -> Vec<Definition> {
    let mut all: Vec<Definition> = Vec::new();
    for source in policies.into_iter().flat_map(|policy| &policy.sources) {
        if let SlotSource::Feature(definition) = source
            && !all.contains(definition)
        {
            all.push((**definition).clone());
        }
    }
    all
}

impl Shelf {
    pub(crate) fn new(releases: Vec<Arc<Release>>, features: &FeatureTable) -> Self {
        let mut plans = HashMap::new();
        for release in &releases {
            for (at, policy) in release.policies.iter().enumerate() {
                let release = Arc::clone(release);
                let slots = plan::plans(&policy.sources, features).collect();
                let outage = plan::plans(&policy.outage.sources, features).collect();
                plans.insert(policy.slice.policy(), Shelved { release, at, plans: slots, outage });
            }
        }
        Self { releases, plans }
    }

    /// Releases in force, newest last.
    pub(crate) fn releases(&self) -> &[Arc<Release>] {
        &self.releases
    }

    /// The newest release.
    pub(crate) fn live(&self) -> Option<&Arc<Release>> {
        self.releases.last()
    }
}

impl Tx<'_> {
    /// Runs the policy that the facts name, at log sequence `cut`. `None` where that policy is not in force here.
    pub(crate) fn evaluate(&mut self, facts: &EventFacts, cut: u64) -> Result<Option<Evaluated>, CloudError> {
        let Some(Shelved { release, at, plans, .. }) = self.shelved(facts) else { return Ok(None) };
        let Some(policy) = release.policies.get(at) else { return Ok(None) };
        let mut run = self.run(&policy.slice, &plans, facts, cut, Close::Here)?;
        Ok(Some(Evaluated {
            // INVARIANT: the cloud closes every rule, so the interval is a point; were it not, the stricter end holds.
            verdict: run.outcome.settled.unwrap_or(run.outcome.strictest),
            obligations: run.outcome.obligations,
            reasons: run.reasons,
            lists: std::mem::take(&mut run.given.lists),
            answers: run.given.into_answers(&policy.slice),
        }))
    }

    /// What the edge had to decide by when we did not answer: its own rules closed, and of the rules that it does
    /// not see those that `unavailable` matches. What we know by now changes nothing of that decision.
    pub(crate) fn evaluate_outage(&mut self, facts: &EventFacts) -> Result<Option<Evaluated>, CloudError> {
        let Some(Shelved { release, at, outage: plans, .. }) = self.shelved(facts) else { return Ok(None) };
        let Some(CloudPolicy { outage, .. }) = release.policies.get(at) else { return Ok(None) };
        let mut run = self.run(&outage.edge, &plans, facts, 0, Close::CloudUnavailable)?;
        run.reasons.extend(outage.hidden.iter().cloned());
        Ok(Some(Evaluated {
            verdict: run.outcome.settled.unwrap_or(run.outcome.strictest),
            obligations: run.outcome.obligations.union(outage.hidden_duties),
            reasons: run.reasons,
            answers: Vec::new(),
            lists: run.given.lists,
        }))
    }

    fn shelved(&self, facts: &EventFacts) -> Option<Shelved> {
        let shelved = self.desk.state.shelf.plans.get(&facts.policy)?;
        let policy = shelved.release.policies.get(shelved.at)?;
        (*policy.slice.event() == facts.event).then(|| shelved.clone())
    }

    fn run(
        &mut self,
        slice: &Slice,
        plans: &[Plan],
        facts: &EventFacts,
        cut: u64,
        close: Close,
    ) -> Result<Run, CloudError> {
        let stated = Stated::new(facts);
        let state = &self.desk.state;
        let world = World { features: &state.features, lists: &state.lists };
        let from_log = |definition: &Definition| self.feature_from_log(definition, &stated, cut);
        let given = Given::gather(plans, &stated, cut, world, from_log)?;
        let mut scratch = self.desk.state.scratch.take().unwrap_or_else(|| Scratch::for_slice(slice));
        let outcome = plan::run(slice, plans, &stated, &given, close, &mut scratch);
        let reasons = scratch.reasons(slice).map(str::to_owned).collect();
        self.desk.state.scratch = Some(scratch);
        Ok(Run { outcome, reasons, given })
    }

    /// The slow way, for a decision whose time lies behind what memory holds: reads the log.
    fn feature_from_log(
        &self,
        definition: &Definition,
        stated: &Stated<'_>,
        cut: u64,
    ) -> Result<Answer, CloudError> {
        let facts = stated.facts;
        let sql = "SELECT seq, ingested, facts_bytes FROM event WHERE seq < ?1 AND received <= ?2 \
                   AND received >= ?3 ORDER BY seq";
        let from = facts.received.before(definition.window);
        // A node's clock may be ahead of ours by so much: such events are swept by our time, not by theirs.
        if from < self.desk.state.swept_before.after(self.desk.limits.ahead_max)
            && self.desk.state.swept_seq > 0
        {
            return Ok(Answer::unknown(glacis_wire::Cause::Unavailable));
        }
        let mut statement = self.log()?.prepare_cached(sql)?;
        let mut rows = statement.query((int(cut), int(facts.received.as_ms()), int(from.as_ms())))?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(2)?.as_blob().map_err(|_| CloudError::corrupt("event facts"))?;
            let facts = facts_of(bytes)?;
            if facts.event == definition.event {
                events.push((uint(row.get(0)?), Timestamp::from_ms(uint(row.get(1)?)), facts));
            }
        }
        let events =
            events.iter().map(|(seq, ingested, facts)| Logged { seq: *seq, ingested: *ingested, facts });
        Ok(definition.answer_over(stated, cut, events))
    }
}
