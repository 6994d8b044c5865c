//! What property tests inside of this crate share: chance from a seed, a catalogue, conditions, snapshots.

use crate::catalogue::{Birth, Catalogue, Origin, Privacy, Signal};
use crate::checked::{Checked, Expr};
use crate::diagnostic::Span;
use crate::reference::Snapshot;
use crate::source::{Finding, TextMap};
use glacis_wire::{Answer, Cause, EventName, Given, Method, SignalName, Trust, Type, Value};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to make cases, and one line to reproduce.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Runs `case` for the fixed and for a fresh seed; the seed of a failing case is printed.
pub(crate) fn for_each_case(case: impl Fn(&mut Random)) {
    #[expect(clippy::disallowed_methods, reason = "how many cases is all that a test asks the environment")]
    let cases = std::env::var("GLACIS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256_u64);
    let fresh = RandomState::new().build_hasher().finish();
    for start in [1, fresh] {
        for seed in (0..cases).map(|at| start.wrapping_add(at)) {
            let shown = Shown(seed);
            case(&mut Random::new(seed));
            drop(shown);
        }
    }
}

/// Prints the seed when a case panics.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing case: Random::new({})", self.0);
        }
    }
}

/// Two signals of each scalar type and two lists; those of zone device end in 1 and are `attested`.
pub(crate) const SIGNALS: [(&str, Type); 12] = [
    ("x.b1", Type::Bool),
    ("x.b2", Type::Bool),
    ("x.i1", Type::Int),
    ("x.i2", Type::Int),
    ("x.d1", Type::Double),
    ("x.d2", Type::Double),
    ("x.s1", Type::String),
    ("x.s2", Type::String),
    ("x.l1", Type::StringList),
    ("x.l2", Type::StringList),
    ("x.n1", Type::IntList),
    ("x.n2", Type::IntList),
];

pub(crate) fn signal(name: &str, ty: Type) -> Signal {
    let device = name.ends_with('1');
    Signal {
        name: SignalName::parse(name).unwrap(),
        ty,
        birth: if device { Birth::Device } else { Birth::Edge },
        origin: Origin::Observed,
        privacy: Privacy::Private,
        purpose: vec!["test".to_owned()],
        retention: Duration::ZERO,
        min_trust: if device { Trust::Attested } else { Trust::Claimed },
        max_bytes: Some(8),
        max_items: Some(4),
        cost: 1,
    }
}

pub(crate) fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (name, ty) in SIGNALS {
        catalogue.signals.insert(SignalName::parse(name).unwrap(), signal(name, ty));
    }
    catalogue
}

/// A policy without rules over [`catalogue`].
pub(crate) fn policy() -> Checked {
    Checked {
        name: "test".to_owned(),
        event: EventName::parse("test").unwrap(),
        purpose: "test".to_owned(),
        methods: vec![Method::Otp, Method::Passkey],
        rules: Vec::new(),
        classes: Vec::new(),
        signals: catalogue().signals,
        lists: Vec::new(),
        features: Vec::new(),
        models: Vec::new(),
    }
}

/// Parses and types.
pub(crate) fn typed(text: &str, catalogue: &Catalogue) -> Result<Expr, Finding> {
    let map = TextMap::new(&format!("'''{text}'''"), 0, text);
    let ast = crate::cel::parse::parse(text)?;
    assert_eq!(map.span(Span::new(0, 0)).start, 3);
    crate::check::expr::check(&ast, (catalogue, &[]), &map).map(|typed| typed.expr)
}

/// Text of a random expression of type `ty`, well typed; `constants` percent of its leaves are literals.
pub(crate) fn condition(random: &mut Random, ty: Type, depth: usize, constants: usize) -> String {
    let leaf = depth == 0 || random.chance(15);
    let mut sub = |random: &mut Random, ty| condition(random, ty, depth.saturating_sub(1), constants);
    if leaf {
        return leaf_text(random, ty, constants);
    }
    if random.chance(12) {
        let (a, b, c) = (sub(random, Type::Bool), sub(random, ty), sub(random, ty));
        return format!("({a} ? {b} : {c})");
    }
    match ty {
        Type::Bool => bool_text(random, &mut sub),
        Type::Int | Type::Double => {
            let operators: &[&str] =
                if ty == Type::Int { &["+", "-", "*", "/", "%"] } else { &["+", "-", "*", "/"] };
            match random.below(8) {
                0 => format!("-({})", sub(random, ty)),
                1 if ty == Type::Int => {
                    let of = random.pick(&[Type::String, Type::StringList, Type::IntList]);
                    format!("size({})", sub(random, of))
                }
                _ => format!("({} {} {})", sub(random, ty), random.pick(operators), sub(random, ty)),
            }
        }
        _ => leaf_text(random, ty, constants),
    }
}

fn bool_text(random: &mut Random, sub: &mut impl FnMut(&mut Random, Type) -> String) -> String {
    let any = random.pick(&[Type::Bool, Type::Int, Type::Double, Type::String]);
    match random.below(10) {
        0 | 1 => format!("({} && {})", sub(random, Type::Bool), sub(random, Type::Bool)),
        2 | 3 => format!("({} || {})", sub(random, Type::Bool), sub(random, Type::Bool)),
        4 => format!("!({})", sub(random, Type::Bool)),
        5 | 6 => {
            let operator = random.pick(&["==", "!=", "<", "<=", ">", ">="]);
            format!("({} {operator} {})", sub(random, any), sub(random, any))
        }
        7 => {
            let (item, list) = random.pick(&[(Type::String, Type::StringList), (Type::Int, Type::IntList)]);
            format!("({} in {})", sub(random, item), sub(random, list))
        }
        8 => {
            let name = random.pick(&["startsWith", "endsWith", "contains"]);
            format!("({}).{name}({})", sub(random, Type::String), sub(random, Type::String))
        }
        _ => format!("has({})", random.pick(&SIGNALS).0),
    }
}

fn leaf_text(random: &mut Random, ty: Type, constants: usize) -> String {
    if !random.chance(constants) {
        let fitting: Vec<&str> = SIGNALS.iter().filter(|(_, of)| *of == ty).map(|(name, _)| *name).collect();
        return random.pick(&fitting).to_owned();
    }
    let texts: &[&str] = match ty {
        Type::Bool => &["true", "false"],
        Type::Int => &["0", "1", "-1", "2", "9223372036854775807", "-9223372036854775808"],
        Type::Double => &["0.0", "-0.0", "1.5", "2.0"],
        Type::String => &["''", "'a'", "'ab'", "'é'"],
        Type::IntList => &["[]", "[1]", "[1, 2]"],
        _ => &["[]", "['a']", "['a', 'ab']"],
    };
    random.pick(texts).to_owned()
}

pub(crate) fn value(random: &mut Random, ty: Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(random.chance(50)),
        Type::Int => Value::Int(random.pick(&[0, 1, 2, 3, -1, i64::MAX, i64::MIN])),
        Type::Double => Value::Double(random.pick(&[0.0, -0.0, 1.5, 2.0, f64::NAN, f64::INFINITY])),
        Type::String => Value::String(random.pick(&["", "a", "ab", "é", "éa"]).to_owned()),
        list => {
            let of = list.element().unwrap();
            Value::List((0..random.below(3)).map(|_| value(random, of)).collect())
        }
    }
}

/// A random honest snapshot: one trust for the device, proven for the rest; `known` percent are values.
pub(crate) fn snapshot(random: &mut Random, device: Trust, known: usize) -> Snapshot {
    let mut answers = BTreeMap::new();
    for (name, ty) in SIGNALS {
        let from_device = name.ends_with('1');
        let causes = [Cause::Withheld, Cause::Unavailable, Cause::Inexact];
        let answer = match random.below(3) {
            _ if random.chance(known) => Answer::Value(value(random, ty)),
            0 => Answer::Missing,
            1 => Answer::Error,
            _ if from_device => Answer::unknown(Cause::Withheld),
            _ => Answer::unknown(random.pick(&causes)),
        };
        let trust = if from_device { device } else { Trust::Proven };
        answers.insert(SignalName::parse(name).unwrap(), Given { answer, trust });
    }
    Snapshot { answers }
}
