//! The SQLite file: opening, birth marks, migrations, and what a failed write means.
//!
//! WAL with `synchronous = FULL`: a commit that returns is on the disk. A lock beside the file keeps a second
//! process from writing one store. Tenant and realm are fixed at birth and checked at every opening; a file of
//! a newer version is refused before anything in it is touched. This module knows no domain table but `meta`.

pub(crate) mod backup;
mod checkpoint;
pub(crate) mod index;
mod lock;
pub(crate) mod pending;

use crate::error::{CloudError, CloudErrorKind};
use glacis_wire::{Realm, TenantId};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Marks the file as ours (`PRAGMA application_id`): "GLCS".
const APPLICATION_ID: i32 = 0x474C_4353;

/// One script a version, oldest first. Released scripts are never edited; a change appends one.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_birth.sql"),
    include_str!("../migrations/0002_group_commit.sql"),
    include_str!("../migrations/0003_api.sql"),
    include_str!("../migrations/0004_key_runs.sql"),
    include_str!("../migrations/0005_audit_runs.sql"),
    include_str!("../migrations/0006_console.sql"),
    include_str!("../migrations/0007_enrolment.sql"),
    include_str!("../migrations/0008_collateral.sql"),
    include_str!("../migrations/0009_passkeys.sql"),
];

/// Version that this build reads and writes.
pub const SCHEMA_VERSION: u32 = 9;
const _: () = assert!(MIGRATIONS.len() == SCHEMA_VERSION as usize, "one script a version");

/// Statements kept prepared. Range: above the number of distinct statements in this crate.
const STATEMENTS_MAX: usize = 224;

/// How long a statement waits for a backup that holds what it needs.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// Rows changed between two checkpoints of the write-ahead log.
///
/// Unit: rows. Source: about 20 MiB of log with batches of 64 decisions; the writer's part of a checkpoint are two
/// syncs and the pages of a moment, which must be rare beside commits. Checkpoints are ours and not automatic,
/// because SQLite hides the error of an automatic one and a failed fsync must be seen.
const CHECKPOINT_ROWS: u64 = 65_536;

/// Rows changed between two looks at how much the store uses, each of them four statements and a system call.
///
/// Unit: rows. Fewer near the quota: one for each [`MEASURE_BYTES`] that are left.
const MEASURE_ROWS: u64 = 1_024;
/// More than one changed row takes: the facts of an event are at most a message.
const MEASURE_BYTES: u64 = glacis_wire::limits::MESSAGE_BYTES_MAX as u64;

/// Growth of the log that makes a checkpoint due however few rows it has: a single client dirties as many pages for
/// one decision as many together for 64.
///
/// Unit: bytes. Source: so that log and what stays of it are about 100 MiB at most.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// Bytes of log that stay allocated after a checkpoint: rewriting them costs less than growing the file.
const LOG_BYTES_KEPT: i64 = 32 << 20;

/// Where a store lives.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// In a file, made with mode 0600 where it does not exist.
    File(&'a Path),
    /// In memory, for simulations and tests; nothing survives it.
    Memory,
}

/// What is fixed at a store's birth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// Whose data it holds.
    pub tenant: TenantId,
    /// Real or demo.
    pub realm: Realm,
}

/// An open store of the current schema version and the expected birth marks.
#[derive(Debug)]
pub(crate) struct Store {
    /// Moves the log of a store in a file, from the first time on that it is due. It ends before the connection that
    /// has the last word on the log.
    checkpointer: Option<checkpoint::Checkpointer>,
    conn: Connection,
    checkpointed: u64,
    /// Bytes of log that were there already when it was moved to its end last.
    log_kept: u64,
    /// A pass was asked for; what is left after it is the writer's.
    rest_due: bool,
    /// Rows changed when its size was measured last.
    measured: Option<u64>,
    file: Option<StoreFile>,
}

/// Where an open store lies, and what keeps others from opening it. Dropped after the connection.
#[derive(Debug)]
struct StoreFile {
    path: PathBuf,
    wal: PathBuf,
    _lock: lock::Lock,
}

impl Store {
    pub(crate) fn open(place: &Place<'_>, birth: &Birth) -> Result<Self, CloudError> {
        let (mut conn, file) = match place {
            Place::File(path) => {
                let lock = lock::Lock::take(path)?;
                create_private(path)?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let wal = lock::beside(path, "-wal");
                let file = StoreFile { path: path.to_path_buf(), wal, _lock: lock };
                (Connection::open_with_flags(path, flags)?, Some(file))
            }
            Place::Memory => (Connection::open_in_memory()?, None),
        };
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.busy_timeout(BUSY_TIMEOUT)?;
        refuse_foreign(&conn)?;
        set_pragmas(&conn)?;
        migrate(&mut conn)?;
        check_birth(&mut conn, birth)?;
        Ok(Self {
            checkpointer: None,
            conn,
            checkpointed: 0,
            log_kept: 0,
            rest_due: false,
            measured: None,
            file,
        })
    }

    /// The file of a store that has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// After a failed sync the system may have dropped what it could not write, and the next sync would succeed
    /// over the hole. Closing must not move the log into the file then; who opens it next reads what is there.
    pub(crate) fn never_sync_again(&mut self) {
        // A pass that was asked for must not begin any more.
        self.checkpointer = None;
        if let Err(error) = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
            tracing::error!(%error, "the store cannot be kept from a checkpoint when it closes");
        }
    }

    /// [`used_bytes`](Self::used_bytes) where what was written since may be more than a part of `room`.
    pub(crate) fn used_bytes_if_due(&mut self, room: u64) -> Result<Option<u64>, CloudError> {
        let changed = self.conn.total_changes();
        let rows = MEASURE_ROWS.min(room / MEASURE_BYTES);
        if self.measured.is_some_and(|measured| changed - measured < rows) {
            return Ok(None);
        }
        let used = self.used_bytes()?;
        self.measured = Some(changed);
        Ok(Some(used))
    }

    /// Bytes that the store needs on the disk: pages in use and the log. Free pages will be used again.
    pub(crate) fn used_bytes(&self) -> Result<u64, CloudError> {
        let number = |sql| -> Result<u64, CloudError> {
            Ok(uint(self.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
        };
        let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
        Ok(pages.saturating_mul(number("PRAGMA page_size")?) + self.log_bytes())
    }

    /// Bytes of the write-ahead log, which holds a page as often as it was written.
    pub(crate) fn log_bytes(&self) -> u64 {
        let log = self.file.as_ref().and_then(|file| std::fs::metadata(&file.wal).ok());
        log.map_or(0, |log| log.len())
    }

    pub(crate) const fn conn(&self) -> &Connection {
        &self.conn
    }

    /// An error if moving the log met a failed sync: nothing may be written any more.
    pub(crate) fn holds(&self) -> Result<(), CloudError> {
        self.checkpointer.as_ref().map_or(Ok(()), checkpoint::Checkpointer::holds)
    }

    /// Has the log moved into the file once it has grown enough, beside the writer; then moves what was written
    /// meanwhile, so that SQLite begins the log anew.
    pub(crate) fn checkpoint_if_due(&mut self) -> Result<(), CloudError> {
        // A pass may have failed since the commit began; what is left is nobody's then.
        self.holds()?;
        let (changed, log) = (self.conn.total_changes(), self.log_bytes());
        // Cut back when SQLite begins it anew.
        self.log_kept = self.log_kept.min(log);
        let by_rows = changed.saturating_sub(self.checkpointed) >= CHECKPOINT_ROWS;
        let is_due = by_rows || log - self.log_kept >= CHECKPOINT_BYTES;
        let Some(file) = self.file.as_ref().filter(|_| is_due || self.rest_due) else { return Ok(()) };
        if self.checkpointer.is_none() {
            let started = checkpoint::Checkpointer::start(&file.path);
            self.checkpointer =
                started.inspect_err(|error| tracing::warn!(%error, "no thread for checkpoints")).ok();
        }
        // Without the thread, the writer does it all.
        let is_idle = self.checkpointer.as_ref().is_none_or(checkpoint::Checkpointer::is_idle);
        if !is_idle {
            return Ok(());
        }
        match self.checkpointer.as_ref().filter(|_| !self.rest_due) {
            Some(checkpointer) => {
                checkpointer.ask();
                self.rest_due = true;
                Ok(())
            }
            None => {
                (self.rest_due, self.checkpointed, self.log_kept) = (false, changed, log);
                checkpoint(&self.conn, "PRAGMA wal_checkpoint(PASSIVE)")
            }
        }
    }

    /// Moves the log into the file and leaves none, as far as no backup reads it; what it holds counts as used.
    pub(crate) fn empty_log(&self) -> Result<(), CloudError> {
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.wait();
            checkpointer.holds()?;
        }
        // A backup may read for minutes, and the writer does not wait for it.
        self.conn.busy_timeout(Duration::ZERO)?;
        let emptied = checkpoint(&self.conn, "PRAGMA wal_checkpoint(TRUNCATE)");
        self.conn.busy_timeout(BUSY_TIMEOUT)?;
        emptied
    }
}

/// Moves the log into the file. A full disk is no error here: the log keeps the data, and the next attempt comes
/// after as many rows again.
fn checkpoint(conn: &Connection, sql: &str) -> Result<(), CloudError> {
    let done = conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    match done.map_err(CloudError::from) {
        Err(error) if error.kind() == CloudErrorKind::StorageFull => {
            tracing::warn!("disk full: the log was not checkpointed");
            Ok(())
        }
        other => other.map(|_busy| ()),
    }
}

/// SQLite would make the file with the umask's mode; what it holds is nobody else's business.
fn create_private(path: &Path) -> Result<(), CloudError> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_file| ()).map_err(|error| cannot_open(path, error))
}

fn cannot_open(path: &Path, error: std::io::Error) -> CloudError {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => CloudErrorKind::StorageFull,
        _ => CloudErrorKind::Storage,
    };
    CloudError::new(kind, format!("cannot open `{}`: {error}", path.display())).caused_by(error)
}

/// Refuses what is not ours or newer than us, before a pragma can change the file.
fn refuse_foreign(conn: &Connection) -> Result<(), CloudError> {
    let version: u32 = pragma(conn, "user_version")?;
    let application: i32 = pragma(conn, "application_id")?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        let detail = "the file is a database of another program".to_owned();
        return Err(CloudError::new(CloudErrorKind::NotAStore, detail));
    }
    if version > SCHEMA_VERSION {
        let detail = format!(
            "the store has schema version {version}, this build reads up to {SCHEMA_VERSION}; upgrade it"
        );
        return Err(CloudError::new(CloudErrorKind::NewerStore, detail));
    }
    Ok(())
}

fn set_pragmas(conn: &Connection) -> Result<(), CloudError> {
    // Of a new store; one that is there keeps its own. A commit writes half as many pages as with 4,096 bytes.
    conn.pragma_update(None, "page_size", 8_192)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    // One writer makes all rows, and the audit chain shows what is missing; checking each insert again only costs.
    conn.pragma_update(None, "foreign_keys", false)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that grew in a burst, or beside a backup, is cut back to this.
    conn.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    // LIMIT: 8 MiB of page cache; negative = KiB.
    conn.pragma_update(None, "cache_size", -8_192)?;
    Ok(())
}

fn migrate(conn: &mut Connection) -> Result<(), CloudError> {
    let version: u32 = pragma(conn, "user_version")?;
    for (script, to) in MIGRATIONS.iter().zip(1_u32..).skip(usize::try_from(version).unwrap_or(usize::MAX)) {
        let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    Ok(())
}

fn check_birth(conn: &mut Connection, birth: &Birth) -> Result<(), CloudError> {
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tenant = mark(&transaction, "tenant", birth.tenant.as_str())?;
    let realm = mark(&transaction, "realm", birth.realm.name())?;
    transaction.commit()?;
    if realm != birth.realm.name() {
        let detail = format!("the store was born in realm `{realm}`, not `{}`", birth.realm.name());
        return Err(CloudError::new(CloudErrorKind::WrongRealm, detail));
    }
    if tenant != birth.tenant.as_str() {
        let detail = format!("the store belongs to tenant `{tenant}`, not `{}`", birth.tenant);
        return Err(CloudError::new(CloudErrorKind::WrongTenant, detail));
    }
    Ok(())
}

/// Reads a birth mark, writing it where the store has none yet.
fn mark(conn: &Connection, key: &str, value: &str) -> Result<String, CloudError> {
    let kept: Option<Vec<u8>> =
        conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
    match kept {
        Some(bytes) => {
            String::from_utf8(bytes).map_err(|_| CloudError::corrupt(format!("birth mark `{key}`")))
        }
        None => {
            conn.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", (key, value.as_bytes()))?;
            Ok(value.to_owned())
        }
    }
}

fn pragma<T: rusqlite::types::FromSql>(conn: &Connection, name: &str) -> Result<T, CloudError> {
    Ok(conn.pragma_query_value(None, name, |row| row.get(0))?)
}

/// One column of a row that is written and hashed from the same bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a>(pub(crate) ValueRef<'a>);

impl<'a> Cell<'a> {
    pub(crate) const NULL: Self = Self(ValueRef::Null);

    pub(crate) fn int(value: u64) -> Self {
        Self(ValueRef::Integer(int(value)))
    }

    pub(crate) const fn number(value: i64) -> Self {
        Self(ValueRef::Integer(value))
    }

    pub(crate) const fn blob(bytes: &'a [u8]) -> Self {
        Self(ValueRef::Blob(bytes))
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// Times and numbers as SQLite holds them. Above `i64::MAX` there is no time that we keep: saturates.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The inverse of [`int`]; a negative number was never written and reads as zero.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests;
