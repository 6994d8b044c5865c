//! [`Files`] in memory: for tests, simulated fleets, and clients that may keep nothing.
//!
//! Clones share the content, so dropping an owner and making another one on a clone is a restart.
//! Nothing is ever on disk, so a client that keeps its files here forgets its keys with its process.

use super::{Append, FILE_BYTES_MAX, FileError, FileErrorKind, Files, check_name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Shared = Arc<Mutex<Vec<u8>>>;

/// Files that live as long as the last clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: Arc<Mutex<BTreeMap<String, Shared>>>,
}

impl MemoryFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of its own: what a backup, or an attacker, could put back later.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let copy =
            |(name, file): (&String, &Shared)| (name.clone(), Arc::new(Mutex::new(lock(file).clone())));
        Self { files: Arc::new(Mutex::new(lock(&self.files).iter().map(copy).collect())) }
    }
}

impl Files for MemoryFiles {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        check_name("read", name)?;
        Ok(lock(&self.files).get(name).map(|file| lock(file).clone()))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        check_name("replace", name)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(FileError::new("replace", name, FileErrorKind::TooLarge));
        }
        lock(&self.files).insert(name.to_owned(), Arc::new(Mutex::new(bytes.to_vec())));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        check_name("remove", name)?;
        lock(&self.files).remove(name);
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, FileError> {
        Ok(lock(&self.files).keys().cloned().collect())
    }

    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        check_name("append to", name)?;
        let content = Arc::clone(lock(&self.files).entry(name.to_owned()).or_default());
        Ok(Arc::new(MemoryAppend { name: name.to_owned(), content }))
    }
}

struct MemoryAppend {
    name: String,
    content: Shared,
}

impl Append for MemoryAppend {
    fn append(&self, bytes: &[u8]) -> Result<(), FileError> {
        lock(&self.content).extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), FileError> {
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<(), FileError> {
        lock(&self.content).truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn size(&self) -> Result<u64, FileError> {
        Ok(u64::try_from(lock(&self.content).len()).unwrap_or(u64::MAX))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), FileError> {
        let content = lock(&self.content);
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = content.get(from..).and_then(|rest| rest.get(..out.len()));
        let found = found
            .ok_or_else(|| FileError::io("read", &self.name, std::io::ErrorKind::UnexpectedEof.into()))?;
        out.copy_from_slice(found);
        Ok(())
    }
}

/// Every mutation above is one call on a std container, so a poisoned lock holds whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
