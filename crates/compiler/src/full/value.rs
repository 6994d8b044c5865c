//! Values of CEL: what variables hold and evaluation gives.
//!
//! Text, bytes, lists and maps are shared, so that copying a value is cheap however large it is. A list or a map
//! knows how deep it is, so that nothing walks deeper than is safe. For the same
//! reason a value can be exponentially larger when written out than it is in memory (`[x, x]` nested): whatever
//! walks one pays a [`Meter`] for each step.
//!
//! Equality is CEL's: numbers of different types are compared by value, NaN equals nothing, values of different
//! kinds are unequal rather than an error.

use super::fault::{Meter, Outcome};
use super::time::{Duration, Timestamp};
use super::ty::Type;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An int.
    Int(i64),
    /// A uint.
    Uint(u64),
    /// A double.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A moment.
    Timestamp(Timestamp),
    /// A span of time.
    Duration(Duration),
    /// A list.
    List(Arc<List>),
    /// A map.
    Map(Arc<Map>),
    /// A type, by its name.
    Type(Arc<str>),
}

/// The items of a list.
#[derive(Clone, Debug, Default)]
pub struct List {
    items: Vec<Value>,
    depth: usize,
}

/// The entries of a map: keys in ascending order, bools before numbers before text.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: BTreeMap<Key, Value>,
    depth: usize,
}

impl Deref for List {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl Deref for Map {
    type Target = BTreeMap<Key, Value>;
    fn deref(&self) -> &BTreeMap<Key, Value> {
        &self.entries
    }
}

fn deeper<'v>(inside: impl Iterator<Item = &'v Value>) -> usize {
    inside.map(Value::depth).max().unwrap_or(0) + 1
}

/// A key of a map. An int and a uint of one number are one key.
#[derive(Clone, Debug)]
pub enum Key {
    /// `true` or `false`
    Bool(bool),
    /// An int.
    Int(i64),
    /// A uint.
    Uint(u64),
    /// Text.
    String(Arc<str>),
}

impl Key {
    fn number(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Uint(value) => Some(i128::from(*value)),
            Self::Bool(_) | Self::String(_) => None,
        }
    }

    /// The key that a literal of a map has.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::String(text) => Self::String(Arc::clone(text)),
            _ => return None,
        })
    }

    /// The key that a look-up means: a double may stand for the whole number that it is.
    pub(crate) fn sought(value: &Value) -> Option<Self> {
        match value {
            Value::Double(value) => whole(*value),
            other => Self::of(other),
        }
    }

    /// The key as a value.
    pub fn value(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::String(text) => Value::String(Arc::clone(text)),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::String(left), Self::String(right)) => left.cmp(right),
            (Self::Bool(_), _) | (_, Self::String(_)) => Ordering::Less,
            (_, Self::Bool(_)) | (Self::String(_), _) => Ordering::Greater,
            (left, right) => left.number().cmp(&right.number()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl Value {
    /// A list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<Self> = items.into_iter().collect();
        let depth = deeper(items.iter());
        Self::List(Arc::new(List { items, depth }))
    }

    /// Text.
    pub fn text(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    /// Bytes.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Arc::from(bytes))
    }

    /// A map.
    pub fn map(entries: impl IntoIterator<Item = (Key, Self)>) -> Self {
        let entries: BTreeMap<Key, Self> = entries.into_iter().collect();
        let depth = deeper(entries.values());
        Self::Map(Arc::new(Map { entries, depth }))
    }

    /// Levels of lists and maps in it; 0 for a scalar.
    pub fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// What `type(x)` is for this value.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Type(_) => "type",
        }
    }

    /// Whether it is a value of the type. Walks it whole, which is safe for what a run gave.
    pub fn fits(&self, ty: &Type) -> bool {
        self.is(ty, &mut Meter::new(u64::MAX)).unwrap_or(false)
    }

    /// Whether a value may stand where `ty` is declared. Items of lists and maps are looked at, opaque types are not.
    pub(crate) fn is(&self, ty: &Type, meter: &mut Meter) -> Outcome<bool> {
        meter.take(1)?;
        Ok(match (self, ty) {
            (_, Type::Dyn | Type::Param(_) | Type::Opaque(..))
            | (Self::Null, Type::Null | Type::Timestamp | Type::Duration)
            | (Self::Bool(_), Type::Bool)
            | (Self::Int(_), Type::Int)
            | (Self::Uint(_), Type::Uint)
            | (Self::Double(_), Type::Double)
            | (Self::String(_), Type::String)
            | (Self::Bytes(_), Type::Bytes)
            | (Self::Timestamp(_), Type::Timestamp)
            | (Self::Duration(_), Type::Duration)
            | (Self::Type(_), Type::Type(_)) => true,
            (Self::List(items), Type::List(of)) => all(items.iter(), |item| item.is(of, meter))?,
            (Self::Map(map), Type::Map(key_type, value_type)) => all(map.iter(), |(key, value)| {
                Ok(key.value().is(key_type, meter)? && value.is(value_type, meter)?)
            })?,
            _ => false,
        })
    }

    /// Pays for every node of the value as if it were written out.
    pub(crate) fn walk(&self, meter: &mut Meter) -> Outcome<()> {
        meter.take(1)?;
        match self {
            Self::List(items) => items.iter().try_for_each(|item| item.walk(meter)),
            Self::Map(map) => map.values().try_for_each(|item| item.walk(meter)),
            _ => Ok(()),
        }
    }

    /// CEL's `==`.
    pub(crate) fn equals(&self, other: &Self, meter: &mut Meter) -> Outcome<bool> {
        meter.take(1)?;
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::String(left), Self::String(right)) | (Self::Type(left), Self::Type(right)) => {
                meter.bytes(left.len())?;
                left == right
            }
            (Self::Bytes(left), Self::Bytes(right)) => {
                meter.bytes(left.len())?;
                left == right
            }
            (Self::Timestamp(left), Self::Timestamp(right)) => left == right,
            (Self::Duration(left), Self::Duration(right)) => left == right,
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len()
                    && all(left.iter().zip(right.iter()), |(left, right)| left.equals(right, meter))?
            }
            (Self::Map(left), Self::Map(right)) => {
                left.len() == right.len()
                    && all(left.iter(), |(key, left)| match right.get(key) {
                        Some(right) => left.equals(right, meter),
                        None => Ok(false),
                    })?
            }
            _ => numbers(self, other) == Some(Ordering::Equal),
        })
    }

    /// CEL's order: `None` where it has none, `Some(None)` where a NaN takes part.
    pub(crate) fn order(&self, other: &Self) -> Option<Option<Ordering>> {
        Some(match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::String(left), Self::String(right)) => Some(left.cmp(right)),
            (Self::Bytes(left), Self::Bytes(right)) => Some(left.cmp(right)),
            (Self::Timestamp(left), Self::Timestamp(right)) => Some(left.cmp(right)),
            (Self::Duration(left), Self::Duration(right)) => Some(left.cmp(right)),
            _ if self.is_number() && other.is_number() => numbers(self, other),
            _ => return None,
        })
    }

    pub(crate) const fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Uint(_) | Self::Double(_))
    }

    /// Bytes of its text, or the number of its items: what a step of reading it costs.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::String(text) | Self::Type(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => items.len(),
            Self::Map(map) => map.len(),
            _ => 1,
        }
    }
}

fn all<T>(items: impl IntoIterator<Item = T>, mut test: impl FnMut(T) -> Outcome<bool>) -> Outcome<bool> {
    for item in items {
        if !test(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Two numbers of any types; `None` for a NaN or what is no number. An integer meets a double as the nearest double,
/// as the conformance cases ask for (`dyn(9223372036854775807) < 9223372036854775808.0` is false), so that mixed
/// comparisons are no order: what sorts must not mix.
fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    let integer = |value: &Value| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is compared")]
    let double = |value: &Value| match value {
        Value::Double(value) => Some(*value),
        other => integer(other).map(|value| value as f64),
    };
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => double(left)?.partial_cmp(&double(right)?),
    }
}

/// The integer key that a double stands for.
fn whole(double: f64) -> Option<Key> {
    #[expect(clippy::cast_possible_truncation, reason = "doubles beyond 2^65 are no keys, as the range says")]
    let integer = (double.abs() < 2.0_f64.powi(65) && double.fract() == 0.0).then_some(double as i128)?;
    let int = i64::try_from(integer).map(Key::Int);
    int.or_else(|_| u64::try_from(integer).map(Key::Uint)).ok()
}

/// LIMIT: levels of lists and maps in a value. Whatever walks a value recurses as deep.
pub(crate) const VALUE_DEPTH_MAX: usize = 250;
