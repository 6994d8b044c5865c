//! Where a random key was stored, without a random page a write.
//!
//! Newest keys are in memory. Once there are [`SWEEP_KEYS`] of them, they are frozen and moved into a table in
//! sorted order, some with every commit, so that one page takes many keys. The table is cut into generations of
//! 2^20 rows, each with a filter in memory: a page holds many keys of one sweep however large the store is, and
//! a key that is new is looked for nowhere. The log is the truth: what the table does not have yet is read from
//! the log's tail when the store opens, and a key only names candidates, whose rows the caller compares.

use crate::error::CloudError;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Keys that are moved in one sweep.
///
/// Unit: keys; twice as many are in memory at most. Source: at 2^20 rows a generation about seven keys a page.
const SWEEP_KEYS: usize = 32_768;
/// Rows of one generation, as a power of two.
const GENERATION_BITS: u32 = 20;
/// Keys moved for each one that is added, so that a sweep ends well before the next begins.
const MOVED_A_KEY: usize = 2;

/// Keys that one transaction moves when a store is opened.
const CATCH_UP_KEYS: u32 = 65_536;

/// Whose keys a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// Events by thumbprint and event id.
    Event,
    /// Decisions by reference.
    Reference,
}

impl Keyed {
    const fn find(self) -> &'static str {
        match self {
            Self::Event => "SELECT row FROM event_key WHERE generation = ?1 AND key = ?2",
            Self::Reference => "SELECT row FROM reference_key WHERE generation = ?1 AND key = ?2",
        }
    }

    const fn insert(self) -> &'static str {
        match self {
            Self::Event => "INSERT OR IGNORE INTO event_key (generation, key, row) VALUES (?1, ?2, ?3)",
            Self::Reference => {
                "INSERT OR IGNORE INTO reference_key (generation, key, row) VALUES (?1, ?2, ?3)"
            }
        }
    }

    const fn all(self) -> &'static str {
        match self {
            Self::Event => "SELECT generation, key FROM event_key",
            Self::Reference => "SELECT generation, key FROM reference_key",
        }
    }

    /// Rows of the log after the last that was moved, in order.
    const fn tail(self) -> &'static str {
        match self {
            Self::Event => "SELECT seq, thumbprint, event_id FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            Self::Reference => "SELECT id, reference, x'' FROM decision WHERE id > ?1 ORDER BY id LIMIT ?2",
        }
    }

    /// Part of a generation; its keys are gone from the left.
    const fn forget(self) -> &'static str {
        match self {
            Self::Event => {
                "DELETE FROM event_key WHERE (generation, key, row) IN (SELECT generation, key, row FROM event_key \
                 WHERE generation <= ?1 ORDER BY generation, key, row LIMIT ?2)"
            }
            Self::Reference => {
                "DELETE FROM reference_key WHERE (generation, key, row) IN (SELECT generation, key, row \
                 FROM reference_key WHERE generation <= ?1 ORDER BY generation, key, row LIMIT ?2)"
            }
        }
    }

    /// Where `meta` says up to which row everything was moved.
    const fn mark(self) -> &'static str {
        match self {
            Self::Event => "event_key_moved",
            Self::Reference => "reference_key_moved",
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

/// Filters by generation. Shared with a rebuilt index: what was rolled back leaves keys too many, which is harmless.
pub(crate) type Filters = Arc<BTreeMap<i64, Filter>>;

/// The keys of one table, in memory and beyond.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    keyed: Keyed,
    active: Held,
    frozen: Held,
    /// What is left of `frozen`, greatest first.
    queue: Vec<(i64, i64)>,
    frozen_last: i64,
    newest: i64,
    filters: Filters,
    /// Keys that may be moved before more are added.
    due: usize,
}

impl KeyIndex {
    /// Of a store that has none yet.
    pub(crate) fn empty(keyed: Keyed) -> Self {
        Self {
            keyed,
            active: Held::default(),
            frozen: Held::default(),
            queue: Vec::new(),
            frozen_last: 0,
            newest: 0,
            filters: Filters::default(),
            due: 0,
        }
    }

    /// Reads the log's tail, and the filters where `filters` does not hold them.
    pub(crate) fn load(
        keyed: Keyed,
        conn: &Connection,
        filters: Option<Filters>,
    ) -> Result<Self, CloudError> {
        let mut index = Self::empty(keyed);
        index.filters = match filters {
            Some(filters) => filters,
            None => Arc::new(load_filters(keyed, conn)?),
        };
        let mut statement = conn.prepare(keyed.tail())?;
        let mut rows = statement.query((moved(keyed, conn)?, i64::MAX))?;
        while let Some(row) = rows.next()? {
            let (at, key) = tail_key(keyed, row)?;
            index.active.add(key, at);
            index.newest = at;
        }
        Ok(index)
    }

    /// Rows that may have this key; the caller compares them.
    pub(crate) fn rows(&self, conn: &Connection, key: i64) -> Result<Vec<i64>, CloudError> {
        let mut found: Vec<i64> = self.active.rows(key).chain(self.frozen.rows(key)).collect();
        for (generation, filter) in self.filters.iter().rev() {
            if filter.may_have(key) {
                let mut statement = conn.prepare_cached(self.keyed.find())?;
                let mut rows = statement.query([*generation, key])?;
                while let Some(row) = rows.next()? {
                    found.push(row.get(0)?);
                }
            }
        }
        Ok(found)
    }

    /// Takes the key of a row that was just written; rows only grow.
    pub(crate) fn add(&mut self, key: i64, row: i64) {
        self.active.add(key, row);
        self.newest = row;
        self.due += MOVED_A_KEY;
        if self.queue.is_empty() && self.active.len() >= SWEEP_KEYS {
            self.freeze();
        }
    }

    fn freeze(&mut self) {
        self.frozen = std::mem::take(&mut self.active);
        self.frozen_last = self.newest;
        self.queue = self.frozen.all();
        self.queue.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The filters, for the index that takes this one's place.
    pub(crate) fn filters(&self) -> Filters {
        Arc::clone(&self.filters)
    }

    /// Removes at most `limit` keys of generations whose rows all lie at or below `last`; says how many it removed.
    pub(crate) fn forget(&mut self, conn: &Connection, last: i64, limit: usize) -> Result<usize, CloudError> {
        // Rows of generation g are g << BITS and the following 2^BITS − 1.
        let generation = (last.saturating_add(1) >> GENERATION_BITS) - 1;
        if generation < 0 {
            return Ok(0);
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let gone = conn.prepare_cached(self.keyed.forget())?.execute([generation, limit])?;
        if gone == 0 && self.filters.keys().next().is_some_and(|oldest| *oldest <= generation) {
            Arc::make_mut(&mut self.filters).retain(|held, _| *held > generation);
        }
        Ok(gone)
    }

    /// Moves what is due into the table, inside the open transaction.
    pub(crate) fn move_due(&mut self, conn: &Connection) -> Result<(), CloudError> {
        let due = std::mem::take(&mut self.due);
        if self.queue.is_empty() {
            return Ok(());
        }
        let mut statement = conn.prepare_cached(self.keyed.insert())?;
        let filters = Arc::make_mut(&mut self.filters);
        for _ in 0..due {
            let Some((key, row)) = self.queue.pop() else { break };
            let generation = row >> GENERATION_BITS;
            statement.execute([generation, key, row])?;
            filters.entry(generation).or_insert_with(Filter::new).add(key);
            self.frozen.remove(key, row);
        }
        if self.queue.is_empty() {
            set_moved(self.keyed, conn, self.frozen_last)?;
        }
        Ok(())
    }
}

/// Keys in memory. Nearly every key has one row; the others are few, however they came about.
#[derive(Debug, Default)]
struct Held {
    one: HashMap<i64, i64>,
    more: BTreeSet<(i64, i64)>,
}

impl Held {
    fn add(&mut self, key: i64, row: i64) {
        match self.one.entry(key) {
            Entry::Vacant(free) => {
                free.insert(row);
            }
            Entry::Occupied(_) => {
                self.more.insert((key, row));
            }
        }
    }

    fn remove(&mut self, key: i64, row: i64) {
        if self.one.get(&key) == Some(&row) {
            self.one.remove(&key);
        } else {
            self.more.remove(&(key, row));
        }
    }

    fn rows(&self, key: i64) -> impl Iterator<Item = i64> {
        let more = (!self.more.is_empty()).then(|| self.more.range((key, i64::MIN)..=(key, i64::MAX)));
        self.one.get(&key).copied().into_iter().chain(more.into_iter().flatten().map(|(_, row)| *row))
    }

    fn len(&self) -> usize {
        self.one.len() + self.more.len()
    }

    fn all(&self) -> Vec<(i64, i64)> {
        self.one.iter().map(|(key, row)| (*key, *row)).chain(self.more.iter().copied()).collect()
    }
}

fn load_filters(keyed: Keyed, conn: &Connection) -> Result<BTreeMap<i64, Filter>, CloudError> {
    let mut filters = BTreeMap::new();
    let mut statement = conn.prepare(keyed.all())?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        filters.entry(row.get(0)?).or_insert_with(Filter::new).add(row.get(1)?);
    }
    Ok(filters)
}

/// Moves whole sweeps until the tail is short, each in a transaction of its own: what a store of version 1 or
/// one that was restored needs before its first use.
pub(crate) fn catch_up(keyed: Keyed, conn: &Connection) -> Result<(), CloudError> {
    loop {
        let transaction = conn.unchecked_transaction()?;
        let mut keys = BTreeSet::new();
        let mut last = 0;
        {
            let mut statement = transaction.prepare(keyed.tail())?;
            let mut rows = statement.query((moved(keyed, conn)?, CATCH_UP_KEYS))?;
            while let Some(row) = rows.next()? {
                let (at, key) = tail_key(keyed, row)?;
                keys.insert((key, at));
                last = at;
            }
        }
        if keys.len() < usize::try_from(CATCH_UP_KEYS).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let mut statement = transaction.prepare(keyed.insert())?;
        for (key, row) in keys {
            statement.execute([row >> GENERATION_BITS, key, row])?;
        }
        drop(statement);
        set_moved(keyed, &transaction, last)?;
        transaction.commit()?;
    }
}

fn tail_key(keyed: Keyed, row: &rusqlite::Row<'_>) -> Result<(i64, i64), CloudError> {
    let blob = |at| row.get_ref(at)?.as_blob().map_err(|_| CloudError::corrupt("a key column"));
    Ok((row.get(0)?, keyed.key(blob(1)?, blob(2)?)))
}

fn moved(keyed: Keyed, conn: &Connection) -> Result<i64, CloudError> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    let kept: Option<[u8; 8]> = conn.query_row(sql, [keyed.mark()], |row| row.get(0)).optional()?;
    Ok(kept.map_or(0, i64::from_be_bytes))
}

fn set_moved(keyed: Keyed, conn: &Connection, row: i64) -> Result<(), CloudError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    conn.prepare_cached(sql)?.execute((keyed.mark(), row.to_be_bytes()))?;
    Ok(())
}

/// A blocked Bloom filter for the keys of one generation: about one key in fifty that is not there passes.
#[derive(Clone)]
pub(crate) struct Filter {
    blocks: Box<[[u64; 8]]>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Filter(…)")
    }
}

impl Filter {
    /// 2^14 blocks of 512 bits: 1 MiB, eight bits a key of a full generation.
    const BLOCK_BITS: u32 = 14;
    const PROBES: u32 = 5;

    fn new() -> Self {
        Self { blocks: vec![[0; 8]; 1 << Self::BLOCK_BITS].into_boxed_slice() }
    }

    fn add(&mut self, key: i64) {
        let (block, probes) = Self::place(key);
        let Some(block) = self.blocks.get_mut(block) else { return };
        for probe in 0..Self::PROBES {
            let bit = probes >> (9 * probe);
            if let Some(word) = block.get_mut(word_of(bit)) {
                *word |= 1 << (bit & 63);
            }
        }
    }

    fn may_have(&self, key: i64) -> bool {
        let (block, probes) = Self::place(key);
        let Some(block) = self.blocks.get(block) else { return true };
        (0..Self::PROBES).all(|probe| {
            let bit = probes >> (9 * probe);
            block.get(word_of(bit)).is_none_or(|word| word & 1 << (bit & 63) != 0)
        })
    }

    /// Which block, and 45 bits that say which bits of it.
    fn place(key: i64) -> (usize, u64) {
        let mixed = mix(key.cast_unsigned());
        let block = usize::try_from(mixed >> (64 - Self::BLOCK_BITS)).unwrap_or(0);
        (block, mix(mixed))
    }
}

fn word_of(bit: u64) -> usize {
    usize::try_from(bit >> 6 & 7).unwrap_or(0)
}

/// Spreads a key over 64 bits: references show zeros at their end, and a node may choose its own badly.
const fn mix(key: u64) -> u64 {
    let key = (key ^ key >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let key = (key ^ key >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    key ^ key >> 31
}

#[cfg(test)]
mod tests;
