//! One event from head to verdict: body, fields, principal, proof, turn, slice, record, answer.
//!
//! In mode `observe` everything is computed and recorded as in `enforce`, only nothing of it acts: what would have
//! been refused is counted and forwarded, what would have been blocked is recorded and forwarded. That holds for
//! every limit and every failure of ours; only HTTP that can be read in two ways is refused in both modes. The
//! body of an unsigned request is then not waited for, unless a field is read from it.

use super::caller::{EMPTY, Signed};
use super::live::{DeviceSays, Live};
use super::operate::is_catch_all;
use super::{Body, EdgeCore, Forward, Held, Step, Wanted};
use crate::config::{DeviceZone, Mode, RouteConfig};
use crate::extract::extract;
use crate::learnt::{Fate, Sighting};
use crate::request::RequestHead;
use crate::route;
use crate::state::events::Turn;
use crate::state::legs::Leg;
use crate::trust::proof::Binding;
use glacis_policy::Close;
use glacis_seal::sha256;
use glacis_wire::message::challenge::Proof;
use glacis_wire::message::decide::{ClosedBy, DEVICE_ZONE, EventFacts, ROUTE_MODE, SignalAnswer};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{List, Text};
use glacis_wire::{
    Answer, Cause, Digest, EventId, EventName, PolicyDigest, SignalName, Thumbprint, Tier, Timestamp, Trust,
    Value,
};
use std::sync::Arc;

/// Policy digest of a record where no policy was run.
pub(super) const NO_POLICY: PolicyDigest = PolicyDigest::new([0; 32]);
/// Digest of a body that was not waited for.
const UNREAD: Digest = Digest::new([0; 32]);

/// Where a request goes and whether verdicts act on it, settled when it came.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) live: Arc<Live>,
    pub(super) route: usize,
    pub(super) mode: Mode,
    pub(super) sighting: Sighting,
    /// Whether its address prefix asks too much: only a device's session takes it further.
    pub(super) limited: bool,
}

impl Way {
    pub(super) fn observes(&self) -> bool {
        self.mode == Mode::Observe
    }
}

/// An event on its way to a verdict.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) way: Way,
    pub(super) facts: EventFacts,
    pub(super) leg: Option<Arc<Leg>>,
    /// Whether enforcing would have refused it: it goes on without a device.
    pub(super) ailing: bool,
    /// Why the device says nothing; `None` where `facts.disclosed` can be read.
    silent: Option<Cause>,
    pub(super) request: Digest,
    proof: Option<Box<Proof>>,
    /// Digest that the streamed body is still to be compared with.
    pub(super) stream: Option<Digest>,
}

/// A request that waits for the cloud's decision.
#[derive(Debug)]
pub struct Pending {
    pub(super) case: Box<Case>,
}

impl Pending {
    /// What to ask the cloud.
    pub const fn facts(&self) -> &EventFacts {
        &self.case.facts
    }
}

impl Case {
    /// What the event table knows the event by; `None` where there is no device.
    pub(super) fn key(&self) -> Option<(Thumbprint, EventId)> {
        self.facts.thumbprint.map(|thumbprint| (thumbprint, self.facts.event_id))
    }

    /// What must stay the same for the event to be the same: the action and who asks for it. A stored verdict
    /// about one user says nothing about another.
    fn subject(&self, head: &RequestHead<'_>) -> Digest {
        let facts = &self.facts;
        let text = [facts.event.as_str(), head.method, head.authority, head.path, head.query];
        let [event, method, authority, path, query] = text.map(str::as_bytes);
        // The principal comes last, behind a byte that says whether there is one: it may hold any byte itself.
        let (known, principal) = match &facts.principal {
            Some(principal) => ([1], principal.0.as_bytes()),
            None => ([0], &[][..]),
        };
        let z = &b"\0"[..];
        let content = &facts.content.as_bytes()[..];
        // Hashed in one piece: that costs less than a hash that is fed piece by piece.
        sha256(&[content, event, z, method, z, authority, z, path, z, query, z, &known, principal].concat())
    }

    pub(super) fn binding(&self) -> Option<Binding<'_>> {
        let principal = self.facts.principal.as_ref().map_or("", |text| text.0.as_str());
        let (event, content) = (self.facts.event_id, self.facts.content);
        self.facts.thumbprint.map(|thumbprint| Binding { thumbprint, event, content, principal })
    }

    pub(super) fn spent(&self) -> Option<Digest> {
        self.facts.passed.as_ref().map(|passed| passed.proof)
    }

    pub(super) fn device(&self) -> DeviceSays<'_> {
        match (self.silent, &self.facts.disclosed) {
            (None, Some(disclosed)) => DeviceSays::Disclosed(disclosed),
            (cause, _) => DeviceSays::Nothing(cause.unwrap_or(Cause::Withheld)),
        }
    }
}

impl EdgeCore {
    /// A request of no own endpoint; `limited` where its address prefix asks too much.
    pub(super) fn event(
        &self,
        head: &RequestHead<'_>,
        body: Body<'_>,
        limited: bool,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let plain_path = route::path_is_plain(head.path);
        let live = self.live();
        let Some((at, route, _)) = route::find(&live.config.routes, head) else {
            return Err(if plain_path { Refusal::NoRoute } else { Refusal::BodyUnreadable });
        };
        // Where nothing is enforced and every path goes the same way, another reading of a path reaches no more.
        let passes = plain_path || is_catch_all(at, &route.path) && self.modes.only_observes(now);
        if !passes {
            return Err(Refusal::BodyUnreadable);
        }
        let way = Way { limited, ..self.way(&live, (at, route), head, plain_path, now) };
        let sheds = limited && (route.event.is_none() || route.device == DeviceZone::None);
        // What is refused anyway is not looked at for other spellings.
        if sheds && !way.observes() {
            return self.give_up(way, Refusal::PrefixLimited);
        }
        if self.evades(&way, head, now) {
            return Err(Refusal::BodyUnreadable);
        }
        if sheds {
            return self.give_up(way, Refusal::PrefixLimited);
        }
        let Some(event) = &route.event else {
            let forward = plain(&live, route, way.mode).ok_or(Refusal::Upstream)?;
            return Ok(Step::Forward(Box::new(forward)));
        };
        let kept = way.clone();
        self.enter((way, route), event, head, body, now).or_else(|refusal| self.give_up(kept, refusal))
    }

    /// Where the request goes, and whether verdicts act on it.
    fn way(
        &self,
        live: &Arc<Live>,
        (at, route): (usize, &RouteConfig),
        head: &RequestHead<'_>,
        plain_path: bool,
        now: Timestamp,
    ) -> Way {
        let learnt = &self.modes.learnt;
        let sighting = if plain_path && route.event.is_some() {
            learnt.find(head.method, head.path, route.mode)
        } else {
            learnt.other()
        };
        let set = match &sighting {
            Sighting::Known(known) => known.set(),
            Sighting::Fresh(_) => None,
        };
        let bypassed = self.modes.bypassed(now).is_some();
        let mode = if bypassed { Mode::Observe } else { set.unwrap_or(route.mode) };
        Way { live: Arc::clone(live), route: at, mode, sighting, limited: false }
    }

    /// Whether nothing acts on a request that many services read as one of an enforced route, further up in the
    /// configuration, which it only is not in its spelling.
    fn evades(&self, way: &Way, head: &RequestHead<'_>, now: Timestamp) -> bool {
        let routes = &way.live.config.routes;
        let acts = !way.observes() && routes.get(way.route).is_some_and(|route| route.event.is_some());
        let asked = matches!(&way.sighting, Sighting::Known(known) if known.set().is_some());
        !acts
            && !asked
            && self.modes.bypassed(now).is_none()
            && route::is_spelt_around(routes, way.route, head)
    }

    /// A refusal that acts only where the route enforces.
    pub(super) fn give_up(&self, way: Way, refusal: Refusal) -> Result<Step, Refusal> {
        let Some(route) = way.live.route(way.route) else { return Err(refusal) };
        let ends = !way.observes();
        let learn = match route.event {
            Some(_) => self.modes.learnt.count(&way.sighting, way.mode, Fate::Refused, ends),
            None => None,
        };
        if ends {
            return Err(refusal);
        }
        self.facts.would_refuse(refusal);
        let forward = plain(&way.live, route, way.mode).ok_or(Refusal::Upstream)?;
        Ok(Step::Forward(Box::new(Forward { learn, ..forward })))
    }

    fn enter(
        &self,
        (way, route): (Way, &RouteConfig),
        event: &EventName,
        head: &RequestHead<'_>,
        body: Body<'_>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let observes = way.observes();
        let mut case = self.case((way, route), event, head, now)?;
        let whole = match body {
            Body::Empty => Some(&[][..]),
            Body::Whole(bytes) if bytes.len() > route.body_max => return Err(Refusal::BodyTooLarge),
            Body::Whole(bytes) => Some(bytes),
            Body::OutOfReach(_) if !observes && route.body_max == 0 => return Err(Refusal::BodyTooLarge),
            Body::OutOfReach(refusal) if !observes || route.reads_body() => return Err(refusal),
            Body::ToCome | Body::OutOfReach(_) => None,
        };
        match whole {
            Some(body) => self.read_whole(case, head, body, now),
            None if route.reads_body() || case.leg.is_none() && !observes => {
                Ok(Step::NeedBody(Box::new(Held { limit: route.body_max, what: Wanted::Event(case) })))
            }
            None => {
                if case.leg.is_some() {
                    case.stream = Some(case.facts.content);
                } else {
                    case.facts.content = UNREAD;
                }
                self.settle(case, head, &[], now)
            }
        }
    }

    /// The signed caller, or why the route goes on without one.
    fn caller(
        &self,
        (way, route): (&Way, &RouteConfig),
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        if route.device == DeviceZone::None {
            return Ok(Caller::Unsigned(Cause::Absent));
        }
        match self.signed(&way.live.config, head, now) {
            Ok(signed) => Ok(Caller::Signed(Box::new(signed))),
            Err(Refusal::SignatureMissing) if way.limited => Err(Refusal::PrefixLimited),
            Err(Refusal::SignatureMissing) if route.device == DeviceZone::Optional => {
                Ok(Caller::Unsigned(Cause::Withheld))
            }
            Err(refusal) if way.observes() && !way.limited => {
                self.facts.would_refuse(refusal);
                Ok(Caller::Refused)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Who asks about what, before the body.
    fn case(
        &self,
        (way, route): (Way, &RouteConfig),
        event: &EventName,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Box<Case>, Refusal> {
        let (live, at) = (Arc::clone(&way.live), way.route);
        let policy = live.plan(at).map_or(NO_POLICY, |plan| plan.slice.policy());
        let caller = self.caller((&way, route), head, now)?;
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
            observed: List(observed(&caller, way.mode)),
            passed: None,
            node: self.node.clone(),
        };
        let mut case = Box::new(Case {
            ailing: matches!(caller, Caller::Refused),
            way,
            facts,
            leg: None,
            silent: None,
            request: Digest::new([0; 32]),
            proof: None,
            stream: None,
        });
        match caller {
            Caller::Unsigned(cause) => {
                case.facts.event_id = EventId::new(self.random()?);
                case.silent = Some(cause);
            }
            Caller::Refused => {
                case.facts.event_id = EventId::new(self.random()?);
                case.silent = Some(Cause::Withheld);
            }
            Caller::Signed(signed) => {
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

    /// The body that was asked for.
    pub(super) fn with_body(
        &self,
        case: Box<Case>,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let way = case.way.clone();
        self.read_whole(case, head, body, now).or_else(|refusal| self.give_up(way, refusal))
    }

    /// The body is whole: it must be the one that was signed.
    fn read_whole(
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

    /// Reads the request, then decides.
    fn settle(
        &self,
        mut case: Box<Case>,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let live = Arc::clone(&case.way.live);
        let Some(route) = live.route(case.way.route) else { return Err(Refusal::NoRoute) };
        let turn = self.read(&mut case, route, head, body, now)?;
        self.decide(case, turn, now)
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
            let principal =
                self.principal(&case.way.live, (head, &wanted.claim), case.leg.as_deref(), now)?;
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
            let passkey = case.leg.as_ref().and_then(|leg| leg.passkey.as_deref());
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
        let live = Arc::clone(&case.way.live);
        let Some(plan) = live.plan(case.way.route).filter(|_| self.feed_is_usable(&live.config, now)) else {
            return self.stance(case, now);
        };
        let (outcome, reasons) = plan.run(&case.facts, case.device(), Close::Open);
        match outcome.settled {
            Some(verdict) => self.record(case, verdict, ClosedBy::Policy, reasons, now),
            None => Ok(Step::AskCloud(Box::new(Pending { case }))),
        }
    }
}

/// Who asks, as far as the route lets them.
enum Caller {
    Signed(Box<Signed>),
    /// Nobody, and nobody was to be expected, or need be.
    Unsigned(Cause),
    /// Somebody whom enforcing would have refused.
    Refused,
}

/// Forwards as it came; `None` where the settings name no such upstream, which reading them rules out.
pub(super) fn plain(live: &Live, route: &RouteConfig, mode: Mode) -> Option<Forward> {
    let upstream = Arc::clone(live.config.upstreams.get(route.upstream)?);
    // Limits are policy, and do not act where the route observes.
    let observes = mode == Mode::Observe;
    let body_max = if observes { usize::MAX } else { route.body_max };
    Some(Forward {
        upstream,
        decision: None,
        verdict: None,
        reference: None,
        policy_version: None,
        content: None,
        observes,
        counted: None,
        body_max,
        learn: None,
    })
}

/// What the cloud must know of a route besides its event: that nothing was to be expected from a device, and that
/// the verdict does not act.
fn observed(caller: &Caller, mode: Mode) -> Vec<SignalAnswer> {
    let stated =
        |name: &str, answer| SignalName::parse(name).ok().map(|signal| SignalAnswer { signal, answer });
    let absent = matches!(caller, Caller::Unsigned(Cause::Absent))
        .then(|| stated(DEVICE_ZONE, Answer::unknown(Cause::Absent)));
    let observes = (mode == Mode::Observe)
        .then(|| stated(ROUTE_MODE, Answer::Value(Value::String("observe".to_owned()))));
    [absent, observes].into_iter().flatten().flatten().collect()
}
