//! Canonical bytes of a slice, format version 2. Equal parts have equal bytes; [`load`](crate::load) is the
//! inverse, and keeps the bytes that it was given.
//!
//! Layout: magic `GLSL` ‖ version (u16) ‖ event ‖ zone ‖ binding ‖ methods ‖ slots ‖ models ‖ calls ‖ nodes ‖ rules ‖
//! classes ‖ hidden ‖ releases ‖ values ‖ plan (not on a device) ‖ bound of steps (u64). The binding is the tenant
//! (length, 32 bytes; none: bound to nobody), the realm, the app (length, 128 bytes; none: every app), and the digests
//! of policy and catalogue. Up to the plan every
//! sequence is a `u32` count and its items, every enum a tag byte, every operand of a node two bytes; so has
//! every length of a text in a list of texts.
//! Each limit that decoding asserts is asserted here as well (invariant 5).
//!
//! The plan is little-endian and read in place (docs/adr/0008): words of a row (u16) ‖ for each rule: word (u16),
//! first bit, terms of true, terms of false, direct and exact (u8 each), terms never decided by rows (u32) ‖ for each slot:
//! rows `uses`, `present`, `missing`, `misused` (u16 each) and, if any term uses it, which tables follow (u8) and
//! those, and of an aggregate with an order behind it the row of terms that compare it more than once ‖ rows: how many are whole and how many changes (u16 each), words of the whole (u64), then changes
//! of six bits at most: whole row (u16), counts of cleared and set bits (u8 each), those bits (u16 each), zeros.
//! Tables: *bool*: two rows. *order*: count (u16), bounds (i64) and the greatest number up to the next multiple of
//! eight, whether open rows follow (u8), row of each class, open row of each class; of doubles also the row of NaN.
//! *texts*, behind the order of prefixes: count (u16), row of all others, starts of the buckets (u16 each), records of
//! tag, row, row by prefix (u16 each), place (u32).

use super::{Call, Effect, Entry, Hidden, Node, Parts, Rule, ScoreClass, Slot, Source, TimePart};
use crate::eval::bound;
use crate::load::decode::Body;
use crate::load::limits::{CALLS_MAX, CLASSES_MAX, METHODS_MAX, MODELS_MAX, NODES_MAX, SLOTS_MAX};
use crate::load::{self, FORMAT_VERSION, LoadError, MAGIC, decode};
use crate::plan;
use alloc::vec::Vec;
use glacis_model::format::{FEATURES_MAX, MODEL_BYTES_MAX};
use glacis_wire::limits::{
    self, LIST_ITEMS_MAX, REASON_BYTES_MAX, RELEASED_VALUES_MAX, RULES_MAX, SLICE_BYTES_MAX, VALUE_BYTES_MAX,
};
use glacis_wire::{Encode, EncodeError, Reader, Type, Value, Writer, Zone};

impl Parts {
    /// The canonical bytes, the plan made anew. Refuses only what is over a limit: what the parts *mean* is checked
    /// by [`Slice::load`](super::Slice::load), so that there is one checker and it sits where bytes arrive. Parts
    /// that it will refuse get no plan.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = self.body()?;
        self.append_plan(&mut bytes);
        if bytes.len() > SLICE_BYTES_MAX {
            return Err(EncodeError { what: "slice", limit: SLICE_BYTES_MAX });
        }
        Ok(bytes)
    }

    /// Makes the plan and what is declared of it, if the body passes the loader's checks.
    fn append_plan(&self, bytes: &mut Vec<u8>) {
        let mut input = Reader::new(bytes);
        let Ok(Body { parts, literals, models }) = decode::parts(&mut input, bytes) else { return };
        let planned = match parts.zone {
            Zone::Device => Vec::new(),
            Zone::Edge | Zone::Cloud => {
                let room = SLICE_BYTES_MAX.saturating_sub(bytes.len() + size_of::<u64>());
                plan::make::plan(&parts, &literals.iter(bytes).collect(), room)
            }
        };
        let body = bytes.len();
        bytes.extend(planned);
        let mut input = Reader::new(bytes);
        let found = input.raw(body).map_err(LoadError::from);
        let found = found.and_then(|_| load::planned(&mut input, bytes, &parts, &literals));
        if let Ok((plan, steps)) = found {
            bytes.extend(bound(&parts, &steps, &plan, &models).to_be_bytes());
        }
    }

    fn body(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.u16(FORMAT_VERSION);
        self.event.encode(&mut out)?;
        self.zone.encode(&mut out)?;
        self.binding.encode(&mut out)?;
        out.list("methods", &self.methods, METHODS_MAX)?;
        out.list("slots", &self.slots, SLOTS_MAX)?;
        out.count("models", self.models.len(), MODELS_MAX)?;
        self.models.iter().try_for_each(|model| out.bytes("model", model, MODEL_BYTES_MAX))?;
        out.list("calls of models", &self.calls, CALLS_MAX)?;
        out.list("nodes", &self.nodes, NODES_MAX)?;
        out.list("rules", &self.rules, RULES_MAX)?;
        out.list("score classes", &self.classes, CLASSES_MAX)?;
        self.hidden.encode(&mut out)?;
        out.count("release nodes", self.releases.len(), limits::NODES_MAX)?;
        self.releases.iter().for_each(|root| out.u32(*root));
        out.count("released values", self.values.len(), RELEASED_VALUES_MAX)?;
        self.values.iter().for_each(|slot| out.u16(*slot));
        Ok(out.into_bytes())
    }
}

/// Set beside the code of the type of a slot that is an aggregate.
pub(crate) const AGGREGATE: u8 = 1 << 7;

/// The code of a type: its place in [`Type::ALL`].
pub(crate) fn type_code(ty: Type) -> u8 {
    Type::ALL.iter().position(|known| *known == ty).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

/// The code of a part: its place in [`TimePart::ALL`].
fn part_code(part: TimePart) -> u8 {
    TimePart::ALL
        .iter()
        .position(|known| *known == part)
        .and_then(|at| u8::try_from(at).ok())
        .unwrap_or(u8::MAX)
}

impl Encode for Slot {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.name.encode(out)?;
        let (tag, index) = match self.source {
            Source::Device => (0, None),
            Source::Request => (1, None),
            Source::Edge => (2, None),
            Source::Cloud => (3, None),
            Source::Node(index) => (4, Some(index)),
            Source::Value(index) => (5, Some(index)),
        };
        out.u8(tag);
        if let Some(index) = index {
            out.u16(index);
        }
        out.u8(type_code(self.ty) | if self.aggregate { AGGREGATE } else { 0 });
        self.min_trust.encode(out)
    }
}

impl Encode for Call {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u16(self.model);
        out.count("inputs of a model", self.slots.len(), FEATURES_MAX)?;
        self.slots.iter().for_each(|slot| out.u16(*slot));
        Ok(())
    }
}

impl Encode for Node {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Const(Value::List(items)) if matches!(items.first(), Some(Value::String(_))) => {
                return texts(out, items);
            }
            Self::Const(value) => {
                out.u8(0);
                return value.encode(out);
            }
            Self::Read(slot) => number(out, 1, *slot),
            Self::Has(slot) => number(out, 2, *slot),
            Self::Score(call) => number(out, decode::SCORE, *call),
            Self::If(a, b, c) => {
                out.u8(3);
                [*a, *b, *c].into_iter().try_for_each(|at| operand(out, at))?;
            }
            Self::Not(a) => return unary(out, 4, *a),
            Self::Neg(a) => return unary(out, 5, *a),
            Self::Size(a) => return unary(out, 6, *a),
            Self::And(a, b) => return binary(out, 7, *a, *b),
            Self::Or(a, b) => return binary(out, 8, *a, *b),
            Self::Eq(a, b) => return binary(out, 9, *a, *b),
            Self::Ne(a, b) => return binary(out, 10, *a, *b),
            Self::Lt(a, b) => return binary(out, 11, *a, *b),
            Self::Le(a, b) => return binary(out, 12, *a, *b),
            Self::Gt(a, b) => return binary(out, 13, *a, *b),
            Self::Ge(a, b) => return binary(out, 14, *a, *b),
            Self::Add(a, b) => return binary(out, 15, *a, *b),
            Self::Sub(a, b) => return binary(out, 16, *a, *b),
            Self::Mul(a, b) => return binary(out, 17, *a, *b),
            Self::Div(a, b) => return binary(out, 18, *a, *b),
            Self::Rem(a, b) => return binary(out, 19, *a, *b),
            Self::In(a, b) => return binary(out, 20, *a, *b),
            Self::StartsWith(a, b) => return binary(out, 21, *a, *b),
            Self::EndsWith(a, b) => return binary(out, 22, *a, *b),
            Self::Contains(a, b) => return binary(out, 23, *a, *b),
            Self::Table(table) => {
                out.u8(decode::TABLE);
                return table.encode(out);
            }
            Self::Matches(a, b) => return binary(out, 26, *a, *b),
            Self::Within(a, b) => return binary(out, 27, *a, *b),
            Self::Index(a, b) => return binary(out, 28, *a, *b),
            Self::Find(a, b) => return binary(out, 29, *a, *b),
            Self::MomentPart(part, a, b) => {
                out.u8(decode::MOMENT_PART);
                out.u8(part_code(*part));
                operand(out, *a)?;
                operand(out, *b)?;
            }
            Self::SpanPart(part, a) => {
                out.u8(decode::SPAN_PART);
                out.u8(part_code(*part));
                operand(out, *a)?;
            }
            Self::Convert(ty, a) => {
                out.u8(decode::CONVERT);
                out.u8(type_code(*ty));
                operand(out, *a)?;
            }
        }
        Ok(())
    }
}

fn number(out: &mut Writer, tag: u8, number: u16) {
    out.u8(tag);
    out.u16(number);
}

/// A list of texts, each with a length of two bytes.
fn texts(out: &mut Writer, items: &[Value]) -> Result<(), EncodeError> {
    let short = |what, length: usize, limit| match u16::try_from(length) {
        Ok(short) if length <= limit => Ok(short),
        _ => Err(EncodeError { what, limit }),
    };
    out.u8(decode::TEXTS);
    out.u16(short("list value", items.len(), LIST_ITEMS_MAX)?);
    for item in items {
        let Value::String(text) = item else {
            return Err(EncodeError { what: "number of types in one list", limit: 1 });
        };
        out.u16(short("string value", text.len(), VALUE_BYTES_MAX)?);
        out.raw(text.as_bytes());
    }
    Ok(())
}

fn unary(out: &mut Writer, tag: u8, a: u32) -> Result<(), EncodeError> {
    out.u8(tag);
    operand(out, a)
}

fn binary(out: &mut Writer, tag: u8, a: u32, b: u32) -> Result<(), EncodeError> {
    out.u8(tag);
    operand(out, a)?;
    operand(out, b)
}

/// Two bytes name every node of the largest arena.
fn operand(out: &mut Writer, at: u32) -> Result<(), EncodeError> {
    let at = u16::try_from(at).map_err(|_| EncodeError { what: "operand", limit: NODES_MAX })?;
    out.u16(at);
    Ok(())
}

impl Encode for Effect {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Block => out.u8(0),
            Self::SoftBlock => out.u8(1),
            Self::Challenge(method) => {
                out.u8(2);
                method.encode(out)?;
            }
            Self::Exempt => out.u8(3),
            Self::Score(points) => {
                out.u8(4);
                out.raw(&points.to_be_bytes());
            }
        }
        Ok(())
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Skip => out.u8(0),
            Self::Match => out.u8(1),
            Self::Milder(effect) => {
                out.u8(2);
                effect.encode(out)?;
            }
        }
        Ok(())
    }
}

impl Encode for Rule {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.str("reason", &self.reason, REASON_BYTES_MAX)?;
        self.effect.encode(out)?;
        out.u32(self.root);
        self.unknown.iter().try_for_each(|entry| entry.encode(out))?;
        self.error.encode(out)?;
        out.u8(self.obligations.bits());
        out.bool(self.device_final);
        Ok(())
    }
}

impl Encode for ScoreClass {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.i64(self.at_least);
        self.effect.encode(out)
    }
}

impl Encode for Hidden {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.bool(self.block);
        out.option(self.soft.as_ref())?;
        out.bool(self.exempt);
        out.i64(self.score.0);
        out.i64(self.score.1);
        out.bool(self.unavailable.block);
        out.option(self.unavailable.soft.as_ref())?;
        out.i64(self.unavailable.score);
        Ok(())
    }
}
