//! What atoms compare with constants that is more than a signal: sums, sizes, parts of a time, scores.
//!
//! Whatever such a term comes to, it is one value, so that all comparisons of it with constants go together. Its values
//! are cut as those of a signal are. Nothing is said of which of them the signals can make it take.

use super::order::Domain;
use super::{State, constant, order};
use glacis_compiler::Checked;
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind};
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_policy::TimePart;
use glacis_wire::{Answer, Type, Value};

/// A term, and the constants that an atom compares it with.
pub(crate) fn of<'e>(policy: &Checked, atom: &'e Expr) -> Option<(&'e Expr, Vec<Value>)> {
    let ExprKind::Binary(op, a, b) = &atom.kind else { return None };
    let compares = matches!(
        op,
        BinaryOp::Eq
            | BinaryOp::Ne
            | BinaryOp::Lt
            | BinaryOp::Le
            | BinaryOp::Gt
            | BinaryOp::Ge
            | BinaryOp::In
    );
    if !compares {
        return None;
    }
    let (term, other) = match (constant(policy, a), constant(policy, b)) {
        (None, Some(value)) => (a, value),
        (Some(value), None) if *op != BinaryOp::In => (b, value),
        _ => return None,
    };
    let constants = match other {
        Value::List(items) if *op == BinaryOp::In => items,
        one => vec![one],
    };
    term.ty.element().is_none().then_some((&**term, constants))
}

/// One value of each class of a term's values.
pub(crate) fn values(policy: &Checked, term: &Expr, constants: &[Value]) -> Vec<Value> {
    let domain = Domain { ty: term.ty, ints: range(policy, term), limit: usize::MAX };
    let states = order::values(domain, constants).into_iter();
    states
        .filter_map(|State { answer, .. }| if let Answer::Value(value) = answer { Some(value) } else { None })
        .collect()
}

/// What an atom says where its term has a value.
pub(crate) fn holds(policy: &Checked, atom: &Expr, term: &Expr, value: &Value) -> bool {
    let ExprKind::Binary(op, a, b) = &atom.kind else { return false };
    let literal = Box::new(Expr { kind: ExprKind::Literal(value.clone()), ty: term.ty, span: term.span });
    let is_left = std::ptr::eq(&raw const **a, &raw const *term);
    let (a, b) = if is_left { (literal, b.clone()) } else { (a.clone(), literal) };
    let atom = Expr { kind: ExprKind::Binary(*op, a, b), ..atom.clone() };
    evaluate(policy, &atom, &Snapshot::default(), false, false) == Outcome::Value(Value::Bool(true))
}

/// Least and greatest int that a term comes to.
fn range(policy: &Checked, term: &Expr) -> [i64; 2] {
    match &term.kind {
        ExprKind::Size(of) => {
            let signal = of.reads().and_then(|name| policy.signals().get(name));
            let most = signal.and_then(|signal| {
                let most = if signal.ty.element().is_some() { signal.max_items } else { signal.max_bytes };
                i64::try_from(most?).ok()
            });
            [0, most.unwrap_or(i64::MAX)]
        }
        ExprKind::TimePart(part, of, _) if of.ty == Type::Timestamp => match part {
            TimePart::Hours => [0, 23],
            TimePart::Minutes | TimePart::Seconds => [0, 59],
            TimePart::Milliseconds => [0, 999],
            TimePart::DayOfWeek => [0, 6],
            TimePart::Month => [0, 11],
            TimePart::Date => [1, 31],
            TimePart::DayOfMonth => [0, 30],
            TimePart::DayOfYear => [0, 365],
            TimePart::FullYear => [1, 9_999],
        },
        _ => [i64::MIN, i64::MAX],
    }
}
