//! Reference lines that we wrote by hand: what the workload costs without an engine around it.
//!
//! [`Closures`] and [`Bytecode`] visit every rule, as good interpreters do; [`BitVector`] visits every signal instead
//! and is the most that we know how to get. They do variant A and nothing else: no causes, no errors, no trust, no
//! verdict. [`Walk`] is the plain three-valued reading of the conditions, written to be right; it does both variants.

use crate::Outcome;
use crate::engine::Engine;
use crate::text::atoms;
use crate::workload::{Atom, BOOLS, Condition, DOUBLES, Event, INTS, STRINGS};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Walks the conditions in three values: true, false, and `None` for unknown.
pub(crate) struct Walk(Vec<Condition>);

impl Walk {
    pub(crate) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
        Ok(Box::new(Self(rules.to_vec())))
    }
}

impl Engine for Walk {
    fn name(&self) -> &'static str {
        "line: tree walk"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        hits.extend(
            (0..).zip(&self.0).filter(|(_, rule)| holds(rule, event) == Some(true)).map(|(at, _)| at),
        );
        Ok(())
    }
}

fn holds(condition: &Condition, event: &Event) -> Option<bool> {
    match condition {
        Condition::Atom(test) => test.holds(event),
        Condition::All(parts) => decided(false, parts, event),
        Condition::Any(parts) => decided(true, parts, event),
        Condition::Not(inner) => holds(inner, event).map(|inner| !inner),
        Condition::If(parts) => {
            let [condition, then, other] = parts.as_ref();
            holds(if holds(condition, event)? { then } else { other }, event)
        }
        Condition::SumGt(a, b, than) => Some(event.ints[*a]? + event.ints[*b]? > *than),
        Condition::Longer(at, than) => Some(event.strings[*at].as_ref()?.chars().count() as i64 > *than),
        Condition::EndsWith(at, part) => Some(event.strings[*at].as_ref()?.ends_with(part)),
        Condition::Contains(at, part) => Some(event.strings[*at].as_ref()?.contains(part)),
    }
}

/// `||` where `decides` is true, `&&` where it is false: a deciding operand wins, then an unknown one.
fn decided(decides: bool, parts: &[Condition], event: &Event) -> Option<bool> {
    let mut outcome = Some(!decides);
    for part in parts {
        match holds(part, event) {
            Some(value) if value == decides => return Some(decides),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

impl Atom {
    fn holds(&self, event: &Event) -> Option<bool> {
        Some(match self {
            Self::IntGt(at, than) => event.ints[*at]? > *than,
            Self::IntLt(at, than) => event.ints[*at]? < *than,
            Self::IntEq(at, value) => event.ints[*at]? == *value,
            Self::DoubleGt(at, than) => event.doubles[*at]? > than.value(),
            Self::DoubleLt(at, than) => event.doubles[*at]? < than.value(),
            Self::In(..) | Self::Prefix(..) => self.holds_for(event.strings[self.signal()].as_ref()?),
            Self::Is(at, value) => event.bools[*at]? == *value,
        })
    }

    /// Whether a test of a string holds for `text`.
    fn holds_for(&self, text: &str) -> bool {
        match self {
            Self::In(_, literals) => literals.iter().any(|literal| literal == text),
            Self::Prefix(_, start) => text.starts_with(start),
            _ => false,
        }
    }

    const fn signal(&self) -> usize {
        match self {
            Self::IntGt(at, _) | Self::IntLt(at, _) | Self::IntEq(at, _) => *at,
            Self::DoubleGt(at, _) | Self::DoubleLt(at, _) => *at,
            Self::In(at, _) | Self::Prefix(at, _) | Self::Is(at, _) => *at,
        }
    }
}

/// One boxed closure an atom, called until one says no.
pub(crate) struct Closures(Vec<Vec<Test>>);

type Test = Box<dyn Fn(&Event) -> bool>;

impl Closures {
    pub(crate) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
        Ok(Box::new(Self(rules.iter().map(|rule| atoms(rule).map(closure).collect()).collect())))
    }
}

impl Engine for Closures {
    fn name(&self) -> &'static str {
        "line: boxed closures"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let rules = (0..).zip(&self.0);
        hits.extend(rules.filter(|(_, tests)| tests.iter().all(|test| test(event))).map(|(at, _)| at));
        Ok(())
    }
}

fn closure(atom: &Atom) -> Test {
    match atom.clone() {
        Atom::IntGt(at, than) => Box::new(move |event| event.ints[at].is_some_and(|value| value > than)),
        Atom::IntLt(at, than) => Box::new(move |event| event.ints[at].is_some_and(|value| value < than)),
        Atom::IntEq(at, than) => Box::new(move |event| event.ints[at].is_some_and(|value| value == than)),
        Atom::DoubleGt(at, than) => {
            let than = than.value();
            Box::new(move |event| event.doubles[at].is_some_and(|value| value > than))
        }
        Atom::DoubleLt(at, than) => {
            let than = than.value();
            Box::new(move |event| event.doubles[at].is_some_and(|value| value < than))
        }
        Atom::In(at, mut literals) => {
            literals.sort_unstable();
            Box::new(move |event| {
                event.strings[at].as_ref().is_some_and(|text| literals.binary_search(text).is_ok())
            })
        }
        Atom::Prefix(at, start) => {
            Box::new(move |event| event.strings[at].as_ref().is_some_and(|text| text.starts_with(&start)))
        }
        Atom::Is(at, wanted) => Box::new(move |event| event.bools[at] == Some(wanted)),
    }
}

/// One flat array of instructions; strings are looked up once an event and compared by number.
pub(crate) struct Bytecode {
    code: Vec<Op>,
    /// Number of each literal that some list holds.
    literals: Literals<u32>,
    /// Sorted numbers of every list, one after the other.
    lists: Vec<u32>,
    prefixes: Vec<String>,
}

/// One test. What does not hold jumps to the end of its rule.
enum Op {
    IntGt { at: u16, end: u32, than: i64 },
    IntLt { at: u16, end: u32, than: i64 },
    IntEq { at: u16, end: u32, than: i64 },
    DoubleGt { at: u16, end: u32, than: f64 },
    DoubleLt { at: u16, end: u32, than: f64 },
    In { at: u16, end: u32, first: u32, last: u32 },
    Prefix { at: u16, end: u32, prefix: u32 },
    Is { at: u16, end: u32, value: bool },
    Hit(u32),
}

impl Bytecode {
    pub(crate) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
        let mut made =
            Self { code: Vec::new(), literals: Literals::default(), lists: Vec::new(), prefixes: Vec::new() };
        for (at, rule) in rules.iter().enumerate() {
            let end = made.code.len() + atoms(rule).count() + 1;
            for atom in atoms(rule) {
                let op = made.op(atom, end as u32);
                made.code.push(op);
            }
            made.code.push(Op::Hit(at as u32));
        }
        Ok(Box::new(made))
    }

    fn op(&mut self, atom: &Atom, end: u32) -> Op {
        let at = atom.signal() as u16;
        match atom {
            Atom::IntGt(_, than) => Op::IntGt { at, end, than: *than },
            Atom::IntLt(_, than) => Op::IntLt { at, end, than: *than },
            Atom::IntEq(_, than) => Op::IntEq { at, end, than: *than },
            Atom::DoubleGt(_, than) => Op::DoubleGt { at, end, than: than.value() },
            Atom::DoubleLt(_, than) => Op::DoubleLt { at, end, than: than.value() },
            Atom::In(_, literals) => {
                let first = self.lists.len();
                for literal in literals {
                    let next = self.literals.len() as u32;
                    self.lists.push(*self.literals.entry(literal.as_bytes().into()).or_insert(next));
                }
                self.lists[first..].sort_unstable();
                Op::In { at, end, first: first as u32, last: self.lists.len() as u32 }
            }
            Atom::Prefix(_, start) => {
                self.prefixes.push(start.clone());
                Op::Prefix { at, end, prefix: self.prefixes.len() as u32 - 1 }
            }
            Atom::Is(_, value) => Op::Is { at, end, value: *value },
        }
    }

    /// Where the next instruction is, unless `op` is a hit.
    #[inline]
    fn fails_to(&self, op: &Op, event: &Event, numbers: &[u32; STRINGS]) -> Option<u32> {
        let (end, holds) = match *op {
            Op::IntGt { at, end, than } => {
                (end, event.ints[usize::from(at)].is_some_and(|value| value > than))
            }
            Op::IntLt { at, end, than } => {
                (end, event.ints[usize::from(at)].is_some_and(|value| value < than))
            }
            Op::IntEq { at, end, than } => (end, event.ints[usize::from(at)] == Some(than)),
            Op::DoubleGt { at, end, than } => {
                (end, event.doubles[usize::from(at)].is_some_and(|value| value > than))
            }
            Op::DoubleLt { at, end, than } => {
                (end, event.doubles[usize::from(at)].is_some_and(|value| value < than))
            }
            Op::In { at, end, first, last } => {
                let list = &self.lists[first as usize..last as usize];
                (end, list.binary_search(&numbers[usize::from(at)]).is_ok())
            }
            Op::Prefix { at, end, prefix } => {
                let start = self.prefixes[prefix as usize].as_str();
                (end, event.strings[usize::from(at)].as_ref().is_some_and(|text| text.starts_with(start)))
            }
            Op::Is { at, end, value } => (end, event.bools[usize::from(at)] == Some(value)),
            Op::Hit(_) => return None,
        };
        (!holds).then_some(end)
    }
}

impl Engine for Bytecode {
    fn name(&self) -> &'static str {
        "line: flat bytecode"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let numbers = std::array::from_fn(|at| {
            let number = event.strings[at].as_ref().and_then(|text| self.literals.get(text.as_bytes()));
            number.copied().unwrap_or(u32::MAX)
        });
        let mut at = 0;
        while let Some(op) = self.code.get(at) {
            if let Op::Hit(rule) = op {
                hits.push(*rule);
            }
            at = self.fails_to(op, event, &numbers).map_or(at + 1, |end| end as usize);
        }
        Ok(())
    }
}

/// For each signal a partition of its values into classes, for each class the rules that it rules out, one bit each.
/// A decision is the OR of one such row a signal; what no row rules out matches.
pub(crate) struct BitVector {
    ints: Vec<Ordered<i64>>,
    doubles: Vec<Ordered<f64>>,
    strings: Vec<Strings>,
    /// By signal: the row of `false`, and that of `true`.
    bools: Vec<(usize, [RowId; 2])>,
    rows: Rows,
    /// What is ruled out before the first signal: the bits after the last rule.
    start: Box<[u64]>,
    dead: Box<[u64]>,
}

/// Place of a row among [`Rows`].
type RowId = u32;

/// All rows, one after the other, equal ones once.
struct Rows {
    words: usize,
    bits: Vec<u64>,
    ids: HashMap<Box<[u64]>, RowId>,
}

/// The classes of a signal that is compared with constants.
struct Ordered<T> {
    signal: usize,
    /// First value of each class but the first, ascending.
    starts: Vec<T>,
    rows: Vec<RowId>,
}

/// The classes of a string: a literal that lists hold, else what it begins with.
struct Strings {
    signal: usize,
    literals: Literals<RowId>,
    four: Literals<RowId>,
    two: Literals<RowId>,
    other: RowId,
}

impl BitVector {
    pub(crate) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
        let words = rules.len().div_ceil(64);
        let mut rows = Rows { words, bits: Vec::new(), ids: HashMap::new() };
        let mut start = vec![0; words].into_boxed_slice();
        for rule in rules.len()..words * 64 {
            start[rule / 64] |= 1 << (rule % 64);
        }
        Ok(Box::new(Self {
            ints: (0..INTS).filter_map(|at| ints(at, rules, &mut rows)).collect(),
            doubles: (0..DOUBLES).filter_map(|at| doubles(at, rules, &mut rows)).collect(),
            strings: (0..STRINGS).filter_map(|at| strings(at, rules, &mut rows)).collect(),
            bools: (0..BOOLS).map(|at| (at, bools(at, rules, &mut rows))).collect(),
            rows,
            dead: start.clone(),
            start,
        }))
    }
}

impl Engine for BitVector {
    fn name(&self) -> &'static str {
        "line: bit-vector"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let Self { ints, doubles, strings, bools, rows, start, dead } = self;
        dead.copy_from_slice(start);
        for signal in ints {
            let value = event.ints[signal.signal].ok_or(UNKNOWN)?;
            rows.rule_out(signal.row(value), dead);
        }
        for signal in doubles {
            let value = event.doubles[signal.signal].ok_or(UNKNOWN)?;
            rows.rule_out(signal.row(value), dead);
        }
        for signal in strings {
            let text = event.strings[signal.signal].as_ref().ok_or(UNKNOWN)?;
            rows.rule_out(signal.row(text.as_bytes()), dead);
        }
        for (signal, by_value) in bools {
            let value = event.bools[*signal].ok_or(UNKNOWN)?;
            rows.rule_out(by_value[usize::from(value)], dead);
        }
        for (at, word) in (0..).zip(dead.iter()) {
            let mut alive = !word;
            while alive != 0 {
                hits.push(at * 64 + alive.trailing_zeros());
                alive &= alive - 1;
            }
        }
        Ok(())
    }
}

const UNKNOWN: &str = "the bit-vector line wants every signal known";

impl Rows {
    /// Keeps the row of the rules one of whose atoms is ruled out.
    fn keep(&mut self, rules: &[Condition], ruled_out: impl Fn(&Atom) -> bool) -> RowId {
        let mut row = vec![0_u64; self.words];
        for (at, rule) in rules.iter().enumerate() {
            if atoms(rule).any(&ruled_out) {
                row[at / 64] |= 1 << (at % 64);
            }
        }
        let next = self.ids.len() as RowId;
        let id = *self.ids.entry(row.as_slice().into()).or_insert(next);
        if id == next {
            self.bits.extend(row);
        }
        id
    }

    #[inline]
    fn rule_out(&self, row: RowId, dead: &mut [u64]) {
        let first = row as usize * self.words;
        for (dead, row) in dead.iter_mut().zip(&self.bits[first..first + self.words]) {
            *dead |= row;
        }
    }
}

impl<T: Copy + PartialOrd> Ordered<T> {
    #[inline]
    fn row(&self, value: T) -> RowId {
        self.rows[self.starts.partition_point(|start| *start <= value)]
    }
}

fn ints(signal: usize, rules: &[Condition], rows: &mut Rows) -> Option<Ordered<i64>> {
    let mut starts = Vec::new();
    for atom in rules.iter().flat_map(atoms) {
        match atom {
            Atom::IntGt(at, than) if *at == signal => starts.push(than + 1),
            Atom::IntLt(at, than) if *at == signal => starts.push(*than),
            Atom::IntEq(at, value) if *at == signal => starts.extend([*value, value + 1]),
            _ => {}
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let row = |value: i64| {
        rows.keep(rules, |atom| match atom {
            Atom::IntGt(at, than) => *at == signal && value <= *than,
            Atom::IntLt(at, than) => *at == signal && value >= *than,
            Atom::IntEq(at, wanted) => *at == signal && value != *wanted,
            _ => false,
        })
    };
    let rows = std::iter::once(i64::MIN).chain(starts.iter().copied()).map(row).collect();
    (!starts.is_empty()).then_some(Ordered { signal, starts, rows })
}

fn doubles(signal: usize, rules: &[Condition], rows: &mut Rows) -> Option<Ordered<f64>> {
    let mut starts = Vec::new();
    for atom in rules.iter().flat_map(atoms) {
        match atom {
            Atom::DoubleGt(at, than) if *at == signal => starts.push(than.value().next_up()),
            Atom::DoubleLt(at, than) if *at == signal => starts.push(than.value()),
            _ => {}
        }
    }
    starts.sort_unstable_by(f64::total_cmp);
    starts.dedup();
    let row = |value: f64| {
        rows.keep(rules, |atom| match atom {
            Atom::DoubleGt(at, than) => *at == signal && value <= than.value(),
            Atom::DoubleLt(at, than) => *at == signal && value >= than.value(),
            _ => false,
        })
    };
    let rows = std::iter::once(f64::MIN).chain(starts.iter().copied()).map(row).collect();
    (!starts.is_empty()).then_some(Ordered { signal, starts, rows })
}

fn bools(signal: usize, rules: &[Condition], rows: &mut Rows) -> [RowId; 2] {
    [false, true].map(|value| {
        rows.keep(rules, |atom| matches!(atom, Atom::Is(at, wanted) if *at == signal && *wanted != value))
    })
}

fn strings(signal: usize, rules: &[Condition], rows: &mut Rows) -> Option<Strings> {
    let mut row = |text: &str| {
        rows.keep(rules, |atom| match atom {
            Atom::In(at, _) | Atom::Prefix(at, _) => *at == signal && !atom.holds_for(text),
            _ => false,
        })
    };
    let (mut literals, mut four, mut two) = (Literals::default(), Literals::default(), Literals::default());
    for atom in rules.iter().flat_map(atoms) {
        match atom {
            Atom::In(at, listed) if *at == signal => {
                for literal in listed {
                    literals.entry(literal.as_bytes().into()).or_insert_with(|| row(literal));
                }
            }
            // The start itself stands for what is no literal: it is shorter than any of them.
            Atom::Prefix(at, start) if *at == signal => {
                let by_start = if start.len() == 4 { &mut four } else { &mut two };
                by_start.entry(start.as_bytes().into()).or_insert_with(|| row(start));
            }
            _ => {}
        }
    }
    let is_used = !(literals.is_empty() && four.is_empty() && two.is_empty());
    is_used.then(|| Strings { signal, literals, four, two, other: row("") })
}

impl Strings {
    #[inline]
    fn row(&self, text: &[u8]) -> RowId {
        let literal = self.literals.get(text);
        let four = || text.get(..4).and_then(|start| self.four.get(start));
        let two = || text.get(..2).and_then(|start| self.two.get(start));
        literal.or_else(four).or_else(two).copied().unwrap_or(self.other)
    }
}

type Literals<T> = HashMap<Box<[u8]>, T, BuildHasherDefault<Fold>>;

/// Eight bytes at a time, multiplied and folded: fast, and good enough for literals that nobody chose to collide.
#[derive(Default)]
struct Fold(u64);

impl Fold {
    #[inline]
    fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0x9E37_79B9_7F4A_7C15_u64);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Fold {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.add(chunk.try_into().map_or(0, u64::from_le_bytes));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.add(u64::from_le_bytes(last));
        }
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
