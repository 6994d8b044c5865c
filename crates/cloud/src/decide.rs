//! Decisions: the rules of event ids, with the cloud as the authority (DESIGN §5.3 step 3).
//!
//! An event is one (thumbprint, event id) and counts once. The same request again gets the stored verdict; with
//! a valid proof that was not used before it is decided anew (proof spent and verdict stored in one transaction,
//! at most four times); another request under the same id is refused and leaves an incident. *Same* means the
//! digest over event, principal, body digest and extracted fields: a body digest alone would let one GET stand
//! for another. What the registry knows of the device lowers tier and trust of the facts before anything is
//! evaluated, and the record shows the lowered facts.

use crate::audit::{AuditKind, put_cell};
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::evaluate::Evaluated;
use crate::fact::acts;
use crate::feature::Logged;
use crate::record::{ListVersion, RecordTail, Settled};
use crate::state::facts_of;
use crate::store::index::Keyed;
use crate::store::pending::LogTable;
use crate::store::{Cell, int, uint};
use glacis_seal::{Purpose, sha256};
use glacis_wire::limits::DECISIONS_PER_EVENT_MAX;
use glacis_wire::message::challenge::{ChallengeNonce, NonceBody};
use glacis_wire::message::decide::{ClosedBy, DecideAnswer, Decided, EventFacts, Record};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{List, Text};
use glacis_wire::{Decode as _, Digest, Encode as _, Reference, Thumbprint, Trust, Verdict, Writer, Zone};
use rusqlite::{OptionalExtension as _, params};
use std::borrow::Cow;
use std::time::Duration;

/// Life of a challenge nonce. Source: DESIGN §4.2, at most five minutes.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// References that are drawn before one is looked for in the log.
const DRAWS: usize = 4;

/// Most reason codes in one record; the settlement keeps all.
const RECORD_REASONS_MAX: usize = 64;

/// What the store knows of an event.
pub(crate) struct Known {
    pub(crate) seq: u64,
    pub(crate) identity: Digest,
}

/// What the rules of event ids ask of a stored decision.
pub(crate) struct KeptDecision {
    pub(crate) id: i64,
    pub(crate) standing: bool,
    pub(crate) proof: Option<[u8; 32]>,
}

/// Facts with what storing them takes; made before the writer's queue where they come through it.
#[derive(Clone, Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) facts: Cow<'a, EventFacts>,
    /// Their encoding.
    pub(crate) bytes: Vec<u8>,
    /// What makes two requests the same action.
    pub(crate) identity: Digest,
    /// Of (thumbprint, event id), in the index of events.
    pub(crate) key: i64,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(facts: Cow<'a, EventFacts>) -> Result<Self, CloudError> {
        let (bytes, identity) = (facts.to_bytes()?, identity(&facts)?);
        let key = Keyed::Event.key(device_key(facts.thumbprint.as_ref()), facts.event_id.as_bytes());
        Ok(Self { facts, bytes, identity, key })
    }
}

/// A decision to be stored; `tail` is its record without the facts.
pub(crate) struct NewDecision<'a> {
    pub(crate) of: &'a Prepared<'a>,
    pub(crate) tail: &'a RecordTail,
    pub(crate) settled: Option<&'a Settled>,
    pub(crate) standing: bool,
}

impl CloudCore {
    /// Decides an event, or says again what was decided.
    pub fn decide(&mut self, facts: &EventFacts) -> Result<DecideAnswer, CloudError> {
        self.decide_prepared(&Prepared::new(Cow::Borrowed(facts))?)
    }

    /// [`decide`](Self::decide) of facts that were prepared before the writer's queue.
    pub(crate) fn decide_prepared(&mut self, prepared: &Prepared<'_>) -> Result<DecideAnswer, CloudError> {
        self.call_late(|tx| tx.decide(prepared))
    }
}

impl Tx<'_> {
    pub(crate) fn decide(&mut self, prepared: &Prepared<'_>) -> Result<DecideAnswer, CloudError> {
        self.check_received(&prepared.facts)?;
        let lowered = match self.apply_registry(&prepared.facts) {
            None => return Ok(DecideAnswer::Refused(Refusal::DeviceRefused)),
            Some(Cow::Borrowed(_)) => None,
            Some(lowered) => Some(Prepared::new(lowered)?),
        };
        let new = lowered.as_ref().unwrap_or(prepared);
        match self.known(new)? {
            None => self.decide_first(new),
            Some(known) if known.identity != new.identity => {
                self.incident("event-conflict", &new.facts, &new.bytes)?;
                Ok(DecideAnswer::Refused(Refusal::EventConflict))
            }
            Some(known) => self.decide_again(new, known.seq),
        }
    }

    fn decide_first(&mut self, of: &Prepared<'_>) -> Result<DecideAnswer, CloudError> {
        self.check_quota()?;
        let facts = &*of.facts;
        if self.is_scarce() && !acts(facts) {
            let detail = "the rest of the disk quota is kept for decisions that act";
            return Err(CloudError::new(CloudErrorKind::StorageFull, detail));
        }
        let seq = self.desk.state.next_seq();
        let Some(evaluated) = self.evaluate(facts, seq)? else {
            return self.no_policy();
        };
        let (tail, decided) = self.conclude(facts, seq, &evaluated)?;
        if let Some(refusal) = self.spend(facts, seq)? {
            return Ok(DecideAnswer::Refused(refusal));
        }
        let settled = settled(evaluated);
        self.store_first(&NewDecision { of, tail: &tail, settled: Some(&settled), standing: true })?;
        Ok(DecideAnswer::Decided(decided))
    }

    /// The same request again: a new proof decides anew, anything else gets what stands.
    fn decide_again(&mut self, of: &Prepared<'_>, seq: u64) -> Result<DecideAnswer, CloudError> {
        let facts = &*of.facts;
        let Some(passed) = &facts.passed else {
            return self.repeat(facts, seq);
        };
        match self.spender(&passed.proof)? {
            Some(spender) if spender == seq => return self.repeat(facts, seq),
            Some(_) => {
                self.incident("proof-reuse", facts, passed.proof.as_bytes())?;
                return Ok(DecideAnswer::Refused(Refusal::ProofSpent));
            }
            None => {}
        }
        if self.renewals(seq)? >= usize::from(DECISIONS_PER_EVENT_MAX) {
            return Ok(DecideAnswer::Refused(Refusal::DecisionsSpent));
        }
        self.check_quota()?;
        let Some(evaluated) = self.evaluate(facts, seq)? else {
            return self.no_policy();
        };
        let (tail, decided) = self.conclude(facts, seq, &evaluated)?;
        if let Some(refusal) = self.spend(facts, seq)? {
            return Ok(DecideAnswer::Refused(refusal));
        }
        let settled = settled(evaluated);
        let new = NewDecision { of, tail: &tail, settled: Some(&settled), standing: true };
        self.store_again(&new, seq)?;
        Ok(DecideAnswer::Decided(decided))
    }

    /// The policy that the edge chose is not in force here: no decision, and nothing of the call is kept.
    fn no_policy(&self) -> Result<DecideAnswer, CloudError> {
        Err(CloudError::refused(Refusal::Unavailable, "the policy of the facts is not in force here"))
    }

    /// What is stored of an own decision and what is answered, before anything is written.
    fn conclude(
        &self,
        facts: &EventFacts,
        seq: u64,
        evaluated: &Evaluated,
    ) -> Result<(RecordTail, Decided), CloudError> {
        let verdict = evaluated.verdict;
        let tail = RecordTail {
            zone: Zone::Cloud,
            verdict,
            reference: self.new_reference()?,
            closed_by: ClosedBy::Policy,
            decided: self.now,
            reasons: List(evaluated.reasons.iter().take(RECORD_REASONS_MAX).cloned().map(Text).collect()),
        };
        let nonce = self.nonce_for(facts, verdict)?;
        let decided = Decided { verdict, reference: tail.reference, cut: seq, repeated: false, nonce };
        Ok((tail, decided))
    }

    /// A reference that no decision has: of 60 random bits, two would meet among a billion decisions.
    ///
    /// Drawing another is cheaper than looking in the log for one that the index cannot rule out in memory, unless it
    /// has become so large that it rules out few.
    fn new_reference(&self) -> Result<Reference, CloudError> {
        let mut draws = 0;
        loop {
            let reference = Reference::from_random(self.random()?);
            let key = Keyed::Reference.key(reference.as_bytes(), &[]);
            let may_be_taken = self.desk.state.references.may_have(key);
            if !may_be_taken || draws >= DRAWS && self.decision_by_reference(&reference)?.is_none() {
                return Ok(reference);
            }
            draws += 1;
        }
    }

    /// The row of the decision that a client was given this reference for.
    pub(crate) fn decision_by_reference(&self, reference: &Reference) -> Result<Option<i64>, CloudError> {
        let index = &self.desk.state.references;
        for row in index.rows(self.conn, Keyed::Reference.key(reference.as_bytes(), &[]))? {
            let sql = "SELECT EXISTS (SELECT 1 FROM decision WHERE id = ?1 AND reference = ?2)";
            let key = params![row, reference.as_bytes()];
            if self.log()?.prepare_cached(sql)?.query_row(key, |row| row.get(0))? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn repeat(&mut self, facts: &EventFacts, seq: u64) -> Result<DecideAnswer, CloudError> {
        let standing = self.decisions_of(seq)?.into_iter().rev().find(|kept| kept.standing);
        let kept = standing.ok_or_else(|| CloudError::corrupt(format!("event {seq} has no decision")))?;
        let record = self.record(kept.id)?;
        let nonce = self.nonce_for(facts, record.verdict)?;
        Ok(DecideAnswer::Decided(Decided {
            verdict: record.verdict,
            reference: record.reference,
            cut: seq,
            repeated: true,
            nonce,
        }))
    }

    /// Makes what has to be answered where the verdict is a challenge and there is a device to answer.
    fn nonce_for(&self, facts: &EventFacts, verdict: Verdict) -> Result<Option<ChallengeNonce>, CloudError> {
        let (Verdict::Challenge(method), Some(thumbprint)) = (verdict, facts.thumbprint) else {
            return Ok(None);
        };
        let body = NonceBody {
            thumbprint,
            event: facts.event_id,
            content: facts.content,
            method,
            principal: facts.principal.clone().unwrap_or_default(),
            random: self.random()?,
            not_after: self.now.after(NONCE_LIFE),
        };
        let mac = self.desk.keys.nonce.mac(&self.desk.context, Purpose::Nonce, &body.to_bytes()?);
        Ok(Some(ChallengeNonce { body, mac }))
    }

    /// A receive time beyond the clock skew that nodes may have would move windows into the future.
    pub(crate) fn check_received(&self, facts: &EventFacts) -> Result<(), CloudError> {
        if facts.received > self.now.after(self.desk.limits.ahead_max) {
            return Err(CloudError::invalid("the receive time lies in the future"));
        }
        Ok(())
    }

    /// Lowers tier and trust to what the registry leaves; none where it leaves nothing.
    fn apply_registry<'a>(&self, facts: &'a EventFacts) -> Option<Cow<'a, EventFacts>> {
        let action = facts.thumbprint.and_then(|device| self.desk.state.feed.action(&device));
        match action.map(FeedAction::tier_max) {
            None => Some(Cow::Borrowed(facts)),
            Some(None) => None,
            Some(Some(tier)) => {
                let lowered =
                    EventFacts { tier: facts.tier.min(tier), trust: Trust::Claimed, ..facts.clone() };
                Some(Cow::Owned(lowered))
            }
        }
    }

    pub(crate) fn known(&self, of: &Prepared<'_>) -> Result<Option<Known>, CloudError> {
        let (device, event_id) = (device_key(of.facts.thumbprint.as_ref()), of.facts.event_id.as_bytes());
        for seq in self.desk.state.events.rows(self.conn, of.key)? {
            let sql = "SELECT identity FROM event WHERE seq = ?1 AND thumbprint = ?2 AND event_id = ?3";
            let key = params![seq, device, event_id];
            let found: Option<[u8; 32]> =
                self.log()?.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
            if let Some(identity) = found {
                return Ok(Some(Known { seq: uint(seq), identity: Digest::new(identity) }));
            }
        }
        Ok(None)
    }

    /// Appends an event to the log together with its first decision; gives its sequence number.
    ///
    /// One link of the chain is over both rows, and those that follow in the same commit. Everything that can fail but
    /// the disk comes before the first write.
    pub(crate) fn store_first(&mut self, new: &NewDecision<'_>) -> Result<u64, CloudError> {
        let (seq, id, ingested) = (self.desk.state.next_seq(), self.desk.state.next_decision(), self.now);
        let Prepared { facts, bytes: facts_bytes, identity, key } = new.of;
        let device = device_key(facts.thumbprint.as_ref());
        let event = [
            Cell::int(seq),
            Cell::blob(device),
            Cell::blob(facts.event_id.as_bytes()),
            Cell::blob(identity.as_bytes()),
            Cell::int(facts.received.as_ms()),
            Cell::int(ingested.as_ms()),
            Cell::blob(facts_bytes),
            Cell::int(id),
        ];
        let (tail, settled) = (new.tail.to_bytes()?, settled_bytes(new)?);
        let place = self.place_in_run(int(id));
        let decision = self.decision_cells(new, [seq, id], [&tail, &settled], Cell::int(place as u64));
        let mut bytes = Vec::with_capacity(facts_bytes.len() + tail.len() + settled.len() + 512);
        put_cells(AuditKind::Decision, &decision, &mut bytes);
        put_cells(AuditKind::Event, &event, &mut bytes);
        self.leave_message(new)?;
        let pending = self.desk.pending.get_mut();
        pending.put(LogTable::Event, &event);
        pending.put(LogTable::Decision, &decision);
        self.audit_first(int(id), place, &bytes);
        self.desk.tally.add(new.tail.zone, new.tail.verdict, &new.of.facts, new.tail.decided);
        let state = self.state();
        state.events.add(*key, int(seq));
        state.decided(id, &new.tail.reference);
        state.logged(&Logged { seq, ingested, facts });
        Ok(seq)
    }

    /// Stores a further decision on event `seq`.
    pub(crate) fn store_again(&mut self, new: &NewDecision<'_>, seq: u64) -> Result<(), CloudError> {
        let id = self.desk.state.next_decision();
        let (mut record, settled) = (new.of.bytes.clone(), settled_bytes(new)?);
        record.extend(new.tail.to_bytes()?);
        let cells = self.decision_cells(new, [seq, id], [&record, &settled], Cell::NULL);
        self.leave_message(new)?;
        let mut bytes = Vec::with_capacity(record.len() + settled.len() + 256);
        put_cells(AuditKind::Decision, &cells, &mut bytes);
        self.desk.pending.get_mut().put(LogTable::Decision, &cells);
        self.audit_digest(AuditKind::Decision, int(id), sha256(&bytes));
        self.desk.tally.add(new.tail.zone, new.tail.verdict, &new.of.facts, new.tail.decided);
        self.state().decided(id, &new.tail.reference);
        Ok(())
    }

    fn decision_cells<'a>(
        &self,
        new: &NewDecision<'a>,
        [seq, id]: [u64; 2],
        [record, settled]: [&'a [u8]; 2],
        shared: Cell<'a>,
    ) -> [Cell<'a>; 9] {
        let proof = new.of.facts.passed.as_ref().map(|passed| passed.proof.as_bytes().as_slice());
        [
            Cell::int(id),
            Cell::int(seq),
            proof.map_or(Cell::NULL, Cell::blob),
            Cell::int(u64::from(new.standing)),
            Cell::blob(new.tail.reference.as_bytes()),
            Cell::int(self.now.as_ms()),
            Cell::blob(record),
            Cell::blob(settled),
            shared,
        ]
    }

    /// Spends the proof of the facts for event `seq`; a refusal where another event spent it.
    pub(crate) fn spend(&mut self, facts: &EventFacts, seq: u64) -> Result<Option<Refusal>, CloudError> {
        let Some(passed) = &facts.passed else { return Ok(None) };
        let sql = "INSERT INTO spent_proof (proof, seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let rows = self.conn.prepare_cached(sql)?.execute(params![passed.proof.as_bytes(), int(seq)])?;
        if rows == 1 || self.spender(&passed.proof)? == Some(seq) {
            return Ok(None);
        }
        self.incident("proof-reuse", facts, passed.proof.as_bytes())?;
        Ok(Some(Refusal::ProofSpent))
    }

    fn spender(&self, proof: &Digest) -> Result<Option<u64>, CloudError> {
        let sql = "SELECT seq FROM spent_proof WHERE proof = ?1";
        let seq: Option<i64> =
            self.conn.prepare_cached(sql)?.query_row([proof.as_bytes()], |row| row.get(0)).optional()?;
        Ok(seq.map(uint))
    }

    /// How often event `seq` was decided anew by a proof.
    fn renewals(&self, seq: u64) -> Result<usize, CloudError> {
        Ok(self.decisions_of(seq)?.iter().filter(|kept| kept.proof.is_some()).count())
    }

    /// The decisions of event `seq`, oldest first.
    pub(crate) fn decisions_of(&self, seq: u64) -> Result<Vec<KeptDecision>, CloudError> {
        let sql = "SELECT id, standing, proof FROM decision WHERE id = (SELECT first_decision FROM event \
                   WHERE seq = ?1) UNION ALL SELECT id, standing, proof FROM decision WHERE seq = ?1 \
                   AND shared IS NULL ORDER BY id";
        let mut statement = self.log()?.prepare_cached(sql)?;
        let rows = statement.query_map([int(seq)], |row| {
            Ok(KeptDecision { id: row.get(0)?, standing: row.get(1)?, proof: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn record(&self, id: i64) -> Result<Record, CloudError> {
        let sql = "SELECT record_bytes, shared, facts_bytes FROM decision JOIN event ON event.seq = decision.seq \
                   WHERE decision.id = ?1";
        self.log()?
            .prepare_cached(sql)?
            .query_row([id], |row| Ok(record_of(row, 0)))
            .map_err(CloudError::from)?
    }

    /// Notes something that should not happen.
    pub(crate) fn incident(
        &mut self,
        kind: &str,
        facts: &EventFacts,
        detail: &[u8],
    ) -> Result<(), CloudError> {
        let sql = "INSERT INTO incident (at, kind, thumbprint, event_id, node, detail_bytes) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.conn.prepare_cached(sql)?.execute(params![
            int(self.now.as_ms()),
            kind,
            device_key(facts.thumbprint.as_ref()),
            facts.event_id.as_bytes(),
            facts.node.as_str(),
            detail,
        ])?;
        self.audit_inserted(AuditKind::Incident).map(|_row| ())
    }
}

/// Key columns hold an empty blob where a request was not signed.
pub(crate) fn device_key(thumbprint: Option<&Thumbprint>) -> &[u8] {
    thumbprint.map_or(&[], |device| device.as_bytes().as_slice())
}

/// Digest of what makes two requests the same action.
fn identity(facts: &EventFacts) -> Result<Digest, CloudError> {
    let mut out = Writer::new();
    facts.event.encode(&mut out)?;
    facts.content.encode(&mut out)?;
    facts.principal.encode(&mut out)?;
    let mut fields: Vec<_> = facts.fields.iter().collect();
    fields.sort_by(|a, b| a.signal.cmp(&b.signal));
    for field in fields {
        field.encode(&mut out)?;
    }
    Ok(sha256(out.as_bytes()))
}

pub(crate) fn settled(evaluated: Evaluated) -> Settled {
    let version = |(list, version): (String, u64)| ListVersion { list: Text(list), version };
    Settled {
        verdict: evaluated.verdict,
        obligations: evaluated.obligations,
        matched: List(evaluated.reasons.into_iter().map(Text).collect()),
        answers: List(evaluated.answers),
        lists: List(evaluated.lists.into_iter().map(version).collect()),
    }
}

/// The record of a row whose columns from `first` on are `record_bytes, shared, facts_bytes`.
pub(crate) fn record_of(row: &rusqlite::Row<'_>, first: usize) -> Result<Record, CloudError> {
    let blob = |at: usize| row.get_ref(first + at)?.as_blob().map_err(|_| CloudError::corrupt("a record"));
    let shared: Option<i64> = row.get(first + 1)?;
    let facts = if shared.is_some() { blob(2)? } else { &[] };
    record_of_bytes(blob(0)?, shared.is_some(), facts)
}

/// A stored record; `shared`: its facts are those of its event, else they are in its own bytes.
pub(crate) fn record_of_bytes(record: &[u8], shared: bool, facts: &[u8]) -> Result<Record, CloudError> {
    let corrupt = |error| CloudError::corrupt(format!("record: {error}"));
    if !shared {
        return Record::from_bytes(record).map_err(corrupt);
    }
    Ok(RecordTail::from_bytes(record).map_err(corrupt)?.with(facts_of(facts)?))
}

fn settled_bytes(new: &NewDecision<'_>) -> Result<Vec<u8>, CloudError> {
    Ok(match new.settled {
        Some(settled) => settled.to_bytes()?,
        None => Vec::new(),
    })
}

fn put_cells(kind: AuditKind, cells: &[Cell<'_>], out: &mut Vec<u8>) {
    for (at, cell) in cells.iter().enumerate() {
        put_cell(at, kind.born_columns(), cell.0, out);
    }
}
