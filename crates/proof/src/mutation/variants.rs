//! The small changes that a rule has: of its condition, its effect, its entries.
//!
//! Each is a change that a person could make by mistake and that still is a policy: types stay as they are. Only what
//! can matter is changed: entries of causes that reach the rule, effects that the policy's methods allow.

use super::Change;
use crate::effect::strictness;
use crate::state::Subject;
use glacis_compiler::Checked;
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind, Rule};
use glacis_policy::{Effect, Entry};
use glacis_wire::{Cause, Moment, Span, Value};
use std::collections::BTreeSet;

/// Every rule that differs from this one in one thing.
pub(super) fn of(subject: Subject<'_>, rule: &Rule) -> Vec<(Change, Rule)> {
    let mut found = conditions(rule);
    found.extend(effects(subject.checked, rule));
    found.extend(entries(subject, rule));
    found
}

fn conditions(rule: &Rule) -> Vec<(Change, Rule)> {
    let mut found = Vec::new();
    for (at, node) in nodes(&rule.when).into_iter().enumerate() {
        for kind in others(node) {
            let mut new = rule.clone();
            let Some(place) = node_mut(&mut new.when, &mut { at }) else { continue };
            place.kind = kind;
            let change = Change::Part { from: node.to_string(), to: place.to_string() };
            found.push((change, new));
        }
    }
    found
}

/// The nodes of a condition, a node before its parts. What a map holds is left alone: its keys must stay distinct.
fn nodes(expr: &Expr) -> Vec<&Expr> {
    let parts = if matches!(expr.kind, ExprKind::Pick { .. }) { Vec::new() } else { expr.parts() };
    std::iter::once(expr).chain(parts.into_iter().flat_map(nodes)).collect()
}

/// The node at a place of [`nodes`].
fn node_mut<'e>(expr: &'e mut Expr, at: &mut usize) -> Option<&'e mut Expr> {
    if *at == 0 {
        return Some(expr);
    }
    *at -= 1;
    for part in parts_mut(expr) {
        let size = nodes(part).len();
        if *at < size {
            return node_mut(part, at);
        }
        *at -= size;
    }
    None
}

fn parts_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Literal(_) | ExprKind::Signal(_) | ExprKind::Has(_) | ExprKind::Pick { .. } => Vec::new(),
        ExprKind::List(items) | ExprKind::Model(_, items) => items.iter_mut().collect(),
        ExprKind::Not(a)
        | ExprKind::Neg(a)
        | ExprKind::Size(a)
        | ExprKind::Matches(a, _)
        | ExprKind::InNetworks(a, _)
        | ExprKind::TimePart(_, a, _)
        | ExprKind::Convert(a) => vec![a],
        ExprKind::Binary(_, a, b)
        | ExprKind::StartsWith(a, b)
        | ExprKind::EndsWith(a, b)
        | ExprKind::Contains(a, b)
        | ExprKind::Index(a, b) => vec![a, b],
        ExprKind::If(a, b, c) => vec![a, b, c],
    }
}

/// What could stand in place of a node.
fn others(node: &Expr) -> Vec<ExprKind> {
    match &node.kind {
        ExprKind::Literal(value) => neighbours(value).into_iter().map(ExprKind::Literal).collect(),
        ExprKind::List(items) if items.len() > 1 => {
            let without = |at: usize| {
                let kept = items.iter().enumerate().filter(|(place, _)| *place != at);
                ExprKind::List(kept.map(|(_, item)| item.clone()).collect())
            };
            vec![without(0), without(items.len() - 1)]
        }
        ExprKind::Not(a) => vec![a.kind.clone()],
        ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
            let swapped = if *op == BinaryOp::And { BinaryOp::Or } else { BinaryOp::And };
            vec![a.kind.clone(), b.kind.clone(), ExprKind::Binary(swapped, a.clone(), b.clone())]
        }
        ExprKind::Binary(op, a, b) => {
            let swapped = other_operator(*op);
            swapped.map(|op| ExprKind::Binary(op, a.clone(), b.clone())).into_iter().collect()
        }
        ExprKind::If(condition, yes, no) => vec![ExprKind::If(condition.clone(), no.clone(), yes.clone())],
        _ => Vec::new(),
    }
}

const fn other_operator(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Lt => BinaryOp::Le,
        BinaryOp::Le => BinaryOp::Lt,
        BinaryOp::Gt => BinaryOp::Ge,
        BinaryOp::Ge => BinaryOp::Gt,
        BinaryOp::Eq => BinaryOp::Ne,
        BinaryOp::Ne => BinaryOp::Eq,
        BinaryOp::Add => BinaryOp::Sub,
        BinaryOp::Sub => BinaryOp::Add,
        BinaryOp::And | BinaryOp::Or | BinaryOp::In | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => {
            return None;
        }
    })
}

/// One more and one less; times by a second.
fn neighbours(value: &Value) -> Vec<Value> {
    let moved = |us: i64| [us.checked_add(SECOND_US), us.checked_sub(SECOND_US)].into_iter().flatten();
    match value {
        Value::Bool(value) => vec![Value::Bool(!value)],
        Value::Int(value) => {
            [value.checked_add(1), value.checked_sub(1)].into_iter().flatten().map(Value::Int).collect()
        }
        Value::Uint(value) => {
            [value.checked_add(1), value.checked_sub(1)].into_iter().flatten().map(Value::Uint).collect()
        }
        Value::Double(value) => [value + 1.0, value - 1.0].map(Value::Double).to_vec(),
        Value::Timestamp(at) => moved(at.as_us()).filter_map(Moment::from_us).map(Value::Timestamp).collect(),
        Value::Duration(span) => moved(span.as_us()).filter_map(Span::from_us).map(Value::Duration).collect(),
        Value::String(_) | Value::Bytes(_) | Value::List(_) => Vec::new(),
    }
}

/// The next stricter and the next milder effect, or one point more and one less.
fn effects(policy: &Checked, rule: &Rule) -> Vec<(Change, Rule)> {
    let challenges = policy.methods().iter().map(|method| Effect::Challenge(*method));
    let mut ladder: Vec<Effect> = challenges.collect();
    ladder.extend([Effect::SoftBlock, Effect::Block]);
    ladder.sort_by_key(|effect| strictness(policy, *effect));
    let others: Vec<Effect> = match rule.effect {
        Effect::Score(0) | Effect::Exempt => Vec::new(),
        // Another sign would be another kind of rule, and no points would be none.
        Effect::Score(points) => {
            let near = [points.checked_add(1), points.checked_sub(1)].into_iter().flatten();
            near.filter(|near| near.signum() == points.signum()).map(Effect::Score).collect()
        }
        own => {
            let at = ladder.iter().position(|effect| *effect == own).unwrap_or(0);
            let near = [at.checked_sub(1), at.checked_add(1)].into_iter().flatten();
            near.filter_map(|at| ladder.get(at)).copied().collect()
        }
    };
    others.into_iter().map(|effect| (Change::Effect(effect), Rule { effect, ..rule.clone() })).collect()
}

/// Each entry that can be asked for: `match` becomes `skip`, anything else `match`.
fn entries(subject: Subject<'_>, rule: &Rule) -> Vec<(Change, Rule)> {
    if rule.effect.is_lenient() {
        return Vec::new();
    }
    let other = |entry: Entry| if entry == Entry::Match { Entry::Skip } else { Entry::Match };
    let readings = rule.when.readings();
    let signals = readings.iter().filter_map(|(name, _)| subject.checked.signals().get(*name));
    let mut reaching: BTreeSet<Cause> = signals.flat_map(|signal| signal.causes(subject.catalogue)).collect();
    if rule.is_hidden() {
        reaching.insert(Cause::Unavailable);
    }
    let mut found = Vec::new();
    for (at, cause) in Cause::ALL.into_iter().enumerate().filter(|(_, cause)| reaching.contains(cause)) {
        let mut new = rule.clone();
        for entry in new.unknown.iter_mut().skip(at).take(1) {
            *entry = other(*entry);
        }
        found.push((Change::Unknown(cause), new));
    }
    found.push((Change::Error, Rule { error: other(rule.error), ..rule.clone() }));
    found
}

const SECOND_US: i64 = 1_000_000;
