//! The journal on a failing disk: full, torn writes, failing syncs.

use crate::host;
use crate::journal::{SMALL, all};
use glacis_host::{Append, FileError, Files, MemoryFiles};
use glacis_ledger::{Journal, JournalError};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Files that break on command.
#[derive(Clone, Default)]
struct Faulty {
    files: MemoryFiles,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Bytes until the disk is full; none: never.
    room: Mutex<Option<usize>>,
    sync_fails: AtomicBool,
    truncate_fails: AtomicBool,
    remove_fails: AtomicBool,
    syncs: AtomicU64,
}

fn no_space(name: &str) -> FileError {
    FileError::io("append to", name, io::ErrorKind::StorageFull.into())
}

fn broken(name: &str) -> FileError {
    FileError::io("sync", name, io::Error::other("EIO"))
}

impl Files for Faulty {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read(name)
    }
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.files.replace(name, bytes)
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        if self.faults.remove_fails.load(Ordering::Relaxed) {
            Err(broken(name))
        } else {
            self.files.remove(name)
        }
    }
    fn list(&self) -> Result<Vec<String>, FileError> {
        self.files.list()
    }
    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        let inner = self.files.append(name)?;
        Ok(Arc::new(FaultyAppend { name: name.to_owned(), inner, faults: Arc::clone(&self.faults) }))
    }
}

struct FaultyAppend {
    name: String,
    inner: Arc<dyn Append>,
    faults: Arc<Faults>,
}

impl Append for FaultyAppend {
    fn append(&self, bytes: &[u8]) -> Result<(), FileError> {
        let mut room = self.faults.room.lock().unwrap();
        let Some(left) = room.as_mut() else { return self.inner.append(bytes) };
        let written = bytes.len().min(*left);
        *left -= written;
        self.inner.append(&bytes[..written])?;
        if written < bytes.len() { Err(no_space(&self.name)) } else { Ok(()) }
    }
    fn sync(&self) -> Result<(), FileError> {
        self.faults.syncs.fetch_add(1, Ordering::Relaxed);
        if self.faults.sync_fails.load(Ordering::Relaxed) {
            Err(broken(&self.name))
        } else {
            self.inner.sync()
        }
    }
    fn truncate(&self, len: u64) -> Result<(), FileError> {
        if self.faults.truncate_fails.load(Ordering::Relaxed) {
            Err(broken(&self.name))
        } else {
            self.inner.truncate(len)
        }
    }
    fn size(&self) -> Result<u64, FileError> {
        self.inner.size()
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), FileError> {
        self.inner.read_at(offset, out)
    }
}

fn open(files: &Faulty) -> Journal {
    Journal::open(Arc::new(files.clone()), host(), "edge", SMALL).unwrap().journal
}

/// For every number of bytes that the disk still takes: the error is clear, what was taken before is there, what
/// was refused is not, and the journal goes on when there is room again.
#[test]
fn a_full_disk_refuses_clearly_and_loses_nothing() {
    for room in 0..400 {
        let files = Faulty::default();
        let journal = open(&files);
        journal.append(b"before").unwrap();
        *files.faults.room.lock().unwrap() = Some(room);
        let mut taken = vec![b"before".to_vec()];
        let refused = loop {
            let record = vec![b'x'; 10 + taken.len()];
            match journal.append(&record) {
                Ok(_) => taken.push(record),
                Err(error) => break error,
            }
        };
        assert!(refused.is_disk_full() && refused.to_string().contains("no space left"), "{refused}");
        assert!(!journal.is_stopped());
        let held = |journal: &Journal| all(journal).into_iter().map(|(_, record)| record).collect::<Vec<_>>();
        assert_eq!(held(&journal), taken, "room for {room} bytes");
        assert_eq!(held(&open(&Faulty { files: files.files.snapshot(), ..Faulty::default() })), taken);
        *files.faults.room.lock().unwrap() = None;
        journal.append(b"after").unwrap();
        taken.push(b"after".to_vec());
        assert_eq!(held(&journal), taken);
    }
}

#[test]
fn a_failed_sync_stops_the_journal_for_ever_and_is_never_retried() {
    let files = Faulty::default();
    let journal = open(&files);
    journal.append(b"one").unwrap();
    files.faults.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(journal.sync(), Err(JournalError::SyncFailed(_))));
    let syncs = files.faults.syncs.load(Ordering::Relaxed);
    files.faults.sync_fails.store(false, Ordering::Relaxed);
    assert!(matches!(journal.append(b"two"), Err(JournalError::Stopped)));
    assert!(matches!(journal.sync(), Err(JournalError::Stopped)));
    assert!(journal.is_stopped());
    assert_eq!(files.faults.syncs.load(Ordering::Relaxed), syncs);
    assert_eq!(all(&journal), [(1, b"one".to_vec())], "a stopped journal can be read");
}

#[test]
fn a_failed_sync_at_rotation_stops_the_journal_too() {
    let files = Faulty::default();
    let journal = open(&files);
    journal.append(&[1; 300]).unwrap();
    files.faults.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(journal.append(&[2; 300]), Err(JournalError::SyncFailed(_))));
    files.faults.sync_fails.store(false, Ordering::Relaxed);
    assert!(matches!(journal.append(&[2; 10]), Err(JournalError::Stopped)));
    assert_eq!(all(&journal).len(), 1);
}

#[test]
fn a_torn_write_that_cannot_be_undone_stops_the_journal() {
    let files = Faulty::default();
    let journal = open(&files);
    journal.append(b"one").unwrap();
    *files.faults.room.lock().unwrap() = Some(5);
    files.faults.truncate_fails.store(true, Ordering::Relaxed);
    assert!(matches!(journal.append(b"two"), Err(JournalError::Stopped)));
    *files.faults.room.lock().unwrap() = None;
    assert!(matches!(journal.append(b"three"), Err(JournalError::Stopped)));
    files.faults.truncate_fails.store(false, Ordering::Relaxed);
    let again = Journal::open(Arc::new(files.clone()), host(), "edge", SMALL).unwrap();
    assert_eq!((again.unacknowledged, again.torn_bytes), (1, 5), "the next start cuts it");
}

/// A segment whose head was written in part, and which could not be removed, is begun anew and not appended to.
#[test]
fn leftovers_of_a_segment_that_could_not_be_begun_are_not_built_upon() {
    for room in 0..120 {
        let files = Faulty::default();
        let journal = open(&files);
        journal.append(&[1; 300]).unwrap();
        *files.faults.room.lock().unwrap() = Some(room);
        files.faults.remove_fails.store(true, Ordering::Relaxed);
        let Err(error) = journal.append(&[2; 300]) else {
            panic!("{room} bytes are no room for a head and 300")
        };
        assert!(error.is_disk_full(), "{error}");
        let held = [(1, vec![1; 300])];
        let left = Faulty { files: files.files.snapshot(), ..Faulty::default() };
        assert_eq!(all(&open(&left)), held, "read as they are, leftovers of {room} bytes are no record");
        files.faults.truncate_fails.store(true, Ordering::Relaxed);
        *files.faults.room.lock().unwrap() = None;
        // Where they can be taken away in no way, nothing is written.
        let refused = journal.append(&[2; 300]).is_err();
        files.faults.truncate_fails.store(false, Ordering::Relaxed);
        if refused {
            journal.append(&[2; 300]).unwrap();
        }
        let held = [held[0].clone(), (2, vec![2; 300])];
        assert_eq!(all(&journal), held, "after {room} bytes");
        let left = Faulty { files: files.files.snapshot(), ..Faulty::default() };
        assert_eq!(all(&open(&left)), held, "after {room} bytes and a restart");
    }
}

#[test]
fn sync_is_asked_for_only_when_there_is_something_new() {
    let files = Faulty::default();
    let journal = open(&files);
    let syncs = || files.faults.syncs.load(Ordering::Relaxed);
    let before = syncs();
    journal.sync().unwrap();
    assert_eq!(syncs(), before);
    journal.append(b"one").unwrap();
    assert_eq!(journal.sync().unwrap().number(), 1);
    assert_eq!(journal.sync().unwrap().number(), 1);
    assert_eq!(syncs(), before + 1);
}
