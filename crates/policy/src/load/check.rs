//! The checks of a slice, one item at a time in the order of its bytes.
//!
//! State is what later items need: the methods, the slots' types, each node's type and depth. An item that passed
//! is never looked at again, so a slice is checked in one pass and in memory proportional to its nodes.

use super::Fault;
use super::limits::SCORE_SUM_MAX;
use crate::eval::is_convertible;
use crate::table::TableKind;
use crate::tree::{Call, Effect, Entry, Hidden, Node, Rule, ScoreClass, Slot, Source};
use alloc::vec::Vec;
use glacis_model::{Map, Model};
use glacis_wire::limits::DEPTH_MAX;
use glacis_wire::{Method, Type, Value, Zone};

/// The static type of a node. The empty list literal inhabits every list type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Of(Type),
    EmptyList,
    /// No value: only the node that looks into it takes it.
    Table(TableKind),
}

impl Kind {
    const BOOL: Self = Self::Of(Type::Bool);
    const INT: Self = Self::Of(Type::Int);
    const UINT: Self = Self::Of(Type::Uint);
    const DOUBLE: Self = Self::Of(Type::Double);
    const MOMENT: Self = Self::Of(Type::Timestamp);
    const SPAN: Self = Self::Of(Type::Duration);
    const STRING: Self = Self::Of(Type::String);

    /// The kind of a literal; `None` if it has none (a list that mixes types or nests).
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) if items.is_empty() => Some(Self::EmptyList),
            value => Type::ALL.into_iter().find(|ty| value.is(*ty)).map(Self::Of),
        }
    }

    fn is_list(self) -> bool {
        self == Self::EmptyList || matches!(self, Self::Of(ty) if ty.element().is_some())
    }

    fn is_scalar(self) -> bool {
        matches!(self, Self::Of(ty) if ty.element().is_none())
    }

    /// The common kind of two, where the empty list takes the other's.
    fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Table(_), _) => None,
            (Self::EmptyList, list) | (list, Self::EmptyList) if list.is_list() => Some(list),
            _ => (self == other).then_some(self),
        }
    }
}

/// A checked node, as its users see it.
#[derive(Clone, Copy, Debug)]
struct Checked {
    kind: Kind,
    depth: usize,
}

/// Checks the items of one slice in the order of its bytes.
#[derive(Debug)]
pub(super) struct Checker {
    zone: Zone,
    methods: Vec<Method>,
    /// The type of each slot, and whether the request fills it.
    slots: Vec<(Type, bool)>,
    /// Features of each model.
    models: Vec<usize>,
    calls: usize,
    nodes: Vec<Checked>,
    class_floor: Option<i64>,
}

impl Checker {
    pub(super) const fn new(zone: Zone) -> Self {
        Self {
            zone,
            methods: Vec::new(),
            slots: Vec::new(),
            models: Vec::new(),
            calls: 0,
            nodes: Vec::new(),
            class_floor: None,
        }
    }

    /// Each method stands once.
    pub(super) fn method(&mut self, method: Method) -> Result<(), Fault> {
        ensure(!self.methods.contains(&method), Fault::Method)?;
        self.methods.push(method);
        Ok(())
    }

    /// A device slice reads the device and its copies of the request's values, and no other slice reads the device.
    /// Edge and cloud sum up, and what they sum up are numbers.
    pub(super) fn slot(&mut self, slot: &Slot) -> Result<(), Fault> {
        let (on_device, of_request) = (self.zone == Zone::Device, slot.source == Source::Request);
        ensure(of_request || on_device == (slot.source == Source::Device), Fault::Zone)?;
        let sums = matches!(slot.source, Source::Edge | Source::Cloud);
        let number = matches!(slot.ty, Type::Int | Type::Double);
        ensure(!slot.aggregate || (sums && number), Fault::Aggregate)?;
        self.slots.push((slot.ty, of_request));
        Ok(())
    }

    /// Bytes that are a model, which reads something.
    pub(super) fn model(&mut self, bytes: &[u8]) -> Result<Map, Fault> {
        let model = Model::load(bytes).map_err(|error| Fault::Model(error.fault()))?;
        let features = model.features().count();
        ensure(features > 0, Fault::Call)?;
        self.models.push(features);
        Ok(model.map())
    }

    /// A number or truth value for each feature of a model that exists.
    pub(super) fn call(&mut self, call: &Call) -> Result<(), Fault> {
        let features = self.models.get(usize::from(call.model)).copied();
        ensure(features == Some(call.slots.len()), Fault::Call)?;
        for slot in &call.slots {
            ensure(matches!(self.slot_type(*slot)?, Type::Bool | Type::Int | Type::Double), Fault::Call)?;
        }
        self.calls += 1;
        Ok(())
    }

    /// Operands exist, have fitting types, and are not too deep.
    pub(super) fn node(&mut self, node: &Node) -> Result<(), Fault> {
        let kind = self.kind(node)?;
        let mut below =
            node.operands().into_iter().flatten().map(|at| self.operand(at).map(|node| node.depth));
        let depth = below.try_fold(0, |deepest, depth| depth.map(|depth| usize::max(deepest, depth)))? + 1;
        ensure(depth <= DEPTH_MAX, Fault::TooDeep)?;
        self.nodes.push(Checked { kind, depth });
        Ok(())
    }

    /// A named reason, a Boolean root, a known effect, entries that are milder forms.
    pub(super) fn rule(&self, rule: &Rule) -> Result<(), Fault> {
        ensure(!rule.reason.is_empty(), Fault::Reason)?;
        self.boolean(rule.root)?;
        self.effect(rule.effect)?;
        ensure(!rule.device_final || self.zone == Zone::Device, Fault::Zone)?;
        rule.unknown.iter().chain([&rule.error]).try_for_each(|entry| match entry {
            Entry::Milder(effect) => self.soft(*effect),
            Entry::Skip | Entry::Match => Ok(()),
        })
    }

    /// Classes ascend, and each has a soft effect.
    pub(super) fn class(&mut self, class: &ScoreClass) -> Result<(), Fault> {
        ensure(self.class_floor.is_none_or(|floor| floor < class.at_least), Fault::Score)?;
        self.class_floor = Some(class.at_least);
        self.soft(class.effect)
    }

    /// Soft effects are soft, sums are in range and around zero, and from the cloud nothing is hidden.
    pub(super) fn hidden(&self, hidden: &Hidden) -> Result<(), Fault> {
        ensure(self.zone != Zone::Cloud || *hidden == Hidden::NONE, Fault::Zone)?;
        let (low, high) = hidden.score;
        ensure((-SCORE_SUM_MAX..=0).contains(&low) && (0..=SCORE_SUM_MAX).contains(&high), Fault::Score)?;
        ensure((low..=high).contains(&hidden.unavailable.score), Fault::Score)?;
        [hidden.soft, hidden.unavailable.soft].into_iter().flatten().try_for_each(|effect| self.soft(effect))
    }

    /// Only a device releases, and what it releases is Boolean.
    pub(super) fn release(&self, root: u32) -> Result<(), Fault> {
        ensure(self.zone == Zone::Device, Fault::Zone)?;
        self.boolean(root)
    }

    /// Only a device releases, and only what is its own.
    pub(super) fn value(&self, slot: u16) -> Result<(), Fault> {
        ensure(self.zone == Zone::Device, Fault::Zone)?;
        let (_, of_request) = self.slotted(slot)?;
        ensure(!of_request, Fault::Zone)
    }

    fn effect(&self, effect: Effect) -> Result<(), Fault> {
        match effect {
            Effect::Challenge(method) => ensure(self.methods.contains(&method), Fault::Method),
            Effect::Block | Effect::SoftBlock | Effect::Exempt | Effect::Score(_) => Ok(()),
        }
    }

    fn soft(&self, effect: Effect) -> Result<(), Fault> {
        ensure(effect.is_soft(), Fault::Effect)?;
        self.effect(effect)
    }

    fn boolean(&self, root: u32) -> Result<(), Fault> {
        ensure(self.operand(root)?.kind == Kind::BOOL, Fault::NotBoolean)
    }

    fn slot_type(&self, slot: u16) -> Result<Type, Fault> {
        Ok(self.slotted(slot)?.0)
    }

    fn slotted(&self, slot: u16) -> Result<(Type, bool), Fault> {
        self.slots.get(usize::from(slot)).copied().ok_or(Fault::NoSuchSlot(slot))
    }

    fn operand(&self, at: u32) -> Result<Checked, Fault> {
        let found = usize::try_from(at).ok().and_then(|index| self.nodes.get(index));
        found.copied().ok_or(Fault::NoSuchNode(at))
    }

    /// The type of a node, if its operands have the types that it takes.
    fn kind(&self, node: &Node) -> Result<Kind, Fault> {
        let kind = |at: u32| self.operand(at).map(|node| node.kind);
        let pair = |a: u32, b: u32| Ok::<_, Fault>((kind(a)?, kind(b)?));
        let typed = match *node {
            Node::Const(ref value) => Kind::of(value),
            Node::Read(slot) => Some(Kind::Of(self.slot_type(slot)?)),
            Node::Has(slot) => self.slot_type(slot).map(|_| Some(Kind::BOOL))?,
            Node::Score(call) => (usize::from(call) < self.calls).then_some(Kind::INT),
            Node::Not(a) => (kind(a)? == Kind::BOOL).then_some(Kind::BOOL),
            Node::And(a, b) | Node::Or(a, b) => {
                (pair(a, b)? == (Kind::BOOL, Kind::BOOL)).then_some(Kind::BOOL)
            }
            Node::If(a, b, c) => {
                let (then, other) = pair(b, c)?;
                if kind(a)? == Kind::BOOL { then.join(other) } else { None }
            }
            Node::Eq(a, b) | Node::Ne(a, b) => {
                let (a, b) = pair(a, b)?;
                a.join(b).map(|_| Kind::BOOL)
            }
            Node::Lt(a, b) | Node::Le(a, b) | Node::Gt(a, b) | Node::Ge(a, b) => {
                let (a, b) = pair(a, b)?;
                (a == b && a.is_scalar()).then_some(Kind::BOOL)
            }
            Node::Neg(a) => Some(kind(a)?).filter(|kind| matches!(*kind, Kind::INT | Kind::DOUBLE)),
            Node::Add(a, b) => sum(pair(a, b)?),
            Node::Sub(a, b) => difference(pair(a, b)?),
            Node::Mul(a, b) | Node::Div(a, b) => {
                let (a, b) = pair(a, b)?;
                (a == b && number(a)).then_some(a)
            }
            Node::Rem(a, b) => {
                let (a, b) = pair(a, b)?;
                (a == b && number(a) && a != Kind::DOUBLE).then_some(a)
            }
            Node::In(a, b) => member(pair(a, b)?).then_some(Kind::BOOL),
            Node::Size(a) => {
                let kind = kind(a)?;
                (matches!(kind, Kind::STRING | Kind::Of(Type::Bytes)) || kind.is_list()).then_some(Kind::INT)
            }
            Node::StartsWith(a, b) | Node::EndsWith(a, b) | Node::Contains(a, b) => {
                (pair(a, b)? == (Kind::STRING, Kind::STRING)).then_some(Kind::BOOL)
            }
            Node::Table(ref table) => Some(Kind::Table(table.kind())),
            Node::Matches(a, b) => {
                (pair(a, b)? == (Kind::STRING, Kind::Table(TableKind::Automaton))).then_some(Kind::BOOL)
            }
            Node::Within(a, b) => {
                (pair(a, b)? == (Kind::STRING, Kind::Table(TableKind::Networks))).then_some(Kind::BOOL)
            }
            Node::MomentPart(_, a, b) => {
                (pair(a, b)? == (Kind::MOMENT, Kind::Table(TableKind::TimeZone))).then_some(Kind::INT)
            }
            Node::SpanPart(part, a) => (kind(a)? == Kind::SPAN && part.is_of_spans()).then_some(Kind::INT),
            Node::Convert(to, a) => match kind(a)? {
                Kind::Of(from) if is_convertible(from, to) => Some(Kind::Of(to)),
                _ => None,
            },
            Node::Index(a, b) => match pair(a, b)? {
                (Kind::Of(list), Kind::INT) => list.element().map(Kind::Of),
                _ => None,
            },
            Node::Find(a, b) => member(pair(a, b)?).then_some(Kind::INT),
        };
        typed.ok_or(Fault::OperandTypes)
    }
}

fn sum(operands: (Kind, Kind)) -> Option<Kind> {
    match operands {
        (Kind::MOMENT, Kind::SPAN) | (Kind::SPAN, Kind::MOMENT) => Some(Kind::MOMENT),
        (Kind::SPAN, Kind::SPAN) => Some(Kind::SPAN),
        (a, b) => (a == b && number(a)).then_some(a),
    }
}

fn difference(operands: (Kind, Kind)) -> Option<Kind> {
    match operands {
        (Kind::MOMENT, Kind::SPAN) => Some(Kind::MOMENT),
        (Kind::MOMENT, Kind::MOMENT) | (Kind::SPAN, Kind::SPAN) => Some(Kind::SPAN),
        (a, b) => (a == b && number(a)).then_some(a),
    }
}

fn number(kind: Kind) -> bool {
    matches!(kind, Kind::INT | Kind::UINT | Kind::DOUBLE)
}

/// Whether `item in list` is typed: a scalar and a list of its type.
fn member((item, list): (Kind, Kind)) -> bool {
    match (item, list) {
        (Kind::Of(item), Kind::Of(list)) => list.element() == Some(item),
        (Kind::Of(item), Kind::EmptyList) => item.element().is_none(),
        _ => false,
    }
}

fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}
