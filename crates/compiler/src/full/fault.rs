//! Why an evaluation has no value, and the meter that bounds it.
//!
//! An error of CEL is a value's absence, not a crash: `&&` and `||` absorb it where the other operand decides. What
//! must never be absorbed is an exhausted limit ([`ErrorKind::Budget`]), or a cheap operand could hide an endless one.
//! No error holds a value: only kinds, types and places.

use super::pattern::{self, Pattern};
use crate::diagnostic::Span;
use std::fmt;
use std::sync::Arc;

/// What kind of error an evaluation ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A function or operator got values that it is not defined for.
    NoSuchOverload,
    /// A map has no such key, or a value no such field.
    NoSuchKey,
    /// An index is not in the list.
    IndexRange,
    /// A variable has no value.
    Unbound,
    /// A variable's value is not of its declared type, too large or nested too deep.
    Binding,
    /// A function is declared but has no body here, or does not exist.
    UnboundFunction,
    /// Division or remainder by zero.
    DivideByZero,
    /// A result does not fit its type.
    Overflow,
    /// A value cannot be converted to the type asked for.
    Conversion,
    /// A map literal has one key twice, or a key of a type that cannot be one.
    MapKey,
    /// A regular expression is none, or too large.
    Pattern,
    /// A time zone does not exist.
    Zone,
    /// An argument is outside of what a function takes.
    Argument,
    /// A value is nested too deep. Never absorbed.
    Depth,
    /// The budget of steps is used up. Never absorbed.
    Budget,
}

impl ErrorKind {
    /// A stable word for logs and comparisons.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSuchOverload => "no_such_overload",
            Self::NoSuchKey => "no_such_key",
            Self::IndexRange => "index_range",
            Self::Unbound => "unbound",
            Self::Binding => "binding",
            Self::UnboundFunction => "unbound_function",
            Self::DivideByZero => "divide_by_zero",
            Self::Overflow => "overflow",
            Self::Conversion => "conversion",
            Self::MapKey => "map_key",
            Self::Pattern => "pattern",
            Self::Zone => "zone",
            Self::Argument => "argument",
            Self::Depth => "depth",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchOverload => "no such overload",
            Self::NoSuchKey => "no such key",
            Self::IndexRange => "index out of range",
            Self::Unbound => "variable without a value",
            Self::Binding => "value that its variable cannot have",
            Self::UnboundFunction => "function without a body",
            Self::DivideByZero => "division by zero",
            Self::Overflow => "result out of range",
            Self::Conversion => "value cannot be converted",
            Self::MapKey => "not a key, or one key twice",
            Self::Pattern => "not a regular expression",
            Self::Zone => "no such time zone",
            Self::Argument => "argument out of range",
            Self::Depth => "value nested too deep",
            Self::Budget => "budget exhausted",
        })
    }
}

/// An error of an evaluation and the part of the expression that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    kind: ErrorKind,
    span: Span,
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at bytes {}..{}", self.kind, self.span.start, self.span.end)
    }
}

impl std::error::Error for EvalError {}

impl EvalError {
    pub(crate) const fn new(kind: ErrorKind, span: Span) -> Self {
        Self { kind, span }
    }

    /// What kind of error it is. Branch on this, never on the text.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The bytes of the expression that it comes from.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Whether `&&`, `||` and the quantifiers may absorb it.
    pub(crate) const fn absorbable(&self) -> bool {
        !matches!(self.kind, ErrorKind::Budget | ErrorKind::Depth)
    }
}

/// What functions return.
pub(crate) type Outcome<T> = Result<T, ErrorKind>;

/// Steps that an evaluation may still take. A step is about one visited node, item or eight bytes.
#[derive(Debug)]
pub(crate) struct Meter {
    left: u64,
    /// Patterns compiled by this evaluation, the latest last.
    patterns: Vec<(Arc<str>, Pattern)>,
}

impl Meter {
    pub(crate) const fn new(budget: u64) -> Self {
        Self { left: budget, patterns: Vec::new() }
    }

    /// A pattern, compiled once an evaluation.
    pub(crate) fn pattern(&mut self, text: &Arc<str>) -> Outcome<&Pattern> {
        let at = match self.patterns.iter().position(|(known, _)| known == text) {
            Some(at) => at,
            None => {
                self.take(PATTERN_STEPS)?;
                if self.patterns.len() >= PATTERNS_MAX {
                    self.patterns.clear();
                }
                self.patterns.push((Arc::clone(text), pattern::compile(text)?));
                self.patterns.len() - 1
            }
        };
        self.patterns.get(at).map(|(_, pattern)| pattern).ok_or(ErrorKind::Pattern)
    }

    /// Takes steps, or ends the evaluation.
    pub(crate) const fn take(&mut self, steps: u64) -> Outcome<()> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(ErrorKind::Budget)
            }
        }
    }

    /// Takes the steps that reading or writing so many bytes costs.
    pub(crate) fn bytes(&mut self, bytes: usize) -> Outcome<()> {
        self.take(steps_of(bytes))
    }

    /// Takes the steps that so many items cost.
    pub(crate) fn items(&mut self, items: usize) -> Outcome<()> {
        self.take(u64::try_from(items).unwrap_or(u64::MAX))
    }
}

/// Steps of touching `bytes` bytes.
pub(crate) fn steps_of(bytes: usize) -> u64 {
    u64::try_from(bytes / 8 + 1).unwrap_or(u64::MAX)
}

/// Steps of compiling a pattern.
const PATTERN_STEPS: u64 = 10_000;
/// LIMIT: compiled patterns that one evaluation keeps.
const PATTERNS_MAX: usize = 16;
