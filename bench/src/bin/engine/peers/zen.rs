//! `zen-expression`: bytecode over decimals.
//!
//! Expressions are compiled ahead; one virtual machine runs all rules, over one scope an event. Names are interned
//! ahead too, so that a context costs its values.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text::{Language, rule};
use crate::workload::{Condition, Event};
use zen_expression::expression::Standard;
use zen_expression::scope::Scope;
use zen_expression::variable::{Symbol, ToVariable as _, Variable, VariableMap};
use zen_expression::vm::VM;
use zen_expression::{Expression, Isolate};

struct Zen {
    rules: Vec<Expression<Standard>>,
    names: Vec<Symbol>,
    machine: VM,
}

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let mut isolate = Isolate::new();
    let compile = |condition| isolate.compile_standard(&rule(Language::Zen, condition));
    let rules = rules.iter().map(compile).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(Box::new(Zen { rules, names: names(|name| Symbol::from(name.as_str())), machine: VM::new() }))
}

impl Engine for Zen {
    fn name(&self) -> &'static str {
        "zen-expression"
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
        let scope = Scope::new(Variable::from_object(context));
        for (at, rule) in (0..).zip(&self.rules) {
            let outcome =
                rule.evaluate_with_scope(&scope, &mut self.machine).map_err(|error| error.to_string())?;
            if outcome.as_bool() == Some(true) {
                hits.push(at);
            }
        }
        Ok(())
    }
}
