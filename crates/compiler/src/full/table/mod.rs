//! The function table: every function with its overloads, its cost and what it does.
//!
//! One row drives everything that knows of a function: the checker reads its overloads, the evaluator its cost and
//! its body, the reference in docs/reference/cel.md is printed from it. A body takes values of any types, since an
//! expression may be dynamic; what no overload takes is `no such overload`.
//!
//! A function cannot be added without a cost: the row has no default.

mod convert;
pub(crate) mod encoders;
mod format;
mod lists;
mod math;
mod networks;
mod operators;
mod strings;
mod text;
mod times;

use super::fault::{Meter, Outcome, steps_of};
use super::ty::Type;
use super::value::Value;

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) library: Library,
    pub(crate) overloads: &'static [Overload],
    pub(crate) cost: Cost,
    pub(crate) run: Run,
    /// One sentence for the reference.
    pub(crate) about: &'static str,
    /// Three and more arguments are passed as one list.
    pub(crate) variadic: bool,
}

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Overload {
    /// Whether it is called on its first parameter.
    pub(crate) method: bool,
    pub(crate) parameters: &'static [Sig],
    pub(crate) result: Sig,
}

/// How a function is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// The evaluator decides which arguments it evaluates.
    Lazy(Lazy),
    /// All arguments are values.
    Strict(fn(&[Value], &mut Meter) -> Outcome<Value>),
}

/// Operators that may leave an operand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lazy {
    And,
    Or,
    If,
}

/// Steps that a call costs beyond the evaluation of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// As many, whatever the arguments.
    Steps(u64),
    /// One for each eight bytes of all arguments.
    Bytes,
    /// One for each item, or each eight bytes, of all arguments.
    Items,
    /// One for each node visited, counted as it is visited.
    Walk,
    /// For each byte of the text the weight of the pattern, which is its size when compiled; 10,000 to compile it.
    Pattern,
}

impl Cost {
    /// Takes what is known before the call; the rest is taken by the body.
    pub(crate) fn charge(self, args: &[Value], meter: &mut Meter) -> Outcome<()> {
        match self {
            Self::Steps(steps) => meter.take(steps),
            Self::Bytes => args.iter().try_for_each(|arg| meter.take(steps_of(arg.len()))),
            Self::Items => args.iter().try_for_each(|arg| match arg {
                Value::String(_) | Value::Bytes(_) => meter.bytes(arg.len()),
                other => meter.items(other.len()),
            }),
            Self::Walk | Self::Pattern => meter.take(1),
        }
    }

    /// For the reference.
    pub(crate) fn formula(self) -> String {
        match self {
            Self::Steps(steps) => steps.to_string(),
            Self::Bytes => "1 + bytes / 8".to_owned(),
            Self::Items => "items, or 1 + bytes / 8".to_owned(),
            Self::Walk => "nodes".to_owned(),
            Self::Pattern => "bytes × weight of the pattern".to_owned(),
        }
    }
}

/// A set of functions that an environment offers or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Library {
    /// What the CEL specification defines; always there.
    Standard,
    /// Text: `charAt`, `split`, `format` and others, as cel-go's `ext.Strings`.
    Strings,
    /// Numbers: `math.greatest`, `math.round` and others, as cel-go's `ext.Math`.
    Math,
    /// Lists: `slice`, `sort`, `distinct` and others, as cel-go's `ext.Lists` without optional values.
    Lists,
    /// Base64, as cel-go's `ext.Encoders`.
    Encoders,
    /// Addresses and networks: `inCIDR`.
    Networks,
    /// Macros over index and item, or key and value, as cel-go's `ext.TwoVarComprehensions`.
    TwoVariables,
}

impl Library {
    /// Every library, the standard first.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::Strings,
        Self::Math,
        Self::Lists,
        Self::Encoders,
        Self::Networks,
        Self::TwoVariables,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strings => "strings",
            Self::Math => "math",
            Self::Lists => "lists",
            Self::Encoders => "encoders",
            Self::Networks => "networks",
            Self::TwoVariables => "two-variable macros",
        }
    }
}

/// A type in a row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sig {
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(&'static Self),
    Map(&'static Self, &'static Self),
    Type(&'static Self),
    /// Type parameters.
    A,
    B,
}

impl Sig {
    /// As a type of the checker.
    pub(crate) fn ty(self) -> Type {
        match self {
            Self::Dyn => Type::Dyn,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Timestamp => Type::Timestamp,
            Self::Duration => Type::Duration,
            Self::List(of) => Type::list(of.ty()),
            Self::Map(key, value) => Type::map(key.ty(), value.ty()),
            Self::Type(of) => Type::Type(Box::new(of.ty())),
            Self::A => Type::Param("A".to_owned()),
            Self::B => Type::Param("B".to_owned()),
        }
    }
}

/// Every function, by library.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The function of a name, for which `test` holds.
pub(crate) fn find(name: &str, test: impl Fn(&Function) -> bool) -> Option<&'static Function> {
    all().find(|function| function.name == name && test(function))
}

const TABLES: &[&[Function]] = &[
    operators::FUNCTIONS,
    text::FUNCTIONS,
    convert::FUNCTIONS,
    times::FUNCTIONS,
    strings::FUNCTIONS,
    math::FUNCTIONS,
    lists::FUNCTIONS,
    encoders::FUNCTIONS,
    networks::FUNCTIONS,
];

const fn call(parameters: &'static [Sig], result: Sig) -> Overload {
    Overload { method: false, parameters, result }
}

const fn on(parameters: &'static [Sig], result: Sig) -> Overload {
    Overload { method: true, parameters, result }
}

/// A strict function.
const fn row(
    library: Library,
    name: &'static str,
    overloads: &'static [Overload],
    cost: Cost,
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    Function { name, library, overloads, cost, run: Run::Strict(run), about, variadic: false }
}
