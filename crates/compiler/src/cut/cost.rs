//! What deciding can cost at most, known before anything runs; over a zone's budget is a compile error.
//!
//! Unit: abstract steps. One step a node of the condition; text and lists add a step per [`STEP_BYTES`] that an
//! operator may have to look at; a signal adds its declared cost. Sharing is ignored, so this is an upper bound.

use super::NodeTable;
use super::nodes::ReleaseNode;
use crate::checked::{Checked, Expr, ExprKind};
use crate::diagnostic::Span;
use crate::source::{Finding, Findings, Source};
use glacis_policy::Parts;
use glacis_wire::{Type, Value, Zone};

/// Costs of device, edge and cloud slice; each within its budget or reported. `guards`: what edge and cloud compute
/// besides the conditions as they are written.
pub(crate) fn check(
    policy: &Checked,
    table: &NodeTable,
    (parts, guards): (&[Parts; 3], [u64; 2]),
    source: &Source<'_>,
    findings: &mut Findings,
) -> [u64; 3] {
    let sum = |exprs: Vec<&Expr>| exprs.iter().map(|expr| steps(policy, expr)).fold(0, u64::saturating_add);
    let rules = |hidden: bool| {
        policy.rules.iter().filter(move |rule| hidden || !rule.is_hidden()).map(|rule| &rule.when)
    };
    let device = sum(table.nodes.iter().map(|node: &ReleaseNode| &node.expr).collect());
    let [edge, cloud] = guards;
    let costs = [
        device,
        sum(rules(false).collect()).saturating_add(edge),
        sum(rules(true).collect()).saturating_add(cloud),
    ];
    for ((cost, part), budget) in costs.iter().zip(parts).zip(BUDGETS) {
        if *cost > budget {
            let zone: Zone = part.zone;
            let message = format!("the {} slice may cost {cost} steps; at most {budget}", zone.name());
            findings.error(source, "", Finding::new(Span::default(), "G4017", message));
        }
    }
    costs
}

/// Steps of one expression.
fn steps(policy: &Checked, expr: &Expr) -> u64 {
    let parts = expr.parts();
    let below = parts.iter().map(|part| steps(policy, part)).fold(0, u64::saturating_add);
    let looked_at = parts.iter().map(|part| bytes_max(policy, part)).fold(0, u64::saturating_add);
    let reading = expr.reads().and_then(|name| policy.signals.get(name)).map_or(0, |signal| signal.cost);
    let work = match &expr.kind {
        ExprKind::List(_) => 0,
        ExprKind::Matches(..) => looked_at / STEP_MATCHED_BYTES,
        ExprKind::TimePart(..) | ExprKind::InNetworks(..) => TABLE_STEPS,
        ExprKind::Model(name, _) => (looked_at / STEP_BYTES).saturating_add(model_steps(policy, name)),
        _ => looked_at / STEP_BYTES,
    };
    1 + below.saturating_add(reading).saturating_add(work)
}

/// Most steps of one score.
fn model_steps(policy: &Checked, name: &str) -> u64 {
    let found = policy.models.iter().find(|model| model.name == name);
    let model = found.and_then(|model| glacis_model::Model::load(&model.bytes).ok());
    model.map_or(0, |model| model.cost().any)
}

/// Bytes that a value of this expression may have; scalars of fixed size count nothing.
fn bytes_max(policy: &Checked, expr: &Expr) -> u64 {
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    match &expr.kind {
        ExprKind::Literal(value) => literal_bytes(value),
        ExprKind::List(items) => {
            items.iter().map(|item| 8 + bytes_max(policy, item)).fold(0, u64::saturating_add)
        }
        ExprKind::Signal(name) => policy.signals.get(name).map_or(0, |signal| {
            let text = wide(signal.max_bytes.unwrap_or(0));
            match signal.ty {
                Type::String | Type::Bytes => text,
                _ => wide(signal.max_items.unwrap_or(0)).saturating_mul(8 + text),
            }
        }),
        ExprKind::If(_, yes, no) => bytes_max(policy, yes).max(bytes_max(policy, no)),
        ExprKind::Convert(a) => bytes_max(policy, a),
        // An item is no larger than its list.
        ExprKind::Index(list, _) => bytes_max(policy, list),
        ExprKind::Pick { values, .. } => {
            values.iter().map(|value| bytes_max(policy, value)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn literal_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
        Value::List(items) => items.iter().map(|item| 8 + literal_bytes(item)).fold(0, u64::saturating_add),
        Value::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::Uint(_)
        | Value::Timestamp(_)
        | Value::Duration(_) => 0,
    }
}

/// Bytes that one step looks at.
const STEP_BYTES: u64 = 64;
/// Bytes of a text that one step leads through an automaton: a look-up each, most in the nearest cache.
const STEP_MATCHED_BYTES: u64 = 8;
/// Steps of a look-up in a time zone or in networks: a search by halves.
const TABLE_STEPS: u64 = 12;
/// Budgets of device, edge and cloud. Source: at some 12 ns a step (notes: flat bytecode) 0.25, 2.4 and 24 ms.
pub(crate) const BUDGETS: [u64; 3] = [20_000, 200_000, 2_000_000];
