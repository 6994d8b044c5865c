//! The arena of a loaded slice as terms.
//!
//! What a slot stands for is the caller's to say ([`Resolve`]): for the composition a signal, or the release node that
//! the device computes for it; for the tables of a plan the slot itself. A node that cannot be said is no term, and so is
//! whatever reads it.

use super::lookup::Lookups;
use super::term::{Binary, Leaf, Op, Term, TermId, Terms};
use glacis_policy::{Node, Slice};

/// What the slots of a slice stand for.
pub(super) trait Resolve {
    /// The term of its value.
    fn read(&self, terms: &mut Terms<'_>, slot: u16) -> Option<TermId>;
    /// The leaf that `has` and models ask; `None` if there is none.
    fn leaf(&self, slot: u16) -> Option<Leaf>;
}

/// Each slot stands for itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Itself;

impl Resolve for Itself {
    fn read(&self, terms: &mut Terms<'_>, slot: u16) -> Option<TermId> {
        Some(terms.leaf(Term::Read(Leaf::Slot(slot))))
    }

    fn leaf(&self, slot: u16) -> Option<Leaf> {
        Some(Leaf::Slot(slot))
    }
}

/// The term of each node, in the order of the arena.
pub(super) fn add(
    slice: &Slice,
    terms: &mut Terms<'_>,
    lookups: &Lookups,
    resolve: &dyn Resolve,
) -> Vec<Option<TermId>> {
    let mut all = Vec::with_capacity(slice.nodes().len());
    for node in slice.nodes() {
        let term = Adder { slice, lookups, resolve, below: &all }.node(terms, node);
        all.push(term);
    }
    all
}

struct Adder<'a> {
    slice: &'a Slice,
    lookups: &'a Lookups,
    resolve: &'a dyn Resolve,
    below: &'a [Option<TermId>],
}

impl Adder<'_> {
    fn node(&self, terms: &mut Terms<'_>, node: &Node) -> Option<TermId> {
        let (op, operands): (Op, &[u32]) = match node {
            Node::Const(value) => return Some(terms.literal(value)),
            Node::Read(slot) => return self.resolve.read(terms, *slot),
            Node::Has(slot) => return Some(terms.leaf(Term::Has(self.resolve.leaf(*slot)?))),
            Node::Score(call) => return self.score(terms, *call),
            Node::Table(table) => return Some(terms.leaf(Term::Table(self.lookups.table(table)?))),
            Node::Not(a) => (Op::Not, &[*a]),
            Node::Neg(a) => (Op::Neg, &[*a]),
            Node::Size(a) => (Op::Size, &[*a]),
            Node::SpanPart(part, a) => (Op::SpanPart(*part), &[*a]),
            Node::Convert(ty, a) => (Op::Convert(*ty), &[*a]),
            Node::And(a, b) => (Op::And, &[*a, *b]),
            Node::Or(a, b) => (Op::Or, &[*a, *b]),
            Node::If(a, b, c) => (Op::If, &[*a, *b, *c]),
            Node::Eq(a, b) => (Op::Binary(Binary::Eq), &[*a, *b]),
            Node::Ne(a, b) => (Op::Binary(Binary::Ne), &[*a, *b]),
            Node::Lt(a, b) => (Op::Binary(Binary::Lt), &[*a, *b]),
            Node::Le(a, b) => (Op::Binary(Binary::Le), &[*a, *b]),
            Node::Gt(a, b) => (Op::Binary(Binary::Gt), &[*a, *b]),
            Node::Ge(a, b) => (Op::Binary(Binary::Ge), &[*a, *b]),
            Node::Add(a, b) => (Op::Binary(Binary::Add), &[*a, *b]),
            Node::Sub(a, b) => (Op::Binary(Binary::Sub), &[*a, *b]),
            Node::Mul(a, b) => (Op::Binary(Binary::Mul), &[*a, *b]),
            Node::Div(a, b) => (Op::Binary(Binary::Div), &[*a, *b]),
            Node::Rem(a, b) => (Op::Binary(Binary::Rem), &[*a, *b]),
            Node::In(a, b) => (Op::Binary(Binary::In), &[*a, *b]),
            Node::StartsWith(a, b) => (Op::StartsWith, &[*a, *b]),
            Node::EndsWith(a, b) => (Op::EndsWith, &[*a, *b]),
            Node::Contains(a, b) => (Op::Contains, &[*a, *b]),
            Node::Matches(a, b) => (Op::Matches, &[*a, *b]),
            Node::Within(a, b) => (Op::Within, &[*a, *b]),
            Node::MomentPart(part, a, b) => (Op::MomentPart(*part), &[*a, *b]),
            Node::Index(a, b) => (Op::Index, &[*a, *b]),
            Node::Find(a, b) => (Op::Find, &[*a, *b]),
        };
        let operands: Option<Vec<TermId>> = operands.iter().map(|at| self.operand(*at)).collect();
        Some(terms.apply(op, operands?))
    }

    fn operand(&self, at: u32) -> Option<TermId> {
        *self.below.get(usize::try_from(at).ok()?)?
    }

    fn score(&self, terms: &mut Terms<'_>, call: u16) -> Option<TermId> {
        let call = self.slice.parts().calls.get(usize::from(call))?;
        let bytes = self.slice.parts().models.get(usize::from(call.model))?;
        let inputs = call.slots.iter().map(|slot| self.resolve.leaf(*slot)).collect::<Option<_>>()?;
        Some(terms.leaf(Term::Score(self.lookups.model(bytes)?, inputs)))
    }
}
