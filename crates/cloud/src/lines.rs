//! Decisions one after another, in short: those of edge and cloud and those that devices took alone, as one log.
//!
//! There are two logs with numbers of their own, so a place in both is a [`Position`]. Here the bytes of rows are
//! copied and nothing is decoded: that is the work of whoever wants to read them ([`RawLine::read`]), away from the
//! thread that decides. Rows come in the order of their storage.

use crate::core::CloudCore;
use crate::decide::record_of_bytes;
use crate::error::CloudError;
use crate::fact::acts;
use crate::pulse::took_ms;
use crate::store::{int, uint};
use glacis_wire::message::decide::{DeviceRecord, Record};
use glacis_wire::{Decode as _, PolicyDigest, Reference, Thumbprint, Tier, Timestamp, Verdict, Zone};
use rusqlite::{Row, params};
use std::cmp::Reverse;
use std::fmt;

/// The part of the lines of one answer, one in so many, that what devices decided alone may take.
const DEVICE_SHARE: u32 = 4;

/// A place in the log of decisions and in that of device records: both up to these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Number of a decision.
    pub decision: u64,
    /// Number of a device record.
    pub device: u64,
}

impl Position {
    /// Behind everything.
    pub const END: Self = Self { decision: u64::MAX, device: u64::MAX };

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (decision, device) = text.split_once('.')?;
        let number = |text: &str| text.parse().ok().filter(|number: &u64| number.to_string() == text);
        Some(Self { decision: number(decision)?, device: number(device)? })
    }

    /// How many rows lie between an earlier place and this.
    pub const fn since(self, earlier: Self) -> u64 {
        self.decision.saturating_sub(earlier.decision) + self.device.saturating_sub(earlier.device)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.decision, self.device)
    }
}

/// A row as it is stored.
#[derive(Clone, Debug)]
pub struct RawLine {
    id: u64,
    stored: Timestamp,
    bytes: RawBytes,
}

#[derive(Clone, Debug)]
enum RawBytes {
    Decision { record: Vec<u8>, shared: bool, facts: Vec<u8> },
    Device { record: Vec<u8>, thumbprint: Thumbprint, tier: u8 },
}

/// Rows with the places around them.
#[derive(Clone, Debug)]
pub struct RawLines {
    /// The rows.
    pub lines: Vec<RawLine>,
    /// Where to go on in the direction of the reading.
    pub at: Position,
    /// The end of both logs.
    pub end: Position,
    /// Whether there is more in the direction of the reading.
    pub more: bool,
}

/// One decision in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which row.
    pub row: RowName,
    /// What the client was given; none for what a device decided alone.
    pub reference: Option<Reference>,
    /// When, by the clock of who decided.
    pub decided: Timestamp,
    /// Which event.
    pub event: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Who decided.
    pub zone: Zone,
    /// What closed open rules.
    pub closed_by: &'static str,
    /// Codes of the rules that justify the verdict.
    pub reasons: Vec<String>,
    /// The user.
    pub principal: Option<String>,
    /// The device.
    pub thumbprint: Option<Thumbprint>,
    /// Its tier.
    pub tier: Tier,
    /// Who received the request; not kept of what a device decided alone.
    pub node: Option<String>,
    /// The policy.
    pub policy: PolicyDigest,
    /// Whether the verdict acted.
    pub acted: bool,
    /// From receipt at the edge to the decision, where the records state both and their clocks agree. Unit:
    /// milliseconds.
    pub took_ms: Option<u64>,
}

/// A row of one of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowName {
    /// A decision.
    Decision(u64),
    /// A device record.
    Device(u64),
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision(id) => write!(f, "{id}"),
            Self::Device(id) => write!(f, "d{id}"),
        }
    }
}

impl RawLine {
    /// Whether it is before or at a place.
    pub const fn is_within(&self, place: &Position) -> bool {
        match self.bytes {
            RawBytes::Decision { .. } => self.id <= place.decision,
            RawBytes::Device { .. } => self.id <= place.device,
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    /// If its bytes are no record.
    pub fn read(&self) -> Result<Line, CloudError> {
        match &self.bytes {
            RawBytes::Decision { record, shared, facts } => {
                let record = record_of_bytes(record, *shared, facts)?;
                Ok(Line::of(self.id, &record))
            }
            RawBytes::Device { record, thumbprint, tier } => {
                let record = DeviceRecord::from_bytes(record);
                let record =
                    record.map_err(|error| CloudError::corrupt(format!("device record: {error}")))?;
                Ok(Line {
                    row: RowName::Device(self.id),
                    reference: None,
                    decided: record.decided,
                    event: record.event.to_string(),
                    verdict: record.verdict,
                    zone: Zone::Device,
                    closed_by: "policy",
                    reasons: Vec::new(),
                    principal: None,
                    thumbprint: Some(*thumbprint),
                    tier: crate::registry::tier_of_code(*tier)?,
                    node: None,
                    policy: record.disclosed.policy,
                    acted: true,
                    took_ms: None,
                })
            }
        }
    }
}

impl Line {
    /// Of a stored decision.
    pub fn of(row: u64, record: &Record) -> Self {
        let facts = &record.facts;
        Self {
            row: RowName::Decision(row),
            reference: Some(record.reference),
            decided: record.decided,
            event: facts.event.to_string(),
            verdict: record.verdict,
            zone: record.zone,
            closed_by: record.closed_by.name(),
            reasons: record.reasons.iter().map(|reason| reason.0.clone()).collect(),
            principal: facts.principal.as_ref().map(|principal| principal.0.clone()),
            thumbprint: facts.thumbprint,
            tier: facts.tier,
            node: Some(facts.node.to_string()),
            policy: facts.policy,
            acted: acts(facts),
            took_ms: took_ms(facts.received, record.decided),
        }
    }
}

const DECISIONS: &str = "SELECT id, decision.ingested, record_bytes, shared, facts_bytes FROM decision \
                         JOIN event ON event.seq = decision.seq";
const DEVICES: &str = "SELECT id, received, record_bytes, thumbprint, tier FROM device_record";

impl CloudCore {
    /// The end of both logs.
    pub fn end_of_lines(&mut self) -> Result<Position, CloudError> {
        self.read(|tx| {
            let sql = "SELECT max(id) FROM device_record";
            let device: Option<i64> = tx.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            let decision = tx.desk.state.next_decision().saturating_sub(1);
            Ok(Position { decision, device: device.map_or(0, uint) })
        })
    }

    /// Rows after `from`, at most `limit`, in order of storage.
    pub fn lines_after(&mut self, from: Position, limit: u32) -> Result<RawLines, CloudError> {
        let end = self.end_of_lines()?;
        self.read(|tx| {
            let few = (limit / DEVICE_SHARE).max(1);
            let many = limit.saturating_sub(few).max(1);
            let sql = format!("{DECISIONS} WHERE id > ?1 ORDER BY id LIMIT ?2");
            let decisions = rows(tx.conn, &sql, from.decision, many, raw_decision)?;
            let sql = format!("{DEVICES} WHERE id > ?1 ORDER BY id LIMIT ?2");
            let devices = rows(tx.conn, &sql, from.device, few, raw_device)?;
            let at = Position {
                decision: decisions.last().map_or(from.decision, |line| line.id),
                device: devices.last().map_or(from.device, |line| line.id),
            };
            let mut lines = decisions;
            lines.extend(devices);
            // Stable: each log keeps its own order among rows of one moment.
            lines.sort_by_key(|line| line.stored);
            Ok(RawLines { lines, at, end, more: end.since(at) > 0 })
        })
    }

    /// Rows before `from`, at most `limit`, the newest first.
    pub fn lines_before(&mut self, from: Position, limit: u32) -> Result<RawLines, CloudError> {
        let end = self.end_of_lines()?;
        self.read(|tx| {
            let most = limit.saturating_add(1);
            let sql = format!("{DECISIONS} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
            let decisions = rows(tx.conn, &sql, from.decision, most, raw_decision)?;
            let sql = format!("{DEVICES} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
            let devices = rows(tx.conn, &sql, from.device, most, raw_device)?;
            Ok(merged(from, end, [decisions, devices], limit))
        })
    }
}

/// The newest of two logs, each newest first: always a beginning of each, so that a place in both says what was taken.
fn merged(from: Position, end: Position, logs: [Vec<RawLine>; 2], limit: u32) -> RawLines {
    let [mut decisions, mut devices] = logs.map(|log| log.into_iter().peekable());
    let (mut lines, mut at) = (Vec::new(), from);
    while lines.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
        let stored = |line: &RawLine| Reverse(line.stored);
        let device_first = match (decisions.peek(), devices.peek()) {
            (Some(decision), Some(device)) => stored(device) < stored(decision),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let Some(line) = (if device_first { devices.next() } else { decisions.next() }) else { break };
        if device_first {
            at.device = line.id;
        } else {
            at.decision = line.id;
        }
        lines.push(line);
    }
    let more = decisions.peek().is_some() || devices.peek().is_some();
    RawLines { lines, at, end, more }
}

fn rows(
    conn: &rusqlite::Connection,
    sql: &str,
    from: u64,
    limit: u32,
    read: fn(&Row<'_>) -> Result<RawLine, CloudError>,
) -> Result<Vec<RawLine>, CloudError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![int(from), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn raw_decision(row: &Row<'_>) -> Result<RawLine, CloudError> {
    let shared: Option<i64> = row.get(3)?;
    // A record that has its facts of its own does not need its event's.
    let facts = if shared.is_some() { row.get(4)? } else { Vec::new() };
    Ok(RawLine {
        id: uint(row.get(0)?),
        stored: Timestamp::from_ms(uint(row.get(1)?)),
        bytes: RawBytes::Decision { record: row.get(2)?, shared: shared.is_some(), facts },
    })
}

fn raw_device(row: &Row<'_>) -> Result<RawLine, CloudError> {
    let thumbprint = Thumbprint::new(row.get(3)?);
    Ok(RawLine {
        id: uint(row.get(0)?),
        stored: Timestamp::from_ms(uint(row.get(1)?)),
        bytes: RawBytes::Device { record: row.get(2)?, thumbprint, tier: row.get(4)? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u64, stored: u64) -> RawLine {
        let bytes = RawBytes::Decision { record: Vec::new(), shared: false, facts: Vec::new() };
        RawLine { id, stored: Timestamp::from_ms(stored), bytes }
    }

    #[test]
    fn a_position_reads_back_and_nothing_else_is_one() {
        let position = Position { decision: 123, device: 7 };
        assert_eq!(Position::parse(&position.to_string()), Some(position));
        for bad in ["", "1", "1.", ".1", "1.2.3", "+1.2", "01.2", "1.-2", "a.b", "1.99999999999999999999"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
        assert_eq!(
            position.since(Position { decision: 100, device: 9 }),
            23,
            "what is behind counts nothing"
        );
    }

    #[test]
    fn pages_of_two_logs_give_every_row_once_and_the_newest_first() {
        let decisions = || vec![line(9, 90), line(8, 50), line(7, 10)];
        let devices = || vec![line(4, 70), line(3, 60)];
        let end = Position { decision: 9, device: 4 };
        let first = merged(Position::END, end, [decisions(), devices()], 3);
        let ids: Vec<u64> = first.lines.iter().map(|line| line.id).collect();
        assert_eq!((ids, first.more), (vec![9, 4, 3], true));
        let after =
            |log: Vec<RawLine>, before: u64| log.into_iter().filter(|line| line.id < before).collect();
        let logs = [after(decisions(), first.at.decision), after(devices(), first.at.device)];
        let second = merged(first.at, end, logs, 3);
        let ids: Vec<u64> = second.lines.iter().map(|line| line.id).collect();
        assert_eq!((ids, second.more), (vec![8, 7], false));
    }
}
