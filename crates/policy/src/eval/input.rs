//! Inputs of one evaluation: an answer with its producer's trust for each slot, borrowed from the caller.
//!
//! What a caller may get wrong is settled here, once: a slot without an input is withheld, an answer of another
//! type, or an interval in a slot that is no aggregate, is an error, an interval of one number is that number, an
//! unknown without a cause is withheld, and where this zone closes, what is pending will not come any more and is
//! unavailable (DESIGN §4.2, "no cloud answer").
//!
//! `Debug` of these types shows kinds, never values: they hold what must not leave a device.

use crate::tree::Slice;
use alloc::string::String;
use core::fmt;
use glacis_wire::interval::Ends;
use glacis_wire::{Answer, Cause, Causes, Interval, Method, Moment, Span, Trust, Type, Value, Zone};

/// One answer, borrowed.
#[derive(Clone, Copy, PartialEq)]
pub enum Reading<'a> {
    /// A Boolean value.
    Bool(bool),
    /// An integer value.
    Int(i64),
    /// A double value.
    Double(f64),
    /// A text value.
    Str(&'a str),
    /// A list value.
    List(&'a [Value]),
    /// An unsigned integer value.
    Uint(u64),
    /// A bytes value.
    Bytes(&'a [u8]),
    /// A moment.
    Timestamp(Moment),
    /// A span of time.
    Duration(Span),
    /// A number that lies in here; in a slot that is an aggregate.
    Interval(Interval),
    /// The signal's zone says that there is none.
    Missing,
    /// Computing the signal failed.
    Error,
    /// No answer. [`Causes::PENDING`]: a later zone of this run will still supply it.
    Unknown(Causes),
}

impl Reading<'_> {
    /// No answer, and nobody says why.
    pub const WITHHELD: Self = Self::Unknown(Causes::of(Cause::Withheld));
    /// No answer yet.
    pub const PENDING: Self = Self::Unknown(Causes::PENDING);

    /// Whether a slot of type `ty`, which is an aggregate or not, can hold it.
    #[inline]
    fn fits(self, ty: Type, aggregate: bool) -> bool {
        match self {
            Self::Bool(_) => ty == Type::Bool,
            Self::Int(_) => ty == Type::Int,
            Self::Double(_) => ty == Type::Double,
            Self::Str(_) => ty == Type::String,
            Self::List(items) => ty.element().is_some_and(|item| items.iter().all(|value| value.is(item))),
            Self::Uint(_) => ty == Type::Uint,
            Self::Bytes(_) => ty == Type::Bytes,
            Self::Timestamp(_) => ty == Type::Timestamp,
            Self::Duration(_) => ty == Type::Duration,
            Self::Interval(interval) => aggregate && ty == interval.ty(),
            Self::Missing | Self::Error | Self::Unknown(_) => true,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Bool(_)
            | Self::Int(_)
            | Self::Double(_)
            | Self::Str(_)
            | Self::List(_)
            | Self::Uint(_)
            | Self::Bytes(_)
            | Self::Timestamp(_)
            | Self::Duration(_) => "value",
            Self::Interval(_) => "interval",
            Self::Missing => "missing",
            Self::Error => "error",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Borrows a value.
pub(super) fn reading_of_value(value: &Value) -> Reading<'_> {
    match value {
        Value::Bool(value) => Reading::Bool(*value),
        Value::Int(value) => Reading::Int(*value),
        Value::Double(value) => Reading::Double(*value),
        Value::String(value) => Reading::Str(value),
        Value::List(items) => Reading::List(items),
        Value::Uint(value) => Reading::Uint(*value),
        Value::Bytes(value) => Reading::Bytes(value),
        Value::Timestamp(value) => Reading::Timestamp(*value),
        Value::Duration(value) => Reading::Duration(*value),
    }
}

/// The number of an interval that has but one.
fn point<'a>(interval: Interval) -> Option<Reading<'a>> {
    interval.point()?;
    Some(match interval.ends() {
        Ends::Ints { lo, .. } => Reading::Int(lo),
        Ends::Doubles { lo, .. } => Reading::Double(lo),
    })
}

/// Borrows an answer.
pub fn reading_of(answer: &Answer) -> Reading<'_> {
    match answer {
        Answer::Value(value) => reading_of_value(value),
        Answer::Interval(interval) => Reading::Interval(*interval),
        Answer::Missing => Reading::Missing,
        Answer::Error => Reading::Error,
        Answer::Unknown(causes) => Reading::Unknown(*causes),
    }
}

/// An answer of its own: what [`reading_of`] borrows.
pub fn answer_of(reading: Reading<'_>) -> Answer {
    Answer::Value(match reading {
        Reading::Bool(value) => Value::Bool(value),
        Reading::Int(value) => Value::Int(value),
        Reading::Double(value) => Value::Double(value),
        Reading::Str(value) => Value::String(String::from(value)),
        Reading::List(items) => Value::List(items.to_vec()),
        Reading::Uint(value) => Value::Uint(value),
        Reading::Bytes(value) => Value::Bytes(value.to_vec()),
        Reading::Timestamp(value) => Value::Timestamp(value),
        Reading::Duration(value) => Value::Duration(value),
        Reading::Interval(interval) => return Answer::Interval(interval),
        Reading::Missing => return Answer::Missing,
        Reading::Error => return Answer::Error,
        Reading::Unknown(causes) => return Answer::Unknown(causes),
    })
}

/// What fills one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input<'a> {
    /// What was answered.
    pub reading: Reading<'a>,
    /// How far its producer can be believed.
    pub trust: Trust,
}

impl Input<'_> {
    /// The input of a signal that a later zone of this run supplies.
    pub const PENDING: Self = Self { reading: Reading::PENDING, trust: Trust::Proven };
}

/// What closes the rules that this zone cannot decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// A later zone: pending signals may still come. On the device, and at the edge before the cloud is asked.
    Open,
    /// The edge, since the cloud did not answer: what is pending, and every hidden rule, is
    /// `unknown(unavailable)`.
    CloudUnavailable,
    /// This zone, since nothing is pending: the cloud.
    Here,
}

/// Everything that one evaluation may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// One input for each slot of the slice, in its order.
    pub slots: &'a [Input<'a>],
    /// The challenge method of a proof that was verified for this request (on the device: that accompanies it).
    pub passed: Option<Method>,
    /// What closes open rules. A device never closes one, whatever this says.
    pub close: Close,
}

impl<'a> Inputs<'a> {
    /// The answer in `slot` as Σ has it, made to fit the slot: nothing is `withheld`, another type is an error.
    #[inline]
    pub(crate) fn reading(&self, slice: &Slice, slot: u16) -> Reading<'a> {
        let slot = usize::from(slot);
        match (slice.slots().get(slot), self.slots.get(slot)) {
            (Some(declared), Some(input)) => {
                self.fitted(slice, (declared.ty, declared.aggregate), input.reading)
            }
            _ => Reading::WITHHELD,
        }
    }

    /// An answer as Σ has it in a slot of type `ty`, which is an aggregate or not.
    #[inline]
    pub(super) fn fitted(
        &self,
        slice: &Slice,
        (ty, aggregate): (Type, bool),
        reading: Reading<'a>,
    ) -> Reading<'a> {
        if reading.fits(ty, aggregate) { self.settle(slice, reading) } else { Reading::Error }
    }

    /// Where this zone closes, what is pending will not come any more. An unknown always has a cause, and an interval
    /// more than one number.
    #[inline]
    fn settle(&self, slice: &Slice, reading: Reading<'a>) -> Reading<'a> {
        match reading {
            Reading::Interval(interval) => point(interval).unwrap_or(reading),
            Reading::Unknown(causes) if causes.is_empty() => Reading::WITHHELD,
            Reading::Unknown(causes) if causes.is_pending() && self.closes(slice) => {
                let known = causes.iter().map(Causes::of).fold(Causes::NONE, Causes::union);
                Reading::Unknown(known.union(Causes::of(Cause::Unavailable)))
            }
            reading => reading,
        }
    }

    /// Whether every rule closes in this run.
    pub(super) fn closes(&self, slice: &Slice) -> bool {
        slice.zone() != Zone::Device && self.close != Close::Open
    }
}
