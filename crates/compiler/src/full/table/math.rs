//! The library `math`: functions on numbers that cel-go offers as `ext.Math`.
//!
//! `greatest` and `least` compare numbers of different types as numbers and give the one they found, of its own type;
//! among equals the first. Shifts of ints are logical, and by 64 and more give 0.

use super::{Cost, Function, Library, Overload, Run, Sig, call, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::Value;
use std::cmp::Ordering;

use Sig::{Bool, Double, Dyn, Int, Uint};

const EXTREME: &[Overload] = &[
    call(&[Int], Int),
    call(&[Uint], Uint),
    call(&[Double], Double),
    call(&[Int, Int], Int),
    call(&[Uint, Uint], Uint),
    call(&[Double, Double], Double),
    call(&[Int, Uint], Dyn),
    call(&[Int, Double], Dyn),
    call(&[Uint, Int], Dyn),
    call(&[Uint, Double], Dyn),
    call(&[Double, Int], Dyn),
    call(&[Double, Uint], Dyn),
    call(&[Sig::List(&Int)], Int),
    call(&[Sig::List(&Uint)], Uint),
    call(&[Sig::List(&Double)], Double),
];
const ROUNDING: &[Overload] = &[call(&[Double], Double)];
const TEST: &[Overload] = &[call(&[Double], Bool)];
const SAME: &[Overload] = &[call(&[Int], Int), call(&[Uint], Uint), call(&[Double], Double)];
const BITS: &[Overload] = &[call(&[Int, Int], Int), call(&[Uint, Uint], Uint)];
const SHIFT: &[Overload] = &[call(&[Int, Int], Int), call(&[Uint, Int], Uint)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        variadic: true,
        ..row(Library::Math, "math.greatest", EXTREME, Cost::Items, greatest, "The greatest number.")
    },
    Function {
        variadic: true,
        ..row(Library::Math, "math.least", EXTREME, Cost::Items, least, "The least number.")
    },
    number("math.ceil", ROUNDING, ceil, "The next whole number upwards."),
    number("math.floor", ROUNDING, floor, "The next whole number downwards."),
    number("math.round", ROUNDING, round, "The nearest whole number; halves away from zero."),
    number("math.trunc", ROUNDING, trunc, "Without the fraction."),
    number("math.isNaN", TEST, is_nan, "Whether it is not a number."),
    number("math.isInf", TEST, is_inf, "Whether it is infinite."),
    number("math.isFinite", TEST, is_finite, "Whether it is neither infinite nor NaN."),
    number("math.abs", SAME, abs, "Without the sign."),
    number("math.sign", SAME, sign, "-1, 0 or 1, in the number's type."),
    number(
        "math.sqrt",
        &[call(&[Int], Double), call(&[Uint], Double), call(&[Double], Double)],
        sqrt,
        "The square root.",
    ),
    number("math.bitAnd", BITS, bit_and, "Bits that both have."),
    number("math.bitOr", BITS, bit_or, "Bits that one has."),
    number("math.bitXor", BITS, bit_xor, "Bits that one of both has."),
    number("math.bitNot", &[call(&[Int], Int), call(&[Uint], Uint)], bit_not, "The other bits."),
    number("math.bitShiftLeft", SHIFT, shift_left, "Bits moved to the left."),
    number("math.bitShiftRight", SHIFT, shift_right, "Bits moved to the right, without the sign."),
];

const fn number(
    name: &'static str,
    overloads: &'static [Overload],
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    Function { run: Run::Strict(run), ..row(Library::Math, name, overloads, Cost::Steps(1), run, about) }
}

fn extreme(args: &[Value], want: Ordering) -> Outcome<Value> {
    let items = match args {
        [Value::List(items)] => items,
        other => other,
    };
    let mut best: Option<&Value> = None;
    for item in items {
        if !item.is_number() {
            return Err(ErrorKind::NoSuchOverload);
        }
        let better = best.is_none_or(|best| item.order(best).flatten() == Some(want));
        best = if better { Some(item) } else { best };
    }
    best.cloned().ok_or(ErrorKind::Argument)
}

fn greatest(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    extreme(args, Ordering::Greater)
}

fn least(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    extreme(args, Ordering::Less)
}

fn of_double(args: &[Value], run: fn(f64) -> Value) -> Outcome<Value> {
    match args {
        [Value::Double(value)] => Ok(run(*value)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn ceil(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Double(value.ceil()))
}

fn floor(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Double(value.floor()))
}

fn round(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Double(value.round()))
}

fn trunc(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Double(value.trunc()))
}

fn is_nan(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Bool(value.is_nan()))
}

fn is_inf(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Bool(value.is_infinite()))
}

fn is_finite(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    of_double(args, |value| Value::Bool(value.is_finite()))
}

fn abs(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(value)] => value.checked_abs().map(Value::Int).ok_or(ErrorKind::Overflow),
        [Value::Uint(value)] => Ok(Value::Uint(*value)),
        [Value::Double(value)] => Ok(Value::Double(value.abs())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn sign(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(value)] => Ok(Value::Int(value.signum())),
        [Value::Uint(value)] => Ok(Value::Uint((*value).min(1))),
        [Value::Double(value)] if *value == 0.0 || value.is_nan() => Ok(Value::Double(*value)),
        [Value::Double(value)] => Ok(Value::Double(value.signum())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn sqrt(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    #[expect(clippy::cast_precision_loss, reason = "the root of the nearest double is what is asked for")]
    let value = match args {
        [Value::Int(value)] => *value as f64,
        [Value::Uint(value)] => *value as f64,
        [Value::Double(value)] => *value,
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    Ok(Value::Double(value.sqrt()))
}

fn bits(args: &[Value], int: fn(i64, i64) -> i64, uint: fn(u64, u64) -> u64) -> Outcome<Value> {
    match args {
        [Value::Int(left), Value::Int(right)] => Ok(Value::Int(int(*left, *right))),
        [Value::Uint(left), Value::Uint(right)] => Ok(Value::Uint(uint(*left, *right))),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn bit_and(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    bits(args, |left, right| left & right, |left, right| left & right)
}

fn bit_or(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    bits(args, |left, right| left | right, |left, right| left | right)
}

fn bit_xor(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    bits(args, |left, right| left ^ right, |left, right| left ^ right)
}

fn bit_not(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Int(value)] => Ok(Value::Int(!value)),
        [Value::Uint(value)] => Ok(Value::Uint(!value)),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

/// A shift of the bits of either integer type; by 64 and more nothing is left.
fn shift(args: &[Value], run: fn(u64, u32) -> Option<u64>) -> Outcome<Value> {
    let [value, Value::Int(by)] = args else { return Err(ErrorKind::NoSuchOverload) };
    if *by < 0 {
        return Err(ErrorKind::Argument);
    }
    let by = u32::try_from(*by).unwrap_or(u32::MAX);
    match value {
        Value::Int(value) => Ok(Value::Int(run(value.cast_unsigned(), by).unwrap_or(0).cast_signed())),
        Value::Uint(value) => Ok(Value::Uint(run(*value, by).unwrap_or(0))),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn shift_left(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    shift(args, u64::checked_shl)
}

fn shift_right(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    shift(args, u64::checked_shr)
}
