//! What an atom asks of one slot: the part of the arena that a class of values can decide.
//!
//! Read off terms, apart from the planner: a comparison of a slot with a literal, `in` a list of literals, a prefix, a
//! truth value, `has`. Everything else is no test and stays a free atom. Numbers, moments and spans are asked by *keys*,
//! whole numbers in the order of their values, as the tables of a plan count them (docs/adr/0008).

use crate::prove::term::{Binary, Leaf, Op, Term, TermId, Terms};
use glacis_wire::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What an atom asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Whether there is a value.
    Has,
    /// Its truth where the value is false, and where it is true.
    Truth([bool; 2]),
    /// A comparison with a key; none where the literal is NaN.
    Compare(Option<i64>, Holds),
    /// Whether the key is one of these.
    Among(BTreeSet<i64>),
    /// Whether the text is one of these, or is none.
    Texts(BTreeSet<Vec<u8>>, bool),
    /// Whether the text begins so.
    Prefix(Vec<u8>),
}

/// The orders for which a comparison holds: less, equal, greater, none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holds([bool; 4]);

impl Holds {
    /// As the operator is written, or with its sides exchanged.
    fn of(op: Binary, flipped: bool) -> Option<Self> {
        let [less, greater] = if flipped { [2, 0] } else { [0, 2] };
        let holds = |place: usize| match op {
            Binary::Eq => place == 1,
            Binary::Ne => place != 1,
            Binary::Lt => place == less,
            Binary::Le => place == less || place == 1,
            Binary::Gt => place == greater,
            Binary::Ge => place == greater || place == 1,
            _ => false,
        };
        let comparison =
            matches!(op, Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge);
        // Of what has no order only `!=` holds.
        let unordered = matches!(op, Binary::Ne);
        comparison.then(|| Self([holds(0), holds(1), holds(2), unordered]))
    }

    const fn at(self, order: Option<Ordering>) -> bool {
        let [less, equal, greater, unordered] = self.0;
        match order {
            Some(Ordering::Less) => less,
            Some(Ordering::Equal) => equal,
            Some(Ordering::Greater) => greater,
            None => unordered,
        }
    }
}

/// A set of values of a slot of which all tests are one answer, or a long prefix may go either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Truth(bool),
    Key(i64),
    NaN,
    /// This text.
    Text(Vec<u8>),
    /// Any text whose first eight bytes are this number, and that no test and no table names.
    Head(u64),
    /// A value of a type that no test looks at.
    Any,
}

impl Test {
    /// The test that a term is, and its slot.
    pub(super) fn of(terms: &Terms<'_>, atom: TermId) -> Option<(u16, Self)> {
        let slot = |at: TermId| match terms.get(at) {
            Some(Term::Read(Leaf::Slot(slot))) => Some(*slot),
            _ => None,
        };
        match terms.get(atom)? {
            Term::Has(Leaf::Slot(slot)) => Some((*slot, Self::Has)),
            Term::Read(Leaf::Slot(slot)) => Some((*slot, Self::Truth([false, true]))),
            Term::Apply(Op::Binary(Binary::In), operands) => match operands.as_slice() {
                [item, list] => Some((slot(*item)?, Self::among(terms.value(*list)?)?)),
                _ => None,
            },
            Term::Apply(Op::StartsWith, operands) => match operands.as_slice() {
                [text, prefix] => match terms.value(*prefix)? {
                    Value::String(prefix) => Some((slot(*text)?, Self::Prefix(prefix.as_bytes().to_vec()))),
                    _ => None,
                },
                _ => None,
            },
            Term::Apply(Op::Binary(op), operands) => match operands.as_slice() {
                [a, b] => match (slot(*a), slot(*b)) {
                    (Some(slot), None) => Some((slot, Self::compare(*op, false, terms.value(*b)?)?)),
                    (None, Some(slot)) => Some((slot, Self::compare(*op, true, terms.value(*a)?)?)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn compare(op: Binary, flipped: bool, literal: &Value) -> Option<Self> {
        let holds = Holds::of(op, flipped)?;
        match literal {
            Value::Bool(bound) => {
                Some(Self::Truth([false, true].map(|value| holds.at(Some(value.cmp(bound))))))
            }
            Value::String(text) => {
                let of_them = match op {
                    Binary::Eq => true,
                    Binary::Ne => false,
                    _ => return None,
                };
                Some(Self::Texts(BTreeSet::from([text.as_bytes().to_vec()]), of_them))
            }
            Value::Double(bound) if bound.is_nan() => Some(Self::Compare(None, holds)),
            number => Some(Self::Compare(Some(key(number)?), holds)),
        }
    }

    fn among(list: &Value) -> Option<Self> {
        let Value::List(items) = list else { return None };
        let text = |item: &Value| match item {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            _ => None,
        };
        match items.first() {
            Some(Value::Bool(_)) => {
                Some(Self::Truth([false, true].map(|value| items.contains(&Value::Bool(value)))))
            }
            Some(Value::String(_)) => Some(Self::Texts(items.iter().filter_map(text).collect(), true)),
            Some(Value::Bytes(_) | Value::List(_)) => None,
            // NaN is in no list, and nothing is in an empty one.
            _ => Some(Self::Among(items.iter().filter_map(key).collect())),
        }
    }

    /// Keys at which its answer may change.
    pub(super) fn cuts(&self) -> Vec<i64> {
        let around = |key: &i64| [Some(*key), key.checked_add(1)];
        match self {
            Self::Compare(bound, _) => bound.iter().flat_map(around).flatten().collect(),
            Self::Among(keys) => keys.iter().flat_map(around).flatten().collect(),
            Self::Prefix(prefix) => {
                let (low, high) = heads(prefix);
                [Some(of_head(low)), high.checked_add(1).map(of_head)].into_iter().flatten().collect()
            }
            Self::Has | Self::Truth(_) | Self::Texts(..) => Vec::new(),
        }
    }

    /// The texts that it names.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Vec<u8>> {
        let texts = match self {
            Self::Texts(texts, _) => Some(texts),
            _ => None,
        };
        texts.into_iter().flatten()
    }

    /// Its answer; `None` where the sample does not decide it.
    pub(super) fn at(&self, sample: &Sample) -> Option<bool> {
        match (self, sample) {
            (Self::Has, _) => Some(true),
            (Self::Truth([no, yes]), Sample::Truth(value)) => Some(if *value { *yes } else { *no }),
            (Self::Compare(bound, holds), Sample::Key(key)) => {
                Some(holds.at(bound.map(|bound| key.cmp(&bound))))
            }
            (Self::Compare(_, holds), Sample::NaN) => Some(holds.at(None)),
            (Self::Among(keys), Sample::Key(key)) => Some(keys.contains(key)),
            (Self::Among(_), Sample::NaN) => Some(false),
            // An empty list asks nothing of the type.
            (Self::Among(keys), _) if keys.is_empty() => Some(false),
            (Self::Texts(texts, of_them), Sample::Text(text)) => Some(texts.contains(text) == *of_them),
            (Self::Texts(_, of_them), Sample::Head(_)) => Some(!of_them),
            (Self::Prefix(prefix), Sample::Text(text)) => Some(text.starts_with(prefix)),
            (Self::Prefix(prefix), Sample::Head(head)) => {
                let (low, high) = heads(prefix);
                let inside = (low..=high).contains(head);
                let decides = prefix.len() <= HEAD_BYTES && !prefix.contains(&0);
                (decides || !inside).then_some(inside)
            }
            _ => None,
        }
    }
}

/// The least and the greatest head of a text with this prefix.
fn heads(prefix: &[u8]) -> (u64, u64) {
    let padded = |pad: u8| {
        let mut bytes = [pad; HEAD_BYTES];
        bytes.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(bytes)
    };
    (padded(0), padded(u8::MAX))
}

/// The first eight bytes of a text as a number.
pub(super) fn head(text: &[u8]) -> u64 {
    heads(text).0
}

/// The key of a head.
pub(super) const fn of_head(head: u64) -> i64 {
    (head ^ SIGN).cast_signed()
}

/// The head of a key.
pub(super) const fn to_head(key: i64) -> u64 {
    key.cast_unsigned() ^ SIGN
}

/// The key of a number, moment or span; `None` of NaN and of what has none.
pub(super) fn key(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::Uint(value) => Some((*value ^ SIGN).cast_signed()),
        Value::Double(value) => of_double(*value),
        Value::Timestamp(value) => Some(value.as_us()),
        Value::Duration(value) => Some(value.as_us()),
        Value::Bool(_) | Value::String(_) | Value::List(_) | Value::Bytes(_) => None,
    }
}

/// Doubles in their order; both zeros are one key.
pub(super) fn of_double(value: f64) -> Option<i64> {
    let magnitude = (value.to_bits() & !SIGN).cast_signed();
    match value {
        _ if value.is_nan() => None,
        _ if value < 0.0 => Some(-1 - magnitude),
        _ => Some(magnitude),
    }
}

/// The double of a key.
pub(super) fn to_double(key: i64) -> f64 {
    if key < 0 { -f64::from_bits((-1 - key).cast_unsigned()) } else { f64::from_bits(key.cast_unsigned()) }
}

const SIGN: u64 = 1 << 63;
/// Bytes of a text that make its key.
const HEAD_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_doubles_ascend_and_come_back() {
        let ascending = [f64::NEG_INFINITY, -1.5, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        for pair in ascending.windows(2) {
            assert!(of_double(pair[0]) < of_double(pair[1]), "{pair:?}");
        }
        for value in ascending {
            assert_eq!(to_double(of_double(value).unwrap()).to_bits(), value.to_bits());
        }
        assert_eq!(of_double(-0.0), of_double(0.0));
        assert_eq!(of_double(f64::NAN), None);
    }

    #[test]
    fn a_head_decides_short_prefixes_and_leaves_long_ones_open() {
        for (prefix, text, want) in [
            ("ab", "abc", Some(true)),
            ("ab", "a", Some(false)),
            ("", "x", Some(true)),
            ("abcdefgh", "abcdefghi", Some(true)),
            ("abcdefghi", "abcdefgh", None),
            ("abcdefghi", "abcdefgx", Some(false)),
            ("a\0", "a", None),
        ] {
            let test = Test::Prefix(prefix.as_bytes().to_vec());
            assert_eq!(test.at(&Sample::Head(head(text.as_bytes()))), want, "{prefix:?} {text}");
            assert_eq!(test.at(&Sample::Text(text.as_bytes().to_vec())), Some(text.starts_with(prefix)));
        }
    }
}
