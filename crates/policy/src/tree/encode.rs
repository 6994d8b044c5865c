//! Canonical bytes of a slice, format version 0. One slice has exactly one encoding; [`load`](crate::load) is
//! the inverse and refuses every other byte string.
//!
//! Layout: magic `GLSL` ‖ version (u16) ‖ event ‖ zone ‖ policy digest ‖ methods ‖ slots ‖ nodes ‖ rules ‖
//! classes ‖ hidden ‖ releases ‖ values; every sequence is a `u32` count and its items, every enum a tag byte.
//! Each limit that decoding asserts is asserted here as well (invariant 5).

use super::{Effect, Entry, Hidden, Node, Parts, Rule, ScoreClass, Slot, Source};
use crate::load::limits::{CLASSES_MAX, METHODS_MAX, NODES_MAX, SLOTS_MAX};
use crate::load::{FORMAT_VERSION, MAGIC};
use alloc::vec::Vec;
use glacis_wire::limits::{self, REASON_BYTES_MAX, RELEASED_VALUES_MAX, RULES_MAX, SLICE_BYTES_MAX};
use glacis_wire::{Encode, EncodeError, Type, Writer};

impl Parts {
    /// The canonical bytes. Refuses only what is over a limit: what the parts *mean* is checked by
    /// [`Slice::load`](super::Slice::load), so that there is one checker and it sits where bytes arrive.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.u16(FORMAT_VERSION);
        self.event.encode(&mut out)?;
        self.zone.encode(&mut out)?;
        self.policy.encode(&mut out)?;
        out.list("methods", &self.methods, METHODS_MAX)?;
        out.list("slots", &self.slots, SLOTS_MAX)?;
        out.list("nodes", &self.nodes, NODES_MAX)?;
        out.list("rules", &self.rules, RULES_MAX)?;
        out.list("score classes", &self.classes, CLASSES_MAX)?;
        self.hidden.encode(&mut out)?;
        out.count("release nodes", self.releases.len(), limits::NODES_MAX)?;
        self.releases.iter().for_each(|root| out.u32(*root));
        out.count("released values", self.values.len(), RELEASED_VALUES_MAX)?;
        self.values.iter().for_each(|slot| out.u16(*slot));
        if out.as_bytes().len() > SLICE_BYTES_MAX {
            return Err(EncodeError { what: "slice", limit: SLICE_BYTES_MAX });
        }
        Ok(out.into_bytes())
    }
}

/// The code of a type: its place in [`Type::ALL`].
pub(crate) fn type_code(ty: Type) -> u8 {
    Type::ALL.iter().position(|known| *known == ty).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
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
        out.u8(type_code(self.ty));
        self.min_trust.encode(out)
    }
}

impl Encode for Node {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Const(value) => {
                out.u8(0);
                return value.encode(out);
            }
            Self::Read(slot) => {
                out.u8(1);
                out.u16(*slot);
            }
            Self::Has(slot) => {
                out.u8(2);
                out.u16(*slot);
            }
            Self::If(a, b, c) => {
                out.u8(3);
                out.u32(*a);
                out.u32(*b);
                out.u32(*c);
            }
            Self::Not(a) => unary(out, 4, *a),
            Self::Neg(a) => unary(out, 5, *a),
            Self::Size(a) => unary(out, 6, *a),
            Self::And(a, b) => binary(out, 7, *a, *b),
            Self::Or(a, b) => binary(out, 8, *a, *b),
            Self::Eq(a, b) => binary(out, 9, *a, *b),
            Self::Ne(a, b) => binary(out, 10, *a, *b),
            Self::Lt(a, b) => binary(out, 11, *a, *b),
            Self::Le(a, b) => binary(out, 12, *a, *b),
            Self::Gt(a, b) => binary(out, 13, *a, *b),
            Self::Ge(a, b) => binary(out, 14, *a, *b),
            Self::Add(a, b) => binary(out, 15, *a, *b),
            Self::Sub(a, b) => binary(out, 16, *a, *b),
            Self::Mul(a, b) => binary(out, 17, *a, *b),
            Self::Div(a, b) => binary(out, 18, *a, *b),
            Self::Rem(a, b) => binary(out, 19, *a, *b),
            Self::In(a, b) => binary(out, 20, *a, *b),
            Self::StartsWith(a, b) => binary(out, 21, *a, *b),
            Self::EndsWith(a, b) => binary(out, 22, *a, *b),
            Self::Contains(a, b) => binary(out, 23, *a, *b),
        }
        Ok(())
    }
}

fn unary(out: &mut Writer, tag: u8, a: u32) {
    out.u8(tag);
    out.u32(a);
}

fn binary(out: &mut Writer, tag: u8, a: u32, b: u32) {
    out.u8(tag);
    out.u32(a);
    out.u32(b);
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
