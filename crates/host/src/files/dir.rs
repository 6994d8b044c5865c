//! [`Files`] on a directory of the file system.
//!
//! Replacement is write to a temporary file, fsync, rename, fsync of the directory. A lock file keeps a second
//! owner out for as long as the value lives; the kernel drops the lock when a process is killed.

use super::{Append, FILE_BYTES_MAX, FileError, FileErrorKind, Files, check_name};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A private directory: made with mode 0700, files with mode 0600, one owner at a time.
#[derive(Debug)]
pub struct DirFiles {
    path: PathBuf,
    dir: File,
    /// Held for its lock; also serialises replacements, which share one temporary name a file.
    lock: Mutex<File>,
}

impl DirFiles {
    /// Opens `path`, making it (and its parents) if there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let shown = path.display().to_string();
        let fail = |cause| FileError::io("open", &shown, cause);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(fail)?;
        let dir = File::open(&path).map_err(fail)?;
        let lock = private().create(true).append(true).open(path.join(LOCK_NAME)).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir, lock: Mutex::new(lock), path }),
            Err(TryLockError::WouldBlock) => Err(FileError::new("open", &shown, FileErrorKind::InUse)),
            Err(TryLockError::Error(cause)) => Err(fail(cause)),
        }
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn replace_io(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let _one_at_a_time = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = self.path.join(format!(".{name}.tmp"));
        let mut file = private().create(true).write(true).truncate(true).open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let renamed = written.and_then(|()| std::fs::rename(&temporary, self.path.join(name)));
        if let Err(cause) = renamed {
            // Best effort: what is left over is never read and is overwritten by the next replacement.
            let _ = std::fs::remove_file(&temporary);
            return Err(cause);
        }
        self.dir.sync_all()
    }
}

impl Drop for DirFiles {
    fn drop(&mut self) {
        // Closing would do, but for a child that another thread starts now: until it runs its program it shares the lock.
        let _gone = self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).unlock();
    }
}

impl Files for DirFiles {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        check_name("read", name)?;
        let fail = |cause| FileError::io("read", name, cause);
        let file = match File::open(self.path.join(name)) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(fail(cause)),
        };
        let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(FileError::new("read", name, FileErrorKind::TooLarge));
        }
        Ok(Some(bytes))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        check_name("replace", name)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(FileError::new("replace", name, FileErrorKind::TooLarge));
        }
        self.replace_io(name, bytes).map_err(|cause| FileError::io("replace", name, cause))
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        check_name("remove", name)?;
        match std::fs::remove_file(self.path.join(name)) {
            Ok(()) => self.dir.sync_all().map_err(|cause| FileError::io("remove", name, cause)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(FileError::io("remove", name, cause)),
        }
    }

    fn list(&self) -> Result<Vec<String>, FileError> {
        let fail = |cause| FileError::io("list", &self.path.display().to_string(), cause);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            // Foreign names (the lock, left-over temporaries) are not ours to show.
            names.extend(name.to_str().filter(|name| check_name("list", name).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        check_name("append to", name)?;
        let fail = |cause| FileError::io("append to", name, cause);
        let path = self.path.join(name);
        let fresh = !path.exists();
        let file = private().create(true).read(true).append(true).open(path).map_err(fail)?;
        if fresh {
            file.sync_all().and_then(|()| self.dir.sync_all()).map_err(fail)?;
        }
        Ok(Arc::new(AppendFile { name: name.to_owned(), file }))
    }
}

struct AppendFile {
    name: String,
    file: File,
}

impl AppendFile {
    fn fail(&self, action: &'static str) -> impl Fn(io::Error) -> FileError + '_ {
        move |cause| FileError::io(action, &self.name, cause)
    }
}

impl Append for AppendFile {
    fn append(&self, bytes: &[u8]) -> Result<(), FileError> {
        // One write(2) in the usual case; `write_all` goes on only after a short one.
        (&self.file).write_all(bytes).map_err(self.fail("append to"))
    }

    fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().map_err(self.fail("sync"))
    }

    fn truncate(&self, len: u64) -> Result<(), FileError> {
        self.file.set_len(len).map_err(self.fail("truncate"))
    }

    fn size(&self) -> Result<u64, FileError> {
        self.file.metadata().map(|meta| meta.len()).map_err(self.fail("measure"))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), FileError> {
        self.file.read_exact_at(out, offset).map_err(self.fail("read"))
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Starts with a dot, so that no name of [`Files`] can meet it.
const LOCK_NAME: &str = ".lock";
