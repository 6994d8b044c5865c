//! Where the answer of every slot of a slice comes from, and one run of a slice over it.
//!
//! The store's decisions and replays of past events ([`crate::replay`]) both fill and run slices here, so that
//! they cannot differ. A plan is made when a policy is put into force; filling looks nothing up by name but the
//! fields of the facts. Nothing here reads or writes the store: what lies behind memory is asked of the caller.

use crate::ask::Askable;
use crate::error::CloudError;
use crate::fact::{Origin, Stated, silence};
use crate::feature::{Definition, FeatureTable, Lookup, Measure};
use crate::list::ListTable;
use glacis_compiler::catalogue::{Catalogue, FeatureDef, FeatureKind};
use glacis_policy::{
    Close, Entry, Input, Inputs, Obligations, Outcome, Reading, Scratch, Slice, Slot, Source, eval,
    reading_of,
};
use glacis_wire::message::decide::SignalAnswer;
use glacis_wire::{Answer, Cause, Causes, Disclosed, NodeOutcome, SignalName, Trust, Type, Value};

/// One policy as the cloud runs it.
#[derive(Debug)]
pub(crate) struct CloudPolicy {
    pub(crate) slice: Slice,
    pub(crate) sources: Vec<SlotSource>,
    pub(crate) outage: Outage,
    /// What a backend may state about its event.
    pub(crate) askable: Askable,
}

/// What the policy comes to where the edge had to close without the cloud.
#[derive(Debug)]
pub(crate) struct Outage {
    pub(crate) edge: Slice,
    pub(crate) sources: Vec<SlotSource>,
    /// Reason codes of the rules that the edge does not see and that match when the cloud does not answer.
    pub(crate) hidden: Vec<String>,
    /// Their duties.
    pub(crate) hidden_duties: Obligations,
}

/// Where the answer of one slot comes from, before features have places in a table.
#[derive(Clone, Debug)]
pub(crate) enum SlotSource {
    Node(usize),
    Value(usize),
    Fact(Origin),
    Feature(Box<Definition>),
    List {
        list: String,
        key: Origin,
    },
    /// A later zone answers.
    Pending,
    /// The cloud did not answer.
    Unanswered,
    /// Nobody supplies it today.
    Nobody,
}

#[derive(Debug)]
pub(crate) enum Plan {
    Node(usize),
    Value(usize),
    Fact(Origin),
    Feature(usize),
    List { list: String, key: Origin },
    Pending,
    Unanswered,
    Nobody,
}

/// Answers that the cloud itself gave to one evaluation.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// One a slot; `None` where the facts answer.
    answers: Vec<Option<Answer>>,
    /// Versions of the lists that were read.
    pub(crate) lists: Vec<(String, u64)>,
}

/// What evaluation reads besides the facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World<'a> {
    pub(crate) features: &'a FeatureTable,
    pub(crate) lists: &'a ListTable,
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
        Self { slice, sources, outage, askable: Askable::of(catalogue) }
    }
}

/// Sources of an edge slice before the cloud is asked.
pub(crate) fn sources_ahead(edge: &Slice, catalogue: &Catalogue) -> Vec<SlotSource> {
    sources(edge, catalogue, |_| SlotSource::Pending)
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

/// Gives every source its place in `features`.
pub(crate) fn plans<'s>(
    sources: impl IntoIterator<Item = &'s SlotSource>,
    features: &FeatureTable,
) -> impl Iterator<Item = Plan> {
    sources.into_iter().map(|source| match source {
        SlotSource::Node(at) => Plan::Node(*at),
        SlotSource::Value(at) => Plan::Value(*at),
        SlotSource::Fact(origin) => Plan::Fact(origin.clone()),
        SlotSource::Feature(definition) => features.index_of(definition).map_or(Plan::Nobody, Plan::Feature),
        SlotSource::List { list, key } => Plan::List { list: list.clone(), key: key.clone() },
        SlotSource::Pending => Plan::Pending,
        SlotSource::Unanswered => Plan::Unanswered,
        SlotSource::Nobody => Plan::Nobody,
    })
}

impl Given {
    /// Asks features and lists; `from_log` answers a feature whose time lies behind memory.
    pub(crate) fn gather(
        plans: &[Plan],
        stated: &Stated<'_>,
        cut: u64,
        world: World<'_>,
        from_log: impl Fn(&Definition) -> Result<Answer, CloudError>,
    ) -> Result<Self, CloudError> {
        let mut given = Self { answers: Vec::with_capacity(plans.len()), lists: Vec::new() };
        let mut probe = world.features.probe(stated, cut);
        for plan in plans {
            let answer = match plan {
                Plan::Feature(index) => {
                    Some(match (probe.lookup(*index), world.features.definition(*index)) {
                        (Lookup::Known(answer), _) => answer,
                        (Lookup::TooOld, Some(definition)) => from_log(definition)?,
                        (Lookup::TooOld, None) => Answer::unknown(Cause::Unavailable),
                    })
                }
                Plan::List { list, key } => {
                    if given.lists.iter().all(|(name, _)| name != list) {
                        given.lists.push((list.clone(), world.lists.version(list)));
                    }
                    Some(listed(world.lists, list, key, stated))
                }
                _ => None,
            };
            given.answers.push(answer);
        }
        Ok(given)
    }

    /// What the cloud answered, by signal: what a record keeps.
    pub(crate) fn answers<'g>(
        &'g self,
        slice: &'g Slice,
    ) -> impl Iterator<Item = (&'g SignalName, &'g Answer)> {
        let slots = slice.slots().iter().zip(&self.answers);
        slots.filter_map(|(slot, answer)| answer.as_ref().map(|answer| (&slot.name, answer)))
    }

    /// The same, owned.
    pub(crate) fn into_answers(self, slice: &Slice) -> Vec<SignalAnswer> {
        let own = self.answers(slice);
        own.map(|(signal, answer)| SignalAnswer { signal: signal.clone(), answer: answer.clone() }).collect()
    }
}

/// Runs one slice over facts and the cloud's answers.
pub(crate) fn run(
    slice: &Slice,
    plans: &[Plan],
    stated: &Stated<'_>,
    given: &Given,
    close: Close,
    scratch: &mut Scratch,
) -> Outcome {
    let own = given.answers.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let slots: Vec<Input<'_>> = plans.iter().zip(own).map(|(plan, own)| input(plan, stated, own)).collect();
    let passed = stated.facts.passed.as_ref().map(|passed| passed.method);
    eval(slice, &Inputs { slots: &slots, passed, close }, scratch)
}

fn input<'a>(plan: &Plan, stated: &'a Stated<'_>, own: Option<&'a Answer>) -> Input<'a> {
    let proven = |reading| Input { reading, trust: Trust::Proven };
    match plan {
        Plan::Node(at) => disclosed(stated, |out| {
            out.nodes.get(*at).map(|node| match node {
                NodeOutcome::False => Reading::Bool(false),
                NodeOutcome::True => Reading::Bool(true),
                NodeOutcome::Unknown => Reading::WITHHELD,
                NodeOutcome::Error => Reading::Error,
            })
        }),
        Plan::Value(at) => disclosed(stated, |out| out.values.get(*at).map(reading_of)),
        Plan::Fact(origin) => proven(origin.read(stated)),
        Plan::Pending => Input::PENDING,
        Plan::Feature(_) | Plan::List { .. } | Plan::Unanswered | Plan::Nobody => {
            proven(own.map_or(Reading::Unknown(Causes::of(Cause::Unavailable)), reading_of))
        }
    }
}

fn listed(lists: &ListTable, list: &str, key: &Origin, stated: &Stated<'_>) -> Answer {
    let contains = |item: &str| Answer::Value(Value::Bool(lists.contains(list, item, stated.facts.received)));
    match key.read(stated) {
        Reading::Str(text) => contains(text),
        Reading::Int(number) => contains(&number.to_string()),
        Reading::Bool(flag) => contains(&flag.to_string()),
        Reading::Unknown(causes) => Answer::Unknown(causes),
        // No list can hold the others.
        Reading::Double(_)
        | Reading::List(_)
        | Reading::Uint(_)
        | Reading::Bytes(_)
        | Reading::Timestamp(_)
        | Reading::Duration(_)
        | Reading::Interval(_)
        | Reading::Missing
        | Reading::Error => Answer::Error,
    }
}

/// What the device said in its disclosure, with the trust of its process; another policy's is `version`.
///
/// Why it said nothing that we can read is not the device's word but ours and the edge's, hence proven: taken for
/// the device's it would become `withheld`, and rules would close by another entry here than at the edge.
fn disclosed<'a>(
    stated: &'a Stated<'_>,
    read: impl FnOnce(&'a Disclosed) -> Option<Reading<'a>>,
) -> Input<'a> {
    let facts = stated.facts;
    let nothing = |cause| Input { reading: Reading::Unknown(Causes::of(cause)), trust: Trust::Proven };
    match &facts.disclosed {
        None => nothing(silence(facts)),
        Some(out) if out.policy != facts.policy => nothing(Cause::Version),
        Some(out) => Input { reading: read(out).unwrap_or(Reading::WITHHELD), trust: facts.trust },
    }
}
