//! The static checker: what type an expression has, and whether it can have one.
//!
//! Follows cel-go's checker, so that deductions agree with it: overloads are tried in turn and all that fit count,
//! literals of mixed items are of `dyn`, what is not determined becomes `dyn`. Macros are typed as their expansions
//! would be. The first mistake is reported, at its place.

use super::env::Env;
use super::expr::{Callee, Expr, ExprKind, Fold, FoldKind, Reference, Target};
use super::table::{self, Function};
use super::ty::Type;
use super::unify::Bindings;
use super::value::Value;
use crate::diagnostic::Span;
use crate::source::Finding;
use std::collections::BTreeMap;

type Result<T, E = Finding> = std::result::Result<T, E>;

/// The type of an expression.
pub(crate) fn check(expr: &Expr, env: &Env) -> Result<Type> {
    let mut checker = Checker { env, bindings: Bindings::default(), scope: Vec::new() };
    let ty = checker.expr(expr)?;
    let ty = checker.bindings.resolve(&ty, true);
    checker.within_limits(expr.span)?;
    Ok(ty)
}

struct Checker<'e> {
    env: &'e Env,
    bindings: Bindings,
    /// Types of the variables of the macros around, outermost first.
    scope: Vec<Type>,
}

impl Checker<'_> {
    fn expr(&mut self, expr: &Expr) -> Result<Type> {
        let ty = match &expr.kind {
            ExprKind::Const(value) => constant(value),
            ExprKind::Local(at) => self.scope.get(*at).map_or(Type::Dyn, |ty| self.bindings.copy(ty)),
            ExprKind::Name(references) => self.name(references, expr.span)?,
            ExprKind::Select { on, .. } => {
                let on = self.expr(on)?;
                self.select(&on, expr.span)?
            }
            ExprKind::Has { on, .. } => {
                let on = self.expr(on)?;
                self.select(&on, expr.span)?;
                Type::Bool
            }
            ExprKind::List(items) => {
                let item = self.joined(items.iter())?;
                Type::list(item)
            }
            ExprKind::Map(entries) => {
                let key = self.joined(entries.iter().map(|(key, _)| key))?;
                let value = self.joined(entries.iter().map(|(_, value)| value))?;
                Type::map(key, value)
            }
            ExprKind::Call { callee, method, args } => {
                let args = args.iter().map(|arg| self.expr(arg)).collect::<Result<Vec<_>>>()?;
                self.call(callee, *method, &args, expr.span)?
            }
            ExprKind::Fold(fold) => self.fold(fold, expr.span)?,
        };
        self.within_limits(expr.span)?;
        Ok(ty)
    }

    fn within_limits(&self, span: Span) -> Result<()> {
        if self.bindings.exhausted() {
            return Err(Finding::new(span, "G2006", "the type of this is too large to be checked"));
        }
        Ok(())
    }

    fn name(&mut self, references: &[Reference], span: Span) -> Result<Type> {
        let Some(Reference { target, fields }) = references.first() else { return Ok(Type::Dyn) };
        let mut ty = match target {
            Target::Variable(name) => {
                self.env.variable_type(name).map_or(Type::Dyn, |ty| self.bindings.copy(ty))
            }
            Target::Type(of) => Type::Type(Box::new(of.clone())),
        };
        for _ in fields {
            ty = self.select(&ty, span)?;
        }
        Ok(ty)
    }

    /// The type of a field.
    fn select(&mut self, on: &Type, span: Span) -> Result<Type> {
        match self.bindings.resolve(on, false) {
            Type::Map(_, value) => Ok(*value),
            Type::Opaque(name, of) if name == "optional_type" => {
                let inner = self.select(of.first().unwrap_or(&Type::Dyn), span)?;
                Ok(Type::Opaque(name, vec![inner]))
            }
            parameter @ Type::Param(_) => {
                // What a field is selected of can be anything from here on.
                self.bindings.assignable(&Type::Dyn, &parameter);
                Ok(Type::Dyn)
            }
            Type::Dyn => Ok(Type::Dyn),
            other => Err(Finding::new(span, "G3006", format!("a value of type {other} has no fields"))),
        }
    }

    /// The one type of several expressions.
    fn joined<'x>(&mut self, items: impl Iterator<Item = &'x Expr>) -> Result<Type> {
        let mut joined = None;
        for item in items {
            let ty = self.expr(item)?;
            joined = Some(self.bindings.join(joined, ty));
        }
        Ok(joined.unwrap_or_else(|| self.bindings.fresh()))
    }

    fn call(&mut self, callee: &Callee, method: bool, args: &[Type], span: Span) -> Result<Type> {
        match callee {
            Callee::Known(function) => self.known(function, method, args, span),
            Callee::Declared(name) => {
                let signatures = self.env.signatures(name).iter().filter(|known| known.method == method);
                let overloads = signatures.map(|known| (known.parameters.clone(), known.result.clone()));
                self.overloads(name, overloads.collect(), args, span)
            }
            Callee::Missing => Ok(Type::Dyn),
        }
    }

    fn known(&mut self, function: &Function, method: bool, args: &[Type], span: Span) -> Result<Type> {
        let fitting = function.overloads.iter().filter(|known| known.method == method);
        let overloads = fitting.map(|known| {
            (known.parameters.iter().map(|parameter| parameter.ty()).collect(), known.result.ty())
        });
        self.overloads(function.name, overloads.collect(), args, span)
    }

    /// The result of every overload that takes the arguments: their common type, or `dyn`.
    fn overloads(
        &mut self,
        name: &str,
        overloads: Vec<(Vec<Type>, Type)>,
        args: &[Type],
        span: Span,
    ) -> Result<Type> {
        let mut found: Option<Type> = None;
        for (parameters, result) in overloads {
            if parameters.len() != args.len() {
                continue;
            }
            let mut fresh = BTreeMap::new();
            let parameters: Vec<Type> =
                parameters.iter().map(|parameter| self.instance(parameter, &mut fresh)).collect();
            let result = self.instance(&result, &mut fresh);
            if self.bindings.all_assignable(args, &parameters) {
                let result = self.bindings.resolve(&result, false);
                found = Some(match found {
                    Some(before) if before != result => Type::Dyn,
                    _ => result,
                });
            }
        }
        self.within_limits(span)?;
        found.ok_or_else(|| self.no_overload(name, args, span))
    }

    /// A type with its parameters replaced by fresh ones.
    fn instance(&mut self, ty: &Type, fresh: &mut BTreeMap<String, Type>) -> Type {
        match ty {
            Type::Param(name) => {
                let bindings = &mut self.bindings;
                fresh.entry(name.clone()).or_insert_with(|| bindings.fresh()).clone()
            }
            Type::List(of) => Type::list(self.instance(of, fresh)),
            Type::Map(key, value) => Type::map(self.instance(key, fresh), self.instance(value, fresh)),
            Type::Type(of) => Type::Type(Box::new(self.instance(of, fresh))),
            Type::Opaque(name, of) => {
                Type::Opaque(name.clone(), of.iter().map(|of| self.instance(of, fresh)).collect())
            }
            other => other.clone(),
        }
    }

    fn no_overload(&mut self, name: &str, args: &[Type], span: Span) -> Finding {
        let args: Vec<String> = args.iter().map(|arg| self.bindings.resolve(arg, true).to_string()).collect();
        let name = name.trim_matches(['_', '@']);
        let finding =
            Finding::new(span, "G3002", format!("`{name}` is not defined for ({})", args.join(", ")));
        finding.help("convert one side, as in `double(x)`, or make it dynamic with `dyn(x)`")
    }

    fn fold(&mut self, fold: &Fold, span: Span) -> Result<Type> {
        let range = self.expr(&fold.range)?;
        let variables = self.variables(fold, &range)?;
        let depth = self.scope.len();
        self.scope.extend(variables.iter().cloned());
        let result = self.folded(fold, &variables, span);
        self.scope.truncate(depth);
        result
    }

    /// Types of a macro's variables.
    fn variables(&mut self, fold: &Fold, range: &Type) -> Result<Vec<Type>> {
        let two = fold.variables == 2;
        Ok(match self.bindings.resolve(range, false) {
            Type::List(item) if two => vec![Type::Int, *item],
            Type::List(item) => vec![*item],
            Type::Map(key, value) if two => vec![*key, *value],
            Type::Map(key, _) => vec![*key],
            other @ (Type::Dyn | Type::Param(_)) => {
                self.bindings.assignable(&Type::Dyn, &other);
                vec![Type::Dyn; fold.variables]
            }
            other => {
                let message = format!("a macro runs over a list or a map, not over a value of type {other}");
                return Err(Finding::new(fold.range.span, "G3002", message));
            }
        })
    }

    fn folded(&mut self, fold: &Fold, variables: &[Type], span: Span) -> Result<Type> {
        let test = fold.test.as_ref().map(|test| self.expr(test)).transpose()?;
        match fold.kind {
            FoldKind::All | FoldKind::Exists => {
                let test = test.unwrap_or(Type::Bool);
                self.operator("_&&_", &[Type::Bool, test], span)
            }
            FoldKind::One => {
                let test = test.unwrap_or(Type::Bool);
                self.operator("_?_:_", &[test, Type::Int, Type::Int], span)?;
                Ok(Type::Bool)
            }
            FoldKind::List => {
                let item = match &fold.item {
                    Some(item) => self.expr(item)?,
                    None => variables.first().cloned().unwrap_or(Type::Dyn),
                };
                let sum = Type::list(self.bindings.fresh());
                let mut step = self.operator("_+_", &[sum.clone(), Type::list(item)], span)?;
                if let Some(test) = test {
                    step = self.operator("_?_:_", &[test, step, sum.clone()], span)?;
                }
                self.bindings.assignable(&step, &sum);
                Ok(self.bindings.resolve(&sum, false))
            }
            FoldKind::Map => {
                if let Some(test) = test {
                    self.operator("_?_:_", &[test, Type::Bool, Type::Bool], span)?;
                }
                let value = fold.item.as_ref().map_or(Ok(Type::Dyn), |item| self.expr(item))?;
                Ok(Type::map(variables.first().cloned().unwrap_or(Type::Dyn), value))
            }
        }
    }

    fn operator(&mut self, name: &str, args: &[Type], span: Span) -> Result<Type> {
        match table::find(name, |_| true) {
            Some(function) => self.known(function, false, args, span),
            None => Ok(Type::Dyn),
        }
    }
}

fn constant(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        Value::Timestamp(_) => Type::Timestamp,
        Value::Duration(_) => Type::Duration,
        Value::List(_) | Value::Map(_) | Value::Type(_) => Type::Dyn,
    }
}
