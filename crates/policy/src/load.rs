//! What bytes are a slice: a total loader, and the only way to a [`Slice`].
//!
//! Every byte string is either one slice or a [`LoadError`] that names an offset. What is checked *here* is
//! never checked again: magic and version, each tag, count and limit; that operands come before their users and
//! the arena is no deeper than [`DEPTH_MAX`](glacis_wire::limits::DEPTH_MAX); the type of each node (so that
//! [`eval`](crate::eval()) cannot meet a type confusion); that rules and release nodes are Boolean; that methods
//! are named by the policy; that score sums cannot overflow; what a zone's slice may hold at all; that the plan
//! stays in bounds (`plan::read`); and that the declared bound of steps is the one that follows.
//!
//! Loading allocates no more than a constant times the length of its input.

mod check;
pub(crate) mod decode;
pub mod limits;

use crate::eval::{Step, bound, orders, steps};
use crate::plan::read::Literals;
use crate::plan::{self, Plan};
use crate::tree::{Parts, Slice};
use alloc::boxed::Box;
use core::fmt;
use decode::Body;
use glacis_wire::codec::DecodeErrorKind;
use glacis_wire::limits::SLICE_BYTES_MAX;
use glacis_wire::{DecodeError, Method, Reader, Zone};

/// First bytes of every slice.
pub(crate) const MAGIC: &[u8; 4] = b"GLSL";
/// The body is the encoded typed tree; behind it a plan, outside of devices, and the bound of steps.
pub(crate) const FORMAT_VERSION: u16 = 2;

impl Slice {
    /// Reads and checks a slice. Total: any bytes give a slice or an error.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() > SLICE_BYTES_MAX {
            return Err(LoadError {
                offset: SLICE_BYTES_MAX,
                fault: Fault::Bytes(DecodeErrorKind::TooLarge("slice")),
            });
        }
        let mut input = Reader::new(bytes);
        let Body { parts, literals, models } = decode::parts(&mut input, bytes)?;
        let (mut plan, steps) = planned(&mut input, bytes, &parts, &literals)?;
        let offset = input.offset();
        plan.steps = input.u64()?;
        if plan.steps != bound(&parts, &steps, &plan, &models) {
            return Err(LoadError::new(offset, Fault::Steps));
        }
        input.finish()?;
        let rank = |method| parts.methods.iter().position(|known| *known == method);
        let method_ranks = Method::ALL.map(|method| rank(method).and_then(|at| u8::try_from(at).ok()));
        let orders = orders(&parts, &steps, &plan, bytes);
        let models = models.into_boxed_slice();
        Ok(Self { bytes: Box::from(bytes), parts, steps, orders, plan, models, method_ranks })
    }

    /// Checks `parts` by the same road as bytes: encode, then [`load`](Self::load).
    pub fn try_new(parts: &Parts) -> Result<Self, LoadError> {
        let bytes = parts.encode().map_err(|error| LoadError {
            offset: 0,
            fault: Fault::Bytes(DecodeErrorKind::TooLarge(error.what)),
        })?;
        Self::load(&bytes)
    }
}

/// The plan behind a body, and the steps of its arena.
pub(crate) fn planned(
    input: &mut Reader<'_>,
    bytes: &[u8],
    parts: &Parts,
    literals: &Literals,
) -> Result<(Plan, Box<[Step]>), LoadError> {
    let plan = match parts.zone {
        Zone::Device => Plan::default(),
        Zone::Edge | Zone::Cloud => plan::read::plan(input, bytes, parts, literals)?,
    };
    Ok((plan, steps(parts)))
}

/// Why bytes are not a slice, and where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadError {
    offset: usize,
    fault: Fault,
}

impl LoadError {
    pub(crate) const fn new(offset: usize, fault: Fault) -> Self {
        Self { offset, fault }
    }

    /// Offset of the item that is wrong.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong with it.
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a slice at byte {}: {}", self.offset, self.fault)
    }
}

impl core::error::Error for LoadError {}

impl From<DecodeError> for LoadError {
    fn from(error: DecodeError) -> Self {
        Self { offset: error.offset, fault: Fault::Bytes(error.kind) }
    }
}

/// The ways in which bytes can fail to be a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// They are not even the encoding of one.
    Bytes(DecodeErrorKind),
    /// They do not begin with the magic of a slice.
    Magic,
    /// A slot that does not exist.
    NoSuchSlot(u16),
    /// An operand or root that does not come before its user.
    NoSuchNode(u32),
    /// A node whose operands do not have the types that it takes.
    OperandTypes,
    /// A node that is nested deeper than the limit.
    TooDeep,
    /// A rule, or release node, that is not Boolean.
    NotBoolean,
    /// A method that the policy does not name, or names twice.
    Method,
    /// An effect, entry or summary that may not stand where it stands.
    Effect,
    /// Score classes out of order, or a score beyond any sum of rules.
    Score,
    /// An empty reason code.
    Reason,
    /// Something that a slice of this zone may not hold.
    Zone,
    /// An aggregate that is no number, or that neither edge nor cloud sums up.
    Aggregate,
    /// Bytes that are no model.
    Model(glacis_model::Fault),
    /// A call that does not fit its model, or a model that reads nothing.
    Call,
    /// A plan that is out of bounds, or not in its one form.
    Plan,
    /// A declared bound of steps that is not the one that follows.
    Steps,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(DecodeErrorKind::Truncated) => f.write_str("input ends early"),
            Self::Bytes(DecodeErrorKind::Trailing) => f.write_str("unexpected bytes"),
            Self::Bytes(DecodeErrorKind::TooLarge(what)) => write!(f, "{what} is over its limit"),
            Self::Bytes(DecodeErrorKind::Invalid(what)) => write!(f, "invalid {what}"),
            Self::Bytes(DecodeErrorKind::Version(version)) => write!(f, "unknown format version {version}"),
            Self::Bytes(_) => f.write_str("bytes that cannot be decoded"),
            Self::Magic => f.write_str("no magic of a slice"),
            Self::NoSuchSlot(slot) => write!(f, "slot {slot} does not exist"),
            Self::NoSuchNode(node) => write!(f, "node {node} does not come before its user"),
            Self::OperandTypes => f.write_str("operand types do not fit the node"),
            Self::TooDeep => f.write_str("node is nested too deep"),
            Self::NotBoolean => f.write_str("root is not boolean"),
            Self::Method => f.write_str("method is not one of the policy's, or named twice"),
            Self::Effect => f.write_str("effect may not stand here"),
            Self::Score => f.write_str("score classes out of order or score out of range"),
            Self::Reason => f.write_str("reason code is empty"),
            Self::Zone => f.write_str("a slice of this zone may not hold it"),
            Self::Aggregate => f.write_str("this signal cannot be an aggregate"),
            Self::Model(fault) => write!(f, "not a model: {fault}"),
            Self::Call => f.write_str("inputs do not fit the model"),
            Self::Plan => f.write_str("plan is out of bounds or not in its one form"),
            Self::Steps => f.write_str("declared bound of steps is not the one that follows"),
        }
    }
}
