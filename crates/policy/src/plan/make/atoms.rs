//! Which nodes a table can know: Boolean nodes that compare one slot with constants.
//!
//! Such a node is a test of the slot's value, and a test can be asked two things: where in the order of keys it may
//! change its mind, and what it says of one key. Everything else about classes follows from these two answers.

use crate::plan::key;
use crate::tree::{Node, Parts};
use alloc::vec::Vec;
use core::cmp::Ordering;
use glacis_wire::{Type, Value};

/// A node that reads one slot and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) slot: u16,
    pub(super) test: Test,
}

/// What an atom asks.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Whether there is a value.
    Has,
    /// Its truth by the slot's.
    Bool([bool; 2]),
    /// A comparison of keys; the bound is NaN where there is none.
    Compare { bound: Option<i64>, holds: Holds },
    /// Keys of literals, ascending.
    Among(Vec<i64>),
    /// Text literals, ascending, and whether it is true of them or of all others.
    Texts { texts: Vec<Vec<u8>>, of_them: bool },
    /// A prefix, also as an interval of keys, and whether being inside is enough.
    Prefix { prefix: Vec<u8>, low: i64, high: Option<i64>, exact: bool },
}

/// The orders, and the lack of one, for which a comparison holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) less: bool,
    pub(super) equal: bool,
    pub(super) greater: bool,
    pub(super) unordered: bool,
}

impl Holds {
    const fn new(less: bool, equal: bool, greater: bool) -> Self {
        // Only `!=` holds of what has no order.
        Self { less, equal, greater, unordered: less && greater }
    }

    const fn flipped(self) -> Self {
        Self { less: self.greater, greater: self.less, ..self }
    }

    pub(super) const fn at(self, order: Option<Ordering>) -> bool {
        match order {
            Some(Ordering::Less) => self.less,
            Some(Ordering::Equal) => self.equal,
            Some(Ordering::Greater) => self.greater,
            None => self.unordered,
        }
    }
}

impl Atom {
    /// Whether its class alone decides it wherever the slot has a value.
    pub(super) const fn is_exact(&self) -> bool {
        !matches!(self.test, Test::Prefix { exact: false, .. })
    }
}

impl Test {
    /// Its truth at a key (`None`: NaN); `None` where the class of the key does not decide it.
    pub(super) fn at_key(&self, key: Option<i64>) -> Option<bool> {
        match self {
            Self::Compare { bound, holds } => {
                Some(holds.at(key.zip(*bound).map(|(key, bound)| key.cmp(&bound))))
            }
            Self::Among(keys) => Some(key.is_some_and(|key| keys.binary_search(&key).is_ok())),
            Self::Prefix { low, high, exact, .. } => {
                let inside = key.is_some_and(|key| *low <= key && high.is_none_or(|high| key < high));
                (*exact || !inside).then_some(inside)
            }
            Self::Has | Self::Bool(_) | Self::Texts { .. } => None,
        }
    }

    /// The keys at which its truth may change.
    pub(super) fn bounds(&self) -> Vec<i64> {
        let after = |key: i64| key.checked_add(1);
        match self {
            Self::Compare { bound: Some(bound), holds } => {
                let before = (holds.less != holds.equal).then_some(*bound);
                before
                    .into_iter()
                    .chain((holds.equal != holds.greater).then(|| after(*bound)).flatten())
                    .collect()
            }
            Self::Among(keys) => keys.iter().flat_map(|key| [Some(*key), after(*key)]).flatten().collect(),
            Self::Prefix { low, high, .. } => [Some(*low), *high].into_iter().flatten().collect(),
            Self::Compare { bound: None, .. } | Self::Has | Self::Bool(_) | Self::Texts { .. } => Vec::new(),
        }
    }
}

/// The atom of each node, if a table can know it.
pub(super) fn find(parts: &Parts) -> Vec<Option<Atom>> {
    parts.nodes.iter().map(|node| Finder { parts }.atom(node)).collect()
}

struct Finder<'a> {
    parts: &'a Parts,
}

impl<'a> Finder<'a> {
    fn atom(self, node: &Node) -> Option<Atom> {
        match *node {
            Node::Has(slot) => Some(Atom { slot, test: Test::Has }),
            Node::Read(slot) if self.parts.ty(slot)? == Type::Bool => {
                Some(Atom { slot, test: Test::Bool([false, true]) })
            }
            Node::Eq(a, b) => self.compare(a, b, Holds::new(false, true, false)),
            Node::Ne(a, b) => self.compare(a, b, Holds::new(true, false, true)),
            Node::Lt(a, b) => self.compare(a, b, Holds::new(true, false, false)),
            Node::Le(a, b) => self.compare(a, b, Holds::new(true, true, false)),
            Node::Gt(a, b) => self.compare(a, b, Holds::new(false, false, true)),
            Node::Ge(a, b) => self.compare(a, b, Holds::new(false, true, true)),
            Node::In(a, b) => self.member(self.parts.read(a)?, self.parts.literal(b)?),
            Node::StartsWith(a, b) => match (self.parts.read(a)?, self.parts.literal(b)?) {
                (slot, Value::String(prefix)) => {
                    let (low, high, exact) = key::of_prefix(prefix.as_bytes());
                    let prefix = prefix.as_bytes().to_vec();
                    Some(Atom { slot, test: Test::Prefix { prefix, low, high, exact } })
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn compare(&self, a: u32, b: u32, holds: Holds) -> Option<Atom> {
        let (slot, literal, holds) = match (self.parts.read(a), self.parts.read(b)) {
            (Some(slot), None) => (slot, self.parts.literal(b)?, holds),
            (None, Some(slot)) => (slot, self.parts.literal(a)?, holds.flipped()),
            _ => return None,
        };
        let test = match literal {
            Value::Bool(bound) => Test::Bool([false, true].map(|value| holds.at(Some(value.cmp(bound))))),
            Value::Int(bound) => Test::Compare { bound: Some(*bound), holds },
            Value::Double(bound) => Test::Compare { bound: key::of_double(*bound), holds },
            // The order of texts is not indexed.
            Value::String(_) if holds.less != holds.greater => return None,
            Value::String(text) => {
                Test::Texts { texts: alloc::vec![text.as_bytes().to_vec()], of_them: holds.equal }
            }
            Value::Uint(_) | Value::Timestamp(_) | Value::Duration(_) => {
                Test::Compare { bound: number(literal), holds }
            }
            Value::Bytes(_) | Value::List(_) => return None,
        };
        Some(Atom { slot, test })
    }

    fn member(&self, slot: u16, list: &Value) -> Option<Atom> {
        let Value::List(items) = list else { return None };
        let test = match self.parts.ty(slot)? {
            Type::Bool => Test::Bool([false, true].map(|value| items.contains(&Value::Bool(value)))),
            Type::Int | Type::Double | Type::Uint | Type::Timestamp | Type::Duration => {
                let mut keys: Vec<i64> = items.iter().filter_map(number).collect();
                keys.sort_unstable();
                keys.dedup();
                Test::Among(keys)
            }
            Type::String => {
                let text = |item: &Value| match item {
                    Value::String(text) => Some(text.as_bytes().to_vec()),
                    _ => None,
                };
                let mut texts: Vec<Vec<u8>> = items.iter().filter_map(text).collect();
                texts.sort_unstable();
                texts.dedup();
                Test::Texts { texts, of_them: true }
            }
            _ => return None,
        };
        Some(Atom { slot, test })
    }
}

/// Key of a number, moment or span; NaN is in no list.
fn number(item: &Value) -> Option<i64> {
    match item {
        Value::Int(value) => Some(*value),
        Value::Double(value) => key::of_double(*value),
        Value::Uint(value) => Some(key::of_uint(*value)),
        Value::Timestamp(value) => Some(value.as_us()),
        Value::Duration(value) => Some(value.as_us()),
        Value::Bool(_) | Value::String(_) | Value::List(_) | Value::Bytes(_) => None,
    }
}
