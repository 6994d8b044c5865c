//! Constant folding that is sound under four-valued semantics.
//!
//! What reads no signal becomes its value; a constant part that can only fail is refused where it stands. Around
//! signals only these identities are used, each exact for true, false, error and every set of causes:
//! `false && x = false`, `true && x = x`, `true || x = true`, `false || x = x`, `!!x = x`, and `?:` with a
//! constant condition. Nothing like `x || !x = true` is: it does not hold for unknown.
//!
//! Two-valued complement laws are not used. After folding, an expression whose every input is unknown is unknown
//! (or is a literal): release nodes rest on that.

use crate::checked::{BinaryOp, Checked, Expr, ExprKind};
use crate::reference::{Outcome, Snapshot, evaluate};
use crate::source::Finding;
use glacis_wire::Value;

/// Folds a typed condition. The policy is only asked for signals, of which constants read none.
pub(crate) fn fold(policy: &Checked, expr: &Expr) -> Result<Expr, Finding> {
    if expr.readings().is_empty() {
        return constant(policy, expr);
    }
    let folded = step(policy, expr)?;
    // An identity may have removed the last signal: `(x || true) == true`.
    if folded.readings().is_empty() { constant(policy, &folded) } else { Ok(folded) }
}

/// Folds an expression that reads signals.
fn step(policy: &Checked, expr: &Expr) -> Result<Expr, Finding> {
    let sub = |part: &Expr| fold(policy, part).map(Box::new);
    let kind = match &expr.kind {
        // The inputs of a model are signals.
        ExprKind::Literal(_) | ExprKind::Signal(_) | ExprKind::Has(_) | ExprKind::Model(..) => {
            expr.kind.clone()
        }
        ExprKind::List(items) => {
            ExprKind::List(items.iter().map(|item| fold(policy, item)).collect::<Result<_, _>>()?)
        }
        ExprKind::Not(a) => match sub(a)?.kind {
            ExprKind::Not(inner) => return Ok(*inner),
            kind => negated(kind, a, expr)?,
        },
        ExprKind::Neg(a) => ExprKind::Neg(sub(a)?),
        ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), ..) => return connective(policy, *op, expr),
        ExprKind::Binary(op, a, b) => ExprKind::Binary(*op, sub(a)?, sub(b)?),
        ExprKind::If(condition, yes, no) => {
            let (condition, yes, no) = (sub(condition)?, sub(yes)?, sub(no)?);
            match truth(&condition) {
                Some(true) => return Ok(*yes),
                Some(false) => return Ok(*no),
                None => ExprKind::If(condition, yes, no),
            }
        }
        ExprKind::Size(a) => ExprKind::Size(sub(a)?),
        ExprKind::StartsWith(a, b) => ExprKind::StartsWith(sub(a)?, sub(b)?),
        ExprKind::EndsWith(a, b) => ExprKind::EndsWith(sub(a)?, sub(b)?),
        ExprKind::Contains(a, b) => ExprKind::Contains(sub(a)?, sub(b)?),
        ExprKind::Matches(a, pattern) => ExprKind::Matches(sub(a)?, pattern.clone()),
        ExprKind::InNetworks(a, networks) => ExprKind::InNetworks(sub(a)?, networks.clone()),
        ExprKind::TimePart(part, a, zone) => ExprKind::TimePart(*part, sub(a)?, zone.clone()),
        ExprKind::Convert(a) => ExprKind::Convert(sub(a)?),
        ExprKind::Index(a, b) => ExprKind::Index(sub(a)?, sub(b)?),
        ExprKind::Pick { keys, values, key } => {
            let all = |items: &[Expr]| items.iter().map(|item| fold(policy, item)).collect::<Result<_, _>>();
            ExprKind::Pick { keys: all(keys)?, values: all(values)?, key: sub(key)? }
        }
    };
    Ok(Expr { kind, ..expr.clone() })
}

/// `!a` where `a` folded to `kind`.
fn negated(kind: ExprKind, inner: &Expr, expr: &Expr) -> Result<ExprKind, Finding> {
    Ok(match kind {
        ExprKind::Literal(Value::Bool(value)) => ExprKind::Literal(Value::Bool(!value)),
        kind => ExprKind::Not(Box::new(Expr { kind, ty: expr.ty, span: inner.span })),
    })
}

/// The value of an expression without signals.
fn constant(policy: &Checked, expr: &Expr) -> Result<Expr, Finding> {
    // Inner parts first, so that a failing part is named where it stands even if a deciding one hides it.
    for part in expr.parts() {
        constant(policy, part)?;
    }
    match evaluate(policy, expr, &Snapshot::default(), false, false) {
        Outcome::Value(value) => Ok(Expr { kind: ExprKind::Literal(value), ..expr.clone() }),
        // Without signals nothing is unknown or an interval.
        Outcome::Error | Outcome::Unknown(_) | Outcome::Interval(..) => {
            let finding = Finding::new(expr.span, "G3011", "this constant part can only fail");
            Err(finding.help("it divides by zero, leaves a range, or asks for what is not there"))
        }
    }
}

fn connective(policy: &Checked, op: BinaryOp, expr: &Expr) -> Result<Expr, Finding> {
    let deciding = op == BinaryOp::Or;
    let mut kept = Vec::new();
    for operand in operands(op, expr) {
        let folded = fold(policy, operand)?;
        // Folding may bring up more operands of the same kind.
        kept.extend(operands(op, &folded).into_iter().cloned());
    }
    if kept.iter().any(|operand| truth(operand) == Some(deciding)) {
        return Ok(Expr { kind: ExprKind::Literal(Value::Bool(deciding)), ..expr.clone() });
    }
    kept.retain(|operand| truth(operand).is_none());
    let neutral = Expr { kind: ExprKind::Literal(Value::Bool(!deciding)), ..expr.clone() };
    Ok(join(op, kept).unwrap_or(neutral))
}

/// The operands of a chain of `&&` or `||`, left to right; the expression itself if it is no such chain.
pub(crate) fn operands(op: BinaryOp, expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Binary(found, a, b) if *found == op => {
            let mut all = operands(op, a);
            all.extend(operands(op, b));
            all
        }
        _ => vec![expr],
    }
}

/// A chain of the least depth; `None` of no operands. Associativity holds in all four outcomes, causes included.
pub(crate) fn join(op: BinaryOp, mut operands: Vec<Expr>) -> Option<Expr> {
    if operands.len() <= 1 {
        return operands.pop();
    }
    let right = operands.split_off(operands.len().div_ceil(2));
    let (left, right) = (join(op, operands)?, join(op, right)?);
    let (ty, span) = (left.ty, left.span.to(right.span));
    Some(Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span })
}

fn truth(expr: &Expr) -> Option<bool> {
    match &expr.kind {
        ExprKind::Literal(Value::Bool(value)) => Some(*value),
        _ => None,
    }
}
