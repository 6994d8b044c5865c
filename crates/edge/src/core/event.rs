//! One event from head to verdict: body, fields, principal, proof, turn, slice, record, answer.
//!
//! In mode `observe` everything is computed and recorded as in `enforce`, only nothing of it acts: what would have
//! been refused is forwarded without a device, what would have been blocked is forwarded. Framing, the body
//! limit and the journal are not policy and hold in both modes.

use super::caller::{EMPTY, Signed};
use super::live::{DeviceSays, Live, Reasons};
use super::{Body, EdgeCore, Forward, Held, Step, Wanted, answer};
use crate::config::{DeviceZone, Mode, RouteConfig, Stance};
use crate::duty::Owed;
use crate::extract::extract;
use crate::request::{RequestHead, render_sequence};
use crate::route;
use crate::state::events::{Stored, Turn};
use crate::state::legs::Leg;
use crate::trust::proof::Binding;
use glacis_policy::Close;
use glacis_seal::{MacKey, Purpose, sha256, sha256_parts};
use glacis_wire::limits::MESSAGE_BYTES_MAX;
use glacis_wire::message::challenge::{ChallengeNonce, Proof};
use glacis_wire::message::decide::{
    ClientVerdict, ClosedBy, DEVICE_ZONE, DecideAnswer, EventFacts, SignalAnswer, UpstreamDecision,
};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{List, Text};
use glacis_wire::{
    Answer, Cause, Digest, Encode, EventId, EventName, PolicyDigest, Reference, SignalName, Thumbprint, Tier,
    Timestamp, Trust, Verdict, Writer, Zone,
};
use std::sync::Arc;
use std::time::Duration;

/// Longest life of a verdict. Source: DESIGN §5.3 step 4.
const VERDICT_LIFE: Duration = Duration::from_secs(60);
/// Room for a usual verdict or decision, so that encoding one allocates once. Unit: bytes.
const MESSAGE_BYTES: usize = 384;
/// Policy digest of a record where no policy was run.
const NO_POLICY: PolicyDigest = PolicyDigest::new([0; 32]);

/// An event on its way to a verdict.
#[derive(Debug)]
pub(super) struct Case {
    route: usize,
    live: Arc<Live>,
    facts: EventFacts,
    leg: Option<Arc<Leg>>,
    /// Why the device says nothing; `None` where `facts.disclosed` can be read.
    silent: Option<Cause>,
    request: Digest,
    proof: Option<Box<Proof>>,
    /// Digest that the streamed body is still to be compared with.
    stream: Option<Digest>,
}

/// A request that waits for the cloud's decision.
#[derive(Debug)]
pub struct Pending {
    case: Box<Case>,
}

impl Pending {
    /// What to ask the cloud.
    pub const fn facts(&self) -> &EventFacts {
        &self.case.facts
    }
}

impl Case {
    /// What the event table knows the event by; `None` where there is no device.
    fn key(&self) -> Option<(Thumbprint, EventId)> {
        self.facts.thumbprint.map(|thumbprint| (thumbprint, self.facts.event_id))
    }

    /// What must stay the same for the event to be the same: the action and who asks for it. A stored verdict
    /// about one user says nothing about another.
    fn subject(&self, head: &RequestHead<'_>) -> Digest {
        let facts = &self.facts;
        let text = [facts.event.as_str(), head.method, head.authority, head.path, head.query];
        let [event, method, authority, path, query] = text.map(str::as_bytes);
        let head = [event, b"\0", method, b"\0", authority, b"\0", path, b"\0", query, b"\0"].concat();
        // The principal comes last, behind a byte that says whether there is one: it may hold any byte itself.
        let (known, principal) = match &facts.principal {
            Some(principal) => ([1], principal.0.as_bytes()),
            None => ([0], &[][..]),
        };
        sha256_parts(&[facts.content.as_bytes(), &head, &known, principal])
    }

    fn binding(&self) -> Option<Binding<'_>> {
        let principal = self.facts.principal.as_ref().map_or("", |text| text.0.as_str());
        let (event, content) = (self.facts.event_id, self.facts.content);
        self.facts.thumbprint.map(|thumbprint| Binding { thumbprint, event, content, principal })
    }

    fn spent(&self) -> Option<Digest> {
        self.facts.passed.as_ref().map(|passed| passed.proof)
    }

    fn device(&self) -> DeviceSays<'_> {
        match (self.silent, &self.facts.disclosed) {
            (None, Some(disclosed)) => DeviceSays::Disclosed(disclosed),
            (cause, _) => DeviceSays::Nothing(cause.unwrap_or(Cause::Withheld)),
        }
    }
}

impl EdgeCore {
    /// A request of no own endpoint.
    pub(super) fn event(
        &self,
        head: &RequestHead<'_>,
        body: Body<'_>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let Some((at, route, _)) = route::find(&self.config.routes, head) else {
            return Err(Refusal::NoRoute);
        };
        let Some(event) = &route.event else {
            return Ok(Step::Forward(Box::new(plain(route))));
        };
        let mut case = self.case((at, route), event, head, now)?;
        let whole = match body {
            Body::Empty => Some(&[][..]),
            Body::Whole(bytes) if bytes.len() > route.body_max => return Err(Refusal::BodyTooLarge),
            Body::Whole(bytes) => Some(bytes),
            Body::ToCome => None,
        };
        match whole {
            Some(body) => self.with_body(case, head, body, now),
            None if route.reads_body() || case.leg.is_none() => {
                Ok(Step::NeedBody(Box::new(Held { limit: route.body_max, what: Wanted::Event(case) })))
            }
            None => {
                case.stream = Some(case.facts.content);
                self.settle(case, head, &[], now)
            }
        }
    }

    /// The signed caller, or why the route goes on without one.
    fn caller(
        &self,
        route: &RouteConfig,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Result<Signed, Cause>, Refusal> {
        if route.device == DeviceZone::None {
            return Ok(Err(Cause::Absent));
        }
        match self.signed(head, now) {
            Ok(signed) => Ok(Ok(signed)),
            Err(Refusal::SignatureMissing) if route.device == DeviceZone::Optional => {
                Ok(Err(Cause::Withheld))
            }
            Err(refusal) if route.mode == Mode::Observe => {
                self.facts.refused(refusal);
                Ok(Err(Cause::Withheld))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Who asks about what, before the body.
    fn case(
        &self,
        (at, route): (usize, &RouteConfig),
        event: &EventName,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Box<Case>, Refusal> {
        let live = self.live();
        let policy = live.plan(at).map_or(NO_POLICY, |plan| plan.slice.policy());
        let caller = self.caller(route, head, now)?;
        let facts = EventFacts {
            event: event.clone(),
            policy,
            thumbprint: None,
            tier: Tier::None,
            trust: Trust::Claimed,
            event_id: EventId::new([0; 16]),
            content: EMPTY,
            principal: None,
            received: now,
            disclosed: None,
            fields: List(Vec::new()),
            observed: List(Vec::new()),
            passed: None,
            node: self.config.node.clone(),
        };
        let mut case = Box::new(Case {
            route: at,
            live: Arc::clone(&live),
            facts,
            leg: None,
            silent: None,
            request: Digest::new([0; 32]),
            proof: None,
            stream: None,
        });
        match caller {
            Err(cause) => {
                case.facts.event_id = EventId::new(self.random()?);
                case.facts.observed = List(observed(cause));
                case.silent = Some(cause);
            }
            Ok(signed) => {
                case.silent = match &signed.disclosed {
                    None => Some(Cause::Withheld),
                    Some(disclosed) if disclosed.policy != policy => Some(Cause::Version),
                    Some(disclosed) if !live.plan(at).is_none_or(|plan| plan.fits(disclosed)) => {
                        return Err(Refusal::DisclosureMalformed);
                    }
                    Some(_) => None,
                };
                let facts = &mut case.facts;
                facts.thumbprint = Some(signed.leg.thumbprint);
                facts.tier = signed.tier;
                facts.trust = signed.trust;
                facts.event_id = signed.event_id;
                facts.content = signed.content;
                facts.disclosed = signed.disclosed;
                case.leg = Some(signed.leg);
                case.request = signed.request;
                case.proof = signed.proof;
            }
        }
        Ok(case)
    }

    /// The body is whole: it must be the one that was signed.
    pub(super) fn with_body(
        &self,
        mut case: Box<Case>,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let content = if body.is_empty() { EMPTY } else { sha256(body) };
        if case.leg.is_some() && content != case.facts.content {
            return Err(Refusal::DigestMismatch);
        }
        case.facts.content = content;
        self.settle(case, head, body, now)
    }

    /// Reads the request; in mode `observe` what cannot be read is forwarded undecided.
    fn settle(
        &self,
        mut case: Box<Case>,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let Some(route) = self.config.routes.get(case.route) else { return Err(Refusal::NoRoute) };
        match self.read(&mut case, route, head, body, now) {
            Ok(turn) => self.decide(case, turn, now),
            Err(refusal) if route.mode == Mode::Observe => {
                self.facts.refused(refusal);
                Ok(Step::Forward(Box::new(Forward { content: case.stream, ..plain(route) })))
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn read(
        &self,
        case: &mut Case,
        route: &RouteConfig,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Turn, Refusal> {
        let captures = route::captures(route, head).ok_or(Refusal::NoRoute)?;
        let fields = extract(route, head, &captures, body).map_err(|unreadable| {
            tracing::debug!(why = unreadable.0, "request cannot be read in one way");
            Refusal::BodyUnreadable
        })?;
        case.facts.fields = List(fields);
        if let Some(wanted) = &route.principal {
            let principal = self.principal(head, &wanted.claim, case.leg.as_deref(), now)?;
            case.facts.principal = principal.map(|text| Text((*text).to_owned()));
        }
        let Some(key) = case.key() else { return Ok(Turn::Decide) };
        let subject = case.subject(head);
        if let Some(proof) = case.proof.take() {
            if let Some(turn @ Turn::Refuse(_)) = self.events.peek(key, subject) {
                return Ok(turn);
            }
            self.asymmetric(now)?;
            let binding = case.binding().ok_or(Refusal::ProofWrong)?;
            let passkey = case.leg.as_ref().and_then(|leg| leg.passkey.as_ref());
            let passed = self.challenger.check(&proof, binding, passkey, &self.keys(), now)?;
            case.facts.passed = Some(passed);
        }
        Ok(self.events.turn(key, subject, case.spent()))
    }

    fn decide(&self, case: Box<Case>, turn: Turn, now: Timestamp) -> Result<Step, Refusal> {
        match turn {
            Turn::Refuse(refusal) => return Err(refusal),
            Turn::Repeat(stored) => return self.repeat(case, stored, now),
            Turn::Decide => {}
        }
        let live = Arc::clone(&case.live);
        let Some(plan) = live.plan(case.route).filter(|_| self.feed_is_usable(now)) else {
            return self.stance(case, now);
        };
        let device_id = case.leg.as_ref().map(|leg| &*leg.device_id);
        let (outcome, reasons) = plan.run(&case.facts, case.device(), device_id, Close::Open);
        match outcome.settled {
            Some(verdict) => self.record(case, verdict, ClosedBy::Policy, reasons, now),
            None => Ok(Step::AskCloud(Box::new(Pending { case }))),
        }
    }

    /// The cloud answered, or did not.
    pub(super) fn decided(
        &self,
        pending: Pending,
        answer: Option<DecideAnswer>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let case = pending.case;
        match answer {
            Some(DecideAnswer::Decided(decided)) => {
                self.facts.decided(Zone::Cloud, decided.verdict);
                self.deliver(&case, decided.verdict, decided.reference, decided.nonce.map(Box::new), now)
            }
            Some(DecideAnswer::Refused(refusal)) => {
                if let Some(key) = case.key() {
                    self.events.abandon(key, case.spent());
                }
                match self.config.routes.get(case.route) {
                    Some(route) if route.mode == Mode::Observe => {
                        self.facts.refused(refusal);
                        Ok(Step::Forward(Box::new(Forward { content: case.stream, ..plain(route) })))
                    }
                    _ => Err(refusal),
                }
            }
            None => {
                let live = Arc::clone(&case.live);
                let Some(plan) = live.plan(case.route) else { return self.stance(case, now) };
                let device_id = case.leg.as_ref().map(|leg| &*leg.device_id);
                let (outcome, reasons) =
                    plan.run(&case.facts, case.device(), device_id, Close::CloudUnavailable);
                // INVARIANT: a closing zone leaves nothing open, so the interval is a point.
                let verdict = outcome.settled.unwrap_or(outcome.strictest);
                self.record(case, verdict, ClosedBy::CloudUnavailable, reasons, now)
            }
        }
    }

    /// No policy can be run.
    fn stance(&self, mut case: Box<Case>, now: Timestamp) -> Result<Step, Refusal> {
        case.facts.policy = NO_POLICY;
        let Some(route) = self.config.routes.get(case.route) else { return Err(Refusal::NoRoute) };
        match route.stance {
            Stance::Open => self.record(case, Verdict::Allow, ClosedBy::Stance, List(Vec::new()), now),
            Stance::Closed => {
                let step = self.record(case, Verdict::Block, ClosedBy::Stance, List(Vec::new()), now)?;
                match step {
                    Step::Answer(_) => Err(Refusal::Unavailable),
                    forward => Ok(forward),
                }
            }
        }
    }

    /// Writes the record, then delivers: no decision leaves without its record.
    fn record(
        &self,
        case: Box<Case>,
        verdict: Verdict,
        closed_by: ClosedBy,
        reasons: Reasons,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let reference = self.reference();
        let facts = &case.facts;
        let owed = Owed { facts, verdict, reference, closed_by, decided: now, reasons: &reasons };
        if self.duty.record(&owed).is_err() {
            if let Some(key) = case.key() {
                self.events.abandon(key, case.spent());
            }
            return Err(Refusal::Overloaded);
        }
        self.facts.decided(Zone::Edge, verdict);
        let nonce = self.nonce(&case, verdict, now)?;
        self.deliver(&case, verdict, reference, nonce, now)
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
    fn repeat(&self, mut case: Box<Case>, stored: Stored, now: Timestamp) -> Result<Step, Refusal> {
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
        let Some(route) = self.config.routes.get(case.route) else { return Err(Refusal::NoRoute) };
        let observes = route.mode == Mode::Observe;
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
                Some(self.maced(&leg.verdict_key, Purpose::Verdict, &client)?)
            }
            None => None,
        };
        if let Some(key) = case.key() {
            self.events.store(key, Stored { verdict, reference, policy, nonce });
        }
        if verdict != Verdict::Allow && !observes {
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
            policy_version: case.live.version,
            content: case.stream,
            ..plain(route)
        })))
    }

    /// A [`Maced`](glacis_wire::message::Maced) message as a header value. The same bytes as
    /// `glacis_seal::mac_envelope` makes (tests open them so), encoded once.
    fn maced(&self, key: &MacKey, purpose: Purpose, message: &impl Encode) -> Result<String, Refusal> {
        let mut body = Writer::with_capacity(MESSAGE_BYTES);
        message.encode(&mut body).map_err(|_| Refusal::Overloaded)?;
        let mac = key.mac(&self.context, purpose, body.as_bytes());
        let mut out = Writer::with_capacity(body.as_bytes().len() + 36);
        out.bytes("bytes", body.as_bytes(), MESSAGE_BYTES_MAX).map_err(|_| Refusal::Overloaded)?;
        out.raw(&mac);
        Ok(render_sequence(out.as_bytes()))
    }
}

fn plain(route: &RouteConfig) -> Forward {
    Forward { upstream: route.upstream, body_max: route.body_max, ..Forward::default() }
}

/// What the cloud must know of a route besides its event: that nothing was to be expected from a device.
fn observed(silent: Cause) -> Vec<SignalAnswer> {
    let stated = |signal| SignalAnswer { signal, answer: Answer::unknown(Cause::Absent) };
    SignalName::parse(DEVICE_ZONE).ok().filter(|_| silent == Cause::Absent).map(stated).into_iter().collect()
}
