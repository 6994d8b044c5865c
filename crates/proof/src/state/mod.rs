//! What can be known of each signal, as far as the conditions of some policies tell it apart.
//!
//! A signal has infinitely many values and a policy asks few questions of them. [`Space::of`] takes every atom of one or
//! more policies and gives each signal a finite list of states: values, `missing`, `error`, `unknown` for each cause
//! that can reach it, and for aggregates intervals. Comparisons with constants cut an ordered type into points and
//! regions, of which one value each is enough, and nothing is left out. Other atoms ([`Atom::is_exact`] is false) get
//! samples: each is a value that can be, but they are not all, and whoever proves something must not take them for all.
//!
//! What is assumed of events: an answer is unknown for one cause; device signals have one trust, all others are proven; `absent` and `version` are said of
//! the device as a whole; signals that every edge makes are always known; counts are not negative; texts and lists keep
//! their limits. Nothing is assumed of how one signal's value depends on another's, nor a list test on its key.

pub(crate) mod fit;
mod order;
mod sample;
mod seeds;
pub(crate) mod term;

use order::Domain;

use glacis_compiler::catalogue::{Birth, Catalogue, FeatureKind, Origin, Privacy, Signal};
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind};
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_compiler::{Checked, Compiled};
use glacis_wire::{Answer, Cause, Causes, Given, SignalName, Tier, Trust, Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A policy, and the catalogue that it was checked against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The typed source tree.
    pub checked: &'a Checked,
    /// The catalogue.
    pub catalogue: &'a Catalogue,
}

impl<'a> From<&'a Compiled> for Subject<'a> {
    fn from(compiled: &'a Compiled) -> Self {
        Self { checked: compiled.checked(), catalogue: compiled.signals() }
    }
}

/// What holds of a whole event, besides its signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct World {
    /// The cloud does not answer.
    pub outage: bool,
    /// The trust of what the device says.
    pub device: Trust,
}

/// One thing that can be known of a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The answer.
    pub answer: Answer,
    /// Stands for more values than its own, which exact atoms do not tell apart from it.
    pub is_region: bool,
}

impl State {
    const fn alone(answer: Answer) -> Self {
        Self { answer, is_region: false }
    }
}

/// A maximal Boolean subexpression whose root is not `&&`, `||`, `!` or `?:`.
#[derive(Clone, Debug)]
pub struct Atom<'a> {
    /// The expression.
    pub expr: &'a Expr,
    /// Its text, by which atoms are told apart.
    pub text: String,
    /// The signals that it reads.
    pub signals: BTreeSet<&'a SignalName>,
    /// Whether the states of its signals say everything about it.
    pub is_exact: bool,
}

/// The states of every signal that some policies read.
#[derive(Clone, Debug)]
pub struct Space {
    states: BTreeMap<SignalName, Vec<State>>,
    open: BTreeSet<SignalName>,
    device: BTreeSet<SignalName>,
    incomplete: BTreeSet<SignalName>,
    kept: BTreeMap<SignalName, Given>,
    worlds: Vec<World>,
}

impl Space {
    /// The states that the atoms of these policies tell apart.
    pub fn of(subjects: &[Subject<'_>]) -> Self {
        let mut space = Self {
            states: BTreeMap::new(),
            open: BTreeSet::new(),
            device: BTreeSet::new(),
            incomplete: BTreeSet::new(),
            kept: BTreeMap::new(),
            worlds: worlds(subjects),
        };
        let atoms: Vec<(Subject<'_>, Atom<'_>)> = subjects
            .iter()
            .flat_map(|subject| distinct(subject.checked).into_iter().map(|atom| (*subject, atom)))
            .collect();
        for subject in subjects {
            for signal in subject.checked.signals().values() {
                space.add(subject, signal, &atoms);
            }
        }
        space
    }

    /// The signals.
    pub fn signals(&self) -> impl Iterator<Item = &SignalName> {
        self.states.keys()
    }

    /// What can be known of a signal; values in ascending order come first.
    pub fn states(&self, signal: &SignalName) -> &[State] {
        self.states.get(signal).map_or(&[], Vec::as_slice)
    }

    /// Whether some atom asks more of the signal than its states say.
    pub fn is_open(&self, signal: &SignalName) -> bool {
        self.open.contains(signal)
    }

    /// Whether it is born on the device.
    pub fn is_device(&self, signal: &SignalName) -> bool {
        self.device.contains(signal)
    }

    /// Aggregates with more classes than all intervals between them are made of.
    pub fn incomplete(&self) -> impl Iterator<Item = &SignalName> {
        self.incomplete.iter()
    }

    /// Every combination of outage and device trust that makes a difference.
    pub fn worlds(&self) -> &[World] {
        &self.worlds
    }

    /// An answer with the trust of who says it: of the device, but for what edge or cloud say of it.
    pub fn given(&self, signal: &SignalName, answer: Answer, world: World) -> Given {
        if let Some(kept) = self.kept.get(signal).filter(|given| alike(&given.answer, &answer)) {
            return kept.clone();
        }
        let told = !matches!(&answer, Answer::Unknown(causes) if !causes.contains(Cause::Withheld));
        let trust = if told && self.is_device(signal) { world.device } else { Trust::Proven };
        Given { answer, trust }
    }

    /// The signal's answer in an event that happens to be given: one more state, which stays apart from all others.
    pub(crate) fn include(&mut self, signal: &SignalName, given: &Given) {
        let states = self.states.entry(signal.clone()).or_default();
        if !states.iter().any(|state| alike(&state.answer, &given.answer)) {
            states.push(State::alone(given.answer.clone()));
        }
        self.kept.insert(signal.clone(), given.clone());
    }

    /// Whether an answer was included for an event.
    pub(crate) fn is_kept(&self, signal: &SignalName, answer: &Answer) -> bool {
        self.kept.get(signal).is_some_and(|given| alike(&given.answer, answer))
    }

    /// Whether an event that was included says this of some device signals, and of others something else.
    pub(crate) fn says_of_some(&self, cause: Cause) -> bool {
        let says = |name: &SignalName, cause| self.is_kept(name, &Answer::unknown(cause));
        let kept = || self.kept.keys().filter(|name| self.is_device(name));
        kept().any(|name| says(name, cause))
            && kept().any(|name| !says(name, cause) && !says(name, Cause::Denied))
    }

    fn add(&mut self, subject: &Subject<'_>, signal: &Signal, atoms: &[(Subject<'_>, Atom<'_>)]) {
        if signal.birth == Birth::Device {
            self.device.insert(signal.name.clone());
        }
        let reading: Vec<_> = atoms.iter().filter(|(_, atom)| atom.signals.contains(&signal.name)).collect();
        if reading.iter().any(|(_, atom)| !atom.is_exact) {
            self.open.insert(signal.name.clone());
        }
        let open = self.is_open(&signal.name);
        let seeds = seeds::of(&reading, &signal.name);
        let mut fresh = values(subject, signal, &seeds);
        if signal.is_aggregate() {
            if order::has_too_many_ends(fresh.len()) {
                self.incomplete.insert(signal.name.clone());
            }
            fresh.extend(order::intervals(&fresh, open));
        }
        let mut known: BTreeSet<String> = fresh.iter().map(|state| format!("{:?}", state.answer)).collect();
        let samples = if open { sample::values(signal, &seeds) } else { Vec::new() };
        for value in samples.into_iter().filter(|value| fits(subject, signal, value)) {
            let state = State::alone(Answer::Value(value));
            if known.insert(format!("{:?}", state.answer)) {
                fresh.push(state);
            }
        }
        fresh.extend(without_value(subject, signal).into_iter().map(State::alone));
        let states = self.states.entry(signal.name.clone()).or_default();
        for state in fresh {
            match states.iter_mut().find(|known| alike(&known.answer, &state.answer)) {
                Some(known) => known.is_region |= state.is_region,
                None => states.push(state),
            }
        }
    }
}

/// Whether two answers say the same to the last bit: NaN is NaN, and zeros differ.
pub(crate) fn alike(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Answer::Value(Value::Double(a)), Answer::Value(Value::Double(b))) => {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }
        (Answer::Value(Value::List(a)), Answer::Value(Value::List(b))) => {
            let pair = |(a, b): (&Value, &Value)| alike(&Answer::Value(a.clone()), &Answer::Value(b.clone()));
            a.len() == b.len() && a.iter().zip(b).all(pair)
        }
        (Answer::Interval(_), Answer::Interval(_)) => format!("{a:?}") == format!("{b:?}"),
        (a, b) => a == b,
    }
}

/// The atoms of a condition, left to right.
pub fn atoms(condition: &Expr) -> Vec<&Expr> {
    match &condition.kind {
        ExprKind::Not(a) => atoms(a),
        ExprKind::Binary(BinaryOp::And | BinaryOp::Or, a, b) => [atoms(a), atoms(b)].concat(),
        ExprKind::If(a, b, c) if condition.ty == Type::Bool => [atoms(a), atoms(b), atoms(c)].concat(),
        _ => vec![condition],
    }
}

/// Every atom of a policy once.
pub fn distinct(policy: &Checked) -> Vec<Atom<'_>> {
    let mut found: BTreeMap<String, Atom<'_>> = BTreeMap::new();
    for expr in policy.rules().iter().flat_map(|rule| atoms(&rule.when)) {
        let text = expr.to_string();
        found.entry(text.clone()).or_insert_with(|| {
            let signals: BTreeSet<_> = expr.readings().into_iter().map(|(name, _)| name).collect();
            Atom { expr, text, is_exact: is_exact(policy, expr, &signals), signals }
        });
    }
    found.into_values().collect()
}

/// The value of an expression that reads nothing.
pub(crate) fn constant(policy: &Checked, expr: &Expr) -> Option<Value> {
    if !expr.readings().is_empty() {
        return None;
    }
    match evaluate(policy, expr, &Snapshot::default(), false, false) {
        Outcome::Value(value) => Some(value),
        Outcome::Interval(..) | Outcome::Error | Outcome::Unknown(_) => None,
    }
}

/// Whether truth values are all that it reads, or it compares one signal of an ordered type with constants.
fn is_exact(policy: &Checked, expr: &Expr, signals: &BTreeSet<&SignalName>) -> bool {
    let ty = |name: &SignalName| policy.signals().get(name).map(|signal| signal.ty);
    let finite = |name: &&SignalName| ty(name) == Some(Type::Bool);
    signals.iter().all(finite) || compared(policy, expr).is_some() || matches!(expr.kind, ExprKind::Has(_))
}

/// The constants that an atom compares one signal of an ordered type with; of a prefix, both ends of what starts so.
fn compared(policy: &Checked, expr: &Expr) -> Option<Vec<Value>> {
    let signal = |expr: &Expr| matches!(expr.kind, ExprKind::Signal(_)) && expr.ty.element().is_none();
    match &expr.kind {
        ExprKind::Binary(BinaryOp::In, a, b) if signal(a) => match constant(policy, b)? {
            Value::List(items) => Some(items),
            _ => None,
        },
        ExprKind::Binary(
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge,
            a,
            b,
        ) => {
            let other = if signal(a) { b } else { Some(a).filter(|_| signal(b))? };
            Some(vec![constant(policy, other)?])
        }
        ExprKind::StartsWith(a, b) if signal(a) => match constant(policy, b)? {
            Value::String(prefix) => {
                let end = order::after_prefix(&prefix).map(Value::String);
                Some([Some(Value::String(prefix)), end].into_iter().flatten().collect())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Values of which one is in each class that comparisons make.
fn values(subject: &Subject<'_>, signal: &Signal, seeds: &seeds::Seeds) -> Vec<State> {
    if is_tier(signal) {
        let names = Tier::ALL.map(|tier| Value::String(tier.name().to_owned()));
        return names.map(|name| State::alone(Answer::Value(name))).to_vec();
    }
    let least = if is_count(subject, signal) { 0 } else { i64::MIN };
    let limit = signal.max_bytes.unwrap_or(usize::MAX);
    order::values(Domain { ty: signal.ty, ints: [least, i64::MAX], limit }, &seeds.compared)
}

/// The tier that an edge found; it knows four of them.
fn is_tier(signal: &Signal) -> bool {
    signal.origin == Origin::BuiltIn && signal.ty == Type::String && signal.privacy == Privacy::Public
}

fn is_count(subject: &Subject<'_>, signal: &Signal) -> bool {
    let feature = subject.catalogue.features().get(&signal.name);
    feature.is_some_and(|feature| matches!(feature.kind, FeatureKind::Count | FeatureKind::Distinct))
}

/// Whether the signal can have this value.
fn fits(subject: &Subject<'_>, signal: &Signal, value: &Value) -> bool {
    let length = |value: &Value| match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    let short = |value: &Value| signal.max_bytes.is_none_or(|most| length(value) <= most);
    let known =
        !is_tier(signal) || Tier::ALL.iter().any(|tier| *value == Value::String(tier.name().to_owned()));
    let fits = match value {
        Value::List(items) => {
            signal.max_items.is_none_or(|most| items.len() <= most) && items.iter().all(short)
        }
        Value::Int(value) => *value >= 0 || !is_count(subject, signal),
        one => short(one),
    };
    fits && known && value.is(signal.ty)
}

/// What can be known of a signal without a value.
fn without_value(subject: &Subject<'_>, signal: &Signal) -> Vec<Answer> {
    if signal.origin == Origin::BuiltIn {
        // Only a device's id can be without a value: that of a request that no device signed.
        let missing = signal.privacy != Privacy::Public;
        return missing.then_some(Answer::Missing).into_iter().collect();
    }
    let causes: BTreeSet<Cause> = signal.causes(subject.catalogue).into_iter().collect();
    let unknown = causes.into_iter().map(|cause| Answer::Unknown(Causes::of(cause)));
    [Answer::Missing, Answer::Error].into_iter().chain(unknown).collect()
}

/// Outage and trust, where a policy asks for them.
fn worlds(subjects: &[Subject<'_>]) -> Vec<World> {
    let signals = || subjects.iter().flat_map(|subject| subject.checked.signals().values());
    let mut hidden = subjects.iter().flat_map(|subject| subject.checked.rules()).map(|rule| rule.is_hidden());
    let cloud = signals().any(|signal| signal.birth == Birth::Cloud) || hidden.any(|hidden| hidden);
    let asks = signals().any(|signal| signal.birth == Birth::Device && signal.min_trust > Trust::Claimed);
    let trusts: &[Trust] = if asks { &[Trust::Attested, Trust::Claimed] } else { &[Trust::Attested] };
    let outages: &[bool] = if cloud { &[false, true] } else { &[false] };
    let worlds = outages
        .iter()
        .flat_map(|outage| trusts.iter().map(|device| World { outage: *outage, device: *device }));
    worlds.collect()
}
