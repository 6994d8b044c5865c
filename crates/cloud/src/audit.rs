//! The audit chain: one entry for everything that happened, in the transaction in which it happened.
//!
//! An entry holds the kind, the number of the row it speaks of and a digest over that row's bytes; it is a link of
//! a [`glacis_ledger::chain`]. Events with their first decisions, of which there are many, share one entry for all
//! of a commit that follow each other. [`CloudCore::verify_audit`] recomputes every head *and* every row
//! digest from the tables, and compares the number of rows with the number of entries: so a changed, removed or
//! slipped-in row shows as well as a changed entry. What a chain cannot show by itself is its own lost end;
//! [`CloudCore::audit_head`] is there to be written down elsewhere.

use crate::core::{CloudCore, Desk, Tx};
use crate::error::CloudError;
use crate::store::pending::LogTable;
use crate::store::{Cell, int, uint};
use glacis_ledger::chain::{Chain, Link};
use glacis_seal::hash::Sha256;
use glacis_seal::{Context, sha256};
use glacis_wire::{Digest, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

/// What an entry speaks of: a row of the table of this kind. Rows of these tables are never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditKind {
    /// A row of the event log.
    Event,
    /// A decision.
    Decision,
    /// A conflict, a reuse, a fork.
    Incident,
    /// A tier given or taken, with its reason.
    TierChange,
    /// A session opening.
    Opening,
    /// An entry of the revocation feed.
    FeedEntry,
    /// A change of a list.
    ListChange,
    /// What a device reported.
    DeviceRecord,
    /// A key set.
    KeySet,
    /// A signed bundle.
    Bundle,
    /// The source of a policy.
    PolicySource,
    /// Feedback on a decision.
    Feedback,
    /// An access token made.
    Token,
    /// An access token revoked or used up.
    TokenEnd,
    /// Events together with their first decisions; the rows are the decisions'.
    Decided,
    /// What an operator did at an edge, or at the console.
    OperatorAction,
    /// Rows that were swept, as the deletion log tells it.
    Sweep,
    /// A key that came in the place of another.
    Lineage,
    /// What a partner may enrol, as it was set.
    Partner,
    /// Collateral that was taken into force.
    Collateral,
    /// A device that fell with a piece of collateral.
    Reappraisal,
    /// A passkey of a user, registered or removed.
    Passkey,
    /// A passkey of an operator, added.
    OperatorPasskey,
    /// A passkey of an operator, removed.
    OperatorPasskeyEnd,
}

impl AuditKind {
    /// Every kind, in the order of its code.
    pub const ALL: [Self; 24] = [
        Self::Event,
        Self::Decision,
        Self::Incident,
        Self::TierChange,
        Self::Opening,
        Self::FeedEntry,
        Self::ListChange,
        Self::DeviceRecord,
        Self::KeySet,
        Self::Bundle,
        Self::PolicySource,
        Self::Feedback,
        Self::Token,
        Self::TokenEnd,
        Self::Decided,
        Self::OperatorAction,
        Self::Sweep,
        Self::Lineage,
        Self::Partner,
        Self::Collateral,
        Self::Reappraisal,
        Self::Passkey,
        Self::OperatorPasskey,
        Self::OperatorPasskeyEnd,
    ];

    /// The name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Decision => "decision",
            Self::Incident => "incident",
            Self::TierChange => "tier-change",
            Self::Opening => "opening",
            Self::FeedEntry => "feed-entry",
            Self::ListChange => "list-change",
            Self::DeviceRecord => "device-record",
            Self::KeySet => "key-set",
            Self::Bundle => "bundle",
            Self::PolicySource => "policy-source",
            Self::Feedback => "feedback",
            Self::Token => "token",
            Self::TokenEnd => "token-end",
            Self::Decided => "decided",
            Self::OperatorAction => "operator-action",
            Self::Sweep => "sweep",
            Self::Lineage => "lineage",
            Self::Partner => "partner",
            Self::Collateral => "collateral",
            Self::Reappraisal => "reappraisal",
            Self::Passkey => "passkey",
            Self::OperatorPasskey => "operator-passkey",
            Self::OperatorPasskeyEnd => "operator-passkey-end",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.code()) == code)
    }

    const fn row_sql(self) -> &'static str {
        match self {
            Self::Event => {
                "SELECT seq, thumbprint, event_id, identity, received, ingested, facts_bytes, first_decision \
                 FROM event WHERE rowid = ?1"
            }
            Self::Decision | Self::Decided => {
                "SELECT id, seq, proof, standing, reference, ingested, record_bytes, settled_bytes, shared \
                 FROM decision WHERE rowid = ?1"
            }
            Self::Incident => "SELECT * FROM incident WHERE rowid = ?1",
            Self::TierChange => "SELECT * FROM tier_change WHERE rowid = ?1",
            Self::Opening => "SELECT * FROM opening WHERE rowid = ?1",
            Self::FeedEntry => "SELECT * FROM feed_entry WHERE rowid = ?1",
            Self::ListChange => "SELECT * FROM list_change WHERE rowid = ?1",
            Self::DeviceRecord => "SELECT * FROM device_record WHERE rowid = ?1",
            Self::KeySet => "SELECT * FROM key_set WHERE rowid = ?1",
            Self::Bundle => "SELECT * FROM bundle WHERE rowid = ?1",
            Self::PolicySource => "SELECT * FROM policy_source WHERE rowid = ?1",
            Self::Feedback => "SELECT * FROM feedback WHERE rowid = ?1",
            Self::Token => "SELECT * FROM token WHERE rowid = ?1",
            Self::TokenEnd => "SELECT * FROM token_end WHERE rowid = ?1",
            Self::OperatorAction => "SELECT * FROM operator_action WHERE rowid = ?1",
            Self::Sweep => "SELECT * FROM sweep WHERE rowid = ?1",
            Self::Lineage => "SELECT * FROM lineage WHERE rowid = ?1",
            Self::Partner => "SELECT * FROM partner WHERE rowid = ?1",
            Self::Collateral => "SELECT * FROM collateral WHERE rowid = ?1",
            Self::Reappraisal => "SELECT * FROM reappraisal WHERE rowid = ?1",
            Self::Passkey => "SELECT * FROM passkey_change WHERE rowid = ?1",
            Self::OperatorPasskey => "SELECT * FROM operator_passkey WHERE rowid = ?1",
            Self::OperatorPasskeyEnd => "SELECT * FROM operator_passkey_end WHERE rowid = ?1",
        }
    }

    /// Columns that rows were born with; later ones are under the digest where they are not NULL.
    pub(crate) const fn born_columns(self) -> usize {
        match self {
            Self::Event => 7,
            Self::Decision | Self::Decided => 8,
            Self::FeedEntry => 4,
            _ => usize::MAX,
        }
    }

    /// Digest over the stored bytes of the rows of an entry, of first decisions each with its event; none where one
    /// of them is not there.
    fn rows_digest(self, conn: &Connection, rows: RangeInclusive<i64>) -> Result<Option<Digest>, CloudError> {
        let (mut hash, mut bytes) = (Sha256::new(), Vec::new());
        for row in rows {
            let Some(seq) = self.put_row(conn, row, &mut bytes)? else { return Ok(None) };
            if self == Self::Decided && Self::Event.put_row(conn, seq, &mut bytes)?.is_none() {
                return Ok(None);
            }
            hash.update(&bytes);
            bytes.clear();
        }
        Ok(Some(hash.finish()))
    }

    /// Appends what the digest of a row is over; gives the second column where it is a number, or zero.
    fn put_row(self, conn: &Connection, row: i64, out: &mut Vec<u8>) -> Result<Option<i64>, CloudError> {
        let mut statement = conn.prepare_cached(self.row_sql())?;
        let columns = statement.column_count();
        let mut rows = statement.query([row])?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let mut second = 0;
        for at in 0..columns {
            let cell = found.get_ref(at)?;
            if let (1, ValueRef::Integer(value)) = (at, cell) {
                second = value;
            }
            put_cell(at, self.born_columns(), cell, out);
        }
        Ok(Some(second))
    }
}

/// Appends one column: a type byte, the length where it varies, the value.
pub(crate) fn put_cell(at: usize, born: usize, cell: ValueRef<'_>, out: &mut Vec<u8>) {
    let mut sized = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match cell {
        ValueRef::Text(bytes) => sized(3, bytes),
        ValueRef::Blob(bytes) => sized(4, bytes),
        ValueRef::Null if at >= born => {}
        ValueRef::Null => out.push(0),
        ValueRef::Integer(value) => {
            out.push(1);
            out.extend_from_slice(&value.to_be_bytes());
        }
        ValueRef::Real(value) => {
            out.push(2);
            out.extend_from_slice(&value.to_bits().to_be_bytes());
        }
    }
}

/// The end of the chain: how many entries, and the hash over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub seq: u64,
    /// Hash of the last of them, and so of all before it.
    pub digest: Digest,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, digest: Digest::new([0; 32]) }
    }
}

/// Where verification stands, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Entries that hold, from the first.
    pub verified: u64,
    /// What does not hold, in words for an operator; none where all is well.
    pub fault: Option<String>,
    /// The head that the verified entries lead to.
    pub head: Head,
    /// Whether everything was read.
    pub complete: bool,
}

struct Entry {
    seq: u64,
    at: i64,
    kind: i64,
    row: i64,
    /// Of an entry over several rows.
    last_row: Option<i64>,
    digest: Digest,
    head: Digest,
}

/// First decisions that follow each other and will have one entry, which is over them and their events.
#[derive(Debug)]
pub(crate) struct Run {
    first: i64,
    last: i64,
    /// When the last of them was made.
    at: i64,
    hash: Sha256,
}

impl Run {
    /// Decisions of one run at most.
    ///
    /// Unit: decisions. A sweep takes whole runs, so it must be well below what one step of a sweep removes.
    const ROWS_MAX: i64 = 256;
}

/// How the column `shared` of a first decision says where its run begins, so that a sweep can take whole runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InRun {
    /// It is the first, or alone.
    Begins = 1,
    /// It follows the decision with the number before.
    Follows = 2,
}

impl Head {
    pub(crate) fn load(conn: &Connection) -> Result<Self, CloudError> {
        let sql = "SELECT seq, head FROM audit ORDER BY seq DESC LIMIT 1";
        let last: Option<(i64, [u8; 32])> =
            conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(last.map_or(Self::default(), |(seq, hash)| Self { seq: uint(seq) + 1, digest: Digest::new(hash) }))
    }

    /// The chain that goes on from here.
    fn chain(&self, context: &Context) -> Chain {
        match self.seq.checked_sub(1) {
            None => Chain::new(context.clone()),
            Some(seq) => {
                // Going on takes number and hash of the last link; the rest of it is behind us.
                let unread = Digest::new([0; 32]);
                Chain::after(context.clone(), &Link { seq, prev: unread, entry: unread, hash: self.digest })
            }
        }
    }
}

impl Entry {
    /// What the chain links: time, kind, row, the digest, and the last row where there are several.
    fn bytes(&self) -> Vec<u8> {
        let last = self.last_row.map(i64::to_be_bytes);
        let parts: [&[u8]; 5] = [
            &self.at.to_be_bytes(),
            &self.kind.to_be_bytes(),
            &self.row.to_be_bytes(),
            self.digest.as_bytes(),
            last.as_ref().map_or(&[], |last| last),
        ];
        parts.concat()
    }

    /// Whether it is over decision `row`.
    fn is_over(&self, row: i64) -> bool {
        let kinds = [AuditKind::Decision, AuditKind::Decided].map(|kind| i64::from(kind.code()));
        kinds.contains(&self.kind) && self.rows().contains(&row)
    }

    fn rows(&self) -> RangeInclusive<i64> {
        self.row..=self.last_row.unwrap_or(self.row)
    }
}

impl Desk {
    /// Makes the entry of the first decisions that wait for one.
    pub(crate) fn close_run(&mut self) {
        let Some(Run { first, last, at, hash }) = self.pending.get_mut().run.take() else { return };
        let last_row = (last > first).then_some(last);
        self.link(at, AuditKind::Decided, first, last_row, hash.finish());
    }

    fn link(&mut self, at: i64, kind: AuditKind, row: i64, last_row: Option<i64>, digest: Digest) {
        let before = self.state.head;
        let kind = i64::from(kind.code());
        let entry = Entry { seq: before.seq, at, kind, row, last_row, digest, head: before.digest };
        let link = before.chain(&self.context).append(&entry.bytes());
        let cells = [
            Cell::int(link.seq),
            Cell::number(at),
            Cell::number(kind),
            Cell::number(row),
            Cell::blob(digest.as_bytes()),
            Cell::blob(link.hash.as_bytes()),
            last_row.map_or(Cell::NULL, Cell::number),
        ];
        self.pending.get_mut().put(LogTable::Audit, &cells);
        self.state.head = Head { seq: link.seq + 1, digest: link.hash };
    }
}

impl Tx<'_> {
    /// Puts the row `row` of the table of `kind`, which was just written, under the chain.
    pub(crate) fn audit(&mut self, kind: AuditKind, row: i64) -> Result<(), CloudError> {
        let digest = kind.rows_digest(self.conn, row..=row)?.ok_or_else(|| {
            CloudError::corrupt(format!("{} {row} is not there to be audited", kind.name()))
        })?;
        self.audit_digest(kind, row, digest);
        Ok(())
    }

    /// [`audit`](Self::audit) for a caller that has the bytes of the row at hand.
    pub(crate) fn audit_digest(&mut self, kind: AuditKind, row: i64, digest: Digest) {
        let at = int(self.now.as_ms());
        // The chain's head is memory that a roll-back has to load again.
        self.state();
        self.desk.close_run();
        self.desk.link(at, kind, row, None, digest);
    }

    /// Where the first decision `row` will stand in its run, which [`audit_first`](Self::audit_first) puts it into.
    pub(crate) fn place_in_run(&mut self, row: i64) -> InRun {
        let run = self.desk.pending.get_mut().run.as_ref();
        let follows = run.is_some_and(|run| row == run.last + 1 && row - run.first < Run::ROWS_MAX);
        if follows { InRun::Follows } else { InRun::Begins }
    }

    /// Puts the first decision `row` under the chain, whose bytes and those of its event are at hand.
    pub(crate) fn audit_first(&mut self, row: i64, place: InRun, bytes: &[u8]) {
        let at = int(self.now.as_ms());
        // As for every entry: its head will be memory.
        self.state();
        if place == InRun::Begins {
            self.desk.close_run();
        }
        let run = &mut self.desk.pending.get_mut().run;
        let run = run.get_or_insert_with(|| Run { first: row, last: row, at, hash: Sha256::new() });
        (run.last, run.at) = (row, at);
        run.hash.update(bytes);
    }

    /// [`audit`](Self::audit) of the row that was inserted last.
    pub(crate) fn audit_inserted(&mut self, kind: AuditKind) -> Result<i64, CloudError> {
        let row = self.conn.last_insert_rowid();
        self.audit(kind, row)?;
        Ok(row)
    }
}

impl CloudCore {
    /// The end of the chain, to be kept elsewhere.
    pub fn audit_head(&mut self) -> Result<Head, CloudError> {
        self.read(|tx| Ok(tx.desk.state.head))
    }

    /// Verifies entries after `from` until they speak of `limit` rows; start with `Head::default()`, go on with the
    /// report's head.
    ///
    /// The last part also counts rows, so that nothing can have been slipped in beside the chain.
    pub fn verify_audit(&mut self, from: Head, limit: u32) -> Result<AuditReport, CloudError> {
        self.read(|tx| verify(tx.conn, &tx.desk.context, from, limit))
    }

    /// Verifies the whole chain.
    pub fn verify_audit_whole(&mut self) -> Result<AuditReport, CloudError> {
        self.read(|tx| verify_whole(tx.conn, &tx.desk.context))
    }
}

/// Verifies the whole chain of a store.
pub(crate) fn verify_whole(conn: &Connection, context: &Context) -> Result<AuditReport, CloudError> {
    let mut head = Head::default();
    loop {
        let report = verify(conn, context, head, VERIFY_STEP)?;
        if report.complete || report.fault.is_some() {
            return Ok(report);
        }
        head = report.head;
    }
}

fn verify(conn: &Connection, context: &Context, from: Head, limit: u32) -> Result<AuditReport, CloudError> {
    let swept = SweptRows::load(conn)?;
    let (mut head, mut rows) = (from, 0);
    let entries = entries(conn, from.seq, limit)?;
    let mut complete = entries.len() < usize::try_from(limit).unwrap_or(usize::MAX);
    for entry in entries {
        if rows >= i64::from(limit) {
            complete = false;
            break;
        }
        if let Some(fault) = fault(conn, context, &swept, &head, &entry)? {
            return Ok(AuditReport { verified: head.seq, fault: Some(fault), head, complete: true });
        }
        head = Head { seq: entry.seq + 1, digest: entry.head };
        rows += entry.rows().end() - entry.row + 1;
    }
    let fault = if complete { count_fault(conn, &swept)? } else { None };
    Ok(AuditReport { verified: head.seq, fault, head, complete })
}

/// How much of an entry's rows the deletion log names.
enum Gone {
    All,
    Part,
    Nothing,
}

/// What the deletion log says is gone. Its own rows are under the chain, so a forged one is found like any other.
struct SweptRows {
    /// By the code of the table's kind: first and last row of each run, in order.
    runs: HashMap<i64, BTreeMap<i64, i64>>,
}

impl SweptRows {
    fn load(conn: &Connection) -> Result<Self, CloudError> {
        let mut runs: HashMap<i64, BTreeMap<i64, i64>> = HashMap::new();
        let mut statement = conn.prepare_cached("SELECT kind, first_row, last_row FROM sweep")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            runs.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
        }
        Ok(Self { runs })
    }

    fn of(&self, kind: AuditKind, rows: &RangeInclusive<i64>) -> Gone {
        let table = if kind == AuditKind::Decided { AuditKind::Decision } else { kind };
        let runs = self.runs.get(&i64::from(table.code()));
        match runs.and_then(|runs| runs.range(..=rows.end()).next_back()) {
            Some((first, last)) if first <= rows.start() && rows.end() <= last => Gone::All,
            Some((_, last)) if rows.start() <= last => Gone::Part,
            _ => Gone::Nothing,
        }
    }

    fn count(&self, table: AuditKind) -> i64 {
        let runs = self.runs.get(&i64::from(table.code()));
        runs.map_or(0, |runs| runs.iter().map(|(first, last)| last - first + 1).sum())
    }
}

/// Rows verified at once, between which other calls get their turn.
pub(crate) const VERIFY_STEP: u32 = 4_096;

fn entries(conn: &Connection, from: u64, limit: u32) -> Result<Vec<Entry>, CloudError> {
    let sql =
        "SELECT seq, at, kind, row, digest, head, last_row FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((int(from), limit), entry_of)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Of a row `seq, at, kind, row, digest, head, last_row`.
fn entry_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: uint(row.get(0)?),
        at: row.get(1)?,
        kind: row.get(2)?,
        row: row.get(3)?,
        digest: Digest::new(row.get(4)?),
        head: Digest::new(row.get(5)?),
        last_row: row.get(6)?,
    })
}

/// One link of the chain over one decision, and what its rows come to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof {
    /// Number of the entry.
    pub seq: u64,
    /// Hash of the entry, over all before it.
    pub entry: Digest,
    /// Digest over the rows that it is over, recomputed; none where one of them is not there.
    pub rows: Option<Digest>,
    /// The end of the chain.
    pub head: Head,
    /// Whether rows, entry and the entry before belong together.
    pub holds: bool,
}

/// Probes of a search for an entry. LIMIT: halves 2^48 entries.
const PROBES_MAX: u32 = 48;
/// Entries that are looked at for the one over a decision, from its time on. LIMIT: bounds one call.
const LOOKED_AT_MAX: u32 = 4_096;

/// The entry over decision `row`, checked against the rows and the entry before it; none where it cannot be found.
///
/// Entries have their times in order, and one over a decision is no older than the decision: it is found by halving.
pub(crate) fn prove_row(
    conn: &Connection,
    context: &Context,
    end: &Head,
    row: i64,
) -> Result<Option<EntryProof>, CloudError> {
    let sql = "SELECT ingested FROM decision WHERE id = ?1";
    let stored: i64 = conn.prepare_cached(sql)?.query_row([row], |row| row.get(0))?;
    let mut probe = conn.prepare_cached("SELECT at FROM audit WHERE seq = ?1")?;
    let (mut low, mut high) = (0_u64, end.seq);
    for _ in 0..PROBES_MAX {
        if low >= high {
            break;
        }
        let middle = low.midpoint(high);
        let at: i64 = probe.query_row([int(middle)], |row| row.get(0))?;
        if at < stored {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if let Some(entry) = entries(conn, low, LOOKED_AT_MAX)?.iter().find(|entry| entry.is_over(row)) {
        return proof(conn, context, end, entry).map(Some);
    }
    // The time of the row may be what was changed: by its number, then.
    let entry = find_by_row(conn, end, row)?;
    entry.map(|entry| proof(conn, context, end, &entry)).transpose()
}

/// The entry over decision `row`, found by halving the numbers that entries of decisions have in order.
fn find_by_row(conn: &Connection, end: &Head, row: i64) -> Result<Option<Entry>, CloudError> {
    let sql = "SELECT seq, at, kind, row, digest, head, last_row FROM audit WHERE seq >= ?1 AND seq < ?2 \
               AND kind IN (?3, ?4) ORDER BY seq LIMIT 1";
    let mut statement = conn.prepare_cached(sql)?;
    let (mut low, mut high) = (0_u64, end.seq);
    for _ in 0..PROBES_MAX {
        if low >= high {
            break;
        }
        let middle = low.midpoint(high);
        let most = middle.saturating_add(u64::from(LOOKED_AT_MAX)).min(high);
        let key = (int(middle), int(most), AuditKind::Decision.code(), AuditKind::Decided.code());
        match statement.query_row(key, entry_of).optional()? {
            Some(entry) if entry.is_over(row) => return Ok(Some(entry)),
            Some(entry) if entry.row < row => low = entry.seq + 1,
            // None of a decision for a long stretch: it is before it, or it is not found.
            Some(_) | None => high = middle,
        }
    }
    Ok(None)
}

fn proof(conn: &Connection, context: &Context, end: &Head, entry: &Entry) -> Result<EntryProof, CloudError> {
    let before = match entry.seq.checked_sub(1) {
        None => Some(Head::default()),
        Some(seq) => {
            let sql = "SELECT head FROM audit WHERE seq = ?1";
            let head: Option<[u8; 32]> =
                conn.prepare_cached(sql)?.query_row([int(seq)], |row| row.get(0)).optional()?;
            head.map(|head| Head { seq: entry.seq, digest: Digest::new(head) })
        }
    };
    let rows = match AuditKind::from_code(entry.kind) {
        Some(kind) => kind.rows_digest(conn, entry.rows())?,
        None => None,
    };
    let bytes = entry.bytes();
    let linked = before.is_some_and(|before| {
        let mut chain = before.chain(context);
        let link = Link { seq: entry.seq, prev: chain.head(), entry: sha256(&bytes), hash: entry.head };
        chain.verify_next(&link, Some(&bytes)).is_ok()
    });
    let holds = linked && rows == Some(entry.digest);
    Ok(EntryProof { seq: entry.seq, entry: entry.head, rows, head: *end, holds })
}

/// What is wrong with the entry that follows `head`.
fn fault(
    conn: &Connection,
    context: &Context,
    swept: &SweptRows,
    head: &Head,
    entry: &Entry,
) -> Result<Option<String>, CloudError> {
    let mut chain = head.chain(context);
    let bytes = entry.bytes();
    let link = Link { seq: entry.seq, prev: chain.head(), entry: sha256(&bytes), hash: entry.head };
    if let Err(broken) = chain.verify_next(&link, Some(&bytes)) {
        return Ok(Some(broken.to_string()));
    }
    let Some(kind) = AuditKind::from_code(entry.kind) else {
        return Ok(Some(format!("entry {} is of no known kind", entry.seq)));
    };
    let wrong = match (swept.of(kind, &entry.rows()), kind.rows_digest(conn, entry.rows())?) {
        (Gone::All, None) => return Ok(None),
        (Gone::All, Some(_)) => "was swept and is there",
        (Gone::Part, _) => "was swept in part",
        (Gone::Nothing, None) => "is missing",
        (Gone::Nothing, Some(digest)) if digest == entry.digest => return Ok(None),
        (Gone::Nothing, Some(_)) => "was changed",
    };
    let rows =
        entry.last_row.map_or_else(|| entry.row.to_string(), |last| format!("{} to {last}", entry.row));
    Ok(Some(format!("{} {rows} of entry {} {wrong}", kind.name(), entry.seq)))
}

/// Tables under the chain, and the kinds whose entries speak of a row in them.
const TABLES: [(&str, &[AuditKind]); 23] = [
    ("event", &[AuditKind::Event, AuditKind::Decided]),
    ("decision", &[AuditKind::Decision, AuditKind::Decided]),
    ("incident", &[AuditKind::Incident]),
    ("tier_change", &[AuditKind::TierChange]),
    ("opening", &[AuditKind::Opening]),
    ("feed_entry", &[AuditKind::FeedEntry]),
    ("list_change", &[AuditKind::ListChange]),
    ("device_record", &[AuditKind::DeviceRecord]),
    ("key_set", &[AuditKind::KeySet]),
    ("bundle", &[AuditKind::Bundle]),
    ("policy_source", &[AuditKind::PolicySource]),
    ("feedback", &[AuditKind::Feedback]),
    ("token", &[AuditKind::Token]),
    ("token_end", &[AuditKind::TokenEnd]),
    ("operator_action", &[AuditKind::OperatorAction]),
    ("sweep", &[AuditKind::Sweep]),
    ("lineage", &[AuditKind::Lineage]),
    ("partner", &[AuditKind::Partner]),
    ("collateral", &[AuditKind::Collateral]),
    ("reappraisal", &[AuditKind::Reappraisal]),
    ("passkey_change", &[AuditKind::Passkey]),
    ("operator_passkey", &[AuditKind::OperatorPasskey]),
    ("operator_passkey_end", &[AuditKind::OperatorPasskeyEnd]),
];

fn count_fault(conn: &Connection, swept: &SweptRows) -> Result<Option<String>, CloudError> {
    let mut entries = HashMap::new();
    let sql = "SELECT kind, sum(coalesce(last_row, row) - row + 1) FROM audit GROUP BY kind";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        entries.insert(row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
    }
    for (table, kinds) in TABLES {
        let rows: i64 = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        let of = |kind: &AuditKind| entries.get(&i64::from(kind.code())).copied().unwrap_or(0);
        let entries: i64 = kinds.iter().map(of).sum();
        let gone = kinds.first().map_or(0, |kind| swept.count(*kind));
        if rows != entries - gone {
            return Ok(Some(format!(
                "{rows} rows of {table}, but entries of {entries}, of which {gone} are swept"
            )));
        }
    }
    Ok(None)
}

/// When an entry was made and what it speaks of, for output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What it speaks of.
    pub kind: AuditKind,
    /// Which row of the kind's table.
    pub row: u64,
    /// The last of several; else the same.
    pub last_row: u64,
}

impl CloudCore {
    /// The newest entries, newest first.
    pub fn audit_tail(&mut self, limit: u32) -> Result<Vec<AuditEntry>, CloudError> {
        self.read(|tx| {
            let from = tx.desk.state.head.seq.saturating_sub(u64::from(limit));
            let mut tail = Vec::new();
            for entry in entries(tx.conn, from, limit)? {
                let kind = AuditKind::from_code(entry.kind)
                    .ok_or_else(|| CloudError::corrupt(format!("audit entry {}", entry.seq)))?;
                let at = Timestamp::from_ms(uint(entry.at));
                let [row, last_row] = [entry.row, *entry.rows().end()].map(uint);
                tail.push(AuditEntry { seq: entry.seq, at, kind, row, last_row });
            }
            tail.reverse();
            Ok(tail)
        })
    }
}
