//! run(P, Σ, K): the three slices of one policy, loaded from their bytes, run in order by honest zones.
//!
//! What crosses from the device to the edge is an encoded `Disclosed` and nothing else. The run stops at the first
//! final zone. Duties are settled from the record: by the cloud slice over everything, and, where the cloud did
//! not answer, by what the edge closed together with what hidden rules close to.

use super::snapshot::Device;
use glacis_compiler::checked::Checked;
use glacis_compiler::reference::Snapshot;
use glacis_policy::{
    Close, Entry, Input, Inputs, Obligations, Outcome, Reading, Scratch, Slice, Slot, Source, disclose, eval,
    reading_of,
};
use glacis_wire::{
    Answer, Cause, Causes, Decode, Disclosed, Encode, Given, Method, PolicyDigest, SignalName, Trust,
    Verdict, Zone,
};
use std::collections::BTreeSet;

/// Which evaluator runs: the one that ships, or one with a seeded bug.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    /// As it ships.
    Sound,
    /// With one seeded bug.
    #[cfg(feature = "mutants")]
    Mutant(glacis_policy::mutant::Mutant),
}

impl Engine {
    fn eval(self, slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) -> Outcome {
        match self {
            Self::Sound => eval(slice, inputs, scratch),
            #[cfg(feature = "mutants")]
            Self::Mutant(bug) => glacis_policy::mutant::eval_mutant(bug, slice, inputs, scratch),
        }
    }

    fn disclose(self, slice: &Slice, scratch: &Scratch, inputs: &Inputs<'_>) -> Disclosed {
        match self {
            Self::Sound => disclose(slice, scratch, inputs),
            #[cfg(feature = "mutants")]
            Self::Mutant(bug) => glacis_policy::mutant::disclose_mutant(bug, slice, scratch, inputs),
        }
    }
}

/// The slices of one policy and working memory for each.
#[derive(Debug)]
pub(crate) struct Zones {
    device: Slice,
    edge: Slice,
    cloud: Slice,
    scratch: [Scratch; 3],
    /// Duties of the hidden rules that match when the cloud does not answer.
    hidden_duties: Obligations,
}

/// One event besides its snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) device: Device,
    pub(crate) passed: Option<Method>,
    pub(crate) outage: bool,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) zone: Zone,
    pub(crate) verdict: Verdict,
    /// Reason codes of the deciding zone.
    pub(crate) reasons: BTreeSet<String>,
    /// Duties after settlement.
    pub(crate) obligations: Obligations,
    /// The challenge that the device started, unless it blocked.
    pub(crate) started: Option<Method>,
}

/// What a device did: what it sends, and what an observer of its traffic and screen sees besides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Early {
    pub(super) disclosed: Disclosed,
    pub(super) settled: Option<Verdict>,
    pub(crate) started: Option<Method>,
}

impl Zones {
    /// Loads the three slices; the error names the zone and what its loader says.
    pub(crate) fn load(policy: &Checked, slices: &[Vec<u8>; 3]) -> Result<Self, String> {
        let load = |zone: Zone, bytes: &[u8]| {
            let slice = Slice::load(bytes).map_err(|error| format!("{} slice: {error}", zone.name()))?;
            let same = slice.zone() == zone && slice.encode().is_ok_and(|again| again == bytes);
            if same { Ok(slice) } else { Err(format!("{} slice does not encode to its bytes", zone.name())) }
        };
        let [device, edge, cloud] = slices;
        let (device, edge, cloud) =
            (load(Zone::Device, device)?, load(Zone::Edge, edge)?, load(Zone::Cloud, cloud)?);
        let scratch = [&device, &edge, &cloud].map(Scratch::for_slice);
        let hidden = policy.rules().iter().filter(|rule| rule.is_hidden() && !rule.effect.is_lenient());
        let closed = hidden.filter(|rule| rule.entry(Cause::Unavailable) != Entry::Skip);
        let hidden_duties = closed.fold(Obligations::NONE, |duties, rule| duties.union(rule.obligations));
        Ok(Self { device, edge, cloud, scratch, hidden_duties })
    }

    /// The digest of the policy that the slices were cut from.
    pub(super) const fn policy(&self) -> PolicyDigest {
        self.cloud.policy()
    }

    /// Strictness of a verdict under the policy's methods.
    pub(crate) fn rank(&self, verdict: Verdict) -> u8 {
        self.cloud.rank(verdict)
    }

    /// Runs one event through the zones in order.
    pub(crate) fn run(&mut self, engine: Engine, event: &Event<'_>) -> Result<Ran, String> {
        let early = match event.device {
            Device::Silent(_) => None,
            Device::Runs(_) => Some(self.device(engine, event)?),
        };
        let started = early.as_ref().and_then(|early| early.started);
        if let Some(verdict) = early.as_ref().and_then(|early| early.settled) {
            let obligations = self.settle(engine, event, early.as_ref().map(|early| &early.disclosed))?;
            return Ok(Ran {
                zone: Zone::Device,
                verdict,
                reasons: BTreeSet::new(),
                obligations,
                started: None,
            });
        }
        self.trusted(engine, event, early.as_ref().map(|early| &early.disclosed), started)
    }

    /// The device slice over the device's own signals.
    pub(super) fn device(&mut self, engine: Engine, event: &Event<'_>) -> Result<Early, String> {
        let given: Vec<Given> =
            self.device.slots().iter().map(|slot| signal(event.snapshot, &slot.name)).collect();
        let slots = borrow(&given);
        let inputs = Inputs { slots: &slots, passed: event.passed, close: Close::Open };
        let [scratch, ..] = &mut self.scratch;
        let outcome = engine.eval(&self.device, &inputs, scratch);
        let disclosed = engine.disclose(&self.device, scratch, &inputs);
        let bytes = disclosed.to_bytes().map_err(|error| format!("disclosure: {error}"))?;
        let disclosed = Disclosed::from_bytes(&bytes).map_err(|error| format!("disclosure: {error}"))?;
        Ok(Early { disclosed, settled: outcome.settled, started: outcome.starts })
    }

    /// Edge and cloud over what was disclosed.
    pub(super) fn trusted(
        &mut self,
        engine: Engine,
        event: &Event<'_>,
        disclosed: Option<&Disclosed>,
        started: Option<Method>,
    ) -> Result<Ran, String> {
        let (outcome, reasons) = self.edge(engine, event, disclosed, Close::Open);
        if let Some(verdict) = outcome.settled {
            let obligations = self.settle(engine, event, disclosed)?;
            return Ok(Ran { zone: Zone::Edge, verdict, reasons, obligations, started });
        }
        if event.outage {
            let (outcome, reasons) = self.edge(engine, event, disclosed, Close::CloudUnavailable);
            let verdict = outcome.settled.ok_or("an edge in an outage did not settle")?;
            let obligations = self.settle(engine, event, disclosed)?;
            return Ok(Ran { zone: Zone::Edge, verdict, reasons, obligations, started });
        }
        let (outcome, reasons) = self.cloud(engine, event, disclosed);
        let verdict = outcome.settled.ok_or("the cloud did not settle")?;
        Ok(Ran { zone: Zone::Cloud, verdict, reasons, obligations: outcome.obligations, started })
    }

    fn edge(
        &mut self,
        engine: Engine,
        event: &Event<'_>,
        disclosed: Option<&Disclosed>,
        close: Close,
    ) -> (Outcome, BTreeSet<String>) {
        let [_, scratch, _] = &mut self.scratch;
        let given: Vec<Given> =
            self.edge.slots().iter().map(|slot| slot_answer(slot, event, disclosed)).collect();
        let mut slots = borrow(&given);
        for (input, slot) in slots.iter_mut().zip(self.edge.slots()) {
            if slot.source == Source::Cloud {
                *input = Input::PENDING;
            }
        }
        let outcome =
            engine.eval(&self.edge, &Inputs { slots: &slots, passed: event.passed, close }, scratch);
        (outcome, scratch.reasons(&self.edge).map(str::to_owned).collect())
    }

    fn cloud(
        &mut self,
        engine: Engine,
        event: &Event<'_>,
        disclosed: Option<&Disclosed>,
    ) -> (Outcome, BTreeSet<String>) {
        let [.., scratch] = &mut self.scratch;
        let given: Vec<Given> =
            self.cloud.slots().iter().map(|slot| slot_answer(slot, event, disclosed)).collect();
        let slots = borrow(&given);
        let inputs = Inputs { slots: &slots, passed: event.passed, close: Close::Here };
        let outcome = engine.eval(&self.cloud, &inputs, scratch);
        (outcome, scratch.reasons(&self.cloud).map(str::to_owned).collect())
    }

    /// The duties of the whole policy, from the record.
    fn settle(
        &mut self,
        engine: Engine,
        event: &Event<'_>,
        disclosed: Option<&Disclosed>,
    ) -> Result<Obligations, String> {
        if !event.outage {
            return Ok(self.cloud(engine, event, disclosed).0.obligations);
        }
        let (outcome, _) = self.edge(engine, event, disclosed, Close::CloudUnavailable);
        Ok(outcome.obligations.union(self.hidden_duties))
    }

    /// What a device without any trusted word would have disclosed: everything withheld below `min_trust`.
    pub(super) fn withhold(&self, disclosed: &Disclosed, trust: Trust) -> Disclosed {
        let mut withheld = disclosed.clone();
        for slot in self.cloud.slots().iter().chain(self.edge.slots()).filter(|slot| trust < slot.min_trust) {
            match slot.source {
                Source::Node(at) => set(&mut withheld.nodes, at, glacis_wire::NodeOutcome::Unknown),
                Source::Value(at) => set(&mut withheld.values, at, Answer::unknown(Cause::Withheld)),
                Source::Device | Source::Request | Source::Edge | Source::Cloud => {}
            }
        }
        withheld
    }

    /// The slots that are filled from a disclosure.
    pub(super) fn disclosed_slots(&self) -> impl Iterator<Item = &Slot> {
        self.cloud.slots().iter().filter(|slot| matches!(slot.source, Source::Node(_) | Source::Value(_)))
    }
}

/// Overwrites item `at`, if there is one.
pub(super) fn set<T>(items: &mut [T], at: u16, value: T) {
    if let Some(item) = items.get_mut(usize::from(at)) {
        *item = value;
    }
}

/// A signal's answer; one that the snapshot lacks is withheld.
fn signal(snapshot: &Snapshot, name: &SignalName) -> Given {
    let withheld = || Given { answer: Answer::unknown(Cause::Withheld), trust: Trust::Claimed };
    snapshot.answers.get(name).cloned().unwrap_or_else(withheld)
}

/// What edge and cloud put into a slot: their own signals from the snapshot, the device's from the disclosure.
fn slot_answer(slot: &Slot, event: &Event<'_>, disclosed: Option<&Disclosed>) -> Given {
    let trust = match event.device {
        Device::Runs(trust) => trust,
        Device::Silent(_) => Trust::Proven,
    };
    let silent = || match event.device {
        Device::Silent(cause) => Answer::Unknown(Causes::of(cause)),
        Device::Runs(_) => Answer::unknown(Cause::Withheld),
    };
    match (slot.source, disclosed) {
        (Source::Node(at), Some(disclosed)) => {
            let node = disclosed.nodes.get(usize::from(at));
            Given { answer: node.map_or_else(silent, |outcome| outcome.answer()), trust }
        }
        (Source::Value(at), Some(disclosed)) => {
            Given { answer: disclosed.values.get(usize::from(at)).cloned().unwrap_or_else(silent), trust }
        }
        (Source::Node(_) | Source::Value(_), None) => Given { answer: silent(), trust },
        (Source::Device | Source::Request | Source::Edge | Source::Cloud, _) => {
            signal(event.snapshot, &slot.name)
        }
    }
}

fn borrow(given: &[Given]) -> Vec<Input<'_>> {
    let reading = |answer| -> Reading<'_> { reading_of(answer) };
    given.iter().map(|given| Input { reading: reading(&given.answer), trust: given.trust }).collect()
}
