//! One policy over past events, by the code that decides in production.
//!
//! A [`Replay`] holds the slices of edge and cloud, the feature table and the lists of one compiled policy, and no
//! store: [`decide`](Replay::decide) says what edge and cloud would have said about an event with what was known
//! before it, [`take`](Replay::take) makes the event part of what is known. The caller brings events in order of
//! their receive time; an event counts once, which is the caller's to see to as well. There is no device here:
//! what only a device knows is unknown for the reason that the facts state.

use crate::config::CloudLimits;
use crate::error::{CloudError, CloudErrorKind};
use crate::evaluate::definitions_of;
use crate::evaluate::plan::{CloudPolicy, Given, Plan, World, plans, run, sources_ahead};
use crate::fact::Stated;
use crate::feature::{FeatureTable, Logged};
use crate::list::ListTable;
use crate::policy::digest_of;
use glacis_compiler::Compiled;
use glacis_policy::{Binding, Close, Obligations, RuleState, Scratch, Slice};
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{Answer, Cause, PolicyDigest, SignalName, Timestamp, Verdict};
use std::time::Duration;

/// A slice with where its slots are filled from.
#[derive(Debug)]
struct Planned {
    slice: Slice,
    plans: Vec<Plan>,
    scratch: Scratch,
}

/// A policy, and what it knows of the events so far.
#[derive(Debug)]
pub struct Replay {
    edge: Planned,
    cloud: Planned,
    features: FeatureTable,
    lists: ListTable,
    list_version: u64,
    given: Given,
    /// Log sequence of the next event.
    seq: u64,
    window_max: Duration,
}

/// What the zones say about one event.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// The verdict of the edge, where it would have decided without asking the cloud.
    pub edge: Option<Verdict>,
    /// The verdict of the cloud.
    pub cloud: Verdict,
    /// What the rules that matched oblige to.
    pub obligations: Obligations,
    /// State of each rule in the cloud, in the order of [`Replay::rules`].
    pub rules: &'a [RuleState],
    given: &'a Given,
    slice: &'a Slice,
}

impl Replayed<'_> {
    /// What features and lists answered.
    pub fn answers(&self) -> impl Iterator<Item = (&SignalName, &Answer)> {
        self.given.answers(self.slice)
    }
}

impl Replay {
    /// Of a compiled policy, with the bounds of a production core.
    pub fn new(compiled: &Compiled, limits: &CloudLimits) -> Result<Self, CloudError> {
        let [_, edge, cloud] = compiled.slices(&Binding::unbound(digest_of(compiled)));
        let load = |bytes: &[u8]| {
            Slice::load(bytes)
                .map_err(|error| CloudError::new(CloudErrorKind::PolicyInvalid, error.to_string()))
        };
        let (edge, ahead) = (load(&edge)?, load(&edge)?);
        let ahead_sources = sources_ahead(&ahead, compiled.signals());
        let policy = CloudPolicy::new(load(&cloud)?, edge, compiled);
        let definitions = definitions_of([&policy]);
        let window_max = definitions.iter().map(|definition| definition.window).max().unwrap_or_default();
        let features = FeatureTable::new(definitions, limits.feature_entries_max);
        let planned =
            |slice: Slice, plans: Vec<Plan>| Planned { scratch: Scratch::for_slice(&slice), slice, plans };
        let (cloud, edge) =
            (plans(&policy.sources, &features).collect(), plans(&ahead_sources, &features).collect());
        Ok(Self {
            edge: planned(ahead, edge),
            cloud: planned(policy.slice, cloud),
            features,
            lists: ListTable::default(),
            list_version: 0,
            given: Given::default(),
            seq: 1,
            window_max,
        })
    }

    /// Digest that the facts of an event must name.
    pub const fn policy(&self) -> PolicyDigest {
        self.cloud.slice.policy()
    }

    /// Reason codes of the rules, in the order of the policy.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.cloud.slice.rules().iter().map(|rule| &*rule.reason)
    }

    /// The longest window of its features.
    pub const fn window_max(&self) -> Duration {
        self.window_max
    }

    /// Feature entries that are held now.
    pub const fn entries(&self) -> usize {
        self.features.entries()
    }

    /// Puts an item into a list, from `effective` on.
    pub fn list(&mut self, list: &str, item: &str, effective: Timestamp) {
        self.list_version += 1;
        self.lists.apply(list, self.list_version, item, true, effective);
    }

    /// Says which events come next, a few of them, so that what they need is at hand. Changes no answer.
    pub fn warm<'f>(&self, next: impl Iterator<Item = &'f EventFacts> + Clone) {
        self.features.warm(next);
    }

    /// Decides an event with what is known before it.
    pub fn decide(&mut self, facts: &EventFacts) -> Result<Replayed<'_>, CloudError> {
        let stated = Stated::new(facts);
        let nothing = Given::default();
        let Planned { slice, plans, scratch } = &mut self.edge;
        let ahead = run(slice, plans, &stated, &nothing, Close::Open, scratch);
        let Planned { slice, plans, scratch } = &mut self.cloud;
        let world = World { features: &self.features, lists: &self.lists };
        // Events come in order of time, so none lies behind memory; one that does is not answered wrongly.
        let behind = |_: &_| Ok(Answer::unknown(Cause::Unavailable));
        self.given = Given::gather(plans, &stated, self.seq, world, behind)?;
        let outcome = run(slice, plans, &stated, &self.given, Close::Here, scratch);
        Ok(Replayed {
            edge: ahead.settled,
            // INVARIANT: the cloud closes every rule, so the interval is a point; were it not, the stricter end holds.
            cloud: outcome.settled.unwrap_or(outcome.strictest),
            obligations: outcome.obligations,
            rules: scratch.rules(),
            given: &self.given,
            slice,
        })
    }

    /// Makes an event part of what is known. It counts as received and logged at once.
    pub fn take(&mut self, facts: &EventFacts) {
        self.features.add(&Logged { seq: self.seq, ingested: facts.received, facts });
        self.seq += 1;
    }
}
