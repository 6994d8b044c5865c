//! Records between an answer and their shipping, in append-only segments.
//!
//! [`Journal::append`] returns after one write(2): the record survives kill -9 from then on, and power loss from
//! the next [`Journal::sync`] on, which the owner calls at its own pace. [`Journal::acknowledge`] drops whole
//! segments. On opening, a torn tail (what a crash can leave) is cut and reported; damage before the last whole
//! record is an error, since cutting there would lose acknowledged records.
//!
//! A failed sync stops the journal for ever: the kernel may have dropped the pages, and a second sync that
//! succeeds proves nothing. A full disk, or the journal's own size limit, fails the append and nothing else.

mod frame;
mod segment;

use glacis_host::{FileError, FileErrorKind, Files, Host};
use glacis_wire::limits::RECORD_BYTES_MAX;
use segment::{Loaded, Segment};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Number of a record: from 1, in order of appending, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first record.
    pub const ZERO: Self = Self(0);

    /// From its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// How large a journal may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// A segment that would exceed this is followed by a new one. Unit: bytes.
    /// Range: 1 ..= [`SEGMENT_BYTES_MAX`], sensibly at least 256 KiB; one record always fits.
    pub segment_bytes: u64,
    /// Appends that would exceed this in all segments together fail. Unit: bytes. At least two segments.
    pub total_bytes: u64,
}

/// Largest segment. Unit: bytes. A segment is read whole when it is opened.
pub const SEGMENT_BYTES_MAX: u64 = 32 << 20;

impl Default for JournalLimits {
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, total_bytes: 256 << 20 }
    }
}

/// An append-only file of records. Share it by `Arc`; all calls take `&self`.
pub struct Journal {
    files: Arc<dyn Files>,
    host: Arc<dyn Host>,
    name: String,
    limits: JournalLimits,
    inner: Mutex<Inner>,
    /// One sync at a time, so that none returns before the data that it speaks of is safe.
    syncing: Mutex<()>,
}

struct Inner {
    /// Oldest first, never empty; the last one is written to.
    segments: VecDeque<Segment>,
    acknowledged: Position,
    synced: Position,
    stopped: bool,
}

/// A journal with what was found when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The journal.
    pub journal: Journal,
    /// Records that nobody acknowledged yet; read them with [`Journal::read_after`].
    pub unacknowledged: u64,
    /// Bytes of a torn tail that were cut; zero after a clean end.
    pub torn_bytes: u64,
}

impl Journal {
    /// Opens the journal `name` in `files`, making it if there is none.
    pub fn open(
        files: Arc<dyn Files>,
        host: Arc<dyn Host>,
        name: &str,
        limits: JournalLimits,
    ) -> Result<Opened, JournalError> {
        let fits =
            limits.segment_bytes <= SEGMENT_BYTES_MAX && limits.total_bytes / 2 >= limits.segment_bytes;
        if !fits {
            return Err(JournalError::Limits);
        }
        let mut segments = VecDeque::new();
        let (mut acknowledged, mut torn_bytes) = (Position::ZERO, 0);
        let names: Vec<String> =
            files.list()?.into_iter().filter(|file| segment::is_of(file, name)).collect();
        for (at, file) in names.iter().enumerate() {
            let next = segments.back().map(Segment::next);
            let loaded = Segment::load(&*files, file, next, at + 1 == names.len())?;
            let Loaded { segment, acknowledged: to, torn } = loaded;
            torn_bytes += torn;
            acknowledged = acknowledged.max(to);
            segments.extend(segment);
        }
        let inner = Inner { segments, acknowledged, synced: Position::ZERO, stopped: false };
        let journal = Self {
            files,
            host,
            name: name.to_owned(),
            limits,
            inner: Mutex::new(inner),
            syncing: Mutex::new(()),
        };
        let unacknowledged = journal.settle()?;
        Ok(Opened { journal, unacknowledged, torn_bytes })
    }

    /// Adds a record; it survives kill -9 when this returns.
    pub fn append(&self, record: &[u8]) -> Result<Position, JournalError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(JournalError::RecordTooLarge { bytes: record.len() });
        }
        let mut inner = self.running()?;
        let bytes = frame::record_bytes(record.len());
        if inner.total_bytes().saturating_add(bytes) > self.limits.total_bytes {
            return Err(JournalError::Full { limit: self.limits.total_bytes });
        }
        let full =
            |segment: &Segment| segment.len() + bytes > self.limits.segment_bytes && !segment.is_empty();
        if inner.segments.back().is_none_or(full) {
            self.rotate(&mut inner)?;
        }
        let appended = inner.segments.back_mut().map(|segment| segment.append(record));
        inner.checked(appended.unwrap_or(Err(JournalError::Stopped)))
    }

    /// Makes every record appended so far durable against power loss; the newest of them.
    pub fn sync(&self) -> Result<Position, JournalError> {
        let _one_at_a_time = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, last) = {
            let inner = self.running()?;
            match inner.segments.back() {
                Some(segment) if inner.synced < segment.last() => (segment.file(), segment.last()),
                _ => return Ok(inner.synced),
            }
        };
        // Appends go on meanwhile. Older segments were synced when the last one was begun.
        let synced = file.sync();
        let mut inner = self.lock();
        if let Err(cause) = synced {
            inner.stopped = true;
            return Err(JournalError::SyncFailed(cause));
        }
        inner.synced = inner.synced.max(last);
        Ok(inner.synced)
    }

    /// Unacknowledged records after `after`, oldest first: at most `records` of them, and `bytes` in all (but one
    /// record always fits). Works on a stopped journal, too.
    pub fn read_after(
        &self,
        after: Position,
        records: usize,
        bytes: usize,
    ) -> Result<Vec<(Position, Vec<u8>)>, JournalError> {
        let inner = self.lock();
        let mut read = Vec::new();
        let mut size = 0_usize;
        let mut next = after.max(inner.acknowledged).0.saturating_add(1);
        for segment in &inner.segments {
            next = next.max(segment.first().0);
            while next <= segment.last().0 && read.len() < records {
                let record = segment.read(Position(next))?;
                size = size.saturating_add(record.len());
                if size > bytes && !read.is_empty() {
                    return Ok(read);
                }
                read.push((Position(next), record));
                next += 1;
            }
        }
        Ok(read)
    }

    /// Forgets every record up to `up_to`: nothing will be read again, whole segments are removed.
    ///
    /// The mark is kept without a sync; after power loss some records may be read again, so shipping must be
    /// idempotent.
    pub fn acknowledge(&self, up_to: Position) -> Result<(), JournalError> {
        let mut inner = self.running()?;
        let up_to = up_to.min(inner.last());
        if up_to <= inner.acknowledged {
            return Ok(());
        }
        inner.acknowledged = up_to;
        if let Some(segment) = inner.segments.back_mut() {
            // No room for the mark only means that records may be read again.
            let marked = segment.append_mark(up_to);
            inner.stopped |= matches!(marked, Err(JournalError::Stopped));
        }
        while inner.segments.len() > 1
            && inner.segments.front().is_some_and(|segment| segment.last() <= up_to)
        {
            if let Some(segment) = inner.segments.front() {
                self.files.remove(segment.name())?;
            }
            inner.segments.pop_front();
        }
        Ok(())
    }

    /// The newest record.
    pub fn last(&self) -> Position {
        self.lock().last()
    }

    /// The newest record that was acknowledged.
    pub fn acknowledged(&self) -> Position {
        self.lock().acknowledged
    }

    /// Bytes in all segments.
    pub fn total_bytes(&self) -> u64 {
        self.lock().total_bytes()
    }

    /// Whether a failure ended writing for ever.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Makes the first segment where there is none, and what was loaded durable; counts unacknowledged records.
    fn settle(&self) -> Result<u64, JournalError> {
        let mut inner = self.lock();
        if let Some(segment) = inner.segments.back() {
            segment.file().sync().map_err(JournalError::SyncFailed)?;
        } else {
            self.rotate(&mut inner)?;
        }
        // Marks say what was acknowledged; whole segments may be gone before the first one.
        let oldest = inner.segments.front().map_or(0, |segment| segment.first().0.saturating_sub(1));
        inner.acknowledged = inner.acknowledged.max(Position(oldest)).min(inner.last());
        inner.synced = inner.last();
        Ok(inner.last().0 - inner.acknowledged.0)
    }

    /// Begins a new segment; the one before is durable first, so that only the last can have a torn tail.
    fn rotate(&self, inner: &mut Inner) -> Result<(), JournalError> {
        let last = inner.last();
        if let Some(segment) = inner.segments.back() {
            if let Err(cause) = segment.file().sync() {
                inner.stopped = true;
                return Err(JournalError::SyncFailed(cause));
            }
            inner.synced = inner.synced.max(last);
        }
        let first = Position(last.0.checked_add(1).ok_or(JournalError::Stopped)?);
        let segment = Segment::create(&*self.files, &*self.host, &self.name, first, inner.acknowledged)?;
        inner.segments.push_back(segment);
        Ok(())
    }

    fn running(&self) -> Result<MutexGuard<'_, Inner>, JournalError> {
        let inner = self.lock();
        if inner.stopped { Err(JournalError::Stopped) } else { Ok(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code between a file operation and the bookkeeping of it can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({})", self.name)
    }
}

impl Inner {
    fn last(&self) -> Position {
        self.segments.back().map_or(Position::ZERO, Segment::last)
    }

    fn total_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Stops the journal if the segment could not be put right again.
    fn checked<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        self.stopped |= matches!(result, Err(JournalError::Stopped));
        result
    }
}

/// Why a journal refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The record is over [`RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes is over the limit of {RECORD_BYTES_MAX}")]
    RecordTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The journal reached its own limit; it takes records again when some are acknowledged.
    #[error("the journal reached its limit of {limit} bytes; nothing was lost, nothing more is taken")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// A file operation failed; [`is_disk_full`](Self::is_disk_full) tells the usual cause. Nothing was appended.
    #[error(transparent)]
    Files(#[from] FileError),
    /// Data could not be made durable; the journal is stopped for ever.
    #[error("the journal stopped, since records may not be durable: {0}")]
    SyncFailed(#[source] FileError),
    /// The journal was stopped by an earlier failure. It can still be read.
    #[error("the journal is stopped")]
    Stopped,
    /// A segment is damaged before its last whole record, or missing.
    #[error("segment `{segment}` is damaged at byte {offset}")]
    Corrupt {
        /// Which segment.
        segment: String,
        /// Where.
        offset: u64,
    },
    /// The limits cannot be kept: see [`JournalLimits`].
    #[error("a segment may be at most half of the journal and at most {SEGMENT_BYTES_MAX} bytes")]
    Limits,
    /// The salt of a segment could not be drawn.
    #[error("no entropy")]
    Entropy,
}

impl JournalError {
    /// Whether the disk (or the quota) is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Files(error) if error.kind() == FileErrorKind::Full)
    }
}
