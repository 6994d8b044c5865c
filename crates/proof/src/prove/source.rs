//! The typed source tree as terms.
//!
//! The tree is the one that the parser and the checker made, not the folded one: this module says once more, in its own
//! words, what each form means. A part without signals becomes its value, as the reference interpreter has it.

use super::lookup::Lookups;
use super::term::{Binary, Leaf, Op, Term, TermId, Terms, literal_expr};
use glacis_compiler::checked::{BinaryOp, Checked, Expr, ExprKind};
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_wire::{Type, Value};

/// Adds an expression; `None` where its parts are not what the checker lets pass.
pub(super) fn add(policy: &Checked, terms: &mut Terms<'_>, lookups: &Lookups, expr: &Expr) -> Option<TermId> {
    if expr.readings().is_empty()
        && let Outcome::Value(value) = evaluate(policy, expr, &Snapshot::default(), false, false)
    {
        return Some(terms.literal(&value));
    }
    Adder { policy, lookups }.add(terms, expr)
}

#[derive(Clone, Copy)]
struct Adder<'a> {
    policy: &'a Checked,
    lookups: &'a Lookups,
}

impl Adder<'_> {
    fn add(self, terms: &mut Terms<'_>, expr: &Expr) -> Option<TermId> {
        let (op, parts) = match &expr.kind {
            ExprKind::Literal(value) => return Some(terms.literal(value)),
            ExprKind::List(items) => return self.list(terms, items),
            ExprKind::Signal(name) => return Some(terms.leaf(Term::Read(Leaf::Signal(name.clone())))),
            ExprKind::Has(name) => return Some(terms.leaf(Term::Has(Leaf::Signal(name.clone())))),
            ExprKind::Model(name, inputs) => return self.score(terms, name, inputs),
            ExprKind::Pick { keys, values, key } => return self.pick(terms, (keys, values), key),
            ExprKind::Matches(a, pattern) => {
                let table = terms.leaf(Term::Table(self.lookups.pattern(pattern)?));
                return self.with_table(terms, expr, (Op::Matches, a), table);
            }
            ExprKind::InNetworks(a, networks) => {
                let table = terms.leaf(Term::Table(self.lookups.networks(networks)?));
                return self.with_table(terms, expr, (Op::Within, a), table);
            }
            ExprKind::TimePart(part, a, zone) if a.ty != Type::Duration => {
                let table = terms.leaf(Term::Table(self.lookups.zone(zone.as_deref().unwrap_or("UTC"))?));
                return self.with_table(terms, expr, (Op::MomentPart(*part), a), table);
            }
            ExprKind::TimePart(part, a, _) => (Op::SpanPart(*part), vec![&**a]),
            ExprKind::Not(a) => (Op::Not, vec![&**a]),
            ExprKind::Neg(a) => (Op::Neg, vec![&**a]),
            ExprKind::Size(a) => (Op::Size, vec![&**a]),
            ExprKind::Convert(a) => (Op::Convert(expr.ty), vec![&**a]),
            ExprKind::Binary(op, a, b) => (operator(*op), vec![&**a, &**b]),
            ExprKind::If(a, b, c) => (Op::If, vec![&**a, &**b, &**c]),
            ExprKind::StartsWith(a, b) => (Op::StartsWith, vec![&**a, &**b]),
            ExprKind::EndsWith(a, b) => (Op::EndsWith, vec![&**a, &**b]),
            ExprKind::Contains(a, b) => (Op::Contains, vec![&**a, &**b]),
            ExprKind::Index(a, b) => (Op::Index, vec![&**a, &**b]),
        };
        let operands: Option<Vec<TermId>> =
            parts.into_iter().map(|part| add(self.policy, terms, self.lookups, part)).collect();
        Some(terms.apply(op, operands?))
    }

    /// An operator that looks into a table. What it looks up may turn out to be a constant only here, as in
    /// `(false ? a : "b").matches(..)`.
    fn with_table(
        self,
        terms: &mut Terms<'_>,
        expr: &Expr,
        (op, of): (Op, &Expr),
        table: TermId,
    ) -> Option<TermId> {
        let of = add(self.policy, terms, self.lookups, of)?;
        if let Some(value) = terms.value(of) {
            let literal = Box::new(literal_expr(value));
            let kind = match &expr.kind {
                ExprKind::Matches(_, pattern) => ExprKind::Matches(literal, pattern.clone()),
                ExprKind::InNetworks(_, networks) => ExprKind::InNetworks(literal, networks.clone()),
                ExprKind::TimePart(part, _, zone) => ExprKind::TimePart(*part, literal, zone.clone()),
                other => other.clone(),
            };
            let constant = Expr { kind, ..expr.clone() };
            if let Outcome::Value(value) =
                evaluate(self.policy, &constant, &Snapshot::default(), false, false)
            {
                return Some(terms.literal(&value));
            }
        }
        Some(terms.apply(op, vec![of, table]))
    }

    /// A list of constants; slices build no others.
    fn list(self, terms: &mut Terms<'_>, items: &[Expr]) -> Option<TermId> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let at = add(self.policy, terms, self.lookups, item)?;
            values.push(terms.value(at)?.clone());
        }
        Some(terms.literal(&Value::List(values)))
    }

    fn score(self, terms: &mut Terms<'_>, name: &str, inputs: &[Expr]) -> Option<TermId> {
        let model = self.policy.models().iter().find(|model| model.name == name)?;
        let leaf = |input: &Expr| input.reads().cloned().map(Leaf::Signal);
        let inputs = inputs.iter().map(leaf).collect::<Option<_>>()?;
        Some(terms.leaf(Term::Score(self.lookups.model(&model.bytes)?, inputs)))
    }

    /// `{k: v, ..}[x]` is the item of the values at the place of `x` among the keys, and an error where it has none.
    fn pick(self, terms: &mut Terms<'_>, of: (&[Expr], &[Expr]), key: &Expr) -> Option<TermId> {
        let (keys, values) = (self.list(terms, of.0)?, self.list(terms, of.1)?);
        let key = add(self.policy, terms, self.lookups, key)?;
        let place = terms.apply(Op::Find, vec![key, keys]);
        Some(terms.apply(Op::Index, vec![values, place]))
    }
}

const fn operator(op: BinaryOp) -> Op {
    match op {
        BinaryOp::Or => Op::Or,
        BinaryOp::And => Op::And,
        BinaryOp::Eq => Op::Binary(Binary::Eq),
        BinaryOp::Ne => Op::Binary(Binary::Ne),
        BinaryOp::Lt => Op::Binary(Binary::Lt),
        BinaryOp::Le => Op::Binary(Binary::Le),
        BinaryOp::Gt => Op::Binary(Binary::Gt),
        BinaryOp::Ge => Op::Binary(Binary::Ge),
        BinaryOp::In => Op::Binary(Binary::In),
        BinaryOp::Add => Op::Binary(Binary::Add),
        BinaryOp::Sub => Op::Binary(Binary::Sub),
        BinaryOp::Mul => Op::Binary(Binary::Mul),
        BinaryOp::Div => Op::Binary(Binary::Div),
        BinaryOp::Rem => Op::Binary(Binary::Rem),
    }
}
