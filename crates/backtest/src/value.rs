//! Cells as values of signals.
//!
//! A value has one spelling, as it has for the edge that extracts it from a request: no leading zeros, no `+`, no
//! `nan` or `inf`, no string over its limit. Where a file spells otherwise its mapping says so (`map`, `decimals`),
//! or the row is not used.

use glacis_compiler::full::time_value;
use glacis_wire::{Answer, Type, Value};
use std::collections::BTreeMap;

/// How cells of one column become values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spelling {
    pub(crate) ty: Type,
    /// Longest string. Unit: bytes.
    pub(crate) max_bytes: usize,
    /// Digits after the point that an integer counts in: 2 where a cell in euros becomes cents.
    pub(crate) decimals: Option<u32>,
    /// What cells are replaced by before they are read.
    pub(crate) map: BTreeMap<String, String>,
}

impl Spelling {
    /// Reads a cell into `answer`, reusing its memory; false where the cell is not of this spelling.
    pub(crate) fn read(&self, cell: &[u8], answer: &mut Answer) -> bool {
        let Ok(text) = std::str::from_utf8(cell) else { return false };
        let text = self.map.get(text).map_or(text, String::as_str);
        let value = match self.ty {
            Type::String => return self.string(text, answer),
            Type::Int => self.int(text).map(Value::Int),
            Type::Double => double(text).map(Value::Double),
            Type::Bool => bool_of(text).map(Value::Bool),
            Type::Uint => self.int(text).and_then(|int| u64::try_from(int).ok()).map(Value::Uint),
            Type::Bytes => {
                Some(Value::Bytes(text.as_bytes().to_vec())).filter(|_| text.len() <= self.max_bytes)
            }
            Type::Timestamp | Type::Duration => time_value(self.ty, text),
            // A cell holds no list.
            _ => None,
        };
        let Some(value) = value else { return false };
        *answer = Answer::Value(value);
        true
    }

    fn string(&self, text: &str, answer: &mut Answer) -> bool {
        if text.len() > self.max_bytes || text.contains('\0') {
            return false;
        }
        if let Answer::Value(Value::String(held)) = answer {
            held.clear();
            held.push_str(text);
        } else {
            *answer = Answer::Value(Value::String(text.to_owned()));
        }
        true
    }

    fn int(&self, text: &str) -> Option<i64> {
        let Some(decimals) = self.decimals else { return int(text) };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= decimals)?;
        let bare = !text.contains('.') || !fraction.is_empty();
        if !bare || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let negative = whole.starts_with('-');
        let whole = if whole == "-0" { 0 } else { int(whole)? };
        let scale = 10_i64.checked_pow(decimals)?;
        let fraction: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let fraction = fraction.checked_mul(10_i64.checked_pow(decimals - digits)?)?;
        let whole = whole.checked_mul(scale)?;
        if negative { whole.checked_sub(fraction) } else { whole.checked_add(fraction) }
    }
}

fn int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" || !digits.starts_with('0');
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !canonical || !plain || text == "-0" { None } else { text.parse().ok() }
}

/// A decimal number as JSON spells it.
fn double(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64().filter(|value| value.is_finite())
}

fn bool_of(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ty: Type, decimals: Option<u32>, text: &str) -> Option<Value> {
        let map = BTreeMap::from([("yes".to_owned(), "true".to_owned())]);
        let mut answer = Answer::Missing;
        let good = Spelling { ty, max_bytes: 4, decimals, map }.read(text.as_bytes(), &mut answer);
        match answer {
            Answer::Value(value) if good => Some(value),
            _ => None,
        }
    }

    #[test]
    fn a_value_has_one_spelling() {
        for (text, want) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("007", None),
            ("+7", None),
            ("-0", None),
            ("7.0", None),
            ("1e3", None),
            (" 7", None),
            ("", None),
            ("nan", None),
            ("\u{0663}", None),
        ] {
            assert_eq!(read(Type::Int, None, text), want.map(Value::Int), "{text}");
        }
        for (text, want) in [
            ("12.34", Some(1_234)),
            ("12.3", Some(1_230)),
            ("12", Some(1_200)),
            ("-12.34", Some(-1_234)),
            ("-0.05", Some(-5)),
            ("0.05", Some(5)),
            ("12.345", None),
            ("12.", None),
            (".5", None),
            ("1.-5", None),
            ("92233720368547758.08", None),
        ] {
            assert_eq!(read(Type::Int, Some(2), text), want.map(Value::Int), "{text} in hundredths");
        }
        for (text, want) in [
            ("0.5", Some(0.5)),
            ("-1e3", Some(-1e3)),
            ("NaN", None),
            ("nan", None),
            ("inf", None),
            ("-Infinity", None),
            ("1e999", None),
            (".5", None),
        ] {
            assert_eq!(read(Type::Double, None, text), want.map(Value::Double), "{text}");
        }
        assert_eq!(read(Type::Bool, None, "yes"), Some(Value::Bool(true)));
        assert_eq!(read(Type::Bool, None, "False"), Some(Value::Bool(false)));
        assert_eq!(read(Type::Bool, None, "1"), None);
        assert_eq!(read(Type::String, None, "abcd"), Some(Value::String("abcd".to_owned())));
        assert_eq!(read(Type::String, None, "abcde"), None);
        assert_eq!(read(Type::String, None, "a\0b"), None);
    }
}
