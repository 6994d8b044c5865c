//! What an operator changes while the node runs: the mode of a learnt route, a bypass, attack mode, a drain.
//!
//! A change is first an entry of the journal, synced, so that the audit can miss none that acted; then it is kept
//! in the node's files, whole or not at all; then it acts. A bypass and attack mode end by themselves, and also when
//! the clock is set to before their beginning. A drain is of the process and ends with it.

use super::{EdgeCore, StartError};
use crate::config::{EdgeConfig, Mode, Segment};
use crate::learnt::{Learnt, LearntRoute, PATH_BYTES_MAX, ROUTES_MAX, key, parse, shown};
use crate::state::lock;
use glacis_host::Files;
use glacis_wire::limits::{OPERATOR_DETAIL_BYTES_MAX, OPERATOR_NAME_BYTES_MAX};
use glacis_wire::message::Text;
use glacis_wire::message::decide::OperatorAction;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Timestamp, Writer};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// File of modes and bypass.
const FILE: &str = "modes";
/// Longest bypass, and longest attack mode.
pub const BYPASS_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How far the clock may be behind the beginning of a bypass that still holds.
const SKEW: Duration = Duration::from_secs(60);
/// Longest reason. Unit: bytes. Leaves room for what else the detail says.
const REASON_BYTES_MAX: usize = OPERATOR_DETAIL_BYTES_MAX - 64;

/// Why a change was not made; nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModeError {
    /// No request of this route was seen, and no mode was set for it.
    #[error("no learnt route `{0}`; `glacis routes` lists those that requests were seen of")]
    Unknown(String),
    /// Not a method and a path.
    #[error("`{0}` is not a route; write it as in `POST /transfers/{{id}}`")]
    Malformed(String),
    /// As many routes as may be have a mode of their own.
    #[error(
        "{ROUTES_MAX} routes have a mode of their own already; set modes in the node's configuration instead"
    )]
    Full,
    /// The name of the operator is empty, too long or not text.
    #[error("operator's name must be 1 to {OPERATOR_NAME_BYTES_MAX} characters of text")]
    Actor,
    /// The reason is too long or not text.
    #[error("reason must be text of at most {REASON_BYTES_MAX} bytes")]
    Reason,
    /// The end lies in the past or too far ahead.
    #[error("it must end within {} hours from now", BYPASS_MAX.as_secs() / 3_600)]
    End,
    /// There is nothing to end.
    #[error("no bypass is in force")]
    NoBypass,
    /// There is nothing to end.
    #[error("attack mode is not in force")]
    NoAttack,
    /// A weight that is none.
    #[error("weight must be 2 to {WEIGHT_MAX}")]
    Weight,
    /// The change could not be audited or kept, so it was not made.
    #[error("change cannot be kept: {0}; make room on the node's disk or reach the cloud, then try again")]
    Keep(String),
}

/// Modes and bypass of one node.
#[derive(Debug)]
pub(crate) struct Modes {
    pub(crate) learnt: Learnt,
    kept: Mutex<Kept>,
    bypass: Spell,
    attack: Spell,
    /// As how many requests one counts that no device proves, while attack mode is in force.
    weight: AtomicU32,
    /// Whether clients are to go elsewhere.
    draining: AtomicBool,
    /// Whether any verdict acts on this node, a bypass aside.
    enforcing: AtomicBool,
    /// Whether the configuration alone lets one act.
    configured: AtomicBool,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    /// By the name that is shown.
    modes: BTreeMap<String, Mode>,
    bypass: Option<(Timestamp, Timestamp)>,
    /// Beginning, end, weight.
    attack: Option<(Timestamp, Timestamp, u32)>,
}

/// A time with an end, asked for on every request.
#[derive(Debug, Default)]
struct Spell {
    /// Beginning and end, in ms; zero where there is none.
    ms: [AtomicU64; 2],
}

impl Spell {
    fn put(&self, from: Timestamp, until: Timestamp) {
        let [start, end] = &self.ms;
        start.store(from.as_ms(), Ordering::Release);
        end.store(until.as_ms(), Ordering::Release);
    }

    /// Its end, if it is now.
    fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let [from, until] = self.ms.each_ref().map(|ms| Timestamp::from_ms(ms.load(Ordering::Acquire)));
        (now < until && now.after(SKEW) >= from).then_some(until)
    }
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(VERSION);
        let modes: Vec<_> = self.modes.iter().map(|(route, mode)| Set(route.clone(), *mode)).collect();
        out.list("modes", &modes, ROUTES_MAX)?;
        self.bypass.is_some().encode(out)?;
        let (from, until) = self.bypass.unwrap_or_default();
        from.encode(out)?;
        until.encode(out)?;
        self.attack.is_some().encode(out)?;
        let (from, until, weight) = self.attack.unwrap_or_default();
        from.encode(out)?;
        until.encode(out)?;
        out.u32(weight);
        Ok(())
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("version of the modes file");
        let version = input.u8()?;
        if version != VERSION && version != VERSION_WITHOUT_ATTACK {
            return Err(at);
        }
        let modes: Vec<Set> = input.list("modes", ROUTES_MAX)?;
        let (is_some, from, until) = (bool::decode(input)?, Decode::decode(input)?, Decode::decode(input)?);
        let bypass = is_some.then_some((from, until));
        let attack = if version == VERSION {
            let (is_some, from, until) =
                (bool::decode(input)?, Decode::decode(input)?, Decode::decode(input)?);
            let weight = input.u32()?;
            is_some.then_some((from, until, weight))
        } else {
            None
        };
        let modes = modes.into_iter().map(|Set(route, mode)| (route, mode)).collect();
        Ok(Self { modes, bypass, attack })
    }
}

/// One route and its mode.
struct Set(String, Mode);

impl Encode for Set {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.str("route", &self.0, ROUTE_BYTES_MAX)?;
        (self.1 == Mode::Enforce).encode(out)
    }
}

impl Decode for Set {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let route = input.string("route", ROUTE_BYTES_MAX)?;
        Ok(Self(route, if bool::decode(input)? { Mode::Enforce } else { Mode::Observe }))
    }
}

/// Version of the file.
const VERSION: u8 = 2;
/// The version before, which is read as well.
const VERSION_WITHOUT_ATTACK: u8 = 1;
/// Largest weight of a request in attack mode.
pub const WEIGHT_MAX: u32 = 1_000;
/// Longest name of a route. Unit: bytes. Source: a method, a space, and the longest path an operator may write.
const ROUTE_BYTES_MAX: usize = PATH_BYTES_MAX + 32;

impl Modes {
    /// As they were before the restart.
    pub(crate) fn restore(files: &dyn Files, config: &EdgeConfig) -> Result<Self, StartError> {
        let bad = |error: String| StartError::State(format!("file `{FILE}`: {error}"));
        let bytes = files.read(FILE).map_err(|error| bad(error.to_string()))?;
        let kept = match bytes {
            None => Kept::default(),
            Some(bytes) => Kept::from_bytes(&bytes).map_err(|error| bad(error.to_string()))?,
        };
        let (first, enforces) = configured(config);
        let modes = Self {
            learnt: Learnt::new(first),
            bypass: Spell::default(),
            attack: Spell::default(),
            weight: AtomicU32::new(1),
            draining: AtomicBool::new(false),
            enforcing: AtomicBool::new(false),
            configured: AtomicBool::new(enforces),
            kept: Mutex::default(),
        };
        for (route, mode) in &kept.modes {
            let (method, path) = parse(route).ok_or_else(|| bad(format!("`{route}` is not a route")))?;
            let key = key(method, path).ok_or_else(|| bad(format!("`{route}` is not a route")))?;
            modes.learnt.set((&key, route), *mode);
        }
        modes.put(kept);
        Ok(modes)
    }

    /// Follows other settings. What operators set stays set.
    pub(super) fn reconfigure(&self, config: &EdgeConfig) {
        let (first, enforces) = configured(config);
        self.learnt.reconfigure(first);
        self.configured.store(enforces, Ordering::Release);
        let kept = lock(&self.kept).clone();
        self.put(kept);
    }

    /// Puts `kept` in force.
    fn put(&self, kept: Kept) {
        let (from, until) = kept.bypass.unwrap_or_default();
        let enforced = kept.modes.values().any(|mode| *mode == Mode::Enforce);
        let configured = self.configured.load(Ordering::Acquire);
        self.enforcing.store(configured || enforced, Ordering::Release);
        self.bypass.put(from, until);
        let (from, until, weight) = kept.attack.unwrap_or_default();
        self.weight.store(weight.max(1), Ordering::Release);
        self.attack.put(from, until);
        *lock(&self.kept) = kept;
    }

    /// The end of the bypass that is in force now.
    pub(crate) fn bypassed(&self, now: Timestamp) -> Option<Timestamp> {
        self.bypass.end(now)
    }

    /// As how many requests one counts that no device proves.
    pub(super) fn weight(&self, now: Timestamp) -> u32 {
        self.attack.end(now).map_or(1, |_| self.weight.load(Ordering::Acquire))
    }

    /// Whether no verdict acts anywhere on this node now.
    pub(crate) fn only_observes(&self, now: Timestamp) -> bool {
        !self.enforcing.load(Ordering::Acquire) || self.bypassed(now).is_some()
    }
}

/// The mode of the first route with an event, which requests of no route of their own are shown with, and whether any
/// enforces.
fn configured(config: &EdgeConfig) -> (Mode, bool) {
    let mut events = config.routes.iter().filter(|route| route.event.is_some());
    let first = events.clone().next().map_or(Mode::Enforce, |route| route.mode);
    (first, events.any(|route| route.mode == Mode::Enforce))
}

/// Whether a configured route passes every path on, so that no other reading of a path reaches more.
pub(super) fn is_catch_all(at: usize, path: &[Segment]) -> bool {
    at == 0 && path == [Segment::Rest]
}

impl EdgeCore {
    /// The routes that requests were seen of, or that operators named.
    pub fn routes(&self) -> Vec<LearntRoute> {
        self.modes.learnt.list()
    }

    /// Sets the mode of a learnt route, written as it is listed; requests from now on have it.
    pub fn set_mode(&self, route: &str, mode: Mode, actor: &str) -> Result<(), ModeError> {
        let malformed = || ModeError::Malformed(route.chars().take(100).collect());
        let (method, path) = parse(route).ok_or_else(malformed)?;
        let key = key(method, path).ok_or_else(malformed)?;
        let _one_at_a_time = lock(&self.operating);
        let name = match self.modes.learnt.get(&key) {
            Some(known) => known.shown().to_owned(),
            // Strangers may have filled the table; a route that it has no room for can be named all the same.
            None if self.modes.learnt.is_full() => shown(method, path),
            None => return Err(ModeError::Unknown(shown(method, path))),
        };
        let mut kept = lock(&self.modes.kept).clone();
        kept.modes.insert(name.clone(), mode);
        if kept.modes.len() > ROUTES_MAX {
            return Err(ModeError::Full);
        }
        let verb = if mode == Mode::Enforce { "enforce" } else { "observe" };
        self.keep_action(actor, "mode", format!("{verb} {name}"), &kept)?;
        self.modes.learnt.set((&key, &name), mode);
        self.modes.put(kept);
        Ok(())
    }

    /// Every route observes until `until`; at most [`BYPASS_MAX`] ahead. A bypass in force is replaced.
    pub fn bypass(&self, until: Timestamp, actor: &str, reason: &str) -> Result<(), ModeError> {
        let from = self.begins(until, reason)?;
        let _one_at_a_time = lock(&self.operating);
        let detail = format!("until {} ms: {reason}", until.as_ms());
        self.change((actor, "bypass", detail), |kept| kept.bypass = Some((from, until)))
    }

    /// Ends a bypass before its time.
    pub fn end_bypass(&self, actor: &str) -> Result<(), ModeError> {
        let _one_at_a_time = lock(&self.operating);
        if self.bypassed().is_none() {
            return Err(ModeError::NoBypass);
        }
        self.change((actor, "bypass-end", String::new()), |kept| kept.bypass = None)
    }

    /// The end of the bypass that is in force now.
    pub fn bypassed(&self) -> Option<Timestamp> {
        self.modes.bypassed(self.host.now())
    }

    /// Attack mode until `until`, at most [`BYPASS_MAX`] ahead: every request counts `weight` times against the limit
    /// of its address prefix. A request behind a device's session that holds is not held to that limit at all, as
    /// ever. One that is in force is replaced.
    ///
    /// # Errors
    /// If an argument is out of range, or the change cannot be audited and kept.
    pub fn attack(&self, until: Timestamp, weight: u32, actor: &str, reason: &str) -> Result<(), ModeError> {
        if !(2..=WEIGHT_MAX).contains(&weight) {
            return Err(ModeError::Weight);
        }
        let from = self.begins(until, reason)?;
        let _one_at_a_time = lock(&self.operating);
        let detail = format!("until {} ms, weight {weight}: {reason}", until.as_ms());
        self.change((actor, "attack-mode", detail), |kept| kept.attack = Some((from, until, weight)))
    }

    /// Ends attack mode before its time.
    ///
    /// # Errors
    /// If it is not in force, or the change cannot be audited and kept.
    pub fn end_attack(&self, actor: &str) -> Result<(), ModeError> {
        let _one_at_a_time = lock(&self.operating);
        if self.attacked().is_none() {
            return Err(ModeError::NoAttack);
        }
        self.change((actor, "attack-mode-end", String::new()), |kept| kept.attack = None)
    }

    /// End and weight of the attack mode that is in force now.
    pub fn attacked(&self) -> Option<(Timestamp, u32)> {
        let now = self.host.now();
        self.modes.attack.end(now).map(|until| (until, self.modes.weight(now)))
    }

    /// Sends clients elsewhere, or takes them again: while draining, each answer ends its connection and the node says
    /// that it is not ready.
    ///
    /// # Errors
    /// If the change cannot be audited.
    pub fn drain(&self, draining: bool, actor: &str) -> Result<(), ModeError> {
        let _one_at_a_time = lock(&self.operating);
        let action = if draining { "drain" } else { "drain-end" };
        self.audit(actor, action, String::new())?;
        self.modes.draining.store(draining, Ordering::Release);
        Ok(())
    }

    /// Whether clients are to go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.modes.draining.load(Ordering::Relaxed)
    }

    /// When something that lasts until `until` begins: now, if it may last so long for this reason.
    fn begins(&self, until: Timestamp, reason: &str) -> Result<Timestamp, ModeError> {
        let now = self.host.now();
        if until <= now || until.since(now) > BYPASS_MAX {
            return Err(ModeError::End);
        }
        if reason.len() > REASON_BYTES_MAX || !is_text(reason) {
            return Err(ModeError::Reason);
        }
        Ok(now)
    }

    /// Audits an action with its detail, keeps what `edit` makes of the modes, and puts it in force.
    fn change(
        &self,
        (actor, action, detail): (&str, &str, String),
        edit: impl FnOnce(&mut Kept),
    ) -> Result<(), ModeError> {
        let mut kept = lock(&self.modes.kept).clone();
        edit(&mut kept);
        self.keep_action(actor, action, detail, &kept)?;
        self.modes.put(kept);
        Ok(())
    }

    fn keep_action(&self, actor: &str, action: &str, detail: String, kept: &Kept) -> Result<(), ModeError> {
        let failed = |error: &dyn std::fmt::Display| ModeError::Keep(error.to_string());
        let bytes = kept.to_bytes().map_err(|error| failed(&error))?;
        self.audit(actor, action, detail)?;
        self.files.replace(FILE, &bytes).map_err(|error| failed(&error))
    }

    pub(super) fn audit(&self, actor: &str, action: &str, detail: String) -> Result<(), ModeError> {
        if actor.is_empty() || actor.len() > OPERATOR_NAME_BYTES_MAX || !is_text(actor) {
            return Err(ModeError::Actor);
        }
        let failed = |error: &dyn std::fmt::Display| ModeError::Keep(error.to_string());
        let id = glacis_host::entropy::array(&*self.host).map_err(|error| failed(&error))?;
        let action = OperatorAction {
            id,
            at: self.host.now(),
            actor: Text(actor.to_owned()),
            action: Text(action.to_owned()),
            detail: Text(detail),
        };
        self.duty.operator(&action).map_err(|error| failed(&error))?;
        tracing::warn!(actor, action = action.action.0, detail = action.detail.0, "changed by an operator");
        Ok(())
    }
}

fn is_text(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
