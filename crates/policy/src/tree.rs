//! What a slice holds: slots, an arena of nodes, rules, and a summary of the rules that are elsewhere.
//!
//! The arena is in post-order: a node's operands come before it, so one pass from front to back evaluates
//! everything and nothing recurses. Rules and release nodes point into it and may share nodes.
//! [`Parts`] is plain data that a compiler fills; a [`Slice`] is the same data after every check of
//! [`load`](crate::load), and the only thing that [`eval`](crate::eval()) takes.
//!
//! A slice tells of rules that are not in it only the strongest thing they could do ([`Hidden`], DESIGN §4.1):
//! no condition, no threshold, no count.

use self::binding::Binding;
use crate::eval::{Orders, Step};
use crate::plan::{Indexing, Plan};
use crate::table::Table;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use glacis_model::{Map, Model};
use glacis_wire::{Cause, EventName, Method, PolicyDigest, SignalName, Trust, Type, Value, Verdict, Zone};

pub(crate) mod binding;
pub(crate) mod encode;

/// A loaded, checked slice. Immutable; share it freely.
#[derive(Clone, Debug)]
pub struct Slice {
    /// What it was loaded from; the tables of the plan are read in place.
    pub(crate) bytes: Box<[u8]>,
    pub(crate) parts: Parts,
    /// How each of its nodes is computed.
    pub(crate) steps: Box<[Step]>,
    /// Which of them settle each rule that the plan leaves open.
    pub(crate) orders: Orders,
    pub(crate) plan: Plan,
    /// Where the sections of each model lie in its bytes.
    pub(crate) models: Box<[Map]>,
    /// Place of each method in the policy's order, by its code.
    pub(crate) method_ranks: [Option<u8>; Method::ALL.len()],
}

impl Slice {
    /// The event whose policy this is.
    pub const fn event(&self) -> &EventName {
        &self.parts.event
    }

    /// The zone that runs it.
    pub const fn zone(&self) -> Zone {
        self.parts.zone
    }

    /// The policy that it was cut from.
    pub const fn policy(&self) -> PolicyDigest {
        self.parts.binding.policy
    }

    /// Whose it is, and what it was made from.
    pub const fn binding(&self) -> &Binding {
        &self.parts.binding
    }

    /// The policy's challenge methods, weakest first.
    pub fn methods(&self) -> &[Method] {
        &self.parts.methods
    }

    /// What [`Inputs::slots`](crate::Inputs) has to supply, in this order.
    pub fn slots(&self) -> &[Slot] {
        &self.parts.slots
    }

    /// The arena.
    pub fn nodes(&self) -> &[Node] {
        &self.parts.nodes
    }

    /// The rules of this slice.
    pub fn rules(&self) -> &[Rule] {
        &self.parts.rules
    }

    /// What it tells of the rules that are not in it.
    pub const fn hidden(&self) -> &Hidden {
        &self.parts.hidden
    }

    /// A model of this slice, in the bytes that the loader has checked.
    pub(crate) fn model(&self, model: u16) -> Option<Model<'_>> {
        let at = usize::from(model);
        self.models.get(at)?.model(self.parts.models.get(at)?)
    }

    /// Everything, as plain data.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// How many release nodes and declared values a disclosure of this (device) slice has.
    pub fn layout(&self) -> (usize, usize) {
        (self.parts.releases.len(), self.parts.values.len())
    }

    /// The bytes that it was loaded from: [`Slice::load`] of them gives this slice again.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A copy of [`as_bytes`](Self::as_bytes).
    pub fn encode(&self) -> Result<Vec<u8>, glacis_wire::EncodeError> {
        Ok(self.bytes.to_vec())
    }

    /// Most abstract steps that one evaluation takes: a word of a row, a comparison in a table, a rule that the
    /// rows leave to be settled, or a node of the arena is one each. It is declared in the bytes and was checked.
    pub const fn steps_max(&self) -> u64 {
        self.plan.steps
    }

    /// How much of each rule its plan decides, in the order of rules. On a device, nothing: its arena runs whole.
    pub fn indexing(&self) -> impl Iterator<Item = Indexing> {
        self.plan.indexing(&self.bytes)
    }

    /// Place of `method` in the policy's order, weakest 0; `None` if the policy does not name it.
    pub fn method_rank(&self, method: Method) -> Option<u8> {
        self.method_ranks.get(usize::from(method as u8)).copied().flatten()
    }

    /// Strictness of a verdict under this policy's order of methods; a method that it does not name ranks as
    /// its strongest.
    pub fn rank(&self, verdict: Verdict) -> u8 {
        let methods = u8::try_from(self.parts.methods.len()).unwrap_or(u8::MAX - 1);
        match verdict {
            Verdict::Allow => 0,
            Verdict::Challenge(method) => self.method_rank(method).map_or(methods, |rank| rank + 1),
            Verdict::Block => methods + 1,
        }
    }

    /// The stricter of two verdicts.
    #[must_use]
    pub fn stricter(&self, a: Verdict, b: Verdict) -> Verdict {
        if self.rank(b) > self.rank(a) { b } else { a }
    }
}

/// A slice as plain, unchecked data: what a compiler fills and [`Parts::encode`] writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// The event whose policy this is.
    pub event: EventName,
    /// The zone that runs it.
    pub zone: Zone,
    /// Whose it is, and what it was made from.
    pub binding: Binding,
    /// Challenge methods, weakest first, each once.
    pub methods: Vec<Method>,
    /// Inputs.
    pub slots: Vec<Slot>,
    /// Models, as their bytes (`glacis_model::format`).
    pub models: Vec<Vec<u8>>,
    /// Which model reads which slots.
    pub calls: Vec<Call>,
    /// The arena, operands before their users.
    pub nodes: Vec<Node>,
    /// Rules; order does not matter to the verdict (DESIGN §4.1).
    pub rules: Vec<Rule>,
    /// Score classes, `at_least` strictly ascending.
    pub classes: Vec<ScoreClass>,
    /// Summary of the rules that are not in it.
    pub hidden: Hidden,
    /// Device slice only: root of each release node, in the layout's order.
    pub releases: Vec<u32>,
    /// Device slice only: slot of each declared value, in the layout's order.
    pub values: Vec<u16>,
}

impl Parts {
    /// A slice with nothing in it, which allows everything: where a compiler or a test begins.
    pub const fn empty(event: EventName, zone: Zone, binding: Binding) -> Self {
        Self {
            event,
            zone,
            binding,
            methods: Vec::new(),
            slots: Vec::new(),
            models: Vec::new(),
            calls: Vec::new(),
            nodes: Vec::new(),
            rules: Vec::new(),
            classes: Vec::new(),
            hidden: Hidden::NONE,
            releases: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The node at a place of the arena.
    pub(crate) fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    /// The type of a slot.
    pub(crate) fn ty(&self, slot: u16) -> Option<Type> {
        self.slots.get(usize::from(slot)).map(|slot| slot.ty)
    }

    /// The slot that a node reads, if that is all it does.
    pub(crate) fn read(&self, at: u32) -> Option<u16> {
        match self.node(at)? {
            Node::Read(slot) => Some(*slot),
            _ => None,
        }
    }

    /// The value of a node that is a literal.
    pub(crate) fn literal(&self, at: u32) -> Option<&Value> {
        match self.node(at)? {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }
}

/// One input of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The signal; for a release node a name that the compiler gives.
    pub name: SignalName,
    /// Who fills it.
    pub source: Source,
    /// Its type; an answer of another type is an error.
    pub ty: Type,
    /// Below this trust, an answer is `unknown(withheld)` in Σ⁻ (DESIGN §4.2).
    pub min_trust: Trust,
    /// A number that edge or cloud sums up from many events: its answer may be an interval.
    pub aggregate: bool,
}

/// One call of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The model, by its place in [`Parts::models`].
    pub model: u16,
    /// A slot for each of its features, in their order: a number or a truth value, which counts as 0 or 1.
    pub slots: Vec<u16>,
}

/// Where a slot's answer is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the device that runs the slice; in a device slice every slot is.
    Device,
    /// In the request's bytes, as the edge extracts them.
    Request,
    /// At the edge.
    Edge,
    /// In the cloud. Pending at the edge until the cloud was asked.
    Cloud,
    /// Outcome of this release node of the policy's disclosure.
    Node(u16),
    /// This declared value of the policy's disclosure.
    Value(u16),
}

/// One node of the arena. Operands are indices of *earlier* nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A literal. Lists are literals too: a slice builds no values.
    Const(Value),
    /// The answer in a slot; `missing` read is an error.
    Read(u16),
    /// Whether a slot has a value: `missing` is false, unknown and error stay what they are.
    Has(u16),
    /// The score of this call: an int, in the units of its model.
    Score(u16),
    /// `!a`
    Not(u32),
    /// `a && b`
    And(u32, u32),
    /// `a || b`
    Or(u32, u32),
    /// `a ? b : c`
    If(u32, u32, u32),
    /// `a == b`, operands of one type
    Eq(u32, u32),
    /// `a != b`
    Ne(u32, u32),
    /// `a < b`, scalars of one type
    Lt(u32, u32),
    /// `a <= b`
    Le(u32, u32),
    /// `a > b`
    Gt(u32, u32),
    /// `a >= b`
    Ge(u32, u32),
    /// `-a`, int or double
    Neg(u32),
    /// `a + b`, ints or uints (overflow is an error), doubles, spans, a moment and a span
    Add(u32, u32),
    /// `a - b`
    Sub(u32, u32),
    /// `a * b`
    Mul(u32, u32),
    /// `a / b`; an int or uint divided by zero is an error
    Div(u32, u32),
    /// `a % b`, ints or uints; takes the dividend's sign
    Rem(u32, u32),
    /// `a in b`: an item of the list equals a
    In(u32, u32),
    /// `size(a)`: code points of a string, bytes of bytes, items of a list
    Size(u32),
    /// `a.startsWith(b)`
    StartsWith(u32, u32),
    /// `a.endsWith(b)`
    EndsWith(u32, u32),
    /// `a.contains(b)`
    Contains(u32, u32),
    /// A table that another node looks into; it has no value.
    Table(Box<Table>),
    /// `a.matches(..)`: a part of the string matches the automaton b
    Matches(u32, u32),
    /// `a.inCIDR(..)`: the address that the string spells is in the networks b; no address is an error
    Within(u32, u32),
    /// A part of the timestamp a by the calendar of the time zone b
    MomentPart(TimePart, u32, u32),
    /// Whole units of a duration: [`TimePart::Hours`] and smaller
    SpanPart(TimePart, u32),
    /// A scalar as one of another type; what has no counterpart there is an error
    Convert(Type, u32),
    /// `a[b]`: the item of a list at an int; outside of the list is an error
    Index(u32, u32),
    /// The place of a in the list b, an int; not in it is an error
    Find(u32, u32),
}

/// A part of a date or of a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimePart {
    /// The year.
    FullYear,
    /// The month, from 0.
    Month,
    /// The day of the month, from 1.
    Date,
    /// The day of the month, from 0.
    DayOfMonth,
    /// The day of the week, from 0, Sunday.
    DayOfWeek,
    /// The day of the year, from 0.
    DayOfYear,
    /// The hour; of a span all whole hours.
    Hours,
    /// The minute; of a span all whole minutes.
    Minutes,
    /// The second; of a span all whole seconds.
    Seconds,
    /// The milliseconds of the second.
    Milliseconds,
}

impl TimePart {
    /// Every part, in the order of its code.
    pub const ALL: [Self; 10] = [
        Self::FullYear,
        Self::Month,
        Self::Date,
        Self::DayOfMonth,
        Self::DayOfWeek,
        Self::DayOfYear,
        Self::Hours,
        Self::Minutes,
        Self::Seconds,
        Self::Milliseconds,
    ];

    /// The function of CEL that asks for it.
    pub const fn function(self) -> &'static str {
        match self {
            Self::FullYear => "getFullYear",
            Self::Month => "getMonth",
            Self::Date => "getDate",
            Self::DayOfMonth => "getDayOfMonth",
            Self::DayOfWeek => "getDayOfWeek",
            Self::DayOfYear => "getDayOfYear",
            Self::Hours => "getHours",
            Self::Minutes => "getMinutes",
            Self::Seconds => "getSeconds",
            Self::Milliseconds => "getMilliseconds",
        }
    }

    /// Whether a span has it too.
    pub const fn is_of_spans(self) -> bool {
        matches!(self, Self::Hours | Self::Minutes | Self::Seconds | Self::Milliseconds)
    }
}

impl Node {
    /// Indices of its operands.
    pub(crate) fn operands(&self) -> [Option<u32>; 3] {
        match *self {
            Node::Const(_) | Node::Read(_) | Node::Has(_) | Node::Table(_) | Node::Score(_) => [None; 3],
            Node::Not(a) | Node::Neg(a) | Node::Size(a) | Node::SpanPart(_, a) | Node::Convert(_, a) => {
                [Some(a), None, None]
            }
            Node::If(a, b, c) => [Some(a), Some(b), Some(c)],
            Node::And(a, b)
            | Node::Or(a, b)
            | Node::Eq(a, b)
            | Node::Ne(a, b)
            | Node::Lt(a, b)
            | Node::Le(a, b)
            | Node::Gt(a, b)
            | Node::Ge(a, b)
            | Node::Add(a, b)
            | Node::Sub(a, b)
            | Node::Mul(a, b)
            | Node::Div(a, b)
            | Node::Rem(a, b)
            | Node::In(a, b)
            | Node::StartsWith(a, b)
            | Node::EndsWith(a, b)
            | Node::Contains(a, b)
            | Node::Matches(a, b)
            | Node::Within(a, b)
            | Node::MomentPart(_, a, b)
            | Node::Index(a, b)
            | Node::Find(a, b) => [Some(a), Some(b), None],
        }
    }
}

/// What a matched rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Block, whatever else matches.
    Block,
    /// Block unless exempt.
    SoftBlock,
    /// Challenge unless exempt.
    Challenge(Method),
    /// Lift every soft effect and the score class.
    Exempt,
    /// Add points.
    Score(i32),
}

impl Effect {
    /// Whether the rule makes a verdict milder: it then uses Σ⁻ alone and closes only as skip (DESIGN §4.2).
    pub const fn is_lenient(self) -> bool {
        matches!(self, Self::Exempt | Self::Score(..0))
    }

    /// Whether it may stand in a score class, a milder entry or a summary of soft effects.
    pub const fn is_soft(self) -> bool {
        matches!(self, Self::SoftBlock | Self::Challenge(_))
    }
}

/// As policies write it.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block => f.write_str("block"),
            Self::SoftBlock => f.write_str("block(soft)"),
            Self::Challenge(method) => write!(f, "challenge({})", method.name()),
            Self::Exempt => f.write_str("exempt"),
            Self::Score(points) => write!(f, "score({points})"),
        }
    }
}

/// What a rule closes to for one cause of not knowing, or for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// As if it had not matched.
    Skip,
    /// As if it had matched.
    Match,
    /// With the milder of this and the rule's own effect. On a score rule, which has no milder form, as `Match`.
    Milder(Effect),
}

/// One rule of the slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable reason code, 1 to 64 bytes.
    pub reason: String,
    /// What it does.
    pub effect: Effect,
    /// Its condition, a Boolean node.
    pub root: u32,
    /// What it closes to, by cause in the order of [`Cause::ALL`].
    pub unknown: [Entry; Cause::ALL.len()],
    /// What it closes to on an error.
    pub error: Entry,
    /// Duties that its match starts and no answer waits for.
    pub obligations: Obligations,
    /// Device slice: released with `"verdict"`, so the device may block or prompt early on it.
    pub device_final: bool,
}

/// A threshold of the score sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreClass {
    /// Least sum that reaches the class.
    pub at_least: i64,
    /// [`Effect::SoftBlock`] or [`Effect::Challenge`].
    pub effect: Effect,
}

/// A duty that a decision starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obligation {
    /// A person looks at it.
    Review,
    /// The user is told.
    Notify,
}

impl Obligation {
    /// Every obligation, in the order of its bit.
    pub const ALL: [Self; 2] = [Self::Review, Self::Notify];

    /// The name in policies and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Notify => "notify",
        }
    }
}

/// A set of obligations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obligations(u8);

impl Obligations {
    /// No duty.
    pub const NONE: Self = Self(0);
    const BITS: u8 = 0b11;

    /// The set of one.
    pub const fn of(duty: Obligation) -> Self {
        Self(1 << duty as u8)
    }

    /// Set union.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `duty` is in the set.
    pub const fn contains(self, duty: Obligation) -> bool {
        self.0 & (1 << duty as u8) != 0
    }

    /// Whether every duty of `other` is in the set.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The duties in the set.
    pub fn iter(self) -> impl Iterator<Item = Obligation> {
        Obligation::ALL.into_iter().filter(move |duty| self.contains(*duty))
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::BITS == 0 { Some(Self(bits)) } else { None }
    }
}

/// What a slice tells of all rules that are not in it together: the strongest thing they could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// One of them can block hard.
    pub block: bool,
    /// The strictest soft effect among them.
    pub soft: Option<Effect>,
    /// One of them can exempt.
    pub exempt: bool,
    /// Lowest (at most 0) and highest (at least 0) sum of their scores.
    pub score: (i64, i64),
    /// What they close to, together, when the cloud does not answer.
    pub unavailable: HiddenClosed,
}

impl Hidden {
    /// No rule is elsewhere; the only legal summary of a cloud slice.
    pub const NONE: Self = Self {
        block: false,
        soft: None,
        exempt: false,
        score: (0, 0),
        unavailable: HiddenClosed { block: false, soft: None, score: 0 },
    };
}

/// The effects to which hidden rules close in an outage. Lenient rules close as skip, hence no `exempt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HiddenClosed {
    /// One of them blocks hard.
    pub block: bool,
    /// The strictest soft effect among them.
    pub soft: Option<Effect>,
    /// Sum of their scores.
    pub score: i64,
}
