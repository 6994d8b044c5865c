//! What was known of an event, for a policy as it is seen beyond the device.
//!
//! The same reading of the facts as when the cloud runs a slice: outcomes of conditions have the trust of the device's
//! process, why it said nothing is proven, and everything else is what edge and cloud answered.

use crate::explain::answered;
use crate::fact::silence;
use crate::record::StoredDecision;
use crate::server::console::versions::Kept;
use glacis_compiler::node_name;
use glacis_compiler::reference::Snapshot;
use glacis_proof::event::Event;
use glacis_proof::state::Subject;
use glacis_wire::message::decide::{ClosedBy, EventFacts, SignalAnswer};
use glacis_wire::{Answer, Cause, Given, NodeOutcome, SignalName, Trust, Value};

/// What was known.
pub(in crate::server::console) struct Known {
    /// As the reference interpreter takes it.
    pub(in crate::server::console) event: Event,
}

impl Known {
    /// Of a decision, for the policy that decided.
    pub(in crate::server::console) fn of(kept: &Kept, decision: &StoredDecision) -> Self {
        let facts = &decision.record.facts;
        let disclosed = facts.disclosed.as_ref().filter(|out| out.policy == facts.policy);
        let node = |at: usize| disclosed.and_then(|out| out.nodes.get(at)).copied();
        let value = |at: usize| disclosed.and_then(|out| out.values.get(at)).cloned();
        Self::with(kept, decision, &Device { node: &node, value: &value, silence: unsaid(facts) })
    }

    /// Of a decision, for any policy, with what the device said of its conditions.
    pub(in crate::server::console) fn with(
        kept: &Kept,
        decision: &StoredDecision,
        device: &Device<'_>,
    ) -> Self {
        let record = &decision.record;
        let facts = &record.facts;
        let own: &[SignalAnswer] = decision.settled.as_ref().map_or(&[], |settled| &settled.answers);
        let mut answers = answered(&kept.compiled, facts, own);
        let layout = kept.compiled.layout();
        for (at, _) in layout.nodes.iter().enumerate() {
            let given = match (device.node)(at) {
                Some(outcome) => Given { answer: answer_of_node(outcome), trust: facts.trust },
                None => device.unsaid(),
            };
            answers.extend(SignalName::parse(&node_name(at)).ok().map(|name| (name, given)));
        }
        for (at, name) in layout.values.iter().enumerate() {
            let given = match (device.value)(at) {
                Some(answer) => Given { answer, trust: facts.trust },
                None => device.unsaid(),
            };
            answers.insert(name.clone(), given);
        }
        let outage = record.closed_by == ClosedBy::CloudUnavailable;
        let passed = facts.passed.as_ref().map(|passed| passed.method);
        Self { event: Event { snapshot: Snapshot { answers }, passed, outage } }
    }

    pub(in crate::server::console) fn subject<'k>(&self, kept: &'k Kept) -> Subject<'k> {
        Subject { checked: &kept.beyond, catalogue: kept.compiled.signals() }
    }
}

/// What a device said, by the places of a policy's layout.
pub(in crate::server::console) struct Device<'a> {
    /// Outcome of a condition; none where it is not known.
    pub(in crate::server::console) node: &'a dyn Fn(usize) -> Option<NodeOutcome>,
    /// A value that left as it is.
    pub(in crate::server::console) value: &'a dyn Fn(usize) -> Option<Answer>,
    /// Why what is not known is not.
    pub(in crate::server::console) silence: Cause,
}

impl Device<'_> {
    fn unsaid(&self) -> Given {
        Given { answer: Answer::unknown(self.silence), trust: Trust::Proven }
    }
}

/// Why a device said nothing that can be read.
fn unsaid(facts: &EventFacts) -> Cause {
    match &facts.disclosed {
        None => silence(facts),
        Some(out) if out.policy != facts.policy => Cause::Version,
        Some(_) => Cause::Withheld,
    }
}

const fn answer_of_node(outcome: NodeOutcome) -> Answer {
    match outcome {
        NodeOutcome::False => Answer::Value(Value::Bool(false)),
        NodeOutcome::True => Answer::Value(Value::Bool(true)),
        NodeOutcome::Unknown => Answer::unknown(Cause::Withheld),
        NodeOutcome::Error => Answer::Error,
    }
}
