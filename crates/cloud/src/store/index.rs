//! Where a random key was stored, without a random page a write.
//!
//! Newest keys are in memory. Once there are [`SWEEP_KEYS`] of them, they are frozen, sorted and written as one
//! *run*: rows of [`CHUNK_KEYS`] keys each, some with every commit, each of them one page at the end of a table.
//! A frozen key stays in memory until its run is complete, so a key is always in one of the two places. What is
//! in a run is found through a filter and the run's first keys, both in memory (`run`).
//!
//! The log is the truth: what no run has yet is read from the log's tail when the store opens, a run that a
//! crash left half written is written anew, and a key only names candidates, whose rows the caller compares.

mod filter;
mod held;
mod run;

use crate::error::CloudError;
use held::Held;
use run::Builder;
pub(crate) use run::Runs;
use rusqlite::Connection;

/// Keys of one run.
///
/// Unit: keys; twice as many are in memory at most. Source: what a hash table of 2^17 places holds; runs of this
/// size are looked through eight at a time.
const SWEEP_KEYS: usize = 114_688;
/// Keys written for each one that is added, so that a run is complete well before the next begins.
const MOVED_A_KEY: usize = 2;
/// Keys of one row of a run. Source: with 12 bytes each, a row fills a page of 4,096 bytes, or half a larger one.
const CHUNK_KEYS: usize = 336;

/// Whose keys a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// Events by thumbprint and event id.
    Event,
    /// Decisions by reference.
    Reference,
}

impl Keyed {
    /// In `key_run`.
    const fn code(self) -> i64 {
        match self {
            Self::Event => 0,
            Self::Reference => 1,
        }
    }

    /// Rows of the log after one, in order.
    const fn tail(self) -> &'static str {
        match self {
            Self::Event => "SELECT seq, thumbprint, event_id FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            Self::Reference => "SELECT id, reference, x'' FROM decision WHERE id > ?1 ORDER BY id LIMIT ?2",
        }
    }

    /// The key of two columns of a row.
    pub(crate) fn key(self, first: &[u8], second: &[u8]) -> i64 {
        let bytes = match self {
            Self::Event => {
                let digest = glacis_seal::hash::sha256_parts(&[first, second]);
                digest.as_bytes().first_chunk().copied()
            }
            Self::Reference => first.first_chunk().copied(),
        };
        // INVARIANT: both have at least eight bytes; the key is a hint, a wrong one would only find nothing.
        i64::from_be_bytes(bytes.unwrap_or_default())
    }
}

/// The keys of one table, in memory and in runs.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    keyed: Keyed,
    active: Held,
    frozen: Held,
    /// The run that `frozen` becomes.
    builder: Option<Builder>,
    runs: Runs,
    /// Keys that may be written before more are added.
    due: usize,
}

impl KeyIndex {
    /// Of a store that has none yet.
    pub(crate) fn empty(keyed: Keyed) -> Self {
        let (active, frozen) = (Held::default(), Held::default());
        Self { keyed, active, frozen, builder: None, runs: Runs::default(), due: 0 }
    }

    /// Reads the log's tail, and of the runs what `known`, those of the index before this one, does not hold.
    pub(crate) fn load(keyed: Keyed, conn: &Connection, known: Runs) -> Result<Self, CloudError> {
        let mut index = Self::empty(keyed);
        index.runs = Runs::load(keyed, conn, known)?;
        tail(keyed, conn, index.runs.last_row(), i64::MAX, |key, row| index.active.add(key, row))?;
        Ok(index)
    }

    /// Rows that may have this key, oldest first; the caller compares them. A node that takes a reference that was
    /// given before must not have its own decision found under it.
    pub(crate) fn rows(&self, conn: &Connection, key: i64) -> Result<Vec<i64>, CloudError> {
        let mut found: Vec<i64> = self.active.rows(key).chain(self.frozen.rows(key)).collect();
        self.runs.find(self.keyed, conn, key, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }

    /// Whether a row may have this key; where none may, none has it.
    pub(crate) fn may_have(&self, key: i64) -> bool {
        self.active.has(key) || self.frozen.has(key) || self.runs.may_have(key)
    }

    /// Takes the key of a row that was just written; rows only grow.
    pub(crate) fn add(&mut self, key: i64, row: i64) {
        self.active.add(key, row);
        if self.builder.is_some() {
            self.due += MOVED_A_KEY;
        } else if self.active.len() >= SWEEP_KEYS {
            self.freeze();
        }
    }

    fn freeze(&mut self) {
        self.frozen = std::mem::take(&mut self.active);
        self.builder = Some(Builder::new(self.runs.next_run(), self.frozen.all()));
        self.due = 0;
    }

    /// The runs, for the index that takes this one's place.
    pub(crate) fn take_runs(&mut self) -> Runs {
        std::mem::take(&mut self.runs)
    }

    /// Forgets runs whose rows all lie at or below `last`, and removes at most `limit` keys of forgotten ones;
    /// says how many it removed.
    pub(crate) fn forget(&mut self, conn: &Connection, last: i64, limit: usize) -> Result<usize, CloudError> {
        self.runs.forget(self.keyed, conn, last, limit.div_ceil(CHUNK_KEYS)).map(|rows| rows * CHUNK_KEYS)
    }

    /// Writes what is due of the run that is being built, inside the open transaction.
    pub(crate) fn move_due(&mut self, conn: &Connection) -> Result<(), CloudError> {
        let Some(builder) = &mut self.builder else { return Ok(()) };
        while self.due >= CHUNK_KEYS && !builder.is_complete() {
            self.due -= CHUNK_KEYS;
            builder.write(self.keyed, conn, &mut self.runs)?;
        }
        if builder.is_complete() {
            builder.finish(self.keyed, conn, &mut self.runs)?;
            self.builder = None;
            self.frozen = Held::default();
        }
        Ok(())
    }
}

/// Writes whole runs until the tail is short, each in a transaction of its own: what a store of an older version
/// or one that was restored needs before its first use. Says whether it wrote any.
pub(crate) fn catch_up(keyed: Keyed, conn: &Connection) -> Result<bool, CloudError> {
    let mut runs = Runs::load(keyed, conn, Runs::default())?;
    let mut wrote = false;
    loop {
        let mut keys = Vec::new();
        let limit = i64::try_from(SWEEP_KEYS).unwrap_or(i64::MAX);
        tail(keyed, conn, runs.last_row(), limit, |key, row| keys.push((key, row)))?;
        if keys.len() < SWEEP_KEYS {
            return Ok(wrote);
        }
        wrote = true;
        let transaction = conn.unchecked_transaction()?;
        let mut builder = Builder::new(runs.next_run(), keys);
        while !builder.is_complete() {
            builder.write(keyed, &transaction, &mut runs)?;
        }
        builder.finish(keyed, &transaction, &mut runs)?;
        transaction.commit()?;
    }
}

/// Keys and rows of the log after row `after`, in the order of rows.
fn tail(
    keyed: Keyed,
    conn: &Connection,
    after: i64,
    limit: i64,
    mut take: impl FnMut(i64, i64),
) -> Result<(), CloudError> {
    let mut statement = conn.prepare(keyed.tail())?;
    let mut rows = statement.query((after, limit))?;
    while let Some(row) = rows.next()? {
        let blob = |at| row.get_ref(at)?.as_blob().map_err(|_| CloudError::corrupt("a key column"));
        take(keyed.key(blob(1)?, blob(2)?), row.get(0)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
