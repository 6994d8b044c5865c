//! Values to try where conditions ask more than comparisons with constants: sums, sizes, patterns, parts of a time.
//!
//! Samples are made from what the atoms say: constants and their neighbours, texts put together from prefixes, parts and
//! suffixes, texts that a pattern may match, lists of some items. Each can be a value of the signal or is dropped by the
//! caller. They are never all values, and nothing is proven from them.

use super::seeds::Seeds;
use glacis_compiler::catalogue::Signal;
use glacis_wire::{Moment, Span, Type, Value};
use std::collections::BTreeSet;

/// Samples for a signal, at most [`SAMPLES_MAX`].
pub(super) fn values(signal: &Signal, seeds: &Seeds) -> Vec<Value> {
    let mut found = match signal.ty.element() {
        Some(item) => lists(item, signal, seeds),
        None => scalars(signal.ty, signal, seeds),
    };
    found.truncate(SAMPLES_MAX);
    found
}

fn scalars(ty: Type, signal: &Signal, seeds: &Seeds) -> Vec<Value> {
    match ty {
        Type::Bool => [false, true].map(Value::Bool).to_vec(),
        Type::Int => ints(seeds).into_iter().map(Value::Int).collect(),
        Type::Uint => {
            let ints = ints(seeds).into_iter().filter_map(|value| u64::try_from(value).ok());
            ints.chain([u64::MAX]).map(Value::Uint).collect()
        }
        Type::Double => doubles(seeds),
        Type::String => texts(signal, seeds).into_iter().map(Value::String).collect(),
        Type::Bytes => {
            let own = seeds.constants.iter().filter_map(|value| match value {
                Value::Bytes(bytes) => Some(bytes.clone()),
                _ => None,
            });
            let texts = texts(signal, seeds).into_iter().map(String::into_bytes);
            own.chain(texts).map(Value::Bytes).collect()
        }
        Type::Timestamp => {
            times(seeds).into_iter().filter_map(Moment::from_us).map(Value::Timestamp).collect()
        }
        Type::Duration => times(seeds).into_iter().filter_map(Span::from_us).map(Value::Duration).collect(),
        _ => Vec::new(),
    }
}

/// Constants, their neighbours, and what sums, differences, products and quotients of two of them come to.
fn ints(seeds: &Seeds) -> Vec<i64> {
    let mut constants: Vec<i64> = seeds.constants.iter().filter_map(whole).collect();
    let mut seen = BTreeSet::new();
    constants.retain(|constant| seen.insert(*constant));
    constants.truncate(CONSTANTS_MAX);
    let near = |value: i64| [value, value.saturating_sub(1), value.saturating_add(1)];
    let mut found = vec![0, 1, -1, 2, i64::MIN, i64::MAX];
    found.extend(constants.iter().flat_map(|value| near(*value)));
    found.extend(constants.iter().flat_map(|value| [value.saturating_neg(), value / 2, value / 2 + 1]));
    let pairs = || constants.iter().flat_map(|a| constants.iter().map(move |b| (*a, *b)));
    let sums = pairs().flat_map(|(a, b)| [a.checked_sub(b), a.checked_add(b), a.checked_div(b)]);
    found.extend(sums.flatten().flat_map(near));
    found.extend(pairs().filter_map(|(a, b)| a.checked_mul(b)).flat_map(near));
    let mut seen = BTreeSet::new();
    found.retain(|value| seen.insert(*value));
    found
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::Uint(value) => i64::try_from(*value).ok(),
        Value::Timestamp(at) => Some(at.as_us()),
        Value::Duration(span) => Some(span.as_us()),
        #[expect(clippy::cast_possible_truncation, reason = "a suggestion only")]
        Value::Double(value) => Some(*value as i64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn doubles(seeds: &Seeds) -> Vec<Value> {
    let mut constants: Vec<f64> = seeds
        .constants
        .iter()
        .filter_map(|value| match value {
            Value::Double(value) => Some(*value),
            #[expect(clippy::cast_precision_loss, reason = "a suggestion only")]
            Value::Int(value) => Some(*value as f64),
            _ => None,
        })
        .take(CONSTANTS_MAX)
        .collect();
    constants.extend([0.0, -0.0, 1.0]);
    let mut found = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for a in &constants {
        found.extend([*a, -a, a / 2.0, a.next_up(), a.next_down(), a + 1.0, a - 1.0]);
        found.extend(constants.iter().flat_map(|b| [a + b, a - b, a * b, a / b]));
    }
    found.into_iter().map(Value::Double).collect()
}

/// Constants, and, if a part of a time is asked for, each hour of a week and the first day of each month of a year.
fn times(seeds: &Seeds) -> Vec<i64> {
    let mut found: Vec<i64> = ints(seeds);
    if seeds.asks_time {
        found.extend((0..7 * 24).map(|hour| WEEK_US + hour * HOUR_US));
        found.extend((0..12).map(|month| WEEK_US + month * 31 * 24 * HOUR_US));
        found.extend((0..60).map(|at| at * (HOUR_US / 60 + HOUR_US / 3_600) + at * 1_000));
    }
    found
}

fn texts(signal: &Signal, seeds: &Seeds) -> Vec<String> {
    let constants: Vec<&str> = seeds
        .constants
        .iter()
        .filter_map(|value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
        .take(CONSTANTS_MAX)
        .collect();
    let mut found: Vec<String> =
        ["", "a", "7", "-1", "1.5", "true", "::1", "192.0.2.1"].map(str::to_owned).to_vec();
    found.extend(seeds.patterns.iter().flat_map(|pattern| matching(pattern)));
    found.extend(seeds.networks.iter().filter_map(|network| network.split('/').next()).map(str::to_owned));
    for text in &constants {
        found.extend([(*text).to_owned(), format!("{text}a"), format!("a{text}"), format!("a{text}a")]);
    }
    let whole: Vec<String> = found.clone();
    for a in &constants {
        found.extend(constants.iter().map(|b| format!("{a}{b}")));
        found.extend(whole.iter().skip(8).take(CONSTANTS_MAX).map(|b| format!("{a}{b}")));
    }
    let lengths = sizes(seeds, signal.max_bytes);
    found.extend(lengths.iter().map(|length| "a".repeat(*length)));
    for text in &constants {
        let fill =
            |length: &usize| format!("{text}{}", "a".repeat(length.saturating_sub(text.chars().count())));
        found.extend(lengths.iter().map(fill));
    }
    found
}

/// Sizes around what is asked for and around the limit.
fn sizes(seeds: &Seeds, limit: Option<usize>) -> BTreeSet<usize> {
    let limit = limit.unwrap_or(SIZE_MAX);
    let asked = seeds.constants.iter().filter_map(|value| match value {
        Value::Int(value) => usize::try_from(*value).ok(),
        _ => None,
    });
    let around = asked.chain([limit]).flat_map(|size| [size.saturating_sub(1), size, size.saturating_add(1)]);
    around.filter(|size| *size <= limit.min(SIZE_MAX)).collect()
}

/// Lists of no, one or two of the constants, of all of them, of others, and of sizes that are asked for.
fn lists(item: Type, signal: &Signal, seeds: &Seeds) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let own = seeds.constants.iter().filter(|value| value.is(item)).take(CONSTANTS_MAX);
    for value in own.cloned().chain(scalars(item, signal, seeds).into_iter().take(2 * CONSTANTS_MAX)) {
        if !items.contains(&value) {
            items.push(value);
        }
    }
    let mut found = vec![Vec::new(), items.iter().take(CONSTANTS_MAX).cloned().collect()];
    found.extend(items.iter().map(|one| vec![one.clone()]));
    let few = || items.iter().take(CONSTANTS_MAX);
    found.extend(few().flat_map(|a| few().map(|b| vec![a.clone(), b.clone()])));
    for size in sizes(seeds, signal.max_items) {
        let some = items.iter().take(3);
        found.extend(some.map(|one| vec![one.clone(); size]));
    }
    found.into_iter().map(Value::List).collect()
}

/// Texts that a pattern may match: each alternative once, repetitions as few times as they allow and once more.
pub(super) fn matching(pattern: &str) -> Vec<String> {
    [0, 1]
        .into_iter()
        .flat_map(|more| Writer { rest: pattern.chars().peekable(), more, depth: 0 }.all())
        .collect()
}

/// Reads a pattern and writes texts; what it does not know it takes for a letter.
struct Writer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    more: usize,
    depth: usize,
}

impl Writer<'_> {
    fn all(mut self) -> Vec<String> {
        let mut found = self.alternatives();
        found.truncate(TEXTS_MAX);
        found
    }

    fn alternatives(&mut self) -> Vec<String> {
        let mut found = self.sequence();
        while self.rest.next_if_eq(&'|').is_some() {
            found.extend(self.sequence());
        }
        found.truncate(TEXTS_MAX);
        found
    }

    fn sequence(&mut self) -> Vec<String> {
        let mut found = vec![String::new()];
        while let Some(next) = self.rest.next_if(|next| *next != '|' && *next != ')') {
            let Some(parts) = self.part(next) else { continue };
            let times = self.times();
            let repeated = parts.iter().map(|part| part.repeat(times));
            let repeated: Vec<String> = repeated.collect();
            found = found
                .iter()
                .flat_map(|head| repeated.iter().map(move |tail| format!("{head}{tail}")))
                .collect();
            found.truncate(TEXTS_MAX);
        }
        found
    }

    /// What one letter, class or group may be; `None` of what matches no letter.
    fn part(&mut self, next: char) -> Option<Vec<String>> {
        match next {
            '^' | '$' => None,
            '.' => Some(vec!["a".to_owned()]),
            '[' => Some(vec![self.class()]),
            '\\' => self.escape(),
            '(' if self.depth < DEPTH_MAX => {
                self.depth += 1;
                if self.rest.next_if_eq(&'?').is_some() {
                    while self.rest.next_if(|flag| !matches!(flag, ':' | ')' | '>')).is_some() {}
                    self.rest.next_if(|end| matches!(end, ':' | '>'));
                }
                let inner = self.alternatives();
                self.rest.next_if_eq(&')');
                self.depth -= 1;
                Some(inner)
            }
            letter => Some(vec![letter.to_string()]),
        }
    }

    fn escape(&mut self) -> Option<Vec<String>> {
        let text = match self.rest.next()? {
            'd' => "7",
            'w' | 'D' | 'S' => "a",
            's' | 'W' => " ",
            'b' | 'B' | 'A' | 'z' => return None,
            't' => "\t",
            'n' => "\n",
            other => return Some(vec![other.to_string()]),
        };
        Some(vec![text.to_owned()])
    }

    /// Some letter of a class, its bracket read: the first that it names, or one that it does not exclude.
    fn class(&mut self) -> String {
        let excludes = self.rest.next_if_eq(&'^').is_some();
        let mut named = String::new();
        while let Some(next) = self.rest.next() {
            match next {
                ']' if !named.is_empty() => break,
                '\\' => named.extend(self.escape().unwrap_or_default()),
                letter => named.push(letter),
            }
        }
        let first = named.chars().next().unwrap_or('a');
        let chosen = if excludes {
            ['~', 'a', '7', ' '].into_iter().find(|letter| !named.contains(*letter))
        } else {
            None
        };
        chosen.unwrap_or(first).to_string()
    }

    /// How often the last part stands: as few times as it must, and `more`.
    fn times(&mut self) -> usize {
        let times = match self.rest.peek() {
            Some('*' | '?') => self.more,
            Some('+') => 1 + self.more,
            Some('{') => {
                let mut digits = String::new();
                self.rest.next();
                while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                let open = self.rest.next_if_eq(&',').is_some();
                while self.rest.next_if(|rest| *rest != '}').is_some() {}
                digits.parse().unwrap_or(0) + if open { self.more } else { 0 }
            }
            _ => return 1,
        };
        self.rest.next();
        self.rest.next_if_eq(&'?');
        times.min(SIZE_MAX)
    }
}

/// LIMIT: samples of one signal.
const SAMPLES_MAX: usize = 256;
/// LIMIT: constants that are put together with each other.
const CONSTANTS_MAX: usize = 10;
/// LIMIT: longest text and list that is made. Unit: items.
const SIZE_MAX: usize = 1_024;
/// LIMIT: texts made of one pattern.
const TEXTS_MAX: usize = 16;
/// LIMIT: groups of a pattern in each other.
const DEPTH_MAX: usize = 32;
const HOUR_US: i64 = 3_600_000_000;
/// Monday, 2024-01-01T00:00:00Z.
const WEEK_US: i64 = 1_704_067_200_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_gives_texts_that_it_matches() {
        for (pattern, wanted) in [
            ("^a?b*$", "ab"),
            ("^(?:bot|crawler)/[0-9]+$", "crawler/0"),
            (r"^\d{3}-[^a]x$", "777-~x"),
            ("(a(b|c)){2}", "abab"),
            (r"\.example\.org$", ".example.org"),
        ] {
            assert!(
                matching(pattern).iter().any(|text| text == wanted),
                "{pattern}: {:?}",
                matching(pattern)
            );
        }
    }

    #[test]
    fn a_broken_pattern_is_read_to_its_end() {
        for pattern in ["(((", "[", "a{", "\\", "(?", ")|(", "x{99999999999}"] {
            assert!(matching(pattern).iter().all(|text| text.len() < 4 * SIZE_MAX), "{pattern}");
        }
    }
}
