//! Bytes to [`Parts`], item by item: the inverse of `tree::encode`, and the place where its tags are read.
//!
//! Each item goes through [`check`](super::check) as soon as it is read, so an error names the offset of the item
//! that is wrong, and nothing is read on behalf of an item that was refused.

use super::check::Checker;
use super::limits::{CALLS_MAX, CLASSES_MAX, METHODS_MAX, MODELS_MAX, NODES_MAX, SLOTS_MAX};
use super::{FORMAT_VERSION, Fault, LoadError, MAGIC};
use crate::plan::read::Literals;
use crate::table::Table;
use crate::tree::binding::Binding;
use crate::tree::encode::AGGREGATE;
use crate::tree::{
    Call, Effect, Entry, Hidden, HiddenClosed, Node, Obligations, Parts, Rule, ScoreClass, Slot, Source,
    TimePart,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use glacis_model::Map;
use glacis_model::format::{FEATURES_MAX, MODEL_BYTES_MAX};
use glacis_wire::codec::DecodeErrorKind;
use glacis_wire::limits::{
    self, LIST_ITEMS_MAX, REASON_BYTES_MAX, RELEASED_VALUES_MAX, RULES_MAX, VALUE_BYTES_MAX,
};
use glacis_wire::{Cause, Decode, DecodeError, EventName, Method, Reader, Trust, Type, Value, Zone};

/// A slice body.
pub(crate) struct Body {
    pub(crate) parts: Parts,
    /// The places of its text literals.
    pub(crate) literals: Literals,
    /// The sections of its models.
    pub(crate) models: Vec<Map>,
}

/// Reads and checks a whole slice body of `bytes`.
pub(crate) fn parts(input: &mut Reader<'_>, bytes: &[u8]) -> Result<Body, LoadError> {
    head(input)?;
    let event = EventName::decode(input)?;
    let zone = Zone::decode(input)?;
    let binding = Binding::decode(input)?;
    let mut checker = Checker::new(zone);
    let methods = items(input, "methods", METHODS_MAX, |input| {
        checked(input, Method::decode, |method| checker.method(*method))
    })?;
    let slots = items(input, "slots", SLOTS_MAX, |input| checked(input, slot, |slot| checker.slot(slot)))?;
    let models = items(input, "models", MODELS_MAX, |input| {
        let offset = input.offset();
        let bytes = input.bytes("model", MODEL_BYTES_MAX)?;
        checker.model(bytes).map(|map| (bytes.to_vec(), map)).map_err(|fault| LoadError { offset, fault })
    })?;
    let (models, maps) = models.into_iter().unzip();
    let calls =
        items(input, "calls of models", CALLS_MAX, |input| checked(input, call, |call| checker.call(call)))?;
    let mut literals = Literals::default();
    let nodes = items(input, "nodes", NODES_MAX, |input| {
        let offset = input.offset();
        let node = checked(input, node, |node| checker.node(node))?;
        if let Node::Const(value) = &node {
            texts(value, offset, &mut literals);
        }
        Ok(node)
    })?;
    literals.settle(bytes);
    let rules = items(input, "rules", RULES_MAX, |input| checked(input, rule, |rule| checker.rule(rule)))?;
    let classes = items(input, "score classes", CLASSES_MAX, |input| {
        checked(input, class, |class| checker.class(class))
    })?;
    let hidden = checked(input, hidden, |hidden| checker.hidden(hidden))?;
    let releases = items(input, "release nodes", limits::NODES_MAX, |input| {
        checked(input, |input| input.u32(), |root| checker.release(*root))
    })?;
    let values = items(input, "released values", RELEASED_VALUES_MAX, |input| {
        checked(input, |input| input.u16(), |slot| checker.value(*slot))
    })?;
    let parts = Parts {
        event,
        zone,
        binding,
        methods,
        slots,
        models,
        calls,
        nodes,
        rules,
        classes,
        hidden,
        releases,
        values,
    };
    Ok(Body { parts, literals, models: maps })
}

/// Notes where the texts of a literal node stand that begins at `offset`.
fn texts(value: &Value, offset: usize, literals: &mut Literals) {
    match value {
        // Tag of the node, tag of the value, length.
        Value::String(text) => literals.push(offset + 1 + 1 + 4, text.len()),
        // Tag of the node, count; then a length before each.
        Value::List(items) => {
            let mut at = offset + 1 + 2;
            for item in items {
                if let Value::String(text) = item {
                    literals.push(at + 2, text.len());
                    at += 2 + text.len();
                }
            }
        }
        Value::Bool(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::Uint(_)
        | Value::Bytes(_)
        | Value::Timestamp(_)
        | Value::Duration(_) => {}
    }
}

/// Magic and format version.
fn head(input: &mut Reader<'_>) -> Result<(), LoadError> {
    if input.array()? != *MAGIC {
        return Err(LoadError { offset: 0, fault: Fault::Magic });
    }
    let at = input.offset();
    match input.u16()? {
        FORMAT_VERSION => Ok(()),
        other => Err(DecodeError { offset: at, kind: DecodeErrorKind::Version(other) }.into()),
    }
}

/// A count, then that many items.
fn items<T>(
    input: &mut Reader<'_>,
    what: &'static str,
    limit: usize,
    mut item: impl FnMut(&mut Reader<'_>) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let count = input.count(what, limit)?;
    (0..count).map(|_| item(input)).collect()
}

/// Reads an item and checks it; a fault carries the offset at which the item begins.
fn checked<T>(
    input: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    check: impl FnOnce(&T) -> Result<(), Fault>,
) -> Result<T, LoadError> {
    let offset = input.offset();
    let item = read(input)?;
    check(&item).map_err(|fault| LoadError { offset, fault })?;
    Ok(item)
}

fn slot(input: &mut Reader<'_>) -> Result<Slot, DecodeError> {
    let name = glacis_wire::SignalName::decode(input)?;
    let at = input.invalid("source");
    let source = match input.u8()? {
        0 => Source::Device,
        1 => Source::Request,
        2 => Source::Edge,
        3 => Source::Cloud,
        4 => Source::Node(input.u16()?),
        5 => Source::Value(input.u16()?),
        _ => return Err(at),
    };
    let at = input.invalid("type");
    let code = input.u8()?;
    let ty = type_of(code & !AGGREGATE).ok_or(at)?;
    Ok(Slot { name, source, ty, min_trust: Trust::decode(input)?, aggregate: code & AGGREGATE != 0 })
}

fn ty(input: &mut Reader<'_>) -> Result<Type, DecodeError> {
    let at = input.invalid("type");
    type_of(input.u8()?).ok_or(at)
}

fn type_of(code: u8) -> Option<Type> {
    Type::ALL.get(usize::from(code)).copied()
}

fn time_part(input: &mut Reader<'_>, at: DecodeError) -> Result<TimePart, DecodeError> {
    TimePart::ALL.get(usize::from(input.u8()?)).copied().ok_or(at)
}

fn node(input: &mut Reader<'_>) -> Result<Node, DecodeError> {
    let at = input.invalid("node");
    Ok(match input.u8()? {
        0 => match Value::decode(input)? {
            Value::List(items) if matches!(items.first(), Some(Value::String(_))) => return Err(at),
            value => Node::Const(value),
        },
        1 => Node::Read(input.u16()?),
        2 => Node::Has(input.u16()?),
        3 => Node::If(operand(input)?, operand(input)?, operand(input)?),
        4 => Node::Not(operand(input)?),
        5 => Node::Neg(operand(input)?),
        6 => Node::Size(operand(input)?),
        SCORE => Node::Score(input.u16()?),
        TEXTS => Node::Const(Value::List(text_list(input, at)?)),
        TABLE => Node::Table(Box::new(Table::decode(input)?)),
        MOMENT_PART => Node::MomentPart(time_part(input, at)?, operand(input)?, operand(input)?),
        SPAN_PART => Node::SpanPart(time_part(input, at)?, operand(input)?),
        CONVERT => Node::Convert(ty(input)?, operand(input)?),
        tag => binary(tag).ok_or(at)?(operand(input)?, operand(input)?),
    })
}

/// Texts with lengths of two bytes: lists of texts are most of a large slice. None is empty.
fn text_list(input: &mut Reader<'_>, at: DecodeError) -> Result<Vec<Value>, DecodeError> {
    let count = usize::from(input.u16()?);
    if count == 0 || count > LIST_ITEMS_MAX || count > input.remaining() {
        return Err(at);
    }
    let item = |_| {
        let length = usize::from(input.u16()?);
        let text = core::str::from_utf8(input.raw(length)?).ok().filter(|text| text.len() <= VALUE_BYTES_MAX);
        text.map(|text| Value::String(text.into())).ok_or(at)
    };
    (0..count).map(item).collect()
}

/// Two bytes name every node of the largest arena.
fn operand(input: &mut Reader<'_>) -> Result<u32, DecodeError> {
    input.u16().map(u32::from)
}

fn call(input: &mut Reader<'_>) -> Result<Call, DecodeError> {
    let model = input.u16()?;
    let count = input.count("inputs of a model", FEATURES_MAX)?;
    Ok(Call { model, slots: (0..count).map(|_| input.u16()).collect::<Result<_, _>>()? })
}

/// Tag of a score.
pub(crate) const SCORE: u8 = 64;
/// Tag of a literal that is a list of texts.
pub(crate) const TEXTS: u8 = 24;
/// Tags of nodes that hold more than operands.
pub(crate) const TABLE: u8 = 25;
pub(crate) const MOMENT_PART: u8 = 30;
pub(crate) const SPAN_PART: u8 = 31;
pub(crate) const CONVERT: u8 = 32;
const _: () = assert!(NODES_MAX <= 1 << 16, "operands have two bytes");
const _: () = assert!(VALUE_BYTES_MAX < 1 << 16 && LIST_ITEMS_MAX < 1 << 16, "lengths have two bytes");

/// The constructor of a binary node's tag.
fn binary(tag: u8) -> Option<fn(u32, u32) -> Node> {
    Some(match tag {
        7 => Node::And,
        8 => Node::Or,
        9 => Node::Eq,
        10 => Node::Ne,
        11 => Node::Lt,
        12 => Node::Le,
        13 => Node::Gt,
        14 => Node::Ge,
        15 => Node::Add,
        16 => Node::Sub,
        17 => Node::Mul,
        18 => Node::Div,
        19 => Node::Rem,
        20 => Node::In,
        21 => Node::StartsWith,
        22 => Node::EndsWith,
        23 => Node::Contains,
        26 => Node::Matches,
        27 => Node::Within,
        28 => Node::Index,
        29 => Node::Find,
        _ => return None,
    })
}

fn rule(input: &mut Reader<'_>) -> Result<Rule, DecodeError> {
    let reason = input.string("reason", REASON_BYTES_MAX)?;
    let effect = Effect::decode(input)?;
    let root = input.u32()?;
    let mut unknown = [Entry::Skip; Cause::ALL.len()];
    for entry in &mut unknown {
        *entry = Entry::decode(input)?;
    }
    let error = Entry::decode(input)?;
    let at = input.invalid("obligations");
    let obligations = Obligations::from_bits(input.u8()?).ok_or(at)?;
    Ok(Rule { reason, effect, root, unknown, error, obligations, device_final: input.bool()? })
}

impl Decode for Effect {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("effect");
        Ok(match input.u8()? {
            0 => Self::Block,
            1 => Self::SoftBlock,
            2 => Self::Challenge(Method::decode(input)?),
            3 => Self::Exempt,
            4 => Self::Score(i32::from_be_bytes(input.array()?)),
            _ => return Err(at),
        })
    }
}

impl Decode for Entry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("entry");
        Ok(match input.u8()? {
            0 => Self::Skip,
            1 => Self::Match,
            2 => Self::Milder(Effect::decode(input)?),
            _ => return Err(at),
        })
    }
}

fn class(input: &mut Reader<'_>) -> Result<ScoreClass, DecodeError> {
    Ok(ScoreClass { at_least: input.i64()?, effect: Effect::decode(input)? })
}

fn hidden(input: &mut Reader<'_>) -> Result<Hidden, DecodeError> {
    Ok(Hidden {
        block: input.bool()?,
        soft: input.option()?,
        exempt: input.bool()?,
        score: (input.i64()?, input.i64()?),
        unavailable: HiddenClosed { block: input.bool()?, soft: input.option()?, score: input.i64()? },
    })
}
