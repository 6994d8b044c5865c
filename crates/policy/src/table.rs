//! Tables that a compiler makes ahead and a node looks into: automata of patterns, time zones, networks.
//!
//! Each is plain data in one canonical form, made only by a constructor that checks it: whoever holds a table can
//! walk it without leaving it. The bytes of a slice are read by the same constructors, so a table that was tampered
//! with is refused at its offset, and what is left of a mutation still stays in bounds and in its steps.
//!
//! Look-ups allocate nothing, recurse nowhere and cannot panic: [`Automaton::matches`] takes one step a byte,
//! [`TimeZone::offset`] and [`Networks::contains`] a binary search.

mod automaton;
mod networks;
mod zone;

pub use automaton::{Automaton, MATCH, NEVER};
pub use networks::Networks;
pub use zone::TimeZone;

use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// A table, as it stands in an arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// A compiled pattern.
    Automaton(Automaton),
    /// The offsets of a time zone.
    TimeZone(TimeZone),
    /// Sets of addresses.
    Networks(Networks),
}

/// What a table is, as the types of nodes see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    Automaton,
    TimeZone,
    Networks,
}

impl Table {
    pub(crate) const fn kind(&self) -> TableKind {
        match self {
            Self::Automaton(_) => TableKind::Automaton,
            Self::TimeZone(_) => TableKind::TimeZone,
            Self::Networks(_) => TableKind::Networks,
        }
    }
}

impl Encode for Table {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Automaton(automaton) => {
                out.u8(0);
                automaton.encode(out)
            }
            Self::TimeZone(zone) => {
                out.u8(1);
                zone.encode(out)
            }
            Self::Networks(networks) => {
                out.u8(2);
                networks.encode(out)
            }
        }
    }
}

impl Decode for Table {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("table");
        Ok(match input.u8()? {
            0 => Self::Automaton(Automaton::decode(input)?),
            1 => Self::TimeZone(TimeZone::decode(input)?),
            2 => Self::Networks(Networks::decode(input)?),
            _ => return Err(at),
        })
    }
}
