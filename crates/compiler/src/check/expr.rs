//! Types: from the parsed condition to the typed tree.
//!
//! Static and without conversions: an int never meets a double, a list holds one scalar type, a list's items are
//! constants. Names resolve against the catalogue; `key in list.name` becomes a Boolean signal of the cloud. The
//! first mistake of a condition is reported, with the fix where there is one.

use crate::catalogue::{Birth, Catalogue, ListTest, Origin, Signal};
use crate::cel::ast::{Ast, AstKind, BinaryOp};
use crate::cel::lex::unsupported;
use crate::checked::{Expr, ExprKind};
use crate::diagnostic::{Span, Spanned, suggest};
use crate::read::model::RawModel;
use crate::source::{Finding, TextMap};
use glacis_wire::limits::VALUE_BYTES_MAX;
use glacis_wire::{SignalName, Trust, Type, Value};
use std::collections::BTreeMap;

/// The typed form of one condition and what it needs.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    /// Every signal it reads.
    pub(crate) signals: BTreeMap<SignalName, Signal>,
    pub(crate) lists: Vec<ListTest>,
    pub(crate) warnings: Vec<Finding>,
}

/// Types a condition; spans of the result are file spans.
pub(crate) fn check(
    ast: &Ast,
    (catalogue, models): (&Catalogue, &[RawModel]),
    map: &TextMap,
) -> Result<Typed, Finding> {
    let mut checker =
        Checker { catalogue, models, map, signals: BTreeMap::new(), lists: Vec::new(), warnings: Vec::new() };
    let expr =
        checker.expr(ast, None).map_err(|finding| Finding { span: map.span(finding.span), ..finding })?;
    let Checker { signals, lists, warnings, .. } = checker;
    Ok(Typed { expr, signals, lists, warnings })
}

pub(super) struct Checker<'c> {
    catalogue: &'c Catalogue,
    pub(super) models: &'c [RawModel],
    map: &'c TextMap,
    signals: BTreeMap<SignalName, Signal>,
    lists: Vec<ListTest>,
    warnings: Vec<Finding>,
}

/// Findings inside of here carry spans of the condition; [`check`] moves them to the file.
pub(super) type Result<T, E = Finding> = std::result::Result<T, E>;

impl Checker<'_> {
    pub(super) fn done(&self, kind: ExprKind, ty: Type, ast: &Ast) -> Expr {
        Expr { kind, ty, span: self.map.span(ast.span) }
    }

    /// Types one node; `hint` is the type that an empty list literal takes.
    pub(super) fn expr(&mut self, ast: &Ast, hint: Option<Type>) -> Result<Expr> {
        let literal = |value, ty| Ok(self.done(ExprKind::Literal(value), ty, ast));
        match &ast.kind {
            AstKind::Bool(value) => literal(Value::Bool(*value), Type::Bool),
            AstKind::Int(value) => literal(Value::Int(*value), Type::Int),
            AstKind::Double(value) => literal(Value::Double(*value), Type::Double),
            AstKind::Text(text) if text.len() > VALUE_BYTES_MAX => {
                let message = format!("a string of {} bytes; at most {VALUE_BYTES_MAX}", text.len());
                Err(Finding::new(ast.span, "G3001", message))
            }
            AstKind::Text(text) => literal(Value::String(text.clone()), Type::String),
            AstKind::List(items) => self.list(ast, items, hint),
            AstKind::Name(_) | AstKind::Field(..) => self.signal(ast),
            AstKind::Not(inner) => {
                let inner = self.want(inner, Type::Bool, "`!`")?;
                Ok(self.done(ExprKind::Not(Box::new(inner)), Type::Bool, ast))
            }
            AstKind::Neg(inner) => {
                let typed = self.expr(inner, None)?;
                if !matches!(typed.ty, Type::Int | Type::Double) {
                    let message = format!("`-` takes an int or a double, not {}", kind(typed.ty));
                    return Err(Finding::new(inner.span, "G3002", message));
                }
                let ty = typed.ty;
                Ok(self.done(ExprKind::Neg(Box::new(typed)), ty, ast))
            }
            AstKind::Binary(op, a, b) => self.binary(ast, *op, a, b),
            AstKind::If(condition, yes, no) => {
                let condition = self.want(condition, Type::Bool, "the condition of `?:`")?;
                let (left, right) = self.pair(yes, no, hint)?;
                if left.ty != right.ty {
                    return Err(self.mixed(ast.span, "the branches of `?:`", (yes, &left), (no, &right)));
                }
                let ty = left.ty;
                let kind = ExprKind::If(Box::new(condition), Box::new(left), Box::new(right));
                Ok(self.done(kind, ty, ast))
            }
            AstKind::Call { receiver, name, args } => self.call(ast, receiver.as_deref(), name, args),
            // INVARIANT: the parser of conditions has refused these already, each by its name.
            AstKind::Null
            | AstKind::Uint(_)
            | AstKind::Bytes(_)
            | AstKind::Map(_)
            | AstKind::Root(_)
            | AstKind::Quoted(..)
            | AstKind::Index(..) => Err(unsupported(ast.span, "this")),
        }
    }

    fn want(&mut self, ast: &Ast, ty: Type, who: &str) -> Result<Expr> {
        let typed = self.expr(ast, Some(ty))?;
        if typed.ty == ty {
            return Ok(typed);
        }
        let finding =
            Finding::new(ast.span, "G3002", format!("{who} takes {}, not {}", kind(ty), kind(typed.ty)));
        let chained = ty == Type::Bool && matches!(typed.ty, Type::Int | Type::Double | Type::String);
        Err(finding.maybe_help(chained.then(|| "compare it with something, such as `x > 0`".to_owned())))
    }

    /// Two operands that should have one type: an empty list takes the type of the other.
    fn pair(&mut self, a: &Ast, b: &Ast, hint: Option<Type>) -> Result<(Expr, Expr)> {
        if is_empty_list(a) {
            let right = self.expr(b, hint)?;
            return Ok((self.expr(a, Some(right.ty))?, right));
        }
        let left = self.expr(a, hint)?;
        let right = self.expr(b, Some(left.ty))?;
        Ok((left, right))
    }

    fn list(&mut self, ast: &Ast, items: &[Ast], hint: Option<Type>) -> Result<Expr> {
        let mut typed: Vec<Expr> = Vec::new();
        for item in items {
            let expr = self.expr(item, None)?;
            if expr.ty.element().is_some() {
                return Err(unsupported(item.span, "a list of lists"));
            }
            if !expr.readings().is_empty() {
                let finding = Finding::new(item.span, "G3003", "a list literal holds constants only");
                return Err(finding.help("compare one by one: `x == a || x == b`"));
            }
            if let Some(first) = typed.first().filter(|first| first.ty != expr.ty) {
                let message = format!(
                    "the items of a list have one type: {} follows {}",
                    kind(expr.ty),
                    kind(first.ty)
                );
                return Err(Finding::new(item.span, "G3004", message));
            }
            typed.push(expr);
        }
        let of_hint = hint.filter(|ty| ty.element().is_some());
        let ty = typed.first().and_then(|first| first.ty.list_of()).or(of_hint).unwrap_or(Type::StringList);
        Ok(self.done(ExprKind::List(typed), ty, ast))
    }

    fn signal(&mut self, ast: &Ast) -> Result<Expr> {
        let signal = self.resolve(ast)?;
        let (name, ty) = (signal.name.clone(), signal.ty);
        self.signals.insert(name.clone(), signal);
        Ok(self.done(ExprKind::Signal(name), ty, ast))
    }

    /// The signal that a dotted name means: the longest name of the catalogue.
    fn resolve(&self, ast: &Ast) -> Result<Signal> {
        let Some(path) = path(ast) else {
            return Err(unsupported(ast.span, "a field of a computed value"));
        };
        let known = |name: &str| self.catalogue.signals.values().find(|signal| signal.name.as_str() == name);
        if let Some(signal) = known(&path) {
            return Ok(signal.clone());
        }
        if path == "model" || path.starts_with("model.") {
            let finding = Finding::new(ast.span, "G3005", format!("`{path}` is not a value"));
            return Err(finding.help("ask a model for its score: `model.fraud(amount, …) > 700`"));
        }
        if path == "list" || path.starts_with("list.") {
            let finding = Finding::new(ast.span, "G3005", format!("`{path}` is not a value"));
            return Err(finding.help("a list stands on the right of `in`: `payee in list.mules`"));
        }
        let prefixes = path.match_indices('.').map(|(at, _)| path.get(..at).unwrap_or(""));
        if let Some(signal) = prefixes.rev().find_map(known) {
            let message = format!("`{}` is {} and has no fields", signal.name, kind(signal.ty));
            return Err(Finding::new(ast.span, "G3006", message));
        }
        let finding = Finding::new(ast.span, "G3005", format!("no signal is called `{path}`"));
        if self.catalogue.lists.contains_key(&path) {
            return Err(finding.help(format!("the list is called `list.{path}`")));
        }
        Err(finding.maybe_help(suggest(&path, self.catalogue.signals.keys().map(SignalName::as_str))))
    }

    fn binary(&mut self, ast: &Ast, op: BinaryOp, a: &Ast, b: &Ast) -> Result<Expr> {
        let symbol = op.symbol();
        let ((left, right), ty) = match op {
            BinaryOp::And | BinaryOp::Or => {
                let who = format!("`{symbol}`");
                ((self.want(a, Type::Bool, &who)?, self.want(b, Type::Bool, &who)?), Type::Bool)
            }
            BinaryOp::In => return self.member(ast, a, b),
            BinaryOp::Eq | BinaryOp::Ne => (self.alike(ast, op, a, b)?, Type::Bool),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let pair = self.alike(ast, op, a, b)?;
                if pair.0.ty.element().is_some() {
                    return Err(Finding::new(
                        ast.span,
                        "G3002",
                        format!("lists have no order, so no `{symbol}`"),
                    ));
                }
                (pair, Type::Bool)
            }
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => {
                let pair = self.alike(ast, op, a, b)?;
                let ty = pair.0.ty;
                self.numeric(ast, op, ty)?;
                (pair, ty)
            }
        };
        if matches!(op, BinaryOp::Eq | BinaryOp::Ne) && matches!(left.ty, Type::Double | Type::DoubleList) {
            let span = self.map.span(ast.span);
            let finding = Finding::new(span, "G3010", "doubles are compared for equality");
            self.warnings.push(finding.help("rounding makes equal doubles rare; compare with `<` or `>`"));
        }
        Ok(self.done(ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, ast))
    }

    fn numeric(&self, ast: &Ast, op: BinaryOp, ty: Type) -> Result<()> {
        let symbol = op.symbol();
        match (ty, op) {
            (Type::Int, _) => Ok(()),
            (Type::Double, BinaryOp::Rem) => Err(Finding::new(ast.span, "G3002", "`%` takes ints only")),
            (Type::Double, _) => Ok(()),
            (Type::Bool, _) => {
                Err(Finding::new(ast.span, "G3002", format!("`{symbol}` takes numbers, not bools")))
            }
            (_, BinaryOp::Add) => Err(unsupported(ast.span, "joining strings or lists with `+`")),
            _ => Err(Finding::new(ast.span, "G3002", format!("`{symbol}` takes numbers, not {}", kind(ty)))),
        }
    }

    /// Two operands of one type.
    fn alike(&mut self, ast: &Ast, op: BinaryOp, a: &Ast, b: &Ast) -> Result<(Expr, Expr)> {
        let (left, right) = self.pair(a, b, None)?;
        if left.ty == right.ty {
            return Ok((left, right));
        }
        let finding = self.mixed(ast.span, &format!("`{}`", op.symbol()), (a, &left), (b, &right));
        let chained = op.power() == BinaryOp::Lt.power()
            && matches!(a.kind, AstKind::Binary(inner, ..) if inner.power() == op.power());
        let help =
            if chained { Some("comparisons do not chain: write `a < b && b < c`".to_owned()) } else { None };
        Err(if help.is_some() { finding.maybe_help(help) } else { finding })
    }

    /// Two types that differ: says how to make them one, where a literal can be rewritten.
    fn mixed(&self, span: Span, who: &str, left: (&Ast, &Expr), right: (&Ast, &Expr)) -> Finding {
        let message = format!("{who} must have one type, not {} and {}", kind(left.1.ty), kind(right.1.ty));
        let literal = |(ast, typed): (&Ast, &Expr), other: Type| match (&typed.kind, other) {
            (ExprKind::Literal(Value::Int(value)), Type::Double) => {
                Some((ast.span, format!("write `{value}.0`")))
            }
            (ExprKind::Literal(Value::Double(value)), Type::Int) => {
                Some((ast.span, format!("write an int, such as `{value:.0}`")))
            }
            (ExprKind::Literal(Value::String(text)), Type::Int | Type::Double)
                if text.parse::<f64>().is_ok() =>
            {
                Some((ast.span, format!("write `{text}` without quotes")))
            }
            _ => None,
        };
        match literal(right, left.1.ty).or_else(|| literal(left, right.1.ty)) {
            Some((span, help)) => Finding::new(span, "G3002", message).help(help),
            None => Finding::new(span, "G3002", message),
        }
    }

    /// `a in [...]`, `a in signal` or `key in list.name`.
    fn member(&mut self, ast: &Ast, a: &Ast, b: &Ast) -> Result<Expr> {
        if let Some(list) = path(b).as_deref().and_then(|path| path.strip_prefix("list.")) {
            return self.list_test(ast, a, Spanned { value: list, span: b.span });
        }
        let item = self.expr(a, None)?;
        let list = self.expr(b, item.ty.list_of())?;
        let Some(element) = list.ty.element() else {
            let message = format!("`in` takes a list on its right, not {}", kind(list.ty));
            return Err(Finding::new(b.span, "G3002", message));
        };
        if element != item.ty {
            let message = format!("`in` looks for {} in {}", kind(item.ty), kind(list.ty));
            return Err(Finding::new(ast.span, "G3002", message));
        }
        Ok(self.done(ExprKind::Binary(BinaryOp::In, Box::new(item), Box::new(list)), Type::Bool, ast))
    }

    fn list_test(&mut self, ast: &Ast, key: &Ast, name: Spanned<&str>) -> Result<Expr> {
        let Some(list) = self.catalogue.lists.get(name.value) else {
            let finding =
                Finding::new(name.span, "G3005", format!("no list is called `list.{}`", name.value));
            return Err(
                finding.maybe_help(suggest(name.value, self.catalogue.lists.keys().map(String::as_str)))
            );
        };
        let bare = matches!(key.kind, AstKind::Name(_) | AstKind::Field(..));
        let looked_up = if bare { Some(self.resolve(key)?) } else { None };
        let Some(looked_up) = looked_up.filter(|key| matches!(key.birth, Birth::Request | Birth::Edge))
        else {
            let message = "the key of a list is a bare signal of zone `request` or `edge`";
            return Err(Finding::new(key.span, "G3007", message));
        };
        if looked_up.ty != list.of {
            let message = format!(
                "`list.{}` holds items of type {}, and `{}` is {}",
                name.value,
                list.of.name(),
                looked_up.name,
                kind(looked_up.ty)
            );
            return Err(Finding::new(key.span, "G3002", message));
        }
        let text = format!("list.{}({})", list.name, looked_up.name);
        let Ok(signal) = SignalName::parse(&text) else {
            return Err(Finding::new(ast.span, "G3007", format!("`{text}` is too long a name")));
        };
        let test = Signal {
            name: signal.clone(),
            ty: Type::Bool,
            birth: Birth::Cloud,
            origin: Origin::ListTest { list: list.name.clone(), key: looked_up.name.clone() },
            privacy: list.privacy,
            purpose: list.purpose.clone(),
            retention: list.retention,
            min_trust: Trust::Claimed,
            max_bytes: None,
            max_items: None,
            cost: list.cost,
        };
        self.signals.insert(signal.clone(), test);
        let test = ListTest { list: list.name.clone(), key: looked_up.name, signal: signal.clone() };
        if !self.lists.contains(&test) {
            self.lists.push(test);
        }
        Ok(self.done(ExprKind::Signal(signal), Type::Bool, ast))
    }

    fn call(
        &mut self,
        ast: &Ast,
        receiver: Option<&Ast>,
        name: &Spanned<String>,
        args: &[Ast],
    ) -> Result<Expr> {
        match (name.value.as_str(), receiver, args) {
            (_, Some(receiver), _) if path(receiver).as_deref() == Some("model") => {
                self.score(ast, name, args)
            }
            ("has", None, [arg]) => {
                let signal = match arg.kind {
                    AstKind::Name(_) | AstKind::Field(..) => self.resolve(arg)?,
                    _ => return Err(Finding::new(arg.span, "G3008", "`has` takes the name of a signal")),
                };
                let name = signal.name.clone();
                self.signals.insert(name.clone(), signal);
                Ok(self.done(ExprKind::Has(name), Type::Bool, ast))
            }
            ("size", None, [arg]) | ("size", Some(arg), []) => {
                let inner = self.expr(arg, None)?;
                if inner.ty != Type::String && inner.ty.element().is_none() {
                    let message = format!("`size` takes a string or a list, not {}", kind(inner.ty));
                    return Err(Finding::new(arg.span, "G3002", message));
                }
                Ok(self.done(ExprKind::Size(Box::new(inner)), Type::Int, ast))
            }
            ("startsWith" | "endsWith" | "contains", Some(receiver), [arg]) => {
                let who = format!("`{}`", name.value);
                let text = Box::new(self.want(receiver, Type::String, &who)?);
                let part = Box::new(self.want(arg, Type::String, &who)?);
                let kind = match name.value.as_str() {
                    "startsWith" => ExprKind::StartsWith(text, part),
                    "endsWith" => ExprKind::EndsWith(text, part),
                    _ => ExprKind::Contains(text, part),
                };
                Ok(self.done(kind, Type::Bool, ast))
            }
            _ => Err(no_such_call(receiver.is_some(), name, args.len())),
        }
    }
}

/// A type with its article.
pub(crate) fn kind(ty: Type) -> String {
    format!("{} {}", if ty == Type::Int { "an" } else { "a" }, ty.name())
}

/// Why a call is not one of the functions that conditions have.
fn no_such_call(method: bool, name: &Spanned<String>, count: usize) -> Finding {
    let word = name.value.as_str();
    if let Some((_, usage)) = FUNCTIONS.iter().find(|(known, _)| *known == word) {
        let message = format!("`{word}` is not called like this with {count} arguments");
        return Finding::new(name.span, "G3008", message).help(format!("write `{usage}`"));
    }
    if CEL_FUNCTIONS.contains(&word) || (method && CEL_MACROS.contains(&word)) {
        return unsupported(name.span, &format!("`{word}`"));
    }
    let finding = Finding::new(name.span, "G3008", format!("there is no function `{word}`"));
    finding.maybe_help(suggest(word, FUNCTIONS.iter().map(|(known, _)| *known)))
}

/// The dotted name that a chain of fields spells.
pub(super) fn path(ast: &Ast) -> Option<String> {
    match &ast.kind {
        AstKind::Name(name) => Some(name.clone()),
        AstKind::Field(inner, field) => Some(format!("{}.{}", path(inner)?, field.value)),
        _ => None,
    }
}

fn is_empty_list(ast: &Ast) -> bool {
    matches!(&ast.kind, AstKind::List(items) if items.is_empty())
}

/// Functions of conditions and how they are written.
const FUNCTIONS: &[(&str, &str)] = &[
    ("has", "has(signal)"),
    ("size", "size(x)"),
    ("startsWith", "text.startsWith(part)"),
    ("endsWith", "text.endsWith(part)"),
    ("contains", "text.contains(part)"),
];
/// Macros of CEL, written as methods.
const CEL_MACROS: &[&str] = &["all", "exists", "exists_one", "existsOne", "map", "filter"];
/// Functions of CEL's standard library that conditions do not have.
const CEL_FUNCTIONS: &[&str] = &[
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "cel",
];
