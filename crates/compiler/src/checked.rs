//! The checked policy: names resolved, every expression typed, every rule complete. What the reference
//! interpreter runs, what slices are cut from and what the policy digest is taken over.
//!
//! The tree is the *source* tree: nothing is folded, shared or reordered. Each expression keeps the place in the
//! policy file that it came from.

use crate::catalogue::{Declassifier, FeatureDef, ListTest, Signal};
pub use crate::cel::ast::BinaryOp;
use crate::diagnostic::Span;
use glacis_policy::{Effect, Entry, Obligations, ScoreClass, TimePart};
use glacis_wire::{AppName, Cause, EventName, Method, SignalName, Type, Value, Verdict, Zone};
use std::collections::BTreeMap;

/// A policy that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub(crate) name: String,
    pub(crate) event: EventName,
    pub(crate) app: Option<AppName>,
    pub(crate) purpose: String,
    pub(crate) methods: Vec<Method>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) classes: Vec<ScoreClass>,
    pub(crate) signals: BTreeMap<SignalName, Signal>,
    pub(crate) lists: Vec<ListTest>,
    pub(crate) features: Vec<FeatureDef>,
    pub(crate) models: Vec<ModelDef>,
    pub(crate) declassifiers: Vec<Declassifier>,
    pub(crate) budget: Option<Budget>,
}

/// How much may be learned of the private and pseudonymous signals of one device. Unit: bits, as
/// [`Released`](crate::Released) counts them; public signals count nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// By one request.
    pub per_request: Option<u64>,
    /// By all requests of one session.
    pub per_session: Option<u64>,
    /// By all requests of one day.
    pub per_day: Option<u64>,
}

/// One model of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDef {
    /// Its name, without `model.`.
    pub name: String,
    /// Its bytes, which its loader has checked (`glacis_model::format`).
    pub bytes: Vec<u8>,
}

impl Checked {
    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The event that it decides.
    pub const fn event(&self) -> &EventName {
        &self.event
    }

    /// The app whose devices run it; `None`: every app of the tenant.
    pub const fn app(&self) -> Option<&AppName> {
        self.app.as_ref()
    }

    /// What its signals are used for.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Challenge methods, weakest first.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Score classes, lowest first.
    pub fn classes(&self) -> &[ScoreClass] {
        &self.classes
    }

    /// Every signal that a rule reads, with its declaration; list tests and features among them.
    pub const fn signals(&self) -> &BTreeMap<SignalName, Signal> {
        &self.signals
    }

    /// The models that its rules ask, by name.
    pub fn models(&self) -> &[ModelDef] {
        &self.models
    }

    /// This policy with other rules, over the same signals: what analysis and mutation ask about. Nothing is checked.
    #[must_use]
    pub fn with_rules(&self, rules: Vec<Rule>) -> Self {
        Self { rules, ..self.clone() }
    }

    /// The reviewed exceptions that its rules rest on, by name.
    pub fn declassifiers(&self) -> &[Declassifier] {
        &self.declassifiers
    }

    /// What `[policy.budget]` allows.
    pub const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// Strictness of a verdict: `allow`, each method in the policy's order, `block`.
    pub fn rank(&self, verdict: Verdict) -> usize {
        let method = |wanted| self.methods.iter().position(|method| *method == wanted);
        match verdict {
            Verdict::Allow => 0,
            Verdict::Challenge(wanted) => 1 + method(wanted).unwrap_or(self.methods.len()),
            Verdict::Block => 2 + self.methods.len(),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its id, which is also its reason code.
    pub id: String,
    /// Its condition.
    pub when: Expr,
    /// What it does. A rule that only has obligations adds a score of zero.
    pub effect: Effect,
    /// The zone that may read its text.
    pub text: Zone,
    /// Where it is pinned to close.
    pub place: Option<Zone>,
    /// What it lets out of the device.
    pub release: Release,
    /// Device signals that leave as a range: which of the bounds they are beyond.
    pub buckets: Vec<Bucket>,
    /// The reviewed exceptions that it rests on, by name.
    pub declassify: Vec<String>,
    /// Device signals whose atoms may be read on the device although the rule's text may not.
    pub reveal: Vec<SignalName>,
    /// What it closes to when its condition stays unknown, by cause in the order of [`Cause::ALL`].
    pub unknown: [Entry; Cause::ALL.len()],
    /// What it closes to when its condition is an error.
    pub error: Entry,
    /// Duties that its match starts.
    pub obligations: Obligations,
    /// Where its id stands in the policy file.
    pub span: Span,
    /// Where its `release` stands, if it has one.
    pub release_span: Option<Span>,
}

impl Rule {
    /// Whether the edge holds neither text nor place of this rule; the cloud alone can settle it.
    pub fn is_hidden(&self) -> bool {
        self.text == Zone::Cloud || self.place == Some(Zone::Cloud)
    }

    /// The entry for `cause`.
    pub fn entry(&self, cause: Cause) -> Entry {
        let found = Cause::ALL.iter().zip(&self.unknown).find(|(known, _)| **known == cause);
        // INVARIANT: `Cause::ALL` holds every cause; `Match` is what an unreachable cause closes to.
        found.map_or(Entry::Match, |(_, entry)| *entry)
    }
}

/// What a rule lets out of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// It reads no device signal.
    Nothing,
    /// `"verdict"`: its whole condition as one node, and permission to decide or prompt early on it.
    Verdict,
    /// So many nodes, and these values.
    Nodes {
        /// Distinct release nodes of the condition.
        nodes: usize,
        /// Device signals that leave as they are.
        values: Vec<SignalName>,
        /// Nodes may compare the device with values of the request: a series of requests can search for what the
        /// device knows, so the policy has a budget by session.
        vs_request: bool,
    },
    /// `danger_undisclosed`: it reads device signals and lets nothing out, so no trusted zone can ever know its
    /// condition: as a whole it is `unknown(withheld)`, always.
    Undisclosed,
}

impl Release {
    /// Whether nodes may read values of the request.
    pub const fn is_vs_request(&self) -> bool {
        matches!(self, Self::Nodes { vs_request: true, .. })
    }
}

/// A device signal that leaves as a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// The signal: an int, uint or double.
    pub signal: SignalName,
    /// What it is compared with, ascending; of its type.
    pub bounds: Vec<Value>,
}

/// A typed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it stands in the policy file.
    pub span: Span,
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A scalar literal.
    Literal(Value),
    /// A list literal of constant items.
    List(Vec<Expr>),
    /// The value of a signal; a list test is a signal as well.
    Signal(SignalName),
    /// `has(signal)`
    Has(SignalName),
    /// `!a`
    Not(Box<Expr>),
    /// `-a`
    Neg(Box<Expr>),
    /// `a op b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a ? b : c`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `model.name(a, …)`: the score of a model; its inputs are signals.
    Model(String, Vec<Expr>),
    /// `size(a)`, `a.size()`
    Size(Box<Expr>),
    /// `a.startsWith(b)`
    StartsWith(Box<Expr>, Box<Expr>),
    /// `a.endsWith(b)`
    EndsWith(Box<Expr>, Box<Expr>),
    /// `a.contains(b)`
    Contains(Box<Expr>, Box<Expr>),
    /// `a.matches(pattern)`
    Matches(Box<Expr>, String),
    /// `a.inCIDR(network)`, `a.inCIDR([network, ..])`
    InNetworks(Box<Expr>, Vec<String>),
    /// `a.getHours(zone)` and its like; of a span without a zone, of a moment UTC without one
    TimePart(TimePart, Box<Expr>, Option<String>),
    /// `int(a)` and its like, to the type of the expression
    Convert(Box<Expr>),
    /// `a[b]`
    Index(Box<Expr>, Box<Expr>),
    /// `{key: value, ..}[a]`
    Pick {
        /// Distinct constants.
        keys: Vec<Expr>,
        /// As many constants of one type.
        values: Vec<Expr>,
        /// What is looked up.
        key: Box<Expr>,
    },
}

impl Expr {
    /// The direct parts, left to right.
    pub fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Signal(_) | ExprKind::Has(_) => Vec::new(),
            ExprKind::List(items) | ExprKind::Model(_, items) => items.iter().collect(),
            ExprKind::Not(a)
            | ExprKind::Neg(a)
            | ExprKind::Size(a)
            | ExprKind::Matches(a, _)
            | ExprKind::InNetworks(a, _)
            | ExprKind::TimePart(_, a, _)
            | ExprKind::Convert(a) => vec![a],
            ExprKind::Binary(_, a, b)
            | ExprKind::StartsWith(a, b)
            | ExprKind::EndsWith(a, b)
            | ExprKind::Contains(a, b)
            | ExprKind::Index(a, b) => vec![a, b],
            ExprKind::Pick { keys, values, key } => keys.iter().chain(values).chain([&**key]).collect(),
            ExprKind::If(a, b, c) => vec![a, b, c],
        }
    }

    /// The signal that this very node reads, not its parts.
    pub const fn reads(&self) -> Option<&SignalName> {
        match &self.kind {
            ExprKind::Signal(name) | ExprKind::Has(name) => Some(name),
            _ => None,
        }
    }

    /// Every signal read anywhere in it, with the place of each reading, left to right.
    pub fn readings(&self) -> Vec<(&SignalName, Span)> {
        let mut found: Vec<(&SignalName, Span)> =
            self.reads().map(|name| (name, self.span)).into_iter().collect();
        for part in self.parts() {
            found.extend(part.readings());
        }
        found
    }
}
