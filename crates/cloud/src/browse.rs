//! Reading back: decisions with their cuts, the event log, incidents, device records.
//!
//! What the simulator checks equality with, and what an operator looks up. All of it is what was stored; nothing
//! is computed here, and nothing private is in it.

use crate::core::{CloudCore, Tx};
use crate::decide::record_of;
use crate::error::CloudError;
use crate::record::{LoggedEvent, Settled, StoredDecision};
use crate::state::facts_of;
use crate::store::{int, uint};
use glacis_wire::message::decide::DeviceRecord;
use glacis_wire::{Decode as _, Reference, Thumbprint, Tier, Timestamp};
use rusqlite::{OptionalExtension as _, params};
use std::collections::BTreeMap;

/// Something that should not happen and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// When it was noted.
    pub at: Timestamp,
    /// Stable code: `event-conflict`, `proof-reuse`, `session-fork`, `issuer-crowded`, `passkey-counter`.
    pub kind: String,
    /// The device; none where the request was not signed.
    pub thumbprint: Option<Thumbprint>,
    /// The node that reported it.
    pub node: String,
}

/// A device record with who sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDeviceRecord {
    /// Who sent it.
    pub thumbprint: Thumbprint,
    /// When the edge received it.
    pub received: Timestamp,
    /// As sent.
    pub record: DeviceRecord,
}

/// One change of a list, as made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredListChange {
    /// Which list.
    pub list: String,
    /// The list's version that this change made.
    pub version: u64,
    /// Which item.
    pub item: String,
    /// Whether it is in the list from `effective` on.
    pub present: bool,
    /// From when on.
    pub effective: Timestamp,
}

/// How many of what the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Events of the log.
    pub events: u64,
    /// Decisions.
    pub decisions: u64,
    /// Devices.
    pub devices: u64,
    /// Incidents.
    pub incidents: u64,
    /// Device records.
    pub device_records: u64,
    /// Feature entries in memory.
    pub feature_entries: u64,
}

const DECISION: &str = "SELECT id, decision.seq, decision.ingested, standing, settled_bytes, record_bytes, shared, \
                        facts_bytes FROM decision JOIN event ON event.seq = decision.seq";

impl CloudCore {
    /// Every decision in order of storage, from row `after` on (start with zero), at most `limit`; and the row to
    /// go on from.
    pub fn decisions(&mut self, after: u64, limit: u32) -> Result<(u64, Vec<StoredDecision>), CloudError> {
        self.read(|tx| {
            let sql = format!("{DECISION} WHERE id > ?1 ORDER BY id LIMIT ?2");
            let mut statement = tx.conn.prepare_cached(&sql)?;
            let mut rows = statement.query(params![int(after), limit])?;
            let (mut last, mut found) = (after, Vec::new());
            while let Some(row) = rows.next()? {
                last = uint(row.get(0)?);
                found.push(stored_decision(row)?);
            }
            Ok((last, found))
        })
    }

    /// The newest decisions, oldest of them first, and the row to go on from.
    pub fn newest_decisions(&mut self, limit: u32) -> Result<(u64, Vec<StoredDecision>), CloudError> {
        let newest = self.read(|tx| {
            let sql = "SELECT id FROM decision ORDER BY id DESC LIMIT 1 OFFSET ?1";
            let found = tx.conn.prepare_cached(sql)?.query_row([limit], |row| row.get(0)).optional()?;
            Ok(found.map_or(0, uint))
        })?;
        self.decisions(newest, limit)
    }

    /// The event log from sequence number `from` on, at most `limit`.
    pub fn events(&mut self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, CloudError> {
        self.read(|tx| tx.logged_from(from, limit))
    }

    /// Sequence number of the newest event; zero where there is none.
    pub fn newest_event(&mut self) -> Result<u64, CloudError> {
        self.read(|tx| Ok(tx.desk.state.next_seq() - 1))
    }

    /// The decision that a client was given this reference for.
    pub fn decision(&mut self, reference: &Reference) -> Result<StoredDecision, CloudError> {
        self.read(|tx| tx.decision_of(reference))
    }

    /// The newest incidents, newest first.
    pub fn incidents(&mut self, limit: u32) -> Result<Vec<Incident>, CloudError> {
        self.read(|tx| {
            let sql = "SELECT at, kind, thumbprint, node FROM incident ORDER BY id DESC LIMIT ?1";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let rows = statement.query_map([limit], |row| {
                let device: Vec<u8> = row.get(2)?;
                Ok(Incident {
                    at: Timestamp::from_ms(uint(row.get(0)?)),
                    kind: row.get(1)?,
                    thumbprint: Thumbprint::try_from(device.as_slice()).ok(),
                    node: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// What devices reported of their own decisions, in order of storage, at most `limit` after row `after`.
    pub fn device_records(
        &mut self,
        after: u64,
        limit: u32,
    ) -> Result<(u64, Vec<StoredDeviceRecord>), CloudError> {
        self.read(|tx| {
            let sql = "SELECT id, thumbprint, received, record_bytes FROM device_record WHERE id > ?1 \
                       ORDER BY id LIMIT ?2";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params![int(after), limit])?;
            let (mut last, mut found) = (after, Vec::new());
            while let Some(row) = rows.next()? {
                last = uint(row.get(0)?);
                let record = DeviceRecord::from_bytes(&row.get::<_, Vec<u8>>(3)?);
                found.push(StoredDeviceRecord {
                    thumbprint: Thumbprint::new(row.get(1)?),
                    received: Timestamp::from_ms(uint(row.get(2)?)),
                    record: record.map_err(|error| CloudError::corrupt(format!("device record: {error}")))?,
                });
            }
            Ok((last, found))
        })
    }

    /// Every change of every list, by list and version.
    pub fn list_changes(&mut self) -> Result<Vec<StoredListChange>, CloudError> {
        self.read(|tx| {
            let sql =
                "SELECT list, version, item, present, effective FROM list_change ORDER BY list, version";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(StoredListChange {
                    list: row.get(0)?,
                    version: uint(row.get(1)?),
                    item: row.get(2)?,
                    present: row.get(3)?,
                    effective: Timestamp::from_ms(uint(row.get(4)?)),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Devices by enrolment, newest first.
    pub fn devices(&mut self, limit: u32) -> Result<Vec<(Thumbprint, Tier)>, CloudError> {
        self.read(|tx| {
            let sql = "SELECT thumbprint, tier FROM device ORDER BY enrolled DESC LIMIT ?1";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query([limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let code: u8 = row.get(1)?;
                let tier = crate::registry::tier_of_code(code)?;
                found.push((Thumbprint::new(row.get(0)?), tier));
            }
            Ok(found)
        })
    }

    /// Nodes that stated the newest events, at most `events` of them, with the newest time of each.
    pub fn nodes_seen(&mut self, events: u32) -> Result<BTreeMap<String, Timestamp>, CloudError> {
        self.read(|tx| {
            let sql = "SELECT facts_bytes FROM event ORDER BY seq DESC LIMIT ?1";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query([events])?;
            let mut seen: BTreeMap<String, Timestamp> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let facts = facts_of(&row.get::<_, Vec<u8>>(0)?)?;
                let newest = seen.entry(facts.node.to_string()).or_insert(facts.received);
                *newest = facts.received.max(*newest);
            }
            Ok(seen)
        })
    }

    /// How many of what the store holds.
    pub fn counts(&mut self) -> Result<Counts, CloudError> {
        self.read(|tx| {
            let count = |table: &str| -> Result<u64, CloudError> {
                let sql = format!("SELECT count(*) FROM {table}");
                Ok(uint(tx.conn.prepare_cached(&sql)?.query_row([], |row| row.get(0))?))
            };
            Ok(Counts {
                events: count("event")?,
                decisions: count("decision")?,
                devices: count("device")?,
                incidents: count("incident")?,
                device_records: count("device_record")?,
                feature_entries: u64::try_from(entries(tx)).unwrap_or(u64::MAX),
            })
        })
    }
}

impl Tx<'_> {
    /// The event log from sequence number `from` on, oldest first, at most `limit`.
    pub(crate) fn logged_from(&self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, CloudError> {
        let sql = "SELECT seq, ingested, facts_bytes FROM event WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![int(from), limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(LoggedEvent {
                seq: uint(row.get(0)?),
                ingested: Timestamp::from_ms(uint(row.get(1)?)),
                facts: facts_of(&row.get::<_, Vec<u8>>(2)?)?,
            });
        }
        Ok(found)
    }

    /// The decision of this reference.
    pub(crate) fn decision_of(&self, reference: &Reference) -> Result<StoredDecision, CloudError> {
        let found = self.decision_by_reference(reference)?;
        let id = found.ok_or_else(|| CloudError::not_found(format!("decision {}", reference.text())))?;
        let sql = format!("{DECISION} WHERE id = ?1");
        self.conn.prepare_cached(&sql)?.query_row([id], |row| Ok(stored_decision(row)))?
    }
}

fn entries(tx: &Tx<'_>) -> usize {
    tx.desk.state.features.entries()
}

/// Of a row of [`DECISION`].
fn stored_decision(row: &rusqlite::Row<'_>) -> Result<StoredDecision, CloudError> {
    let seq = uint(row.get(1)?);
    let settled: Vec<u8> = row.get(4)?;
    let settled = if settled.is_empty() {
        None
    } else {
        let settled = Settled::from_bytes(&settled);
        Some(settled.map_err(|error| CloudError::corrupt(format!("settlement: {error}")))?)
    };
    Ok(StoredDecision {
        seq,
        // INVARIANT: an event's features are read at its own place in the log, whenever it is decided.
        cut: seq,
        ingested: Timestamp::from_ms(uint(row.get(2)?)),
        standing: row.get(3)?,
        record: record_of(row, 5)?,
        settled,
    })
}
