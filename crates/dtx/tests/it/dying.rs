//! Files whose process dies, or whose disk is full, at a chosen write.

use glacis_host::{Append, FileError, FileErrorKind, Files, MemoryFiles};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Dies at its `n`th write: that one is done or not done, nothing follows.
#[derive(Clone)]
pub(crate) struct Dying {
    files: MemoryFiles,
    left: Arc<AtomicU32>,
    last_is_done: bool,
}

impl Dying {
    pub(crate) fn at(files: &MemoryFiles, nth: u32, last_is_done: bool) -> Self {
        Self { files: files.clone(), left: Arc::new(AtomicU32::new(nth)), last_is_done }
    }

    fn write(&self, name: &str, write: impl FnOnce() -> Result<(), FileError>) -> Result<(), FileError> {
        let dead = FileError::new("write", name, FileErrorKind::Io);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Err(_) => return Err(dead),
            Ok(1) if !self.last_is_done => return Err(dead),
            Ok(_) => write()?,
        }
        if self.left.load(Ordering::Relaxed) == 0 { Err(dead) } else { Ok(()) }
    }
}

impl Files for Dying {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read(name)
    }
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.write(name, || self.files.replace(name, bytes))
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.write(name, || self.files.remove(name))
    }
    fn list(&self) -> Result<Vec<String>, FileError> {
        self.files.list()
    }
    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        self.files.append(name)
    }
}

/// A disk that has room for `room` more writes.
#[derive(Clone)]
pub(crate) struct Filling {
    files: MemoryFiles,
    room: Arc<AtomicU32>,
}

impl Filling {
    pub(crate) fn new(files: &MemoryFiles, room: u32) -> Self {
        Self { files: files.clone(), room: Arc::new(AtomicU32::new(room)) }
    }

    /// Somebody makes room, or fills it.
    pub(crate) fn set_room(&self, room: u32) {
        self.room.store(room, Ordering::Relaxed);
    }
}

impl Files for Filling {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read(name)
    }
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        match self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)) {
            Ok(_) => self.files.replace(name, bytes),
            Err(_) => Err(FileError::io("replace", name, std::io::ErrorKind::StorageFull.into())),
        }
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.files.remove(name)
    }
    fn list(&self) -> Result<Vec<String>, FileError> {
        self.files.list()
    }
    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        self.files.append(name)
    }
}
