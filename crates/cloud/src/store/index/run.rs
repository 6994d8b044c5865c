//! Runs: sorted keys in rows of a table, with what memory needs to find one of them by reading one row.
//!
//! A run is written by a [`Builder`], row after row over many commits, and counts only once its line is in
//! `key_run`, written in the transaction of its last row. Rows of a run without such a line are what a crash or
//! a roll-back left; the next builder of that run writes over them and removes what is beyond its end.

use super::filter::{Filter, LANES};
use super::{CHUNK_KEYS, Keyed};
use crate::error::CloudError;
use rusqlite::{Connection, OptionalExtension as _};

/// Rows of one run, as a power of two.
const CHUNK_BITS: u32 = 20;
/// Runs of one group, as a power of two.
const LANE_BITS: u32 = LANES.trailing_zeros();
/// Bytes of a key and its row.
const KEY_BYTES: usize = 12;

impl Keyed {
    const fn chunk(self) -> &'static str {
        match self {
            Self::Event => "SELECT keys FROM event_chunk WHERE id = ?1",
            Self::Reference => "SELECT keys FROM reference_chunk WHERE id = ?1",
        }
    }

    const fn put_chunk(self) -> &'static str {
        match self {
            Self::Event => "INSERT OR REPLACE INTO event_chunk (id, keys) VALUES (?1, ?2)",
            Self::Reference => "INSERT OR REPLACE INTO reference_chunk (id, keys) VALUES (?1, ?2)",
        }
    }

    /// Rows from one on and before another, the first few of them.
    const fn drop_chunks(self) -> &'static str {
        match self {
            Self::Event => {
                "DELETE FROM event_chunk WHERE id IN (SELECT id FROM event_chunk WHERE id >= ?1 AND id < ?2 \
                 ORDER BY id LIMIT ?3)"
            }
            Self::Reference => {
                "DELETE FROM reference_chunk WHERE id IN (SELECT id FROM reference_chunk WHERE id >= ?1 \
                 AND id < ?2 ORDER BY id LIMIT ?3)"
            }
        }
    }
}

/// A complete run.
#[derive(Clone, Debug)]
struct Run {
    run: i64,
    first_row: i64,
    last_row: i64,
    /// First key of each row, in order.
    starts: Vec<i64>,
}

/// Runs that share a filter; `None` before a run is complete and after it was forgotten.
#[derive(Clone, Debug)]
struct Group {
    filter: Filter,
    runs: [Option<Run>; LANES],
}

/// All complete runs of one table. Run `r` is in lane `r % LANES` of group `r / LANES`.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    groups: std::collections::BTreeMap<i64, Group>,
    /// The greatest number that a run had.
    newest: i64,
    last_row: i64,
}

impl Runs {
    /// Reads what the store holds; of runs that `known` has, only that they are still there.
    pub(super) fn load(keyed: Keyed, conn: &Connection, known: Self) -> Result<Self, CloudError> {
        let mut runs = known;
        runs.forget_unfinished();
        let sql = "SELECT run, first_row, last_row, chunks FROM key_run WHERE keyed = ?1 ORDER BY run";
        let mut statement = conn.prepare(sql)?;
        let stored: Vec<[i64; 4]> = statement
            .query_map([keyed.code()], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?
            .collect::<Result<_, _>>()?;
        runs.drop_runs(|run| !stored.iter().any(|[stored, ..]| *stored == run.run));
        (runs.newest, runs.last_row) = stored.last().map_or((0, 0), |[run, _, last, _]| (*run, *last));
        for [run, first_row, last_row, chunks] in stored {
            if runs.run(run).is_none() {
                runs.read(keyed, conn, Run { run, first_row, last_row, starts: Vec::new() }, chunks)?;
            }
        }
        Ok(runs)
    }

    /// Number of the run after the newest.
    pub(super) const fn next_run(&self) -> i64 {
        self.newest + 1
    }

    /// Rows of the log up to here are in runs.
    pub(super) const fn last_row(&self) -> i64 {
        self.last_row
    }

    /// Whether a run may have `key`.
    pub(super) fn may_have(&self, key: i64) -> bool {
        self.groups.values().any(|group| group.filter.lanes(key) != 0)
    }

    /// Appends the rows that have `key`.
    pub(super) fn find(
        &self,
        keyed: Keyed,
        conn: &Connection,
        key: i64,
        found: &mut Vec<i64>,
    ) -> Result<(), CloudError> {
        for group in self.groups.values().rev() {
            let lanes = group.filter.lanes(key);
            if lanes == 0 {
                continue;
            }
            for (lane, run) in group.runs.iter().enumerate().rev() {
                if let Some(run) = run.as_ref().filter(|_| lanes >> lane & 1 == 1) {
                    run.find(keyed, conn, key, found)?;
                }
            }
        }
        Ok(())
    }

    /// Forgets runs up to row `last`, then removes at most `limit` rows of forgotten runs; says how many.
    pub(super) fn forget(
        &mut self,
        keyed: Keyed,
        conn: &Connection,
        last: i64,
        limit: usize,
    ) -> Result<usize, CloudError> {
        let sql = "DELETE FROM key_run WHERE keyed = ?1 AND last_row <= ?2 AND run < ?3";
        // The newest stays: it says how far the log is in runs.
        if conn.prepare_cached(sql)?.execute([keyed.code(), last, self.newest])? > 0 {
            let newest = self.newest;
            self.drop_runs(|run| run.last_row <= last && run.run < newest);
        }
        let oldest = self.all().next().map_or_else(|| self.next_run(), |run| run.run);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(conn.prepare_cached(keyed.drop_chunks())?.execute([i64::MIN, oldest << CHUNK_BITS, limit])?)
    }

    fn all(&self) -> impl Iterator<Item = &Run> {
        self.groups.values().flat_map(|group| group.runs.iter().flatten())
    }

    fn run(&self, run: i64) -> Option<&Run> {
        let (group, lane) = place(run);
        self.groups.get(&group)?.runs.get(lane)?.as_ref()
    }

    /// The group of a run, with an empty filter where it is new.
    fn group(&mut self, run: i64) -> (&mut Group, usize) {
        let (group, lane) = place(run);
        let new = || Group { filter: Filter::new(), runs: [const { None }; LANES] };
        (self.groups.entry(group).or_insert_with(new), lane)
    }

    /// Drops every run for which `gone` holds, with its part of the filter.
    fn drop_runs(&mut self, gone: impl Fn(&Run) -> bool) {
        for group in self.groups.values_mut() {
            for (lane, run) in group.runs.iter_mut().enumerate() {
                if run.as_ref().is_some_and(&gone) {
                    *run = None;
                    group.filter.clear(lane);
                }
            }
        }
        let (building, _) = place(self.next_run());
        self.groups.retain(|at, group| *at == building || group.runs.iter().any(Option::is_some));
    }

    /// Clears what a builder that is gone left in the filter.
    fn forget_unfinished(&mut self) {
        let (building, lane) = place(self.next_run());
        if let Some(group) = self.groups.get_mut(&building) {
            group.filter.clear(lane);
        }
    }

    /// Takes a run that is complete; its keys are in the filter.
    fn put(&mut self, run: Run) {
        self.newest = run.run;
        self.last_row = run.last_row;
        let (group, lane) = self.group(run.run);
        if let Some(free) = group.runs.get_mut(lane) {
            *free = Some(run);
        }
    }

    fn read(&mut self, keyed: Keyed, conn: &Connection, mut run: Run, chunks: i64) -> Result<(), CloudError> {
        let (newest, last_row) = (self.newest, self.last_row);
        let (group, lane) = self.group(run.run);
        for chunk in 0..chunks {
            let keys = chunk_of(keyed, conn, run.run, chunk)?;
            let mut keys = keys.chunks_exact(KEY_BYTES).map(|at| unpack(at).0).peekable();
            run.starts.extend(keys.peek());
            keys.for_each(|key| group.filter.add(lane, key));
        }
        self.put(run);
        (self.newest, self.last_row) = (newest, last_row);
        Ok(())
    }
}

impl Run {
    fn find(
        &self,
        keyed: Keyed,
        conn: &Connection,
        key: i64,
        found: &mut Vec<i64>,
    ) -> Result<(), CloudError> {
        // Equal keys may begin in the row before the first that starts with them.
        let first = self.starts.partition_point(|start| *start < key).saturating_sub(1);
        let end = self.starts.partition_point(|start| *start <= key);
        for chunk in first..end {
            let chunk = i64::try_from(chunk).unwrap_or(i64::MAX);
            let keys = chunk_of(keyed, conn, self.run, chunk)?;
            let (keys, _) = keys.as_chunks::<KEY_BYTES>();
            let from = keys.partition_point(|at| unpack(at).0 < key);
            let equal = keys.iter().skip(from).map(|at| unpack(at)).take_while(|(at, _)| *at == key);
            found.extend(equal.map(|(_, row)| self.first_row.saturating_add(row)));
        }
        Ok(())
    }
}

/// A run that is being written.
#[derive(Debug)]
pub(super) struct Builder {
    run: Run,
    /// Sorted by key.
    keys: Vec<(i64, i64)>,
    written: usize,
}

impl Builder {
    /// Of these keys and their rows.
    pub(super) fn new(run: i64, mut keys: Vec<(i64, i64)>) -> Self {
        keys.sort_unstable();
        let rows = || keys.iter().map(|(_, row)| *row);
        let (first_row, last_row) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
        Self { run: Run { run, first_row, last_row, starts: Vec::new() }, keys, written: 0 }
    }

    /// Whether every key was written.
    pub(super) const fn is_complete(&self) -> bool {
        self.written >= self.keys.len()
    }

    /// Writes the next row.
    pub(super) fn write(
        &mut self,
        keyed: Keyed,
        conn: &Connection,
        runs: &mut Runs,
    ) -> Result<(), CloudError> {
        let keys = self.keys.iter().skip(self.written).take(CHUNK_KEYS);
        let (group, lane) = runs.group(self.run.run);
        let mut bytes = Vec::with_capacity(CHUNK_KEYS * KEY_BYTES);
        for (key, row) in keys.clone() {
            let row = u32::try_from(row - self.run.first_row)
                .map_err(|_| CloudError::corrupt("a gap in the log's numbers"))?;
            bytes.extend_from_slice(&key.to_be_bytes());
            bytes.extend_from_slice(&row.to_be_bytes());
            group.filter.add(lane, *key);
        }
        let chunk = self.run.starts.len();
        let id = id(self.run.run, i64::try_from(chunk).unwrap_or(i64::MAX));
        conn.prepare_cached(keyed.put_chunk())?.execute((id, &bytes))?;
        self.run.starts.extend(keys.clone().next().map(|(key, _)| *key));
        self.written += keys.len();
        Ok(())
    }

    /// Puts the line of the run, in the transaction of its last row.
    pub(super) fn finish(
        &mut self,
        keyed: Keyed,
        conn: &Connection,
        runs: &mut Runs,
    ) -> Result<(), CloudError> {
        let run = &self.run;
        let chunks = i64::try_from(run.starts.len()).unwrap_or(i64::MAX);
        let beyond = [id(run.run, chunks), id(run.run + 1, 0), i64::MAX];
        conn.prepare_cached(keyed.drop_chunks())?.execute(beyond)?;
        let sql = "INSERT INTO key_run (keyed, run, first_row, last_row, chunks) VALUES (?1, ?2, ?3, ?4, ?5)";
        let line = [keyed.code(), run.run, run.first_row, run.last_row, chunks];
        conn.prepare_cached(sql)?.execute(line)?;
        runs.put(run.clone());
        Ok(())
    }
}

const fn id(run: i64, chunk: i64) -> i64 {
    run << CHUNK_BITS | chunk
}

fn place(run: i64) -> (i64, usize) {
    let lane = run & ((1 << LANE_BITS) - 1);
    (run >> LANE_BITS, usize::try_from(lane).unwrap_or(0))
}

fn chunk_of(keyed: Keyed, conn: &Connection, run: i64, chunk: i64) -> Result<Vec<u8>, CloudError> {
    let keys =
        conn.prepare_cached(keyed.chunk())?.query_row([id(run, chunk)], |row| row.get(0)).optional()?;
    keys.ok_or_else(|| CloudError::corrupt(format!("row {chunk} of key run {run}")))
}

/// A key and its row less the run's first.
fn unpack(at: &[u8]) -> (i64, i64) {
    let key = at.first_chunk().map_or(0, |key| i64::from_be_bytes(*key));
    (key, at.last_chunk().map_or(0, |row| i64::from(u32::from_be_bytes(*row))))
}
