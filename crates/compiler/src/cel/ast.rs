//! The parsed condition before names and types mean anything.
//!
//! Spans are byte offsets into the condition's own text. Every node knows how deep it is, so that no later pass
//! can recurse further than [`DEPTH_MAX`](glacis_wire::limits::DEPTH_MAX).

use crate::diagnostic::{Span, Spanned};

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ast {
    pub(crate) kind: AstKind,
    pub(crate) span: Span,
    /// 1 for a leaf.
    pub(crate) depth: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AstKind {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Ast>),
    Name(String),
    Field(Box<Ast>, Spanned<String>),
    Not(Box<Ast>),
    Neg(Box<Ast>),
    Binary(BinaryOp, Box<Ast>, Box<Ast>),
    If(Box<Ast>, Box<Ast>, Box<Ast>),
    Call { receiver: Option<Box<Ast>>, name: Spanned<String>, args: Vec<Ast> },
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl BinaryOp {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
        }
    }

    /// How tightly it binds; all binary operators of CEL associate to the left.
    pub(crate) const fn power(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge | Self::In => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Rem => 5,
        }
    }
}
