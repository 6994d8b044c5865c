//! Maps of CBOR that are taken apart: what was asked for is taken out, and what is left is named.
//!
//! The drafts let anybody add members to any map. A reader that skipped them would believe half a statement, one that
//! refused them could read nobody's documents; so each is a line in a list that travels with the result.

use crate::appraisal::AttestError;
use crate::cbor::Value;
use crate::code::Code;
use glacis_seal::text::hex;
use glacis_wire::Timestamp;
use std::collections::BTreeSet;

/// A map with a name, of which something was taken.
pub(super) struct Map<'v, 'a> {
    name: &'static str,
    left: Vec<&'v (Value<'a>, Value<'a>)>,
    notes: Vec<String>,
}

impl<'v, 'a> Map<'v, 'a> {
    pub(super) fn of(value: &'v Value<'a>, name: &'static str) -> Result<Self, AttestError> {
        let entries = value.entries().ok_or_else(|| broken(name))?;
        Ok(Self { name, left: entries.iter().collect(), notes: Vec::new() })
    }

    /// A member that may be missing.
    pub(super) fn take(&mut self, number: i128) -> Option<&'v Value<'a>> {
        let at = self.left.iter().position(|(key, _)| key.integer() == Some(number))?;
        Some(&self.left.remove(at).1)
    }

    /// A member that may not.
    pub(super) fn must(&mut self, number: i128) -> Result<&'v Value<'a>, AttestError> {
        self.take(number).ok_or_else(|| broken(self.name))
    }

    /// A list; one that is missing is empty.
    pub(super) fn list(&mut self, number: i128) -> Result<&'v [Value<'a>], AttestError> {
        match self.take(number) {
            None => Ok(&[]),
            Some(Value::List(items)) => Ok(items),
            Some(_) => Err(broken(self.name)),
        }
    }

    /// Says that something was not read.
    pub(super) fn note(&mut self, what: String) {
        // LIMIT: each item of a document makes one line at most, and a line is short.
        self.notes.push(what);
    }

    /// Takes over what a map inside this one has left.
    pub(super) fn adopt(&mut self, inner: Map<'_, '_>) {
        self.notes.extend(inner.unread());
    }

    /// What was not read, each once, in order.
    pub(super) fn unread(self) -> Vec<String> {
        let left = self.left.iter().map(|(key, _)| format!("{} {}", self.name, key_name(key)));
        let mut seen = BTreeSet::new();
        self.notes.into_iter().chain(left).filter(|line| seen.insert(line.clone())).collect()
    }
}

pub(super) fn broken(what: &'static str) -> AttestError {
    AttestError::new(Code::ReferencesMalformed, what)
}

fn key_name(key: &Value<'_>) -> String {
    match key {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.chars().take(NAME_CHARS_MAX).collect(),
        _ => String::new(),
    }
}

/// What something is, for a note.
pub(super) fn kind(value: &Value<'_>) -> String {
    match value {
        Value::Tagged(505, _) => "CoSWID".to_owned(),
        Value::Tagged(tag, _) => format!("tag {tag}"),
        Value::Map(_) => "a map".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Bytes(_) => "bytes".to_owned(),
        Value::Text(_) => "a text".to_owned(),
        Value::Integer(_) => "a number".to_owned(),
        Value::Bool(_) | Value::Null | Value::Simple(_) => "a simple value".to_owned(),
    }
}

pub(super) fn text(value: &Value<'_>) -> Result<String, AttestError> {
    value.text().map(str::to_owned).ok_or_else(|| broken("not a text"))
}

pub(super) fn number(value: &Value<'_>) -> Result<u64, AttestError> {
    value.integer().and_then(|number| u64::try_from(number).ok()).ok_or_else(|| broken("not a number"))
}

/// A URI, plain or with its tag, or an object identifier, plain or with its tag.
pub(super) fn uri_or_oid(value: &Value<'_>) -> Result<String, AttestError> {
    match value {
        Value::Text(text) => Ok((*text).to_owned()),
        Value::Bytes(bytes) => Ok(hex(bytes)),
        Value::Tagged(32 | 111, inner) => uri_or_oid(inner),
        _ => Err(broken("neither a URI nor an object identifier")),
    }
}

/// A date as text (tag 0).
pub(super) fn date(value: &Value<'_>) -> Result<String, AttestError> {
    match value {
        Value::Tagged(0, inner) => text(inner),
        _ => Err(broken("not a date")),
    }
}

/// Begin and end of something, each of which may be open.
pub(super) fn validity(
    value: Option<&Value<'_>>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), AttestError> {
    let Some(value) = value else { return Ok((None, None)) };
    let mut map = Map::of(value, "validity")?;
    let times = (map.take(0).map(time).transpose()?, map.take(1).map(time).transpose()?);
    // A third time would be a condition that is not looked at.
    if map.left.is_empty() { Ok(times) } else { Err(broken("validity")) }
}

/// Seconds since the epoch (tag 1).
fn time(value: &Value<'_>) -> Result<Timestamp, AttestError> {
    match value {
        Value::Tagged(1, inner) => number(inner).map(Timestamp::from_secs),
        _ => Err(broken("not a time")),
    }
}

/// Longest name of an unread member.
const NAME_CHARS_MAX: usize = 64;
