//! `zen-engine`: one decision table, a row a rule and a column a signal, all rows that match collected.
//!
//! Its content is compiled ahead, which also builds the index of its columns: rows whose cell is an equality, a list or
//! a truth value are struck out by the value, and only cells of the rows that are left run in the virtual machine.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text::{atoms, name};
use crate::workload::{Atom, Condition, Event};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use zen_engine::model::GraphContent;
use zen_engine::{Decision, Variable};
use zen_expression::variable::{Symbol, ToVariable as _, VariableMap};

struct Table {
    decision: Decision,
    names: Vec<Symbol>,
}

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let columns: Vec<Value> =
        names(|name| json!({"id": name, "name": name, "field": name})).into_iter().collect();
    let rows: Vec<Value> = rules.iter().enumerate().map(|(at, rule)| row(at, rule)).collect();
    let content = json!({
        "nodes": [
            {"id": "in", "name": "in", "type": "inputNode"},
            {"id": "table", "name": "table", "type": "decisionTableNode", "content": {
                "hitPolicy": "collect",
                "inputs": columns,
                "outputs": [{"id": "rule", "name": "rule", "field": "rule"}],
                "rules": rows,
            }},
            {"id": "out", "name": "out", "type": "outputNode"},
        ],
        "edges": [
            {"id": "1", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "2", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    });
    let content: GraphContent = serde_json::from_value(content)?;
    let mut decision = Decision::from(content);
    decision.compile();
    Ok(Box::new(Table { decision, names: names(|name| Symbol::from(name.as_str())) }))
}

/// One rule; two atoms of one signal share its cell, written out, which no index of the column knows.
fn row(at: usize, rule: &Condition) -> Value {
    let mut cells: BTreeMap<String, Vec<[String; 2]>> = BTreeMap::new();
    for atom in atoms(rule) {
        let (column, forms) = cell(atom);
        cells.entry(column).or_default().push(forms);
    }
    let text = |forms: Vec<[String; 2]>| match forms.as_slice() {
        [[alone, _]] => alone.clone(),
        several => several.iter().map(|[_, written]| written.as_str()).collect::<Vec<_>>().join(" and "),
    };
    let cells = cells.into_iter().map(|(column, forms)| (column, Value::String(text(forms))));
    let names = ["_id", "rule"].map(|name| (name.to_owned(), Value::String(at.to_string())));
    Value::Object(cells.chain(names).collect())
}

/// The column of an atom, and its cell: as such tables write it, and as an expression.
fn cell(atom: &Atom) -> (String, [String; 2]) {
    let written = |column, text: String| (column, [text.clone(), text]);
    match atom {
        Atom::IntGt(at, than) => written(name('i', *at), format!("$ > {than}")),
        Atom::IntLt(at, than) => written(name('i', *at), format!("$ < {than}")),
        Atom::IntEq(at, value) => (name('i', *at), [value.to_string(), format!("$ == {value}")]),
        Atom::DoubleGt(at, than) => written(name('d', *at), format!("$ > {than}")),
        Atom::DoubleLt(at, than) => written(name('d', *at), format!("$ < {than}")),
        Atom::In(at, literals) => {
            let list = literals.iter().map(|literal| format!("\"{literal}\"")).collect::<Vec<_>>().join(", ");
            let written = format!("$ in [{list}]");
            (name('s', *at), [list, written])
        }
        Atom::Prefix(at, start) => written(name('s', *at), format!("startsWith($, \"{start}\")")),
        Atom::Is(at, value) => (name('b', *at), [value.to_string(), format!("$ == {value}")]),
    }
}

impl Engine for Table {
    fn name(&self) -> &'static str {
        "zen-engine table"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let mut context = VariableMap::with_capacity(self.names.len());
        for (name, value) in given(event, &self.names) {
            let value = match value {
                Given::Int(value) => value.to_variable(),
                Given::Double(value) => value.to_variable(),
                Given::String(value) => value.to_variable(),
                Given::Bool(value) => Variable::Bool(value),
            };
            context.insert(name.clone(), value);
        }
        let decided = ready(self.decision.evaluate(Variable::from_object(context)))?;
        let rows = decided.map_err(|error| error.to_string())?.result.as_array().ok_or("no rows")?;
        for row in rows.borrow().iter() {
            let number =
                row.dot("rule").and_then(|rule| rule.as_number()).ok_or("a row without its number")?;
            hits.push(number.try_into().map_err(|_| "a number that is none of a row")?);
        }
        Ok(())
    }
}

/// The outcome of a future that waits for nothing, as that of a table.
fn ready<T>(future: impl Future<Output = T>) -> Outcome<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => Err("a table waited".into()),
    }
}
