//! Files read to a limit and written whole or not at all.
//!
//! A new file is made beside its place, synced and moved there; on a full disk, or where the process ends, the old one is
//! as it was and what was left beside it is removed with the next attempt. Nothing here knows what is in a file.

use crate::error::{ServeError, ServeErrorKind};
use glacis_wire::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file of at most `most` bytes, with the time that it was changed.
///
/// # Errors
/// If it is not there, cannot be read, or is longer.
pub fn read_bounded(path: &Path, most: usize) -> Result<(Vec<u8>, Timestamp), ServeError> {
    let failed = |error: std::io::Error| {
        ServeError::new(ServeErrorKind::Missing, format!("cannot read `{}`: {error}", path.display()))
    };
    let file = File::open(path).map_err(failed)?;
    let changed = file.metadata().and_then(|meta| meta.modified()).map_err(failed)?;
    let changed = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let changed = Timestamp::from_ms(u64::try_from(changed.as_millis()).unwrap_or(u64::MAX));
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        let what = format!("`{}` has more than {most} bytes", path.display());
        return Err(ServeError::new(ServeErrorKind::Usage, what));
    }
    Ok((bytes, changed))
}

/// Puts bytes in the place of a file, or makes it; whole or not at all.
///
/// # Errors
/// If the disk or the folder does not let it; the file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    let beside = beside(path);
    let written = make(&beside, bytes, 0o644)
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|error| {
        // What is left of it is of no use; that it may be gone already is no second error.
        let _gone = std::fs::remove_file(&beside);
        failed(path, &error)
    })
}

/// Makes a file that only its owner can read, and never overwrites one.
///
/// # Errors
/// If there is one already, or the disk or the folder does not let it.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    let beside = beside(path);
    let linked = make(&beside, bytes, 0o600).and_then(|()| std::fs::hard_link(&beside, path));
    let _gone = std::fs::remove_file(&beside);
    linked.and_then(|()| sync_folder(path)).map_err(|error| failed(path, &error))
}

fn make(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    // Left behind by a process that ended: the folder is ours to write, so nobody else's.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A hidden name beside a file, of this process.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn failed(path: &Path, error: &std::io::Error) -> ServeError {
    let kind = match error.kind() {
        ErrorKind::AlreadyExists => ServeErrorKind::Exists,
        ErrorKind::NotFound => ServeErrorKind::Missing,
        ErrorKind::PermissionDenied => ServeErrorKind::Permission,
        _ => ServeErrorKind::Failed,
    };
    ServeError::new(kind, format!("cannot write `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_and_a_new_one_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.glacis");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new one").unwrap();
        assert_eq!(read_bounded(&path, 7).unwrap().0, b"new one");
        assert_eq!(read_bounded(&path, 6).unwrap_err().kind(), ServeErrorKind::Usage);
        let key = folder.path().join("key.json");
        write_new(&key, b"secret").unwrap();
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write_new(&key, b"other").unwrap_err().kind(), ServeErrorKind::Exists);
        assert_eq!(std::fs::read(&key).unwrap(), b"secret");
        assert_eq!(folder.path().read_dir().unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no").join("c.glacis");
        assert_eq!(write_whole(&missing, b"x").unwrap_err().kind(), ServeErrorKind::Missing);
        // A folder stands where the file should: the move fails after everything was written.
        let taken = folder.path().join("taken");
        std::fs::create_dir_all(taken.join("inside")).unwrap();
        write_whole(&taken, b"x").unwrap_err();
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
