//! Actors and what they do: the vocabulary that the traffic of every policy is written in.
//!
//! An [`Act`] is one sensitive action before anybody decided it: who, from which device, with which request fields, and
//! what its sensors would say. Tiers of people are drawn by the shares that the module above states.

use crate::rng::Rng;
use glacis_wire::{Method, Tier, Value};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Somebody who means no harm.
    Person,
    /// Somebody who tries this.
    Attacker(&'static str),
}

/// One action.
#[derive(Clone, Debug)]
pub(super) struct Act {
    /// When. Unit: seconds since the traffic began.
    pub(super) at: u64,
    pub(super) who: Who,
    pub(super) hands: Hands,
    /// Request fields by signal; one that is not here is missing.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// Device signals that are true; all others are false.
    pub(super) detected: Vec<&'static str>,
    /// The strongest method that the actor can pass.
    pub(super) can: Option<Method>,
}

/// The device that an actor holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hands {
    /// Names actor and device.
    pub(super) device: u32,
    pub(super) tier: Tier,
}

/// All of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    pub(super) acts: Vec<Act>,
    /// Items of the cloud's lists.
    pub(super) lists: Vec<(&'static str, Vec<String>)>,
}

impl Act {
    /// A person's action; people pass what they are asked.
    pub(super) const fn person(at: u64, hands: Hands) -> Self {
        let who = Who::Person;
        Self { at, who, hands, fields: Vec::new(), detected: Vec::new(), can: Some(Method::Passkey) }
    }

    /// An attacker's action; he passes nothing.
    pub(super) const fn attack(what: &'static str, at: u64, hands: Hands) -> Self {
        let who = Who::Attacker(what);
        Self { at, who, hands, fields: Vec::new(), detected: Vec::new(), can: None }
    }

    /// With a text field.
    pub(super) fn text(mut self, signal: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((signal, Value::String(value.into())));
        self
    }

    /// With a whole number.
    pub(super) fn int(mut self, signal: &'static str, value: u64) -> Self {
        self.fields.push((signal, Value::Int(i64::try_from(value).unwrap_or(i64::MAX))));
        self
    }

    /// With a yes or no.
    pub(super) fn flag(mut self, signal: &'static str, value: bool) -> Self {
        self.fields.push((signal, Value::Bool(value)));
        self
    }

    /// Where the sensor says so.
    pub(super) fn detects(mut self, signal: &'static str, yes: bool) -> Self {
        self.detected.extend(yes.then_some(signal));
        self
    }

    /// By an actor who can pass this much.
    pub(super) const fn passing(mut self, method: Method) -> Self {
        self.can = Some(method);
        self
    }
}

/// One of `choices` by its weight; weights add up to `sum`.
pub(super) fn weighted<T: Copy>(rng: &mut Rng, choices: &[(u64, T)]) -> Option<T> {
    let sum = choices.iter().map(|(weight, _)| weight).sum();
    let mut at = rng.below(sum);
    for (weight, choice) in choices {
        if at < *weight {
            return Some(*choice);
        }
        at -= weight;
    }
    None
}

/// A whole number from `low` to below `high`.
pub(super) const fn between(rng: &mut Rng, low: u64, high: u64) -> u64 {
    low + rng.below(high - low)
}

/// `count` people, each with a device of a tier drawn by the stated shares.
pub(super) fn people(rng: &mut Rng, count: u32) -> Vec<Hands> {
    let tiers = [(5, Tier::None), (15, Tier::Software), (60, Tier::Hardware), (20, Tier::Strong)];
    (0..count).map(|device| Hands { device, tier: weighted(rng, &tiers).unwrap_or(Tier::None) }).collect()
}

/// Devices of attackers begin here, so that none is a person's.
pub(super) const STRANGERS: u32 = 1_000_000;

/// An attacker's device.
pub(super) const fn stranger(number: u32, tier: Tier) -> Hands {
    Hands { device: STRANGERS + number, tier }
}

/// A minute, an hour and a day. Unit: seconds.
pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;
