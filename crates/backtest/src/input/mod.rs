//! Records of a file: CSV or JSON lines, plain or gzip, streamed in bounded memory.
//!
//! gzip is known by its first bytes, not by the name. A record over its limit, a stream that is cut or damaged, and
//! text that is not UTF-8 from its first bytes are errors with a line; a report on a part of a file would pass for
//! one on the whole. A record of another shape than the others is the caller's to count.

mod csv;
mod json;

use crate::error::BacktestError;
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// Longest record. Unit: bytes.
pub(crate) const RECORD_BYTES_MAX: usize = 1 << 20;
/// Read at once. Unit: bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// What the next record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// One whose cells can be asked for.
    Record,
    /// One of another shape, for this reason.
    Odd(&'static str),
    End,
}

/// An open file of records.
#[derive(Debug)]
pub(crate) struct Records {
    name: String,
    form: Form,
    read: Rc<Cell<u64>>,
    bytes: u64,
}

#[derive(Debug)]
enum Form {
    Csv(csv::CsvRecords),
    Json(json::JsonRecords),
}

/// A reader that counts what it hands out.
#[derive(Debug)]
struct Counting<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.count.set(self.count.get() + u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

impl Records {
    /// Opens a file whose cells of `columns` will be asked for.
    pub(crate) fn open(path: &Path, columns: &[String]) -> Result<Self, BacktestError> {
        let name = path.display().to_string();
        let failed = |cause| BacktestError::File { path: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let read = Rc::new(Cell::new(0));
        let counting = Counting { inner: file, count: Rc::clone(&read) };
        let mut raw = BufReader::with_capacity(CHUNK_BYTES, counting);
        let packed = raw.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
        let mut text: Box<dyn BufRead> = if packed {
            Box::new(BufReader::with_capacity(CHUNK_BYTES, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        let wrong = |why: &str| BacktestError::Events { file: name.clone(), line: 0, why: why.to_owned() };
        let start = text.fill_buf().map_err(|error| wrong(&damage(&error)))?;
        if start.starts_with(&[0xfe, 0xff]) || start.starts_with(&[0xff, 0xfe]) {
            return Err(wrong("it is UTF-16; write it as UTF-8"));
        }
        if start.starts_with(&[0xef, 0xbb, 0xbf]) {
            text.consume(3);
        }
        let first = text.fill_buf().map_err(|error| wrong(&damage(&error)))?;
        let is_json = first.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let form = if is_json {
            Form::Json(json::JsonRecords::new(text, columns))
        } else {
            Form::Csv(csv::CsvRecords::open(text, columns).map_err(|(line, why)| BacktestError::Events {
                file: name.clone(),
                line,
                why,
            })?)
        };
        Ok(Self { name, form, read, bytes })
    }

    /// Goes to the next record.
    pub(crate) fn next(&mut self) -> Result<Next, BacktestError> {
        let next = match &mut self.form {
            Form::Csv(csv) => csv.next(),
            Form::Json(json) => json.next(),
        };
        next.map_err(|why| self.wrong(why))
    }

    /// An error at the record that was read last.
    pub(crate) fn wrong(&self, why: impl Into<String>) -> BacktestError {
        BacktestError::Events { file: self.name.clone(), line: self.line(), why: why.into() }
    }

    /// Line that the record begins on, from 1.
    pub(crate) fn line(&self) -> u64 {
        match &self.form {
            Form::Csv(csv) => csv.line(),
            Form::Json(json) => json.line(),
        }
    }

    /// The cell of column `at`; `None` where there is none or it is empty.
    pub(crate) fn cell(&self, at: usize) -> Option<&[u8]> {
        match &self.form {
            Form::Csv(csv) => csv.cell(at),
            Form::Json(json) => json.cell(at),
        }
    }

    /// Bytes of the file read so far, and all of them.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.read.get(), self.bytes)
    }
}

/// What an error while reading means to a person.
fn damage(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip stream is cut short; get the whole file".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("the gzip stream is damaged or not gzip: {error}")
        }
        _ => format!("cannot be read on: {error}"),
    }
}
