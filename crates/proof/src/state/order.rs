//! Points and regions of ordered types: of comparisons with constants, one value of each class, and none left out.
//!
//! Between two neighbouring constants all comparisons decide alike, so the constants themselves and one value of each
//! gap are all classes there are. Doubles are ordered by a key of 64 bits, both zeros being constants where one is, and
//! NaN is a class of its own. Texts and bytes have a least successor, also within a limit of length.

use super::State;
use glacis_wire::{Answer, Interval, Moment, Span, Type, Value};
use std::collections::BTreeSet;

/// What values of a type there can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    /// Their type.
    pub(crate) ty: Type,
    /// Least and greatest, if they are ints.
    pub(crate) ints: [i64; 2],
    /// Longest, if they are texts or bytes. Unit: bytes.
    pub(crate) limit: usize,
}

/// One value of each class of values, in ascending order.
pub(crate) fn values(domain: Domain, constants: &[Value]) -> Vec<State> {
    let Domain { ty, ints: [least, most], limit } = domain;
    let whole = |lo: i64, hi: i64, value: &dyn Fn(i128) -> Option<Value>| {
        let points = constants.iter().filter_map(number).collect();
        gaps(lo.into(), hi.into(), &points, &|from, to| from.unwrap_or(to), value)
    };
    match ty {
        Type::Bool => [false, true].map(|value| state(Value::Bool(value), false)).to_vec(),
        Type::Int => whole(least, most, &|at| i64::try_from(at).ok().map(Value::Int)),
        Type::Uint => {
            let points = constants.iter().filter_map(number).collect();
            let value = |at| u64::try_from(at).ok().map(Value::Uint);
            gaps(0, u64::MAX.into(), &points, &|from, to| from.unwrap_or(to), &value)
        }
        Type::Timestamp => whole(Moment::MIN.as_us(), Moment::MAX.as_us(), &|at| {
            Moment::from_us(i64::try_from(at).ok()?).map(Value::Timestamp)
        }),
        Type::Duration => whole(Span::MIN.as_us(), Span::MAX.as_us(), &|at| {
            Span::from_us(i64::try_from(at).ok()?).map(Value::Duration)
        }),
        Type::Double => doubles(constants),
        Type::String => texts(constants, limit),
        Type::Bytes => bytes(constants, limit),
        list => list.element().map(|_| state(Value::List(Vec::new()), true)).into_iter().collect(),
    }
}

/// Intervals from one class to another; `inside` adds those that stay in one class and yet hold two numbers.
pub(super) fn intervals(values: &[State], inside: bool) -> Vec<State> {
    let ends: Vec<&Value> = values
        .iter()
        .filter_map(|state| match &state.answer {
            Answer::Value(Value::Double(number)) if number.is_nan() => None,
            Answer::Value(value) => Some(value),
            _ => None,
        })
        .collect();
    // LIMIT: of more classes, only intervals between some of them; `is_region` keeps the rest in mind.
    let step = ends.len().div_ceil(ENDS_MAX).max(1);
    let ends: Vec<&Value> = ends.into_iter().step_by(step).collect();
    let mut found = Vec::new();
    for (at, lo) in ends.iter().enumerate() {
        let further = ends.iter().skip(at + 1).map(|hi| (*hi).clone());
        let next = next(lo).filter(|_| inside);
        for hi in next.into_iter().chain(further) {
            found.extend(
                interval(lo, &hi)
                    .map(|interval| State { answer: Answer::Interval(interval), is_region: true }),
            );
        }
    }
    found
}

/// Whether [`intervals`] leaves some out.
pub(super) const fn has_too_many_ends(values: usize) -> bool {
    values > ENDS_MAX
}

fn interval(lo: &Value, hi: &Value) -> Option<Interval> {
    match (lo, hi) {
        (Value::Int(lo), Value::Int(hi)) => Interval::ints(*lo, *hi),
        (Value::Double(lo), Value::Double(hi)) => Interval::doubles(*lo, *hi),
        _ => None,
    }
}

fn next(value: &Value) -> Option<Value> {
    match value {
        Value::Int(value) => value.checked_add(1).map(Value::Int),
        Value::Double(value) if value.is_finite() => Some(Value::Double(value.next_up())),
        _ => None,
    }
}

/// The least text that no text with this prefix reaches; `None` if all that follow have it.
pub(super) fn after_prefix(prefix: &str) -> Option<String> {
    next_of_length(prefix, usize::MAX)
}

const fn state(value: Value, is_region: bool) -> State {
    State { answer: Answer::Value(value), is_region }
}

fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Int(value) => Some((*value).into()),
        Value::Uint(value) => Some((*value).into()),
        Value::Timestamp(at) => Some(at.as_us().into()),
        Value::Duration(span) => Some(span.as_us().into()),
        _ => None,
    }
}

/// The points of a range and one number of each gap: what `pick` likes between its ends; the first has only one.
fn gaps(
    lo: i128,
    hi: i128,
    points: &BTreeSet<i128>,
    pick: &dyn Fn(Option<i128>, i128) -> i128,
    value: &dyn Fn(i128) -> Option<Value>,
) -> Vec<State> {
    let inside: Vec<i128> = points.range(lo..=hi).copied().collect();
    let mut found = Vec::new();
    let mut from = lo;
    for point in &inside {
        if from < *point {
            let chosen = pick(if from == lo { None } else { Some(from) }, *point - 1);
            found.push((chosen, from < *point - 1));
        }
        found.push((*point, false));
        from = point + 1;
    }
    if from <= hi {
        let chosen = if inside.is_empty() { 0.max(lo) } else { pick(Some(from), hi) };
        found.push((chosen, from < hi));
    }
    found.into_iter().filter_map(|(at, region)| Some(state(value(at)?, region))).collect()
}

fn doubles(constants: &[Value]) -> Vec<State> {
    let given = constants.iter().filter_map(|constant| match constant {
        Value::Double(value) if *value == 0.0 => Some([-0.0, 0.0]),
        Value::Double(value) => Some([*value; 2]),
        _ => None,
    });
    let points = given.flatten().filter(|value| !value.is_nan()).map(key).collect();
    // A round number is read more easily than the next one of 53 bits.
    let pick = |from: Option<i128>, to: i128| match from {
        Some(from) => {
            let round = double(from).map_or(from, |from| key(from.floor() + 1.0));
            if (from..=to).contains(&round) { round } else { from }
        }
        None => double(to).filter(|to| to.is_finite()).map_or(to, |to| key(to.ceil() - 1.0)),
    };
    let value = |at| double(at).map(Value::Double);
    let mut found = gaps(key(f64::NEG_INFINITY), key(f64::INFINITY), &points, &pick, &value);
    found.push(state(Value::Double(f64::NAN), false));
    found
}

/// Doubles in their order; `-0.0` comes right before `0.0`.
fn key(value: f64) -> i128 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { i128::from(i64::MIN) - i128::from(bits) - 1 } else { bits.into() }
}

fn double(key: i128) -> Option<f64> {
    let key = i64::try_from(key).ok()?;
    let bits = if key < 0 { i64::MIN - (key + 1) } else { key };
    Some(f64::from_bits(bits.cast_unsigned()))
}

fn texts(constants: &[Value], limit: usize) -> Vec<State> {
    let points: BTreeSet<&str> = constants
        .iter()
        .filter_map(|constant| match constant {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    if points.first() != Some(&"") {
        found.push(state(Value::String(String::new()), true));
    }
    for (at, point) in points.iter().enumerate() {
        if point.len() <= limit {
            found.push(state(Value::String((*point).to_owned()), false));
        }
        let end = points.iter().nth(at + 1);
        let inside = |text: &String| {
            text.len() <= limit && text.as_str() > *point && end.is_none_or(|end| text.as_str() < *end)
        };
        let readable = ["a", "-", "0", " "].into_iter().map(|tail| format!("{point}{tail}"));
        let chosen = readable.chain(text_after(point, limit)).find(inside);
        found.extend(chosen.map(|text| state(Value::String(text), true)));
    }
    found
}

/// The least text of at most `limit` bytes after this one.
fn text_after(text: &str, limit: usize) -> Option<String> {
    if text.len() < limit {
        return Some(format!("{text}\0"));
    }
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    next_of_length(text.get(..end)?, limit)
}

/// The least text of at most `limit` bytes that is after every text that starts with this one.
fn next_of_length(text: &str, limit: usize) -> Option<String> {
    let mut kept = text.to_owned();
    while let Some(last) = kept.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next.filter(|next| kept.len() + next.len_utf8() <= limit) {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

fn bytes(constants: &[Value], limit: usize) -> Vec<State> {
    let points: BTreeSet<&[u8]> = constants
        .iter()
        .filter_map(|constant| match constant {
            Value::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    if points.first().is_none_or(|first| !first.is_empty()) {
        found.push(state(Value::Bytes(Vec::new()), true));
    }
    for (at, point) in points.iter().enumerate() {
        if point.len() <= limit {
            found.push(state(Value::Bytes(point.to_vec()), false));
        }
        let end = points.iter().nth(at + 1);
        let next = bytes_after(point, limit).filter(|bytes| end.is_none_or(|end| bytes.as_slice() < *end));
        found.extend(next.map(|bytes| state(Value::Bytes(bytes), true)));
    }
    found
}

fn bytes_after(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    if bytes.len() < limit {
        return Some([bytes, &[0]].concat());
    }
    let mut kept = bytes.get(..limit)?.to_vec();
    while let Some(last) = kept.pop() {
        if let Some(next) = last.checked_add(1) {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// LIMIT: classes of an aggregate between which all intervals are states.
const ENDS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_doubles_are_ordered_as_they_are_and_come_back() {
        let all = [f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 5e-324, 1.0, f64::INFINITY];
        for pair in all.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        for value in all {
            assert_eq!(double(key(value)).map(f64::to_bits), Some(value.to_bits()));
        }
        assert_eq!(key(-0.0) + 1, key(0.0));
    }

    #[test]
    fn nothing_lies_between_a_text_and_the_next_within_the_limit() {
        let letters = ['\0', 'a', '\u{7f}', '\u{80}', '\u{7ff}', '\u{800}', '\u{d7ff}', '\u{10ffff}'];
        let mut all: Vec<String> = vec![String::new()];
        for _ in 0..2 {
            let longer: Vec<String> = all
                .iter()
                .flat_map(|text| letters.iter().map(move |letter| format!("{text}{letter}")))
                .collect();
            all.extend(longer);
        }
        for text in &all {
            for limit in 0..4 {
                let next = text_after(text, limit);
                for other in all.iter().filter(|other| other.len() <= limit && *other > text) {
                    assert!(next.as_ref().is_some_and(|next| next <= other), "{text:?} {limit} {other:?}");
                }
                assert!(next.is_none_or(|next| next > *text && next.len() <= limit));
            }
        }
    }

    #[test]
    fn a_byte_string_has_the_next_within_the_limit() {
        assert_eq!(bytes_after(b"a", 2), Some(b"a\0".to_vec()));
        assert_eq!(bytes_after(b"a\xff", 2), Some(b"b".to_vec()));
        assert_eq!(bytes_after(b"\xff\xff", 2), None);
        assert_eq!(bytes_after(b"abc", 2), Some(b"ac".to_vec()));
    }
}
