//! JSON bodies, read so that no parser behind us can find another value under the same pointer.
//!
//! The whole document is read: every object's keys are unique even without case, depth is bounded, nothing
//! follows the value. Numbers keep their exact integer; an integer field takes integers only.

use super::Unreadable;
use crate::config::Field;
use glacis_wire::limits::DEPTH_MAX;
use glacis_wire::{Answer, Type, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// A JSON value without ambiguities.
#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    /// Any other number; integers beyond 64 bits are refused.
    Double(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Reads a whole document.
pub(super) fn parse(body: &[u8]) -> Result<Json, Unreadable> {
    let mut input = serde_json::Deserializer::from_slice(body);
    let value =
        Node { depth: DEPTH_MAX }.deserialize(&mut input).map_err(|_| Unreadable("not strict JSON"))?;
    input.end().map_err(|_| Unreadable("bytes after the JSON value"))?;
    Ok(value)
}

impl Json {
    /// The value under these pointer steps.
    pub(super) fn at(&self, steps: &[String]) -> Option<&Self> {
        steps.iter().try_fold(self, |here, step| match here {
            Self::Object(members) => members.iter().find(|(key, _)| key == step).map(|(_, value)| value),
            Self::Array(items) => {
                step.parse::<usize>().ok().filter(|at| at.to_string() == *step).and_then(|at| items.get(at))
            }
            _ => None,
        })
    }

    /// The value as an answer of the field's type.
    pub(super) fn answer(&self, field: &Field) -> Result<Answer, Unreadable> {
        let value = match (self, field.ty) {
            (Self::Bool(value), Type::Bool) => Value::Bool(*value),
            (Self::Int(value), Type::Int) => Value::Int(*value),
            (Self::Double(value), Type::Double) => Value::Double(*value),
            (Self::Int(value), Type::Double) => {
                Value::Double(exact(*value).ok_or(Unreadable("inexact number"))?)
            }
            (Self::Text(value), Type::String) if value.len() <= field.max_bytes => {
                Value::String(value.clone())
            }
            (Self::Text(_), Type::String) => return Err(Unreadable("value over its limit")),
            _ => return Err(Unreadable("value of another type")),
        };
        Ok(Answer::Value(value))
    }
}

/// The double that is exactly this integer. Source: IEEE 754 binary64 has 53 bits of significand.
fn exact(value: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "the range below is exact")]
    (value.unsigned_abs() <= 1 << 53).then_some(value as f64)
}

struct Node {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Json, D::Error> {
        input.deserialize_any(self)
    }
}

impl Node {
    fn below<E: Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth })
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value with unique keys")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        i64::try_from(value).map(Json::Int).map_err(|_| E::custom("integer beyond 64 bits"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Double(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut out = Vec::new();
        let mut keys = BTreeSet::new();
        while let Some(key) = members.next_key::<String>()? {
            // Some parsers match keys without case, so two such keys are two readings.
            if !keys.insert(key.to_lowercase()) {
                return Err(A::Error::custom("key comes twice"));
            }
            out.push((key, members.next_value_seed(self.below()?)?));
        }
        Ok(Json::Object(out))
    }
}
