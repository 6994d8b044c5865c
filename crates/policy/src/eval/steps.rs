//! How each node is computed, decided once, when a slice is loaded.
//!
//! Most atoms compare an int with a literal. Such a node is one [`Step`] that holds its bound, and a literal that
//! nothing else uses is not computed at all. Every other node is computed as it stands. A device computes every
//! step from front to back; an edge or cloud those below a rule that its plan leaves open.

use super::index;
use super::residue::Residues;
use crate::plan::Plan;
use crate::sort::sort;
use crate::tree::{Node, Parts};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use glacis_wire::Value;

/// The computation of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Nothing reads it.
    Idle,
    /// As it stands.
    Node,
    /// `a || b` where `decides` is true, `a && b` where it is false.
    Connective { a: u32, b: u32, decides: bool },
    /// The score of a call.
    Score(u16),
    /// The int of node `of` compared with a literal.
    Bound { of: u32, bound: i64, holds: Holds },
}

impl Step {
    /// The nodes that it reads; `node` is the one that it computes.
    pub(crate) fn operands(self, node: &Node) -> [Option<u32>; 3] {
        match self {
            Self::Idle | Self::Score(_) => [None; 3],
            Self::Node => node.operands(),
            Self::Connective { a, b, .. } => [Some(a), Some(b), None],
            Self::Bound { of, .. } => [Some(of), None, None],
        }
    }
}

/// The orders for which a comparison holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holds {
    less: bool,
    equal: bool,
    greater: bool,
}

impl Holds {
    const fn new(less: bool, equal: bool, greater: bool) -> Self {
        Self { less, equal, greater }
    }

    /// Whether it holds for `order`.
    pub(crate) const fn at(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }

    /// The same comparison with its sides exchanged.
    const fn flipped(self) -> Self {
        Self::new(self.greater, self.equal, self.less)
    }
}

/// The steps of a checked slice, one a node.
pub(crate) fn steps(parts: &Parts) -> Box<[Step]> {
    let mut steps: Box<[Step]> = parts.nodes.iter().map(|node| step(parts, node)).collect();
    let mut is_read = vec![false; parts.nodes.len()];
    let mut read = |node: u32| {
        if let Some(is_read) = is_read.get_mut(index(node)) {
            *is_read = true;
        }
    };
    parts.rules.iter().map(|rule| rule.root).chain(parts.releases.iter().copied()).for_each(&mut read);
    for (node, step) in parts.nodes.iter().zip(&steps) {
        step.operands(node).into_iter().flatten().for_each(&mut read);
    }
    for (step, _) in steps.iter_mut().zip(is_read).filter(|(_, is_read)| !is_read) {
        *step = Step::Idle;
    }
    steps
}

/// For each rule the nodes to compute, operands first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    nodes: Lists<u16>,
    /// Where only some atoms of a rule are to be computed: their roots, see [`residue`](super::residue).
    residues: Lists<u32>,
}

impl Orders {
    /// The nodes of one rule; none where they are not listed.
    #[inline]
    pub(crate) fn of(&self, rule: u16) -> &[u16] {
        self.nodes.of(rule)
    }

    /// The atoms of one rule that no table knows, if it is the conjunction of them and of what its terms say.
    #[inline]
    pub(crate) fn residue(&self, rule: u16) -> &[u32] {
        self.residues.of(rule)
    }
}

/// Lists of one kind, one a rule.
#[derive(Clone, Debug, Default)]
struct Lists<T> {
    items: Box<[T]>,
    /// Where the items of each rule end.
    ends: Box<[u32]>,
}

impl<T> Lists<T> {
    #[inline]
    fn of(&self, rule: u16) -> &[T] {
        let rule = usize::from(rule);
        let end = |at: usize| self.ends.get(at).map_or(0, |end| index(*end));
        let start = rule.checked_sub(1).map_or(0, end);
        self.items.get(start..end(rule)).unwrap_or_default()
    }
}

/// The orders of the rules that a plan may leave open: of all that is below a rule, or only of its residue. Rules
/// that share much could list the same nodes again and again: beyond some multiple of the arena they are not listed.
pub(crate) fn orders(parts: &Parts, steps: &[Step], plan: &Plan, bytes: &[u8]) -> Orders {
    let room = ORDERS_ROOM * parts.nodes.len();
    let (mut nodes, mut ends) = (Vec::new(), Vec::with_capacity(parts.rules.len()));
    let (mut residues, mut residue_ends) = (Vec::new(), Vec::with_capacity(parts.rules.len()));
    let mut seen = vec![u16::MAX; parts.nodes.len()];
    let mut below = Vec::new();
    let mut finder = Residues::new(parts, plan, bytes);
    for ((at, rule), terms) in (0..).zip(&parts.rules).zip(&plan.rules) {
        if terms.may_be_open() && nodes.len() < room {
            below.push(rule.root);
            if let Some(residue) = finder.of(rule.root, terms) {
                residues.extend_from_slice(residue);
                below.clear();
                below.extend_from_slice(residue);
            }
            let start = nodes.len();
            while let Some(node) = below.pop() {
                let Some(seen) = seen.get_mut(index(node)).filter(|seen| **seen != at) else { continue };
                *seen = at;
                nodes.extend(u16::try_from(node));
                if let (Some(step), Some(node)) = (steps.get(index(node)), parts.nodes.get(index(node))) {
                    below.extend(step.operands(node).into_iter().flatten());
                }
            }
            // Operands come before their users in the arena.
            sort(nodes.get_mut(start..).unwrap_or_default(), |a, b| a < b);
        }
        ends.push(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
        residue_ends.push(u32::try_from(residues.len()).unwrap_or(u32::MAX));
    }
    let [ends, residue_ends] = [ends, residue_ends].map(Vec::into_boxed_slice);
    Orders {
        nodes: Lists { items: nodes.into_boxed_slice(), ends },
        residues: Lists { items: residues.into_boxed_slice(), ends: residue_ends },
    }
}

/// How often the orders may name each node, on average.
const ORDERS_ROOM: usize = 2;

fn step(parts: &Parts, node: &Node) -> Step {
    match *node {
        Node::And(a, b) => Step::Connective { a, b, decides: false },
        Node::Or(a, b) => Step::Connective { a, b, decides: true },
        Node::Score(call) => Step::Score(call),
        _ => bound(parts, node).unwrap_or(Step::Node),
    }
}

/// The node as a comparison with a bound, if it is one.
fn bound(parts: &Parts, node: &Node) -> Option<Step> {
    let (a, b, holds) = match *node {
        Node::Eq(a, b) => (a, b, Holds::new(false, true, false)),
        Node::Ne(a, b) => (a, b, Holds::new(true, false, true)),
        Node::Lt(a, b) => (a, b, Holds::new(true, false, false)),
        Node::Le(a, b) => (a, b, Holds::new(true, true, false)),
        Node::Gt(a, b) => (a, b, Holds::new(false, false, true)),
        Node::Ge(a, b) => (a, b, Holds::new(false, true, true)),
        _ => return None,
    };
    let literal = |node: u32| match parts.nodes.get(index(node)) {
        Some(Node::Const(Value::Int(value))) => Some(*value),
        _ => None,
    };
    match (literal(a), literal(b)) {
        (_, Some(bound)) => Some(Step::Bound { of: a, bound, holds }),
        (Some(bound), None) => Some(Step::Bound { of: b, bound, holds: holds.flipped() }),
        (None, None) => None,
    }
}
