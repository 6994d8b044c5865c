//! What the node owes: records of its decisions, openings, device records and what operators changed, in a journal
//! until the cloud has them.
//!
//! An entry is written before the answer that it belongs to leaves (invariant 10: it survives kill -9; a sync
//! follows within 100 ms, called by whoever owns the node). What cannot be written is not decided: the caller
//! refuses. Entries leave the journal only when the cloud has acknowledged them.

use crate::core::StartError;
use crate::core::live::Reasons;
use glacis_host::{Files, Host};
use glacis_ledger::{Journal, JournalLimits, Position};
use glacis_wire::limits::BATCH_RECORDS_MAX;
use glacis_wire::message::List;
use glacis_wire::message::decide::{
    AttributedBatch, ClosedBy, DeviceBatch, EventFacts, OperatorAction, Record, Report,
};
use glacis_wire::message::session::OpeningRecord;
use glacis_wire::{
    Decode, DecodeError, Encode, EncodeError, NodeName, Reader, Reference, Timestamp, Verdict, Writer, Zone,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The journal of one node.
#[derive(Debug)]
pub struct Duty {
    journal: Journal,
    /// Device records are taken while the journal holds no more than this. Unit: bytes.
    courtesy_bytes: u64,
    /// Records of observed requests likewise.
    observed_bytes: u64,
    node: NodeName,
    dirty: AtomicBool,
}

/// The journal did not take or give an entry.
#[derive(Debug, thiserror::Error)]
#[error("journal: {0}")]
pub struct JournalError(String);

/// A [`Record`] of this zone whose facts stay where they are; the same bytes.
pub(crate) struct Owed<'a> {
    pub(crate) facts: &'a EventFacts,
    pub(crate) verdict: Verdict,
    pub(crate) reference: Reference,
    pub(crate) closed_by: ClosedBy,
    pub(crate) decided: Timestamp,
    pub(crate) reasons: &'a Reasons,
}

impl Encode for Owed<'_> {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.facts.encode(out)?;
        Zone::Edge.encode(out)?;
        self.verdict.encode(out)?;
        self.reference.encode(out)?;
        self.closed_by.encode(out)?;
        self.decided.encode(out)?;
        self.reasons.encode(out)
    }
}

/// Entries to ship, and where they end.
#[derive(Debug)]
pub struct Batch {
    /// What to send.
    pub report: Report,
    up_to: Position,
}

/// Most bytes of one report. Unit: bytes. Half a message, since one entry always fits.
const REPORT_BYTES_MAX: usize = 512 << 10;
/// The part of the journal that device records may fill: one in this many.
const COURTESY_SHARE: u64 = 4;
/// The part that records of requests on which nothing acts may fill: one in this many.
const OBSERVED_SHARE: u64 = 2;
/// Device records per entry: with the longest disclosures still within one journal record.
const DEVICE_RECORDS_MAX: usize = 8;

impl Duty {
    pub(crate) fn open(
        files: Arc<dyn Files>,
        host: Arc<dyn Host>,
        node: NodeName,
        journal_bytes: u64,
    ) -> Result<Self, StartError> {
        let limits = JournalLimits {
            total_bytes: journal_bytes,
            segment_bytes: JournalLimits::default().segment_bytes.min(journal_bytes / 4),
        };
        let opened = Journal::open(files, host, "journal", limits)
            .map_err(|error| StartError::State(error.to_string()))?;
        if opened.torn_bytes > 0 {
            tracing::warn!(
                bytes = opened.torn_bytes,
                "the journal ended in a torn record, which was never answered"
            );
        }
        if opened.unacknowledged > 0 {
            tracing::info!(entries = opened.unacknowledged, "the journal holds entries for the cloud");
        }
        let courtesy_bytes = journal_bytes / COURTESY_SHARE;
        let observed_bytes = journal_bytes / OBSERVED_SHARE;
        Ok(Self {
            journal: opened.journal,
            courtesy_bytes,
            observed_bytes,
            node,
            dirty: AtomicBool::new(false),
        })
    }

    pub(crate) fn record(&self, record: &Owed<'_>) -> Result<(), JournalError> {
        self.write(RECORD, record)
    }

    /// Takes the record of a request on which nothing acts, while there is room: whoever sends many of them, unsigned,
    /// must not leave enforced routes without a journal.
    pub(crate) fn observed(&self, record: &Owed<'_>) -> Result<(), JournalError> {
        if self.journal.total_bytes() > self.observed_bytes {
            return Err(JournalError::of("the rest of it is kept for decisions that act"));
        }
        self.write(RECORD, record)
    }

    pub(crate) fn opening(&self, opening: &OpeningRecord) -> Result<(), JournalError> {
        self.write(OPENING, opening)
    }

    /// Takes what a device decided on its own, while there is room to spare: the device keeps what is refused, and
    /// no number of such records may leave decisions without a journal.
    pub(crate) fn devices(&self, batch: &AttributedBatch) -> Result<(), JournalError> {
        if self.journal.total_bytes() > self.courtesy_bytes {
            return Err(JournalError::of("the rest of it is kept for decisions"));
        }
        batch.batch.records.chunks(DEVICE_RECORDS_MAX).try_for_each(|records| {
            let part = DeviceBatch { records: List(records.to_vec()) };
            self.write(DEVICES, &AttributedBatch { batch: part, ..batch.clone() })
        })
    }

    /// Takes what an operator changed, and makes it durable before it acts.
    pub(crate) fn operator(&self, action: &OperatorAction) -> Result<(), JournalError> {
        self.write(OPERATOR, action)?;
        // Whatever else is syncing: that may have begun before.
        self.journal.sync().map(drop).map_err(JournalError::of)
    }

    fn write(&self, kind: u8, entry: &impl Encode) -> Result<(), JournalError> {
        let mut out = Writer::with_capacity(ENTRY_BYTES);
        out.u8(kind);
        entry.encode(&mut out).map_err(JournalError::of)?;
        let written = self.journal.append(out.as_bytes());
        if let Err(error) = written {
            tracing::error!(%error, "the journal takes no entry; nothing is decided");
            return Err(JournalError::of(error));
        }
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Bytes that wait for the cloud.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.total_bytes()
    }

    /// Makes what was written durable against power loss; to be called every 100 ms or less.
    pub fn sync(&self) -> Result<(), JournalError> {
        if self.dirty.swap(false, Ordering::AcqRel) {
            self.journal.sync().map_err(JournalError::of)?;
        }
        Ok(())
    }

    /// The oldest entries that the cloud has not acknowledged; `None` where there are none.
    pub fn batch(&self) -> Result<Option<Batch>, JournalError> {
        let after = self.journal.acknowledged();
        let entries =
            self.journal.read_after(after, BATCH_RECORDS_MAX, REPORT_BYTES_MAX).map_err(JournalError::of)?;
        let Some((up_to, _)) = entries.last() else { return Ok(None) };
        let up_to = *up_to;
        let mut report = Report {
            node: self.node.clone(),
            records: List(vec![]),
            openings: List(vec![]),
            devices: List(vec![]),
            operator: List(vec![]),
        };
        for (_, entry) in &entries {
            add(&mut report, entry).map_err(JournalError::of)?;
        }
        Ok(Some(Batch { report, up_to }))
    }

    /// The cloud has this batch.
    pub fn acknowledge(&self, batch: &Batch) -> Result<(), JournalError> {
        self.journal.acknowledge(batch.up_to).map_err(JournalError::of)
    }
}

impl JournalError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

fn add(report: &mut Report, entry: &[u8]) -> Result<(), DecodeError> {
    let mut input = Reader::new(entry);
    let at = input.invalid("journal entry");
    match input.u8()? {
        RECORD => report.records.0.push(Record::decode(&mut input)?),
        OPENING => report.openings.0.push(OpeningRecord::decode(&mut input)?),
        DEVICES => report.devices.0.push(AttributedBatch::decode(&mut input)?),
        OPERATOR => report.operator.0.push(OperatorAction::decode(&mut input)?),
        _ => return Err(at),
    }
    input.finish()
}

/// Room for a usual entry, so that encoding one allocates once. Unit: bytes.
const ENTRY_BYTES: usize = 768;
const RECORD: u8 = 0;
const OPENING: u8 = 1;
const DEVICES: u8 = 2;
const OPERATOR: u8 = 3;
