//! Expressions as the flat, shared arena of a slice.
//!
//! Post-order, so operands come first; equal parts are one node. Lists are constants here: folding made them so.
//! Recursion is over source whose depth the parser has limited.

use super::{SlotIndex, automaton, networks, zone};
use crate::checked::{BinaryOp, Checked, Expr, ExprKind};
use glacis_policy::{Call, Node, Parts, Slot, Table};
use glacis_wire::{SignalName, Type, Value};
use std::collections::BTreeMap;

/// An arena being built over fixed slots.
#[derive(Debug)]
pub(crate) struct Arena {
    slots: SlotIndex,
    nodes: Vec<Node>,
    /// The models that are asked, and how.
    models: Vec<String>,
    calls: Vec<Call>,
    /// By text: doubles are told apart by sign of zero, and NaN is itself.
    seen: BTreeMap<String, u32>,
}

impl Arena {
    pub(crate) fn new(slots: &[Slot]) -> Self {
        let named = slots.iter().enumerate();
        let slots =
            named.filter_map(|(at, slot)| Some((slot.name.clone(), u16::try_from(at).ok()?))).collect();
        Self { slots, nodes: Vec::new(), models: Vec::new(), calls: Vec::new(), seen: BTreeMap::new() }
    }

    pub(crate) fn slot(&self, name: &SignalName) -> Option<u16> {
        self.slots.get(name).copied()
    }

    /// Its nodes, and what they ask of models, into `parts`.
    pub(crate) fn finish(self, policy: &Checked, parts: &mut Parts) {
        let bytes = |name: &String| policy.models.iter().find(|model| model.name == *name);
        parts.models = self.models.iter().filter_map(bytes).map(|model| model.bytes.clone()).collect();
        parts.calls = self.calls;
        parts.nodes = self.nodes;
    }

    /// The place of a call, made once for equal ones.
    fn call(&mut self, name: &str, inputs: &[Expr]) -> Option<u16> {
        let slots = inputs.iter().map(|input| self.slot(input.reads()?)).collect::<Option<_>>()?;
        let model = self.models.iter().position(|known| known == name).unwrap_or_else(|| {
            self.models.push(name.to_owned());
            self.models.len() - 1
        });
        let call = Call { model: u16::try_from(model).ok()?, slots };
        let at = self.calls.iter().position(|known| *known == call).unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        u16::try_from(at).ok()
    }

    /// Adds an expression; `None` if it reads what has no slot, or there are too many nodes.
    pub(crate) fn add(&mut self, expr: &Expr) -> Option<u32> {
        let node = match &expr.kind {
            ExprKind::Literal(value) => Node::Const(value.clone()),
            ExprKind::List(items) => {
                Node::Const(Value::List(items.iter().map(literal).collect::<Option<_>>()?))
            }
            ExprKind::Signal(name) => Node::Read(self.slot(name)?),
            ExprKind::Has(name) => Node::Has(self.slot(name)?),
            ExprKind::Model(name, inputs) => Node::Score(self.call(name, inputs)?),
            ExprKind::Not(a) => Node::Not(self.add(a)?),
            ExprKind::Neg(a) => Node::Neg(self.add(a)?),
            ExprKind::Size(a) => Node::Size(self.add(a)?),
            ExprKind::If(a, b, c) => Node::If(self.add(a)?, self.add(b)?, self.add(c)?),
            ExprKind::StartsWith(a, b) => Node::StartsWith(self.add(a)?, self.add(b)?),
            ExprKind::EndsWith(a, b) => Node::EndsWith(self.add(a)?, self.add(b)?),
            ExprKind::Contains(a, b) => Node::Contains(self.add(a)?, self.add(b)?),
            ExprKind::Binary(op, a, b) => binary(*op)(self.add(a)?, self.add(b)?),
            ExprKind::Matches(a, pattern) => {
                let table = automaton::build(pattern).ok().map(Table::Automaton);
                Node::Matches(self.add(a)?, self.table(&format!("matches {pattern}"), table?)?)
            }
            ExprKind::InNetworks(a, networks) => {
                let table = networks::build(networks).map(Table::Networks);
                Node::Within(self.add(a)?, self.table(&format!("networks {networks:?}"), table?)?)
            }
            ExprKind::TimePart(part, a, None) if a.ty == Type::Duration => {
                Node::SpanPart(*part, self.add(a)?)
            }
            ExprKind::TimePart(part, a, name) => {
                let name = name.as_deref().unwrap_or("UTC");
                let table = zone::build(name).map(Table::TimeZone);
                Node::MomentPart(*part, self.add(a)?, self.table(&format!("zone {name}"), table?)?)
            }
            ExprKind::Convert(a) => Node::Convert(expr.ty, self.add(a)?),
            ExprKind::Index(a, b) => Node::Index(self.add(a)?, self.add(b)?),
            ExprKind::Pick { keys, values, key } => {
                let list = |items: &[Expr]| {
                    let items = items.iter().map(literal).collect::<Option<_>>();
                    items.map(|items| Node::Const(Value::List(items)))
                };
                let (keys, values) = (list(keys)?, list(values)?);
                let key = self.add(key)?;
                let keys = self.push(format!("{keys:?}"), keys)?;
                let place = Node::Find(key, keys);
                let place = self.push(format!("{place:?}"), place)?;
                Node::Index(self.push(format!("{values:?}"), values)?, place)
            }
        };
        self.push(format!("{node:?}"), node)
    }

    /// Adds a table; what it was made from tells it from others.
    fn table(&mut self, source: &str, table: Table) -> Option<u32> {
        self.push(source.to_owned(), Node::Table(Box::new(table)))
    }

    /// Adds a node that `text` tells from others.
    fn push(&mut self, text: String, node: Node) -> Option<u32> {
        if let Some(at) = self.seen.get(&text) {
            return Some(*at);
        }
        let at = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(node);
        self.seen.insert(text, at);
        Some(at)
    }
}

fn literal(expr: &Expr) -> Option<Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value.clone()),
        _ => None,
    }
}

const fn binary(op: BinaryOp) -> fn(u32, u32) -> Node {
    match op {
        BinaryOp::Or => Node::Or,
        BinaryOp::And => Node::And,
        BinaryOp::Eq => Node::Eq,
        BinaryOp::Ne => Node::Ne,
        BinaryOp::Lt => Node::Lt,
        BinaryOp::Le => Node::Le,
        BinaryOp::Gt => Node::Gt,
        BinaryOp::Ge => Node::Ge,
        BinaryOp::In => Node::In,
        BinaryOp::Add => Node::Add,
        BinaryOp::Sub => Node::Sub,
        BinaryOp::Mul => Node::Mul,
        BinaryOp::Div => Node::Div,
        BinaryOp::Rem => Node::Rem,
    }
}
