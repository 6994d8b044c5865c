//! Signals that leave as a range: `release = { buckets = { "battery.level" = [20, 50] } }`.
//!
//! The bounds cut the signal's values into one range more than there are bounds, and the rule may ask which of them it
//! is in, nothing else: every reading of the signal compares it with one of the bounds, each bound is used, and on one
//! side only (`< 20` and `<= 20` are two bounds, with a range between them that holds the 20 alone). So what leaves is a
//! function of the range, however many comparisons there are.

use super::expr::{Typed, kind};
use crate::catalogue::{Birth, Signal};
use crate::checked::{BinaryOp, Bucket, Expr, ExprKind};
use crate::diagnostic::{Span, Spanned, suggest};
use crate::label;
use crate::read::form::Data;
use crate::read::policy::{RawBucket, RawRelease, RawRule};
use crate::render::render;
use crate::source::{Finding, Findings};
use glacis_wire::{SignalName, Type, Value};

/// The buckets of a rule; what is wrong with them goes to `findings`.
pub(crate) fn check(rule: &RawRule<'_>, typed: &Typed, findings: &mut Findings) -> Vec<Bucket> {
    let Some(RawRelease::Nodes { values, buckets, .. }) = rule.release.as_ref().map(|release| &release.value)
    else {
        return Vec::new();
    };
    let scene = Scene { rule, typed };
    let one = |raw: &RawBucket<'_>| {
        if values.iter().any(|value| value.value == raw.signal.value) {
            let message = format!("`{}` leaves as a value, so it needs no bounds", raw.signal.value);
            return Err(Finding::new(raw.signal.span, "G5013", message));
        }
        scene.bucket(raw)
    };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for bucket in buckets.iter().map(one) {
        match bucket {
            Ok(bucket) => found.push(bucket),
            Err(finding) => wrong.push(finding),
        }
    }
    wrong.into_iter().for_each(|finding| rule.form.report(finding, findings));
    found
}

struct Scene<'a, 'r> {
    rule: &'a RawRule<'r>,
    typed: &'a Typed,
}

/// One comparison with a bound: which, and whether the cut is above it.
type Cut = (usize, bool);

impl Scene<'_, '_> {
    fn bucket(&self, raw: &RawBucket<'_>) -> Result<Bucket, Finding> {
        let signal = self.signal(raw.signal)?;
        let bounds = bounds(raw, signal)?;
        let mut cuts: Vec<Cut> = Vec::new();
        self.walk(&self.typed.expr, (signal, &bounds), &mut cuts)?;
        for (at, (bound, written)) in bounds.iter().zip(&raw.bounds).enumerate() {
            let text = literal(bound);
            let sides = |above| cuts.contains(&(at, above));
            let message = match (sides(false), sides(true)) {
                (false, false) => format!("the condition does not compare `{}` with {text}", signal.name),
                (true, true) => {
                    format!("{text} is used on both sides, so `{}` alone is a range of its own", text)
                }
                _ => continue,
            };
            let finding = Finding::new(written.span, "G5013", message);
            return Err(finding.help("write the bounds that the condition uses, each on one side"));
        }
        Ok(Bucket { signal: signal.name.clone(), bounds })
    }

    fn signal(&self, name: Spanned<&str>) -> Result<&Signal, Finding> {
        let device = || self.typed.signals.values().filter(|signal| signal.birth == Birth::Device);
        let Some(signal) = device().find(|signal| signal.name.as_str() == name.value) else {
            let message = format!("the condition reads no device signal `{}`", name.value);
            let help = suggest(name.value, device().map(|signal| signal.name.as_str()));
            return Err(Finding::new(name.span, "G5013", message).maybe_help(help));
        };
        if !matches!(signal.ty, Type::Int | Type::Uint | Type::Double) {
            let message = format!("`{}` is {}, and only numbers have ranges", signal.name, kind(signal.ty));
            return Err(Finding::new(name.span, "G5013", message).help("release a node: { nodes = 1 }"));
        }
        Ok(signal)
    }

    /// Every reading of the signal stands in a comparison with one of the bounds.
    fn walk(&self, expr: &Expr, of: (&Signal, &[Value]), cuts: &mut Vec<Cut>) -> Result<(), Finding> {
        let (signal, bounds) = of;
        if let Some((op, bound)) = comparison(expr, &signal.name) {
            let found = bounds.iter().position(|known| known == bound);
            let Some(at) = found else {
                return Err(self.other(
                    expr,
                    signal,
                    &format!("compares it with {}", literal(bound)),
                    bounds,
                ));
            };
            cuts.push((at, matches!(op, BinaryOp::Le | BinaryOp::Gt)));
            return Ok(());
        }
        if expr.reads() == Some(&signal.name) {
            return Err(self.other(expr, signal, "uses it otherwise", bounds));
        }
        expr.parts().into_iter().try_for_each(|part| self.walk(part, of, cuts))
    }

    /// Why a part of the condition is beyond the declared ranges.
    fn other(&self, expr: &Expr, signal: &Signal, how: &str, bounds: &[Value]) -> Finding {
        let span = expr.readings().iter().find(|(name, _)| **name == signal.name).map_or(expr.span, |r| r.1);
        let end = "more than its declared range leaves";
        let way = label::path(signal, &self.typed.expr, (&signal.name, span), &self.rule.id.value, end);
        let message = format!(
            "`{}` leaves as the range that is cut at {}, and `{}` {how}: {way}",
            signal.name,
            bounds.iter().map(literal).collect::<Vec<_>>().join(", "),
            render(expr)
        );
        let help = "compare it by <, <=, > or >= with a declared bound, or declare the bound";
        Finding::new(span, "G5013", message).help(help)
    }
}

/// `signal < bound` and its like, the signal on the left.
fn comparison<'e>(expr: &'e Expr, name: &SignalName) -> Option<(BinaryOp, &'e Value)> {
    let ExprKind::Binary(op, a, b) = &expr.kind else { return None };
    let turned = match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        _ => return None,
    };
    let is_signal = |expr: &Expr| matches!(&expr.kind, ExprKind::Signal(read) if read == name);
    match (&a.kind, &b.kind) {
        (_, ExprKind::Literal(bound)) if is_signal(a) => Some((*op, bound)),
        (ExprKind::Literal(bound), _) if is_signal(b) => Some((turned, bound)),
        _ => None,
    }
}

/// The bounds: of the signal's type, ascending.
fn bounds(raw: &RawBucket<'_>, signal: &Signal) -> Result<Vec<Value>, Finding> {
    let mut bounds: Vec<Value> = Vec::new();
    for item in &raw.bounds {
        let Some(bound) = bound(item.value, signal.ty) else {
            let message = format!("a bound of `{}` is {}", signal.name, kind(signal.ty));
            return Err(Finding::new(item.span, "G5013", message));
        };
        if bounds.last().is_some_and(|before| !ascends(before, &bound)) {
            return Err(Finding::new(item.span, "G5013", "bounds ascend, each once"));
        }
        bounds.push(bound);
    }
    if bounds.is_empty() || bounds.len() > BOUNDS_MAX {
        let message = format!("{} bounds; 1 to {BOUNDS_MAX}", bounds.len());
        let span: Span = raw.signal.span;
        return Err(Finding::new(span, "G5013", message));
    }
    Ok(bounds)
}

fn bound(data: &Data, ty: Type) -> Option<Value> {
    match (data, ty) {
        (Data::Int(value), Type::Int) => Some(Value::Int(*value)),
        (Data::Int(value), Type::Uint) => u64::try_from(*value).ok().map(Value::Uint),
        (Data::Double(value), Type::Double) if value.is_finite() => Some(Value::Double(*value)),
        _ => None,
    }
}

fn ascends(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Uint(a), Value::Uint(b)) => a < b,
        (Value::Double(a), Value::Double(b)) => a < b,
        _ => false,
    }
}

fn literal(value: &Value) -> String {
    let (kind, ty) = (ExprKind::Literal(value.clone()), Type::Bool);
    render(&Expr { kind, ty, span: Span::default() })
}

/// LIMIT: bounds of one signal in one rule; eight bits.
const BOUNDS_MAX: usize = 255;
