//! The slices of the three policies: checked when they are decoded, and run over facts.
//!
//! Decoding is done once in a process. It refuses what is another policy's slice, what has no rule, and what reads
//! something that is no fact; whatever is refused lets nothing be earned. Only a settled `allow` earns.

use super::facts::{Fact, Facts};
use super::{Goal, InForce, Kept};
use glacis_policy::{Close, Hidden, Input, Inputs, LoadError, RuleState, Scratch, Slice, eval};
use glacis_wire::{Verdict, Zone};
use std::cell::RefCell;

/// The policies of an appraisal, in the order of [`Goal::ALL`].
#[derive(Debug)]
pub(super) struct Policies([Policy; 3]);

/// One of them.
#[derive(Debug)]
struct Policy {
    goal: Goal,
    slice: Slice,
    /// What fills its slots, in their order.
    facts: Box<[Fact]>,
}

/// Why bytes are not the policy of a goal.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Unfit {
    /// They are no slice at all.
    #[error("{} cannot be decoded", .0.name())]
    Bytes(Goal, #[source] LoadError),
    /// They are the slice of something else.
    #[error("{} is the slice of another event or zone", .0.name())]
    Other(Goal),
    /// It has no rule, so that it would let everything through, or does not show all of them.
    #[error("{} has no rule, or hides one", .0.name())]
    Rules(Goal),
    /// It reads a signal that no verifier fills in.
    #[error("{} reads `{signal}`, which is no fact", .goal.name())]
    Signal { goal: Goal, signal: String },
}

impl Policies {
    pub(super) fn load([attested, hardware, strong]: [&[u8]; 3]) -> Result<Self, Unfit> {
        let load = Policy::load;
        Ok(Self([
            load(Goal::Attested, attested)?,
            load(Goal::Hardware, hardware)?,
            load(Goal::Strong, strong)?,
        ]))
    }

    /// Which goals the facts earn; the rules that keep them from one go into `kept`.
    pub(super) fn earned(&'static self, facts: &Facts, kept: &mut Vec<Kept>) -> [bool; 3] {
        self.earned_with(kept, |fact| fact.input(facts))
    }

    /// The same, by whoever fills in the facts.
    pub(super) fn earned_with(
        &'static self,
        kept: &mut Vec<Kept>,
        input: impl Fn(Fact) -> Input<'static>,
    ) -> [bool; 3] {
        let in_thread = MEMORY.try_with(|memory| {
            let mut memory = memory.try_borrow_mut().ok()?;
            Some(self.run(memory.get_or_insert_with(|| self.memory()), kept, &input))
        });
        // A thread that is ending has none.
        in_thread.ok().flatten().unwrap_or_else(|| self.run(&mut self.memory(), kept, &input))
    }

    fn memory(&self) -> [Scratch; 3] {
        self.0.each_ref().map(|policy| Scratch::for_slice(&policy.slice))
    }

    fn run(
        &'static self,
        [first, second, third]: &mut [Scratch; 3],
        kept: &mut Vec<Kept>,
        input: &impl Fn(Fact) -> Input<'static>,
    ) -> [bool; 3] {
        let [attested, hardware, strong] = &self.0;
        [
            attested.earned(first, kept, input),
            hardware.earned(second, kept, input),
            strong.earned(third, kept, input),
        ]
    }

    pub(super) fn in_force(&'static self) -> impl Iterator<Item = InForce> {
        self.0.iter().map(|policy| InForce {
            goal: policy.goal,
            digest: policy.slice.policy(),
            rules: policy.slice.rules().iter().map(|rule| &*rule.reason).collect(),
        })
    }
}

thread_local! {
    /// Working memory of the three, about 6 kB: to make it anew for each appraisal costs ten times the three runs. It holds
    /// facts of the last appraisal, which name nobody.
    static MEMORY: RefCell<Option<[Scratch; 3]>> = const { RefCell::new(None) };
}

impl Policy {
    fn load(goal: Goal, bytes: &[u8]) -> Result<Self, Unfit> {
        let slice = Slice::load(bytes).map_err(|error| Unfit::Bytes(goal, error))?;
        let event = slice.event().as_str().strip_prefix("appraisal.");
        if event != Some(goal.name()) || slice.zone() != Zone::Edge {
            return Err(Unfit::Other(goal));
        }
        if slice.rules().is_empty() || *slice.hidden() != Hidden::NONE {
            return Err(Unfit::Rules(goal));
        }
        let facts = slice.slots().iter().map(|slot| {
            let known = Fact::ALL.into_iter().find(|fact| fact.name() == slot.name.as_str());
            known.ok_or_else(|| Unfit::Signal { goal, signal: slot.name.to_string() })
        });
        let facts = facts.collect::<Result<_, _>>()?;
        Ok(Self { goal, slice, facts })
    }

    fn earned(
        &'static self,
        scratch: &mut Scratch,
        kept: &mut Vec<Kept>,
        input: &impl Fn(Fact) -> Input<'static>,
    ) -> bool {
        let mut slots = [Input::PENDING; Fact::ALL.len()];
        for (slot, fact) in slots.iter_mut().zip(&self.facts) {
            *slot = input(*fact);
        }
        let slots = slots.get(..self.facts.len()).unwrap_or_default();
        let outcome = eval(&self.slice, &Inputs { slots, passed: None, close: Close::Here }, scratch);
        let states = self.slice.rules().iter().zip(scratch.rules());
        let matched = states.filter(|(_, state)| matches!(state, RuleState::Matched { .. }));
        kept.extend(matched.map(|(rule, _)| Kept { from: self.goal, rule: &rule.reason }));
        outcome.settled == Some(Verdict::Allow)
    }
}
