//! What a zone can say about one signal: a value, that it lies between two ends, that there is none, an error, or
//! that it does not know.
//!
//! `missing` is knowledge (`has` is false); `unknown` is the lack of it, and always names its causes
//! (DESIGN §4.2). A device can only say [`Cause::Withheld`]; every other cause is stated by edge or cloud.

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::interval::Interval;
use crate::trust::Trust;
use crate::value::Value;

/// Why an answer is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Not told: refused by user or OS, failed sensor, spent budget, or not trusted enough.
    Withheld,
    /// The route declares that it has no device zone.
    Absent,
    /// The cloud's consent record forbids it.
    Denied,
    /// Our own outage.
    Unavailable,
    /// An interval that the reading atom cannot decide.
    Inexact,
    /// Stated for another policy version.
    Version,
}

impl Cause {
    /// Every cause, in the order of its bit.
    pub const ALL: [Self; 6] =
        [Self::Withheld, Self::Absent, Self::Denied, Self::Unavailable, Self::Inexact, Self::Version];

    /// The key in `if_unknown` tables and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Absent => "absent",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Inexact => "inexact",
            Self::Version => "version",
        }
    }
}

/// A set of causes, plus the mark `pending`: a later zone of this run will still supply the signal.
///
/// `pending` is never encoded: it exists only inside an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Causes(u8);

impl Causes {
    /// No cause.
    pub const NONE: Self = Self(0);
    /// Only the mark that a later zone will supply the signal.
    pub const PENDING: Self = Self(0x80);

    /// The set of one cause.
    pub const fn of(cause: Cause) -> Self {
        Self(1 << cause as u8)
    }

    /// Set union.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `cause` is in the set.
    pub const fn contains(self, cause: Cause) -> bool {
        self.0 & (1 << cause as u8) != 0
    }

    /// Whether a later zone will still supply a signal that this unknown waits for.
    pub const fn is_pending(self) -> bool {
        self.0 & Self::PENDING.0 != 0
    }

    /// Whether there is neither cause nor mark.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The cause of a set of one, without the mark.
    pub fn single(self) -> Option<Cause> {
        Cause::ALL
            .get(usize::try_from(self.0.trailing_zeros()).ok()?)
            .copied()
            .filter(|cause| self == Self::of(*cause))
    }

    /// The causes in the set, without the mark.
    pub fn iter(self) -> impl Iterator<Item = Cause> {
        Cause::ALL.into_iter().filter(move |cause| self.contains(*cause))
    }
}

/// One answer about one signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The signal has this value.
    Value(Value),
    /// The signal has a value, and it is one of these. Only an aggregate is answered like this; `has` is true.
    Interval(Interval),
    /// The zone of birth says that there is none: `has` is false, use is an error.
    Missing,
    /// Computing the signal failed; the code stays in the zone where it happened.
    Error,
    /// No answer, for these causes.
    Unknown(Causes),
}

impl Answer {
    /// Unknown for one cause.
    pub const fn unknown(cause: Cause) -> Self {
        Self::Unknown(Causes::of(cause))
    }
}

/// An answer together with the trust of its producer.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// What was said.
    pub answer: Answer,
    /// Who said it.
    pub trust: Trust,
}

impl Encode for Answer {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Value(value) => {
                out.u8(0);
                value.encode(out)?;
            }
            Self::Missing => out.u8(1),
            Self::Error => out.u8(2),
            Self::Unknown(causes) => {
                if causes.is_pending() || causes.is_empty() {
                    return Err(EncodeError { what: "pending or causeless answer", limit: 0 });
                }
                out.u8(3);
                out.u8(causes.0);
            }
            Self::Interval(interval) => {
                out.u8(4);
                interval.encode(out)?;
            }
        }
        Ok(())
    }
}

impl Decode for Answer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("answer");
        match input.u8()? {
            0 => Value::decode(input).map(Self::Value),
            1 => Ok(Self::Missing),
            2 => Ok(Self::Error),
            3 => match input.u8()? {
                bits @ 1..=0x3F => Ok(Self::Unknown(Causes(bits))),
                _ => Err(at),
            },
            4 => Interval::decode(input).map(Self::Interval),
            _ => Err(at),
        }
    }
}
