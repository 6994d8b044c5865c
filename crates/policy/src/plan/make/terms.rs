//! Rules as disjunctions of conjunctions of literals.
//!
//! Negations move inwards (De Morgan), `&&` distributes over `||`, equal and implied terms go. Each of these holds
//! in a De Morgan algebra, so it holds for *open* as well: no law of complements is used, `x && !x` stays a term.
//! `c ? a : b` is true by `c && a` or `!c && b` and false by `c && !a` or `!c && !b`; a rule that has one gets both
//! rails, every other rule only that of *true*.
//!
//! Recursion follows an arena whose depth the loader limits; each node is formed once a rail.

use super::atoms::Atom;
use crate::plan::LITERALS_MAX;
use crate::tree::Node;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use glacis_wire::Value;

/// An atom, by its node, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Literal {
    pub(super) node: usize,
    pub(super) negated: bool,
}

/// A conjunction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// Ascending.
    pub(super) literals: Vec<Literal>,
    /// Whether it has a literal that no table decides.
    pub(super) rest: bool,
}

/// The terms of one rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Rails {
    pub(super) trues: Vec<Term>,
    pub(super) falses: Vec<Term>,
    pub(super) direct: bool,
    pub(super) exact: bool,
}

impl Rails {
    pub(super) fn len(&self) -> usize {
        self.trues.len() + self.falses.len()
    }

    /// All terms, in the order of their bits.
    pub(super) fn terms(&self) -> impl Iterator<Item = &Term> {
        self.trues.iter().chain(&self.falses)
    }
}

/// A disjunction; `None` where it is over the limits.
type Formed = Option<Rc<Vec<Term>>>;

/// How a condition is written, once its negations are moved to its atoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Conjunction,
    Disjunction,
    Other,
}

/// Forms the terms of one arena.
pub(super) struct Terms<'a> {
    nodes: &'a [Node],
    atoms: &'a [Option<Atom>],
    terms_max: usize,
    /// By node: rails of false and of true.
    formed: Vec<[Option<Formed>; 2]>,
    /// By node, as it is and negated.
    shapes: Vec<[Option<Shape>; 2]>,
    /// By node: whether a `?:` is above its atoms.
    choices: Vec<bool>,
}

impl<'a> Terms<'a> {
    pub(super) fn new(nodes: &'a [Node], atoms: &'a [Option<Atom>], terms_max: usize) -> Self {
        let mut choices: Vec<bool> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let below = |at: u32| choices.get(place(at)).copied().unwrap_or(false);
            choices.push(match *node {
                Node::If(..) => true,
                Node::Not(a) => below(a),
                Node::And(a, b) | Node::Or(a, b) => below(a) || below(b),
                _ => false,
            });
        }
        let formed = nodes.iter().map(|_| [None, None]).collect();
        Self { nodes, atoms, terms_max, formed, shapes: vec![[None; 2]; nodes.len()], choices }
    }

    /// The terms of the rule with this root.
    pub(super) fn rails(&mut self, root: u32) -> Rails {
        let both = self.choices.get(place(root)).copied().unwrap_or(false);
        let trues = self.form(root, true);
        let falses = if both { self.form(root, false) } else { Some(Rc::default()) };
        let always = |terms: &Rc<Vec<Term>>| terms.iter().find(|term| term.literals.is_empty()).cloned();
        match (trues, falses) {
            (Some(trues), _) if always(&trues).is_some() => Rails {
                trues: always(&trues).into_iter().collect(),
                falses: Vec::new(),
                direct: true,
                exact: true,
            },
            (_, Some(falses)) if always(&falses).is_some() => Rails::default(),
            (Some(trues), Some(falses)) => Rails {
                direct: !both && self.shape(root, false) != Shape::Other,
                exact: self.is_exact(root, &trues, &falses),
                trues: trues.to_vec(),
                falses: falses.to_vec(),
            },
            _ => Rails { trues: vec![Term { literals: Vec::new(), rest: true }], ..Rails::default() },
        }
    }

    /// Whether all atoms are decided by their classes, and stand in a term: an implied term that was dropped may
    /// have been the only one to read a slot, and so to know what the rule waits for.
    fn is_exact(&self, root: u32, trues: &[Term], falses: &[Term]) -> bool {
        let literals = || trues.iter().chain(falses).flat_map(|term| &term.literals);
        let exact = |node: usize| matches!(self.atoms.get(node), Some(Some(atom)) if atom.is_exact());
        let mut below = vec![root];
        let mut seen = BTreeSet::new();
        while let Some(at) = below.pop().map(place) {
            if !seen.insert(at) {
                continue;
            }
            match self.nodes.get(at) {
                Some(Node::Not(a)) => below.push(*a),
                Some(Node::And(a, b) | Node::Or(a, b)) => below.extend([*a, *b]),
                Some(Node::If(a, b, c)) => below.extend([*a, *b, *c]),
                Some(Node::Const(_)) => {}
                _ if exact(at) && literals().any(|literal| literal.node == at) => {}
                _ => return false,
            }
        }
        true
    }

    /// The disjunction that makes a node true, or false.
    fn form(&mut self, at: u32, rail: bool) -> Formed {
        let known =
            |formed: &Vec<[Option<Formed>; 2]>| formed.get(place(at))?.get(usize::from(rail))?.clone();
        if let Some(formed) = known(&self.formed) {
            return formed;
        }
        let formed = self.form_new(at, rail).filter(|terms| self.fits(terms)).map(Rc::new);
        if let Some(entry) = self.formed.get_mut(place(at)).and_then(|rails| rails.get_mut(usize::from(rail)))
        {
            *entry = Some(formed.clone());
        }
        formed
    }

    fn form_new(&mut self, at: u32, rail: bool) -> Option<Vec<Term>> {
        let node = self.nodes.get(place(at))?;
        match *node {
            Node::Not(a) => self.form(a, !rail).map(|terms| terms.to_vec()),
            Node::And(a, b) if rail => self.both((a, true), (b, true)),
            Node::Or(a, b) if !rail => self.both((a, false), (b, false)),
            Node::And(a, b) | Node::Or(a, b) => Some(either(&self.form(a, rail)?, &self.form(b, rail)?)),
            Node::If(c, a, b) => {
                Some(either(&self.both((c, true), (a, rail))?, &self.both((c, false), (b, rail))?))
            }
            Node::Const(Value::Bool(value)) if value == rail => {
                Some(vec![Term { literals: Vec::new(), rest: false }])
            }
            Node::Const(Value::Bool(_)) => Some(Vec::new()),
            _ => Some(vec![self.literal(place(at), !rail)]),
        }
    }

    fn literal(&self, node: usize, negated: bool) -> Term {
        let rest = !matches!(self.atoms.get(node), Some(Some(_)));
        Term { literals: vec![Literal { node, negated }], rest }
    }

    /// The conjunction of two nodes, each by a rail.
    fn both(&mut self, a: (u32, bool), b: (u32, bool)) -> Option<Vec<Term>> {
        let (a, b) = (self.form(a.0, a.1)?, self.form(b.0, b.1)?);
        let mut all: Vec<Term> = Vec::new();
        for a in a.iter() {
            for b in b.iter() {
                let mut literals = [&*a.literals, &*b.literals].concat();
                literals.sort_unstable();
                literals.dedup();
                let term = Term { literals, rest: a.rest || b.rest };
                if !all.iter().any(|known| implied(&term, known)) {
                    all.retain(|known| !implied(known, &term));
                    all.push(term);
                }
            }
        }
        Some(all)
    }

    fn fits(&self, terms: &[Term]) -> bool {
        let literals: usize = terms.iter().map(|term| term.literals.len()).sum();
        terms.len() <= self.terms_max && literals <= LITERALS_MAX
    }

    /// Whether it is written as a disjunction of conjunctions of exact literals: then the causes of its open terms
    /// are its causes, and no term of it was dropped but copies.
    fn shape(&mut self, at: u32, negated: bool) -> Shape {
        let known = |shapes: &Vec<[Option<Shape>; 2]>| *shapes.get(place(at))?.get(usize::from(negated))?;
        if let Some(shape) = known(&self.shapes) {
            return shape;
        }
        let shape = match self.nodes.get(place(at)) {
            Some(Node::Not(a)) => self.shape(*a, !negated),
            Some(Node::And(a, b)) if !negated => self.shape(*a, false).max(self.shape(*b, false)).conjoined(),
            Some(Node::Or(a, b)) if negated => self.shape(*a, true).max(self.shape(*b, true)).conjoined(),
            Some(Node::And(a, b) | Node::Or(a, b)) => {
                self.shape(*a, negated).max(self.shape(*b, negated)).max(Shape::Disjunction)
            }
            _ if matches!(self.atoms.get(place(at)), Some(Some(atom)) if atom.is_exact()) => {
                Shape::Conjunction
            }
            _ => Shape::Other,
        };
        if let Some(entry) =
            self.shapes.get_mut(place(at)).and_then(|both| both.get_mut(usize::from(negated)))
        {
            *entry = Some(shape);
        }
        shape
    }
}

impl Shape {
    /// A conjunction of such.
    const fn conjoined(self) -> Self {
        match self {
            Self::Conjunction => Self::Conjunction,
            Self::Disjunction | Self::Other => Self::Other,
        }
    }
}

/// Two disjunctions in one; a copy of a term says nothing new.
fn either(a: &[Term], b: &[Term]) -> Vec<Term> {
    let mut all = a.to_vec();
    for term in b {
        if !all.contains(term) {
            all.push(term.clone());
        }
    }
    all
}

/// Whether `term` is implied by what `other` says already: it has every literal of it.
fn implied(term: &Term, other: &Term) -> bool {
    other.literals.iter().all(|literal| term.literals.binary_search(literal).is_ok())
}

fn place(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
