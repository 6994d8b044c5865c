//! From verdict to answer: the record, the event table, and what client and upstream are told.
//!
//! A verdict leaves only behind its record. Where the route observes, the record says so and the request goes on,
//! with what would have been in the decision that the upstream may read.

use super::event::{Case, NO_POLICY, Pending, plain};
use super::live::Reasons;
use super::{EdgeCore, Forward, Step, answer};
use crate::config::Stance;
use crate::duty::Owed;
use crate::learnt::{Fate, Learning, Learnt};
use crate::request::render_sequence;
use crate::state::events::Stored;
use glacis_policy::Close;
use glacis_seal::{MacKey, Purpose};
use glacis_wire::limits::MESSAGE_BYTES_MAX;
use glacis_wire::message::List;
use glacis_wire::message::challenge::ChallengeNonce;
use glacis_wire::message::decide::{ClientVerdict, ClosedBy, DecideAnswer, UpstreamDecision};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Encode, Reference, Timestamp, Verdict, Writer, Zone};
use std::sync::Arc;
use std::time::Duration;

/// Longest life of a verdict. Source: DESIGN §5.3 step 4.
const VERDICT_LIFE: Duration = Duration::from_secs(60);
/// Room for a usual verdict or decision, so that encoding one allocates once. Unit: bytes.
const MESSAGE_BYTES: usize = 448;

impl EdgeCore {
    /// The cloud answered, or did not.
    pub(super) fn decided(
        &self,
        pending: Pending,
        answer: Option<DecideAnswer>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let way = pending.case.way.clone();
        self.close(pending.case, answer, now).or_else(|refusal| self.give_up(way, refusal))
    }

    fn close(&self, case: Box<Case>, answer: Option<DecideAnswer>, now: Timestamp) -> Result<Step, Refusal> {
        match answer {
            Some(DecideAnswer::Decided(decided)) => {
                self.facts.decided(Zone::Cloud, decided.verdict);
                self.deliver(&case, decided.verdict, decided.reference, decided.nonce.map(Box::new), now)
            }
            Some(DecideAnswer::Refused(refusal)) => {
                self.forget(&case);
                Err(refusal)
            }
            None => {
                let live = Arc::clone(&case.way.live);
                let Some(plan) = live.plan(case.way.route) else { return self.stance(case, now) };
                let (outcome, reasons) = plan.run(&case.facts, case.device(), Close::CloudUnavailable);
                // INVARIANT: a closing zone leaves nothing open, so the interval is a point.
                let verdict = outcome.settled.unwrap_or(outcome.strictest);
                self.record(case, verdict, ClosedBy::CloudUnavailable, reasons, now)
            }
        }
    }

    /// No policy can be run.
    pub(super) fn stance(&self, mut case: Box<Case>, now: Timestamp) -> Result<Step, Refusal> {
        case.facts.policy = NO_POLICY;
        let live = Arc::clone(&case.way.live);
        let Some(route) = live.route(case.way.route) else { return Err(Refusal::NoRoute) };
        match route.stance {
            Stance::Open => self.record(case, Verdict::Allow, ClosedBy::Stance, List(Vec::new()), now),
            Stance::Closed if case.way.observes() => {
                self.record(case, Verdict::Block, ClosedBy::Stance, List(Vec::new()), now)
            }
            Stance::Closed => {
                let reference =
                    self.write(&case, Verdict::Block, ClosedBy::Stance, &List(Vec::new()), now)?;
                // No verdict on the event: when a policy is there again, it is decided.
                self.forget(&case);
                self.facts.refused(Refusal::Unavailable);
                // The reference of the record, so that an operator finds what the client was given.
                Ok(Step::Answer(answer::refusal(Refusal::Unavailable, reference)))
            }
        }
    }

    /// Writes the record, then delivers: no decision leaves without its record.
    pub(super) fn record(
        &self,
        case: Box<Case>,
        verdict: Verdict,
        closed_by: ClosedBy,
        reasons: Reasons,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let reference = self.write(&case, verdict, closed_by, &reasons, now)?;
        let nonce = self.nonce(&case, verdict, now)?;
        self.deliver(&case, verdict, reference, nonce, now)
    }

    /// Puts the decision into the journal; where that takes none, the event is as if it had not come.
    fn write(
        &self,
        case: &Case,
        verdict: Verdict,
        closed_by: ClosedBy,
        reasons: &Reasons,
        now: Timestamp,
    ) -> Result<Reference, Refusal> {
        let reference = self.reference();
        let facts = &case.facts;
        let owed = Owed { facts, verdict, reference, closed_by, decided: now, reasons };
        let observes = case.way.observes();
        let taken = if observes { self.duty.observed(&owed) } else { self.duty.record(&owed) };
        if taken.is_err() {
            self.forget(case);
            return Err(Refusal::Overloaded);
        }
        self.facts.decided(Zone::Edge, verdict);
        Ok(reference)
    }

    fn forget(&self, case: &Case) {
        if let Some(key) = case.key() {
            self.events.abandon(key, case.spent());
        }
    }

    fn nonce(
        &self,
        case: &Case,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<Option<Box<ChallengeNonce>>, Refusal> {
        match (verdict, case.binding()) {
            (Verdict::Challenge(method), Some(binding)) => {
                self.challenger.issue(binding, method, &*self.host, now).map(|nonce| Some(Box::new(nonce)))
            }
            _ => Ok(None),
        }
    }

    /// The stored verdict again, with a nonce that is still good.
    pub(super) fn repeat(
        &self,
        mut case: Box<Case>,
        stored: Stored,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        self.facts.repeated();
        case.facts.policy = stored.policy;
        let nonce = match stored.nonce {
            Some(nonce) if nonce.body.not_after > now => Some(nonce),
            _ => self.nonce(&case, stored.verdict, now)?,
        };
        self.deliver(&case, stored.verdict, stored.reference, nonce, now)
    }

    /// Tells client and upstream.
    fn deliver(
        &self,
        case: &Case,
        verdict: Verdict,
        reference: Reference,
        nonce: Option<Box<ChallengeNonce>>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let live = &case.way.live;
        let Some(route) = live.route(case.way.route) else { return Err(Refusal::NoRoute) };
        let observes = case.way.observes();
        let facts = &case.facts;
        let not_after = now.after(VERDICT_LIFE);
        let policy = facts.policy;
        let maced = match &case.leg {
            Some(leg) => {
                let client = ClientVerdict {
                    event_id: facts.event_id,
                    request: case.request,
                    content: facts.content,
                    policy,
                    // What becomes of it: where a route only observes, it may go on.
                    verdict: if observes { Verdict::Allow } else { verdict },
                    reference,
                    nonce: nonce.as_deref().filter(|_| !observes).cloned(),
                    not_after,
                };
                Some(self.maced(&MacKey::new(leg.verdict.clone()), Purpose::Verdict, &client)?)
            }
            None => None,
        };
        if let Some(key) = case.key() {
            self.events.store(key, Stored { verdict, reference, policy, nonce });
        }
        let ends = verdict != Verdict::Allow && !observes;
        let learn = self.count(case, verdict, ends);
        if ends {
            return Ok(Step::Answer(answer::verdict(verdict, reference, maced)));
        }
        let decision = UpstreamDecision {
            event: facts.event.clone(),
            event_id: facts.event_id,
            thumbprint: facts.thumbprint,
            tier: facts.tier,
            principal: facts.principal.clone(),
            request: case.request,
            content: facts.content,
            policy,
            verdict,
            reference,
            not_after,
        };
        Ok(Step::Forward(Box::new(Forward {
            decision: Some(self.maced(&self.upstream_key, Purpose::Decision, &decision)?),
            verdict: maced,
            reference: Some(reference.text()),
            policy_version: live.version,
            content: case.stream,
            counted: case
                .stream
                .filter(|_| observes)
                .and_then(|_| Learnt::counted(&case.way.sighting, case.way.mode, Fate::Verdict(verdict))),
            learn,
            ..plain(live, route, case.way.mode).ok_or(Refusal::Upstream)?
        })))
    }

    /// Counts the request on its learnt route; what is left to do when its service has answered.
    fn count(&self, case: &Case, verdict: Verdict, ends: bool) -> Option<Learning> {
        let fate = if case.ailing { Fate::Refused } else { Fate::Verdict(verdict) };
        self.modes.learnt.count(&case.way.sighting, case.way.mode, fate, ends)
    }

    /// A [`Maced`](glacis_wire::message::Maced) message as a header value. The same bytes as
    /// `glacis_seal::mac_envelope` makes (tests open them so), encoded once.
    fn maced(&self, key: &MacKey, purpose: Purpose, message: &impl Encode) -> Result<String, Refusal> {
        let mut out = Writer::with_capacity(MESSAGE_BYTES);
        // The length of what follows, filled in when it is known.
        out.u32(0);
        message.encode(&mut out).map_err(|_| Refusal::Overloaded)?;
        let mut bytes = out.into_bytes();
        let (room, body) = bytes.split_first_chunk_mut::<4>().ok_or(Refusal::Overloaded)?;
        let fits = u32::try_from(body.len()).ok().filter(|_| body.len() <= MESSAGE_BYTES_MAX);
        *room = fits.ok_or(Refusal::Overloaded)?.to_be_bytes();
        let mac = key.mac(&self.context, purpose, body);
        bytes.extend_from_slice(&mac);
        Ok(render_sequence(&bytes))
    }
}
