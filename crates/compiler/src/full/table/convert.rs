//! Conversions between types, and types as values.
//!
//! A number that does not fit is an error, never a wrapped or rounded one (but for doubles, which round to the nearest
//! and, towards integers, drop their fraction).

use super::{Cost, Function, Library, Overload, Sig, call, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::time::{Duration, Timestamp};
use crate::full::value::Value;
use std::sync::Arc;

use Sig::{A, Bool, Bytes, Double, Dyn, Int, String, Uint};

pub(super) const FUNCTIONS: &[Function] = &[
    convert(
        "int",
        &[
            call(&[Int], Int),
            call(&[Uint], Int),
            call(&[Double], Int),
            call(&[String], Int),
            call(&[Sig::Timestamp], Int),
        ],
        int,
        "An int: the fraction is dropped, text is decimal, a timestamp gives seconds since 1970.",
    ),
    convert(
        "uint",
        &[call(&[Int], Uint), call(&[Uint], Uint), call(&[Double], Uint), call(&[String], Uint)],
        uint,
        "A uint.",
    ),
    convert(
        "double",
        &[call(&[Int], Double), call(&[Uint], Double), call(&[Double], Double), call(&[String], Double)],
        double,
        "A double.",
    ),
    convert(
        "string",
        &[
            call(&[Bool], String),
            call(&[Int], String),
            call(&[Uint], String),
            call(&[Double], String),
            call(&[String], String),
            call(&[Bytes], String),
            call(&[Sig::Timestamp], String),
            call(&[Sig::Duration], String),
        ],
        string,
        "Text; bytes must be UTF-8, a timestamp is written as RFC 3339 says.",
    ),
    convert("bytes", &[call(&[Bytes], Bytes), call(&[String], Bytes)], bytes, "Bytes of UTF-8."),
    convert("bool", &[call(&[Bool], Bool), call(&[String], Bool)], boolean, "A bool, of `true` or `false`."),
    convert(
        "timestamp",
        &[
            call(&[Sig::Timestamp], Sig::Timestamp),
            call(&[String], Sig::Timestamp),
            call(&[Int], Sig::Timestamp),
        ],
        timestamp,
        "A moment, of RFC 3339 or seconds since 1970; years 1 to 9999.",
    ),
    convert(
        "duration",
        &[call(&[Sig::Duration], Sig::Duration), call(&[String], Sig::Duration)],
        duration,
        "A span of time, such as `1h30m`.",
    ),
    convert("type", &[call(&[A], Sig::Type(&A))], type_of, "The type of a value, as a value."),
    convert("dyn", &[call(&[A], Dyn)], dynamic, "The same value, its type no longer known."),
];

const fn convert(
    name: &'static str,
    overloads: &'static [Overload],
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    row(Library::Standard, name, overloads, Cost::Bytes, run, about)
}

fn int(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let value = match args {
        [Value::Int(value)] => Some(*value),
        [Value::Uint(value)] => i64::try_from(*value).ok(),
        [Value::Double(value)] => to_int(*value),
        [Value::String(text)] => text.parse().ok(),
        [Value::Timestamp(at)] => Some(at.seconds()),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    value.map(Value::Int).ok_or(ErrorKind::Conversion)
}

/// Exclusive of both ends of the range, as the specification's conformance cases ask for.
fn to_int(value: f64) -> Option<i64> {
    let limit = 2.0_f64.powi(63);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked, the fraction is dropped by purpose"
    )]
    (-limit < value && value < limit).then_some(value as i64)
}

fn uint(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let value = match args {
        [Value::Uint(value)] => Some(*value),
        [Value::Int(value)] => u64::try_from(*value).ok(),
        [Value::Double(value)] => to_uint(*value),
        [Value::String(text)] => text.parse().ok(),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    value.map(Value::Uint).ok_or(ErrorKind::Conversion)
}

fn to_uint(value: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked, the fraction is dropped by purpose"
    )]
    (0.0 <= value && value < 2.0_f64.powi(64)).then_some(value as u64)
}

fn double(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what the conversion is")]
    let value = match args {
        [Value::Double(value)] => *value,
        [Value::Int(value)] => *value as f64,
        [Value::Uint(value)] => *value as f64,
        [Value::String(text)] => parse_double(text).ok_or(ErrorKind::Conversion)?,
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    Ok(Value::Double(value))
}

/// Decimal text, `NaN` or `Infinity`; a number that is too large is none.
fn parse_double(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let written = text.contains(['i', 'I']);
    (value.is_finite() || value.is_nan() || written).then_some(value)
}

fn string(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let text = match args {
        [Value::String(_)] => return args.first().cloned().ok_or(ErrorKind::NoSuchOverload),
        [Value::Bytes(bytes)] => std::str::from_utf8(bytes).map_err(|_| ErrorKind::Conversion)?.to_owned(),
        [value] => scalar(value).ok_or(ErrorKind::NoSuchOverload)?,
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    Ok(Value::String(Arc::from(text)))
}

/// The text of a value that is neither text nor made of others.
pub(super) fn scalar(value: &Value) -> Option<std::string::String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double_text(*value),
        Value::Timestamp(at) => at.to_string(),
        Value::Duration(span) => span.to_string(),
        _ => return None,
    })
}

/// The shortest text that reads back as the same double; an exponent below 1e-4 and from 1e6, as cel-go writes it.
fn double_text(value: f64) -> std::string::String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (-4..6).contains(&exponent) {
        return value.to_string();
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn bytes(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [value @ Value::Bytes(_)] => Ok(value.clone()),
        [Value::String(text)] => Ok(Value::bytes(text.as_bytes())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn boolean(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::String(text)] => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(ErrorKind::Conversion),
        },
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn timestamp(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let at = match args {
        [Value::Timestamp(at)] => Some(*at),
        [Value::String(text)] => Timestamp::parse(text),
        [Value::Int(seconds)] => Timestamp::from_seconds(*seconds),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    at.map(Value::Timestamp).ok_or(ErrorKind::Conversion)
}

fn duration(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let span = match args {
        [Value::Duration(span)] => Some(*span),
        [Value::String(text)] => Duration::parse(text),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    span.map(Value::Duration).ok_or(ErrorKind::Conversion)
}

fn type_of(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [value] => Ok(Value::Type(Arc::from(value.type_name()))),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn dynamic(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [value] => Ok(value.clone()),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}
