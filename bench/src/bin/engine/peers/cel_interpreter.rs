//! `cel-interpreter`: the older interpreter of CEL, before it became `cel`.
//!
//! Functions stand in a root context that is made ahead, the variables of an event in an inner one for all rules;
//! strings have to be copied.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text;
use crate::workload::{Condition, Event};
use cel_interpreter::{Context, Program, Value};

struct CelInterpreter {
    root: Context<'static>,
    rules: Vec<Program>,
    names: Vec<String>,
}

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let compile = |rule| Program::compile(&text::cel(rule)).map_err(|error| error.to_string());
    let rules = rules.iter().map(compile).collect::<Result<_, _>>()?;
    Ok(Box::new(CelInterpreter { root: Context::default(), rules, names: names(|name| name) }))
}

impl Engine for CelInterpreter {
    fn name(&self) -> &'static str {
        "cel-interpreter"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let mut context = self.root.new_inner_scope();
        for (name, value) in given(event, &self.names) {
            let value = match value {
                Given::Int(value) => Value::Int(value),
                Given::Double(value) => Value::Float(value),
                Given::String(value) => Value::from(value),
                Given::Bool(value) => Value::Bool(value),
            };
            context.add_variable_from_value(name, value);
        }
        for (at, rule) in (0..).zip(&self.rules) {
            if rule.execute(&context).map_err(|error| error.to_string())? == Value::Bool(true) {
                hits.push(at);
            }
        }
        Ok(())
    }
}
