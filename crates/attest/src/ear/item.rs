//! One tree for both serialisations of claims, read strictly and written again: JSON and CBOR meet here.
//!
//! A claim that nobody here knows is kept as such a tree, so that it is neither lost nor believed. What only one
//! serialisation can express stays what it is and has no form in the other; it is never bent into one. Names twice in an
//! object, deep nesting and long input are refused, which a plain reader of JSON would let pass.

use crate::cbor::{self, Rules, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

/// Which serialisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON: claims have names, bytes are base64url.
    Json,
    /// CBOR: claims have numbers, bytes are bytes.
    Cbor,
}

/// The name of a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// A number: CBOR only.
    Number(i128),
    /// A name: always in JSON, and in CBOR for private claims that have one.
    Name(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer; of 64 bits and a sign.
    Integer(i128),
    /// A text.
    Text(String),
    /// A sequence.
    List(Vec<Item>),
    /// A map, sorted by label: neither serialisation gives its order a meaning.
    Map(Vec<(Label, Item)>),
    /// Bytes: CBOR only.
    Bytes(Vec<u8>),
    /// A tag and what it stands before: CBOR only.
    Tagged(u64, Box<Item>),
    /// A float or a simple value as it was encoded: CBOR only.
    Simple(Vec<u8>),
    /// A number that is no integer: JSON only.
    Decimal(serde_json::Number),
}

/// It has no form in that serialisation, or is no such document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FormError;

impl Item {
    /// Reads exactly one document of JSON (RFC 8259): no name twice in an object (RFC 8725 §2.4 says why).
    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, FormError> {
        let budget = Cell::new(ITEMS_MAX);
        let mut input = serde_json::Deserializer::from_slice(bytes);
        let seed = Strict { depth: 0, budget: &budget };
        let item = seed.deserialize(&mut input).map_err(|_| FormError)?;
        input.end().map_err(|_| FormError)?;
        Ok(item)
    }

    /// Reads exactly one item of CBOR.
    pub(super) fn from_cbor(bytes: &[u8]) -> Result<Self, FormError> {
        cbor::read_by(bytes, Rules::RATS).map(|value| Self::of(&value)).map_err(|_| FormError)
    }

    fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Integer(number) => Self::Integer(*number),
            Value::Text(text) => Self::Text((*text).to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Value::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Map(entries) => Self::sorted(entries.iter().filter_map(entry).collect()),
            Value::Tagged(tag, inner) => Self::Tagged(*tag, Box::new(Self::of(inner))),
            Value::Simple(bytes) => Self::Simple(bytes.to_vec()),
        }
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> Result<serde_json::Value, FormError> {
        Ok(match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Integer(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => return Err(FormError),
            },
            Self::Decimal(number) => number.clone().into(),
            Self::Text(text) => text.clone().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect::<Result<Vec<_>, _>>()?.into(),
            Self::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (label, item) in entries {
                    let Label::Name(name) = label else { return Err(FormError) };
                    map.insert(name.clone(), item.to_json()?);
                }
                map.into()
            }
            Self::Bytes(_) | Self::Tagged(..) | Self::Simple(_) => return Err(FormError),
        })
    }

    /// As CBOR.
    pub(super) fn to_cbor(&self) -> Result<Value<'_>, FormError> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Integer(number) => whole(*number)?,
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::List(items) => Value::List(items.iter().map(Self::to_cbor).collect::<Result<_, _>>()?),
            Self::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(label, item)| Ok((label.to_cbor()?, item.to_cbor()?)))
                    .collect::<Result<_, FormError>>()?,
            ),
            Self::Tagged(tag, inner) => Value::Tagged(*tag, Box::new(inner.to_cbor()?)),
            Self::Simple(bytes) => Value::Simple(bytes),
            Self::Decimal(_) => return Err(FormError),
        })
    }

    /// The value of JSON as a tree; of our own making, so without anything that CBOR lacks but decimals.
    pub(super) fn of_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Self::Integer(number.into()),
                (_, Some(number)) => Self::Integer(number.into()),
                _ => Self::Decimal(number.clone()),
            },
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            serde_json::Value::Object(members) => Self::sorted(
                members.iter().map(|(name, item)| (Label::Name(name.clone()), Self::of_json(item))).collect(),
            ),
        }
    }

    fn sorted(mut entries: Vec<(Label, Self)>) -> Self {
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self::Map(entries)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A member of a map, by its name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let named = |label: &Label| matches!(label, Label::Name(other) if other == name);
        self.map()?.iter().find(|(label, _)| named(label)).map(|(_, item)| item)
    }

    pub(super) const fn integer(&self) -> Option<i128> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(super) fn map(&self) -> Option<&[(Label, Self)]> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }
}

impl Label {
    pub(super) fn to_cbor(&self) -> Result<Value<'_>, FormError> {
        match self {
            Self::Number(number) => whole(*number),
            Self::Name(name) => Ok(Value::Text(name)),
        }
    }
}

/// A whole number of CBOR has 64 bits and a sign (RFC 8949 §3.1).
fn whole(number: i128) -> Result<Value<'static>, FormError> {
    let has_form = (-(1 << 64)..1 << 64).contains(&number);
    has_form.then_some(Value::Integer(number)).ok_or(FormError)
}

fn entry((key, item): &(Value<'_>, Value<'_>)) -> Option<(Label, Item)> {
    // INVARIANT: the reader lets no other kind of key pass, so that no entry is left out here.
    let label = match key {
        Value::Integer(number) => Label::Number(*number),
        Value::Text(name) => Label::Name((*name).to_owned()),
        _ => return None,
    };
    Some((label, Item::of(item)))
}

/// Reads one value at a depth, out of a budget of values.
struct Strict<'a> {
    depth: usize,
    budget: &'a Cell<usize>,
}

impl Strict<'_> {
    const fn below(&self) -> Self {
        Self { depth: self.depth + 1, budget: self.budget }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Item;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Item, D::Error> {
        let left = self.budget.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.budget.set(left);
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom("too deep"));
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Item, E> {
        Ok(Item::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Item, E> {
        Ok(Item::Integer(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Item, E> {
        Ok(Item::Integer(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Item, E> {
        serde_json::Number::from_f64(number).map(Item::Decimal).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(self.below())? {
            found.push(item);
        }
        Ok(Item::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Item, A::Error> {
        let (mut found, mut names) = (Vec::new(), BTreeSet::new());
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a name twice"));
            }
            found.push((Label::Name(name), members.next_value_seed(self.below())?));
        }
        Ok(Item::sorted(found))
    }
}

/// LIMIT: results have about a hundred values on six levels.
const DEPTH_MAX: usize = 24;
const ITEMS_MAX: usize = 8_192;
