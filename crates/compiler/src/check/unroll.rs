//! Macros over lists, written out: for each item that a list can have the condition with the item in its place.
//!
//! A zone runs no loop. `[a, b].exists(x, p(x))` is `p(a) || p(b)`, and over a signal with `max_items = 2` it is
//! `(0 < size(l) && p(l[0])) || (1 < size(l) && p(l[1]))`: what is behind the end of the list is false whatever its
//! error, as CEL's absorption has it. `all` is the same with `&&` and a guard that lets pass; `exists_one`, and
//! `size(l.filter(x, p))`, count. So a macro is no construct of its own to anything that comes later.
//!
//! How much a condition may grow by this is limited, and so is how deep it becomes.

use super::expr::{Checker, Result, kind};
use crate::cel::ast::{Ast, AstKind, BinaryOp};
use crate::cel::lex::unsupported;
use crate::diagnostic::{Span, Spanned};
use crate::source::Finding;
use glacis_wire::limits::DEPTH_MAX;

/// An item of a list, and whether there is one (`None`: always).
struct Item {
    guard: Option<Ast>,
    item: Ast,
}

impl Checker<'_> {
    /// A macro over a list, written out.
    pub(super) fn unroll(
        &mut self,
        ast: &Ast,
        name: &Spanned<String>,
        range: &Ast,
        variable: &Ast,
        body: &Ast,
    ) -> Result<Ast> {
        let AstKind::Name(variable) = &variable.kind else {
            let message = format!("the first argument of `{}` is the name of a variable", name.value);
            return Err(Finding::new(variable.span, "G3013", message));
        };
        if variable == RESULT {
            return Err(Finding::new(ast.span, "G3013", format!("`{RESULT}` is a name of CEL's own")));
        }
        let items = self.items(name, range)?;
        self.unrolled += items.len().saturating_mul(count(body).saturating_add(6)).saturating_add(3);
        if self.unrolled > NODES_MAX {
            let message = format!("macros make more than {NODES_MAX} parts of this condition");
            let finding = Finding::new(ast.span, "G3020", message);
            return Err(finding.help("lower the list's `max_items`, or say less in the macro"));
        }
        let span = ast.span;
        let unrolled = match name.value.as_str() {
            "exists" => {
                let guarded = |guard, holds| binary(BinaryOp::And, guard, holds);
                joined(BinaryOp::Or, each(items, variable, body, guarded))
                    .unwrap_or_else(|| leaf(AstKind::Bool(false), span))
            }
            "all" => {
                let lets_pass = |guard| node(AstKind::Not(Box::new(guard)), span);
                let guarded = |guard, holds| binary(BinaryOp::Or, lets_pass(guard), holds);
                joined(BinaryOp::And, each(items, variable, body, guarded))
                    .unwrap_or_else(|| leaf(AstKind::Bool(true), span))
            }
            "filter" => counted(items, variable, body, span),
            _ => {
                let one = leaf(AstKind::Int(1), span);
                binary(BinaryOp::Eq, counted(items, variable, body, span), one)
            }
        };
        if unrolled.depth > DEPTH_MAX {
            return Err(too_deep(span));
        }
        Ok(unrolled)
    }

    /// What a list can hold.
    fn items(&self, name: &Spanned<String>, range: &Ast) -> Result<Vec<Item>> {
        match &range.kind {
            AstKind::List(items) if items.is_empty() => {
                // There would be nothing to type the condition with.
                Err(Finding::new(range.span, "G3011", "an empty list has no items"))
            }
            AstKind::List(items) => {
                let literal = |item: &Ast| match item.kind {
                    AstKind::Bool(_)
                    | AstKind::Int(_)
                    | AstKind::Uint(_)
                    | AstKind::Double(_)
                    | AstKind::Text(_)
                    | AstKind::Bytes(_) => Ok(Item { guard: None, item: item.clone() }),
                    _ => {
                        let message = format!("`{}` goes over a list of literals", name.value);
                        Err(Finding::new(item.span, "G3003", message))
                    }
                };
                items.iter().map(literal).collect()
            }
            AstKind::Name(_) | AstKind::Field(..) => {
                let signal = self.resolve(range)?;
                if signal.ty.element().is_none() {
                    let message = format!("`{}` goes over a list, not {}", name.value, kind(signal.ty));
                    return Err(Finding::new(range.span, "G3002", message));
                }
                let Some(most) = signal.max_items else {
                    let message = format!("`{}` says no `max_items`", signal.name);
                    return Err(Finding::new(range.span, "G3020", message));
                };
                // Beyond the limit anyway; not worth making.
                let most = most.min(NODES_MAX);
                Ok((0..most).filter_map(|at| item_of(range, i64::try_from(at).ok()?)).collect())
            }
            _ => {
                let finding = unsupported(range.span, &format!("`{}` over a computed list", name.value));
                Err(finding.help("it goes over a list of literals, or a signal with `max_items`"))
            }
        }
    }
}

/// An item of a list signal.
fn item_of(range: &Ast, at: i64) -> Option<Item> {
    let place = leaf(AstKind::Int(at), range.span);
    let name = Spanned { value: "size".to_owned(), span: range.span };
    let size = node(AstKind::Call { receiver: None, name, args: vec![range.clone()] }, range.span);
    let guard = binary(BinaryOp::Lt, place.clone(), size);
    let item = node(AstKind::Index(Box::new(range.clone()), Box::new(place)), range.span);
    Some(Item { guard: Some(guard), item })
}

/// The condition for each item; `guarded` says what it is worth where there may be no item.
fn each(items: Vec<Item>, variable: &str, body: &Ast, guarded: impl Fn(Ast, Ast) -> Ast) -> Vec<Ast> {
    let one = |Item { guard, item }| {
        let holds = replaced(body, variable, &item);
        match guard {
            Some(guard) => guarded(guard, holds),
            None => holds,
        }
    };
    items.into_iter().map(one).collect()
}

/// How many items a condition is true of. An error of one is an error of all.
fn counted(items: Vec<Item>, variable: &str, body: &Ast, span: Span) -> Ast {
    let number = |value| leaf(AstKind::Int(value), span);
    let choice = |condition: Ast, yes: Ast| {
        node(AstKind::If(Box::new(condition), Box::new(yes), Box::new(number(0))), span)
    };
    let counts = items.into_iter().map(|Item { guard, item }| {
        let one = choice(replaced(body, variable, &item), number(1));
        match guard {
            Some(guard) => choice(guard, one),
            None => one,
        }
    });
    joined(BinaryOp::Add, counts.collect()).unwrap_or_else(|| number(0))
}

/// The tree with an item where a variable stands. Inside of a macro over the same name it is another variable.
fn replaced(ast: &Ast, variable: &str, item: &Ast) -> Ast {
    let sub = |part: &Ast| replaced(part, variable, item);
    let boxed = |part: &Ast| Box::new(sub(part));
    let kind = match &ast.kind {
        AstKind::Name(name) if name == variable => return Ast { span: ast.span, ..item.clone() },
        AstKind::Name(_)
        | AstKind::Root(_)
        | AstKind::Null
        | AstKind::Bool(_)
        | AstKind::Int(_)
        | AstKind::Uint(_)
        | AstKind::Double(_)
        | AstKind::Text(_)
        | AstKind::Bytes(_) => ast.kind.clone(),
        AstKind::List(items) => AstKind::List(items.iter().map(sub).collect()),
        AstKind::Map(entries) => {
            AstKind::Map(entries.iter().map(|(key, value)| (sub(key), sub(value))).collect())
        }
        AstKind::Field(inner, field) => AstKind::Field(boxed(inner), field.clone()),
        AstKind::Quoted(inner, field) => AstKind::Quoted(boxed(inner), field.clone()),
        AstKind::Index(list, at) => AstKind::Index(boxed(list), boxed(at)),
        AstKind::Not(inner) => AstKind::Not(boxed(inner)),
        AstKind::Neg(inner) => AstKind::Neg(boxed(inner)),
        AstKind::Binary(op, a, b) => AstKind::Binary(*op, boxed(a), boxed(b)),
        AstKind::If(condition, yes, no) => AstKind::If(boxed(condition), boxed(yes), boxed(no)),
        AstKind::Call { receiver, name, args } => {
            let hidden = matches!(args.first().map(|arg| &arg.kind), Some(AstKind::Name(own)) if own == variable)
                && MACROS.contains(&name.value.as_str());
            let args = if hidden { args.clone() } else { args.iter().map(sub).collect() };
            AstKind::Call { receiver: receiver.as_deref().map(boxed), name: name.clone(), args }
        }
    };
    node(kind, ast.span)
}

/// A chain of the least depth; `None` of no parts.
fn joined(op: BinaryOp, mut parts: Vec<Ast>) -> Option<Ast> {
    if parts.len() <= 1 {
        return parts.pop();
    }
    let right = parts.split_off(parts.len().div_ceil(2));
    Some(binary(op, joined(op, parts)?, joined(op, right)?))
}

fn binary(op: BinaryOp, a: Ast, b: Ast) -> Ast {
    let span = a.span.to(b.span);
    node(AstKind::Binary(op, Box::new(a), Box::new(b)), span)
}

const fn leaf(kind: AstKind, span: Span) -> Ast {
    Ast { kind, span, depth: 1 }
}

/// A node that knows how deep it is.
fn node(kind: AstKind, span: Span) -> Ast {
    let depth = 1 + parts(&kind).into_iter().map(|part| part.depth).max().unwrap_or(0);
    Ast { kind, span, depth }
}

fn parts(kind: &AstKind) -> Vec<&Ast> {
    match kind {
        AstKind::Null
        | AstKind::Bool(_)
        | AstKind::Int(_)
        | AstKind::Uint(_)
        | AstKind::Double(_)
        | AstKind::Text(_)
        | AstKind::Bytes(_)
        | AstKind::Name(_)
        | AstKind::Root(_) => Vec::new(),
        AstKind::List(items) => items.iter().collect(),
        AstKind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        AstKind::Field(a, _) | AstKind::Quoted(a, _) | AstKind::Not(a) | AstKind::Neg(a) => vec![a],
        AstKind::Index(a, b) | AstKind::Binary(_, a, b) => vec![a, b],
        AstKind::If(a, b, c) => vec![a, b, c],
        AstKind::Call { receiver, args, .. } => receiver.as_deref().into_iter().chain(args).collect(),
    }
}

/// Nodes of a tree.
fn count(ast: &Ast) -> usize {
    1 + parts(&ast.kind).into_iter().map(count).sum::<usize>()
}

/// A condition that macros made too deep.
pub(super) fn too_deep(span: Span) -> Finding {
    let message = format!("macros make this condition deeper than {DEPTH_MAX} levels");
    Finding::new(span, "G3020", message).help("nest fewer macros")
}

/// Calls whose first argument is a variable.
const MACROS: [&str; 6] = ["exists", "all", "exists_one", "existsOne", "filter", "map"];
/// What CEL's own macros call what they gather; no variable.
const RESULT: &str = "__result__";
/// LIMIT: nodes that macros make of one condition.
const NODES_MAX: usize = 4_096;
