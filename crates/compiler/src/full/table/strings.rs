//! The library `strings`: functions on text that cel-go offers as `ext.Strings`.
//!
//! Places count code points from 0. A place outside of the text is an error, never silently moved.
//! Results that can be larger than all arguments together are paid for before they are made.

use super::format::format;
use super::{Cost, Function, Library, Overload, Sig, call, on, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::Value;
use std::sync::Arc;

use Sig::{Dyn, Int};

const TEXT: Sig = Sig::String;
const TEXTS: Sig = Sig::List(&Sig::String);

pub(super) const FUNCTIONS: &[Function] = &[
    extension("charAt", &[on(&[TEXT, Int], TEXT)], char_at, "The code point at a place; empty at the end."),
    extension(
        "indexOf",
        &[on(&[TEXT, TEXT], Int), on(&[TEXT, TEXT, Int], Int)],
        index_of,
        "The first place of a part, at or behind a place; -1 where there is none.",
    ),
    extension(
        "lastIndexOf",
        &[on(&[TEXT, TEXT], Int), on(&[TEXT, TEXT, Int], Int)],
        last_index_of,
        "The last place of a part, at or before a place; -1 where there is none.",
    ),
    extension("lowerAscii", &[on(&[TEXT], TEXT)], lower_ascii, "Letters A to Z as a to z."),
    extension("upperAscii", &[on(&[TEXT], TEXT)], upper_ascii, "Letters a to z as A to Z."),
    extension("trim", &[on(&[TEXT], TEXT)], trim, "Without white space at both ends."),
    extension("reverse", REVERSE, reverse, "Code points, or items of a list, in reverse."),
    extension(
        "replace",
        &[on(&[TEXT, TEXT, TEXT], TEXT), on(&[TEXT, TEXT, TEXT, Int], TEXT)],
        replace,
        "With each part, or the first so many, replaced by another.",
    ),
    extension(
        "split",
        &[on(&[TEXT, TEXT], TEXTS), on(&[TEXT, TEXT, Int], TEXTS)],
        split,
        "The parts between separators, at most so many; by code points if the separator is empty.",
    ),
    extension(
        "substring",
        &[on(&[TEXT, Int], TEXT), on(&[TEXT, Int, Int], TEXT)],
        substring,
        "The code points from a place, to before another.",
    ),
    extension(
        "join",
        &[on(&[TEXTS], TEXT), on(&[TEXTS, TEXT], TEXT)],
        join,
        "The texts one behind the other, with a separator between them.",
    ),
    extension("strings.quote", &[call(&[TEXT], TEXT)], quote, "As a CEL literal in double quotes."),
    extension(
        "format",
        &[on(&[TEXT, Sig::List(&Dyn)], TEXT)],
        format,
        "With `%s %d %f %e %b %o %x %X` replaced by the values of a list.",
    ),
];

/// One function of both libraries, `strings` and `lists`.
pub(super) const REVERSE: &[Overload] = &[on(&[TEXT], TEXT), on(&[Sig::List(&Sig::A)], Sig::List(&Sig::A))];

const fn extension(
    name: &'static str,
    overloads: &'static [Overload],
    run: fn(&[Value], &mut Meter) -> Outcome<Value>,
    about: &'static str,
) -> Function {
    row(Library::Strings, name, overloads, Cost::Bytes, run, about)
}

/// A place in a text of `length` code points; the end is a place.
fn place(at: i64, length: usize) -> Outcome<usize> {
    usize::try_from(at).ok().filter(|at| *at <= length).ok_or(ErrorKind::IndexRange)
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// A text made of characters, paid for.
fn text(letters: impl IntoIterator<Item = char>) -> Value {
    Value::String(Arc::from(letters.into_iter().collect::<String>()))
}

fn int(at: usize) -> Outcome<Value> {
    i64::try_from(at).map(Value::Int).map_err(|_| ErrorKind::Overflow)
}

fn char_at(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(on), Value::Int(at)] => {
            let at = place(*at, on.chars().count())?;
            Ok(text(on.chars().nth(at)))
        }
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

/// Places of `part` in `on`; each comparison is paid for.
fn places<'a>(on: &'a [char], part: &'a [char], meter: &mut Meter) -> Outcome<Vec<usize>> {
    meter.items(on.len().saturating_mul(1 + part.len() / 8))?;
    if part.is_empty() {
        return Ok((0..=on.len()).collect());
    }
    let windows = on.windows(part.len()).enumerate();
    Ok(windows.filter(|(_, window)| *window == part).map(|(at, _)| at).collect())
}

fn index_of(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let (on, part, from) = match args {
        [Value::String(on), Value::String(part)] => (on, part, 0),
        [Value::String(on), Value::String(part), Value::Int(from)] => (on, part, *from),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    let (on, part) = (letters(on), letters(part));
    let from = place(from, on.len())?;
    let found = places(&on, &part, meter)?.into_iter().find(|at| *at >= from);
    found.map_or(Ok(Value::Int(-1)), int)
}

fn last_index_of(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let (on, part, from) = match args {
        [Value::String(on), Value::String(part)] => (on, part, None),
        [Value::String(on), Value::String(part), Value::Int(from)] => (on, part, Some(*from)),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    let (on, part) = (letters(on), letters(part));
    let last = from.map_or(Ok(on.len()), |from| place(from, on.len()))?;
    let found = places(&on, &part, meter)?.into_iter().rev().find(|at| *at <= last);
    found.map_or(Ok(Value::Int(-1)), int)
}

fn lower_ascii(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(on)] => Ok(Value::text(&on.to_ascii_lowercase())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn upper_ascii(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(on)] => Ok(Value::text(&on.to_ascii_uppercase())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn trim(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(on)] => Ok(Value::text(on.trim())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

pub(super) fn reverse(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(on)] => Ok(text(on.chars().rev())),
        [Value::List(items)] => Ok(Value::list(items.iter().rev().cloned())),
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

fn replace(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let (on, part, with, most) = match args {
        [Value::String(on), Value::String(part), Value::String(with)] => (on, part, with, -1),
        [Value::String(on), Value::String(part), Value::String(with), Value::Int(most)] => {
            (on, part, with, *most)
        }
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let times = on.matches(&**part).take(most).count();
    meter.bytes(on.len().saturating_add(times.saturating_mul(with.len())))?;
    Ok(Value::String(Arc::from(on.replacen(&**part, with, most))))
}

fn split(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let (on, by, most) = match args {
        [Value::String(on), Value::String(by)] => (on, by, -1),
        [Value::String(on), Value::String(by), Value::Int(most)] => (on, by, *most),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    // One step for each part, which is a value of its own.
    meter.items(on.len())?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most == 0 {
        return Ok(Value::list([]));
    }
    if !by.is_empty() {
        return Ok(Value::list(on.splitn(most, &**by).map(Value::text)));
    }
    let mut parts = Vec::new();
    let mut rest: &str = on;
    while let Some(letter) = rest.chars().next() {
        let end = if parts.len() + 1 == most { rest.len() } else { letter.len_utf8() };
        let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        parts.push(Value::text(part));
        rest = after;
    }
    Ok(Value::list(parts))
}

fn substring(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let (on, from, to) = match args {
        [Value::String(on), Value::Int(from)] => (letters(on), *from, None),
        [Value::String(on), Value::Int(from), Value::Int(to)] => (letters(on), *from, Some(*to)),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    let from = place(from, on.len())?;
    let to = to.map_or(Ok(on.len()), |to| place(to, on.len()))?;
    let part = on.get(from..to).ok_or(ErrorKind::IndexRange)?;
    Ok(text(part.iter().copied()))
}

fn join(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let (items, by): (_, &str) = match args {
        [Value::List(items)] => (items, ""),
        [Value::List(items), Value::String(by)] => (items, by),
        _ => return Err(ErrorKind::NoSuchOverload),
    };
    let mut joined = String::new();
    for (at, item) in items.iter().enumerate() {
        let Value::String(item) = item else { return Err(ErrorKind::NoSuchOverload) };
        meter.bytes(item.len().saturating_add(by.len()))?;
        joined.push_str(if at == 0 { "" } else { by });
        joined.push_str(item);
    }
    Ok(Value::String(Arc::from(joined)))
}

fn quote(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    let [Value::String(on)] = args else { return Err(ErrorKind::NoSuchOverload) };
    let mut quoted = String::with_capacity(on.len() + 2);
    quoted.push('"');
    for letter in on.chars() {
        match ESCAPES.iter().find(|(known, _)| *known == letter) {
            Some((_, escape)) => quoted.push_str(escape),
            None => quoted.push(letter),
        }
    }
    quoted.push('"');
    Ok(Value::String(Arc::from(quoted)))
}

/// Characters that a literal writes otherwise.
const ESCAPES: &[(char, &str)] = &[
    ('\u{7}', "\\a"),
    ('\u{8}', "\\b"),
    ('\u{c}', "\\f"),
    ('\n', "\\n"),
    ('\r', "\\r"),
    ('\t', "\\t"),
    ('\u{b}', "\\v"),
    ('\\', "\\\\"),
    ('"', "\\\""),
];
