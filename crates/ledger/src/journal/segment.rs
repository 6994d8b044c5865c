//! One file of a journal: a header with salt and first number, then frames.
//!
//! Header: `GLJ1` ‖ salt (16) ‖ a first frame ‖ a mark. It is written with one write and
//! synced before the first record, so a torn header means a segment that never held one.

use super::frame::{self, FIRST, MARK, RECORD, SALT_BYTES, Salt};
use super::{JournalError, Position};
use glacis_host::{Append, Files, Host};
use std::sync::Arc;

pub(super) struct Segment {
    name: String,
    file: Arc<dyn Append>,
    salt: Salt,
    before_first: u64,
    len: u64,
    /// Where the content of each record lies.
    index: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    len: usize,
}

/// What a file held.
pub(super) struct Loaded {
    /// None if a crash left a segment without a whole header.
    pub(super) segment: Option<Segment>,
    pub(super) acknowledged: Position,
    pub(super) torn: u64,
}

/// Whether this file is a segment of that journal.
pub(super) fn is_of(file: &str, journal: &str) -> bool {
    let number = file.strip_prefix(journal).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(SUFFIX));
    number.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Segment {
    pub(super) fn create(
        files: &dyn Files,
        host: &dyn Host,
        journal: &str,
        first: Position,
        acknowledged: Position,
    ) -> Result<Self, JournalError> {
        let mut salt = [0; SALT_BYTES];
        host.fill(&mut salt).map_err(|_| JournalError::Entropy)?;
        // Fixed width, so that names sort by number.
        let name = format!("{journal}-{:016x}{SUFFIX}", first.number());
        let before_first = first.number().saturating_sub(1);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&salt);
        head.extend_from_slice(&frame::write(&salt, FIRST, before_first, &[]));
        head.extend_from_slice(&frame::write(&salt, MARK, acknowledged.number(), &[]));
        let file = files.append(&name)?;
        // What an attempt before this one left here, and could not remove, is in front of nothing.
        file.truncate(0)?;
        // Durable before the first record, so that damage to it is never the work of a crash.
        if let Err(error) = file.append(&head).and_then(|()| file.sync()) {
            // Left behind, it is overwritten by the next attempt; read before that, it is a torn header, or a segment
            // without records.
            let _ = files.remove(&name);
            return Err(error.into());
        }
        Ok(Self { name, file, salt, before_first, len: bytes(head.len()), index: Vec::new() })
    }

    /// Reads a segment; `next` is the number that must come first, `last` whether its tail may be torn.
    pub(super) fn load(
        files: &dyn Files,
        name: &str,
        next: Option<Position>,
        last: bool,
    ) -> Result<Loaded, JournalError> {
        let corrupt =
            |offset: usize| JournalError::Corrupt { segment: name.to_owned(), offset: bytes(offset) };
        let content = files.read(name)?.unwrap_or_default();
        let Some((salt, before_first)) = parse_head(&content) else {
            return if last && content.len() < HEAD_BYTES {
                files.remove(name)?;
                Ok(Loaded { segment: None, acknowledged: Position::ZERO, torn: bytes(content.len()) })
            } else {
                Err(corrupt(0))
            };
        };
        if next.is_some_and(|next| next.number() != before_first.saturating_add(1)) {
            return Err(corrupt(0));
        }
        let file = files.append(name)?;
        let mut segment = Self { name: name.to_owned(), file, salt, before_first, len: 0, index: Vec::new() };
        let (whole, acknowledged) = segment.scan(&content);
        let rest = content.get(whole..).unwrap_or(&[]);
        if !rest.is_empty() {
            if !last || segment.goes_on(rest) {
                return Err(corrupt(whole));
            }
            segment.file.truncate(bytes(whole))?;
        }
        segment.len = bytes(whole);
        Ok(Loaded { segment: Some(segment), acknowledged, torn: bytes(rest.len()) })
    }

    /// Indexes frames up to the first that is not whole; the length of them all, and the newest mark.
    fn scan(&mut self, content: &[u8]) -> (usize, Position) {
        let mut acknowledged = Position::ZERO;
        // Behind the first frame, which `parse_head` read.
        let mut rest = content.get(MAGIC.len() + SALT_BYTES + frame::HEAD_BYTES..).unwrap_or(&[]);
        while let Some((frame, after)) = frame::parse(&self.salt, rest) {
            match frame.kind {
                RECORD if frame.number == self.next().number() => {
                    let offset = content.len() - after.len() - frame.content.len();
                    self.index.push(Place { offset: bytes(offset), len: frame.content.len() });
                }
                MARK => acknowledged = acknowledged.max(Position::new(frame.number)),
                _ => break,
            }
            rest = after;
        }
        (content.len() - rest.len(), acknowledged)
    }

    /// Whether a whole frame follows somewhere after the damage: then it is no torn tail.
    fn goes_on(&self, rest: &[u8]) -> bool {
        let next = self.next().number();
        (1..rest.len()).any(|from| {
            rest.get(from..).is_some_and(|tail| {
                // A cheap look before the hash: what could have been written soon after the damaged frame.
                frame::number(tail).is_some_and(|number| number <= next.saturating_add(AHEAD_MAX))
                    && frame::parse(&self.salt, tail).is_some()
            })
        })
    }

    pub(super) fn append(&mut self, record: &[u8]) -> Result<Position, JournalError> {
        let position = self.next();
        let frame = frame::write(&self.salt, RECORD, position.number(), record);
        let offset = self.len + bytes(frame.len() - record.len());
        self.write(&frame)?;
        self.index.push(Place { offset, len: record.len() });
        Ok(position)
    }

    pub(super) fn append_mark(&mut self, up_to: Position) -> Result<(), JournalError> {
        self.write(&frame::write(&self.salt, MARK, up_to.number(), &[]))
    }

    /// Writes a frame or leaves the file as it was; `Stopped` if it could not be put right.
    fn write(&mut self, frame: &[u8]) -> Result<(), JournalError> {
        if let Err(error) = self.file.append(frame) {
            return match self.file.truncate(self.len) {
                Ok(()) => Err(error.into()),
                Err(_) => Err(JournalError::Stopped),
            };
        }
        self.len += bytes(frame.len());
        Ok(())
    }

    pub(super) fn read(&self, position: Position) -> Result<Vec<u8>, JournalError> {
        let at = position.number().saturating_sub(self.first().number());
        let place = usize::try_from(at).ok().and_then(|at| self.index.get(at));
        let corrupt = || JournalError::Corrupt { segment: self.name.clone(), offset: self.len };
        let place = place.ok_or_else(corrupt)?;
        let mut record = vec![0; place.len];
        self.file.read_at(place.offset, &mut record)?;
        Ok(record)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self) -> Arc<dyn Append> {
        Arc::clone(&self.file)
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub(super) const fn first(&self) -> Position {
        Position::new(self.before_first.saturating_add(1))
    }

    pub(super) fn last(&self) -> Position {
        Position::new(self.before_first.saturating_add(bytes(self.index.len())))
    }

    pub(super) fn next(&self) -> Position {
        Position::new(self.last().number().saturating_add(1))
    }
}

fn parse_head(content: &[u8]) -> Option<(Salt, u64)> {
    let rest = content.strip_prefix(MAGIC)?;
    let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
    let (first, rest) = frame::parse(salt, rest)?;
    let (acknowledged, _) = frame::parse(salt, rest)?;
    (first.kind == FIRST && acknowledged.kind == MARK).then_some((*salt, first.number))
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

const MAGIC: &[u8] = b"GLJ1";
/// More records than one segment can hold.
const AHEAD_MAX: u64 = super::SEGMENT_BYTES_MAX;
const SUFFIX: &str = ".log";
const HEAD_BYTES: usize = MAGIC.len() + SALT_BYTES + 2 * frame::HEAD_BYTES;
