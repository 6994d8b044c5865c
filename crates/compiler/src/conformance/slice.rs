//! Cases in the profile `slice`: conditions of policies, checked by their checker and run by their reference.
//!
//! Variables become signals where they have a type of signals; what is left out is then refused as unknown. The
//! engine that zones run is held to this reference by other tests.

use super::Verdict;
use super::case::{Case, Origin, Want, show};
use crate::catalogue::{Birth, Catalogue, Origin as Source, Privacy, Signal};
use crate::check::expr::check;
use crate::checked::{Checked, Expr, ExprKind};
use crate::full;
use crate::reference::{Outcome, Snapshot, evaluate};
use crate::source::{Finding, TextMap};
use glacis_wire::{Answer, EventName, Given, SignalName, Trust, Type, Value};
use std::time::Duration;

/// Runs one case.
pub(super) fn run(case: &Case) -> Verdict {
    // Policies have no container, and their one macro cannot be switched off.
    if case.text("container").is_some_and(|container| !container.is_empty()) {
        return Verdict::Refused("container");
    }
    if case.flag("disableMacros") {
        return Verdict::Refused("macros");
    }
    let (catalogue, snapshot) = scene(case);
    let expr = match compile(case.expr(), &catalogue) {
        Ok(expr) => expr,
        Err(finding) => return Verdict::Refused(finding.code),
    };
    if case.origin == Origin::Go || case.flag("checkOnly") {
        return typed(case, &expr);
    }
    let want = match case.want() {
        Want::Error => "an error".to_owned(),
        Want::Value(value) => show(&value),
        Want::Message => "a message".to_owned(),
    };
    let Some(policy) = policy(catalogue) else { return Verdict::Refused("none") };
    let got = match evaluate(&policy, &expr, &snapshot, false, false) {
        Outcome::Value(value) => show(&full_value(&value)),
        Outcome::Error => "an error".to_owned(),
        Outcome::Interval(..) => "an interval".to_owned(),
        Outcome::Unknown(_) => "unknown".to_owned(),
    };
    Verdict::compare(want, got)
}

/// A case that says what type an expression has. Here an empty list always has an item type, of no consequence.
fn typed(case: &Case, expr: &Expr) -> Verdict {
    let empty = matches!(&expr.kind, ExprKind::List(items) if items.is_empty());
    match case.deduced() {
        Some(want) if want == "list(dyn)" && empty => Verdict::Pass,
        Some(want) => Verdict::compare(want, type_text(expr.ty)),
        None if case.failed_by_option() => Verdict::Pass,
        None => Verdict::Fail { want: "an error".to_owned(), got: type_text(expr.ty) },
    }
}

fn compile(text: &str, catalogue: &Catalogue) -> Result<Expr, Finding> {
    let map = TextMap::new(&format!("'''{text}'''"), 0, text);
    let ast = crate::cel::parse::parse(text)?;
    check(&ast, (catalogue, &[]), &map).map(|typed| typed.expr)
}

/// Variables as signals of the edge.
fn scene(case: &Case) -> (Catalogue, Snapshot) {
    let (mut catalogue, mut snapshot) = (Catalogue::default(), Snapshot::default());
    for (name, value) in case.bindings().into_iter().flatten() {
        let Some(value) = slice_value(&value) else { continue };
        let Some(ty) = Type::ALL.into_iter().find(|ty| value.is(*ty)) else { continue };
        let Ok(name) = SignalName::parse(&name) else { continue };
        catalogue.signals.insert(name.clone(), signal(name.clone(), ty));
        snapshot.answers.insert(name, Given { answer: Answer::Value(value), trust: Trust::Proven });
    }
    (catalogue, snapshot)
}

fn signal(name: SignalName, ty: Type) -> Signal {
    Signal {
        name,
        ty,
        birth: Birth::Edge,
        origin: Source::Observed,
        privacy: Privacy::Public,
        purpose: Vec::new(),
        retention: Duration::ZERO,
        min_trust: Trust::Claimed,
        max_bytes: None,
        max_items: None,
        cost: 1,
    }
}

/// A policy without rules.
fn policy(catalogue: Catalogue) -> Option<Checked> {
    Some(Checked {
        name: String::new(),
        event: EventName::parse("conformance").ok()?,
        app: None,
        purpose: String::new(),
        methods: Vec::new(),
        rules: Vec::new(),
        classes: Vec::new(),
        signals: catalogue.signals,
        lists: Vec::new(),
        features: Vec::new(),
        models: Vec::new(),
        declassifiers: Vec::new(),
        budget: None,
    })
}

fn slice_value(value: &full::Value) -> Option<Value> {
    Some(match value {
        full::Value::Bool(value) => Value::Bool(*value),
        full::Value::Int(value) => Value::Int(*value),
        full::Value::Double(value) => Value::Double(*value),
        full::Value::String(text) => Value::String(text.to_string()),
        full::Value::Uint(value) => Value::Uint(*value),
        full::Value::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        full::Value::Timestamp(at) => Value::Timestamp(at.moment()?),
        full::Value::Duration(span) => Value::Duration(span.span()?),
        full::Value::List(items) => Value::List(items.iter().map(slice_value).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn full_value(value: &Value) -> full::Value {
    match value {
        Value::Bool(value) => full::Value::Bool(*value),
        Value::Int(value) => full::Value::Int(*value),
        Value::Double(value) => full::Value::Double(*value),
        Value::String(text) => full::Value::text(text),
        Value::Uint(value) => full::Value::Uint(*value),
        Value::Bytes(bytes) => full::Value::bytes(bytes),
        Value::Timestamp(at) => full::Value::Timestamp((*at).into()),
        Value::Duration(span) => full::Value::Duration((*span).into()),
        Value::List(items) => full::Value::list(items.iter().map(full_value)),
    }
}

/// A type as the cases write it.
fn type_text(ty: Type) -> String {
    ty.element().map_or_else(|| ty.name().to_owned(), |item| format!("list({})", item.name()))
}
