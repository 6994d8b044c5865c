//! What a model says, read off its bytes once more: trees as trees, and for each input the set of what it may be.
//!
//! Independent of the scorer: nothing is binned ahead, every node is asked, and each tree answers with the least and
//! greatest leaf that some value reaches. The format is `glacis_model::format`. Recursion follows trees, whose depth
//! the loader of models limits; bytes that no loader has checked come out as an error.

use glacis_model::format::{SPARSE, key};
use glacis_wire::interval::Ends;
use glacis_wire::{Answer, Value};

/// Least and greatest score over everything that the inputs may be; `None` of bytes that are no model.
pub(super) fn bounds(bytes: &[u8], inputs: &[Answer]) -> Option<(i64, i64)> {
    let mut bytes = Bytes(bytes.get(12..)?);
    let (features, groups) = (u16::from_le_bytes(bytes.take()?), u16::from_le_bytes(bytes.take()?));
    let base = i64::from_le_bytes(bytes.take()?);
    bytes.take::<8>()?;
    let features: Vec<[u8; 4]> = (0..features).map(|_| bytes.take()).collect::<Option<_>>()?;
    let groups: Vec<(u32, u32)> = (0..groups)
        .map(|_| Some((u32::from_le_bytes(bytes.take()?), u32::from_le_bytes(bytes.take()?))))
        .collect::<Option<_>>()?;
    let mut sets = Vec::new();
    for (at, [low, high, kind, flags]) in features.into_iter().enumerate() {
        let count = u16::from_le_bytes([low, high]);
        let thresholds = (0..count).map(|_| bytes.take().map(i64::from_le_bytes)).collect::<Option<_>>()?;
        let feature = Feature { whole: kind == 1, zero_is_missing: flags & 1 == 1, thresholds };
        sets.push(feature.set(inputs.get(at)?));
    }
    let (mut lo, mut hi) = (base, base);
    for (shape, trees) in groups {
        for _ in 0..trees {
            let (least, greatest) = Tree::read(shape, &mut bytes)?.bounds(&mut sets)?;
            lo += i64::from(least);
            hi += i64::from(greatest);
        }
    }
    Some((lo, hi))
}

/// What is left of the bytes.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

/// One feature: how it compares, and with what.
struct Feature {
    whole: bool,
    zero_is_missing: bool,
    thresholds: Vec<i64>,
}

/// What an input may be: which numbers of thresholds it may reach, and whether it may be missing.
#[derive(Clone)]
struct Set {
    reached: Vec<bool>,
    missing: bool,
}

impl Set {
    fn is_empty(&self) -> bool {
        !self.missing && !self.reached.contains(&true)
    }
}

impl Feature {
    fn set(&self, input: &Answer) -> Set {
        match input {
            Answer::Value(value) => match number(value).filter(|number| !self.is_missing(*number)) {
                Some(number) => self.between(number, number, false),
                None => self.nothing(true),
            },
            Answer::Interval(interval) => match interval.ends() {
                Ends::Ints { lo, hi } => self.interval(Number::Int(lo), Number::Int(hi)),
                Ends::Doubles { lo, hi } => self.interval(Number::Double(lo), Number::Double(hi)),
            },
            Answer::Missing => self.nothing(true),
            Answer::Unknown(_) | Answer::Error => {
                Set { reached: vec![true; self.thresholds.len() + 1], missing: true }
            }
        }
    }

    fn nothing(&self, missing: bool) -> Set {
        Set { reached: vec![false; self.thresholds.len() + 1], missing }
    }

    /// Zeros that count as missing are none of the numbers, where they are at an end.
    fn interval(&self, lo: Number, hi: Number) -> Set {
        let zero = self.zero_is_missing && lo.double() <= ZERO && hi.double() >= -ZERO;
        if !zero {
            return self.between(lo, hi, false);
        }
        let lo = if self.is_missing(lo) { lo.above_zero() } else { lo };
        let hi = if self.is_missing(hi) { hi.below_zero() } else { hi };
        if lo.double() <= hi.double() { self.between(lo, hi, true) } else { self.nothing(true) }
    }

    fn between(&self, lo: Number, hi: Number, missing: bool) -> Set {
        let (lo, hi) = (self.reached(lo), self.reached(hi));
        let reached = (0..=self.thresholds.len()).map(|at| lo <= at && at <= hi).collect();
        Set { reached, missing }
    }

    fn is_missing(&self, number: Number) -> bool {
        number.double().is_nan() || (self.zero_is_missing && number.double().abs() <= ZERO)
    }

    /// How many thresholds a number reaches.
    fn reached(&self, number: Number) -> usize {
        let reaches = |threshold: &&i64| match (self.whole, number) {
            (true, Number::Int(number)) => number >= **threshold,
            (true, Number::Double(number)) => number >= to_double(**threshold),
            (false, number) => key(number.double()) >= **threshold,
        };
        self.thresholds.iter().filter(reaches).count()
    }
}

/// A number of either type.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    const fn double(self) -> f64 {
        match self {
            Self::Int(number) => to_double(number),
            Self::Double(number) => number,
        }
    }

    const fn above_zero(self) -> Self {
        match self {
            Self::Int(_) => Self::Int(1),
            Self::Double(_) => Self::Double(ZERO.next_up()),
        }
    }

    const fn below_zero(self) -> Self {
        match self {
            Self::Int(_) => Self::Int(-1),
            Self::Double(_) => Self::Double((-ZERO).next_down()),
        }
    }
}

/// A truth value counts as 0 or 1.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Bool(value) => Some(Number::Int(i64::from(*value))),
        Value::Int(value) => Some(Number::Int(*value)),
        Value::Double(value) => Some(Number::Double(*value)),
        Value::String(_)
        | Value::List(_)
        | Value::Uint(_)
        | Value::Bytes(_)
        | Value::Timestamp(_)
        | Value::Duration(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "models compare the nearest double")]
const fn to_double(number: i64) -> f64 {
    number as f64
}

/// Largest magnitude that LightGBM takes for zero.
const ZERO: f64 = 1e-35_f32 as f64;

/// A tree as one.
enum Tree {
    Leaf(i32),
    Split { feature: usize, at: usize, missing_right: bool, left: Box<Self>, right: Box<Self> },
}

impl Tree {
    fn read(shape: u32, bytes: &mut Bytes<'_>) -> Option<Self> {
        if shape == SPARSE {
            bytes.take::<4>()?;
            let count = u32::from_le_bytes(bytes.take()?);
            let nodes: Vec<[u8; 8]> = (0..count).map(|_| bytes.take()).collect::<Option<_>>()?;
            return Self::sparse(&nodes, 0);
        }
        let words: Vec<[u8; 4]> = (0..2_u32 << shape).map(|_| bytes.take()).collect::<Option<_>>()?;
        Self::complete(&words, 1)
    }

    /// The node at `at` of a heap; nothing but the right child of a filled-up one is ever reached.
    fn complete(words: &[[u8; 4]], at: usize) -> Option<Self> {
        let word = *words.get(at)?;
        if at >= words.len() / 2 {
            return Some(Self::Leaf(i32::from_le_bytes(word)));
        }
        if word == [0; 4] {
            return Self::complete(words, 2 * at + 1);
        }
        Some(Self::split(word, Self::complete(words, 2 * at)?, Self::complete(words, 2 * at + 1)?))
    }

    /// The node at `at` in preorder.
    fn sparse(nodes: &[[u8; 8]], at: usize) -> Option<Self> {
        let [a, b, c, d, rest @ ..] = *nodes.get(at)?;
        if [a, b, c, d] == [0; 4] {
            return Some(Self::Leaf(i32::from_le_bytes(rest)));
        }
        let right = at + usize::try_from(u32::from_le_bytes(rest)).ok()?;
        Some(Self::split([a, b, c, d], Self::sparse(nodes, at + 1)?, Self::sparse(nodes, right)?))
    }

    fn split([low, high, bin_low, bin_high]: [u8; 4], left: Self, right: Self) -> Self {
        let column = usize::from(u16::from_le_bytes([low, high]));
        let at = usize::from(u16::from_le_bytes([bin_low, bin_high]));
        let (left, right) = (Box::new(left), Box::new(right));
        Self::Split { feature: column / 2, at, missing_right: column % 2 == 1, left, right }
    }

    /// Least and greatest leaf that something in the sets reaches.
    fn bounds(&self, sets: &mut [Set]) -> Option<(i32, i32)> {
        let (feature, at, missing_right, left, right) = match self {
            Self::Leaf(value) => return Some((*value, *value)),
            Self::Split { feature, at, missing_right, left, right } => {
                (feature, at, missing_right, left, right)
            }
        };
        let before = sets.get(*feature)?.clone();
        let mut found: Option<(i32, i32)> = None;
        for (goes_right, child) in [(false, left), (true, right)] {
            let reached =
                before.reached.iter().enumerate().map(|(bin, held)| *held && (bin >= *at) == goes_right);
            let taken =
                Set { reached: reached.collect(), missing: before.missing && *missing_right == goes_right };
            if taken.is_empty() {
                continue;
            }
            *sets.get_mut(*feature)? = taken;
            let (lo, hi) = child.bounds(sets)?;
            found = Some(found.map_or((lo, hi), |(least, greatest)| (least.min(lo), greatest.max(hi))));
        }
        *sets.get_mut(*feature)? = before;
        found
    }
}
