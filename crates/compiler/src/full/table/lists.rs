//! The library `lists`: functions on lists that cel-go offers as `ext.Lists`.
//!
//! `first` and `last` are left out: they give optional values. `sort` takes items of one type that has an order.
//! Whatever compares items pays for each comparison.

use super::{Cost, Function, Library, Overload, Sig, call, on, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::Value;
use std::cmp::Ordering;

use Sig::{A, Dyn, Int};

const LIST: Sig = Sig::List(&A);

pub(super) const FUNCTIONS: &[Function] = &[
    extension("slice", &[on(&[LIST, Int, Int], LIST)], slice, "The items from a place to before another."),
    extension(
        "flatten",
        &[on(&[Sig::List(&LIST)], LIST), on(&[Sig::List(&Dyn), Int], Sig::List(&Dyn))],
        flatten,
        "Items of lists in the list, one level or so many.",
    ),
    extension("sort", &[on(&[LIST], LIST)], sort, "In ascending order."),
    extension(
        "reverse",
        super::strings::REVERSE,
        super::strings::reverse,
        "Items, or code points, in reverse.",
    ),
    extension("distinct", &[on(&[LIST], LIST)], distinct, "Without items that equal an earlier one."),
    extension("lists.range", &[call(&[Int], Sig::List(&Int))], range, "The ints from 0 to before a number."),
];

const fn extension(
    name: &'static str,
    overloads: &'static [Overload],
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    row(Library::Lists, name, overloads, Cost::Walk, run, about)
}

fn slice(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let [Value::List(items), Value::Int(from), Value::Int(to)] = args else {
        return Err(ErrorKind::NoSuchOverload);
    };
    let place = |at: &i64| usize::try_from(*at).map_err(|_| ErrorKind::IndexRange);
    let part = items.get(place(from)?..place(to)?).ok_or(ErrorKind::IndexRange)?;
    meter.items(part.len())?;
    Ok(Value::list(part.iter().cloned()))
}

fn flatten(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let (items, depth) = match args {
        [Value::List(items)] => (items, 1),
        [Value::List(items), Value::Int(depth)] => (items, *depth),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    if depth < 0 {
        return Err(ErrorKind::Argument);
    }
    let mut flat = Vec::new();
    flatten_into(items, depth, &mut flat, meter)?;
    Ok(Value::list(flat))
}

/// Recursion is bounded by the depth of the value, which is limited.
fn flatten_into(items: &[Value], depth: i64, flat: &mut Vec<Value>, meter: &mut Meter) -> Outcome<()> {
    for item in items {
        meter.take(1)?;
        match item {
            Value::List(inner) if depth > 0 => flatten_into(inner, depth - 1, flat, meter)?,
            other => flat.push(other.clone()),
        }
    }
    Ok(())
}

fn sort(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let [Value::List(items)] = args else { return Err(ErrorKind::NoSuchOverload) };
    // Comparisons of a sort: at most n log n; each of at most the longest item.
    let longest = items.iter().map(|item| 1 + item.len() / 8).max().unwrap_or(1);
    let rounds = usize::try_from(items.len().max(1).ilog2() + 1).unwrap_or(64);
    meter.items(items.len().saturating_mul(rounds).saturating_mul(longest))?;
    let mut sorted = items.to_vec();
    let Some(first) = sorted.first().cloned() else { return Ok(Value::list([])) };
    // Items of one type without NaN are totally ordered; numbers of mixed types are not (see `Value::order`).
    let fits = |item: &Value| {
        item.type_name() == first.type_name() && item.order(item).flatten() == Some(Ordering::Equal)
    };
    if !sorted.iter().all(fits) {
        return Err(ErrorKind::NoSuchOverload);
    }
    sorted.sort_by(|left, right| left.order(right).flatten().unwrap_or(Ordering::Equal));
    Ok(Value::list(sorted))
}

fn distinct(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let [Value::List(items)] = args else { return Err(ErrorKind::NoSuchOverload) };
    let mut kept: Vec<Value> = Vec::new();
    for item in items.iter() {
        if !holds(&kept, item, meter)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn holds(items: &[Value], item: &Value, meter: &mut Meter) -> Outcome<bool> {
    for known in items {
        if item.equals(known, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn range(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let [Value::Int(end)] = args else { return Err(ErrorKind::NoSuchOverload) };
    meter.take(u64::try_from(*end).unwrap_or(0))?;
    Ok(Value::list((0..*end).map(Value::Int)))
}
