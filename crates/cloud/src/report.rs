//! Reports of edge nodes: decisions that the edge took, sessions that it opened, what devices sent.
//!
//! Everything here is idempotent, since a report whose answer was lost comes again: a decision by its event and
//! reference, an opening by its chain value, a device record by its event id. A reported decision is *settled*:
//! the whole cloud slice runs over its facts at the cut of its event, for the full matched set and the
//! obligations; the verdict that was given stays. A decision that was closed because we did not answer owes what
//! it was closed by: the edge's rules and those hidden from it that match on `unavailable`.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::decide::{NewDecision, Prepared, device_key, settled};
use crate::error::CloudError;
use crate::fact::acts;
use crate::record::{RecordTail, Settled};
use crate::store::int;
use glacis_wire::Encode as _;
use glacis_wire::NodeName;
use glacis_wire::message::decide::{AttributedBatch, ClosedBy, OperatorAction, Record, Report, ReportAck};
use rusqlite::params;
use std::borrow::Cow;

/// A reported decision, settled.
struct SettledRecord {
    tail: RecordTail,
    settled: Option<Settled>,
    standing: bool,
}

impl SettledRecord {
    fn borrow<'a>(&'a self, of: &'a Prepared<'a>) -> NewDecision<'a> {
        let Self { tail, settled, standing } = self;
        NewDecision { of, tail, settled: settled.as_ref(), standing: *standing }
    }
}

impl CloudCore {
    /// Takes a report in. After an error the node sends the same report again.
    pub fn report(&mut self, report: &Report) -> Result<ReportAck, CloudError> {
        let run = |tx: &mut Tx<'_>| tx.report(report);
        // One record alone writes nothing before all that can fail but the disk is done.
        let alone =
            report.records.len() + report.openings.len() + report.devices.len() + report.operator.len() <= 1;
        if alone { self.call_late(run) } else { self.call(run) }
    }
}

impl Tx<'_> {
    fn report(&mut self, report: &Report) -> Result<ReportAck, CloudError> {
        self.check_quota()?;
        let mut ack = ReportAck { accepted: 0, repeated: 0 };
        for record in report.records.iter() {
            self.check_received(&record.facts)?;
        }
        for opening in report.openings.iter() {
            self.take_opening(opening)?;
        }
        let scarce = self.is_scarce();
        for record in report.records.iter() {
            if scarce && !acts(&record.facts) {
                tracing::debug!(reference = %record.reference.text(), "not kept: it did not act, and room is scarce");
                continue;
            }
            if self.take_record(record)? {
                ack.accepted += 1;
            } else {
                ack.repeated += 1;
            }
        }
        for batch in report.devices.iter() {
            self.take_device_batch(batch)?;
        }
        for action in report.operator.iter() {
            self.take_operator_action(&report.node, action)?;
        }
        Ok(ack)
    }

    /// Whether the record was new.
    fn take_record(&mut self, record: &Record) -> Result<bool, CloudError> {
        let prepared = Prepared::new(Cow::Borrowed(&record.facts))?;
        let Some(known) = self.known(&prepared)? else {
            let seq = self.desk.state.next_seq();
            let new = self.settle(record, seq, true)?;
            // A proof that another event spent leaves an incident; the decision happened all the same.
            let _refusal = self.spend(&record.facts, seq)?;
            self.store_first(&new.borrow(&prepared))?;
            return Ok(true);
        };
        if self.has_reference(record)? {
            return Ok(false);
        }
        if known.identity != prepared.identity {
            self.incident("event-conflict", &record.facts, &record.to_bytes()?)?;
            return Ok(true);
        }
        let standing = !self.has_decision(known.seq, record)?;
        let new = self.settle(record, known.seq, standing)?;
        let _refusal = self.spend(&record.facts, known.seq)?;
        self.store_again(&new.borrow(&prepared), known.seq)?;
        Ok(true)
    }

    /// Runs the whole policy over what a record says.
    fn settle(&mut self, record: &Record, seq: u64, standing: bool) -> Result<SettledRecord, CloudError> {
        let evaluated = match record.closed_by {
            ClosedBy::CloudUnavailable => self.evaluate_outage(&record.facts)?,
            ClosedBy::Policy | ClosedBy::Stance => self.evaluate(&record.facts, seq)?,
        };
        Ok(SettledRecord { tail: RecordTail::of(record), settled: evaluated.map(settled), standing })
    }

    fn has_reference(&self, record: &Record) -> Result<bool, CloudError> {
        if self.decision_by_reference(&record.reference)?.is_some() {
            return Ok(true);
        }
        let by_incident = "SELECT EXISTS (SELECT 1 FROM incident WHERE event_id = ?1 AND thumbprint = ?2 \
                           AND detail_bytes = ?3)";
        let key = params![
            record.facts.event_id.as_bytes(),
            device_key(record.facts.thumbprint.as_ref()),
            record.to_bytes()?
        ];
        Ok(self.conn.prepare_cached(by_incident)?.query_row(key, |row| row.get(0))?)
    }

    /// Whether the event was already decided with this record's proof, or without one.
    fn has_decision(&self, seq: u64, record: &Record) -> Result<bool, CloudError> {
        let proof = record.facts.passed.as_ref().map(|passed| *passed.proof.as_bytes());
        Ok(self.decisions_of(seq)?.iter().any(|kept| kept.proof == proof))
    }

    /// What an operator changed at a node, once, by the action's id.
    fn take_operator_action(&mut self, node: &NodeName, action: &OperatorAction) -> Result<(), CloudError> {
        let sql = "INSERT INTO operator_action (action_id, at, node, actor, action, detail) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let new = self.conn.prepare_cached(sql)?.execute(params![
            action.id,
            int(action.at.as_ms()),
            node.as_str(),
            action.actor.0,
            action.action.0,
            action.detail.0,
        ])?;
        if new == 1 {
            self.audit_inserted(AuditKind::OperatorAction)?;
        }
        Ok(())
    }

    fn take_device_batch(&mut self, batch: &AttributedBatch) -> Result<(), CloudError> {
        let sql = "INSERT INTO device_record (thumbprint, event_id, received, tier, trust, record_bytes) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        for record in batch.batch.records.iter() {
            let new = self.conn.prepare_cached(sql)?.execute(params![
                batch.thumbprint.as_bytes(),
                record.event_id.as_bytes(),
                int(batch.received.as_ms()),
                batch.tier as u8,
                batch.trust as u8,
                record.to_bytes()?,
            ])?;
            if new == 1 {
                self.audit_inserted(AuditKind::DeviceRecord)?;
                self.desk.tally.add_device(record.verdict);
            }
        }
        Ok(())
    }
}
