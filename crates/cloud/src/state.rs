//! Memory derived from the store: never the only copy of anything.
//!
//! Built whole by [`State::load`], then kept up by the domain calls. Where a call is rolled back after it touched
//! memory, the core drops all of it and loads again; so no code here has to undo anything.

use crate::audit::Head;
use crate::config::CloudLimits;
use crate::core::Desk;
use crate::error::CloudError;
use crate::evaluate::Shelf;
use crate::feature::{FeatureTable, Logged};
use crate::list::ListTable;
use crate::policy::Release;
use crate::registry::{FeedTable, InForce};
use crate::store::index::{KeyIndex, Keyed, Runs};
use crate::store::{int, uint};
use glacis_policy::Scratch;
use glacis_wire::message::decide::EventFacts;
use glacis_wire::message::policy::KeySet;
use glacis_wire::{Decode as _, Reference, Tier, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use std::sync::Arc;
use std::time::Duration;

/// All derived data.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) features: FeatureTable,
    pub(crate) lists: ListTable,
    pub(crate) shelf: Shelf,
    pub(crate) feed: FeedTable,
    /// The key set in force; none only before the first was planted.
    pub(crate) key_set: Option<KeySet>,
    pub(crate) head: Head,
    /// Working memory of evaluations, made to fit by the evaluator.
    pub(crate) scratch: Option<Scratch>,
    /// Events by (thumbprint, event id).
    pub(crate) events: KeyIndex,
    /// Decisions by reference.
    pub(crate) references: KeyIndex,
    /// Events before it may be swept.
    pub(crate) swept_before: Timestamp,
    /// The newest event that was swept.
    pub(crate) swept_seq: i64,
    /// The collateral in force; none where nothing is.
    pub(crate) collateral: Option<Arc<InForce>>,
    /// Whether there may be devices that rest on what it does not hold.
    pub(crate) reappraisal_due: bool,
    /// Devices by tier, in the order of `Tier::ALL`.
    pub(crate) tiers: [u64; Tier::ALL.len()],
    next_seq: u64,
    next_decision: u64,
    newest: Timestamp,
}

impl State {
    pub(crate) fn empty(limits: &CloudLimits) -> Self {
        Self {
            features: FeatureTable::new(Vec::new(), limits.feature_entries_max),
            lists: ListTable::default(),
            shelf: Shelf::default(),
            feed: FeedTable::default(),
            key_set: None,
            head: Head::default(),
            scratch: None,
            events: KeyIndex::empty(Keyed::Event),
            references: KeyIndex::empty(Keyed::Reference),
            swept_before: Timestamp::ZERO,
            swept_seq: 0,
            collateral: None,
            reappraisal_due: false,
            tiers: [0; Tier::ALL.len()],
            next_seq: 1,
            next_decision: 1,
            newest: Timestamp::ZERO,
        }
    }

    /// Builds everything anew; `runs` are those of the indexes before, so that only what changed is read.
    pub(crate) fn load(
        conn: &Connection,
        desk: &Desk,
        runs: [Runs; 2],
        now: Timestamp,
    ) -> Result<Self, CloudError> {
        let mut state = Self::empty(&desk.limits);
        let [events, references] = runs;
        state.events = KeyIndex::load(Keyed::Event, conn, events)?;
        state.references = KeyIndex::load(Keyed::Reference, conn, references)?;
        state.key_set = Some(crate::policy::newest_key_set(conn)?);
        state.head = Head::load(conn)?;
        (state.swept_seq, state.swept_before) = crate::sweep::swept_events(conn)?;
        state.feed = FeedTable::load(conn)?;
        state.collateral = crate::registry::load_collateral(conn, desk)?;
        // The process may have ended between two steps.
        state.reappraisal_due = state.collateral.is_some();
        state.load_lists(conn)?;
        state.load_tiers(conn)?;
        state.load_log_end(conn)?;
        let releases = crate::policy::load_releases(conn, &desk.state.shelf, &desk.context)?;
        state.put_releases(conn, releases, &desk.limits, now.max(state.newest))?;
        Ok(state)
    }

    /// Sequence number of the next event.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Number of the next decision.
    pub(crate) const fn next_decision(&self) -> u64 {
        self.next_decision
    }

    /// Takes a decision that was just stored.
    pub(crate) fn decided(&mut self, id: u64, reference: &Reference) {
        self.next_decision = id + 1;
        self.references.add(Keyed::Reference.key(reference.as_bytes(), &[]), int(id));
    }

    /// Ingest time of the newest event.
    pub(crate) const fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Takes an event that was just put into the log.
    pub(crate) fn logged(&mut self, logged: &Logged<'_>) {
        self.next_seq = logged.seq + 1;
        self.newest = self.newest.max(logged.ingested);
        self.features.add(logged);
    }

    /// Puts releases into force, newest last, and rebuilds the features that they define.
    pub(crate) fn put_releases(
        &mut self,
        conn: &Connection,
        releases: Vec<Arc<Release>>,
        limits: &CloudLimits,
        now: Timestamp,
    ) -> Result<(), CloudError> {
        let definitions = crate::evaluate::definitions(&releases);
        let mut features = FeatureTable::new(definitions, limits.feature_entries_max);
        rebuild(conn, &mut features, now, limits.ahead_max)?;
        self.shelf = Shelf::new(releases, &features);
        self.features = features;
        Ok(())
    }

    fn load_lists(&mut self, conn: &Connection) -> Result<(), CloudError> {
        let sql = "SELECT list, version, item, present, effective FROM list_change ORDER BY list, version";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (list, item): (String, String) = (row.get(0)?, row.get(2)?);
            let effective = Timestamp::from_ms(uint(row.get(4)?));
            self.lists.apply(&list, uint(row.get(1)?), &item, row.get(3)?, effective);
        }
        Ok(())
    }

    /// A device went from one tier to another, or came.
    pub(crate) fn moved(&mut self, from: Option<Tier>, to: Option<Tier>) {
        let mut add = |tier: Tier, by: i64| {
            let at = Tier::ALL.iter().position(|known| *known == tier);
            if let Some(count) = at.and_then(|at| self.tiers.get_mut(at)) {
                *count = count.saturating_add_signed(by);
            }
        };
        from.into_iter().for_each(|tier| add(tier, -1));
        to.into_iter().for_each(|tier| add(tier, 1));
    }

    fn load_tiers(&mut self, conn: &Connection) -> Result<(), CloudError> {
        let mut statement = conn.prepare("SELECT tier, count(*) FROM device GROUP BY tier")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let tier = crate::registry::tier_of_code(row.get(0)?)?;
            let at = Tier::ALL.iter().position(|known| *known == tier);
            if let Some(count) = at.and_then(|at| self.tiers.get_mut(at)) {
                *count = uint(row.get(1)?);
            }
        }
        Ok(())
    }

    fn load_log_end(&mut self, conn: &Connection) -> Result<(), CloudError> {
        let sql = "SELECT seq, ingested FROM event ORDER BY seq DESC LIMIT 1";
        let last: Option<(i64, i64)> =
            conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((seq, ingested)) = last {
            self.next_seq = uint(seq) + 1;
            self.newest = Timestamp::from_ms(uint(ingested));
        }
        let last: Option<i64> = conn.query_row("SELECT max(id) FROM decision", [], |row| row.get(0))?;
        self.next_decision = last.map_or(1, |id| uint(id) + 1);
        Ok(())
    }
}

/// Fills features with what the log still has for them. Ingest times never go back along the log, so the first
/// event to read is found by walking from its end. One may be received as much as `ahead` after its ingest.
fn rebuild(
    conn: &Connection,
    features: &mut FeatureTable,
    now: Timestamp,
    ahead: Duration,
) -> Result<(), CloudError> {
    let Some(from) = features.rebuild_from(now.before(ahead)) else { return Ok(()) };
    features.raise_floor(now);
    let mut first: i64 = 1;
    let mut back = conn.prepare("SELECT seq, ingested FROM event ORDER BY seq DESC")?;
    let mut rows = back.query([])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? < int(from.as_ms()) {
            first = row.get::<_, i64>(0)? + 1;
            break;
        }
    }
    let mut forward =
        conn.prepare("SELECT seq, ingested, facts_bytes FROM event WHERE seq >= ?1 ORDER BY seq")?;
    let mut rows = forward.query([first])?;
    while let Some(row) = rows.next()? {
        let facts = facts_of(row.get_ref(2)?.as_blob().map_err(|_| CloudError::corrupt("event facts"))?)?;
        let ingested = Timestamp::from_ms(uint(row.get(1)?));
        features.add(&Logged { seq: uint(row.get(0)?), ingested, facts: &facts });
    }
    Ok(())
}

pub(crate) fn facts_of(bytes: &[u8]) -> Result<EventFacts, CloudError> {
    EventFacts::from_bytes(bytes).map_err(|error| CloudError::corrupt(format!("event facts: {error}")))
}
