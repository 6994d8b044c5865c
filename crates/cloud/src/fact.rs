//! What the facts of an event say about one signal: the single place where cloud code reads a signal.
//!
//! Built-in signals (`device.tier`, `device.id`, `request.signed`) are derived from the facts themselves, so they
//! cannot contradict them; a principal comes from the verified principal and from nowhere else. A signal that the
//! facts do not state is `unknown(withheld)`, as it is for the edge, whose route then does not supply it.

use glacis_compiler::catalogue::{self, Birth, Catalogue};
use glacis_policy::{Reading, reading_of};
use glacis_wire::limits::SIGNALS_MAX;
use glacis_wire::message::List;
use glacis_wire::message::decide::{DEVICE_ZONE, EventFacts, ROUTE_MODE, SignalAnswer};
use glacis_wire::{Answer, Cause, SignalName};
use std::cell::OnceCell;

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

    /// What the facts say, borrowed.
    pub(crate) fn read<'f>(&self, stated: &'f Stated<'_>) -> Reading<'f> {
        let facts = stated.facts;
        match self {
            Self::Principal => {
                facts.principal.as_ref().map_or(Reading::WITHHELD, |user| Reading::Str(&user.0))
            }
            Self::Tier => Reading::Str(facts.tier.name()),
            Self::DeviceId => stated.facts.thumbprint.map_or(Reading::Missing, |device| {
                Reading::Str(stated.device_id.get_or_init(|| device.to_string()))
            }),
            Self::Signed => Reading::Bool(facts.thumbprint.is_some()),
            Self::Field(signal) => find(&facts.fields, signal),
            Self::Observed(signal) => find(&facts.observed, signal),
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

/// Facts with what reading them borrows; made once an evaluation.
#[derive(Debug)]
pub(crate) struct Stated<'a> {
    pub(crate) facts: &'a EventFacts,
    /// Written out once it is asked for.
    device_id: OnceCell<String>,
}

impl<'a> Stated<'a> {
    pub(crate) const fn new(facts: &'a EventFacts) -> Self {
        Self { facts, device_id: OnceCell::new() }
    }
}

/// Appends a tag, a length and bytes.
fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    // INVARIANT: no value is longer than `VALUE_BYTES_MAX`, so its length fits; were it not, it is no key.
    let Ok(length) = u16::try_from(bytes.len()) else { return false };
    out.push(tag);
    out.extend(length.to_be_bytes());
    out.extend(bytes);
    true
}

/// Appends a scalar so that two are equal iff their bytes are; false where there is none.
pub(crate) fn put(reading: Reading<'_>, out: &mut Vec<u8>) -> bool {
    match reading {
        Reading::Bool(value) => out.extend([0, u8::from(value)]),
        Reading::Int(value) => {
            out.push(1);
            out.extend(value.to_be_bytes());
        }
        Reading::Double(value) => {
            out.push(2);
            out.extend(value.to_bits().to_be_bytes());
        }
        Reading::Str(text) => return put_bytes(3, text.as_bytes(), out),
        Reading::Uint(value) => {
            out.push(4);
            out.extend(value.to_be_bytes());
        }
        Reading::Bytes(bytes) => return put_bytes(5, bytes, out),
        Reading::Timestamp(value) => {
            out.push(6);
            out.extend(value.as_us().to_be_bytes());
        }
        Reading::Duration(value) => {
            out.push(7);
            out.extend(value.as_us().to_be_bytes());
        }
        Reading::List(_) | Reading::Interval(_) | Reading::Missing | Reading::Error | Reading::Unknown(_) => {
            return false;
        }
    }
    true
}

/// Whether the verdict acts: not where the route of the request only observes.
pub(crate) fn acts(facts: &EventFacts) -> bool {
    !facts.observed.iter().any(|stated| stated.signal.as_str() == ROUTE_MODE)
}

/// Why a device that disclosed nothing says nothing.
pub(crate) fn silence(facts: &EventFacts) -> Cause {
    let absent = Answer::unknown(Cause::Absent);
    let no_device_zone =
        facts.observed.iter().any(|stated| stated.signal.as_str() == DEVICE_ZONE && stated.answer == absent);
    if no_device_zone && facts.thumbprint.is_none() { Cause::Absent } else { Cause::Withheld }
}

fn find<'f>(answers: &'f List<SignalAnswer, SIGNALS_MAX>, signal: &SignalName) -> Reading<'f> {
    let stated = answers.iter().find(|stated| stated.signal == *signal);
    stated.map_or(Reading::WITHHELD, |stated| reading_of(&stated.answer))
}
