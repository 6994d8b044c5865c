//! Which nodes an evaluation computes, and how: decided once, when a slice is loaded.
//!
//! Most atoms compare an int with a literal. Such a node is one [`Step`] that holds its bound, and a literal that
//! nothing else uses is not computed at all. Every other node is computed as it stands.

use super::index;
use crate::tree::{Node, Parts};
use alloc::boxed::Box;
use alloc::vec;
use core::cmp::Ordering;
use glacis_wire::Value;

/// One computation, in the order of the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// This node.
    Node(u32),
    /// Node `at`, which is `a || b` where `decides` is true, and `a && b` where it is false.
    Connective { at: u32, a: u32, b: u32, decides: bool },
    /// Node `at`, which compares the int of node `of` with a literal.
    Bound { at: u32, of: u32, bound: i64, holds: Holds },
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

/// The steps of a checked slice.
pub(crate) fn steps(parts: &Parts) -> Box<[Step]> {
    let steps = || (0..).zip(&parts.nodes).map(|(at, node)| step(parts, at, node));
    let mut is_read = vec![false; parts.nodes.len()];
    let mut read = |node: u32| {
        if let Some(is_read) = is_read.get_mut(index(node)) {
            *is_read = true;
        }
    };
    parts.rules.iter().map(|rule| rule.root).chain(parts.releases.iter().copied()).for_each(&mut read);
    for (node, step) in parts.nodes.iter().zip(steps()) {
        match step {
            Step::Bound { of, .. } => read(of),
            _ => node.operands().into_iter().flatten().for_each(&mut read),
        }
    }
    steps().zip(is_read).filter(|(_, is_read)| *is_read).map(|(step, _)| step).collect()
}

fn step(parts: &Parts, at: u32, node: &Node) -> Step {
    match *node {
        Node::And(a, b) => Step::Connective { at, a, b, decides: false },
        Node::Or(a, b) => Step::Connective { at, a, b, decides: true },
        _ => bound(parts, at, node).unwrap_or(Step::Node(at)),
    }
}

/// The node as a comparison with a bound, if it is one.
fn bound(parts: &Parts, at: u32, node: &Node) -> Option<Step> {
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
        (_, Some(bound)) => Some(Step::Bound { at, of: a, bound, holds }),
        (Some(bound), None) => Some(Step::Bound { at, of: b, bound, holds: holds.flipped() }),
        (None, None) => None,
    }
}
