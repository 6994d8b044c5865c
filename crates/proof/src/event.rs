//! An event as analysis makes and replays it, and what makes one readable.
//!
//! Whatever this crate finds by reasoning it believes only after [`Event::decide`], which asks the reference interpreter.
//! An event that was found is then made plain: each signal that does not matter gets an ordinary value.

use crate::state::{Space, World};
use glacis_compiler::Checked;
use glacis_compiler::catalogue::Birth;
use glacis_compiler::reference::{Snapshot, Whole, whole};
use glacis_wire::{Answer, Cause, Given, Method, Trust};

/// Everything that a decision depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What is known of every signal.
    pub snapshot: Snapshot,
    /// A method that was passed.
    pub passed: Option<Method>,
    /// Whether the cloud does not answer.
    pub outage: bool,
}

impl Event {
    /// What a policy says of it.
    pub fn decide(&self, policy: &Checked) -> Whole {
        whole(policy, &self.snapshot, self.passed, self.outage)
    }

    /// The least trust of what is said of the device.
    pub fn device_trust(&self, policy: &Checked) -> Trust {
        self.device_answers(policy).map(|given| given.trust).min().unwrap_or(Trust::Claimed)
    }

    /// What is said of the device's signals.
    pub(crate) fn device_answers(&self, policy: &Checked) -> impl Iterator<Item = &Given> {
        let device = policy.signals().values().filter(|signal| signal.birth == Birth::Device);
        device.filter_map(|signal| self.snapshot.answers.get(&signal.name))
    }

    /// The world that it is in: the device's trust is the highest that one of its answers has.
    pub(crate) fn world(&self, space: &Space) -> World {
        let device =
            self.snapshot.answers.iter().filter(|(name, given)| space.is_device(name) && !is_told(given));
        let device = device.map(|(_, given)| given.trust).max().unwrap_or(Trust::Claimed);
        World { outage: self.outage, device }
    }

    /// The same with ordinary answers wherever `holds` allows it.
    pub(crate) fn plain(self, space: &Space, world: World, holds: impl Fn(&Self) -> bool) -> Self {
        let mut event = self;
        let names: Vec<_> = event.snapshot.answers.keys().cloned().collect();
        for name in names {
            // What is said of the device as a whole is not changed for one signal.
            if event.snapshot.answers.get(&name).is_some_and(is_told) {
                continue;
            }
            let states = space.states(&name);
            let ordinary = states.iter().find(|state| matches!(state.answer, Answer::Value(_)));
            let Some(ordinary) = ordinary else { continue };
            let mut tried = event.clone();
            let given = space.given(&name, ordinary.answer.clone(), world);
            if tried.snapshot.answers.insert(name, given.clone()) != Some(given) && holds(&tried) {
                event = tried;
            }
        }
        event
    }
}

/// Whether edge or cloud say it of the device as a whole.
pub(crate) fn is_told(given: &Given) -> bool {
    let whole = |cause| given.answer == Answer::unknown(cause);
    whole(Cause::Absent) || whole(Cause::Version)
}
