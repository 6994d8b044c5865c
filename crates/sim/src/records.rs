//! What the control plane kept of a run, read from its database file after it stopped.
//!
//! The check reads the file with statements of its own, so that it compares what is *stored* and not what a
//! library of the control plane says about it. Read only; the file must not be open elsewhere.

use crate::features::{Entry, Logged};
use crate::snapshots::text;
use glacis_policy::{Obligation, Obligations};
use glacis_wire::message::decide::{DeviceRecord, EventFacts, Record};
use glacis_wire::{
    Answer, Cause, Decode, EventId, Reader, SignalName, Thumbprint, Tier, Timestamp, Trust, Value, Verdict,
};
use rusqlite::{Connection, OpenFlags, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One decision of edge or cloud.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The event's place in the log, which is also the cut at which its features were read.
    pub seq: u64,
    /// The decision as kept.
    pub record: Record,
    /// Canonical bytes of what was settled afterwards.
    pub settled: Vec<u8>,
}

impl Decided {
    /// The duties that were settled; none where nothing was.
    pub fn obligations(&self) -> Option<Obligations> {
        let mut input = Reader::new(&self.settled);
        let _verdict = Verdict::decode(&mut input).ok()?;
        let bits = input.u8().ok()?;
        let has = |duty: &Obligation| bits & (1 << *duty as u8) != 0;
        let duties = Obligation::ALL.into_iter().filter(has);
        Some(duties.fold(Obligations::NONE, |all, duty| all.union(Obligations::of(duty))))
    }
}

/// One decision of a device.
#[derive(Clone, Debug)]
pub struct OnDevice {
    /// Who decided.
    pub thumbprint: Thumbprint,
    /// Its tier when the edge received the record.
    pub tier: Tier,
    /// Its trust then.
    pub trust: Trust,
    /// When the edge received the record.
    pub received: Timestamp,
    /// The decision as told.
    pub record: DeviceRecord,
}

/// One change of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListChange {
    /// Which list.
    pub list: String,
    /// Which item.
    pub item: String,
    /// Whether it is on the list from then on.
    pub present: bool,
    /// From when it counts.
    pub effective: Timestamp,
    /// Version of the list that it made.
    pub version: u64,
}

/// Everything the check reads.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The event log in order.
    pub log: Vec<Logged>,
    /// Decisions of edge and cloud, oldest first.
    pub decided: Vec<Decided>,
    /// Decisions of devices.
    pub on_device: Vec<OnDevice>,
    /// Changes of lists, oldest first.
    pub lists: Vec<ListChange>,
    /// Events that something impossible was noted about (conflicting content, a proof used twice).
    pub incidents: Vec<EventId>,
    /// Devices by the family of their evidence, as the registry has them; attackers' are among them.
    pub families: BTreeMap<String, u32>,
}

/// Why the file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the records: {what}")]
pub struct RecordsError {
    what: String,
}

impl From<rusqlite::Error> for RecordsError {
    fn from(error: rusqlite::Error) -> Self {
        Self { what: error.to_string() }
    }
}

/// Reads the database of a stopped control plane; `principals` are the signals that the verified user answers.
///
/// # Errors
/// If the file is no database of the expected schema, or holds bytes that are no message.
pub fn read(path: &Path, principals: &BTreeSet<SignalName>) -> Result<Kept, RecordsError> {
    // A write-ahead log can only be read by a connection that may also write its index.
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut kept = Kept::default();
    each(&conn, "SELECT seq, ingested, facts_bytes FROM event ORDER BY seq", |row| {
        let (seq, ingested, facts): (u64, u64, Vec<u8>) = (number(row, 0)?, number(row, 1)?, row.get(2)?);
        let entry = entry(&message::<EventFacts>(&facts)?, principals);
        kept.log.push(Logged { seq, ingested: Timestamp::from_ms(ingested), entry });
        Ok(())
    })?;
    // The first decision of an event is stored without its facts, which are those of the event.
    let sql = "SELECT decision.seq, record_bytes, settled_bytes, CASE WHEN shared IS NULL THEN x'' ELSE facts_bytes END \
               FROM decision JOIN event ON event.seq = decision.seq ORDER BY id";
    each(&conn, sql, |row| {
        let (seq, tail, settled): (u64, Vec<u8>, Vec<u8>) = (number(row, 0)?, row.get(1)?, row.get(2)?);
        let record = [row.get::<_, Vec<u8>>(3)?, tail].concat();
        kept.decided.push(Decided { seq, record: message(&record)?, settled });
        Ok(())
    })?;
    each(&conn, "SELECT thumbprint, tier, trust, received, record_bytes FROM device_record", |row| {
        let (thumbprint, tier, trust): (Vec<u8>, u8, u8) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (received, record): (u64, Vec<u8>) = (number(row, 3)?, row.get(4)?);
        kept.on_device.push(OnDevice {
            thumbprint: message(&thumbprint)?,
            tier: message(&[tier])?,
            trust: message(&[trust])?,
            received: Timestamp::from_ms(received),
            record: message(&record)?,
        });
        Ok(())
    })?;
    each(
        &conn,
        "SELECT list, item, present, effective, version FROM list_change ORDER BY list, version",
        |row| {
            kept.lists.push(ListChange {
                list: row.get(0)?,
                item: row.get(1)?,
                present: row.get(2)?,
                effective: Timestamp::from_ms(number(row, 3)?),
                version: number(row, 4)?,
            });
            Ok(())
        },
    )?;
    each(&conn, "SELECT event_id FROM incident WHERE event_id IS NOT NULL", |row| {
        let event: Vec<u8> = row.get(0)?;
        kept.incidents.push(message(&event)?);
        Ok(())
    })?;
    // A device that attests anew by a new key is one device.
    let sql = "SELECT family, COUNT(*) FROM device WHERE thumbprint NOT IN (SELECT old FROM lineage) GROUP BY family";
    each(&conn, sql, |row| {
        let count = u32::try_from(number(row, 1)?).unwrap_or(u32::MAX);
        kept.families.insert(row.get(0)?, count);
        Ok(())
    })?;
    Ok(kept)
}

fn each(
    conn: &Connection,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> Result<(), RecordsError>,
) -> Result<(), RecordsError> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

/// A column that is never negative.
fn number(row: &Row<'_>, column: usize) -> Result<u64, RecordsError> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| RecordsError { what: format!("column {column} is negative") })
}

fn message<T: Decode>(bytes: &[u8]) -> Result<T, RecordsError> {
    T::from_bytes(bytes).map_err(|error| RecordsError { what: error.to_string() })
}

/// What features can see of an event: request and edge signals by name, and what the edge always states.
pub(crate) fn entry(facts: &EventFacts, principals: &BTreeSet<SignalName>) -> Entry {
    let named = facts.fields.iter().chain(facts.observed.iter());
    let mut signals: BTreeMap<SignalName, Answer> =
        named.map(|one| (one.signal.clone(), one.answer.clone())).collect();
    signals.extend(stated(facts.tier, facts.thumbprint));
    let user = facts.principal.as_ref().map_or(Answer::unknown(Cause::Withheld), |user| text(user));
    signals.extend(principals.iter().map(|principal| (principal.clone(), user.clone())));
    Entry {
        event: facts.event.clone(),
        thumbprint: facts.thumbprint,
        event_id: facts.event_id,
        received: facts.received,
        signals,
    }
}

/// The edge signals that every catalogue has.
pub(crate) fn stated(
    tier: Tier,
    thumbprint: Option<Thumbprint>,
) -> impl Iterator<Item = (SignalName, Answer)> {
    let id = thumbprint.map_or(Answer::Missing, |thumbprint| text(&thumbprint.to_string()));
    let stated = [
        ("device.tier", text(tier.name())),
        ("device.id", id),
        ("request.signed", Answer::Value(Value::Bool(thumbprint.is_some()))),
    ];
    stated.into_iter().filter_map(|(name, answer)| Some((SignalName::parse(name).ok()?, answer)))
}
