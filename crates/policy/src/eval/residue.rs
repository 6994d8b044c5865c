//! The residue of a rule: the atoms of it that no table knows, where it is the conjunction of them and of the rest.
//!
//! `amount > 10 && country in [..] && a + b > c` is such a rule. Its terms say what the first two come to, so that
//! only the third is to be computed. Which rules are such follows from the arena, when a slice is loaded:
//!
//! - the conjunction at the root has atoms over two slots or more, arithmetic and the like: the residue;
//! - everything else below it is made of atoms that a class decides, each of which occurs once. So every atom stands
//!   in a term (no term is implied by another), and the causes of all that is open are in the planes;
//! - each term reads some slot, so that the rule is not one over the limits, whose only term says nothing.
//!
//! What is not found here is only slower: the rule is computed whole.

use super::index;
use crate::plan::{Plan, RuleTerms, key};
use crate::tree::{Node, Parts};
use alloc::vec;
use alloc::vec::Vec;
use glacis_wire::{Type, Value};

/// Finds residues; remembers what it has seen of a rule.
pub(super) struct Residues<'a> {
    parts: &'a Parts,
    /// Terms that read a slot.
    used: Vec<u64>,
    /// The last rule, counted from one, in which each node occurred.
    seen: Vec<u32>,
    rule: u32,
    found: Vec<u32>,
    below: Vec<(u32, Place)>,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the conjunction at the root.
    Conjunct,
    /// Below another connective of it.
    Inside,
}

impl<'a> Residues<'a> {
    pub(super) fn new(parts: &'a Parts, plan: &Plan, bytes: &[u8]) -> Self {
        let mut used = vec![0; plan.words];
        for slot in &plan.slots {
            plan.add(bytes, slot.uses, &mut used);
        }
        let seen = vec![0; parts.nodes.len()];
        Self { parts, used, seen, rule: 0, found: Vec::new(), below: Vec::new() }
    }

    /// The residue of the rule with this root; `None` if it is to be computed whole.
    pub(super) fn of(&mut self, root: u32, terms: &RuleTerms) -> Option<&[u32]> {
        let used = self.used.get(usize::from(terms.word)).copied().unwrap_or(0);
        if terms.exact || terms.trues == 0 || used & terms.trues != terms.trues {
            return None;
        }
        self.rule += 1;
        self.found.clear();
        self.below.clear();
        self.below.push((root, Place::Conjunct));
        while let Some((at, place)) = self.below.pop() {
            self.visit(at, place)?;
        }
        Some(&self.found).filter(|found| !found.is_empty()).map(Vec::as_slice)
    }

    fn visit(&mut self, at: u32, place: Place) -> Option<()> {
        let node = self.parts.nodes.get(index(at))?;
        let seen = self.seen.get_mut(index(at)).filter(|seen| **seen != self.rule)?;
        *seen = self.rule;
        match *node {
            Node::Const(_) => return None,
            Node::And(a, b) => self.below.extend([(a, place), (b, place)]),
            Node::Or(..) | Node::If(..) => {
                self.below.extend(node.operands().into_iter().flatten().map(|at| (at, Place::Inside)));
            }
            Node::Not(a) if self.is_connective(a) || self.is_indexed(a) => {
                self.below.push((a, Place::Inside))
            }
            _ if self.is_indexed(at) => {}
            // A negation of what no table knows is one node of the residue.
            _ if place == Place::Conjunct => self.found.push(at),
            _ => return None,
        }
        Some(())
    }

    fn is_connective(&self, at: u32) -> bool {
        matches!(self.parts.node(at), Some(Node::And(..) | Node::Or(..) | Node::Not(_) | Node::If(..)))
    }

    /// Whether its slot's class decides it: at most what the maker of plans makes a class of.
    fn is_indexed(&self, at: u32) -> bool {
        match self.parts.node(at) {
            Some(Node::Has(_)) => true,
            Some(Node::Read(slot)) => self.parts.ty(*slot) == Some(Type::Bool),
            Some(Node::Eq(a, b) | Node::Ne(a, b)) => self
                .compared(*a, *b)
                .is_some_and(|literal| !matches!(literal, Value::List(_) | Value::Bytes(_))),
            Some(Node::Lt(a, b) | Node::Le(a, b) | Node::Gt(a, b) | Node::Ge(a, b)) => {
                self.compared(*a, *b).is_some_and(|literal| {
                    !matches!(literal, Value::List(_) | Value::String(_) | Value::Bytes(_))
                })
            }
            Some(Node::In(a, b)) => {
                let ty = self.parts.read(*a).and_then(|slot| self.parts.ty(slot));
                let scalar = ty.is_some_and(|ty| ty.element().is_none() && ty != Type::Bytes);
                scalar && matches!(self.parts.literal(*b), Some(Value::List(_)))
            }
            Some(Node::StartsWith(a, b)) => match (self.parts.read(*a), self.parts.literal(*b)) {
                (Some(_), Some(Value::String(prefix))) => key::of_prefix(prefix.as_bytes()).2,
                _ => false,
            },
            _ => false,
        }
    }

    /// The literal with which a slot is compared.
    fn compared(&self, a: u32, b: u32) -> Option<&'a Value> {
        match (self.parts.read(a), self.parts.read(b)) {
            (Some(_), None) => self.parts.literal(b),
            (None, Some(_)) => self.parts.literal(a),
            _ => None,
        }
    }
}
