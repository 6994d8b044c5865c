//! The upper bound of abstract steps: what an evaluation can cost at most, whatever its inputs are.
//!
//! One step is a word of a row, a comparison in a table, a rule that is settled, or a node that is computed. The
//! worst event is one of which nothing is known, for every cause at once, and all of it trusted too little: then
//! each slot adds a row a cause to Σ and one to Σ⁻ (or, as an interval, the row of each of its classes), each rule
//! is settled, and each condition that is not a plain disjunction of conjunctions is computed twice. A score is as
//! many steps as its model declares. Steps do not count the bytes of a text that `contains` or an automaton looks
//! through, nor the halvings of a table; the compiler bounds those by the catalogue (`cut::cost`).

use super::index;
use super::indexed::comparisons;
use super::steps::Step;
use crate::plan::{CHANGED, CHANGES_MAX, NO_ROW, Ordered, Plan, SlotTable, Values};
use crate::tree::{Parts, Slot};
use glacis_model::Map;
use glacis_wire::{Cause, Trust, Zone};

/// Most steps of one evaluation of a checked slice.
pub(crate) fn bound(parts: &Parts, steps: &[Step], plan: &Plan, models: &[Map]) -> u64 {
    let rules = parts.rules.len();
    if parts.zone == Zone::Device {
        let computed = steps.iter().filter(|step| !matches!(step, Step::Idle));
        return wide(rules).saturating_add(computed.map(|step| steps_of(parts, *step, models)).sum());
    }
    let low = |slot: &Slot| slot.min_trust > Trust::Claimed;
    let tables = parts.slots.iter().zip(&plan.slots);
    let slots: usize = tables.map(|(slot, table)| slot_steps(table, plan.words, low(slot))).sum();
    let planes: u64 = if parts.slots.iter().any(low) { 2 } else { 1 };
    let visited = plan.rules.iter().filter(|rule| rule.trues | rule.falses != 0).count();
    wide(slots + plan.words + visited).saturating_add(planes * computed(parts, steps, plan, models))
}

/// The dearest answer about one slot, in both planes if it can be trusted too little.
fn slot_steps(slot: &SlotTable, words: usize, low: bool) -> usize {
    let change = if words == 0 { 0 } else { CHANGES_MAX };
    let row = |name: u16| match name {
        NO_ROW => 0,
        name if name & CHANGED == 0 => words,
        _ => words + change,
    };
    let ordered = |table: &Ordered| {
        let rows = if table.open.is_empty() { 1 } else { 2 };
        let point = comparisons(table.count) + rows * (words + change);
        if !slot.aggregate {
            return point;
        }
        // An interval meets all classes at most; then come the terms that compare it more than once, and one pass.
        let classes = table.count + 1;
        point.max(2 * comparisons(table.count) + (classes + 1) * (words + change) + words)
    };
    let value = match &slot.values {
        Values::None => 0,
        Values::Bool(rows) => rows.iter().map(|name| row(*name)).max().unwrap_or(0),
        Values::Int(table) | Values::Double(table, _) => ordered(table),
        Values::Text(texts, prefixes) => {
            let literal = texts.as_ref().map_or(0, |texts| texts.fullest + words + change);
            let prefix = prefixes.as_ref().map_or(0, ordered);
            // The prefixes of a literal are one row more.
            literal + if texts.is_some() && prefixes.is_some() { prefix.max(words + change) } else { prefix }
        }
    };
    // A row for each cause, for pending, and for all of them together.
    let unknown = row(slot.uses) * (Cause::ALL.len() + 2);
    let missing = row(slot.missing) + row(slot.misused);
    (row(slot.present) + value).max(unknown).max(missing) + if low { row(slot.uses) } else { 0 }
}

/// Nodes below conditions that the plan can leave to the arena.
fn computed(parts: &Parts, steps: &[Step], plan: &Plan, models: &[Map]) -> u64 {
    let mut below = alloc::vec![false; parts.nodes.len()];
    for (rule, terms) in parts.rules.iter().zip(&plan.rules) {
        if let Some(root) = below.get_mut(index(rule.root)).filter(|_| terms.may_be_open()) {
            *root = true;
        }
    }
    let mut count = 0;
    for ((at, node), step) in parts.nodes.iter().enumerate().zip(steps).rev() {
        if below.get(at) != Some(&true) {
            continue;
        }
        count += steps_of(parts, *step, models);
        for operand in step.operands(node).into_iter().flatten() {
            if let Some(place) = below.get_mut(index(operand)) {
                *place = true;
            }
        }
    }
    count
}

/// Steps of one node: itself, and what a model takes whatever its inputs are.
fn steps_of(parts: &Parts, step: Step, models: &[Map]) -> u64 {
    let Step::Score(call) = step else { return 1 };
    let call = parts.calls.get(usize::from(call));
    let model = call.and_then(|call| models.get(usize::from(call.model)));
    model.map_or(1, |model| 1 + model.cost().any)
}

fn wide(steps: usize) -> u64 {
    u64::try_from(steps).unwrap_or(u64::MAX)
}
