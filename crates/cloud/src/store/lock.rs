//! One owner a store: an advisory lock on a file beside it.
//!
//! The store itself stays open for readers of the same process (a backup reads it while the writer goes on), so
//! its exclusiveness cannot come from SQLite's locks. The lock goes with the process, however that ends.

use crate::error::{CloudError, CloudErrorKind};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Held while the store is open.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: File,
}

impl Lock {
    pub(crate) fn take(store: &Path) -> Result<Self, CloudError> {
        let path = beside(store, "-lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| super::cannot_open(&path, error))?;
        let mut waits = 0..LOCK_WAITS;
        let taken = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if waits.next().is_some() => std::thread::sleep(LOCK_WAIT),
                taken => break taken,
            }
        };
        match taken {
            Ok(()) => Ok(Self { _held: file }),
            Err(TryLockError::WouldBlock) => {
                let detail = format!(
                    "`{}` is open in another process; stop that process, or give this one another store",
                    store.display()
                );
                Err(CloudError::new(CloudErrorKind::Storage, detail))
            }
            Err(TryLockError::Error(error)) => Err(super::cannot_open(&path, error)),
        }
    }
}

/// Pause between two looks whether the lock is free.
const LOCK_WAIT: Duration = Duration::from_millis(20);
/// Looks before the store counts as somebody else's. An owner that has just ended may hold the lock a moment
/// longer: its thread still closes the file, or a child of it has not started its program yet.
const LOCK_WAITS: u32 = 50;

/// The path with something appended to its name.
pub(crate) fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
