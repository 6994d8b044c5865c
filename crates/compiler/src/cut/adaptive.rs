//! Release nodes that compare what the device knows with values of the request (`vs_request`), and what a trusted zone
//! makes of them.
//!
//! Such a node is one strict part of a condition: known only where all of its inputs are, so that it is unknown exactly
//! where one of them is. The device computes it on its own copies of the request's values, of which none is ever unknown
//! (one that the device cannot say has failed), so what travels as `unknown` is unknown for the device's sake alone. A
//! trusted zone knows the values themselves, and takes their causes and failures from its own view:
//!
//! ```text
//! app.risk > amount   is   node.0 != (has(amount) != has(amount))
//! ```
//!
//! The right side is false wherever the value is known or missing, unknown for its causes, or an error. `!=` is strict, so
//! the whole is the node where the value is known, an error where one of both failed, and unknown for the causes of both.
//! Where the value is unknown, what the node says does not matter, only whether the device withheld it.
//!
//! What must not be here: a form that absorbs (`&&`, `||`, `?:`, a score). In it, a known value of the request could hide
//! that the device withholds, or the other way round, and no receiver could tell.

use super::nodes::NodeTable;
use crate::checked::{BinaryOp, Expr, ExprKind};
use glacis_wire::{SignalName, Type};

/// Whether an expression is known only where everything that it reads is.
pub(crate) fn is_strict(expr: &Expr) -> bool {
    let absorbs = matches!(
        expr.kind,
        ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..) | ExprKind::If(..) | ExprKind::Model(..)
    );
    !absorbs && expr.parts().into_iter().all(is_strict)
}

/// What a trusted zone reads in place of a node that also read `requests`.
pub(crate) fn guarded(node: Expr, requests: &[SignalName]) -> Expr {
    let like = node.clone();
    let Some(known) = known(requests, &like) else { return node };
    differ(node, known)
}

/// False where all of these signals are known or missing; else unknown for their causes, or an error.
fn known(requests: &[SignalName], like: &Expr) -> Option<Expr> {
    match requests {
        [] => None,
        [one] => {
            let has = Expr { kind: ExprKind::Has(one.clone()), ..like.clone() };
            Some(differ(has.clone(), has))
        }
        _ => {
            let (left, right) = requests.split_at(requests.len().div_ceil(2));
            Some(differ(known(left, like)?, known(right, like)?))
        }
    }
}

/// `a != b`
fn differ(a: Expr, b: Expr) -> Expr {
    let span = a.span;
    Expr { kind: ExprKind::Binary(BinaryOp::Ne, Box::new(a), Box::new(b)), ty: Type::Bool, span }
}

/// The place of the node in what [`guarded`] made, and the part that says whether the request's values are known.
pub(crate) fn node_of<'e>(expr: &'e Expr, table: &NodeTable) -> Option<(u16, &'e Expr)> {
    let ExprKind::Binary(BinaryOp::Ne, node, known) = &expr.kind else { return None };
    let ExprKind::Signal(name) = &node.kind else { return None };
    let at = table.index_of(name)?;
    let is_adaptive = table.nodes.get(usize::from(at)).is_some_and(|node| !node.requests.is_empty());
    is_adaptive.then_some((at, known))
}

/// Abstract steps that a guard adds to the node alone; every `has` costs its signal's declared cost besides.
pub(crate) fn guard_steps(requests: usize, signal_cost: u64) -> u64 {
    let requests = u64::try_from(requests).unwrap_or(u64::MAX);
    // Two `has` and their `!=` for each, a `!=` between them, and the one that joins the node.
    requests.saturating_mul(4).saturating_add(signal_cost.saturating_mul(2))
}
