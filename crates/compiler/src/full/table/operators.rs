//! Operators: arithmetic with checked results, comparison across numeric types, membership, indexing.
//!
//! Statically a comparison takes two values of one type; values of `dyn` may mix numbers, which are then compared as
//! numbers.

use super::{Cost, Function, Lazy, Library, Overload, Run, Sig, call, on, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::{Key, Value};
use std::cmp::Ordering;
use std::sync::Arc;

use Sig::{A, B, Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};

const LIST: Sig = Sig::List(&A);
const MAP: Sig = Sig::Map(&A, &B);
const ORDERED: &[Overload] = &[
    call(&[Bool, Bool], Bool),
    call(&[Int, Int], Bool),
    call(&[Uint, Uint], Bool),
    call(&[Double, Double], Bool),
    call(&[String, String], Bool),
    call(&[Bytes, Bytes], Bool),
    call(&[Timestamp, Timestamp], Bool),
    call(&[Duration, Duration], Bool),
];
const NUMBERS: &[Overload] =
    &[call(&[Int, Int], Int), call(&[Uint, Uint], Uint), call(&[Double, Double], Double)];

pub(super) const FUNCTIONS: &[Function] = &[
    lazy("_&&_", Lazy::And, &[call(&[Bool, Bool], Bool)], "Both; an error is absorbed by `false`."),
    lazy("_||_", Lazy::Or, &[call(&[Bool, Bool], Bool)], "Either; an error is absorbed by `true`."),
    lazy("_?_:_", Lazy::If, &[call(&[Bool, A, A], A)], "The second or the third, as the first says."),
    operator("!_", &[call(&[Bool], Bool)], Cost::Steps(1), not, "Negation."),
    operator("_==_", &[call(&[A, A], Bool)], Cost::Walk, equal, "Equality; numbers as numbers."),
    operator("_!=_", &[call(&[A, A], Bool)], Cost::Walk, unequal, "Inequality."),
    operator("_<_", ORDERED, Cost::Bytes, less, "Less than."),
    operator("_<=_", ORDERED, Cost::Bytes, less_or_equal, "At most."),
    operator("_>_", ORDERED, Cost::Bytes, greater, "Greater than."),
    operator("_>=_", ORDERED, Cost::Bytes, greater_or_equal, "At least."),
    operator("@in", &[call(&[A, LIST], Bool), call(&[A, MAP], Bool)], Cost::Walk, member, "Membership."),
    operator(
        "_+_",
        &[
            call(&[Int, Int], Int),
            call(&[Uint, Uint], Uint),
            call(&[Double, Double], Double),
            call(&[String, String], String),
            call(&[Bytes, Bytes], Bytes),
            call(&[LIST, LIST], LIST),
            call(&[Timestamp, Duration], Timestamp),
            call(&[Duration, Timestamp], Timestamp),
            call(&[Duration, Duration], Duration),
        ],
        Cost::Items,
        add,
        "Sum, or one behind the other.",
    ),
    operator(
        "_-_",
        &[
            call(&[Int, Int], Int),
            call(&[Uint, Uint], Uint),
            call(&[Double, Double], Double),
            call(&[Timestamp, Timestamp], Duration),
            call(&[Timestamp, Duration], Timestamp),
            call(&[Duration, Duration], Duration),
        ],
        Cost::Steps(1),
        subtract,
        "Difference.",
    ),
    operator("_*_", NUMBERS, Cost::Steps(1), multiply, "Product."),
    operator("_/_", NUMBERS, Cost::Steps(1), divide, "Quotient; of integers towards zero."),
    operator(
        "_%_",
        &[call(&[Int, Int], Int), call(&[Uint, Uint], Uint)],
        Cost::Steps(1),
        remainder,
        "Remainder, with the sign of the first.",
    ),
    operator("-_", &[call(&[Int], Int), call(&[Double], Double)], Cost::Steps(1), negate, "Negative."),
    operator(
        "_[_]",
        &[call(&[LIST, Int], A), call(&[MAP, A], B)],
        Cost::Bytes,
        index,
        "The item at a place, or the value of a key.",
    ),
    operator(
        "size",
        &[
            call(&[String], Int),
            call(&[Bytes], Int),
            call(&[LIST], Int),
            call(&[MAP], Int),
            on(&[String], Int),
            on(&[Bytes], Int),
            on(&[LIST], Int),
            on(&[MAP], Int),
        ],
        Cost::Bytes,
        size,
        "Code points, bytes, items or entries.",
    ),
];

const fn operator(
    name: &'static str,
    overloads: &'static [Overload],
    cost: Cost,
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    row(Library::Standard, name, overloads, cost, run, about)
}

const fn lazy(
    name: &'static str,
    run: Lazy,
    overloads: &'static [Overload],
    about: &'static str,
) -> Function {
    let (library, cost) = (Library::Standard, Cost::Steps(1));
    Function { name, library, overloads, cost, run: Run::Lazy(run), about, variadic: false }
}

fn not(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn equal(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    match args {
        [left, right] => left.equals(right, meter).map(Value::Bool),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn unequal(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    match args {
        [left, right] => left.equals(right, meter).map(|equal| Value::Bool(!equal)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

/// A comparison; one with a NaN is false.
fn compare(args: &[Value], test: fn(Ordering) -> bool) -> Outcome<Value> {
    match args {
        [left, right] => match left.order(right) {
            Some(order) => Ok(Value::Bool(order.is_some_and(test))),
            None => Err(ErrorKind::NoSuchOverload),
        },
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn less(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    compare(args, Ordering::is_lt)
}

fn less_or_equal(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    compare(args, Ordering::is_le)
}

fn greater(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    compare(args, Ordering::is_gt)
}

fn greater_or_equal(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    compare(args, Ordering::is_ge)
}

fn member(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    match args {
        [item, Value::List(items)] => {
            for candidate in items.iter() {
                if item.equals(candidate, meter)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        [key, Value::Map(map)] => {
            meter.bytes(key.len())?;
            Ok(Value::Bool(Key::sought(key).is_some_and(|key| map.contains_key(&key))))
        }
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn overflow<T>(value: Option<T>, of: fn(T) -> Value) -> Outcome<Value> {
    value.map(of).ok_or(ErrorKind::Overflow)
}

fn add(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    Ok(match args {
        [Value::Int(a), Value::Int(b)] => return overflow(a.checked_add(*b), Value::Int),
        [Value::Uint(a), Value::Uint(b)] => return overflow(a.checked_add(*b), Value::Uint),
        [Value::Double(a), Value::Double(b)] => Value::Double(a + b),
        [Value::String(a), Value::String(b)] => Value::String(Arc::from([&**a, &**b].concat())),
        [Value::Bytes(a), Value::Bytes(b)] => Value::Bytes(Arc::from([&**a, &**b].concat())),
        [Value::List(a), Value::List(b)] => Value::list(a.iter().chain(b.iter()).cloned()),
        [Value::Timestamp(at), Value::Duration(by)] | [Value::Duration(by), Value::Timestamp(at)] => {
            Value::Timestamp(at.plus(*by)?)
        }
        [Value::Duration(a), Value::Duration(b)] => Value::Duration(a.plus(*b)?),
        _ => return Err(ErrorKind::NoSuchOverload),
    })
}

fn subtract(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    Ok(match args {
        [Value::Int(a), Value::Int(b)] => return overflow(a.checked_sub(*b), Value::Int),
        [Value::Uint(a), Value::Uint(b)] => return overflow(a.checked_sub(*b), Value::Uint),
        [Value::Double(a), Value::Double(b)] => Value::Double(a - b),
        [Value::Timestamp(a), Value::Timestamp(b)] => Value::Duration(a.since(*b)?),
        [Value::Timestamp(at), Value::Duration(by)] => Value::Timestamp(at.minus(*by)?),
        [Value::Duration(a), Value::Duration(b)] => Value::Duration(a.minus(*b)?),
        _ => return Err(ErrorKind::NoSuchOverload),
    })
}

fn multiply(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(a), Value::Int(b)] => overflow(a.checked_mul(*b), Value::Int),
        [Value::Uint(a), Value::Uint(b)] => overflow(a.checked_mul(*b), Value::Uint),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn divide(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(ErrorKind::DivideByZero),
        [Value::Int(a), Value::Int(b)] => overflow(a.checked_div(*b), Value::Int),
        [Value::Uint(a), Value::Uint(b)] => overflow(a.checked_div(*b), Value::Uint),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn remainder(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(ErrorKind::DivideByZero),
        [Value::Int(a), Value::Int(b)] => overflow(a.checked_rem(*b), Value::Int),
        [Value::Uint(a), Value::Uint(b)] => overflow(a.checked_rem(*b), Value::Uint),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn negate(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(value)] => overflow(value.checked_neg(), Value::Int),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn index(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::List(items), at] => {
            let at = match Key::sought(at) {
                Some(Key::Int(at)) => usize::try_from(at).map_err(|_| ErrorKind::IndexRange)?,
                Some(Key::Uint(at)) => usize::try_from(at).map_err(|_| ErrorKind::IndexRange)?,
                _ => return Err(ErrorKind::NoSuchOverload),
            };
            items.get(at).cloned().ok_or(ErrorKind::IndexRange)
        }
        [Value::Map(map), key] => {
            let key = Key::sought(key).ok_or(ErrorKind::NoSuchKey)?;
            map.get(&key).cloned().ok_or(ErrorKind::NoSuchKey)
        }
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn size(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let size = match args {
        [Value::String(text)] => text.chars().count(),
        [value @ (Value::Bytes(_) | Value::List(_) | Value::Map(_))] => value.len(),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| ErrorKind::Overflow)
}
