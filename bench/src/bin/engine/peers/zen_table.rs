//! `zen-engine`: one decision table, a row a rule and a column a signal, all rows that match collected.
//!
//! Its content is compiled ahead, which also builds the index of its columns: rows whose cell is an equality, a list or
//! a truth value are struck out by the value, and only cells of the rows that are left run in the virtual machine.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text::{atoms, name};
use crate::workload::{Atom, Condition, Event};
use serde_json::{Map, Value, json};
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

/// One rule; two atoms of one signal share its cell.
fn row(at: usize, rule: &Condition) -> Value {
    let mut cells: Map<String, Value> = Map::new();
    for atom in atoms(rule) {
        let (column, test) = cell(atom);
        let both = match cells.get(&column).and_then(Value::as_str) {
            Some(before) => format!("({before}) and ({test})"),
            None => test,
        };
        cells.insert(column, Value::String(both));
    }
    cells.insert("_id".to_owned(), Value::String(at.to_string()));
    cells.insert("rule".to_owned(), Value::String(at.to_string()));
    Value::Object(cells)
}

/// The column of an atom, and what its cell says.
fn cell(atom: &Atom) -> (String, String) {
    match atom {
        Atom::IntGt(at, than) => (name('i', *at), format!("$ > {than}")),
        Atom::IntLt(at, than) => (name('i', *at), format!("$ < {than}")),
        Atom::IntEq(at, value) => (name('i', *at), value.to_string()),
        Atom::DoubleGt(at, than) => (name('d', *at), format!("$ > {than}")),
        Atom::DoubleLt(at, than) => (name('d', *at), format!("$ < {than}")),
        Atom::In(at, literals) => {
            let list = literals.iter().map(|literal| format!("\"{literal}\"")).collect::<Vec<_>>();
            (name('s', *at), list.join(", "))
        }
        Atom::Prefix(at, start) => (name('s', *at), format!("startsWith($, \"{start}\")")),
        Atom::Is(at, value) => (name('b', *at), value.to_string()),
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
