//! The core: one store, one owner, domain calls that each are one transaction, and group commit over many.
//!
//! A call either happened wholly or not at all. Memory (features, lists, feed, policies) is derived from the
//! store; a call that touched it and was rolled back marks it stale, and the next call rebuilds it. Inside a
//! batch ([`CloudCore::begin`] … [`CloudCore::commit`]) each call is a savepoint: one that fails does not harm
//! the others, and nothing may be acknowledged before `commit` returned.
//!
//! After a failed fsync the core refuses every further call for ever ([`CloudErrorKind::Stopped`]).

use crate::config::{CloudConfig, CloudKeys, CloudLimits, Enrolling};
use crate::error::{CloudError, CloudErrorKind};
use crate::metrics::Metrics;
use crate::pulse::Tally;
use crate::state::State;
use crate::store::index::Keyed;
use crate::store::pending::Pending;
use crate::store::{Place, Store};
use crate::sweep::is_scarce;
use crate::webhook::Tell;
use glacis_attest::{Anchors, Site};
use glacis_host::Host;
use glacis_seal::Context;
use glacis_wire::Timestamp;
use rusqlite::Connection;
use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The part of the disk quota, one in so many, that the write-ahead log may take where room is scarce.
const LOG_SHARE: u64 = 64;

/// What every domain call may use besides the store.
pub(crate) struct Desk {
    pub(crate) context: Context,
    pub(crate) keys: CloudKeys,
    pub(crate) anchors: Anchors,
    pub(crate) enrolling: Enrolling,
    pub(crate) passkeys: Option<Site>,
    pub(crate) limits: CloudLimits,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) state: State,
    /// Rows of the log that the open transaction has still to write; read the log through [`Tx::log`].
    pub(crate) pending: RefCell<Pending>,
    /// Bytes that the store used when it was last measured.
    pub(crate) used: u64,
    /// Decisions of the open transaction.
    pub(crate) tally: Tally,
    pub(crate) metrics: Arc<Metrics>,
    /// Which verdicts leave a message in the outbox.
    pub(crate) tell: Tell,
}

/// One domain call: the store inside a transaction, the desk, and the time of the call.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) desk: &'a mut Desk,
    /// Never before the newest entry of the log, so that the log's times never go back.
    pub(crate) now: Timestamp,
    touched: bool,
}

impl Tx<'_> {
    /// The store, with every row of event, decision and audit chain in its table.
    pub(crate) fn log(&self) -> Result<&Connection, CloudError> {
        let mut pending = self
            .desk
            .pending
            .try_borrow_mut()
            .map_err(|_| CloudError::invalid("the log is being written"))?;
        if !pending.is_empty() {
            pending.flush(self.conn)?;
        }
        Ok(self.conn)
    }

    /// Memory, to be changed after the rows it is derived from.
    pub(crate) fn state(&mut self) -> &mut State {
        self.touched = true;
        &mut self.desk.state
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], CloudError> {
        glacis_host::entropy::array(&*self.desk.host)
            .map_err(|error| CloudError::new(CloudErrorKind::Entropy, error.to_string()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    /// Each call is a transaction of its own.
    None,
    /// Calls are savepoints of one transaction.
    Open { touched: bool },
    /// The store rolled the open transaction back by itself, for this reason; nothing of it may be acknowledged.
    Lost(CloudErrorKind),
}

/// The cloud without sockets: registry, decisions, lists, policies and audit over one store.
pub struct CloudCore {
    store: Store,
    desk: Desk,
    batch: Batch,
    stale: bool,
    stopped: bool,
}

impl CloudCore {
    /// Opens or makes the store at `place` and loads what is derived from it.
    ///
    /// Refuses a file of another program, of a newer version, of another tenant or realm, and keys that the key
    /// set in force does not name.
    pub fn open(place: &Place<'_>, config: CloudConfig, host: Arc<dyn Host>) -> Result<Self, CloudError> {
        let store = Store::open(place, &config.birth)?;
        let CloudConfig { birth, key_set, keys, anchors, enrolling, passkeys, limits } = config;
        check_families(&enrolling)?;
        let context = Context::new(birth.tenant, birth.realm);
        let state = State::empty(&limits);
        let (tally, metrics) = (Tally::default(), Arc::default());
        let desk = Desk {
            context,
            keys,
            anchors,
            enrolling,
            passkeys,
            limits,
            host,
            state,
            pending: RefCell::default(),
            used: 0,
            tally,
            metrics,
            tell: Tell::default(),
        };
        let mut core = Self { store, desk, batch: Batch::None, stale: false, stopped: false };
        for keyed in [Keyed::Event, Keyed::Reference] {
            if crate::store::index::catch_up(keyed, core.store.conn())? {
                core.store.empty_log()?;
            }
        }
        core.call_unloaded(|tx| tx.plant_key_set(&key_set))?;
        core.reload()?;
        core.desk.check_own_keys()?;
        core.note_collateral()?;
        core.note_issuers()?;
        Ok(core)
    }

    /// Whether a disk error ended all writing of this process.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Time since an arbitrary start, by the clock of the core's host.
    pub(crate) fn monotonic(&self) -> Duration {
        self.desk.host.monotonic()
    }

    /// The tenant and realm that the store was born with.
    pub const fn context(&self) -> &Context {
        &self.desk.context
    }

    pub(crate) const fn desk_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// Starts a batch: calls up to [`commit`](Self::commit) share one transaction and one fsync.
    pub fn begin(&mut self) -> Result<(), CloudError> {
        self.ready()?;
        if self.batch != Batch::None {
            return Err(CloudError::invalid("a batch is already open"));
        }
        self.measure()?;
        self.execute("BEGIN IMMEDIATE")?;
        self.batch = Batch::Open { touched: false };
        Ok(())
    }

    /// Makes all calls of the batch durable. On error none of them happened.
    pub fn commit(&mut self) -> Result<(), CloudError> {
        match std::mem::replace(&mut self.batch, Batch::None) {
            Batch::None => Err(CloudError::invalid("no batch is open")),
            Batch::Lost(kind) => Err(lost(kind)),
            Batch::Open { touched } => {
                let committed = self
                    .check_disk()
                    .and_then(|()| self.move_keys())
                    .and_then(|()| self.flush())
                    .and_then(|()| self.execute("COMMIT"));
                if committed.is_err() {
                    self.roll_back();
                    self.stale |= touched;
                    return committed;
                }
                self.count_decisions();
                self.checkpoint()
            }
        }
    }

    /// Gives a batch up: none of its calls happened.
    pub fn abandon(&mut self) {
        if let Batch::Open { touched } = self.batch {
            self.roll_back();
            self.stale |= touched;
        }
        self.batch = Batch::None;
    }

    /// One domain call: a transaction of its own, or a savepoint of the open batch.
    pub(crate) fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        self.ready()?;
        if self.stale {
            self.reload()?;
        }
        self.call_unloaded(run)
    }

    /// Runs `run` over a consistent view without writing.
    pub(crate) fn read<T>(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        self.ready()?;
        if self.stale {
            self.reload()?;
        }
        self.flush_or_lose()?;
        let now = self.now();
        let mut tx = Tx { conn: self.store.conn(), desk: &mut self.desk, now, touched: false };
        let result = run(&mut tx);
        result.inspect_err(|error| self.see_roll_back(error.kind()))
    }

    /// [`call`](Self::call) for a call that writes nothing before everything that can fail but the disk is done.
    ///
    /// It saves the savepoint, whose journal costs as much as the writing. Should it fail all the same after it
    /// wrote, the whole batch is given up.
    pub(crate) fn call_late<T>(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        if !matches!(self.batch, Batch::Open { .. }) {
            return self.call(run);
        }
        self.ready()?;
        if self.stale {
            self.reload()?;
        }
        if self.desk.pending.get_mut().is_much() {
            self.flush_or_lose()?;
        }
        let now = self.now();
        let before = self.own_changes();
        let mut tx = Tx { conn: self.store.conn(), desk: &mut self.desk, now, touched: false };
        let result = run(&mut tx);
        let call_touched = tx.touched;
        match (&result, &mut self.batch) {
            (Ok(_), Batch::Open { touched }) => *touched |= call_touched,
            (Err(error), _) => {
                let kind = error.kind();
                self.note(kind);
                // Rows that wait are written as well; whoever let one wait touched memory.
                let wrote = call_touched || self.own_changes() != before;
                if wrote || self.desk.pending.get_mut().has_failed() || self.store.conn().is_autocommit() {
                    self.give_up(kind);
                }
            }
            (Ok(_), _) => {}
        }
        result
    }

    /// Rows that were changed, without those of earlier calls that only now were written.
    fn own_changes(&mut self) -> u64 {
        self.store.conn().total_changes() - self.desk.pending.get_mut().flushed()
    }

    /// Writes what earlier calls of the transaction left to be written.
    fn flush(&mut self) -> Result<(), CloudError> {
        self.desk.close_run();
        let flushed = self.desk.pending.get_mut().flush(self.store.conn());
        flushed.inspect_err(|error| self.note(error.kind()))
    }

    /// [`flush`](Self::flush) in the middle of a batch, which is lost where that fails.
    fn flush_or_lose(&mut self) -> Result<(), CloudError> {
        self.flush().inspect_err(|error| self.give_up(error.kind()))
    }

    /// After a failed read: a page that had to make room may have met a full disk, and then the store rolls the
    /// open batch back, whoever asked.
    fn see_roll_back(&mut self, kind: CloudErrorKind) {
        if matches!(self.batch, Batch::Open { .. }) && self.store.conn().is_autocommit() {
            self.give_up(kind);
        }
    }

    /// Rolls the open batch back, of which nothing may be acknowledged any more.
    fn give_up(&mut self, kind: CloudErrorKind) {
        self.roll_back();
        self.batch = Batch::Lost(kind);
        self.stale = true;
    }

    /// Moves what is due of the key indexes, inside the open transaction.
    fn move_keys(&mut self) -> Result<(), CloudError> {
        if self.stale {
            // The indexes may know keys of rows that were rolled back; a run must not name them as its last.
            return Ok(());
        }
        let (conn, state) = (self.store.conn(), &mut self.desk.state);
        let moved = state.events.move_due(conn).and_then(|()| state.references.move_due(conn));
        moved.inspect_err(|error| {
            self.stale = true;
            self.note(error.kind());
        })
    }

    fn call_unloaded<T>(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        let nested = match self.batch {
            Batch::None => false,
            Batch::Open { .. } => true,
            Batch::Lost(kind) => return Err(lost(kind)),
        };
        if nested {
            self.flush_or_lose()?;
        } else {
            self.measure()?;
        }
        self.execute(if nested { "SAVEPOINT one_call" } else { "BEGIN IMMEDIATE" })?;
        let tally = self.desk.tally.mark();
        let now = self.now();
        let mut tx = Tx { conn: self.store.conn(), desk: &mut self.desk, now, touched: false };
        let result = run(&mut tx);
        let touched = tx.touched;
        let result = result.and_then(|value| {
            if !nested {
                self.move_keys()?;
                self.flush()?;
            }
            self.execute(if nested { "RELEASE one_call" } else { "COMMIT" })?;
            Ok(value)
        });
        match (&result, &mut self.batch) {
            (Ok(_), Batch::Open { touched: batch_touched }) => *batch_touched |= touched,
            (Ok(_), _) => {
                self.count_decisions();
                self.checkpoint()?;
            }
            (Err(error), _) => {
                self.desk.tally.back_to(tally);
                let kind = error.kind();
                self.note(kind);
                self.undo(nested, touched, kind);
            }
        }
        result
    }

    /// Takes one failed call back; what the store itself rolled back cannot be told apart from it.
    fn undo(&mut self, nested: bool, touched: bool, kind: CloudErrorKind) {
        self.stale |= touched;
        self.desk.pending.get_mut().clear();
        if !nested {
            self.roll_back();
        } else if self.store.conn().is_autocommit()
            || self.execute("ROLLBACK TO one_call").and_then(|()| self.execute("RELEASE one_call")).is_err()
        {
            self.give_up(kind);
        }
    }

    fn roll_back(&mut self) {
        self.desk.tally = Tally::default();
        self.desk.pending.get_mut().clear();
        if !self.store.conn().is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(%error, "rollback failed; the store is not written any more");
            self.stop();
        }
    }

    fn ready(&self) -> Result<(), CloudError> {
        if self.stopped {
            let detail = "a disk error ended all writing of this process; restart it on sound storage";
            return Err(CloudError::new(CloudErrorKind::Stopped, detail));
        }
        Ok(())
    }

    fn note(&mut self, kind: CloudErrorKind) {
        if kind == CloudErrorKind::Stopped && !self.stopped {
            tracing::error!("disk error on write: no further write in this process");
            self.stop();
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.store.never_sync_again();
    }

    fn execute(&mut self, sql: &str) -> Result<(), CloudError> {
        let done = self.store.conn().prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.map(|_rows| ()).map_err(|error| {
            let error = CloudError::from(error);
            self.note(error.kind());
            error
        })
    }

    /// How much the store uses; the quota is checked against it until it is measured again.
    ///
    /// Where room is scarce little or nothing is written, and so no row would make a measurement or a checkpoint due:
    /// it is measured each time, and a log that takes a part of the room that counts is emptied.
    fn measure(&mut self) -> Result<(), CloudError> {
        self.check_disk()?;
        let quota = self.desk.limits.disk_quota;
        let scarce = is_scarce(self.desk.used, quota);
        let room = if scarce { 0 } else { quota.saturating_sub(self.desk.used) };
        let Some(mut used) = self.store.used_bytes_if_due(room)? else { return Ok(()) };
        if is_scarce(used, quota) && self.store.log_bytes() > quota / LOG_SHARE {
            self.store.empty_log().inspect_err(|error| self.note(error.kind()))?;
            used = self.store.used_bytes()?;
        }
        self.desk.used = used;
        self.desk.metrics.stored(used);
        Ok(())
    }

    /// The decisions of the transaction are durable now.
    fn count_decisions(&mut self) {
        let tally = std::mem::take(&mut self.desk.tally);
        self.desk.metrics.decided(self.now(), &tally);
    }

    pub(crate) fn count_refused(&self) {
        self.desk.metrics.enrolment_refused(self.now());
    }

    pub(crate) fn note_sweep(&self, rows: usize) {
        self.desk.metrics.swept(rows, self.desk.host.now().as_ms());
    }

    /// Counters of this core, to be read by any thread.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.desk.metrics)
    }

    /// The file of a store that has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.store.path()
    }

    fn checkpoint(&mut self) -> Result<(), CloudError> {
        self.store.checkpoint_if_due().inspect_err(|error| self.note(error.kind()))
    }

    /// Stops where the log could not be moved, which another thread does.
    fn check_disk(&mut self) -> Result<(), CloudError> {
        self.store.holds().inspect_err(|error| self.note(error.kind()))
    }

    fn reload(&mut self) -> Result<(), CloudError> {
        let now = self.desk.host.now();
        let held = &mut self.desk.state;
        let runs = [held.events.take_runs(), held.references.take_runs()];
        let loaded = State::load(self.store.conn(), &self.desk, runs, now);
        self.desk.state = loaded.inspect_err(|error| self.see_roll_back(error.kind()))?;
        self.stale = false;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.desk.host.now().max(self.desk.state.newest())
    }

    /// Test support: as if a write had just met this failed fsync.
    #[doc(hidden)]
    pub fn danger_fail_fsync(&mut self) {
        self.note(CloudErrorKind::Stopped);
    }

    /// Test support: the raw connection, for tampering and for page limits.
    #[doc(hidden)]
    pub const fn danger_connection(&self) -> &Connection {
        self.store.conn()
    }
}

/// A family that this build cannot verify refuses the start; it would refuse every device later.
fn check_families(enrolling: &Enrolling) -> Result<(), CloudError> {
    let missing = enrolling.families.iter().find(|family| !glacis_attest::FAMILIES.contains(&&***family));
    missing.map_or(Ok(()), |family| {
        let detail = format!("this build has no verifier of family `{family}`, so nothing of it can enrol");
        Err(CloudError::invalid(detail))
    })
}

fn lost(kind: CloudErrorKind) -> CloudError {
    CloudError::new(kind, "the store gave the whole batch up")
}

impl fmt::Debug for CloudCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudCore")
            .field("context", &self.desk.context)
            .field("batch", &self.batch)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
