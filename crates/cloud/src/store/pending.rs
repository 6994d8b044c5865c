//! Rows of the log that a transaction has still to write, so that one statement writes many.
//!
//! Each statement opens its table anew, looks for the end and closes again, which costs more than the row itself;
//! and a decision is three rows. So they wait here until the transaction ends or somebody reads the log
//! ([`flush`](Pending::flush)). Nothing here outlives its transaction: a roll-back drops it.

use super::Cell;
use crate::audit::Run;
use crate::error::CloudError;
use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use std::ops::Range;

/// Rows that one statement writes, most first; the last must be 1.
const AT_ONCE: [usize; 4] = [32, 8, 4, 1];

/// Bytes of one table from which on rows wait no longer, and which stay allocated for the next.
///
/// Unit: bytes. Source: more than a usual batch has; a few rows of the size of a message reach it.
const BYTES_MAX: usize = 1 << 20;

/// A table of the log, with columns in the order in which rows are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogTable {
    /// Events.
    Event,
    /// Decisions.
    Decision,
    /// Links of the audit chain.
    Audit,
}

impl LogTable {
    const ALL: [Self; 3] = [Self::Event, Self::Decision, Self::Audit];

    const fn columns(self) -> usize {
        match self {
            Self::Event => 8,
            Self::Decision => 9,
            Self::Audit => 7,
        }
    }

    const fn insert(self) -> &'static str {
        match self {
            Self::Event => {
                "INSERT INTO event (seq, thumbprint, event_id, identity, received, ingested, facts_bytes, \
                 first_decision) VALUES "
            }
            Self::Decision => {
                "INSERT INTO decision (id, seq, proof, standing, reference, ingested, record_bytes, \
                 settled_bytes, shared) VALUES "
            }
            Self::Audit => "INSERT INTO audit (seq, at, kind, row, digest, head, last_row) VALUES ",
        }
    }

    fn statement(self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns()].join(","));
        format!("{}{}", self.insert(), vec![row; rows].join(","))
    }
}

/// Statements, written out once: by table, by how many rows.
#[derive(Debug)]
struct Statements([[String; AT_ONCE.len()]; LogTable::ALL.len()]);

impl Default for Statements {
    fn default() -> Self {
        Self(LogTable::ALL.map(|table| AT_ONCE.map(|rows| table.statement(rows))))
    }
}

/// Rows that wait.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    tables: [Rows; LogTable::ALL.len()],
    statements: Statements,
    /// First decisions that have no entry of the audit chain yet. Their rows may be in their tables.
    pub(crate) run: Option<Run>,
    /// Rows that were flushed since the connection was opened.
    flushed: u64,
    /// A flush failed, and with it the transaction.
    failed: bool,
}

/// Rows of one table, cell after cell.
#[derive(Debug, Default)]
struct Rows {
    cells: Vec<Waiting>,
    bytes: Vec<u8>,
}

/// One cell; bytes lie in the rows' own buffer.
#[derive(Clone, Debug)]
enum Waiting {
    Null,
    Int(i64),
    Blob(Range<usize>),
}

impl Pending {
    /// Lets a row wait. It must have the table's columns; a row that has not fails when it is flushed.
    pub(crate) fn put(&mut self, table: LogTable, row: &[Cell<'_>]) {
        let Some(rows) = self.tables.get_mut(table as usize) else { return };
        for cell in row {
            let waiting = match cell.0 {
                ValueRef::Integer(value) => Waiting::Int(value),
                ValueRef::Blob(bytes) => {
                    let start = rows.bytes.len();
                    rows.bytes.extend_from_slice(bytes);
                    Waiting::Blob(start..rows.bytes.len())
                }
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => Waiting::Null,
            };
            rows.cells.push(waiting);
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.iter().all(|rows| rows.cells.is_empty())
    }

    /// Whether what waits takes so much memory that it should be flushed before more comes.
    pub(crate) fn is_much(&self) -> bool {
        self.tables.iter().any(|rows| rows.bytes.len() >= BYTES_MAX)
    }

    /// Rows that were flushed so far.
    pub(crate) const fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Whether rows that waited were lost, so that the transaction has to be rolled back.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Drops what waits, where the transaction or the savepoint is rolled back.
    pub(crate) fn clear(&mut self) {
        self.tables.iter_mut().for_each(Rows::clear);
        self.run = None;
        self.failed = false;
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self, conn: &Connection) -> Result<(), CloudError> {
        let written = self.write(conn);
        self.failed |= written.is_err();
        written
    }

    fn write(&mut self, conn: &Connection) -> Result<(), CloudError> {
        for (table, statements) in LogTable::ALL.into_iter().zip(&self.statements.0) {
            let Some(rows) = self.tables.get_mut(table as usize) else { continue };
            self.flushed += rows.write(conn, table.columns(), statements)?;
            rows.clear();
        }
        Ok(())
    }
}

impl Rows {
    fn clear(&mut self) {
        self.cells.clear();
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_MAX);
    }

    fn write(
        &self,
        conn: &Connection,
        columns: usize,
        statements: &[String; AT_ONCE.len()],
    ) -> Result<u64, CloudError> {
        let mut left = &*self.cells;
        let mut written = 0;
        for (rows, sql) in AT_ONCE.into_iter().zip(statements) {
            while let Some((now, later)) = left.split_at_checked(rows * columns).filter(|_| !left.is_empty())
            {
                let cells = now.iter().map(|cell| Bound { cell, bytes: &self.bytes });
                let done = conn.prepare_cached(sql)?.execute(rusqlite::params_from_iter(cells))?;
                written += u64::try_from(done).unwrap_or(0);
                left = later;
            }
        }
        Ok(written)
    }
}

/// A waiting cell with the buffer that it names.
struct Bound<'a> {
    cell: &'a Waiting,
    bytes: &'a [u8],
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.cell {
            Waiting::Null => ValueRef::Null,
            Waiting::Int(value) => ValueRef::Integer(*value),
            Waiting::Blob(range) => ValueRef::Blob(self.bytes.get(range.clone()).unwrap_or_default()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Birth, Place, Store};
    use glacis_wire::{Realm, TenantId};

    #[test]
    fn large_rows_are_too_much_to_wait_and_leave_no_memory_behind() {
        let birth = Birth { tenant: TenantId::parse("acme").unwrap(), realm: Realm::Demo };
        let store = Store::open(&Place::Memory, &birth).unwrap();
        let (mut pending, facts) = (Pending::default(), vec![7; BYTES_MAX / 4]);
        let put = |pending: &mut Pending, seq: u64| {
            let number = Cell::int(seq);
            let (id, bytes) = (Cell::blob(&[1; 16]), Cell::blob(&facts));
            pending.put(LogTable::Event, &[number, id, id, id, number, number, bytes, number]);
        };
        for seq in 1..=35 {
            put(&mut pending, seq);
            assert_eq!(pending.is_much(), seq >= 4);
        }
        pending.flush(store.conn()).unwrap();
        assert!(pending.is_empty() && !pending.is_much());
        assert_eq!(pending.flushed(), 35);
        assert!(pending.tables.iter().all(|rows| rows.bytes.capacity() <= BYTES_MAX));
        let sql = "SELECT count(*) FROM event WHERE facts_bytes = ?1";
        let found: i64 = store.conn().query_row(sql, [&facts], |row| row.get(0)).unwrap();
        assert_eq!(found, 35);
    }
}
