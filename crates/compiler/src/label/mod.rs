//! Information flow: the way that a signal takes through a condition to whoever sees what comes of it.
//!
//! Every operator hands on what its operands know, conditions of `?:`, guards of macros, keys of look-ups and `has`
//! among them; nothing in the language forgets. So a condition carries the label of everything that it reads, and a
//! rule carries it to each zone that holds the rule, or, where the device decides early, to whoever sees that a
//! request is missing. Only a declared release cuts the way: [`bits`] counts what leaves by one, [`purpose`] asks
//! what a signal may be used for. [`path`] is for people: it names one way, from the signal to where it would show.
//!
//! What must not be here: a way to weaken a label that the policy or its catalogue does not declare.

pub(crate) mod bits;
pub(crate) mod purpose;

use crate::catalogue::Signal;
use crate::checked::{BinaryOp, Expr, ExprKind};
use crate::diagnostic::Span;
use glacis_wire::SignalName;

/// The way of one reading through `root`, to `end`: `app.risk (private, device) → size(…) → rule "x" → edge`.
pub(crate) fn path(
    signal: &Signal,
    root: &Expr,
    (name, span): (&SignalName, Span),
    rule: &str,
    end: &str,
) -> String {
    let head = format!("{} ({}, {})", signal.name, signal.privacy.name(), signal.birth.name());
    joined(&head, root, (name, span), rule, end)
}

/// As [`path`], from any words on.
pub(crate) fn joined(
    head: &str,
    root: &Expr,
    (name, span): (&SignalName, Span),
    rule: &str,
    end: &str,
) -> String {
    let mut steps = vec![head.to_owned()];
    steps.extend(way(root, name, span).unwrap_or_default());
    steps.push(format!("rule \"{rule}\""));
    steps.push(end.to_owned());
    steps.dedup();
    steps.join(" → ")
}

/// What a reading passes on its way up to `expr`, innermost first.
fn way(expr: &Expr, name: &SignalName, span: Span) -> Option<Vec<String>> {
    if expr.reads() == Some(name) && expr.span == span {
        let own = matches!(expr.kind, ExprKind::Has(_)).then(|| "has(…)".to_owned());
        return Some(own.into_iter().collect());
    }
    let (at, mut steps) = expr
        .parts()
        .into_iter()
        .enumerate()
        .find_map(|(at, part)| way(part, name, span).map(|steps| (at, steps)))?;
    steps.push(step(expr, at));
    Some(steps)
}

/// What operand `at` of an expression meets there.
fn step(expr: &Expr, at: usize) -> String {
    match &expr.kind {
        // Neither has operands; a list in a condition is constant.
        ExprKind::Literal(_) | ExprKind::Signal(_) | ExprKind::Has(_) | ExprKind::List(_) => "[…]".to_owned(),
        ExprKind::Not(_) => "!".to_owned(),
        ExprKind::Neg(_) => "-".to_owned(),
        ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), ..) => op.symbol().to_owned(),
        ExprKind::Binary(op, a, b) => {
            let other = if at == 0 { b } else { a };
            let symbol = op.symbol();
            // What a value is compared with is the point of many a leak.
            other.reads().map_or_else(|| symbol.to_owned(), |met| format!("{symbol} with {met}"))
        }
        ExprKind::If(..) if at == 0 => "?: condition".to_owned(),
        ExprKind::If(..) => "?: branch".to_owned(),
        ExprKind::Model(name, _) => format!("model.{name}(…)"),
        ExprKind::Size(_) => "size(…)".to_owned(),
        ExprKind::StartsWith(..) => "startsWith(…)".to_owned(),
        ExprKind::EndsWith(..) => "endsWith(…)".to_owned(),
        ExprKind::Contains(..) => "contains(…)".to_owned(),
        ExprKind::Matches(..) => "matches(…)".to_owned(),
        ExprKind::InNetworks(..) => "inCIDR(…)".to_owned(),
        ExprKind::TimePart(part, ..) => format!("{}(…)", part.function()),
        ExprKind::Convert(_) => format!("{}(…)", expr.ty.name()),
        ExprKind::Index(..) if at == 0 => "item […]".to_owned(),
        ExprKind::Index(..) => "index […]".to_owned(),
        ExprKind::Pick { .. } => "key {…}[…]".to_owned(),
    }
}
