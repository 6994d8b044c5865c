//! `format` of the library `strings`: a text with places for values.
//!
//! A place is `%`, perhaps a precision (`.3`), and a letter that says how the value is written. A value of another
//! kind, or too few of them, is an error; values beyond the last place are not looked at, as in cel-go.

use super::convert::scalar;
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::Value;
use std::sync::Arc;

/// Writes the values of a list into a text.
pub(super) fn format(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let [Value::String(template), Value::List(values)] = args else { return Err(ErrorKind::NoSuchOverload) };
    let mut values = values.iter();
    let mut rest: &str = template;
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (place, after) = Place::read(after)?;
        rest = after;
        if place.letter == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or(ErrorKind::Argument)?;
        out.push_str(&place.write(value, meter)?);
        meter.bytes(out.len().min(PART_BYTES))?;
    }
    out.push_str(rest);
    Ok(Value::String(Arc::from(out)))
}

/// One place of a template.
#[derive(Clone, Copy, Debug)]
struct Place {
    precision: usize,
    letter: char,
}

impl Place {
    /// Reads what follows the `%`; gives the rest too.
    fn read(text: &str) -> Outcome<(Self, &str)> {
        let (precision, text) = match text.strip_prefix('.') {
            None => (6, text),
            Some(text) => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                let (digits, rest) = text.split_at_checked(digits).ok_or(ErrorKind::Argument)?;
                let precision = digits.parse().ok().filter(|precision| *precision <= PRECISION_MAX);
                (precision.ok_or(ErrorKind::Argument)?, rest)
            }
        };
        let letter = text.chars().next().filter(|letter| "%sdfebxXo".contains(*letter));
        let letter = letter.ok_or(ErrorKind::Argument)?;
        Ok((Self { precision, letter }, text.get(1..).unwrap_or("")))
    }

    fn write(self, value: &Value, meter: &mut Meter) -> Outcome<String> {
        match (self.letter, value) {
            ('s', value) => {
                let mut out = String::new();
                plain(value, &mut out, meter)?;
                Ok(out)
            }
            ('d' | 'f' | 'e', Value::Double(value)) if !value.is_finite() => Ok(not_finite(*value)),
            ('d', Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
                scalar(value).ok_or(ErrorKind::Argument)
            }
            ('f' | 'e', value) => self.decimal(value),
            ('b', Value::Bool(value)) => Ok(u8::from(*value).to_string()),
            ('b' | 'o' | 'x' | 'X', Value::Int(value)) => {
                Ok(format!("{}{}", if *value < 0 { "-" } else { "" }, self.radix(value.unsigned_abs())))
            }
            ('b' | 'o' | 'x' | 'X', Value::Uint(value)) => Ok(self.radix(*value)),
            ('x' | 'X', Value::String(text)) => self.hex(text.as_bytes(), meter),
            ('x' | 'X', Value::Bytes(bytes)) => self.hex(bytes, meter),
            _ => Err(ErrorKind::Argument),
        }
    }

    fn decimal(self, value: &Value) -> Outcome<String> {
        #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is written")]
        let value = match value {
            Value::Double(value) => *value,
            Value::Int(value) => *value as f64,
            Value::Uint(value) => *value as f64,
            _ => return Err(ErrorKind::Argument),
        };
        let precision = self.precision;
        if self.letter == 'f' {
            return Ok(format!("{value:.precision$}"));
        }
        let text = format!("{value:.precision$e}");
        let (digits, exponent) = text.split_once('e').ok_or(ErrorKind::Argument)?;
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        Ok(format!("{digits}e{sign}{exponent:0>2}"))
    }

    fn radix(self, value: u64) -> String {
        match self.letter {
            'b' => format!("{value:b}"),
            'o' => format!("{value:o}"),
            'X' => format!("{value:X}"),
            _ => format!("{value:x}"),
        }
    }

    fn hex(self, bytes: &[u8], meter: &mut Meter) -> Outcome<String> {
        meter.items(bytes.len())?;
        let byte = |byte: &u8| if self.letter == 'X' { format!("{byte:02X}") } else { format!("{byte:02x}") };
        Ok(bytes.iter().map(byte).collect())
    }
}

/// Writes any value as text, without quotes; entries of a map are sorted by the text of their keys.
fn plain(value: &Value, out: &mut String, meter: &mut Meter) -> Outcome<()> {
    meter.take(1)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::String(text) | Value::Type(text) => {
            meter.bytes(text.len())?;
            out.push_str(text);
        }
        Value::Bytes(bytes) => {
            meter.bytes(bytes.len())?;
            out.push_str(&String::from_utf8_lossy(bytes));
        }
        Value::Double(value) if !value.is_finite() => out.push_str(&not_finite(*value)),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                plain(item, out, meter)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                let mut text = String::new();
                plain(&key.value(), &mut text, meter)?;
                entries.push((text, value));
            }
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                out.push_str(key);
                out.push_str(": ");
                plain(value, out, meter)?;
            }
            out.push('}');
        }
        other => out.push_str(&scalar(other).ok_or(ErrorKind::Argument)?),
    }
    Ok(())
}

fn not_finite(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
}

/// LIMIT: digits behind the point.
const PRECISION_MAX: usize = 1_000;
/// A place costs at least as many bytes, whatever it writes.
const PART_BYTES: usize = 2_048;
