//! The profile by table: text in; value, type or located error out. Hostile input, limits, and the reference.
//!
//! One helper, [`run`], says in one word what an expression comes to, so that a table row is text and text.

mod generated;
mod hostile;
mod meaning;
mod reference;

use super::{Bindings, Env, Library, Program, Value};
use crate::conformance::show;

/// An environment with every library and a few variables.
fn env() -> Env {
    Library::ALL.into_iter().fold(Env::new(), Env::library)
}

/// What an expression comes to: its value, `error: KIND` of the run, or `CODE at PLACE` of the compiler.
fn run(text: &str) -> String {
    outcome(Program::compile(text, &env()), &Bindings::new())
}

/// The same without the checker.
fn run_unchecked(text: &str) -> String {
    outcome(Program::compile_unchecked(text, &env()), &Bindings::new())
}

fn outcome(program: Result<Program, crate::Diagnostics>, bindings: &Bindings) -> String {
    match program.map(|program| program.run(bindings)) {
        Ok(Ok(value)) => show(&value),
        Ok(Err(error)) => format!("error: {}", error.kind().code()),
        Err(found) => {
            let first = found.iter().next().unwrap();
            format!("{} at {}", first.code, first.span.start)
        }
    }
}

fn text(value: &str) -> Value {
    Value::text(value)
}
