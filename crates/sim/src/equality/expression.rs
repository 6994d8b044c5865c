//! Random conditions in CEL text, typed by construction.
//!
//! Private device signals may only meet constants and each other within one `min_trust` (what a release node can
//! hold); released values and every other signal may meet freely. Domains are small on purpose: equal strings,
//! equal ints, NaN, both zeros, overflow and division by zero come up all the time.

use crate::rng::Rng;
use glacis_wire::Type;

/// One signal that a condition may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readable {
    pub(super) name: &'static str,
    pub(super) ty: Type,
}

/// Int literals.
const INTS: [&str; 12] =
    ["0", "1", "2", "3", "-1", "-7", "5", "11", "12", "13", "9223372036854775807", "-9223372036854775807"];
/// Double literals.
const DOUBLES: [&str; 5] = ["0.0", "1.0", "0.5", "-2.5", "(0.0 / 0.0)"];
/// Uint literals.
const UINTS: [&str; 4] = ["0u", "1u", "12u", "18446744073709551615u"];
/// Bytes literals.
const BYTES: [&str; 3] = ["b\"\"", "b\"a\"", "b\"\\xff\""];
/// Timestamp literals: around the beginning of summer time in Berlin, and the ends of the calendar.
const MOMENTS: [&str; 4] = [
    "timestamp(\"2024-03-31T01:00:00Z\")",
    "timestamp(\"1969-12-31T23:59:59.999999Z\")",
    "timestamp(\"0001-01-01T00:00:00Z\")",
    "timestamp(\"9999-12-31T23:59:59Z\")",
];
/// Duration literals.
const SPANS: [&str; 4] =
    ["duration(\"0\")", "duration(\"1h\")", "duration(\"-90m\")", "duration(\"9223372036s\")"];
/// Patterns.
const PATTERNS: [&str; 8] = ["^a", "b$", "^a?b*$", "[^a]", "é|^$", "^.{2,3}$", "^[0-9.]+$", "(?i)AB"];
/// Networks as `inCIDR` takes them.
const NETWORKS: [&str; 3] =
    ["\"10.0.0.0/8\"", "[\"10.0.0.0/9\", \"::/64\"]", "[\"0.0.0.0/1\", \"10.200.0.0/16\"]"];
/// Time zones; the first argument of nothing is UTC.
const ZONES: [&str; 4] = ["", "\"Europe/Berlin\"", "\"-09:30\"", "\"Australia/Lord_Howe\""];
/// Parts of timestamps, and which of them durations have.
const PARTS: [(&str, bool); 10] = [
    ("getFullYear", false),
    ("getMonth", false),
    ("getDate", false),
    ("getDayOfMonth", false),
    ("getDayOfWeek", false),
    ("getDayOfYear", false),
    ("getHours", true),
    ("getMinutes", true),
    ("getSeconds", true),
    ("getMilliseconds", true),
];
/// String literals; the last two differ behind their eighth byte.
const STRINGS: [&str; 8] =
    ["\"\"", "\"a\"", "\"ab\"", "\"b\"", "\"é\"", "\"éa\"", "\"abcdefgh1\"", "\"abcdefgh2\""];

/// Draws conditions over a fixed set of signals.
#[derive(Debug)]
pub(super) struct Drawer<'r> {
    pub(super) rng: &'r mut Rng,
    pub(super) signals: Vec<Readable>,
}

impl Drawer<'_> {
    /// A Boolean expression of at most this depth.
    pub(super) fn boolean(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.leaf(Type::Bool);
        }
        let next = depth - 1;
        match self.rng.below(22) {
            12..16 => self.simple(),
            16 | 17 => self.table_test(next),
            18 | 19 => self.loop_over(next),
            20 => self.time_test(next),
            21 => self.converted(next),
            0 | 1 => format!("({} && {})", self.boolean(next), self.boolean(next)),
            2 | 3 => format!("({} || {})", self.boolean(next), self.boolean(next)),
            4 => format!("!{}", self.boolean(next)),
            5 => format!("({} ? {} : {})", self.boolean(next), self.boolean(next), self.boolean(next)),
            6 => self.presence(),
            7 => self.membership(next),
            8 => self.text_test(next),
            9 | 10 => self.comparison(next),
            _ => self.leaf(Type::Bool),
        }
    }

    /// A signal against a literal: what tables know.
    pub(super) fn simple(&mut self) -> String {
        let ty = [
            Type::Int,
            Type::Int,
            Type::Double,
            Type::String,
            Type::String,
            Type::Bool,
            Type::Timestamp,
            Type::Duration,
            Type::Uint,
        ];
        let ty = self.rng.pick(&ty).copied().unwrap_or(Type::Int);
        let Some(signal) = self.signal(ty) else { return self.leaf(Type::Bool) };
        match (ty, self.rng.below(3)) {
            (Type::Bool, _) => signal.to_owned(),
            (Type::String, 0) => format!("{signal}.startsWith({})", self.literal(ty)),
            (_, 0 | 1) => {
                let items: Vec<_> = (0..=self.rng.below(4)).map(|_| self.literal(ty)).collect();
                format!("({signal} in [{}])", items.join(", "))
            }
            (Type::String, _) => {
                let operator = if self.rng.chance(50) { "==" } else { "!=" };
                format!("({signal} {operator} {})", self.literal(ty))
            }
            _ => {
                let operators = ["==", "!=", "<", "<=", ">", ">="];
                let operator = self.rng.pick(&operators).copied().unwrap_or("==");
                format!("({signal} {operator} {})", self.literal(ty))
            }
        }
    }

    /// A text in a pattern or in networks.
    fn table_test(&mut self, depth: u32) -> String {
        let text = self.varied(Type::String, depth);
        if self.rng.chance(60) {
            let pattern = self.rng.pick(&PATTERNS).copied().unwrap_or("a");
            return format!("{text}.matches(r\"{pattern}\")");
        }
        let networks = self.rng.pick(&NETWORKS).copied().unwrap_or("\"::/0\"");
        format!("{text}.inCIDR({networks})")
    }

    /// A macro over a list, or a look-up in a list or map.
    fn loop_over(&mut self, depth: u32) -> String {
        let ty = if self.rng.chance(60) { Type::IntList } else { Type::StringList };
        let item = ty.element().unwrap_or(Type::Int);
        match self.rng.below(5) {
            0 | 1 => {
                let name = self.rng.pick(&["exists", "all", "exists_one"]).copied().unwrap_or("all");
                let operator = self.rng.pick(&["==", "!=", "<", ">="]).copied().unwrap_or("==");
                format!("{}.{name}(v, v {operator} {})", self.list(ty), self.of(item, depth.min(1)))
            }
            2 => format!("(size({}.filter(v, v != {})) > 1)", self.list(ty), self.literal(item)),
            3 => {
                let at = self.varied(Type::Int, depth);
                format!("({}[{at}] >= {})", self.list(ty), self.of(item, depth))
            }
            _ => {
                let at = self.varied(Type::String, depth);
                format!("({{\"a\": 1, \"é\": 2, \"\": -3}}[{at}] < {})", self.of(Type::Int, depth))
            }
        }
    }

    /// A part of a time against an int.
    fn time_test(&mut self, depth: u32) -> String {
        let (part, of_spans) = self.rng.pick(&PARTS).copied().unwrap_or(("getHours", true));
        let time = if of_spans && self.rng.chance(30) {
            format!("{}.{part}()", self.of(Type::Duration, depth))
        } else {
            let zone = self.rng.pick(&ZONES).copied().unwrap_or("");
            format!("{}.{part}({zone})", self.of(Type::Timestamp, depth))
        };
        let operator = self.rng.pick(&["==", "<", ">="]).copied().unwrap_or("==");
        let small = self.rng.pick(&["0", "1", "2", "3", "5", "30", "59", "2024"]).copied().unwrap_or("0");
        format!("({time} {operator} {small})")
    }

    /// A value converted to another type, against one of that.
    fn converted(&mut self, depth: u32) -> String {
        let conversions = [
            (Type::Uint, Type::Int),
            (Type::Double, Type::Int),
            (Type::String, Type::Int),
            (Type::Timestamp, Type::Int),
            (Type::Int, Type::Uint),
            (Type::Double, Type::Uint),
            (Type::Int, Type::Double),
            (Type::String, Type::Bytes),
            (Type::Bytes, Type::String),
            (Type::Int, Type::Timestamp),
        ];
        let (from, to) = self.rng.pick(&conversions).copied().unwrap_or((Type::Uint, Type::Int));
        let operator = self.rng.pick(&["==", "<", ">="]).copied().unwrap_or("==");
        format!("({}({}) {operator} {})", to.name(), self.varied(from, depth), self.of(to, depth.min(1)))
    }

    /// A signal of the type where there is one: what can fail should not fail always, which is refused.
    fn varied(&mut self, ty: Type, depth: u32) -> String {
        match self.signal(ty) {
            Some(signal) if self.rng.chance(85) => signal.to_owned(),
            _ => self.of(ty, depth),
        }
    }

    /// `has(x)`, alone or guarding a use of x.
    fn presence(&mut self) -> String {
        let Some(signal) = self.rng.pick(&self.signals).copied() else { return "true".to_owned() };
        if signal.name.starts_with('(') {
            // A list test is written as an expression, and `has` takes names only.
            return signal.name.to_owned();
        }
        let has = format!("has({})", signal.name);
        match signal.ty {
            Type::Bool if self.rng.chance(50) => format!("({has} && {})", signal.name),
            Type::Int if self.rng.chance(50) => format!("(!{has} || {} > 1)", signal.name),
            _ => has,
        }
    }

    fn membership(&mut self, depth: u32) -> String {
        let (item, list) = match self.rng.below(3) {
            0 => (self.of(Type::String, depth), self.list(Type::StringList)),
            1 => (self.of(Type::Int, depth), self.list(Type::IntList)),
            _ => (self.of(Type::Double, depth), self.list(Type::DoubleList)),
        };
        format!("({item} in {list})")
    }

    /// A list signal, or a literal of one to three items.
    fn list(&mut self, ty: Type) -> String {
        if self.rng.chance(40)
            && let Some(signal) = self.signal(ty)
        {
            return signal.to_owned();
        }
        let element = ty.element().unwrap_or(Type::Int);
        let items: Vec<_> = (0..=self.rng.below(3)).map(|_| self.literal(element)).collect();
        format!("[{}]", items.join(", "))
    }

    fn text_test(&mut self, depth: u32) -> String {
        let function = ["startsWith", "endsWith", "contains"];
        let function = self.rng.pick(&function).copied().unwrap_or("contains");
        let (text, part) = (self.of(Type::String, depth), self.of(Type::String, depth));
        format!("{text}.{function}({part})")
    }

    fn comparison(&mut self, depth: u32) -> String {
        let ty = [
            Type::Int,
            Type::Int,
            Type::Int,
            Type::Double,
            Type::String,
            Type::Bool,
            Type::IntList,
            Type::Uint,
            Type::Timestamp,
            Type::Duration,
            Type::Bytes,
        ];
        let ty = self.rng.pick(&ty).copied().unwrap_or(Type::Int);
        let operators: &[&str] =
            if ty == Type::IntList { &["==", "!="] } else { &["==", "!=", "<", "<=", ">", ">="] };
        let operator = self.rng.pick(operators).copied().unwrap_or("==");
        if ty == Type::IntList {
            return format!("({} {operator} {})", self.list(ty), self.list(ty));
        }
        format!("({} {operator} {})", self.of(ty, depth), self.of(ty, depth))
    }

    /// An expression of a scalar type.
    fn of(&mut self, ty: Type, depth: u32) -> String {
        if depth == 0 || self.rng.chance(40) {
            return self.leaf(ty);
        }
        let next = depth - 1;
        match (ty, self.rng.below(6)) {
            (Type::Bool, _) => self.boolean(next),
            (_, 0) => format!("({} ? {} : {})", self.boolean(next), self.of(ty, next), self.of(ty, next)),
            (Type::Int, 1) => format!("size({})", self.of(Type::String, next)),
            (Type::Int, 2) => format!("size({})", self.list(Type::IntList)),
            (Type::Int | Type::Double, 3) => format!("(-{})", self.of(ty, next)),
            (Type::Int | Type::Uint, _) => self.arithmetic(ty, &["+", "-", "*", "/", "%", "%"], next),
            (Type::Timestamp, 1 | 2) => {
                let operator = if self.rng.chance(50) { "+" } else { "-" };
                format!("({} {operator} {})", self.of(ty, next), self.of(Type::Duration, next))
            }
            (Type::Duration, 1 | 2) => self.arithmetic(ty, &["+", "-"], next),
            (Type::Duration, 3) => {
                format!("({} - {})", self.of(Type::Timestamp, next), self.of(Type::Timestamp, next))
            }
            (Type::Double, _) => self.arithmetic(ty, &["+", "-", "*", "/"], next),
            _ => self.leaf(ty),
        }
    }

    fn arithmetic(&mut self, ty: Type, operators: &[&str], depth: u32) -> String {
        let operator = self.rng.pick(operators).copied().unwrap_or("+");
        format!("({} {operator} {})", self.of(ty, depth), self.of(ty, depth))
    }

    /// A signal of the type, mostly; a literal else.
    fn leaf(&mut self, ty: Type) -> String {
        if self.rng.chance(75)
            && let Some(signal) = self.signal(ty)
        {
            return signal.to_owned();
        }
        if ty == Type::Bool
            && let Some(signal) = self.signal(Type::Int)
        {
            return format!("({signal} > {})", self.literal(Type::Int));
        }
        self.literal(ty)
    }

    fn signal(&mut self, ty: Type) -> Option<&'static str> {
        let fitting: Vec<_> = self.signals.iter().filter(|signal| signal.ty == ty).collect();
        self.rng.pick(&fitting).map(|signal| signal.name)
    }

    fn literal(&mut self, ty: Type) -> String {
        let domain: &[&str] = match ty {
            Type::Int => &INTS,
            Type::Double => &DOUBLES,
            Type::String => &STRINGS,
            Type::Uint => &UINTS,
            Type::Bytes => &BYTES,
            Type::Timestamp => &MOMENTS,
            Type::Duration => &SPANS,
            _ => &["true", "false"],
        };
        let text = self.rng.pick(domain).copied().unwrap_or("true");
        if text.starts_with('-') { format!("({text})") } else { text.to_owned() }
    }
}
