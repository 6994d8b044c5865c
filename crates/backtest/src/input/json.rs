//! Records of a JSON lines file: one object a line, each of bounded length.
//!
//! Of an object the wanted members are read, at its top level; one that comes twice could be read in two ways, so
//! that the record is odd. `null` and a member that is not there are no cell. Empty lines are no records.

use super::{Next, RECORD_BYTES_MAX, damage};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use std::fmt::{self, Write as _};
use std::io::{BufRead, Read as _};

/// An open JSON lines file.
pub(super) struct JsonRecords {
    text: Box<dyn BufRead>,
    columns: Vec<String>,
    line: Vec<u8>,
    number: u64,
    cells: Vec<Option<String>>,
}

impl fmt::Debug for JsonRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRecords").field("number", &self.number).finish_non_exhaustive()
    }
}

impl JsonRecords {
    pub(super) fn new(text: Box<dyn BufRead>, columns: &[String]) -> Self {
        let cells = columns.iter().map(|_| None).collect();
        Self { text, columns: columns.to_vec(), line: Vec::new(), number: 0, cells }
    }

    pub(super) fn next(&mut self) -> Result<Next, String> {
        loop {
            self.line.clear();
            self.number += 1;
            let most = u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX) + 1;
            let read = self.text.by_ref().take(most).read_until(b'\n', &mut self.line);
            if read.map_err(|error| damage(&error))? == 0 {
                return Ok(Next::End);
            }
            if self.line.len() > RECORD_BYTES_MAX {
                return Err(format!("the line is longer than {RECORD_BYTES_MAX} bytes"));
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                return Ok(if self.read_line() {
                    Next::Record
                } else {
                    Next::Odd("not one JSON object of scalars")
                });
            }
        }
    }

    fn read_line(&mut self) -> bool {
        self.cells.iter_mut().for_each(|cell| *cell = None);
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        let wanted = Wanted { columns: &self.columns, cells: &mut self.cells };
        json.deserialize_map(wanted).is_ok() && json.end().is_ok()
    }

    pub(super) const fn line(&self) -> u64 {
        self.number
    }

    pub(super) fn cell(&self, at: usize) -> Option<&[u8]> {
        self.cells.get(at)?.as_deref().map(str::as_bytes)
    }
}

/// Keeps the wanted members of one object.
struct Wanted<'a> {
    columns: &'a [String],
    cells: &'a mut [Option<String>],
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.columns.len()];
        while let Some(name) = members.next_key::<String>()? {
            let Some(at) = self.columns.iter().position(|column| *column == name) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let (Some(seen), Some(cell)) = (seen.get_mut(at), self.cells.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) {
                return Err(A::Error::custom("a member comes twice"));
            }
            members.next_value_seed(Scalar(cell))?;
        }
        Ok(())
    }
}

/// Reads a scalar as the text that a CSV cell would have.
struct Scalar<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl Scalar<'_> {
    fn set(self, value: impl fmt::Display) {
        let mut text = String::new();
        // INVARIANT: writing to a string does not fail.
        let _written = write!(text, "{value}");
        *self.0 = Some(text);
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.set(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.set(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.set(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.set(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        *self.0 = Some(value.to_owned());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
