//! Copies of a store that is being written, and stores made from such copies.
//!
//! A backup reads one snapshot through a connection of its own, so the writer goes on at full speed; it is built
//! under another name (`NAME.part`) and gets its own only when it is whole and on the disk. A restore makes a
//! *new* store: it overwrites nothing, and refuses a file of another tenant or realm, one that is no backup, and
//! one whose audit chain does not hold.

use crate::audit::Head;
use crate::error::{CloudError, CloudErrorKind};
use crate::store::lock::beside;
use crate::store::{Birth, Place, Store, cannot_open};
use glacis_seal::Context;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages copied at once, between which the disk serves the writer.
const STEP_PAGES: i32 = 512;

/// What a backup or a restored store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the file.
    pub bytes: u64,
    /// The end of its audit chain.
    pub head: Head,
}

/// Copies the store at `from`, which a writer of this process may be writing, to the new file `to`.
pub(crate) fn backup(from: &Path, to: &Path) -> Result<Copied, CloudError> {
    let part = Part::begin(to)?;
    let head = copy_snapshot(from, &part.path)?;
    part.finish(to, head)
}

/// Makes the new store `to` of the backup `from`, for whom `birth` says.
pub fn restore(from: &Path, to: &Path, birth: &Birth) -> Result<Copied, CloudError> {
    if beside(from, "-wal").exists() {
        let detail = format!(
            "`{}` has a log beside it: it is a store in use, not a backup; make one with `glacis backup`",
            from.display()
        );
        return Err(CloudError::new(CloudErrorKind::NotAStore, detail));
    }
    if beside(to, "-wal").exists() {
        return Err(exists(to));
    }
    let part = Part::begin(to)?;
    part.fill(from)?;
    let store = Store::open(&Place::File(&part.path), birth)?;
    let context = Context::new(birth.tenant.clone(), birth.realm);
    let report = crate::audit::verify_whole(store.conn(), &context)?;
    if let Some(fault) = report.fault {
        let detail = format!("the audit chain of `{}` does not hold: {fault}", from.display());
        return Err(CloudError::corrupt(detail));
    }
    single_file(store.conn())?;
    drop(store);
    part.finish(to, report.head)
}

fn copy_snapshot(from: &Path, to: &Path) -> Result<Head, CloudError> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.busy_timeout(Duration::from_secs(5))?;
    source.pragma_update(None, "query_only", true)?;
    // The first read fixes what is copied; the writer's later commits go by it.
    let snapshot = source.unchecked_transaction()?;
    let head = Head::load(&snapshot)?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    {
        let copy = Backup::new(&snapshot, &mut target)?;
        loop {
            match copy.step(STEP_PAGES)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
    single_file(&target)?;
    let copied = Head::load(&target)?;
    if copied != head {
        return Err(CloudError::corrupt("the copy does not end where the store did"));
    }
    target.close().map_err(|(_connection, error)| CloudError::from(error))?;
    Ok(head)
}

/// Takes the log into the file, so that the file alone is all.
fn single_file(conn: &Connection) -> Result<(), CloudError> {
    let mode: String = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode == "delete" { Ok(()) } else { Err(CloudError::corrupt("the copy still has a log of its own")) }
}

/// A file that is not whole yet; removed unless it was finished.
struct Part {
    path: PathBuf,
    /// Keeps a second writer of the same part away.
    held: Option<File>,
}

impl Part {
    fn begin(to: &Path) -> Result<Self, CloudError> {
        if to.exists() {
            return Err(exists(to));
        }
        let path = beside(to, ".part");
        let failed = |error| cannot_open(&path, error);
        let taken = || {
            let detail = format!("`{}` is being written by another process", to.display());
            CloudError::new(CloudErrorKind::Storage, detail)
        };
        let left = match path.symlink_metadata() {
            Ok(meta) if meta.is_file() => Some(File::open(&path).map_err(failed)?),
            _ => None,
        };
        if left.as_ref().is_some_and(|left| left.try_lock().is_err()) {
            return Err(taken());
        }
        // What a crash left of an earlier try is worth nothing, and it may be a file that somebody else can write.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let held = options.open(&path).map_err(failed)?;
        if held.try_lock().is_err() {
            return Err(taken());
        }
        Ok(Self { path, held: Some(held) })
    }

    /// Fills it with a copy of `from`, whose permissions are not taken over.
    fn fill(&self, from: &Path) -> Result<(), CloudError> {
        let mut source = File::open(from).map_err(|error| cannot_open(from, error))?;
        let mut target = self.held.as_ref().ok_or_else(|| CloudError::corrupt("the part is gone"))?;
        let copied = std::io::copy(&mut source, &mut target);
        copied.map(|_bytes| ()).map_err(|error| cannot_open(&self.path, error))
    }

    /// Puts the whole file on the disk, then gives it its name, which nobody else may have taken meanwhile.
    fn finish(mut self, to: &Path, head: Head) -> Result<Copied, CloudError> {
        let failed = |error| cannot_open(&self.path, error);
        let file = File::open(&self.path).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        std::fs::hard_link(&self.path, to).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(to),
            _ => cannot_open(to, error),
        })?;
        self.remove();
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| cannot_open(folder, error))?;
        Ok(Copied { bytes, head })
    }

    fn remove(&mut self) {
        if self.held.take().is_some() {
            for suffix in ["", "-wal", "-shm", "-lock", "-journal"] {
                // Most of them were never there.
                let _ = std::fs::remove_file(beside(&self.path, suffix));
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.remove();
    }
}

fn exists(path: &Path) -> CloudError {
    let detail = format!("`{}` exists already; nothing is overwritten, name another file", path.display());
    CloudError::new(CloudErrorKind::Conflict, detail)
}
