//! Typed values of signals. Doubles compare and encode by their bits where identity matters.
//!
//! A value is a scalar or a list of scalars of one type; encoding and decoding both insist. There is no null and
//! no map: what a catalogue cannot declare cannot cross a zone.

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::limits::{LIST_ITEMS_MAX, VALUE_BYTES_MAX};
use crate::moment::{Moment, Span};
use alloc::string::String;
use alloc::vec::Vec;

/// The type of a signal or expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// 64-bit signed integer.
    Int,
    /// IEEE 754 double.
    Double,
    /// UTF-8 text.
    String,
    /// List of booleans.
    BoolList,
    /// List of integers.
    IntList,
    /// List of doubles.
    DoubleList,
    /// List of strings.
    StringList,
    /// 64-bit unsigned integer.
    Uint,
    /// Bytes.
    Bytes,
    /// A moment of the years 1 to 9999.
    Timestamp,
    /// A span of time.
    Duration,
    /// List of unsigned integers.
    UintList,
    /// List of bytes.
    BytesList,
    /// List of moments.
    TimestampList,
    /// List of spans of time.
    DurationList,
}

impl Type {
    /// Every type, in the order of its code.
    pub const ALL: [Self; 16] = [
        Self::Bool,
        Self::Int,
        Self::Double,
        Self::String,
        Self::BoolList,
        Self::IntList,
        Self::DoubleList,
        Self::StringList,
        Self::Uint,
        Self::Bytes,
        Self::Timestamp,
        Self::Duration,
        Self::UintList,
        Self::BytesList,
        Self::TimestampList,
        Self::DurationList,
    ];

    /// The name in catalogues and diagnostics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::String => "string",
            Self::BoolList => "list(bool)",
            Self::IntList => "list(int)",
            Self::DoubleList => "list(double)",
            Self::StringList => "list(string)",
            Self::Uint => "uint",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::UintList => "list(uint)",
            Self::BytesList => "list(bytes)",
            Self::TimestampList => "list(timestamp)",
            Self::DurationList => "list(duration)",
        }
    }

    /// The element type of a list.
    pub const fn element(self) -> Option<Self> {
        match self {
            Self::BoolList => Some(Self::Bool),
            Self::IntList => Some(Self::Int),
            Self::DoubleList => Some(Self::Double),
            Self::StringList => Some(Self::String),
            Self::UintList => Some(Self::Uint),
            Self::BytesList => Some(Self::Bytes),
            Self::TimestampList => Some(Self::Timestamp),
            Self::DurationList => Some(Self::Duration),
            _ => None,
        }
    }

    /// The list type of a scalar.
    pub const fn list_of(self) -> Option<Self> {
        match self {
            Self::Bool => Some(Self::BoolList),
            Self::Int => Some(Self::IntList),
            Self::Double => Some(Self::DoubleList),
            Self::String => Some(Self::StringList),
            Self::Uint => Some(Self::UintList),
            Self::Bytes => Some(Self::BytesList),
            Self::Timestamp => Some(Self::TimestampList),
            Self::Duration => Some(Self::DurationList),
            _ => None,
        }
    }
}

/// A value of a signal. Lists are homogeneous: [`Value::is`] says so, decoding enforces it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// See [`Type::Bool`].
    Bool(bool),
    /// See [`Type::Int`].
    Int(i64),
    /// See [`Type::Double`].
    Double(f64),
    /// See [`Type::String`].
    String(String),
    /// A list; its items are scalars of one type.
    List(Vec<Value>),
    /// See [`Type::Uint`].
    Uint(u64),
    /// See [`Type::Bytes`].
    Bytes(Vec<u8>),
    /// See [`Type::Timestamp`].
    Timestamp(Moment),
    /// See [`Type::Duration`].
    Duration(Span),
}

impl Value {
    /// Whether this value inhabits `ty`. The empty list inhabits every list type.
    pub fn is(&self, ty: Type) -> bool {
        match (self, ty) {
            (Self::Bool(_), Type::Bool)
            | (Self::Int(_), Type::Int)
            | (Self::Double(_), Type::Double)
            | (Self::String(_), Type::String)
            | (Self::Uint(_), Type::Uint)
            | (Self::Bytes(_), Type::Bytes)
            | (Self::Timestamp(_), Type::Timestamp)
            | (Self::Duration(_), Type::Duration) => true,
            (Self::List(items), list) => {
                list.element().is_some_and(|element| items.iter().all(|item| item.is(element)))
            }
            _ => false,
        }
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Bool(value) => {
                out.u8(0);
                out.bool(*value);
            }
            Self::Int(value) => {
                out.u8(1);
                out.i64(*value);
            }
            Self::Double(value) => {
                out.u8(2);
                out.u64(value.to_bits());
            }
            Self::String(value) => {
                out.u8(3);
                out.str("string value", value, VALUE_BYTES_MAX)?;
            }
            Self::List(items) => {
                out.u8(4);
                out.count("list value", items.len(), LIST_ITEMS_MAX)?;
                let first = items.first().map(core::mem::discriminant);
                for item in items {
                    if matches!(item, Self::List(_)) {
                        return Err(EncodeError { what: "list nesting", limit: 1 });
                    }
                    if Some(core::mem::discriminant(item)) != first {
                        return Err(EncodeError { what: "number of types in one list", limit: 1 });
                    }
                    item.encode(out)?;
                }
            }
            Self::Uint(value) => {
                out.u8(5);
                out.u64(*value);
            }
            Self::Bytes(value) => {
                out.u8(6);
                out.bytes("bytes value", value, VALUE_BYTES_MAX)?;
            }
            Self::Timestamp(value) => {
                out.u8(7);
                out.i64(value.as_us());
            }
            Self::Duration(value) => {
                out.u8(8);
                out.i64(value.as_us());
            }
        }
        Ok(())
    }
}

impl Decode for Value {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("list item");
        match decode_scalar(input)? {
            Some(scalar) => Ok(scalar),
            None => {
                let count = input.count("list value", LIST_ITEMS_MAX)?;
                let mut items: Vec<Self> = Vec::with_capacity(count);
                for _ in 0..count {
                    let item = decode_scalar(input)?.ok_or(at)?;
                    let same =
                        |first: &Self| core::mem::discriminant(first) == core::mem::discriminant(&item);
                    if !items.first().is_none_or(same) {
                        return Err(at);
                    }
                    items.push(item);
                }
                Ok(Self::List(items))
            }
        }
    }
}

/// Reads a scalar; `None` where a list begins.
fn decode_scalar(input: &mut Reader<'_>) -> Result<Option<Value>, DecodeError> {
    let at = input.invalid("value tag");
    Ok(Some(match input.u8()? {
        0 => Value::Bool(input.bool()?),
        1 => Value::Int(input.i64()?),
        2 => Value::Double(f64::from_bits(input.u64()?)),
        3 => Value::String(input.string("string value", VALUE_BYTES_MAX)?),
        4 => return Ok(None),
        5 => Value::Uint(input.u64()?),
        6 => Value::Bytes(input.bytes("bytes value", VALUE_BYTES_MAX)?.to_vec()),
        7 => Value::Timestamp(Moment::from_us(input.i64()?).ok_or(at)?),
        8 => Value::Duration(Span::from_us(input.i64()?).ok_or(at)?),
        _ => return Err(at),
    }))
}
