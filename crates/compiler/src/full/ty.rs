//! Types of CEL as the checker deduces them and as an environment declares them.
//!
//! A type is a small tree. Its text is that of cel-go (`list(int)`, `map(string, dyn)`), so that deductions can be
//! compared. Wrapper types and messages do not exist here; a name that is declared by the environment only (an
//! abstract type) is [`Type::Opaque`].

use std::fmt;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Known at run time only; agrees with every type.
    Dyn,
    /// The type of `null`.
    Null,
    /// `bool`
    Bool,
    /// 64-bit signed integer.
    Int,
    /// 64-bit unsigned integer.
    Uint,
    /// 64-bit IEEE 754 number.
    Double,
    /// Unicode text.
    String,
    /// Bytes.
    Bytes,
    /// A moment, years 1 to 9999.
    Timestamp,
    /// A span of time.
    Duration,
    /// A list of items of one type.
    List(Box<Self>),
    /// A map from keys to values.
    Map(Box<Self>, Box<Self>),
    /// The type of a type.
    Type(Box<Self>),
    /// A named type with parameters that only the environment knows.
    Opaque(String, Vec<Self>),
    /// A type parameter, or a type that is still to be found.
    Param(String),
}

impl Type {
    /// `list(of)`
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    /// `map(key, value)`
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// The name that the value `type(x)` has for an `x` of this type.
    pub fn name(&self) -> &str {
        match self {
            Self::Dyn => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Type(_) => "type",
            Self::Opaque(name, _) | Self::Param(name) => name,
        }
    }

    /// The type that a type's name in an expression denotes.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let dynamic = || Box::new(Self::Dyn);
        Some(match name {
            "dyn" => Self::Dyn,
            "null_type" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "google.protobuf.Timestamp" => Self::Timestamp,
            "google.protobuf.Duration" => Self::Duration,
            "list" => Self::List(dynamic()),
            "map" => Self::Map(dynamic(), dynamic()),
            "type" => Self::Type(dynamic()),
            _ => return None,
        })
    }

    /// The types inside of this one.
    pub(crate) fn parameters(&self) -> Vec<&Self> {
        match self {
            Self::List(of) | Self::Type(of) => vec![of],
            Self::Map(key, value) => vec![key, value],
            Self::Opaque(_, of) => of.iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            _ => {
                f.write_str(self.name())?;
                let parameters = self.parameters();
                for (at, parameter) in parameters.iter().enumerate() {
                    write!(f, "{}{parameter}", if at == 0 { "(" } else { ", " })?;
                }
                f.write_str(if parameters.is_empty() { "" } else { ")" })
            }
        }
    }
}
