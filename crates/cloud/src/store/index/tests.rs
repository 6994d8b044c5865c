//! Every key is found wherever it is: in memory, half moved, moved, after a restart, after a roll-back.

use super::*;
use crate::store::{Birth, Place, Store};
use glacis_wire::{Realm, TenantId};

const SWEEP: i64 = 32_768;
const _: () = assert!(SWEEP_KEYS == 32_768);

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

fn check(index: &KeyIndex, conn: &Connection, rows: std::ops::Range<i64>) {
    for row in rows.step_by(97) {
        assert_eq!(index.rows(conn, key(row)).unwrap(), [row], "row {row}");
        assert!(index.rows(conn, key(row) ^ 0x10).unwrap().is_empty(), "row {row}");
    }
}

#[test]
fn every_key_is_found_while_it_moves_and_after_a_restart() {
    let store = store();
    let conn = store.conn();
    let rows = 1..(3 * SWEEP);
    conn.execute_batch("BEGIN").unwrap();
    log(conn, rows.clone());
    let mut index = KeyIndex::load(Keyed::Reference, conn, None).unwrap();
    assert_eq!(index.active.len(), 3 * SWEEP_KEYS - 1);
    let mut index_fresh = KeyIndex::empty(Keyed::Reference);
    for row in rows.clone() {
        index_fresh.add(key(row), row);
        if row % 64 == 0 {
            index_fresh.move_due(conn).unwrap();
        }
        if row % 20_011 == 0 {
            check(&index_fresh, conn, 1..row + 1);
        }
    }
    assert!(!index_fresh.filters.is_empty(), "some were moved");
    // One half moved away, as a crash in the middle of a sweep leaves it.
    let again = KeyIndex::load(Keyed::Reference, conn, None).unwrap();
    check_set(&again, conn, rows.clone());
    // Rolled back: the filters have keys too many, the table none.
    conn.execute_batch("ROLLBACK; BEGIN").unwrap();
    log(conn, 1..100);
    index = KeyIndex::load(Keyed::Reference, conn, Some(index_fresh.filters())).unwrap();
    check(&index, conn, 1..100);
    assert!(index.rows(conn, key(50_000)).unwrap().is_empty());
}

/// As [`check`], where a key may be both in memory and in the table.
fn check_set(index: &KeyIndex, conn: &Connection, rows: std::ops::Range<i64>) {
    for row in rows.step_by(97) {
        let found: BTreeSet<i64> = index.rows(conn, key(row)).unwrap().into_iter().collect();
        assert_eq!(found, BTreeSet::from([row]));
    }
}

#[test]
fn a_long_tail_is_moved_before_the_first_use() {
    let store = store();
    let conn = store.conn();
    let rows = 1..(5 * SWEEP);
    conn.execute_batch("BEGIN").unwrap();
    log(conn, rows.clone());
    conn.execute_batch("COMMIT").unwrap();
    catch_up(Keyed::Reference, conn).unwrap();
    let index = KeyIndex::load(Keyed::Reference, conn, None).unwrap();
    assert!(index.active.len() < 2 * SWEEP_KEYS);
    check(&index, conn, rows);
}

#[test]
fn two_rows_of_one_key_are_both_found() {
    let store = store();
    let conn = store.conn();
    let mut index = KeyIndex::empty(Keyed::Event);
    index.add(7, 1);
    index.add(7, 2);
    assert_eq!(index.rows(conn, 7).unwrap(), [1, 2]);
    index.freeze();
    assert_eq!(index.rows(conn, 7).unwrap(), [1, 2]);
    index.move_due(conn).unwrap();
    index.add(7, 3);
    assert_eq!(index.rows(conn, 7).unwrap(), [3, 1, 2]);
}

#[test]
fn whole_generations_are_forgotten_in_steps() {
    let store = store();
    let conn = store.conn();
    let mut index = KeyIndex::empty(Keyed::Event);
    let old = 10;
    for row in [1, 2, 3, (1 << GENERATION_BITS) + old] {
        index.add(row * 1_000, row);
    }
    index.freeze();
    index.move_due(conn).unwrap();
    assert_eq!(
        index.forget(conn, (1 << GENERATION_BITS) - 2, 9).unwrap(),
        0,
        "one row of it may still be there"
    );
    let mut steps = Vec::new();
    for _ in 0..4 {
        steps.push(index.forget(conn, (1 << GENERATION_BITS) - 1, 2).unwrap());
    }
    assert_eq!(steps, [2, 1, 0, 0]);
    assert_eq!(index.filters.len(), 1);
    assert!(index.rows(conn, 1_000).unwrap().is_empty());
    assert_eq!(index.rows(conn, ((1 << GENERATION_BITS) + old) * 1_000).unwrap().len(), 1);
}

#[test]
fn a_filter_lets_few_strangers_pass() {
    let mut filter = Filter::new();
    for row in 0..1 << GENERATION_BITS {
        filter.add(key(row));
    }
    assert!((0..1 << GENERATION_BITS).step_by(101).all(|row| filter.may_have(key(row))));
    let passed = (0..100_000).filter(|row| filter.may_have(key(row + (1 << 30)))).count();
    assert!(passed < 5_000, "{passed} of 100,000");
}
