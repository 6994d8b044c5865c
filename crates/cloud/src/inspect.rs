//! Small questions of a person who looks at the installation: how much there is, where something is, whether the
//! audit chain holds one decision, who looked.
//!
//! Each is one bounded call that can run between decisions: nothing here counts a table or reads one whole.

use crate::audit::{AuditKind, EntryProof, prove_row};
use crate::core::{CloudCore, Tx};
use crate::decide::device_key;
use crate::error::CloudError;
use crate::lines::Line;
use crate::store::{int, uint};
use glacis_wire::{EventId, Reference, Zone};
use rusqlite::{OptionalExtension as _, params};

/// Decisions that one step of a search looks at.
const STEP: u32 = 2_048;

/// How much there is, told without counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Events of the log that are kept.
    pub events: u64,
    /// Decisions that are kept.
    pub decisions: u64,
    /// Devices.
    pub devices: u64,
    /// Incidents that are kept.
    pub incidents: u64,
}

/// What is searched for among the newest decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A reference that begins so: characters of its alphabet in upper case.
    Reference(String),
    /// The event of this id.
    Event(EventId),
}

/// Where a search stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchStep {
    /// What was found, newest first.
    pub found: Vec<Line>,
    /// Where to go on; none at the beginning of the log.
    pub before: Option<u64>,
}

impl CloudCore {
    /// How much there is. Numbers of rows have no gaps but those that the deletion log tells.
    pub fn glance(&mut self) -> Result<Glance, CloudError> {
        self.read(|tx| {
            let span = |table: &str, key: &str| -> Result<u64, CloudError> {
                let ends = [("min", table), ("max", table)].map(|(end, table)| {
                    let sql = format!("SELECT {end}({key}) FROM {table}");
                    tx.conn.prepare_cached(&sql)?.query_row([], |row| row.get::<_, Option<i64>>(0))
                });
                let [first, last] = ends;
                Ok(match (first?, last?) {
                    (Some(first), Some(last)) => uint(last - first + 1),
                    _ => 0,
                })
            };
            let gone = "SELECT coalesce(sum(last_row - first_row + 1), 0) FROM sweep WHERE kind = ?1";
            let gone: i64 =
                tx.conn.prepare_cached(gone)?.query_row([AuditKind::Decision.code()], |row| row.get(0))?;
            let last: Option<i64> =
                tx.conn.prepare_cached("SELECT max(id) FROM decision")?.query_row([], |row| row.get(0))?;
            Ok(Glance {
                events: span("event", "seq")?,
                decisions: uint(last.unwrap_or(0) - gone),
                devices: tx.desk.state.tiers.iter().sum(),
                incidents: span("incident", "id")?,
            })
        })
    }

    /// The link of the audit chain over a decision, recomputed from the rows that it is over.
    pub fn audit_of(&mut self, reference: &Reference) -> Result<Option<EntryProof>, CloudError> {
        self.read(|tx| {
            let row = tx.decision_by_reference(reference)?;
            let row = row.ok_or_else(|| CloudError::not_found(format!("decision {}", reference.text())))?;
            prove_row(tx.log()?, &tx.desk.context, &tx.desk.state.head, row)
        })
    }

    /// Looks for something among the next decisions before number `before` (the newest where there is none).
    pub fn search_step(
        &mut self,
        sought: &Sought,
        before: Option<u64>,
        limit: usize,
    ) -> Result<SearchStep, CloudError> {
        self.read(|tx| tx.search_step(sought, before, limit))
    }

    /// Lines of the decisions on the event of this id that came without a device; those have an index.
    pub fn unsigned_event(&mut self, id: &EventId) -> Result<Vec<Line>, CloudError> {
        self.read(|tx| {
            let key = crate::store::index::Keyed::Event.key(device_key(None), id.as_bytes());
            let mut lines = Vec::new();
            for seq in tx.desk.state.events.rows(tx.conn, key)? {
                let sql = "SELECT EXISTS (SELECT 1 FROM event WHERE seq = ?1 AND event_id = ?2)";
                let same = params![seq, id.as_bytes()];
                if tx.log()?.prepare_cached(sql)?.query_row(same, |row| row.get(0))? {
                    for kept in tx.decisions_of(uint(seq))? {
                        lines.push(Line::of(uint(kept.id), &tx.record(kept.id)?));
                    }
                }
            }
            Ok(lines)
        })
    }

    /// The line of one decision.
    pub fn line_of(&mut self, reference: &Reference) -> Result<Option<Line>, CloudError> {
        self.read(|tx| {
            let Some(id) = tx.decision_by_reference(reference)? else { return Ok(None) };
            Ok(Some(Line::of(uint(id), &tx.record(id)?)))
        })
    }

    /// The signed edge bundle of one version, as stored, and whether there is one.
    pub(crate) fn edge_bundle_bytes(&mut self, version: u64) -> Result<Option<Vec<u8>>, CloudError> {
        self.read(|tx| {
            let sql = "SELECT signed_bytes FROM bundle WHERE version = ?1 AND zone = ?2";
            let key = params![int(version), Zone::Edge as u8];
            Ok(tx.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?)
        })
    }

    /// Whether a token is still good.
    pub(crate) fn is_token_good(&mut self, id: u64) -> Result<bool, CloudError> {
        self.read(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM token WHERE id = ?1 AND expires > ?2 \
                       AND id NOT IN (SELECT token FROM token_end))";
            let key = params![int(id), int(tx.now.as_ms())];
            Ok(tx.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0))?)
        })
    }

    /// Puts under the audit chain what an operator did here.
    pub(crate) fn note_operator(
        &mut self,
        actor: &str,
        action: &str,
        detail: &str,
    ) -> Result<(), CloudError> {
        self.call(|tx| tx.note_operator(actor, action, detail))
    }
}

impl Tx<'_> {
    /// Puts under the audit chain what an operator did here.
    pub(crate) fn note_operator(
        &mut self,
        actor: &str,
        action: &str,
        detail: &str,
    ) -> Result<(), CloudError> {
        let id: [u8; 16] = self.random()?;
        let sql = "INSERT INTO operator_action (action_id, at, node, actor, action, detail) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![id, int(self.now.as_ms()), HERE, actor, action, detail];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::OperatorAction).map(|_row| ())
    }

    fn search_step(
        &self,
        sought: &Sought,
        before: Option<u64>,
        limit: usize,
    ) -> Result<SearchStep, CloudError> {
        let sql = match sought {
            Sought::Reference(_) => {
                "SELECT id, reference FROM decision WHERE id < ?1 ORDER BY id DESC LIMIT ?2"
            }
            Sought::Event(_) => {
                "SELECT id, event_id FROM decision JOIN event ON event.seq = decision.seq WHERE id < ?1 \
                 ORDER BY id DESC LIMIT ?2"
            }
        };
        let mut statement = self.log()?.prepare_cached(sql)?;
        let mut rows = statement.query(params![int(before.unwrap_or(u64::MAX)), STEP])?;
        let (mut found, mut last) = (Vec::new(), None);
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let id: i64 = row.get(0)?;
            last = Some(uint(id));
            let fits = match sought {
                Sought::Reference(prefix) => Reference::new(row.get(1)?).text().starts_with(prefix.as_str()),
                Sought::Event(event) => row.get::<_, [u8; EventId::LEN]>(1)? == *event.as_bytes(),
            };
            if fits {
                found.push(Line::of(uint(id), &self.record(id)?));
            }
        }
        Ok(SearchStep { found, before: last.filter(|id| *id > 1) })
    }
}

/// Where an operator acts who uses the console.
const HERE: &str = "cloud";
/// Steps of one search. LIMIT: bounds it to so many times `STEP` decisions.
pub const SEARCH_STEPS: usize = 2;
