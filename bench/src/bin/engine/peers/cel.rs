//! `cel`: an interpreter of the parsed tree.
//!
//! Programs are compiled ahead and the environment, which holds the functions, is shared; strings are borrowed from
//! the event, and the variables of one event stand in one context for all rules.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text;
use crate::workload::{Condition, Event};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::{Context, Env, Program, Value};
use std::sync::Arc;

struct Cel {
    environment: Arc<Env>,
    rules: Vec<Program>,
    names: Vec<String>,
}

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let environment = Arc::new(Env::stdlib());
    let compile = |rule| environment.compile(&text::cel(rule)).map_err(|error| error.to_string());
    let rules = rules.iter().map(compile).collect::<Result<_, _>>()?;
    Ok(Box::new(Cel { environment, rules, names: names(|name| name) }))
}

impl Engine for Cel {
    fn name(&self) -> &'static str {
        "cel"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let mut context = Context::with_env(Arc::clone(&self.environment));
        for (name, value) in given(event, &self.names) {
            match value {
                Given::Int(value) => context.add_variable_as_val(name, Box::new(CelInt::from(value))),
                Given::Double(value) => context.add_variable_as_val(name, Box::new(CelDouble::from(value))),
                Given::String(value) => context.add_variable_as_val(name, Box::new(CelString::from(value))),
                Given::Bool(value) => context.add_variable_as_val(name, Box::new(CelBool::from(value))),
            }
        }
        for (at, rule) in (0..).zip(&self.rules) {
            if rule.execute(&context).map_err(|error| error.to_string())? == Value::Bool(true) {
                hits.push(at);
            }
        }
        Ok(())
    }
}
