//! Where an event is decided: the three slices of a policy, run in order by honest zones.
//!
//! The device runs its slice over its own signals and hands on what its slice discloses; edge and cloud see that and what
//! is theirs. The run stops at the first zone that is final (DESIGN §4.2). It must come to what the whole policy says; that
//! it does is proven elsewhere, here it is only said where and what.

use crate::event::{Event, is_told};
use glacis_compiler::Checked;
use glacis_policy::{Close, Input, Inputs, Scratch, Slice, Slot, Source, disclose, eval, reading_of};
use glacis_wire::{Answer, Cause, Disclosed, Given, Method, NodeOutcome, SignalName, Trust, Verdict, Zone};

/// How far one event went.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The zone that decided.
    pub zone: Zone,
    /// What it said.
    pub verdict: Verdict,
    /// The challenge that the device started before, if it did.
    pub started: Option<Method>,
    /// What left the device, node by node in the order of the layout; none of a device that says nothing.
    pub nodes: Vec<NodeOutcome>,
}

/// Runs an event through slices of device, edge and cloud; `None` if one of them is no slice of this policy.
pub fn run(policy: &Checked, slices: &[Vec<u8>; 3], event: &Event) -> Option<Run> {
    let [device, edge, cloud] = slices.each_ref().map(|bytes| Slice::load(bytes).ok());
    let (device, edge, cloud) = (device?, edge?, cloud?);
    let told = event.device_answers(policy).find(|given| is_told(given)).map(|given| given.answer.clone());
    let scene = Scene { event, told, trust: event.device_trust(policy) };
    let mut run = Run { zone: Zone::Device, verdict: Verdict::Allow, started: None, nodes: Vec::new() };
    let mut disclosed = None;
    if scene.told.is_none() {
        let (outcome, said) = scene.device(&device);
        run.started = outcome.starts;
        run.nodes.clone_from(&said.nodes);
        if let Some(verdict) = outcome.settled {
            return Some(Run { verdict, ..run });
        }
        disclosed = Some(said);
    }
    let disclosed = disclosed.as_ref();
    let close = if event.outage { [Close::Open, Close::CloudUnavailable] } else { [Close::Open; 2] };
    let at_edge = close.into_iter().find_map(|close| scene.trusted(&edge, disclosed, close).settled);
    if let Some(verdict) = at_edge {
        return Some(Run { zone: Zone::Edge, verdict, ..run });
    }
    let verdict = scene.trusted(&cloud, disclosed, Close::Here).settled?;
    Some(Run { zone: Zone::Cloud, verdict, ..run })
}

struct Scene<'a> {
    event: &'a Event,
    /// What edge or cloud say of the device as a whole, if they do.
    told: Option<Answer>,
    trust: Trust,
}

impl Scene<'_> {
    fn device(&self, slice: &Slice) -> (glacis_policy::Outcome, Disclosed) {
        let given: Vec<Given> = slice.slots().iter().map(|slot| self.signal(&slot.name)).collect();
        let slots: Vec<Input<'_>> = given.iter().map(input).collect();
        let inputs = Inputs { slots: &slots, passed: self.event.passed, close: Close::Open };
        let mut scratch = Scratch::for_slice(slice);
        let outcome = eval(slice, &inputs, &mut scratch);
        (outcome, disclose(slice, &scratch, &inputs))
    }

    fn trusted(&self, slice: &Slice, disclosed: Option<&Disclosed>, close: Close) -> glacis_policy::Outcome {
        let given: Vec<Given> = slice.slots().iter().map(|slot| self.slot(slot, disclosed)).collect();
        let waits = |slot: &Slot| slice.zone() == Zone::Edge && slot.source == Source::Cloud;
        let slots = slice.slots().iter().zip(&given);
        let slots: Vec<Input<'_>> =
            slots.map(|(slot, given)| if waits(slot) { Input::PENDING } else { input(given) }).collect();
        let inputs = Inputs { slots: &slots, passed: self.event.passed, close };
        eval(slice, &inputs, &mut Scratch::for_slice(slice))
    }

    /// What edge and cloud put into a slot.
    fn slot(&self, slot: &Slot, disclosed: Option<&Disclosed>) -> Given {
        let silent = || self.told.clone().unwrap_or_else(|| Answer::unknown(Cause::Withheld));
        let answer = match slot.source {
            Source::Node(at) => {
                let node = disclosed.and_then(|disclosed| disclosed.nodes.get(usize::from(at)));
                node.map_or_else(silent, |outcome| outcome.answer())
            }
            Source::Value(at) => {
                let value = disclosed.and_then(|disclosed| disclosed.values.get(usize::from(at)));
                value.cloned().unwrap_or_else(silent)
            }
            Source::Device | Source::Request | Source::Edge | Source::Cloud => {
                return self.signal(&slot.name);
            }
        };
        Given { answer, trust: self.trust }
    }

    fn signal(&self, name: &SignalName) -> Given {
        let withheld = || Given { answer: Answer::unknown(Cause::Withheld), trust: Trust::Claimed };
        self.event.snapshot.answers.get(name).cloned().unwrap_or_else(withheld)
    }
}

fn input(given: &Given) -> Input<'_> {
    Input { reading: reading_of(&given.answer), trust: given.trust }
}
