//! Moves the write-ahead log into the file beside the writer: a thread with a connection of its own.
//!
//! A pass copies what was committed when it began, page by page, and syncs the file, while the writer goes on
//! appending. SQLite begins the log anew only where nothing is left in it, so the writer moves the short rest itself
//! ([`Store::checkpoint_if_due`](super::Store::checkpoint_if_due)).
//!
//! A pass that met a failed sync is the last one, and the writer learns of it before its next commit: the system
//! may have dropped pages of the file. They are all in the log still, which nobody begins anew any more, and who
//! opens the store next moves them again.

use crate::error::{CloudError, CloudErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the thread does, or is asked to do.
#[derive(Debug)]
enum Stage {
    Idle,
    Asked,
    Running,
    /// It met this, and has ended.
    Failed(String),
    /// It is to end.
    Ending,
}

#[derive(Debug)]
struct Shared {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        // INVARIANT: a stage is replaced as a whole, so one that a panic left is one that was set.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.lock() = stage;
        self.changed.notify_all();
    }

    /// Waits while `waits` holds for the stage.
    fn wait_while(&self, waits: impl Fn(&Stage) -> bool) -> MutexGuard<'_, Stage> {
        self.changed.wait_while(self.lock(), |stage| waits(stage)).unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread. Dropping it waits for a pass that runs; one that was only asked for never begins.
#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread for the store at `path`, which is open and in WAL mode.
    pub(super) fn start(path: &Path) -> Result<Self, CloudError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(Duration::ZERO)?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        // The last word on the log is the writer's.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let shared = Arc::new(Shared { stage: Mutex::new(Stage::Idle), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("glacis-cloud-checkpoint".to_owned())
            .spawn(move || run(&conn, &theirs))
            .map_err(|error| {
                CloudError::new(CloudErrorKind::Storage, "no thread for checkpoints").caused_by(error)
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a pass; one that runs, or that failed, stays what it is.
    pub(super) fn ask(&self) {
        let mut stage = self.shared.lock();
        if matches!(*stage, Stage::Idle) {
            *stage = Stage::Asked;
            self.shared.changed.notify_all();
        }
    }

    /// Whether no pass runs or will run.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(*self.shared.lock(), Stage::Asked | Stage::Running)
    }

    /// Waits for a pass that runs.
    pub(super) fn wait(&self) {
        drop(self.shared.wait_while(|stage| matches!(stage, Stage::Asked | Stage::Running)));
    }

    /// An error if a pass met a failed sync: nothing may be written any more.
    pub(super) fn holds(&self) -> Result<(), CloudError> {
        match &*self.shared.lock() {
            Stage::Failed(detail) => Err(CloudError::new(CloudErrorKind::Stopped, detail.clone())),
            _ => Ok(()),
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        *self.shared.wait_while(|stage| matches!(stage, Stage::Running)) = Stage::Ending;
        self.shared.changed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of checkpoints panicked");
        }
    }
}

fn run(conn: &Connection, shared: &Shared) {
    loop {
        {
            let mut stage = shared.wait_while(|stage| matches!(stage, Stage::Idle));
            match *stage {
                Stage::Asked => *stage = Stage::Running,
                _ => return,
            }
        }
        let stage = match super::checkpoint(conn, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(()) => Stage::Idle,
            Err(error) if error.kind() == CloudErrorKind::Stopped => Stage::Failed(error.detail().to_owned()),
            Err(error) => {
                tracing::warn!(%error, "the log was not checkpointed");
                Stage::Idle
            }
        };
        shared.set(stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Birth, Place, Store};
    use glacis_wire::{Realm, TenantId};

    /// A store whose log has a row, with a thread in this stage and a rest to be moved.
    fn store(path: &Path, stage: Stage) -> Store {
        let birth = Birth { tenant: TenantId::parse("acme").unwrap(), realm: Realm::Demo };
        let mut store = Store::open(&Place::File(path), &birth).unwrap();
        store.conn.execute("REPLACE INTO meta (key, value) VALUES ('row', randomblob(9))", []).unwrap();
        let checkpointer = Checkpointer::start(path).unwrap();
        checkpointer.shared.set(stage);
        (store.checkpointer, store.rest_due) = (Some(checkpointer), true);
        store
    }

    #[test]
    fn what_a_failed_pass_left_is_moved_by_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cloud.db");
        let mut failed = store(&path, Stage::Failed("the disk".to_owned()));
        let file = || std::fs::read(&path).unwrap();
        let before = file();
        for _ in 0..3 {
            assert_eq!(failed.checkpoint_if_due().unwrap_err().kind(), CloudErrorKind::Stopped);
            assert_eq!(failed.empty_log().unwrap_err().kind(), CloudErrorKind::Stopped);
        }
        failed.never_sync_again();
        drop(failed);
        assert!(file() == before, "nor when it closes");
        let mut sound = store(&path, Stage::Idle);
        sound.checkpoint_if_due().unwrap();
        assert!(file() != before, "beside a thread that is idle the rest is moved");
    }
}
