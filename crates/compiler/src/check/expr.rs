//! Types: from the parsed condition to the typed tree.
//!
//! Static and without conversions: an int never meets a double, a list holds one scalar type, a list's items are
//! constants. Names resolve against the catalogue; `key in list.name` becomes a Boolean signal of the cloud. The
//! first mistake of a condition is reported, with the fix where there is one.

use super::unroll::too_deep;
use crate::catalogue::{Birth, Catalogue, ListTest, Origin, Signal};
use crate::cel::ast::{Ast, AstKind, BinaryOp};
use crate::cel::lex::unsupported;
use crate::checked::{Expr, ExprKind};
use crate::diagnostic::{Span, Spanned, suggest};
use crate::read::model::RawModel;
use crate::source::{Finding, TextMap};
use glacis_wire::limits::{DEPTH_MAX, VALUE_BYTES_MAX};
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
    let mut checker = Checker {
        catalogue,
        models,
        map,
        signals: BTreeMap::new(),
        lists: Vec::new(),
        warnings: Vec::new(),
        unrolled: 0,
    };
    let deep = |expr: Expr| if depth(&expr) > DEPTH_MAX { Err(too_deep(ast.span)) } else { Ok(expr) };
    let expr = checker
        .expr(ast, None)
        .and_then(deep)
        .map_err(|finding| Finding { span: map.span(finding.span), ..finding })?;
    let Checker { signals, lists, warnings, .. } = checker;
    Ok(Typed { expr, signals, lists, warnings })
}

pub(super) struct Checker<'c> {
    catalogue: &'c Catalogue,
    pub(super) models: &'c [RawModel],
    map: &'c TextMap,
    pub(super) signals: BTreeMap<SignalName, Signal>,
    lists: Vec<ListTest>,
    warnings: Vec<Finding>,
    /// Nodes that macros made.
    pub(super) unrolled: usize,
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
            AstKind::Uint(value) => literal(Value::Uint(*value), Type::Uint),
            AstKind::Text(text) => {
                short(ast, "a string", text.len())?;
                literal(Value::String(text.clone()), Type::String)
            }
            AstKind::Bytes(bytes) => {
                short(ast, "a bytes literal", bytes.len())?;
                literal(Value::Bytes(bytes.clone()), Type::Bytes)
            }
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
            AstKind::Index(inner, at) => self.index(ast, inner, at),
            AstKind::Map(_) => {
                let finding = unsupported(ast.span, "a map as a value");
                Err(finding.help("look something up in it: `{\"a\": 1}[x]`, or ask `x in {...}`"))
            }
            AstKind::Call { receiver, name, args } => self.call(ast, receiver.as_deref(), name, args),
            // INVARIANT: the parser of conditions has refused these already, each by its name.
            AstKind::Null | AstKind::Root(_) | AstKind::Quoted(..) => Err(unsupported(ast.span, "this")),
        }
    }

    pub(super) fn want(&mut self, ast: &Ast, ty: Type, who: &str) -> Result<Expr> {
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
                return Err(of_two_types(item.span, "the items of a list", expr.ty, first.ty));
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
    pub(super) fn resolve(&self, ast: &Ast) -> Result<Signal> {
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
                let (left, right) = self.pair(a, b, None)?;
                match time_type(op, left.ty, right.ty) {
                    Some(ty) => ((left, right), ty),
                    None => {
                        let pair = self.of_one_type(ast, op, (a, left), (b, right))?;
                        let ty = pair.0.ty;
                        self.numeric(ast, op, ty)?;
                        (pair, ty)
                    }
                }
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
            (Type::Int | Type::Uint, _) => Ok(()),
            (Type::Double, BinaryOp::Rem) => {
                Err(Finding::new(ast.span, "G3002", "`%` takes ints or uints only"))
            }
            (Type::Double, _) => Ok(()),
            (Type::Bool, _) => {
                Err(Finding::new(ast.span, "G3002", format!("`{symbol}` takes numbers, not bools")))
            }
            (Type::Timestamp | Type::Duration, _) => {
                let message = format!("`{symbol}` does not take {} and another", kind(ty));
                Err(Finding::new(ast.span, "G3002", message))
            }
            (_, BinaryOp::Add) => Err(unsupported(ast.span, "joining strings or lists with `+`")),
            _ => Err(Finding::new(ast.span, "G3002", format!("`{symbol}` takes numbers, not {}", kind(ty)))),
        }
    }

    /// Two operands of one type.
    fn alike(&mut self, ast: &Ast, op: BinaryOp, a: &Ast, b: &Ast) -> Result<(Expr, Expr)> {
        let (left, right) = self.pair(a, b, None)?;
        self.of_one_type(ast, op, (a, left), (b, right))
    }

    fn of_one_type(
        &self,
        ast: &Ast,
        op: BinaryOp,
        (a, left): (&Ast, Expr),
        (b, right): (&Ast, Expr),
    ) -> Result<(Expr, Expr)> {
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
        let keys = match &b.kind {
            AstKind::Map(entries) => {
                let keys = entries.iter().map(|(key, _)| key.clone()).collect();
                // Their values are of no consequence, but they are read.
                entries.iter().try_for_each(|(_, value)| self.constant(value).map(|_| ()))?;
                Some(Ast { kind: AstKind::List(keys), ..b.clone() })
            }
            _ => None,
        };
        let list = self.expr(keys.as_ref().unwrap_or(b), item.ty.list_of())?;
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

    /// `list[at]` or `{key: value}[at]`.
    fn index(&mut self, ast: &Ast, inner: &Ast, at: &Ast) -> Result<Expr> {
        if let AstKind::Map(entries) = &inner.kind {
            return self.pick(ast, inner, entries, at);
        }
        let list = self.expr(inner, None)?;
        let Some(element) = list.ty.element() else {
            let message = format!("`[…]` takes a list or a map literal, not {}", kind(list.ty));
            return Err(Finding::new(inner.span, "G3002", message));
        };
        if is_empty_list(inner) {
            return Err(Finding::new(ast.span, "G3011", "an empty list has no items"));
        }
        let at = self.want(at, Type::Int, "the index of a list")?;
        Ok(self.done(ExprKind::Index(Box::new(list), Box::new(at)), element, ast))
    }

    fn pick(&mut self, ast: &Ast, map: &Ast, entries: &[(Ast, Ast)], at: &Ast) -> Result<Expr> {
        let (mut keys, mut values): (Vec<Expr>, Vec<Expr>) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            let (typed, held) = (self.constant(key)?, self.constant(value)?);
            let legal = matches!(typed.ty, Type::Bool | Type::Int | Type::Uint | Type::String)
                && matches!(typed.kind, ExprKind::Literal(_));
            if !legal {
                let message = "the keys of a map are literals: bools, ints, uints or strings";
                return Err(Finding::new(key.span, "G3003", message));
            }
            if let Some(first) = keys.first().filter(|first| first.ty != typed.ty) {
                return Err(of_two_types(key.span, "the keys of a map", typed.ty, first.ty));
            }
            if let Some(first) = values.first().filter(|first| first.ty != held.ty) {
                return Err(of_two_types(value.span, "the values of a map", held.ty, first.ty));
            }
            if keys.iter().any(|known| known.kind == typed.kind) {
                return Err(Finding::new(key.span, "G3011", "this key is in the map already"));
            }
            keys.push(typed);
            values.push(held);
        }
        let (Some(first), Some(value)) = (keys.first(), values.first()) else {
            return Err(Finding::new(map.span, "G3011", "an empty map has no entries"));
        };
        if value.ty.element().is_some() {
            return Err(unsupported(map.span, "a map of lists"));
        }
        let (key_ty, ty) = (first.ty, value.ty);
        let key = Box::new(self.want(at, key_ty, "the key of this map")?);
        Ok(self.done(ExprKind::Pick { keys, values, key }, ty, ast))
    }

    /// An expression that reads no signal.
    fn constant(&mut self, ast: &Ast) -> Result<Expr> {
        let typed = self.expr(ast, None)?;
        if typed.readings().is_empty() {
            return Ok(typed);
        }
        Err(Finding::new(ast.span, "G3003", "a map literal holds constants only"))
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
        let fits = |key: &Signal| matches!(key.birth, Birth::Request | Birth::Edge);
        let kept = looked_up.as_ref().filter(|key| key.birth == Birth::Device);
        let way = kept.map_or(String::new(), |kept| {
            let (signal, label) = (&kept.name, kept.privacy.name());
            format!(": {signal} ({label}, device) → key of list.{} → cloud", name.value)
        });
        let Some(looked_up) = looked_up.filter(fits) else {
            let message = format!("the key of a list is a bare signal of zone `request` or `edge`{way}");
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
}

/// A literal is no longer than any value.
fn short(ast: &Ast, what: &str, bytes: usize) -> Result<()> {
    if bytes <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(Finding::new(ast.span, "G3001", format!("{what} of {bytes} bytes; at most {VALUE_BYTES_MAX}")))
}

fn of_two_types(span: Span, what: &str, second: Type, first: Type) -> Finding {
    let message = format!("{what} have one type: {} follows {}", kind(second), kind(first));
    Finding::new(span, "G3004", message)
}

/// The type of a sum or difference of times, if it is one.
const fn time_type(op: BinaryOp, a: Type, b: Type) -> Option<Type> {
    match (op, a, b) {
        (BinaryOp::Add, Type::Timestamp, Type::Duration)
        | (BinaryOp::Add, Type::Duration, Type::Timestamp)
        | (BinaryOp::Sub, Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (BinaryOp::Sub, Type::Timestamp, Type::Timestamp)
        | (BinaryOp::Add | BinaryOp::Sub, Type::Duration, Type::Duration) => Some(Type::Duration),
        _ => None,
    }
}

/// Levels of an expression. The parser and macros limit what this recurses over.
fn depth(expr: &Expr) -> usize {
    1 + expr.parts().into_iter().map(depth).max().unwrap_or(0)
}

/// A type with its article.
pub(crate) fn kind(ty: Type) -> String {
    format!("{} {}", if ty == Type::Int { "an" } else { "a" }, ty.name())
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
