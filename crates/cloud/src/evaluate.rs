//! From facts to a verdict: fills the slots of the cloud slice, runs it, and says what was read.
//!
//! Every slot of a slice in force has a *plan* that says where its answer comes from; plans are made when a
//! release is put into force, so that deciding looks nothing up by name. What a device let out has the trust of
//! its process, everything else is proven. Signals that the cloud itself answers (features, lists) are returned
//! with the verdict, because the record keeps them.

use crate::core::Tx;
use crate::error::CloudError;
use crate::fact::{Origin, silence};
use crate::feature::{Definition, FeatureTable, Logged, Lookup, Measure};
use crate::policy::Release;
use crate::state::facts_of;
use crate::store::{int, uint};
use glacis_compiler::catalogue::{Catalogue, FeatureDef, FeatureKind};
use glacis_policy::{
    Close, Entry, Input, Inputs, Obligations, Outcome, Scratch, Slice, Slot, Source, eval, reading_of,
};
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::{Answer, Cause, PolicyDigest, SignalName, Timestamp, Trust, Type, Value, Verdict};
use std::collections::HashMap;
use std::sync::Arc;

/// One policy as the cloud runs it.
#[derive(Debug)]
pub(crate) struct CloudPolicy {
    pub(crate) slice: Slice,
    sources: Vec<SlotSource>,
    outage: Outage,
}

/// What the policy comes to where the edge had to close without the cloud.
#[derive(Debug)]
struct Outage {
    edge: Slice,
    sources: Vec<SlotSource>,
    /// Reason codes of the rules that the edge does not see and that match when the cloud does not answer.
    hidden: Vec<String>,
    /// Their duties.
    hidden_duties: Obligations,
}

/// Where the answer of one slot comes from, before features have places in a table.
#[derive(Clone, Debug)]
enum SlotSource {
    Node(usize),
    Value(usize),
    Fact(Origin),
    Feature(Box<Definition>),
    List {
        list: String,
        key: Origin,
    },
    /// The cloud did not answer.
    Unanswered,
    /// Nobody supplies it today.
    Nobody,
}

#[derive(Debug)]
enum Plan {
    Node(usize),
    Value(usize),
    Fact(Origin),
    Feature(usize),
    List { list: String, key: Origin },
    Unanswered,
    Nobody,
}

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
    given: Vec<(Answer, Trust)>,
    lists: Vec<(String, u64)>,
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

impl CloudPolicy {
    /// Of the cloud slice and the edge slice of one compiled policy.
    pub(crate) fn new(slice: Slice, edge: Slice, compiled: &glacis_compiler::Compiled) -> Self {
        let catalogue = compiled.signals();
        let sources = sources(&slice, catalogue, |signal| cloud_source(signal, catalogue, compiled));
        let closed = |rule: &&glacis_compiler::checked::Rule| {
            let matches = rule.entry(Cause::Unavailable) != Entry::Skip;
            rule.is_hidden() && !rule.effect.is_lenient() && matches
        };
        let hidden = compiled.checked().rules().iter().filter(closed);
        let outage = Outage {
            sources: self::sources(&edge, catalogue, |_| SlotSource::Unanswered),
            edge,
            hidden: hidden.clone().map(|rule| rule.id.clone()).collect(),
            hidden_duties: hidden.fold(Obligations::NONE, |duties, rule| duties.union(rule.obligations)),
        };
        Self { slice, sources, outage }
    }
}

/// Where the slots of a slice are filled from; `cloud` says it of a signal that the cloud answers.
fn sources(
    slice: &Slice,
    catalogue: &Catalogue,
    cloud: impl Fn(&SignalName) -> SlotSource,
) -> Vec<SlotSource> {
    let source = |slot: &Slot| match slot.source {
        Source::Node(node) => SlotSource::Node(usize::from(node)),
        Source::Value(value) => SlotSource::Value(usize::from(value)),
        Source::Request | Source::Edge => {
            Origin::of(catalogue, &slot.name).map_or(SlotSource::Nobody, SlotSource::Fact)
        }
        Source::Cloud => cloud(&slot.name),
        Source::Device => SlotSource::Nobody,
    };
    slice.slots().iter().map(source).collect()
}

fn cloud_source(
    signal: &SignalName,
    catalogue: &Catalogue,
    compiled: &glacis_compiler::Compiled,
) -> SlotSource {
    if let Some(test) = compiled.lists().iter().find(|test| test.signal == *signal) {
        return match Origin::of(catalogue, &test.key) {
            Some(key) => SlotSource::List { list: test.list.clone(), key },
            None => SlotSource::Nobody,
        };
    }
    let feature = compiled.features().iter().find(|feature| feature.signal == *signal);
    match feature.and_then(|feature| definition(feature, catalogue)) {
        Some(definition) => SlotSource::Feature(Box::new(definition)),
        None => SlotSource::Nobody,
    }
}

/// A feature as the table computes it; `None` where it reads what facts cannot state.
fn definition(feature: &FeatureDef, catalogue: &Catalogue) -> Option<Definition> {
    let key = feature.key.iter().map(|key| Origin::of(catalogue, key)).collect::<Option<Vec<_>>>()?;
    let of = match &feature.of {
        Some(of) => Some(Origin::of(catalogue, of)?),
        None => None,
    };
    let is_double = feature.of.as_ref().and_then(|of| catalogue.signals().get(of)).map(|of| of.ty);
    let measure = match feature.kind {
        FeatureKind::Count => Measure::Count,
        FeatureKind::Sum if is_double == Some(Type::Double) => Measure::SumDouble,
        FeatureKind::Sum => Measure::Sum,
        FeatureKind::Distinct => Measure::Distinct,
    };
    Some(Definition {
        signal: feature.signal.clone(),
        measure,
        event: feature.event.clone(),
        key,
        of,
        window: feature.window,
        lateness: feature.lateness,
        include_self: feature.include_self,
    })
}

/// The different features of all policies of `releases`.
pub(crate) fn definitions(releases: &[Arc<Release>]) -> Vec<Definition> {
    let mut all: Vec<Definition> = Vec::new();
    for source in releases.iter().flat_map(|release| &release.policies).flat_map(|policy| &policy.sources) {
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
        let plan = |source: &SlotSource| match source {
            SlotSource::Node(at) => Plan::Node(*at),
            SlotSource::Value(at) => Plan::Value(*at),
            SlotSource::Fact(origin) => Plan::Fact(origin.clone()),
            SlotSource::Feature(definition) => {
                features.index_of(definition).map_or(Plan::Nobody, Plan::Feature)
            }
            SlotSource::List { list, key } => Plan::List { list: list.clone(), key: key.clone() },
            SlotSource::Unanswered => Plan::Unanswered,
            SlotSource::Nobody => Plan::Nobody,
        };
        let mut plans = HashMap::new();
        for release in &releases {
            for (at, policy) in release.policies.iter().enumerate() {
                let release = Arc::clone(release);
                let slots = policy.sources.iter().map(plan).collect();
                let outage = policy.outage.sources.iter().map(plan).collect();
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
        let run = self.run(&policy.slice, &plans, facts, cut, Close::Here)?;
        Ok(Some(Evaluated {
            // INVARIANT: the cloud closes every rule, so the interval is a point; were it not, the stricter end holds.
            verdict: run.outcome.settled.unwrap_or(run.outcome.strictest),
            obligations: run.outcome.obligations,
            reasons: run.reasons,
            answers: own_answers(&policy.slice, &plans, &run.given),
            lists: run.lists,
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
            lists: run.lists,
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
        let mut lists = Vec::new();
        let mut given = Vec::with_capacity(plans.len());
        for plan in plans {
            given.push(self.answer(plan, facts, cut, &mut lists)?);
        }
        let slots: Vec<Input<'_>> = given
            .iter()
            .map(|(answer, trust)| Input { reading: reading_of(answer), trust: *trust })
            .collect();
        let passed = facts.passed.as_ref().map(|passed| passed.method);
        let inputs = Inputs { slots: &slots, passed, close };
        let mut scratch = self.desk.state.scratch.take().unwrap_or_else(|| Scratch::for_slice(slice));
        let outcome = eval(slice, &inputs, &mut scratch);
        let reasons = scratch.reasons(slice).map(str::to_owned).collect();
        self.desk.state.scratch = Some(scratch);
        Ok(Run { outcome, reasons, given, lists })
    }

    fn answer(
        &self,
        plan: &Plan,
        facts: &EventFacts,
        cut: u64,
        lists: &mut Vec<(String, u64)>,
    ) -> Result<(Answer, Trust), CloudError> {
        Ok(match plan {
            Plan::Node(node) => disclosed(facts, |out| out.nodes.get(*node).map(|node| node.answer())),
            Plan::Value(value) => disclosed(facts, |out| out.values.get(*value).cloned()),
            Plan::Fact(origin) => (origin.answer(facts), Trust::Proven),
            Plan::Feature(feature) => (self.feature(*feature, facts, cut)?, Trust::Proven),
            Plan::List { list, key } => {
                if lists.iter().all(|(name, _)| name != list) {
                    lists.push((list.clone(), self.desk.state.lists.version(list)));
                }
                (self.listed(list, key, facts), Trust::Proven)
            }
            Plan::Unanswered | Plan::Nobody => (Answer::unknown(Cause::Unavailable), Trust::Proven),
        })
    }

    fn listed(&self, list: &str, key: &Origin, facts: &EventFacts) -> Answer {
        match key.answer(facts) {
            Answer::Value(value) => match item_text(&value) {
                Some(item) => {
                    let present = self.desk.state.lists.contains(list, &item, facts.received);
                    Answer::Value(Value::Bool(present))
                }
                None => Answer::Error,
            },
            Answer::Unknown(causes) => Answer::Unknown(causes),
            Answer::Missing | Answer::Error => Answer::Error,
        }
    }

    fn feature(&self, index: usize, facts: &EventFacts, cut: u64) -> Result<Answer, CloudError> {
        match (self.desk.state.features.lookup(index, facts, cut), self.desk.state.features.definition(index))
        {
            (Lookup::Known(answer), _) => Ok(answer),
            (Lookup::TooOld, Some(definition)) => self.feature_from_log(definition, facts, cut),
            (Lookup::TooOld, None) => Ok(Answer::unknown(Cause::Unavailable)),
        }
    }

    /// The slow way, for a decision whose time lies behind what memory holds: reads the log.
    fn feature_from_log(
        &self,
        definition: &Definition,
        facts: &EventFacts,
        cut: u64,
    ) -> Result<Answer, CloudError> {
        let sql = "SELECT seq, ingested, facts_bytes FROM event WHERE seq < ?1 AND received <= ?2 \
                   AND received >= ?3 ORDER BY seq";
        let from = facts.received.before(definition.window);
        let mut statement = self.conn.prepare_cached(sql)?;
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
        Ok(definition.answer_over(facts, cut, events))
    }
}

/// What the device said in its disclosure, with the trust of its process; another policy's is `version`.
///
/// Why it said nothing that we can read is not the device's word but ours and the edge's, hence proven: taken for
/// the device's it would become `withheld`, and rules would close by another entry here than at the edge.
fn disclosed(
    facts: &EventFacts,
    read: impl FnOnce(&glacis_wire::Disclosed) -> Option<Answer>,
) -> (Answer, Trust) {
    match &facts.disclosed {
        None => (silence(facts), Trust::Proven),
        Some(out) if out.policy != facts.policy => (Answer::unknown(Cause::Version), Trust::Proven),
        Some(out) => (read(out).unwrap_or(Answer::unknown(Cause::Withheld)), facts.trust),
    }
}

/// A list item as the list holds it; `None` of a value that no list can hold.
fn item_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Double(_) | Value::List(_) => None,
    }
}

fn own_answers(slice: &Slice, plans: &[Plan], given: &[(Answer, Trust)]) -> Vec<SignalAnswer> {
    slice
        .slots()
        .iter()
        .zip(plans)
        .zip(given)
        .filter(|((_, plan), _)| matches!(plan, Plan::Feature(_) | Plan::List { .. }))
        .map(|((slot, _), (answer, _))| SignalAnswer { signal: slot.name.clone(), answer: answer.clone() })
        .collect()
}
