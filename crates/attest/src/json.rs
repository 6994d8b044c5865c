//! JSON of others, read strictly: a member has one value, nesting and size have limits, and nothing is guessed.
//!
//! Two readings of one text are how signed JSON is forged, so a name that stands twice in an object refuses the whole
//! text, also where nobody looks at the member. Members that nobody here knows are read past, within the limits. What was
//! signed is the text as it arrived; nothing is written again from what is read here.

use crate::appraisal::AttestError;
use crate::code::Code;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A whole number that is not negative, or one that is none.
    Number(Option<u64>),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads exactly one text.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let broken =
            |_| AttestError::new(Code::Malformed, "JSON that cannot be read, or says something twice");
        let left = Cell::new(VALUES_MAX);
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Value { depth: DEPTH_MAX, left: &left }.deserialize(&mut reader).map_err(broken)?;
        reader.end().map_err(broken)?;
        Ok(value)
    }

    /// The same, of an object.
    pub(crate) fn read_object(bytes: &[u8]) -> Result<Self, AttestError> {
        match Self::read(bytes)? {
            object @ Self::Object(_) => Ok(object),
            _ => Err(AttestError::new(Code::Malformed, "not an object of JSON")),
        }
    }

    /// A member of an object; one that is null counts as absent.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
            .filter(|one| **one != Self::Null)
    }

    /// Names of the members of an object.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let members = if let Self::Object(members) = self { members.as_slice() } else { &[] };
        members.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) const fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { *number } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// A member that has to be a text.
    pub(crate) fn text_of(&self, name: &str) -> Result<Option<&str>, AttestError> {
        self.member(name).map(|value| value.text().ok_or_else(|| wrong(name, "no text"))).transpose()
    }

    /// A member that has to be there and a text.
    pub(crate) fn need_text(&self, name: &str) -> Result<&str, AttestError> {
        self.text_of(name)?.ok_or_else(|| wrong(name, "missing"))
    }
}

/// A member that is not what it has to be.
pub(crate) fn wrong(name: &str, what: &str) -> AttestError {
    AttestError::new(Code::Malformed, format!("`{name}`: {what}"))
}

/// Reads one value within what is left of the limits.
#[derive(Clone, Copy)]
struct Value<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl<'a> Value<'a> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        // LIMIT: nesting; the deepest text that is read here has four levels.
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Value { depth, left: self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        // LIMIT: values of one text, members and items together.
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Some(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(u64::try_from(value).ok()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            found.push(item);
        }
        Ok(Json::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut found: Vec<(String, Json)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if found.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom("a member twice"));
            }
            found.push((name, members.next_value_seed(inner)?));
        }
        Ok(Json::Object(found))
    }
}

/// Deepest nesting.
const DEPTH_MAX: usize = 8;
/// Most values of one text.
const VALUES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_one_value_and_limits_hold() {
        let value = Json::read(br#"{"a":[1,-1,1.5,"x",true,null],"b":{"c":18446744073709551615}}"#).unwrap();
        let list = value.member("a").and_then(Json::list).unwrap();
        let numbers: Vec<_> = list.iter().map(Json::number).collect();
        assert_eq!(numbers, [Some(1), None, None, None, None, None]);
        assert_eq!(value.member("b").and_then(|inner| inner.member("c")?.number()), Some(u64::MAX));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        assert!(Json::read(&nested(DEPTH_MAX)).is_ok());
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 2)).into_bytes();
        assert!(Json::read(&many(VALUES_MAX)).is_ok());
        for bad in [
            nested(DEPTH_MAX + 1),
            nested(100_000),
            many(VALUES_MAX + 1),
            br#"{"a":1,"a":1}"#.to_vec(),
            br#"{"b":{"a":1,"\u0061":2}}"#.to_vec(),
            br#"{"a":1} x"#.to_vec(),
            b"{\"a\":\"\n\"}".to_vec(),
            b"\"\xff\"".to_vec(),
            b"".to_vec(),
        ] {
            assert_eq!(Json::read(&bad).unwrap_err().code(), Code::Malformed, "{} bytes", bad.len());
        }
        assert!(Json::read_object(b"[]").is_err());
    }
}
