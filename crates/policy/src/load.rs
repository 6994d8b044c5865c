//! What bytes are a slice: a total loader, and the only way to a [`Slice`].
//!
//! Every byte string is either one slice or a [`LoadError`] that names an offset. What is checked *here* is
//! never checked again: magic and version, each tag, count and limit; that operands come before their users and
//! the arena is no deeper than [`DEPTH_MAX`](glacis_wire::limits::DEPTH_MAX); the type of each node (so that
//! [`eval`](crate::eval()) cannot meet a type confusion); that rules and release nodes are Boolean; that methods
//! are named by the policy; that score sums cannot overflow; and what a zone's slice may hold at all.
//!
//! Loading allocates no more than a constant times the length of its input.

mod check;
pub(crate) mod decode;
pub mod limits;

use crate::eval::steps;
use crate::tree::{Parts, Slice};
use core::fmt;
use glacis_wire::codec::DecodeErrorKind;
use glacis_wire::limits::SLICE_BYTES_MAX;
use glacis_wire::{DecodeError, Reader};

/// First bytes of every slice.
pub(crate) const MAGIC: &[u8; 4] = b"GLSL";
/// The body is the encoded typed tree.
pub(crate) const FORMAT_VERSION: u16 = 0;

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
        let parts = decode::parts(&mut input)?;
        input.finish()?;
        Ok(Self { steps: steps(&parts), parts })
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

/// Why bytes are not a slice, and where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadError {
    offset: usize,
    fault: Fault,
}

impl LoadError {
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
        }
    }
}
