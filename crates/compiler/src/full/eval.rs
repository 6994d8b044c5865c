//! The reference interpreter of the profile `full`.
//!
//! It walks the expression and calls the function table; it knows no types. Errors are values' absence: `&&`, `||`,
//! `all` and `exists` give the deciding operand whatever the others are. Every node and every item costs a step, so a
//! run ends within its budget; recursion is bounded by the depth of the expression.

use super::expr::{Callee, Expr, ExprKind, Fold, FoldKind, Reference, Target};
use super::fault::{ErrorKind, EvalError, Meter, Outcome};
use super::table::{Function, Lazy, Run};
use super::value::{Key, VALUE_DEPTH_MAX, Value};
use crate::diagnostic::Span;
use std::collections::BTreeMap;
use std::sync::Arc;

type Result<T, E = EvalError> = std::result::Result<T, E>;

/// Values of variables, by their full names.
pub type Bindings = BTreeMap<String, Value>;

/// Runs an expression with at most what the meter holds.
pub(crate) fn eval(expr: &Expr, bindings: &Bindings, meter: Meter) -> Result<Value> {
    let mut eval = Eval { bindings, locals: Vec::new(), meter };
    let value = eval.expr(expr)?;
    // What is shared in memory is paid for as if written out, so that whoever prints the result is safe.
    value.walk(&mut eval.meter).map_err(|kind| EvalError::new(kind, expr.span))?;
    Ok(value)
}

struct Eval<'a> {
    bindings: &'a Bindings,
    /// Values of the variables of the macros around, outermost first.
    locals: Vec<Value>,
    meter: Meter,
}

fn at<T>(outcome: Outcome<T>, span: Span) -> Result<T> {
    outcome.map_err(|kind| EvalError::new(kind, span))
}

impl Eval<'_> {
    fn expr(&mut self, expr: &Expr) -> Result<Value> {
        at(self.meter.take(1), expr.span)?;
        match &expr.kind {
            ExprKind::Const(value) => Ok(value.clone()),
            ExprKind::Local(place) => {
                let value = self.locals.get(*place).cloned();
                value.ok_or_else(|| EvalError::new(ErrorKind::Unbound, expr.span))
            }
            ExprKind::Name(references) => self.name(references, expr.span),
            ExprKind::Select { on, field } => {
                let on = self.expr(on)?;
                at(select(&on, field), expr.span)
            }
            ExprKind::Has { on, field } => match self.expr(on)? {
                Value::Map(map) => Ok(Value::Bool(map.contains_key(&Key::String(Arc::clone(field))))),
                _ => Err(EvalError::new(ErrorKind::NoSuchOverload, expr.span)),
            },
            ExprKind::List(items) => {
                let items = items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
                shallow(Value::list(items), expr.span)
            }
            ExprKind::Map(entries) => self.map(entries, expr.span),
            ExprKind::Call { callee, args, .. } => self.call(callee, args, expr.span),
            ExprKind::Fold(fold) => self.fold(fold, expr.span),
        }
    }

    fn name(&mut self, references: &[Reference], span: Span) -> Result<Value> {
        for Reference { target, fields } in references {
            let value = match target {
                Target::Variable(name) => match self.bindings.get(name) {
                    Some(value) => value.clone(),
                    None => continue,
                },
                Target::Type(ty) => Value::Type(Arc::from(ty.name())),
            };
            return at(fields.iter().try_fold(value, |value, field| select(&value, field)), span);
        }
        Err(EvalError::new(ErrorKind::Unbound, span))
    }

    fn map(&mut self, entries: &[(Expr, Expr)], span: Span) -> Result<Value> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let place = key.span;
            let key = Key::of(&self.expr(key)?);
            let key = key.ok_or_else(|| EvalError::new(ErrorKind::MapKey, place))?;
            let value = self.expr(value)?;
            if map.insert(key, value).is_some() {
                return Err(EvalError::new(ErrorKind::MapKey, place));
            }
        }
        shallow(Value::map(map), span)
    }

    fn call(&mut self, callee: &Callee, args: &[Expr], span: Span) -> Result<Value> {
        let Callee::Known(function) = callee else {
            return Err(EvalError::new(ErrorKind::UnboundFunction, span));
        };
        match (function.run, args) {
            (Run::Lazy(Lazy::And), [left, right]) => self.logic(left, right, false),
            (Run::Lazy(Lazy::Or), [left, right]) => self.logic(left, right, true),
            (Run::Lazy(Lazy::If), [condition, yes, no]) => match self.expr(condition)? {
                Value::Bool(true) => self.expr(yes),
                Value::Bool(false) => self.expr(no),
                _ => Err(EvalError::new(ErrorKind::NoSuchOverload, condition.span)),
            },
            (Run::Lazy(_), _) => Err(EvalError::new(ErrorKind::NoSuchOverload, span)),
            (Run::Strict(run), args) => self.strict(function, run, args, span),
        }
    }

    fn strict(
        &mut self,
        function: &Function,
        run: fn(&[Value], &mut Meter) -> Outcome<Value>,
        args: &[Expr],
        span: Span,
    ) -> Result<Value> {
        let args = args.iter().map(|arg| self.expr(arg)).collect::<Result<Vec<_>>>()?;
        at(function.cost.charge(&args, &mut self.meter), span)?;
        at(run(&args, &mut self.meter), span)
    }

    /// A Boolean operand: whether it decides, and its error where it has no value.
    fn operand(&mut self, expr: &Expr, decides: bool) -> Result<Result<bool>> {
        match self.expr(expr) {
            Ok(Value::Bool(value)) => Ok(Ok(value == decides)),
            Ok(_) => Ok(Err(EvalError::new(ErrorKind::NoSuchOverload, expr.span))),
            Err(error) if error.absorbable() => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// `&&` and `||`: the operand that `decides` wins, on either side and whatever the other is.
    fn logic(&mut self, left: &Expr, right: &Expr, decides: bool) -> Result<Value> {
        let left = self.operand(left, decides)?;
        if left == Ok(true) {
            return Ok(Value::Bool(decides));
        }
        let right = self.operand(right, decides)?;
        if right == Ok(true) {
            return Ok(Value::Bool(decides));
        }
        left.and(right).map(|_| Value::Bool(!decides))
    }

    fn fold(&mut self, fold: &Fold, span: Span) -> Result<Value> {
        let range = self.expr(&fold.range)?;
        let depth = self.locals.len();
        let result = match &range {
            Value::List(items) => {
                let entries = items.iter().enumerate().map(|(place, item)| {
                    // INVARIANT: a list that was built within a budget has fewer items than an i64 counts.
                    (Key::Int(i64::try_from(place).unwrap_or(i64::MAX)), item)
                });
                self.entries(fold, entries, true, span)
            }
            Value::Map(map) => {
                self.entries(fold, map.iter().map(|(key, value)| (key.clone(), value)), false, span)
            }
            _ => Err(EvalError::new(ErrorKind::NoSuchOverload, fold.range.span)),
        };
        self.locals.truncate(depth);
        result
    }

    fn entries<'v>(
        &mut self,
        fold: &Fold,
        entries: impl Iterator<Item = (Key, &'v Value)>,
        is_list: bool,
        span: Span,
    ) -> Result<Value> {
        let depth = self.locals.len();
        let mut state = State::default();
        for (key, value) in entries {
            at(self.meter.take(1), span)?;
            self.locals.truncate(depth);
            if fold.variables == 2 {
                self.locals.push(key.value());
                self.locals.push(value.clone());
            } else {
                self.locals.push(if is_list { value.clone() } else { key.value() });
            }
            let decided = match fold.kind {
                FoldKind::All => self.quantify(fold, false, &mut state)?,
                FoldKind::Exists => self.quantify(fold, true, &mut state)?,
                FoldKind::One | FoldKind::List | FoldKind::Map => {
                    self.collect(fold, key, depth, &mut state)?
                }
            };
            if decided {
                return Ok(Value::Bool(fold.kind == FoldKind::Exists));
            }
        }
        shallow(state.finish(fold.kind)?, span)
    }

    /// One item of `all` or `exists`: whether it decides.
    fn quantify(&mut self, fold: &Fold, decides: bool, state: &mut State) -> Result<bool> {
        let Some(test) = &fold.test else { return Ok(false) };
        match self.operand(test, decides)? {
            Ok(decided) => Ok(decided),
            Err(error) => {
                state.error.get_or_insert(error);
                Ok(false)
            }
        }
    }

    /// One item of a macro that wants every item.
    fn collect(&mut self, fold: &Fold, key: Key, depth: usize, state: &mut State) -> Result<bool> {
        if let Some(test) = &fold.test {
            match self.expr(test)? {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(false),
                _ => return Err(EvalError::new(ErrorKind::NoSuchOverload, test.span)),
            }
        }
        let item = match &fold.item {
            Some(item) => self.expr(item)?,
            None => self.locals.get(depth).cloned().unwrap_or(Value::Null),
        };
        match fold.kind {
            FoldKind::Map => {
                state.map.insert(key, item);
            }
            FoldKind::List => state.list.push(item),
            _ => state.count += 1,
        }
        Ok(false)
    }
}

/// What a macro has gathered so far.
#[derive(Debug, Default)]
struct State {
    count: usize,
    list: Vec<Value>,
    map: BTreeMap<Key, Value>,
    /// The first error of a quantifier; a later item may still decide.
    error: Option<EvalError>,
}

impl State {
    fn finish(self, kind: FoldKind) -> Result<Value> {
        if let Some(error) = self.error {
            return Err(error);
        }
        Ok(match kind {
            FoldKind::All => Value::Bool(true),
            FoldKind::Exists => Value::Bool(false),
            FoldKind::One => Value::Bool(self.count == 1),
            FoldKind::List => Value::list(self.list),
            FoldKind::Map => Value::map(self.map),
        })
    }
}

/// A value that was built, unless it is too deep for whatever walks values.
fn shallow(value: Value, span: Span) -> Result<Value> {
    if value.depth() > VALUE_DEPTH_MAX {
        return Err(EvalError::new(ErrorKind::Depth, span));
    }
    Ok(value)
}

fn select(on: &Value, field: &Arc<str>) -> Outcome<Value> {
    match on {
        Value::Map(map) => map.get(&Key::String(Arc::clone(field))).cloned().ok_or(ErrorKind::NoSuchKey),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}
