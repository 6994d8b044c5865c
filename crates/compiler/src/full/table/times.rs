//! Parts of moments and of spans of time.
//!
//! Months, days of the month and days of the year count from 0, as in the CEL specification; `getDate` from 1. A zone
//! is a name of the IANA time zone database or an offset (`+02:00`); without one it is UTC.

use super::{Cost, Function, Library, Overload, Sig, on, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::time::Civil;
use crate::full::value::Value;

use Sig::{Duration, Int, String, Timestamp};

const DATE: &[Overload] = &[on(&[Timestamp], Int), on(&[Timestamp, String], Int)];
const BOTH: &[Overload] = &[on(&[Timestamp], Int), on(&[Timestamp, String], Int), on(&[Duration], Int)];

pub(super) const FUNCTIONS: &[Function] = &[
    part("getFullYear", DATE, full_year, "The year."),
    part("getMonth", DATE, month, "The month, from 0."),
    part("getDate", DATE, date, "The day of the month, from 1."),
    part("getDayOfMonth", DATE, day_of_month, "The day of the month, from 0."),
    part("getDayOfWeek", DATE, day_of_week, "The day of the week, from 0, Sunday."),
    part("getDayOfYear", DATE, day_of_year, "The day of the year, from 0."),
    part("getHours", BOTH, hours, "The hour; of a span all whole hours."),
    part("getMinutes", BOTH, minutes, "The minute; of a span all whole minutes."),
    part("getSeconds", BOTH, seconds, "The second; of a span all whole seconds."),
    part("getMilliseconds", BOTH, milliseconds, "The milliseconds of the second, of a span too."),
];

/// Finding a zone in its table and a moment in the zone takes about so many steps.
const ZONE: Cost = Cost::Steps(50);

const fn part(
    name: &'static str,
    overloads: &'static [Overload],
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    row(Library::Standard, name, overloads, ZONE, run, about)
}

fn civil(args: &[Value], part: fn(Civil) -> i64) -> Outcome<Value> {
    let civil = match args {
        [Value::Timestamp(at)] => at.civil(None)?,
        [Value::Timestamp(at), Value::String(zone)] => at.civil(Some(zone))?,
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    Ok(Value::Int(part(civil)))
}

/// Whole units of a span, or a part of a moment.
fn either(args: &[Value], unit: i64, part: fn(Civil) -> i64) -> Outcome<Value> {
    match args {
        [Value::Duration(span)] => Ok(Value::Int(span.nanos() / unit)),
        _ => civil(args, part),
    }
}

fn full_year(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    civil(args, |civil| civil.year)
}

fn month(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    civil(args, |civil| civil.month - 1)
}

fn date(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    civil(args, |civil| civil.day)
}

fn day_of_month(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    civil(args, |civil| civil.day - 1)
}

fn day_of_week(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    civil(args, |civil| civil.weekday)
}

fn day_of_year(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    civil(args, |civil| civil.day_of_year)
}

fn hours(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    either(args, 3_600_000_000_000, |civil| civil.hour)
}

fn minutes(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    either(args, 60_000_000_000, |civil| civil.minute)
}

fn seconds(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    either(args, 1_000_000_000, |civil| civil.second)
}

fn milliseconds(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::Duration(span)] => Ok(Value::Int(span.nanos() / 1_000_000 % 1_000)),
        _ => civil(args, |civil| civil.nanos / 1_000_000),
    }
}
