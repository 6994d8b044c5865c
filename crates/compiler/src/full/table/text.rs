//! Functions on text that every CEL has: parts of it, and regular expressions.
//!
//! `matches` looks for a part that matches, as RE2 does; anchors are written where they are meant.
//! Patterns are compiled once an evaluation, and none can run longer than linear in the text.

use super::{Cost, Function, Library, Overload, Sig, call, on, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::Value;

use Sig::{Bool, String};

const PARTS: &[Overload] = &[on(&[String, String], Bool)];

pub(super) const FUNCTIONS: &[Function] = &[
    row(Library::Standard, "contains", PARTS, Cost::Bytes, contains, "Whether the text has the part."),
    row(Library::Standard, "startsWith", PARTS, Cost::Bytes, starts_with, "Whether the text begins so."),
    row(Library::Standard, "endsWith", PARTS, Cost::Bytes, ends_with, "Whether the text ends so."),
    row(
        Library::Standard,
        "matches",
        &[on(&[String, String], Bool), call(&[String, String], Bool)],
        Cost::Pattern,
        matches,
        "Whether a part of the text matches a regular expression (RE2, linear time).",
    ),
];

fn test(args: &[Value], test: fn(&str, &str) -> bool) -> Outcome<Value> {
    match args {
        [Value::String(text), Value::String(part)] => Ok(Value::Bool(test(text, part))),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn contains(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    test(args, |text, part| text.contains(part))
}

fn starts_with(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    test(args, |text, part| text.starts_with(part))
}

fn ends_with(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    test(args, |text, part| text.ends_with(part))
}

fn matches(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(text), Value::String(pattern)] => {
            let weight = meter.pattern(pattern)?.weight;
            meter.items(text.len().saturating_mul(weight))?;
            Ok(Value::Bool(meter.pattern(pattern)?.regex.is_match(text.as_bytes())))
        }
        _ => Err(ErrorKind::NoSuchOverload),
    }
}
