//! What property tests inside of this crate share: chance from a seed, a catalogue, conditions, snapshots.

use crate::catalogue::{Birth, Catalogue, Origin, Privacy, Signal};
use crate::checked::{Checked, Expr};
use crate::diagnostic::Span;
use crate::reference::Snapshot;
use crate::source::{Finding, TextMap};
use glacis_policy::TimePart;
use glacis_wire::{
    Answer, Cause, EventName, Given, Method, Moment, SignalName, Span as WireSpan, Trust, Type, Value,
};
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

/// Two signals of each scalar type and of some lists; those of zone device end in 1 and are `attested`.
pub(crate) const SIGNALS: [(&str, Type); 22] = [
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
    ("x.u1", Type::Uint),
    ("x.u2", Type::Uint),
    ("x.y1", Type::Bytes),
    ("x.y2", Type::Bytes),
    ("x.t1", Type::Timestamp),
    ("x.t2", Type::Timestamp),
    ("x.p1", Type::Duration),
    ("x.p2", Type::Duration),
    ("x.m1", Type::TimestampList),
    ("x.m2", Type::TimestampList),
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
        app: None,
        purpose: "test".to_owned(),
        methods: vec![Method::Otp, Method::Passkey],
        rules: Vec::new(),
        classes: Vec::new(),
        signals: catalogue().signals,
        lists: Vec::new(),
        features: Vec::new(),
        models: Vec::new(),
        declassifiers: Vec::new(),
        budget: None,
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
        Type::Int | Type::Uint | Type::Double => {
            let operators: &[&str] =
                if ty == Type::Double { &["+", "-", "*", "/"] } else { &["+", "-", "*", "/", "%"] };
            match random.below(12) {
                0 if ty != Type::Uint => format!("-({})", sub(random, ty)),
                1 if ty == Type::Int => {
                    let of = random.pick(&[Type::String, Type::StringList, Type::IntList, Type::Bytes]);
                    format!("size({})", sub(random, of))
                }
                2 if ty == Type::Int => {
                    let list = random.pick(&["x.n1", "x.n2", "[3, 1, -1]"]);
                    if random.chance(50) {
                        return format!("{list}[{}]", sub(random, Type::Int));
                    }
                    format!("size({list}.filter(v, v > {}))", leaf_text(random, ty, 50))
                }
                3 | 4 if ty == Type::Int => {
                    let part = random.pick(&TimePart::ALL).function();
                    let zone = random.pick(&["", "'Europe/Berlin'", "'-03:30'", "'America/New_York'"]);
                    format!("({}).{part}({zone})", sub(random, Type::Timestamp))
                }
                5 if ty == Type::Int => {
                    let part = random.pick(&["getHours", "getMinutes", "getSeconds", "getMilliseconds"]);
                    format!("({}).{part}()", sub(random, Type::Duration))
                }
                6 | 7 => {
                    let from = match ty {
                        Type::Int => random.pick(&[Type::Uint, Type::Double, Type::String, Type::Timestamp]),
                        Type::Uint => random.pick(&[Type::Int, Type::Double, Type::String]),
                        _ => random.pick(&[Type::Int, Type::Uint]),
                    };
                    format!("{}({})", ty.name(), sub(random, from))
                }
                8 if ty == Type::Int => {
                    let key = random.pick(&[Type::String, Type::Int, Type::Uint, Type::Bool]);
                    format!("{}[{}]", map_text(key), sub(random, key))
                }
                _ => format!("({} {} {})", sub(random, ty), random.pick(operators), sub(random, ty)),
            }
        }
        Type::String if random.chance(15) => format!("string({})", sub(random, Type::Bytes)),
        Type::String if random.chance(15) => {
            format!("{}[{}]", leaf_text(random, Type::StringList, 0), sub(random, Type::Int))
        }
        Type::Bytes if random.chance(40) => format!("bytes({})", sub(random, Type::String)),
        Type::Timestamp => match random.below(5) {
            0 => format!("timestamp({})", sub(random, Type::Int)),
            1 => format!("({} + {})", sub(random, ty), sub(random, Type::Duration)),
            2 => format!("({} + {})", sub(random, Type::Duration), sub(random, ty)),
            3 => format!("({} - {})", sub(random, ty), sub(random, Type::Duration)),
            _ => leaf_text(random, ty, constants),
        },
        Type::Duration => match random.below(4) {
            0 => format!("({} - {})", sub(random, Type::Timestamp), sub(random, Type::Timestamp)),
            1 => format!("({} + {})", sub(random, ty), sub(random, ty)),
            2 => format!("({} - {})", sub(random, ty), sub(random, ty)),
            _ => leaf_text(random, ty, constants),
        },
        _ => leaf_text(random, ty, constants),
    }
}

fn bool_text(random: &mut Random, sub: &mut impl FnMut(&mut Random, Type) -> String) -> String {
    let any = random.pick(&[
        Type::Bool,
        Type::Int,
        Type::Double,
        Type::String,
        Type::Uint,
        Type::Bytes,
        Type::Timestamp,
        Type::Duration,
    ]);
    match random.below(14) {
        0 | 1 => format!("({} && {})", sub(random, Type::Bool), sub(random, Type::Bool)),
        2 | 3 => format!("({} || {})", sub(random, Type::Bool), sub(random, Type::Bool)),
        4 => format!("!({})", sub(random, Type::Bool)),
        5 | 6 => {
            let operator = random.pick(&["==", "!=", "<", "<=", ">", ">="]);
            format!("({} {operator} {})", sub(random, any), sub(random, any))
        }
        7 => {
            let (item, list) = random.pick(&[
                (Type::String, Type::StringList),
                (Type::Int, Type::IntList),
                (Type::Timestamp, Type::TimestampList),
            ]);
            format!("({} in {})", sub(random, item), sub(random, list))
        }
        8 => {
            let name = random.pick(&["startsWith", "endsWith", "contains"]);
            format!("({}).{name}({})", sub(random, Type::String), sub(random, Type::String))
        }
        9 => {
            let pattern = random.pick(&["a", "^a?b*$", "é$", "^.{2}$", r"\d", "^$", "[^a]"]);
            format!("({}).matches(r'{pattern}')", sub(random, Type::String))
        }
        10 => {
            let networks = random.pick(&["'10.0.0.0/8'", "['10.0.0.0/9', '::/0', '1.2.3.4/32']"]);
            format!("({}).inCIDR({networks})", sub(random, Type::String))
        }
        11 => {
            let name = random.pick(&["exists", "all", "exists_one"]);
            let (list, item) = random.pick(&[
                ("x.n1", Type::Int),
                ("x.n2", Type::Int),
                ("x.l2", Type::String),
                ("x.m1", Type::Timestamp),
                ("[1, 2, 3]", Type::Int),
                ("['a', 'é']", Type::String),
            ]);
            let operator = random.pick(&["==", "<", ">="]);
            format!("{list}.{name}(v, v {operator} {})", sub(random, item))
        }
        12 if random.chance(50) => format!("bool({})", sub(random, Type::String)),
        12 => format!("({} in {})", sub(random, Type::String), map_text(Type::String)),
        _ => format!("has({})", random.pick(&SIGNALS).0),
    }
}

/// A map from keys of a type to ints.
fn map_text(key: Type) -> &'static str {
    match key {
        Type::String => "{'a': 1, 'é': 2, '': -3}",
        Type::Int => "{-1: 1, 0: 2, 9223372036854775807: 3}",
        Type::Uint => "{0u: 1, 7u: 2}",
        _ => "{true: 1}",
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
        Type::String => &["''", "'a'", "'ab'", "'é'", "'10.1.2.3'", "'7'", "'true'"],
        Type::IntList => &["[]", "[1]", "[1, 2]"],
        Type::Uint => &["0u", "1u", "7u", "18446744073709551615u"],
        Type::Bytes => &["b''", "b'a'", "b'\\xff\\x00'"],
        Type::Timestamp => &[
            "timestamp('1970-01-01T00:00:00Z')",
            "timestamp('9999-12-31T23:59:59.999999Z')",
            "timestamp('0001-01-01T00:00:00Z')",
            "timestamp('2024-03-31T00:59:59.5Z')",
        ],
        Type::Duration => {
            &["duration('0')", "duration('-90m')", "duration('9223372036854775us')", "duration('1.5s')"]
        }
        Type::TimestampList => {
            &["[]", "[timestamp('2024-03-31T01:00:00Z'), timestamp('1970-01-01T00:00:00Z')]"]
        }
        _ => &["[]", "['a']", "['a', 'ab']"],
    };
    random.pick(texts).to_owned()
}

pub(crate) fn value(random: &mut Random, ty: Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(random.chance(50)),
        Type::Int => Value::Int(random.pick(&[0, 1, 2, 3, -1, i64::MAX, i64::MIN])),
        Type::Double => Value::Double(random.pick(&[0.0, -0.0, 1.5, 2.0, f64::NAN, f64::INFINITY])),
        Type::String => {
            let texts = ["", "a", "ab", "é", "éa", "10.9.9.9", "::1", "-7", "1e2", "T"];
            Value::String(random.pick(&texts).to_owned())
        }
        Type::Uint => Value::Uint(random.pick(&[0, 1, 7, u64::MAX])),
        Type::Bytes => Value::Bytes(random.pick(&[&b""[..], b"a", "é".as_bytes(), &[0xff, 0]]).to_vec()),
        Type::Timestamp => Value::Timestamp(random.pick(&[
            Moment::MIN,
            Moment::MAX,
            Moment::from_us(0).unwrap(),
            Moment::from_us(-1).unwrap(),
            Moment::from_us(1_711_846_800_000_000).unwrap(),
        ])),
        Type::Duration => Value::Duration(random.pick(&[
            WireSpan::MIN,
            WireSpan::MAX,
            WireSpan::from_us(-5_400_000_001).unwrap(),
        ])),
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
