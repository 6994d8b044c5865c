//! What the facts of an event say about one signal: the single place where cloud code reads a signal.
//!
//! Built-in signals (`device.tier`, `device.id`, `request.signed`) are derived from the facts themselves, so they
//! cannot contradict them; a principal comes from the verified principal and from nowhere else. A signal that the
//! facts do not state is `unknown(withheld)`, as it is for the edge, whose route then does not supply it.

use glacis_compiler::catalogue::{self, Birth, Catalogue};
use glacis_wire::limits::SIGNALS_MAX;
use glacis_wire::message::List;
use glacis_wire::message::decide::{DEVICE_ZONE, EventFacts, SignalAnswer};
use glacis_wire::{Answer, Cause, SignalName, Value};

/// Where the answer about a signal of zone request or edge comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// The verified principal.
    Principal,
    /// `device.tier`
    Tier,
    /// `device.id`
    DeviceId,
    /// `request.signed`
    Signed,
    /// Extracted from the request.
    Field(SignalName),
    /// Observed by the edge.
    Observed(SignalName),
}

impl Origin {
    /// Of a signal born in the request or at the edge; `None` of one that the facts cannot state.
    pub(crate) fn of(catalogue: &Catalogue, signal: &SignalName) -> Option<Self> {
        let declared = catalogue.signals().get(signal)?;
        Some(match (&declared.origin, declared.birth) {
            (catalogue::Origin::Principal, _) => Self::Principal,
            (catalogue::Origin::BuiltIn, _) => match signal.as_str() {
                "device.tier" => Self::Tier,
                "device.id" => Self::DeviceId,
                "request.signed" => Self::Signed,
                _ => return None,
            },
            (_, Birth::Request) => Self::Field(signal.clone()),
            (_, Birth::Edge) => Self::Observed(signal.clone()),
            (_, Birth::Device | Birth::Cloud) => return None,
        })
    }

    pub(crate) fn answer(&self, facts: &EventFacts) -> Answer {
        match self {
            Self::Principal => facts.principal.as_ref().map_or(Answer::unknown(Cause::Withheld), |user| {
                Answer::Value(Value::String(user.0.clone()))
            }),
            Self::Tier => Answer::Value(Value::String(facts.tier.name().to_owned())),
            Self::DeviceId => facts
                .thumbprint
                .map_or(Answer::Missing, |device| Answer::Value(Value::String(device.to_string()))),
            Self::Signed => Answer::Value(Value::Bool(facts.thumbprint.is_some())),
            Self::Field(signal) => stated(&facts.fields, signal).unwrap_or(WITHHELD),
            Self::Observed(signal) => stated(&facts.observed, signal).unwrap_or(WITHHELD),
        }
    }

    pub(crate) fn value(&self, facts: &EventFacts) -> Option<Value> {
        match self.answer(facts) {
            Answer::Value(value) => Some(value),
            _ => None,
        }
    }

    /// What a feature or list test reads when its key has no value: a principal that is not there is withheld,
    /// anything else is an error of the key.
    pub(crate) fn without_key(&self) -> Answer {
        match self {
            Self::Principal => Answer::unknown(Cause::Withheld),
            _ => Answer::Error,
        }
    }
}

const WITHHELD: Answer = Answer::unknown(Cause::Withheld);

/// Why a device that disclosed nothing says nothing.
pub(crate) fn silence(facts: &EventFacts) -> Answer {
    let absent = Answer::unknown(Cause::Absent);
    let no_device_zone =
        facts.observed.iter().any(|stated| stated.signal.as_str() == DEVICE_ZONE && stated.answer == absent);
    if no_device_zone && facts.thumbprint.is_none() { absent } else { WITHHELD }
}

fn stated(answers: &List<SignalAnswer, SIGNALS_MAX>, signal: &SignalName) -> Option<Answer> {
    answers.iter().find(|stated| stated.signal == *signal).map(|stated| stated.answer.clone())
}
