//! Cases in the profile `full`: compiled, typed, run, compared.
//!
//! An error that a case wants may come from the compiler as well as from the run. What cel-go's own cases say with an
//! option or a limit of their test (a parser without back-quoted names, a recursion limit of 32) is not compared.

use super::Verdict;
use super::case::{Case, Origin, Want, show};
use crate::diagnostic::Diagnostics;
use crate::full::{Env, Program, Signature, Type};

/// Runs one case.
pub(super) fn run(case: &Case) -> Verdict {
    let Some(env) = case.env() else { return Verdict::Refused("message") };
    match case.origin {
        Origin::Go => checked(case, &cel_go(env)),
        Origin::Spec => evaluated(case, &env),
    }
}

/// A case that says whether and how an expression checks.
fn checked(case: &Case, env: &Env) -> Verdict {
    let compiled = Program::compile(case.expr(), env);
    let want = case.deduced();
    match (want, compiled) {
        (Some(want), Ok(program)) => Verdict::compare(want, program.ty().to_string()),
        (Some(want), Err(found)) => refused(case, want, &found),
        (None, Err(_)) => Verdict::Pass,
        (None, Ok(_)) if case.failed_by_option() => Verdict::Pass,
        (None, Ok(program)) => Verdict::Fail { want: "an error".to_owned(), got: program.ty().to_string() },
    }
}

/// A case that says what an expression comes to.
fn evaluated(case: &Case, env: &Env) -> Verdict {
    let want = match case.want() {
        Want::Message => return Verdict::Refused("message"),
        Want::Error => "an error".to_owned(),
        Want::Value(value) => show(&value),
    };
    let unchecked = case.flag("disableCheck");
    if let Some(deduced) = case.deduced() {
        match Program::compile(case.expr(), env) {
            Ok(program) if program.ty().to_string() == deduced => {}
            Ok(program) => {
                return Verdict::Fail {
                    want: format!("type {deduced}"),
                    got: format!("type {}", program.ty()),
                };
            }
            Err(found) => return refused(case, want, &found),
        }
        if case.flag("checkOnly") {
            return Verdict::Pass;
        }
    }
    let compiled = if unchecked {
        Program::compile_unchecked(case.expr(), env)
    } else {
        Program::compile(case.expr(), env)
    };
    let program = match compiled {
        Ok(program) => program,
        Err(found) => return refused(case, want, &found),
    };
    let Some(bindings) = case.bindings() else { return Verdict::Refused("message") };
    let got = match program.run(&bindings) {
        Ok(value) => show(&value),
        Err(_) => "an error".to_owned(),
    };
    Verdict::compare(want, got)
}

/// A case that does not compile: as wanted, outside of the language here, or a mistake of ours.
fn refused(case: &Case, want: String, found: &Diagnostics) -> Verdict {
    let Some(first) = found.iter().next() else { return Verdict::Refused("none") };
    if want == "an error" {
        return Verdict::Pass;
    }
    if case.scope() == "core" {
        return Verdict::Fail { want, got: first.to_string() };
    }
    Verdict::Refused(first.code)
}

/// The names that cel-go's checker tests declare for all cases.
fn cel_go(env: Env) -> Env {
    let names = [
        ("is", Type::String),
        ("ii", Type::Int),
        ("iu", Type::Uint),
        ("iz", Type::Bool),
        ("ib", Type::Bytes),
        ("id", Type::Double),
        ("ix", Type::Null),
    ];
    let env = names.into_iter().fold(env, |env, (name, ty)| env.variable(name, ty));
    let nullary = Signature { method: false, parameters: Vec::new(), result: Type::String };
    let method = Signature { method: true, parameters: vec![Type::String], result: Type::String };
    env.function("fg_s", nullary).function("fi_s_s", method)
}
