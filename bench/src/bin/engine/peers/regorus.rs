//! `regorus`: Rego, compiled for its register machine.
//!
//! All rules add to one set, so that one run of the machine gives every hit. The machine is kept between events, as
//! its own benchmark's fastest configuration does, without limits of instructions or time.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text::{Language, rule};
use crate::workload::{Condition, Event};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Rc, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

struct Regorus {
    machine: RegoVM,
    names: Vec<Value>,
}

const ENTRY: &str = "data.bench.hits";

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let mut policy = String::from("package bench\n\nimport rego.v1\n");
    for (at, condition) in rules.iter().enumerate() {
        let _ = write!(policy, "\nhits contains {at} if {{\n  {}\n}}\n", rule(Language::Rego, condition));
    }
    let mut engine = regorus::Engine::new();
    engine.add_policy("bench.rego".to_owned(), policy).map_err(|error| error.to_string())?;
    let compiled = engine.compile_with_entrypoint(&Rc::from(ENTRY)).map_err(|error| error.to_string())?;
    let program = Compiler::compile_from_policy(&compiled, &[ENTRY]).map_err(|error| error.to_string())?;
    let mut machine = RegoVM::new();
    // As its own benchmark does; by default it stops after 25,000 instructions.
    machine.set_max_instructions(usize::MAX);
    machine.load_program(program);
    Ok(Box::new(Regorus { machine, names: names(Value::from) }))
}

impl Engine for Regorus {
    fn name(&self) -> &'static str {
        "regorus"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let input: BTreeMap<Value, Value> = given(event, &self.names)
            .map(|(name, value)| {
                let value = match value {
                    Given::Int(value) => Value::from(value),
                    Given::Double(value) => Value::from(value),
                    Given::String(value) => Value::from(value),
                    Given::Bool(value) => Value::from(value),
                };
                (name.clone(), value)
            })
            .collect();
        self.machine.set_input(Value::from(input));
        let found = self.machine.execute().map_err(|error| error.to_string())?;
        for hit in found.as_set().map_err(|error| error.to_string())? {
            hits.push(hit.as_u32().map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}
