//! Opening a folder that nobody but its owner may read, before anything in it is read.
//!
//! A key that others can read is no key any more: it is refused with the command that would have prevented it, and
//! never repaired silently.

use super::error::{KeysError, KeysErrorKind};
use glacis_host::DirFiles;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Opens the folder, or makes it (mode 0700) where `make` says so.
///
/// # Errors
/// [`KeysErrorKind::NoFolder`] where there is none, [`KeysErrorKind::NotPrivate`] where others may read the folder
/// or a file in it, [`KeysErrorKind::InUse`] where another process has it open.
pub fn open_private(dir: &Path, make: bool) -> Result<DirFiles, KeysError> {
    let fail = |kind, path: &Path, why| KeysError::new(kind, format!("{}: {why}", path.display()));
    if !make && !dir.is_dir() {
        return Err(fail(KeysErrorKind::NoFolder, dir, "no such folder"));
    }
    let files = DirFiles::open(dir)?;
    if !is_private(dir) {
        let why = "others may read this folder; chmod 700 it";
        return Err(fail(KeysErrorKind::NotPrivate, dir, why));
    }
    for entry in dir.read_dir().into_iter().flatten().flatten() {
        if !is_private(&entry.path()) {
            let why = "others may read this file; chmod 600 it";
            return Err(fail(KeysErrorKind::NotPrivate, &entry.path(), why));
        }
    }
    Ok(files)
}

/// Whether only its owner may read or write it.
pub fn is_private(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0)
}
