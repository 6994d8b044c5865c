//! Random expressions of core CEL from a seed: mostly well typed, so that most have a value.
//!
//! One draw in twenty takes a part of another type, so that errors and their absorption are met as well. Literals
//! favour the ends of ranges.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Types that expressions are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Time,
    Span,
    Ints,
    Texts,
    Map,
}

const KINDS: [Kind; 11] = [
    Kind::Bool,
    Kind::Int,
    Kind::Uint,
    Kind::Double,
    Kind::Text,
    Kind::Bytes,
    Kind::Time,
    Kind::Span,
    Kind::Ints,
    Kind::Texts,
    Kind::Map,
];

/// One expression.
pub fn expression(random: &mut Random) -> String {
    let kind = KINDS[random.below(KINDS.len())];
    let depth = 1 + random.below(4);
    made(random, kind, depth)
}

/// A part of the wanted kind, or now and then of another.
fn part(random: &mut Random, kind: Kind, depth: usize) -> String {
    let kind = if random.below(20) == 0 { KINDS[random.below(KINDS.len())] } else { kind };
    made(random, kind, depth.saturating_sub(1))
}

fn made(random: &mut Random, kind: Kind, depth: usize) -> String {
    if depth == 0 || random.below(8) == 0 {
        return literal(random, kind);
    }
    if random.below(10) == 0 {
        let (test, yes, no) =
            (part(random, Kind::Bool, depth), part(random, kind, depth), part(random, kind, depth));
        return format!("({test} ? {yes} : {no})");
    }
    match kind {
        Kind::Bool => boolean(random, depth),
        Kind::Int => int(random, depth),
        Kind::Uint | Kind::Double => number(random, kind, depth),
        Kind::Text | Kind::Bytes => text(random, kind, depth),
        Kind::Time | Kind::Span => time(random, kind, depth),
        Kind::Ints | Kind::Texts => list(random, kind, depth),
        Kind::Map => {
            let (key, value) = (part(random, Kind::Text, depth), part(random, Kind::Int, depth));
            format!("{{{key}: {value}, 'k': 1}}")
        }
    }
}

fn literal(random: &mut Random, kind: Kind) -> String {
    let texts: &[&str] = match kind {
        Kind::Bool => &["true", "false"],
        Kind::Int => &["0", "1", "2", "-1", "7", "9223372036854775807", "-9223372036854775808", "0x10"],
        Kind::Uint => &["0u", "1u", "2u", "18446744073709551615u"],
        Kind::Double => &["0.0", "1.0", "-1.5", "2.5e3", "1e308", "9007199254740993.0"],
        Kind::Text => &["''", "'a'", "'ab'", "'é😀'", "'1'", "'true'", "'2.5'", "r'\\d'", "'^a.*'"],
        Kind::Bytes => &["b''", "b'a'", "b'\\xff'", "b'é'"],
        Kind::Time => &[
            "timestamp('2024-02-29T23:59:59Z')",
            "timestamp('0001-01-01T00:00:00Z')",
            "timestamp('9999-12-31T23:59:59Z')",
            "timestamp('2009-02-13T23:31:30.5+01:00')",
        ],
        Kind::Span => &["duration('0s')", "duration('1h30m')", "duration('-1.5s')", "duration('100ms')"],
        Kind::Ints => &["[]", "[1]", "[3, 1, 2]", "[0, -1]"],
        Kind::Texts => &["[]", "['a']", "['b', 'a', '']"],
        Kind::Map => &["{}", "{'a': 1}", "{'a': 1, 'b': 2}"],
    };
    random.pick(texts).to_owned()
}

fn boolean(random: &mut Random, depth: usize) -> String {
    let any = KINDS[random.below(KINDS.len())];
    let two = |random: &mut Random, kind| (part(random, kind, depth), part(random, kind, depth));
    match random.below(10) {
        0 | 1 => {
            let ((a, b), operator) = (two(random, Kind::Bool), random.pick(&["&&", "||"]));
            format!("({a} {operator} {b})")
        }
        2 => format!("!({})", part(random, Kind::Bool, depth)),
        3 | 4 => {
            let ((a, b), operator) = (two(random, any), random.pick(&["==", "!=", "<", "<=", ">", ">="]));
            format!("({a} {operator} {b})")
        }
        5 => {
            let (item, list) =
                if random.below(2) == 0 { (Kind::Int, Kind::Ints) } else { (Kind::Text, Kind::Texts) };
            format!("({} in {})", part(random, item, depth), part(random, list, depth))
        }
        6 => {
            let ((a, b), name) =
                (two(random, Kind::Text), random.pick(&["startsWith", "endsWith", "contains"]));
            format!("({a}).{name}({b})")
        }
        7 => format!("({}).matches({})", part(random, Kind::Text, depth), part(random, Kind::Text, 1)),
        8 => {
            let (list, body) = (part(random, Kind::Ints, depth), part(random, Kind::Bool, depth));
            format!("({list}).{}(x, x > 1 || {body})", random.pick(&["all", "exists", "exists_one"]))
        }
        _ => format!("has({}.{})", literal(random, Kind::Map), random.pick(&["a", "zz"])),
    }
}

fn int(random: &mut Random, depth: usize) -> String {
    match random.below(7) {
        0..=2 => number(random, Kind::Int, depth),
        3 => {
            let of = [Kind::Text, Kind::Bytes, Kind::Ints, Kind::Map][random.below(4)];
            format!("size({})", part(random, of, depth))
        }
        4 => {
            let of = [Kind::Int, Kind::Uint, Kind::Double, Kind::Text, Kind::Time][random.below(5)];
            format!("int({})", part(random, of, depth))
        }
        5 => {
            let parts =
                ["getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"];
            format!("({}).{}()", part(random, Kind::Time, depth), random.pick(&parts))
        }
        _ => format!("({})[{}]", part(random, Kind::Ints, depth), part(random, Kind::Int, depth)),
    }
}

fn number(random: &mut Random, kind: Kind, depth: usize) -> String {
    if random.below(8) == 0 {
        return format!("-({})", part(random, kind, depth));
    }
    if kind != Kind::Int && random.below(6) == 0 {
        let of = [Kind::Int, Kind::Uint, Kind::Double, Kind::Text][random.below(4)];
        let name = if kind == Kind::Uint { "uint" } else { "double" };
        return format!("{name}({})", part(random, of, depth));
    }
    let operators: &[&str] =
        if kind == Kind::Double { &["+", "-", "*", "/"] } else { &["+", "-", "*", "/", "%"] };
    format!("({} {} {})", part(random, kind, depth), random.pick(operators), part(random, kind, depth))
}

fn text(random: &mut Random, kind: Kind, depth: usize) -> String {
    if random.below(2) == 0 {
        return format!("({} + {})", part(random, kind, depth), part(random, kind, depth));
    }
    if kind == Kind::Bytes {
        return format!("bytes({})", part(random, Kind::Text, depth));
    }
    let of =
        [Kind::Int, Kind::Uint, Kind::Bool, Kind::Bytes, Kind::Text, Kind::Span, Kind::Time][random.below(7)];
    format!("string({})", part(random, of, depth))
}

fn time(random: &mut Random, kind: Kind, depth: usize) -> String {
    match (kind, random.below(3)) {
        (Kind::Time, _) => {
            let operator = random.pick(&["+", "-"]);
            format!("({} {operator} {})", part(random, Kind::Time, depth), part(random, Kind::Span, depth))
        }
        (_, 0) => format!("({} - {})", part(random, Kind::Time, depth), part(random, Kind::Time, depth)),
        _ => {
            let operator = random.pick(&["+", "-"]);
            format!("({} {operator} {})", part(random, Kind::Span, depth), part(random, Kind::Span, depth))
        }
    }
}

fn list(random: &mut Random, kind: Kind, depth: usize) -> String {
    let item = if kind == Kind::Ints { Kind::Int } else { Kind::Text };
    match random.below(4) {
        0 => format!("({} + {})", part(random, kind, depth), part(random, kind, depth)),
        1 => format!("({}).map(x, {})", part(random, Kind::Ints, depth), part(random, item, depth)),
        2 => format!("({}).filter(x, {})", part(random, kind, depth), part(random, Kind::Bool, depth)),
        _ => format!("[{}, {}]", part(random, item, depth), part(random, item, depth)),
    }
}
