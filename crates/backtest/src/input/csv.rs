//! Records of a CSV file with a header (RFC 4180), each of bounded length.
//!
//! A cell that is empty is not there. A record with more or fewer cells than the header is odd. A quote that is
//! never closed makes all that follows one record, and so ends at the limit with the line where it began.

use super::{Next, RECORD_BYTES_MAX, damage};
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// An open CSV file.
#[derive(Debug)]
pub(super) struct CsvRecords {
    reader: Reader<Bounded>,
    left: Rc<Cell<usize>>,
    record: ByteRecord,
    /// Where each wanted column stands.
    places: Vec<usize>,
    width: usize,
}

/// A reader that hands out only so much until it is told that a record ended.
struct Bounded {
    inner: Box<dyn BufRead>,
    left: Rc<Cell<usize>>,
}

impl std::fmt::Debug for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounded").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            let why = format!(
                "the record is longer than {RECORD_BYTES_MAX} bytes; is a quote opened and not closed?"
            );
            return Err(io::Error::other(TooLong(why)));
        }
        let most = out.len().min(self.left.get());
        let read = self.inner.read(out.get_mut(..most).unwrap_or_default())?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

/// Told apart from what the file system says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TooLong(String);

impl CsvRecords {
    pub(super) fn open(text: Box<dyn BufRead>, columns: &[String]) -> Result<Self, (u64, String)> {
        let left = Rc::new(Cell::new(RECORD_BYTES_MAX));
        let bounded = Bounded { inner: text, left: Rc::clone(&left) };
        let mut reader =
            ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(bounded);
        let header = reader.byte_headers().map_err(|error| (1, explain(&error)))?.clone();
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            let mut found = header.iter().enumerate().filter(|(_, name)| *name == column.as_bytes());
            let place = found.next().ok_or_else(|| (1, no_column(column, &header)))?;
            if found.next().is_some() {
                return Err((1, format!("there are two columns `{column}`")));
            }
            places.push(place.0);
        }
        Ok(Self { reader, left, record: ByteRecord::new(), places, width: header.len() })
    }

    pub(super) fn next(&mut self) -> Result<Next, String> {
        self.left.set(RECORD_BYTES_MAX);
        let start = self.reader.position().clone();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => Ok(Next::End),
            Ok(true) if self.record.len() != self.width => Ok(Next::Odd("number of columns")),
            Ok(true) => Ok(Next::Record),
            Err(error) => {
                self.record.set_position(Some(start));
                Err(explain(&error))
            }
        }
    }

    pub(super) fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    pub(super) fn cell(&self, at: usize) -> Option<&[u8]> {
        let place = self.places.get(at)?;
        self.record.get(*place).filter(|cell| !cell.is_empty())
    }
}

fn explain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<TooLong>()) => {
            error.to_string()
        }
        csv::ErrorKind::Io(error) => damage(error),
        _ => error.to_string(),
    }
}

fn no_column(column: &str, header: &ByteRecord) -> String {
    let names = header.iter().take(NAMES_SHOWN).map(|name| String::from_utf8_lossy(name).into_owned());
    let names: Vec<String> = names.map(|name| name.chars().take(64).collect()).collect();
    format!("there is no column `{column}`; the header has: {}", names.join(", "))
}

/// Columns that an error names.
const NAMES_SHOWN: usize = 64;
/// Unit: bytes.
const BUFFER_BYTES: usize = 64 << 10;
