//! Which release nodes could be left out without any rule coming out otherwise.
//!
//! A node is deleted, which is to say that it is `unknown(withheld)` for ever, and every rule that reads it is run over
//! all outcomes of its parts, in both planes and at every trust of the session. If each closes as it did, the node can
//! go. Parts are the device's and the other zones' atoms, taken as independent: a node is called spare only if no
//! assignment at all needs it, so what depends on how two atoms are related counts as needed.
//!
//! Deletion only takes knowledge away, and outcomes know no less when their inputs do (an unknown input gives the same
//! outcome or an unknown one), so what cannot go alone cannot go together with others: one pass leaves a set of which no
//! node can go. A rule with `release = "verdict"` declares an early decision, and its node stays.

use crate::Compiled;
use crate::catalogue::{Birth, Signal};
use crate::checked::{BinaryOp, Expr, ExprKind, Release, Rule};
use crate::cut::adaptive;
use crate::cut::nodes::ReleaseNode;
use crate::render::render;
use glacis_policy::{Effect, Entry};
use glacis_wire::{Cause, Causes, SignalName, Trust, Type, Value};
use std::collections::BTreeSet;

/// Nodes that can go together, and nodes that were not tried; both by their places in the layout.
pub(super) fn spare(compiled: &Compiled) -> (Vec<usize>, Vec<usize>) {
    let pairs = compiled.checked.rules.iter().zip(&compiled.cut.rules);
    let trials: Vec<Trial<'_>> = pairs
        .filter(|(_, cut)| !cut.nodes.is_empty())
        .map(|(rule, cut)| Trial::new(compiled, rule, &cut.root))
        .collect();
    let (mut gone, mut untried) = (BTreeSet::new(), Vec::new());
    // The last first: what a rule was given later is more likely to say nothing new.
    for at in (0..compiled.cut.table.nodes.len()).rev() {
        let concerned = || trials.iter().filter(|trial| trial.nodes.contains(&at));
        if concerned().any(|trial| trial.rule.release == Release::Verdict) {
            continue;
        }
        if concerned().any(Trial::is_too_large) {
            untried.push(at);
            continue;
        }
        gone.insert(at);
        if !concerned().all(|trial| trial.comes_out_alike(&gone)) {
            gone.remove(&at);
        }
    }
    untried.reverse();
    (gone.into_iter().collect(), untried)
}

/// One rule and everything that its outcome depends on.
struct Trial<'a> {
    compiled: &'a Compiled,
    rule: &'a Rule,
    root: Tree,
    /// The release nodes that it reads.
    nodes: BTreeSet<usize>,
    parts: Vec<Part>,
}

/// One atom.
struct Part {
    text: String,
    /// What it can come out as, in Σ and in Σ⁻.
    outcomes: Vec<(Outcome, Outcome)>,
}

/// A condition down to its parts.
enum Tree {
    Constant(bool),
    Part(usize),
    /// Whether the signal that a part reads is there.
    Has(usize),
    /// A release node: its place, its trust and what it computes.
    Node(usize, Trust, Box<Tree>),
    /// A node that reads values of the request, and the part that says whether they are known.
    Guarded(Box<Tree>, usize),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    If(Box<Tree>, Box<Tree>, Box<Tree>),
}

/// What a condition comes out as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    True,
    False,
    Error,
    /// Only of a part that is a signal: read, it is an error.
    Missing,
    Unknown(Causes),
}

const WITHHELD: Outcome = Outcome::Unknown(Causes::of(Cause::Withheld));
const DENIED: Outcome = Outcome::Unknown(Causes::of(Cause::Denied));

/// How a trial looks at nodes.
struct View<'a> {
    chosen: &'a [(Outcome, Outcome)],
    /// Deleted nodes.
    gone: &'a BTreeSet<usize>,
    /// Σ⁻ of a session of this trust; Σ without.
    trust: Option<Trust>,
}

impl View<'_> {
    fn part(&self, at: usize) -> Outcome {
        let (given, trusted) = self.chosen.get(at).copied().unwrap_or((WITHHELD, WITHHELD));
        if self.trust.is_some() { trusted } else { given }
    }
}

impl<'a> Trial<'a> {
    fn new(compiled: &'a Compiled, rule: &'a Rule, root: &Expr) -> Self {
        let constant = Tree::Constant(false);
        let mut trial = Self { compiled, rule, root: constant, nodes: BTreeSet::new(), parts: Vec::new() };
        trial.root = trial.tree(root);
        trial
    }

    fn tree(&mut self, expr: &Expr) -> Tree {
        match &expr.kind {
            ExprKind::Literal(Value::Bool(value)) => Tree::Constant(*value),
            ExprKind::Signal(name) if self.compiled.cut.table.index_of(name).is_some() => {
                let at = self.compiled.cut.table.index_of(name).map_or(usize::MAX, usize::from);
                let node = self.compiled.cut.table.nodes.get(at).cloned();
                self.nodes.insert(at);
                node.map_or(Tree::Constant(false), |ReleaseNode { expr, min_trust, .. }| {
                    Tree::Node(at, min_trust, Box::new(self.tree(&expr)))
                })
            }
            ExprKind::Binary(_, node, known)
                if adaptive::node_of(expr, &self.compiled.cut.table).is_some() =>
            {
                Tree::Guarded(Box::new(self.tree(node)), self.part(known))
            }
            ExprKind::Not(a) => Tree::Not(Box::new(self.tree(a))),
            ExprKind::Binary(BinaryOp::And, a, b) => {
                Tree::And(Box::new(self.tree(a)), Box::new(self.tree(b)))
            }
            ExprKind::Binary(BinaryOp::Or, a, b) => Tree::Or(Box::new(self.tree(a)), Box::new(self.tree(b))),
            ExprKind::If(a, b, c) if expr.ty == Type::Bool => {
                Tree::If(Box::new(self.tree(a)), Box::new(self.tree(b)), Box::new(self.tree(c)))
            }
            ExprKind::Has(name) if self.is_bool(name) => {
                let signal = Expr { kind: ExprKind::Signal(name.clone()), ..expr.clone() };
                Tree::Has(self.part(&signal))
            }
            _ => Tree::Part(self.part(expr)),
        }
    }

    /// Whether a signal is a condition itself, so that `has` of it and its value are not apart.
    fn is_bool(&self, name: &SignalName) -> bool {
        self.compiled.checked.signals.get(name).is_some_and(|signal| signal.ty == Type::Bool)
    }

    /// An atom, by its text; equal ones are one part.
    fn part(&mut self, expr: &Expr) -> usize {
        let text = render(expr);
        if let Some(at) = self.parts.iter().position(|known| known.text == text) {
            return at;
        }
        let readings = expr.readings();
        let signals = || readings.iter().filter_map(|(name, _)| self.compiled.checked.signals.get(*name));
        // What a device does not say it withholds, or the consent record denies it. That there is no device zone, or
        // another version, is true of all nodes alike, whatever they are.
        let kept = |signal: &Signal| {
            signal.birth == Birth::Device && !self.compiled.cut.layout.values.contains(&signal.name)
        };
        let of_node = |cause: &Cause| matches!(cause, Cause::Withheld | Cause::Denied);
        let causes: BTreeSet<Cause> = signals()
            .flat_map(|signal| {
                let causes = signal.causes(&self.compiled.signals).into_iter();
                causes.filter(|cause| !kept(signal) || of_node(cause)).collect::<Vec<_>>()
            })
            .collect();
        let known = [Outcome::True, Outcome::False, Outcome::Error];
        let missing = matches!(expr.kind, ExprKind::Signal(_)).then_some(Outcome::Missing);
        let known = known.into_iter().chain(missing);
        let unknown = causes.into_iter().map(|cause| Outcome::Unknown(Causes::of(cause)));
        let all: Vec<Outcome> = known.chain(unknown).collect();
        let mut outcomes: Vec<(Outcome, Outcome)> = all.iter().map(|given| (*given, *given)).collect();
        // A released value that nobody vouches for is withheld in Σ⁻, alone or beside another cause. Of a node, the
        // outcome as a whole is.
        let values = &self.compiled.cut.layout.values;
        if signals().any(|signal| signal.min_trust > Trust::Claimed && values.contains(&signal.name)) {
            outcomes.extend(all.iter().map(|given| (*given, less(*given))));
        }
        self.parts.push(Part { text, outcomes });
        self.parts.len() - 1
    }

    fn is_too_large(&self) -> bool {
        let all = self.parts.iter().try_fold(1_usize, |all, part| all.checked_mul(part.outcomes.len()));
        all.is_none_or(|all| all > TRIALS_MAX)
    }

    /// Whether the rule does the same with `gone` as with everything, whatever its parts say.
    fn comes_out_alike(&self, gone: &BTreeSet<usize>) -> bool {
        let mut places = vec![0; self.parts.len()];
        loop {
            let outcome = |(place, part): (&usize, &Part)| {
                part.outcomes.get(*place).copied().unwrap_or((WITHHELD, WITHHELD))
            };
            let chosen: Vec<(Outcome, Outcome)> = places.iter().zip(&self.parts).map(outcome).collect();
            let none = BTreeSet::new();
            let alike = Trust::ALL
                .iter()
                .all(|trust| self.settled(&chosen, &none, *trust) == self.settled(&chosen, gone, *trust));
            if !alike {
                return false;
            }
            if !next(&mut places, &self.parts) {
                return true;
            }
        }
    }

    /// The effect that the rule comes to.
    fn settled(&self, chosen: &[(Outcome, Outcome)], gone: &BTreeSet<usize>, trust: Trust) -> Option<Effect> {
        let given = outcome(&self.root, &View { chosen, gone, trust: None });
        let trusted = outcome(&self.root, &View { chosen, gone, trust: Some(trust) });
        let own = self.rule.effect;
        match (given, trusted) {
            (_, trusted) if own.is_lenient() => (trusted == Outcome::True).then_some(own),
            (Outcome::True, _) => Some(own),
            (_, Outcome::True) => Some(own),
            (_, Outcome::False) => None,
            (_, Outcome::Error | Outcome::Missing) => self.closed(self.rule.error),
            (_, Outcome::Unknown(causes)) => {
                let closed = causes.iter().map(|cause| self.closed(self.rule.entry(cause)));
                let rank = |effect: &Option<Effect>| {
                    effect.map_or(0, |effect| crate::check::soft_rank(&self.compiled.checked, effect))
                };
                closed.max_by_key(rank).flatten()
            }
        }
    }

    fn closed(&self, entry: Entry) -> Option<Effect> {
        crate::cut::closed(&self.compiled.checked, self.rule, entry)
    }
}

/// The next assignment; false after the last.
fn next(places: &mut [usize], parts: &[Part]) -> bool {
    for (place, part) in places.iter_mut().zip(parts) {
        *place += 1;
        if *place < part.outcomes.len() {
            return true;
        }
        *place = 0;
    }
    false
}

fn outcome(tree: &Tree, view: &View<'_>) -> Outcome {
    match tree {
        Tree::Constant(true) => Outcome::True,
        Tree::Constant(false) => Outcome::False,
        Tree::Part(at) => match view.part(*at) {
            Outcome::Missing => Outcome::Error,
            known => known,
        },
        Tree::Has(at) => match view.part(*at) {
            Outcome::True | Outcome::False => Outcome::True,
            Outcome::Missing => Outcome::False,
            other => other,
        },
        Tree::Node(at, ..) if view.gone.contains(at) => WITHHELD,
        Tree::Node(_, min_trust, _) if view.trust.is_some_and(|trust| trust < *min_trust) => WITHHELD,
        // Whatever the reason, a device only says that it withholds; consent is the cloud's to look up.
        Tree::Node(_, _, condition) => match outcome(condition, &View { trust: None, ..*view }) {
            Outcome::Unknown(causes) if causes.contains(Cause::Denied) => DENIED,
            Outcome::Unknown(_) => WITHHELD,
            known => known,
        },
        Tree::Guarded(node, known) => strict(outcome(node, view), view.part(*known)),
        Tree::Not(a) => match outcome(a, view) {
            Outcome::True => Outcome::False,
            Outcome::False => Outcome::True,
            other => other,
        },
        Tree::And(a, b) => connective(Outcome::False, outcome(a, view), outcome(b, view)),
        Tree::Or(a, b) => connective(Outcome::True, outcome(a, view), outcome(b, view)),
        Tree::If(condition, yes, no) => match outcome(condition, view) {
            Outcome::True => outcome(yes, view),
            Outcome::False => outcome(no, view),
            other => other,
        },
    }
}

/// An outcome with an input withheld.
fn less(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Unknown(causes) => Outcome::Unknown(causes.union(Causes::of(Cause::Withheld))),
        _ => WITHHELD,
    }
}

/// A node where the values of the request are known: `known` is false there, and true nowhere.
fn strict(node: Outcome, known: Outcome) -> Outcome {
    match (node, known) {
        (Outcome::Unknown(a), Outcome::Unknown(b)) => Outcome::Unknown(a.union(b)),
        (Outcome::Unknown(causes), _) | (_, Outcome::Unknown(causes)) => Outcome::Unknown(causes),
        (_, Outcome::Error | Outcome::Missing) => Outcome::Error,
        (node, _) => node,
    }
}

/// A deciding value wins, then what is unknown, then an error.
fn connective(deciding: Outcome, a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        _ if a == deciding || b == deciding => deciding,
        (Outcome::Unknown(a), Outcome::Unknown(b)) => Outcome::Unknown(a.union(b)),
        (Outcome::Unknown(causes), _) | (_, Outcome::Unknown(causes)) => Outcome::Unknown(causes),
        (Outcome::Error, _) | (_, Outcome::Error) => Outcome::Error,
        // Neither decides: both are the other truth value.
        _ => a,
    }
}

/// LIMIT: assignments of one rule that are tried for one node. A witness that a node is needed comes early; only a rule
/// that can do without one is tried to the end.
const TRIALS_MAX: usize = 1 << 16;
