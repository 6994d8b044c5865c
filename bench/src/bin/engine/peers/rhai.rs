//! `rhai`: a scripting language.
//!
//! Every rule is an expression that was compiled and optimised ahead; the scope is kept, and its constants are those
//! of the event.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text::{Language, rule};
use crate::workload::{Condition, Event};
use rhai::{AST, Dynamic, Scope};

struct Rhai {
    engine: rhai::Engine,
    rules: Vec<AST>,
    names: Vec<String>,
    scope: Scope<'static>,
}

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let engine = rhai::Engine::new();
    let compile = |condition| engine.compile_expression(rule(Language::Rhai, condition));
    let rules = rules.iter().map(compile).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(Box::new(Rhai { engine, rules, names: names(|name| name), scope: Scope::new() }))
}

impl Engine for Rhai {
    fn name(&self) -> &'static str {
        "rhai"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        self.scope.clear();
        for (name, value) in given(event, &self.names) {
            let value = match value {
                Given::Int(value) => Dynamic::from(value),
                Given::Double(value) => Dynamic::from(value),
                Given::String(value) => value.to_owned().into(),
                Given::Bool(value) => Dynamic::from(value),
            };
            self.scope.push_constant_dynamic(name.as_str(), value);
        }
        for (at, rule) in (0..).zip(&self.rules) {
            let outcome = self.engine.eval_ast_with_scope::<bool>(&mut self.scope, rule);
            if outcome.map_err(|error| error.to_string())? {
                hits.push(at);
            }
        }
        Ok(())
    }
}
