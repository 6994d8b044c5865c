//! An expression with its names resolved: what the checker types and the evaluator runs.
//!
//! Macros have become [`Fold`]s, operators calls of the function table, qualified names references to variables or
//! types. Nothing here depends on types, so an expression can be run without having been checked.

use super::table::Function;
use super::ty::Type;
use super::value::Value;
use crate::diagnostic::Span;
use std::sync::Arc;

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) span: Span,
    pub(crate) kind: ExprKind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Const(Value),
    /// A variable of a macro: its place from the outermost.
    Local(usize),
    /// A name from outside: the first reference that has a value.
    Name(Vec<Reference>),
    Select {
        on: Box<Expr>,
        field: Arc<str>,
    },
    /// `has(on.field)`
    Has {
        on: Box<Expr>,
        field: Arc<str>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Call {
        callee: Callee,
        /// The receiver is the first argument.
        method: bool,
        args: Vec<Expr>,
    },
    Fold(Box<Fold>),
}

/// One reading of a qualified name: a variable or a type, and fields of it.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) target: Target,
    pub(crate) fields: Vec<Arc<str>>,
}

/// What a name refers to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Variable(String),
    Type(Type),
}

/// What a call runs.
#[derive(Clone, Debug)]
pub(crate) enum Callee {
    /// A function of the table.
    Known(&'static Function),
    /// A function that the environment declares; it has no body.
    Declared(String),
    /// Nothing of this name exists; only an unchecked expression can hold it.
    Missing,
}

/// A macro over a list or map.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) kind: FoldKind,
    pub(crate) range: Expr,
    /// One or two variables.
    pub(crate) variables: usize,
    /// Which items count; always given for `filter`, `all`, `exists`, `exists_one`.
    pub(crate) test: Option<Expr>,
    /// What an item becomes; `None` where it stays as it is.
    pub(crate) item: Option<Expr>,
}

/// Which macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldKind {
    /// `all`
    All,
    /// `exists`
    Exists,
    /// `exists_one`
    One,
    /// `map`, `filter`, `transformList`
    List,
    /// `transformMap`
    Map,
}
