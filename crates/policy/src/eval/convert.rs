//! Conversions between scalars: `int(x)`, `uint(x)`, `double(x)`, `bool(x)`, `timestamp(x)`, and strings and bytes
//! as each other.
//!
//! As CEL has them: a value without a counterpart is an error, never another value; the fraction of a double is
//! dropped; text is read whole. What needs memory (text of a number) is not there. A string and its bytes are the
//! same bytes, so that conversion is a view and in `condition`.

use super::condition::Cell;
use super::input::Reading;
use glacis_wire::{Moment, Type};

/// Whether a value of one type can be converted to another: what a checker and the loader let pass.
pub const fn is_convertible(from: Type, to: Type) -> bool {
    matches!(
        (from, to),
        (Type::Uint | Type::Double | Type::String | Type::Timestamp, Type::Int)
            | (Type::Int | Type::Double | Type::String, Type::Uint)
            | (Type::Int | Type::Uint, Type::Double)
            | (Type::String, Type::Bool | Type::Bytes)
            | (Type::Bytes, Type::String)
            | (Type::Int, Type::Timestamp)
    )
}

/// A value as one of another scalar type of fixed size; `None` is an error.
pub(super) fn converted(value: Reading<'_>, to: Type) -> Option<Cell> {
    match to {
        Type::Int => int(value).map(Cell::Int),
        Type::Uint => uint(value).map(Cell::Uint),
        Type::Double => double(value).map(Cell::Double),
        Type::Bool => boolean(value).map(Cell::Bool),
        Type::Timestamp => match value {
            Reading::Int(seconds) => {
                seconds.checked_mul(SECOND_US).and_then(Moment::from_us).map(Cell::Timestamp)
            }
            _ => None,
        },
        _ => None,
    }
}

fn int(value: Reading<'_>) -> Option<i64> {
    match value {
        Reading::Uint(value) => i64::try_from(value).ok(),
        // Exclusive of both ends, as CEL's conformance cases ask for.
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked, the fraction is dropped")]
        Reading::Double(value) => (-INT_END < value && value < INT_END).then_some(value as i64),
        Reading::Str(text) => text.parse().ok(),
        Reading::Timestamp(at) => Some(at.as_us().div_euclid(SECOND_US)),
        _ => None,
    }
}

fn uint(value: Reading<'_>) -> Option<u64> {
    match value {
        Reading::Int(value) => u64::try_from(value).ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked, the fraction is dropped"
        )]
        Reading::Double(value) => (0.0..2.0 * INT_END).contains(&value).then_some(value as u64),
        Reading::Str(text) => text.parse().ok(),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what the conversion is")]
fn double(value: Reading<'_>) -> Option<f64> {
    match value {
        Reading::Int(value) => Some(value as f64),
        Reading::Uint(value) => Some(value as f64),
        _ => None,
    }
}

fn boolean(value: Reading<'_>) -> Option<bool> {
    match value {
        Reading::Str("1" | "t" | "T" | "true" | "TRUE" | "True") => Some(true),
        Reading::Str("0" | "f" | "F" | "false" | "FALSE" | "False") => Some(false),
        _ => None,
    }
}

/// The first double above every int: 2^63.
const INT_END: f64 = 9_223_372_036_854_775_808.0;
/// Microseconds of a second.
const SECOND_US: i64 = 1_000_000;
