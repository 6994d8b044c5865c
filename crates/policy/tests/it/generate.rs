//! Random slices and inputs from a `u64` seed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

use crate::models;
use glacis_policy::table::{MATCH, NEVER};
use glacis_policy::{
    Automaton, Binding, Effect, Entry, Hidden, HiddenClosed, Input, Inputs, Networks, Node, Obligations,
    Parts, Reading, Rule, ScoreClass, Slice, Slot, Source, Table, TimePart, TimeZone, reading_of,
};
use glacis_wire::{
    Answer, Cause, Causes, EventName, Interval, Method, Moment, PolicyDigest, SignalName, Span, Trust, Type,
    Value, Verdict, Zone,
};
use std::hash::{BuildHasher, Hasher, RandomState};

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
    pub(crate) const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub(crate) const fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Runs `case` for the fixed and for a fresh seed; the seed of a failing case is printed.
pub(crate) fn for_each_case(case: impl Fn(&mut Random)) {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many cases is the only thing a test asks the environment"
    )]
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

const STRINGS: [&str; 15] = [
    "",
    "a",
    "ab",
    "abc",
    "é",
    "b",
    "éé",
    "abcdefghij",
    "abcdefghik",
    "abcdefgh",
    "a\0b",
    "10.9.9.9",
    "::1",
    "7",
    "T",
];
const INTS: [i64; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -7, 1 - i64::MAX, i64::MAX, i64::MIN];
const DOUBLES: [f64; 7] = [0.0, -0.0, 1.0, 0.5, f64::NAN, f64::INFINITY, -2.5];

pub(crate) fn value(random: &mut Random, ty: Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(random.chance(50)),
        Type::Int => Value::Int(random.pick(&INTS)),
        Type::Double => Value::Double(random.pick(&DOUBLES)),
        Type::String => Value::String(random.pick(&STRINGS).to_owned()),
        Type::Uint => Value::Uint(random.pick(&[0, 1, 2, 7, u64::MAX])),
        Type::Bytes => Value::Bytes(random.pick(&[&b""[..], b"a", "é".as_bytes(), &[0xff]]).to_vec()),
        Type::Timestamp => {
            let at = |us| Moment::from_us(us).unwrap();
            Value::Timestamp(random.pick(&[
                Moment::MIN,
                Moment::MAX,
                at(0),
                at(-1),
                at(1_711_846_800_000_000),
            ]))
        }
        Type::Duration => {
            let long = |us| Span::from_us(us).unwrap();
            Value::Duration(random.pick(&[Span::MIN, Span::MAX, long(0), long(-5_400_000_001)]))
        }
        list => {
            let element = list.element().unwrap();
            Value::List((0..random.below(4)).map(|_| value(random, element)).collect())
        }
    }
}

/// A random, valid slice of `zone` without hidden rules.
pub(crate) fn parts(random: &mut Random, zone: Zone) -> Parts {
    let mut parts =
        Parts::empty(EventName::parse("event").unwrap(), zone, Binding::unbound(PolicyDigest::new([9; 32])));
    parts.methods = random.pick(&[
        vec![],
        vec![Method::Otp],
        vec![Method::Otp, Method::Passkey],
        vec![Method::Passkey, Method::Otp],
    ]);
    parts.slots = (0..8 + random.below(8)).map(|at| slot(random, zone, at)).collect();
    let mut kinds = Vec::new();
    for at in 0..20 + random.below(40) {
        let (node, ty) = match at {
            0..4 => read_bool(random, &parts.slots),
            AUTOMATON | ZONE | NETWORKS => (Node::Table(Box::new(table(random, at))), TABLE),
            _ => node(random, &parts.slots, &kinds),
        };
        parts.nodes.push(node);
        kinds.push(ty);
    }
    let mut roots: Vec<u32> =
        (0..).zip(&kinds).filter(|(_, ty)| **ty == Type::Bool).map(|(at, _)| at).collect();
    roots.extend(probed(random, &mut parts, &mut kinds));
    let scores: Vec<u32> =
        (0..random.below(3)).filter_map(|_| models::condition(random, &mut parts, &mut kinds)).collect();
    roots.extend(joined(random, &mut parts, &mut kinds, &scores));
    roots.extend(scores);
    parts.rules = (0..1 + random.below(6)).map(|at| rule(random, &parts.methods, &roots, zone, at)).collect();
    if zone != Zone::Device && random.chance(3) {
        widen(random, &mut parts, zone);
    }
    let mut at_least = -10;
    for _ in 0..random.below(4) {
        at_least += 1 + i64::from(random.next() as u8 % 8);
        parts.classes.push(ScoreClass { at_least, effect: soft(random, &parts.methods) });
    }
    if zone == Zone::Device {
        parts.releases = (0..random.below(6)).map(|_| random.pick(&roots)).collect();
        let own = |at: &u16| parts.slots[usize::from(*at)].source == Source::Device;
        let values = (0..random.below(4)).map(|_| random.below(parts.slots.len()) as u16);
        parts.values = values.filter(own).collect();
    }
    parts
}

/// What the generator calls the type of a table; no slot and no literal has it.
const TABLE: Type = Type::BytesList;
/// Places of the tables in an arena.
const AUTOMATON: usize = 4;
const ZONE: usize = 5;
const NETWORKS: usize = 6;

/// A random table.
fn table(random: &mut Random, at: usize) -> Table {
    match at {
        AUTOMATON => {
            let (states, width) = (1 + random.below(4), 1 + random.below(3));
            let classes = Box::new(std::array::from_fn(|byte| (byte % width) as u8));
            let ends = (0..states).map(|_| random.chance(50)).collect();
            let next = (0..states * width).map(|_| match random.below(states + 2) {
                at if at == states => MATCH,
                at if at > states => NEVER,
                at => at as u16,
            });
            let next = next.collect();
            Table::Automaton(Automaton::try_new(classes, ends, next).unwrap())
        }
        ZONE => {
            let offset = |random: &mut Random| random.pick(&[0, 3_600, -12_600, 93_599]);
            let changes = vec![(-1, offset(random)), (1_711_846_800, offset(random))];
            Table::TimeZone(TimeZone::try_new(offset(random), changes).unwrap())
        }
        _ => {
            let v4 = vec![(0x0a00_0000, 0x0aff_ffff), (0xc0a8_0000, 0xc0a8_00ff)];
            Table::Networks(Networks::try_new(v4, vec![(1, 2)]).unwrap())
        }
    }
}

/// What is built or computed, compared with a literal, so that it shows.
fn probed(random: &mut Random, parts: &mut Parts, kinds: &mut Vec<Type>) -> Vec<u32> {
    let mut roots = Vec::new();
    for _ in 0..random.below(12) {
        let node = if random.chance(60) { built(random, kinds) } else { arithmetic(random, kinds) };
        let Some((node, ty)) = node else { continue };
        let first = parts.nodes.len() as u32;
        parts.nodes.push(node);
        kinds.push(ty);
        if ty != Type::Bool {
            let compare = random.pick(&[Node::Eq, Node::Lt, Node::Ge]);
            parts.nodes.extend([Node::Const(value(random, ty)), compare(first, first + 1)]);
            kinds.extend([ty, Type::Bool]);
        }
        roots.push(parts.nodes.len() as u32 - 1);
    }
    roots
}

/// Any type but the one of tables.
fn any_type(random: &mut Random) -> Type {
    let types: Vec<Type> = Type::ALL.into_iter().filter(|ty| *ty != TABLE).collect();
    random.pick(&types)
}

/// Appends an atom, most often one that a table knows, and what it reads; its place.
fn atom(random: &mut Random, parts: &mut Parts, kinds: &mut Vec<Type>) -> u32 {
    let at = random.below(parts.slots.len());
    let ty = parts.slots[at].ty;
    let first = parts.nodes.len() as u32;
    if ty == Type::Int && random.chance(8) {
        // One that is computed.
        let (read, by) = (Node::Read(at as u16), Node::Const(Value::Int(random.pick(&[-3, 2, 3]))));
        let (bound, compare) = (Node::Const(Value::Int(0)), Node::Lt(first + 2, first + 3));
        parts.nodes.extend([read, by, Node::Rem(first, first + 1), bound, compare]);
        kinds.extend([ty, ty, ty, ty, Type::Bool]);
        return first + 4;
    }
    let test = match ty {
        Type::Bool => None,
        Type::String if random.chance(60) => {
            let texts = (0..1 + random.below(4)).map(|_| value(random, ty)).collect();
            Some((Value::List(texts), Type::StringList, Node::In as fn(u32, u32) -> Node))
        }
        Type::String => {
            let compare = random.pick(&[Node::Eq, Node::Ne, Node::StartsWith, Node::StartsWith]);
            Some((value(random, ty), ty, compare))
        }
        Type::Int | Type::Double if random.chance(15) => {
            let numbers = (0..1 + random.below(4)).map(|_| value(random, ty)).collect();
            let list = if ty == Type::Int { Type::IntList } else { Type::DoubleList };
            Some((Value::List(numbers), list, Node::In as fn(u32, u32) -> Node))
        }
        Type::Int | Type::Double | Type::Uint | Type::Timestamp | Type::Duration => {
            let compare = random.pick(&[Node::Lt, Node::Le, Node::Gt, Node::Ge, Node::Eq, Node::Ne]);
            Some((value(random, ty), ty, compare))
        }
        _ => None,
    };
    match (test, ty) {
        (Some((literal, kind, compare)), _) => {
            let read = Node::Read(at as u16);
            parts.nodes.extend([read, Node::Const(literal), compare(first, first + 1)]);
            kinds.extend([ty, kind, Type::Bool]);
        }
        (None, Type::Bool) => {
            parts.nodes.push(Node::Read(at as u16));
            kinds.push(Type::Bool);
        }
        (None, _) => {
            parts.nodes.push(Node::Has(at as u16));
            kinds.push(Type::Bool);
        }
    }
    parts.nodes.len() as u32 - 1
}

/// Conditions over atoms that tables know, joined as people join them.
fn joined(random: &mut Random, parts: &mut Parts, kinds: &mut Vec<Type>, scores: &[u32]) -> Vec<u32> {
    let mut all: Vec<u32> = (0..4 + random.below(6)).map(|_| atom(random, parts, kinds)).collect();
    all.extend(scores);
    for _ in 0..random.below(12) {
        let (a, b, c) = (random.pick(&all), random.pick(&all), random.pick(&all));
        let node = match random.below(8) {
            0..3 => Node::And(a, b),
            3..5 => Node::Or(a, b),
            5..7 => Node::Not(a),
            _ => Node::If(a, b, c),
        };
        parts.nodes.push(node);
        kinds.push(Type::Bool);
        all.push(parts.nodes.len() as u32 - 1);
    }
    all
}

/// Adds so many conjunctions of simple atoms that rows have several blocks, and few of them hold.
fn widen(random: &mut Random, parts: &mut Parts, zone: Zone) {
    let atoms: Vec<u32> = (0..40).map(|_| atom(random, parts, &mut Vec::new())).collect();
    for at in 0..300 {
        let first = parts.nodes.len() as u32;
        let (a, b) = (random.pick(&atoms), random.pick(&atoms));
        parts.nodes.push(if random.chance(90) { Node::And(a, b) } else { Node::Or(a, b) });
        let rule = rule(random, &parts.methods, &[first], zone, 100 + at);
        // Points, so that each rule shows and none settles everything.
        parts.rules.push(Rule { effect: Effect::Score(1 << (at % 20)), ..rule });
    }
}

fn slot(random: &mut Random, zone: Zone, at: usize) -> Slot {
    let sources = [Source::Request, Source::Edge, Source::Cloud, Source::Node(1), Source::Value(2)];
    // Now and then a device has a copy of what its request says.
    let on_device = [Source::Device, Source::Device, Source::Device, Source::Device, Source::Request];
    let source = if zone == Zone::Device { random.pick(&on_device) } else { random.pick(&sources) };
    let ty = match at {
        0..4 => Type::Bool,
        // Mostly what classes are made of.
        _ if random.chance(60) => random.pick(&[Type::Int, Type::Double, Type::String, Type::IntList]),
        _ => any_type(random),
    };
    let sums = matches!((source, ty), (Source::Edge | Source::Cloud, Type::Int | Type::Double));
    Slot {
        name: SignalName::parse(&format!("s{at}")).unwrap(),
        source,
        ty,
        min_trust: random.pick(&Trust::ALL),
        aggregate: sums && random.chance(80),
    }
}

fn read_bool(random: &mut Random, slots: &[Slot]) -> (Node, Type) {
    let booleans: Vec<u16> =
        (0..).zip(slots).filter(|(_, slot)| slot.ty == Type::Bool).map(|(at, _)| at).collect();
    (Node::Read(random.pick(&booleans)), Type::Bool)
}

/// A random node over the earlier ones.
fn node(random: &mut Random, slots: &[Slot], kinds: &[Type]) -> (Node, Type) {
    let slot = random.below(slots.len()) as u16;
    let number = random.pick(&[Type::Int, Type::Double]);
    let any = match of(random, kinds, number) {
        Some(number) if random.chance(30) => number,
        _ => {
            let ty = any_type(random);
            of(random, kinds, ty).unwrap_or(0)
        }
    };
    let ty = kinds[any as usize];
    let same = of(random, kinds, ty).unwrap();
    let bool_1 = of(random, kinds, Type::Bool).unwrap();
    let bool_2 = of(random, kinds, Type::Bool).unwrap();
    let scalar = ty.element().is_none();
    match random.below(20) {
        0 => {
            let ty = any_type(random);
            match value(random, ty) {
                // An empty list has no type of its own; the generator keeps to types.
                Value::List(items) if items.is_empty() => (Node::Const(Value::Bool(true)), Type::Bool),
                value => (Node::Const(value), ty),
            }
        }
        1 | 2 => (Node::Read(slot), slots[usize::from(slot)].ty),
        3 => (Node::Has(slot), Type::Bool),
        4 => (Node::Not(bool_1), Type::Bool),
        5 | 6 => (Node::And(bool_1, bool_2), Type::Bool),
        7 | 8 => (Node::Or(bool_1, bool_2), Type::Bool),
        9 => (Node::If(bool_1, any, same), ty),
        10 => (random.pick(&[Node::Eq, Node::Ne])(any, same), Type::Bool),
        11 if scalar => (random.pick(&[Node::Lt, Node::Le, Node::Gt, Node::Ge])(any, same), Type::Bool),
        12 | 16 | 17 => arithmetic(random, kinds).unwrap_or((Node::Or(bool_1, bool_2), Type::Bool)),
        18..20 => built(random, kinds).unwrap_or((Node::Not(bool_1), Type::Bool)),
        13 => match ty.list_of().filter(|list| *list != TABLE).and_then(|list| of(random, kinds, list)) {
            Some(list) => (Node::In(any, list), Type::Bool),
            None => (Node::Not(bool_1), Type::Bool),
        },
        14 if !scalar => (Node::Size(any), Type::Int),
        14 => match of(random, kinds, Type::String) {
            Some(text) => (Node::Size(text), Type::Int),
            None => (Node::Not(bool_1), Type::Bool),
        },
        _ => match (of(random, kinds, Type::String), of(random, kinds, Type::String)) {
            (Some(a), Some(b)) => {
                (random.pick(&[Node::StartsWith, Node::EndsWith, Node::Contains])(a, b), Type::Bool)
            }
            _ => read_bool(random, slots),
        },
    }
}

/// A node that looks into a table or a list, converts, or computes with times.
fn built(random: &mut Random, kinds: &[Type]) -> Option<(Node, Type)> {
    let [text, int, at, span] =
        [Type::String, Type::Int, Type::Timestamp, Type::Duration].map(|ty| of(random, kinds, ty));
    let part = random.pick(&TimePart::ALL);
    Some(match random.below(12) {
        0 | 1 => (Node::Matches(text?, AUTOMATON as u32), Type::Bool),
        2 => (Node::Within(text?, NETWORKS as u32), Type::Bool),
        3 => (Node::MomentPart(part, at?, ZONE as u32), Type::Int),
        4 => (Node::SpanPart(if part.is_of_spans() { part } else { TimePart::Hours }, span?), Type::Int),
        5 => (random.pick(&[Node::Add, Node::Sub])(at?, span?), Type::Timestamp),
        6 => (Node::Sub(at?, of(random, kinds, Type::Timestamp)?), Type::Duration),
        7 => {
            (random.pick(&[Node::Add, Node::Sub])(span?, of(random, kinds, Type::Duration)?), Type::Duration)
        }
        8 | 9 => {
            let (from, to) = random.pick(&[
                (Type::Uint, Type::Int),
                (Type::Double, Type::Int),
                (Type::String, Type::Int),
                (Type::Timestamp, Type::Int),
                (Type::Int, Type::Uint),
                (Type::Double, Type::Uint),
                (Type::String, Type::Uint),
                (Type::Int, Type::Double),
                (Type::Uint, Type::Double),
                (Type::String, Type::Bool),
                (Type::String, Type::Bytes),
                (Type::Bytes, Type::String),
                (Type::Int, Type::Timestamp),
            ]);
            (Node::Convert(to, of(random, kinds, from)?), to)
        }
        10 => {
            let list = random.pick(&[Type::IntList, Type::StringList, Type::TimestampList]);
            (Node::Index(of(random, kinds, list)?, int?), list.element()?)
        }
        _ => (Node::Find(text?, of(random, kinds, Type::StringList)?), Type::Int),
    })
}

fn arithmetic(random: &mut Random, kinds: &[Type]) -> Option<(Node, Type)> {
    let ty = random.pick(&[Type::Int, Type::Int, Type::Double, Type::Uint]);
    let (a, b) = (of(random, kinds, ty)?, of(random, kinds, ty)?);
    Some(match random.below(6) {
        0 if ty != Type::Uint => (Node::Neg(a), ty),
        1..4 if ty != Type::Double => (Node::Rem(a, b), ty),
        _ => (random.pick(&[Node::Add, Node::Sub, Node::Mul, Node::Div])(a, b), ty),
    })
}

/// An earlier node of type `ty`.
fn of(random: &mut Random, kinds: &[Type], ty: Type) -> Option<u32> {
    let all: Vec<u32> = (0..).zip(kinds).filter(|(_, kind)| **kind == ty).map(|(at, _)| at).collect();
    (!all.is_empty()).then(|| random.pick(&all))
}

fn soft(random: &mut Random, methods: &[Method]) -> Effect {
    match methods {
        [] => Effect::SoftBlock,
        _ if random.chance(30) => Effect::SoftBlock,
        methods => Effect::Challenge(random.pick(methods)),
    }
}

fn rule(random: &mut Random, methods: &[Method], roots: &[u32], zone: Zone, at: usize) -> Rule {
    let effect = match random.below(6) {
        0 => Effect::Block,
        1 => Effect::Exempt,
        2 | 3 => Effect::Score(i32::from(random.next() as u8 % 24) - 8),
        _ => soft(random, methods),
    };
    let mut entry = || match random.below(3) {
        0 => Entry::Skip,
        1 => Entry::Match,
        _ => Entry::Milder(soft(random, methods)),
    };
    let (unknown, error) = (std::array::from_fn(|_| entry()), entry());
    let duties = glacis_policy::Obligation::ALL.map(Obligations::of);
    Rule {
        reason: format!("rule-{at}"),
        effect,
        root: random.pick(roots),
        unknown,
        error,
        obligations: random.pick(&[Obligations::NONE, duties[0], duties[1], duties[0].union(duties[1])]),
        device_final: zone == Zone::Device && random.chance(70),
    }
}

/// An answer with its trust, owned.
pub(crate) type Given = (Answer, Trust);

/// A random answer for each slot; none is pending.
pub(crate) fn answers(random: &mut Random, parts: &Parts) -> Vec<Given> {
    let answer = |random: &mut Random, slot: &Slot| match interval(random, slot.ty) {
        // One in an ordinary slot is an error.
        Some(interval) if random.chance(if slot.aggregate { 35 } else { 1 }) => Answer::Interval(interval),
        _ => answer(random, slot.ty),
    };
    parts.slots.iter().map(|slot| (answer(random, slot), random.pick(&Trust::ALL))).collect()
}

/// Two numbers of the domain, or one and itself.
fn interval(random: &mut Random, ty: Type) -> Option<Interval> {
    match ty {
        Type::Int => {
            let (a, b) = (random.pick(&INTS), random.pick(&INTS));
            Interval::ints(a.min(b), a.max(b))
        }
        Type::Double => {
            let (a, b) = (random.pick(&DOUBLES), random.pick(&DOUBLES));
            Interval::doubles(a.min(b), a.max(b))
        }
        _ => None,
    }
}

pub(crate) fn answer(random: &mut Random, ty: Type) -> Answer {
    match random.below(10) {
        0 => Answer::Missing,
        1 => Answer::Error,
        2 => Answer::unknown(random.pick(&Cause::ALL)),
        3 => {
            let both = Causes::of(random.pick(&Cause::ALL)).union(Causes::of(random.pick(&Cause::ALL)));
            Answer::Unknown(both)
        }
        _ => Answer::Value(value(random, ty)),
    }
}

/// Borrows answers as inputs; where `pending` says so, the slot waits instead.
pub(crate) fn inputs<'a>(given: &'a [Given], pending: &[bool]) -> Vec<Input<'a>> {
    let waits = |at: usize| pending.get(at).copied().unwrap_or(false);
    let input = |(at, (answer, trust)): (usize, &'a Given)| match waits(at) {
        true => Input::PENDING,
        false => Input { reading: reading_of(answer), trust: *trust },
    };
    given.iter().enumerate().map(input).collect()
}

/// Which slots wait for a later zone.
pub(crate) fn pending(random: &mut Random, parts: &Parts) -> Vec<bool> {
    let percent = random.pick(&[0, 20, 60]);
    parts.slots.iter().map(|_| random.chance(percent)).collect()
}

pub(crate) fn passed(random: &mut Random) -> Option<Method> {
    random.pick(&[None, None, Some(Method::Otp), Some(Method::Passkey)])
}

/// Moves the rules after the first `keep` out of a copy of `parts` and sums them up for the edge.
pub(crate) fn hide(parts: &Parts, keep: usize) -> Parts {
    let mut cut = Parts { zone: Zone::Edge, ..parts.clone() };
    let full = Slice::try_new(parts).unwrap();
    let stricter = |a: Option<Effect>, b: Effect| match a {
        Some(a) if strength(&full, a) >= strength(&full, b) => Some(a),
        _ => Some(b),
    };
    let mut hidden =
        Hidden { unavailable: HiddenClosed { block: false, soft: None, score: 0 }, ..Hidden::NONE };
    for rule in cut.rules.split_off(keep.min(cut.rules.len())) {
        match rule.effect {
            Effect::Block => hidden.block = true,
            Effect::Exempt => hidden.exempt = true,
            Effect::Score(points @ ..0) => hidden.score.0 += i64::from(points),
            Effect::Score(points) => hidden.score.1 += i64::from(points),
            soft => hidden.soft = stricter(hidden.soft, soft),
        }
    }
    cut.hidden = hidden;
    cut
}

fn strength(slice: &Slice, effect: Effect) -> u8 {
    match effect {
        Effect::Challenge(method) => slice.rank(Verdict::Challenge(method)),
        _ => slice.rank(Verdict::Block),
    }
}

/// Evaluates with a new scratch.
pub(crate) fn outcome(slice: &Slice, inputs: &Inputs<'_>) -> glacis_policy::Outcome {
    glacis_policy::eval(slice, inputs, &mut glacis_policy::Scratch::for_slice(slice))
}

/// The reading of a withheld answer.
pub(crate) const WITHHELD: Reading<'static> = Reading::WITHHELD;
