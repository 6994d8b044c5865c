//! A compiled expression: text in, type and value out.
//!
//! Compiling and running are separate, and each is bounded: text, depth and types by the limits here, a run by its
//! budget of steps. A program is immutable and may be shared between threads.

use super::check;
use super::env::Env;
use super::eval::{self, Bindings};
use super::expr::Expr;
use super::fault::{ErrorKind, EvalError, Meter};
use super::lower::lower;
use super::ty::Type;
use super::value::{VALUE_DEPTH_MAX, Value};
use crate::cel::parse::{Limits, parse_full};
use crate::diagnostic::{Diagnostics, Span};
use crate::source::{Finding, Findings, Source};
use std::collections::BTreeMap;

/// An expression that is ready to run.
#[derive(Clone, Debug)]
pub struct Program {
    expr: Expr,
    ty: Type,
    /// Types of the variables that were declared.
    variables: BTreeMap<String, Type>,
}

impl Program {
    /// Parses and checks.
    ///
    /// # Errors
    /// The first mistake, with its place and, where there is one, the fix.
    pub fn compile(text: &str, env: &Env) -> Result<Self, Diagnostics> {
        Self::checked(text, env).map_err(|finding| located(text, finding))
    }

    /// Parses without checking: names and types are looked at when the program is run.
    ///
    /// # Errors
    /// What is no CEL, with its place.
    pub fn compile_unchecked(text: &str, env: &Env) -> Result<Self, Diagnostics> {
        let program = parse_full(text, LIMITS).and_then(|ast| lower(&ast, env, false));
        let expr = program.map_err(|finding| located(text, finding))?;
        Ok(Self { expr, ty: Type::Dyn, variables: BTreeMap::new() })
    }

    fn checked(text: &str, env: &Env) -> Result<Self, Finding> {
        let ast = parse_full(text, LIMITS)?;
        let expr = lower(&ast, env, true)?;
        let ty = check::check(&expr, env)?;
        let variables = env.variables().map(|(name, ty)| (name.to_owned(), ty.clone())).collect();
        Ok(Self { expr, ty, variables })
    }

    /// The deduced type; `dyn` where it was not checked.
    ///
    /// Where a part of the expression is of `dyn`, the rest decides what it is taken for, as CEL has it: the value may
    /// be of another type. [`Value::fits`] tells.
    pub const fn ty(&self) -> &Type {
        &self.ty
    }

    /// Runs with the default budget of [`STEPS`](Self::STEPS) steps.
    ///
    /// # Errors
    /// As [`run_within`](Self::run_within).
    pub fn run(&self, bindings: &Bindings) -> Result<Value, EvalError> {
        self.run_within(bindings, Self::STEPS)
    }

    /// Runs with a budget. A step is about one node, one item or eight bytes; memory is bounded by it too.
    ///
    /// # Errors
    /// The error that the expression comes to, or [`ErrorKind::Budget`].
    pub fn run_within(&self, bindings: &Bindings, steps: u64) -> Result<Value, EvalError> {
        self.admit(bindings)?;
        eval::eval(&self.expr, bindings, Meter::new(steps))
    }

    /// Refuses values that are not of their variable's type, and those that nothing here could walk safely.
    fn admit(&self, bindings: &Bindings) -> Result<(), EvalError> {
        let refused = |_| EvalError::new(ErrorKind::Binding, Span::default());
        let mut meter = Meter::new(BINDING_NODES_MAX);
        for (name, value) in bindings {
            if value.depth() > VALUE_DEPTH_MAX {
                return Err(refused(ErrorKind::Depth));
            }
            value.walk(&mut meter).map_err(refused)?;
            if let Some(ty) = self.variables.get(name)
                && !value.is(ty, &mut meter).map_err(refused)?
            {
                return Err(refused(ErrorKind::Binding));
            }
        }
        Ok(())
    }

    /// Steps that [`run`](Self::run) may take: Kubernetes' limit for one expression, about a tenth of a second.
    pub const STEPS: u64 = 1_000_000;
}

fn located(text: &str, finding: Finding) -> Diagnostics {
    let mut findings = Findings::default();
    findings.error(&Source { name: "<expression>", text }, "", finding);
    findings.finish().err().unwrap_or(Diagnostics(Vec::new()))
}

/// LIMIT: text and nesting. CEL asks for 32 levels of nesting; cel-go's default is 250.
pub(crate) const LIMITS: Limits = Limits { bytes: 128 << 10, depth: 250, items: 64 << 10 };
/// LIMIT: nodes of all values that a run is given, each counted twice.
const BINDING_NODES_MAX: u64 = 4_000_000;
