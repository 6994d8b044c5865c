//! For a checker in the same process: what was known when an action was decided. Feature `observe`.
//!
//! A simulator that must prove "run = whole" needs the full snapshot of each event, which never leaves the device.
//! So it is handed over here, after the decision, by reference and in memory; no request changes by it (the
//! simulator compares captured bytes with and without). Production builds do not have this module.

use crate::outcome::Answered;
use glacis_wire::{Disclosed, EventId, EventName, Given, SignalName, Verdict};
use std::collections::BTreeMap;

/// One decided action with the signals that it was judged on.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Which event.
    pub event: EventName,
    /// Names the user action.
    pub event_id: EventId,
    /// Who answered.
    pub zone: Answered,
    /// What was decided.
    pub verdict: Verdict,
    /// What left the device, or would have.
    pub disclosed: Disclosed,
    /// What did not. The trust in it is the least; the decision record knows better.
    pub signals: BTreeMap<SignalName, Given>,
}

/// Takes observations.
pub trait Observer: Send {
    /// An action was decided.
    fn decided(&mut self, observation: Observation);
}

impl<F: FnMut(Observation) + Send> Observer for F {
    fn decided(&mut self, observation: Observation) {
        self(observation);
    }
}
