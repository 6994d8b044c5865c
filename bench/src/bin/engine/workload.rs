//! The workload: rules over 60 flat signals, and events, from a fixed seed.
//!
//! Variant A is what every rule engine can say: a rule is the conjunction of 2 to 4 atoms, each of one signal, and
//! every signal is known. Variant B is what a cut policy meets: 30 % of the rules have `||`, `!` or `?:`, 10 % hold
//! something that no index over single signals finds, and a third of the signals of each event is unknown.
//!
//! Doubles are whole hundredths, so that engines of decimals and of binary fractions agree on them. The mix of atoms
//! is set so that about 1 % of the rules match; the bench prints how many do.

/// Seed of everything.
pub(crate) const SEED: u64 = 20_261_130;
pub(crate) const INTS: usize = 20;
pub(crate) const DOUBLES: usize = 15;
pub(crate) const STRINGS: usize = 20;
pub(crate) const BOOLS: usize = 5;
pub(crate) const SIGNALS: usize = INTS + DOUBLES + STRINGS + BOOLS;
pub(crate) const EVENTS: usize = 10_000;

/// What an event says; `None` is unknown. Variant A has none of those.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) ints: [Option<i64>; INTS],
    pub(crate) doubles: [Option<f64>; DOUBLES],
    pub(crate) strings: [Option<String>; STRINGS],
    pub(crate) bools: [Option<bool>; BOOLS],
}

/// A test of one signal, named by its number among those of its type.
#[derive(Clone, Debug)]
pub(crate) enum Atom {
    IntGt(usize, i64),
    IntLt(usize, i64),
    IntEq(usize, i64),
    DoubleGt(usize, Hundredths),
    DoubleLt(usize, Hundredths),
    In(usize, Vec<String>),
    Prefix(usize, String),
    Is(usize, bool),
}

/// A double that is written with two digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hundredths(pub(crate) u32);

impl Hundredths {
    /// The double nearest to it, which is also what its text parses to.
    pub(crate) fn value(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// When a rule matches.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Atom(Atom),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    If(Box<[Condition; 3]>),
    /// The sum of two ints is more than this.
    SumGt(usize, usize, i64),
    /// The string is longer than this.
    Longer(usize, i64),
    EndsWith(usize, String),
    Contains(usize, String),
}

/// What the engines are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Conjunctions, everything known.
    A,
    /// Connectives, a third unknown, some rules that do not index.
    B,
}

/// `rules` conditions of `variant`.
pub(crate) fn rules(variant: Variant, rules: usize) -> Vec<Condition> {
    let mut random = Random(SEED ^ 0xA5A5 ^ rules as u64);
    let words = Words::new();
    (0..rules).map(|_| rule(&mut random, &words, variant)).collect()
}

/// Events of `variant`, the same whatever the rules.
pub(crate) fn events(variant: Variant) -> Vec<Event> {
    let mut random = Random(SEED);
    let words = Words::new();
    (0..EVENTS).map(|_| event(&mut random, &words, variant)).collect()
}

fn rule(random: &mut Random, words: &Words, variant: Variant) -> Condition {
    let atom = |random: &mut Random| Condition::Atom(atom(random, words));
    let several = |random: &mut Random| {
        let atoms = 2 + random.below(3);
        Condition::All((0..atoms).map(|_| atom(random)).collect())
    };
    match (variant, random.below(100)) {
        (Variant::A, _) | (Variant::B, 40..) => several(random),
        (Variant::B, 0..10) => Condition::Any(vec![several(random), several(random)]),
        (Variant::B, 10..20) => {
            let none = Condition::Any(vec![atom(random), atom(random)]);
            Condition::All(vec![atom(random), atom(random), Condition::Not(Box::new(none))])
        }
        (Variant::B, 20..30) => {
            let choice = Condition::If(Box::new([atom(random), atom(random), atom(random)]));
            Condition::All(vec![atom(random), choice])
        }
        (Variant::B, _) => Condition::All(vec![atom(random), unindexed(random, words)]),
    }
}

/// One of the eight kinds of atoms.
fn atom(random: &mut Random, words: &Words) -> Atom {
    match random.below(11) {
        0 => Atom::IntGt(random.below(INTS), random.high(INT_END)),
        1 => Atom::IntLt(random.below(INTS), random.low(INT_END)),
        2 | 3 => Atom::IntEq(random.below(SMALL_INTS), random.below(SMALL_INT_END as usize) as i64),
        4 => Atom::DoubleGt(random.below(DOUBLES), Hundredths(random.high(DOUBLE_END) as u32)),
        5 => Atom::DoubleLt(random.below(DOUBLES), Hundredths(random.low(DOUBLE_END) as u32)),
        6 | 7 => {
            let literals = 8 + random.below(24);
            Atom::In(random.below(STRINGS), words.some(random, literals))
        }
        8 | 9 => {
            let bytes = if random.below(2) == 0 { 2 } else { 4 };
            Atom::Prefix(random.below(STRINGS), words.known(random)[..bytes].to_owned())
        }
        _ => Atom::Is(random.below(BOOLS), random.below(2) == 0),
    }
}

fn unindexed(random: &mut Random, words: &Words) -> Condition {
    match random.below(4) {
        0 => {
            let first = random.below(INTS - 1);
            let second = first + 1 + random.below(INTS - 1 - first);
            Condition::SumGt(first, second, INT_END + random.below(INT_END as usize) as i64 / 2)
        }
        1 => Condition::Longer(random.below(STRINGS), 9),
        2 => Condition::EndsWith(random.below(STRINGS), ending(words.known(random)).to_owned()),
        _ => Condition::Contains(random.below(STRINGS), words.known(random)[2..4].to_owned()),
    }
}

/// The last byte of a word; words are ASCII.
fn ending(word: &str) -> &str {
    &word[word.len() - 1..]
}

fn event(random: &mut Random, words: &Words, variant: Variant) -> Event {
    let known = |random: &mut Random| variant == Variant::A || random.below(3) != 0;
    Event {
        ints: std::array::from_fn(|at| {
            let end = if at < SMALL_INTS { SMALL_INT_END } else { INT_END };
            let value = random.below(end as usize) as i64;
            known(random).then_some(value)
        }),
        doubles: std::array::from_fn(|_| {
            let value = Hundredths(random.below(DOUBLE_END as usize) as u32).value();
            known(random).then_some(value)
        }),
        strings: std::array::from_fn(|_| {
            // One in eight is a word that no rule lists.
            let word =
                if random.below(8) == 0 { words.fresh(random) } else { words.known(random).to_owned() };
            known(random).then_some(word)
        }),
        bools: std::array::from_fn(|_| {
            let value = random.below(2) == 0;
            known(random).then_some(value)
        }),
    }
}

/// Ints that take few values come first: they are what `==` is used on.
const SMALL_INTS: usize = 8;
const SMALL_INT_END: i64 = 20;
const INT_END: i64 = 1_000;
/// In hundredths.
const DOUBLE_END: i64 = 100_000;
/// Words that lists are made of.
const WORDS: usize = 256;

/// Words with common beginnings, so that prefixes match.
struct Words {
    starts: Vec<String>,
    all: Vec<String>,
}

impl Words {
    fn new() -> Self {
        let mut random = Random(SEED ^ 0x5A5A);
        let starts: Vec<String> = (0..12).map(|_| letters(&mut random, 2)).collect();
        let mut words = Self { starts, all: Vec::new() };
        while words.all.len() < WORDS {
            let word = words.fresh(&mut random);
            if !words.all.contains(&word) {
                words.all.push(word);
            }
        }
        words
    }

    fn fresh(&self, random: &mut Random) -> String {
        let (first, second) = (random.below(self.starts.len()), random.below(self.starts.len()));
        let rest = 1 + random.below(8);
        format!("{}{}{}", self.starts[first], self.starts[second], letters(random, rest))
    }

    fn known(&self, random: &mut Random) -> &str {
        &self.all[random.below(self.all.len())]
    }

    /// `count` different words.
    fn some(&self, random: &mut Random, count: usize) -> Vec<String> {
        let mut some: Vec<String> = Vec::with_capacity(count);
        while some.len() < count {
            let word = self.known(random);
            if !some.iter().any(|known| known == word) {
                some.push(word.to_owned());
            }
        }
        some
    }
}

fn letters(random: &mut Random, count: usize) -> String {
    (0..count).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0. The bias at these sizes is nothing.
    const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A threshold that 5 to 30 % of the values up to `end` are above.
    const fn high(&mut self, end: i64) -> i64 {
        end - self.low(end)
    }

    /// A threshold that 5 to 30 % of the values up to `end` are below.
    const fn low(&mut self, end: i64) -> i64 {
        end / 20 + self.below(end as usize / 4) as i64
    }
}
