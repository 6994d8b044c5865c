//! Decisions: the rules of event ids, with the cloud as the authority (DESIGN §5.3 step 3).
//!
//! An event is one (thumbprint, event id) and counts once. The same request again gets the stored verdict; with
//! a valid proof that was not used before it is decided anew (proof spent and verdict stored in one transaction,
//! at most four times); another request under the same id is refused and leaves an incident. *Same* means the
//! digest over event, principal, body digest and extracted fields: a body digest alone would let one GET stand
//! for another. What the registry knows of the device lowers tier and trust of the facts before anything is
//! evaluated, and the record shows the lowered facts.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::evaluate::Evaluated;
use crate::feature::Logged;
use crate::record::{ListVersion, Settled};
use crate::store::{int, uint};
use glacis_seal::{Purpose, sha256};
use glacis_wire::limits::DECISIONS_PER_EVENT_MAX;
use glacis_wire::message::challenge::{ChallengeNonce, NonceBody};
use glacis_wire::message::decide::{ClosedBy, DecideAnswer, Decided, EventFacts, Record};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{List, Text};
use glacis_wire::{Decode as _, Digest, Encode as _, Reference, Thumbprint, Trust, Verdict, Writer, Zone};
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;

/// Life of a challenge nonce. Source: DESIGN §4.2, at most five minutes.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// Most reason codes in one record; the settlement keeps all.
const RECORD_REASONS_MAX: usize = 64;

/// What the store knows of an event.
pub(crate) struct Known {
    pub(crate) seq: u64,
    pub(crate) identity: Digest,
}

/// What made a decision row.
pub(crate) struct NewDecision<'a> {
    pub(crate) seq: u64,
    pub(crate) record: &'a Record,
    pub(crate) settled: Option<Settled>,
    pub(crate) standing: bool,
}

impl CloudCore {
    /// Decides an event, or says again what was decided.
    pub fn decide(&mut self, facts: &EventFacts) -> Result<DecideAnswer, CloudError> {
        self.call(|tx| tx.decide(facts))
    }
}

impl Tx<'_> {
    fn decide(&mut self, facts: &EventFacts) -> Result<DecideAnswer, CloudError> {
        self.check_received(facts)?;
        let mut facts = facts.clone();
        if !self.apply_registry(&mut facts) {
            return Ok(DecideAnswer::Refused(Refusal::DeviceRefused));
        }
        let identity = identity(&facts)?;
        match self.known(&facts)? {
            None => self.decide_first(&facts, &identity),
            Some(known) if known.identity != identity => {
                self.incident("event-conflict", &facts, &facts.to_bytes()?)?;
                Ok(DecideAnswer::Refused(Refusal::EventConflict))
            }
            Some(known) => self.decide_again(&facts, known.seq),
        }
    }

    fn decide_first(&mut self, facts: &EventFacts, identity: &Digest) -> Result<DecideAnswer, CloudError> {
        if let Some(refusal) = self.spend(facts, self.desk.state.next_seq())? {
            return Ok(DecideAnswer::Refused(refusal));
        }
        let seq = self.desk.state.next_seq();
        let Some(evaluated) = self.evaluate(facts, seq)? else {
            return self.no_policy();
        };
        self.log(facts, identity)?;
        self.store_own(facts, seq, evaluated)
    }

    /// The same request again: a new proof decides anew, anything else gets what stands.
    fn decide_again(&mut self, facts: &EventFacts, seq: u64) -> Result<DecideAnswer, CloudError> {
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
        if self.renewals(seq)? >= u32::from(DECISIONS_PER_EVENT_MAX) {
            return Ok(DecideAnswer::Refused(Refusal::DecisionsSpent));
        }
        if let Some(refusal) = self.spend(facts, seq)? {
            return Ok(DecideAnswer::Refused(refusal));
        }
        match self.evaluate(facts, seq)? {
            Some(evaluated) => self.store_own(facts, seq, evaluated),
            None => self.no_policy(),
        }
    }

    /// The policy that the edge chose is not in force here: no decision, and nothing of the call is kept.
    fn no_policy(&self) -> Result<DecideAnswer, CloudError> {
        Err(CloudError::refused(Refusal::Unavailable, "the policy of the facts is not in force here"))
    }

    fn store_own(
        &mut self,
        facts: &EventFacts,
        seq: u64,
        evaluated: Evaluated,
    ) -> Result<DecideAnswer, CloudError> {
        let verdict = evaluated.verdict;
        let reasons = evaluated.reasons.iter().take(RECORD_REASONS_MAX).cloned().map(Text).collect();
        let record = Record {
            facts: facts.clone(),
            zone: Zone::Cloud,
            verdict,
            reference: Reference::from_random(self.random()?),
            closed_by: ClosedBy::Policy,
            decided: self.now,
            reasons: List(reasons),
        };
        let settled = Some(settled(evaluated));
        self.store_decision(&NewDecision { seq, record: &record, settled, standing: true })?;
        let nonce = self.nonce_for(facts, verdict)?;
        let decided = Decided { verdict, reference: record.reference, cut: seq, repeated: false, nonce };
        Ok(DecideAnswer::Decided(decided))
    }

    fn repeat(&mut self, facts: &EventFacts, seq: u64) -> Result<DecideAnswer, CloudError> {
        let sql =
            "SELECT record_bytes FROM decision WHERE seq = ?1 AND standing = 1 ORDER BY id DESC LIMIT 1";
        let bytes: Option<Vec<u8>> =
            self.conn.prepare_cached(sql)?.query_row([int(seq)], |row| row.get(0)).optional()?;
        let bytes = bytes.ok_or_else(|| CloudError::corrupt(format!("event {seq} has no decision")))?;
        let record = record_of(&bytes)?;
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

    /// Lowers tier and trust to what the registry leaves; false where it leaves nothing.
    pub(crate) fn apply_registry(&self, facts: &mut EventFacts) -> bool {
        let action = facts.thumbprint.and_then(|device| self.desk.state.feed.action(&device));
        match action.map(FeedAction::tier_max) {
            None => true,
            Some(None) => false,
            Some(Some(tier)) => {
                facts.tier = facts.tier.min(tier);
                facts.trust = Trust::Claimed;
                true
            }
        }
    }

    pub(crate) fn known(&self, facts: &EventFacts) -> Result<Option<Known>, CloudError> {
        let sql = "SELECT seq, identity FROM event WHERE thumbprint = ?1 AND event_id = ?2";
        let found: Option<(i64, [u8; 32])> = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![device_key(facts.thumbprint.as_ref()), facts.event_id.as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        Ok(found.map(|(seq, identity)| Known { seq: uint(seq), identity: Digest::new(identity) }))
    }

    /// Appends the event to the log; its sequence number is the one that was next.
    pub(crate) fn log(&mut self, facts: &EventFacts, identity: &Digest) -> Result<u64, CloudError> {
        let seq = self.desk.state.next_seq();
        let ingested = self.now;
        let sql = "INSERT INTO event (seq, thumbprint, event_id, identity, received, ingested, facts_bytes) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.conn.prepare_cached(sql)?.execute(params![
            int(seq),
            device_key(facts.thumbprint.as_ref()),
            facts.event_id.as_bytes(),
            identity.as_bytes(),
            int(facts.received.as_ms()),
            int(ingested.as_ms()),
            facts.to_bytes()?,
        ])?;
        self.audit(AuditKind::Event, int(seq))?;
        self.state().logged(&Logged { seq, ingested, facts });
        Ok(seq)
    }

    pub(crate) fn store_decision(&mut self, new: &NewDecision<'_>) -> Result<(), CloudError> {
        let settled = match &new.settled {
            Some(settled) => settled.to_bytes()?,
            None => Vec::new(),
        };
        let sql = "INSERT INTO decision (seq, proof, standing, reference, ingested, record_bytes, settled_bytes) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.conn.prepare_cached(sql)?.execute(params![
            int(new.seq),
            new.record.facts.passed.as_ref().map(|passed| *passed.proof.as_bytes()),
            new.standing,
            new.record.reference.as_bytes(),
            int(self.now.as_ms()),
            new.record.to_bytes()?,
            settled,
        ])?;
        self.audit_inserted(AuditKind::Decision).map(|_row| ())
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
    fn renewals(&self, seq: u64) -> Result<u32, CloudError> {
        let sql = "SELECT count(*) FROM decision WHERE seq = ?1 AND proof IS NOT NULL";
        Ok(self.conn.prepare_cached(sql)?.query_row([int(seq)], |row| row.get(0))?)
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
pub(crate) fn identity(facts: &EventFacts) -> Result<Digest, CloudError> {
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

pub(crate) fn record_of(bytes: &[u8]) -> Result<Record, CloudError> {
    Record::from_bytes(bytes).map_err(|error| CloudError::corrupt(format!("record: {error}")))
}
