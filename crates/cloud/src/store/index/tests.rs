//! Every key is found wherever it is: in memory, half written, in a run, after a restart, after a roll-back.

use super::filter::{Filter, LANES, mix};
use super::*;
use crate::store::{Birth, Place, Store};
use glacis_wire::{Realm, TenantId};
use std::collections::BTreeSet;

const SWEEP: i64 = 114_688;
const _: () = assert!(SWEEP_KEYS == 114_688);

fn store() -> Store {
    let birth = Birth { tenant: TenantId::parse("acme").unwrap(), realm: Realm::Demo };
    Store::open(&Place::Memory, &birth).unwrap()
}

fn reference(row: i64) -> [u8; 8] {
    (mix(row.cast_unsigned()) & !0xF).to_be_bytes()
}

fn key(row: i64) -> i64 {
    Keyed::Reference.key(&reference(row), &[])
}

/// Writes the rows of the log that the index is derived from.
fn log(conn: &Connection, rows: std::ops::Range<i64>) {
    let sql = "INSERT INTO decision (id, seq, standing, reference, ingested, record_bytes, settled_bytes, shared) \
               VALUES (?1, ?1, 1, ?2, 0, x'', x'', 1)";
    for row in rows {
        conn.prepare_cached(sql).unwrap().execute((row, reference(row))).unwrap();
    }
}

fn load(conn: &Connection) -> KeyIndex {
    KeyIndex::load(Keyed::Reference, conn, Runs::default()).unwrap()
}

/// Adds rows as batches of 64 decisions do.
fn add(index: &mut KeyIndex, conn: &Connection, rows: std::ops::Range<i64>) {
    for row in rows {
        index.add(key(row), row);
        if row % 64 == 0 {
            index.move_due(conn).unwrap();
        }
    }
}

/// Every 97th row is found, and only it; keys that no row has are not.
fn check(index: &KeyIndex, conn: &Connection, rows: std::ops::Range<i64>) {
    for row in rows.step_by(97) {
        let found: BTreeSet<i64> = index.rows(conn, key(row)).unwrap().into_iter().collect();
        assert_eq!(found, BTreeSet::from([row]));
        assert!(index.may_have(key(row)));
        assert!(index.rows(conn, key(row) ^ 0x10).unwrap().is_empty(), "row {row}");
    }
}

#[test]
fn every_key_is_found_while_it_moves_and_after_a_restart() {
    let store = store();
    let conn = store.conn();
    // The second run is begun at two sweeps and complete half a sweep later.
    let rows = 1..(2 * SWEEP + SWEEP / 4);
    conn.execute_batch("BEGIN").unwrap();
    log(conn, rows.clone());
    assert_eq!(load(conn).active.len(), 2 * SWEEP_KEYS + SWEEP_KEYS / 4 - 1, "no run yet");
    let mut index = KeyIndex::empty(Keyed::Reference);
    for part in 0..9 {
        let from = 1 + part * (SWEEP / 4);
        add(&mut index, conn, from..(from + SWEEP / 4).min(rows.end));
        check(&index, conn, 1..(from + SWEEP / 4).min(rows.end));
    }
    assert_eq!(index.runs.last_row(), SWEEP);
    assert!(index.builder.as_ref().is_some_and(|builder| !builder.is_complete()), "one is half written");
    // As a crash in the middle of a run leaves it; then the run is written anew, over what is there.
    let mut again = load(conn);
    check(&again, conn, rows.clone());
    log(conn, rows.end..4 * SWEEP);
    add(&mut again, conn, rows.end..4 * SWEEP);
    assert!(again.runs.last_row() > SWEEP);
    check(&again, conn, 1..4 * SWEEP);
    check(&load(conn), conn, 1..4 * SWEEP);
}

#[test]
fn a_roll_back_takes_runs_back_that_it_made() {
    let store = store();
    let conn = store.conn();
    let rows = 1..SWEEP + SWEEP / 2 + 1_000;
    conn.execute_batch("BEGIN").unwrap();
    log(conn, 1..SWEEP + 64);
    let mut index = KeyIndex::empty(Keyed::Reference);
    add(&mut index, conn, 1..SWEEP + 64);
    conn.execute_batch("COMMIT; BEGIN").unwrap();
    log(conn, SWEEP + 64..rows.end);
    add(&mut index, conn, SWEEP + 64..rows.end);
    assert_eq!(index.runs.last_row(), SWEEP);
    conn.execute_batch("ROLLBACK").unwrap();
    let mut again = KeyIndex::load(Keyed::Reference, conn, index.take_runs()).unwrap();
    assert_eq!(again.runs.last_row(), 0);
    check(&again, conn, 1..SWEEP + 64);
    assert!(again.rows(conn, key(SWEEP + 500)).unwrap().is_empty());
    log(conn, SWEEP + 64..rows.end);
    add(&mut again, conn, SWEEP + 64..rows.end);
    check(&again, conn, rows);
}

#[test]
fn a_long_tail_is_moved_before_the_first_use() {
    let store = store();
    let conn = store.conn();
    let rows = 1..(2 * SWEEP + 5);
    conn.execute_batch("BEGIN").unwrap();
    log(conn, rows.clone());
    conn.execute_batch("COMMIT").unwrap();
    assert!(catch_up(Keyed::Reference, conn).unwrap());
    assert!(!catch_up(Keyed::Reference, conn).unwrap(), "there is nothing left to write");
    let index = load(conn);
    assert_eq!(index.active.len(), 4);
    check(&index, conn, rows);
}

#[test]
fn all_rows_of_one_key_are_found_also_where_they_fill_whole_rows_of_a_run() {
    let store = store();
    let conn = store.conn();
    let mut index = KeyIndex::empty(Keyed::Event);
    let many = 3 * i64::try_from(CHUNK_KEYS).unwrap();
    index.add(-9, 1);
    (2..many).for_each(|row| index.add(7, row));
    index.add(8, many);
    index.add(i64::MIN, many + 1);
    index.add(i64::MAX, many + 2);
    index.freeze();
    index.due = usize::MAX;
    index.move_due(conn).unwrap();
    assert!(index.builder.is_none() && index.frozen.len() == 0);
    index.add(7, many + 3);
    assert_eq!(index.rows(conn, 7).unwrap(), (2..many).chain([many + 3]).collect::<Vec<_>>(), "oldest first");
    for (key, row) in [(-9, 1), (8, many), (i64::MIN, many + 1), (i64::MAX, many + 2)] {
        assert_eq!(index.rows(conn, key).unwrap(), [row]);
    }
    assert!(index.rows(conn, 9).unwrap().is_empty());
}

#[test]
fn whole_runs_are_forgotten_in_steps_and_the_newest_stays() {
    let store = store();
    let conn = store.conn();
    let mut index = KeyIndex::empty(Keyed::Event);
    let keys = i64::try_from(2 * CHUNK_KEYS).unwrap();
    for run in 0..2 {
        for row in run * keys..(run + 1) * keys {
            index.add(row * 1_000, row);
        }
        index.freeze();
        index.due = usize::MAX;
        index.move_due(conn).unwrap();
    }
    assert_eq!(index.forget(conn, keys - 2, CHUNK_KEYS).unwrap(), 0, "one row of it may still be there");
    let steps = [(); 3].map(|()| index.forget(conn, keys - 1, CHUNK_KEYS).unwrap());
    assert_eq!(steps, [CHUNK_KEYS, CHUNK_KEYS, 0]);
    assert!(index.rows(conn, 1_000).unwrap().is_empty());
    assert_eq!(index.forget(conn, i64::MAX, CHUNK_KEYS).unwrap(), 0, "it says how far the log is in runs");
    assert_eq!(index.rows(conn, keys * 1_000).unwrap(), [keys]);
    let again = KeyIndex::load(Keyed::Event, conn, index.take_runs()).unwrap();
    assert_eq!(again.rows(conn, keys * 1_000).unwrap(), [keys]);
}

#[test]
fn forgetting_leaves_a_run_alone_that_is_being_written() {
    let store = store();
    let conn = store.conn();
    let mut index = KeyIndex::empty(Keyed::Event);
    let keys = i64::try_from(2 * CHUNK_KEYS).unwrap();
    for run in 0..3 {
        for row in run * keys..(run + 1) * keys {
            index.add(row * 1_000, row);
        }
        index.freeze();
        index.due = if run == 2 { CHUNK_KEYS } else { usize::MAX };
        index.move_due(conn).unwrap();
    }
    assert!(index.builder.is_some());
    index.forget(conn, keys, usize::MAX).unwrap();
    index.due = usize::MAX;
    index.move_due(conn).unwrap();
    assert!(index.builder.is_none());
    for row in [keys, 2 * keys, 3 * keys - 1] {
        assert_eq!(index.rows(conn, row * 1_000).unwrap(), [row]);
    }
}

#[test]
fn a_filter_lets_few_strangers_pass() {
    let mut filter = Filter::new();
    for lane in 0..LANES {
        let first = i64::try_from(lane).unwrap() * SWEEP;
        (first..first + SWEEP).for_each(|row| filter.add(lane, key(row)));
        assert!((first..first + SWEEP).step_by(101).all(|row| filter.lanes(key(row)) >> lane & 1 == 1));
    }
    let passed: u32 = (0..100_000).map(|row| filter.lanes(key(row + (1 << 40))).count_ones()).sum();
    assert!(passed < 4_000, "{passed} of 800,000");
}

/// A store in which anything happens.
struct Life<'c> {
    conn: &'c Connection,
    index: KeyIndex,
    /// Rows that are committed, and how many of the first are gone.
    rows: i64,
    gone: i64,
}

impl Life<'_> {
    fn add(&mut self, count: i64) -> i64 {
        let end = self.rows + 1 + count;
        log(self.conn, self.rows + 1..end);
        for row in self.rows + 1..end {
            self.index.add(key(row), row);
        }
        end - 1
    }

    fn reload(&mut self) {
        let runs = self.index.take_runs();
        self.index = KeyIndex::load(Keyed::Reference, self.conn, runs).unwrap();
    }

    /// One thing that happens, chosen by `draw`.
    fn step(&mut self, draw: u64) {
        let count = [64, 500, 20_000, 70_000][usize::try_from(draw >> 8 & 3).unwrap()];
        self.conn.execute_batch("BEGIN").unwrap();
        match draw % 8 {
            // A batch that commits; then, at times, a process that ends.
            0..=2 => {
                self.rows = self.add(count);
                self.index.move_due(self.conn).unwrap();
                self.conn.execute_batch("COMMIT").unwrap();
                if draw % 8 == 2 {
                    self.index = load(self.conn);
                }
            }
            // A batch whose commit fails, after it moved keys.
            3 => {
                self.add(count);
                self.index.move_due(self.conn).unwrap();
                self.conn.execute_batch("ROLLBACK").unwrap();
                self.reload();
            }
            // A batch whose last call was taken back: it commits, and then memory is made anew.
            4 => {
                self.rows = self.add(500);
                self.conn.execute_batch("SAVEPOINT one").unwrap();
                self.add(count);
                self.conn.execute_batch("ROLLBACK TO one; RELEASE one").unwrap();
                self.conn.execute_batch("COMMIT").unwrap();
                self.reload();
            }
            // A step of retention, at times rolled back.
            5 | 6 => {
                let gone = (self.gone + count).min(self.rows - 1).max(0);
                let sql = "DELETE FROM decision WHERE id <= ?1";
                self.conn.execute(sql, [gone]).unwrap();
                self.index.forget(self.conn, gone, 12 * CHUNK_KEYS).unwrap();
                if draw % 8 == 5 {
                    self.conn.execute_batch("COMMIT").unwrap();
                    self.gone = gone;
                } else {
                    self.conn.execute_batch("ROLLBACK").unwrap();
                    self.reload();
                }
            }
            // What a restored store does before its first use.
            _ => {
                self.conn.execute_batch("COMMIT").unwrap();
                catch_up(Keyed::Reference, self.conn).unwrap();
                self.index = load(self.conn);
            }
        }
        assert!(self.index.active.len() + self.index.frozen.len() < 4 * SWEEP_KEYS);
        check(&self.index, self.conn, self.gone + 1..self.rows + 1);
    }
}

#[test]
fn whatever_happens_no_row_is_lost() {
    // Two lives that come to runs, to forgotten runs and to half-written ones within seconds.
    for seed in [7, 10] {
        let store = store();
        let index = KeyIndex::empty(Keyed::Reference);
        let mut life = Life { conn: store.conn(), index, rows: 0, gone: 0 };
        for step in 0..40 {
            life.step(mix(seed << 32 | step));
        }
        assert!(life.index.runs.last_row() > 0, "seed {seed}");
    }
}
