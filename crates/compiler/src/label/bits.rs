//! How many bits one request tells of the device.
//!
//! Unit: one bit is one answer true or false of which nothing else is known. A release node is one bit; nodes over one
//! signal that only ask on which side of constants it lies tell no more than which of the ranges it is in, so together
//! they are at most log2 of the number of ranges, rounded up; a value is log2 of the number of values that its type and
//! bounds allow, rounded up. The sum is an upper bound of what the items tell together. Not counted is that an answer
//! was unknown or failed (the two bits of a node on the wire hold that as well): it tells of the device's sensors, not of
//! the signal's value, and a device says it of all nodes alike when it withholds.
//!
//! A node that reads values of the request (`vs_request`) is one bit of its own, in every request again: each may ask about
//! another threshold, so what was told before saves nothing.
//!
//! What must not be here: an estimate. Whatever is not understood counts as much as its form can carry.

use crate::catalogue::{Privacy, Signal};
use crate::checked::{BinaryOp, Budget, Checked, Expr, ExprKind};
use crate::cut::Cut;
use crate::cut::nodes::ReleaseNode;
use crate::read::budget::RawBudget;
use crate::render::render;
use crate::source::{Finding, Findings, Source};
use glacis_wire::{SignalName, Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What one request tells, item by item, in the order of the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The items; each node of the layout and each value is in exactly one.
    pub items: Vec<ReleasedItem>,
}

/// One thing that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedItem {
    /// What it is.
    pub kind: ReleasedKind,
    /// The device signals that it tells of, sorted.
    pub signals: Vec<SignalName>,
    /// The values of the request that it compares them with, sorted: it is adaptive.
    pub requests: Vec<SignalName>,
    /// The most private of them.
    pub privacy: Privacy,
    /// What it tells at most. Unit: bits.
    pub bits: u64,
}

/// The forms of what leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleasedKind {
    /// A release node, by its place in the layout.
    Node(usize),
    /// Nodes that together say in which of so many ranges one signal lies.
    Range {
        /// Their places in the layout.
        nodes: Vec<usize>,
        /// How many ranges they tell apart.
        ranges: u64,
    },
    /// A signal as it is.
    Value,
}

impl Released {
    /// Bits of one privacy category.
    pub fn bits_of(&self, privacy: Privacy) -> u64 {
        let of = self.items.iter().filter(|item| item.privacy == privacy);
        of.map(|item| item.bits).fold(0, u64::saturating_add)
    }

    /// What a budget counts: bits of private and pseudonymous signals.
    pub fn bits(&self) -> u64 {
        self.bits_of(Privacy::Private).saturating_add(self.bits_of(Privacy::Pseudonymous))
    }
}

/// What a policy that has been cut lets out.
pub(crate) fn released(policy: &Checked, cut: &Cut) -> Released {
    let mut ranges: BTreeMap<&SignalName, (Vec<usize>, Asked)> = BTreeMap::new();
    let mut items = Vec::new();
    for (at, node) in cut.table.nodes.iter().enumerate() {
        match asked(&node.expr) {
            Some((signal, asked)) => {
                let (nodes, all) = ranges.entry(signal).or_default();
                nodes.push(at);
                all.join(asked);
            }
            None => items.push(item(policy, cut, (ReleasedKind::Node(at), 1), node)),
        }
    }
    for (signal, (nodes, asked)) in ranges {
        let ty = policy.signals.get(signal).map_or(Type::Double, |signal| signal.ty);
        let ranges = asked.ranges(ty);
        let bits = log2(ranges).min(u64::try_from(nodes.len()).unwrap_or(u64::MAX));
        let Some(first) = nodes.first().and_then(|at| cut.table.nodes.get(*at)) else { continue };
        let kind = match nodes.as_slice() {
            [only] => ReleasedKind::Node(*only),
            _ => ReleasedKind::Range { nodes, ranges },
        };
        items.push(item(policy, cut, (kind, bits), first));
    }
    items.sort_by_key(|item| match &item.kind {
        ReleasedKind::Node(at) => *at,
        ReleasedKind::Range { nodes, .. } => nodes.first().copied().unwrap_or(usize::MAX),
        ReleasedKind::Value => usize::MAX,
    });
    let values = cut.layout.values.iter().filter_map(|name| policy.signals.get(name));
    items.extend(values.map(|signal| ReleasedItem {
        kind: ReleasedKind::Value,
        signals: vec![signal.name.clone()],
        requests: Vec::new(),
        privacy: signal.privacy,
        bits: value_bits(signal),
    }));
    Released { items }
}

/// One item of nodes. What only tells of values that leave anyway tells nothing more.
fn item(policy: &Checked, cut: &Cut, (kind, bits): (ReleasedKind, u64), node: &ReleaseNode) -> ReleasedItem {
    let names: BTreeSet<&SignalName> = node.signals().collect();
    let known = names.iter().all(|name| cut.layout.values.contains(name));
    let signals = names.iter().filter_map(|name| policy.signals.get(*name));
    ReleasedItem {
        kind,
        privacy: signals.map(|signal| signal.privacy).max().unwrap_or(Privacy::Private),
        signals: names.into_iter().cloned().collect(),
        requests: node.requests.clone(),
        bits: if known { 0 } else { bits },
    }
}

/// What nodes over one signal ask of it.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Cuts of an order: the constant, and whether the cut is above it.
    cuts: BTreeSet<(String, bool)>,
    /// Constants that it is compared with for equality.
    equal: BTreeSet<String>,
    /// Whether it is there.
    has: bool,
}

impl Asked {
    fn join(&mut self, other: Self) {
        self.cuts.extend(other.cuts);
        self.equal.extend(other.equal);
        self.has |= other.has;
    }

    /// How many answers these questions tell apart.
    fn ranges(&self, ty: Type) -> u64 {
        let parts = if self.cuts.is_empty() {
            self.equal.len()
        } else {
            let sides = |text: &String| [(text.clone(), false), (text.clone(), true)];
            let sides = self.equal.iter().flat_map(sides);
            self.cuts.iter().cloned().chain(sides).collect::<BTreeSet<_>>().len()
        };
        // No comparison holds of a double that is no number, so it is beside all ranges.
        let beside = usize::from(self.has) + usize::from(ty == Type::Double && parts > 0);
        u64::try_from(1 + parts + beside).unwrap_or(u64::MAX)
    }
}

/// What a node asks of its only signal; `None` if it reads several, or otherwise than by comparing with constants.
fn asked(expr: &Expr) -> Option<(&SignalName, Asked)> {
    let readings = expr.readings();
    let (signal, _) = *readings.first()?;
    let mut asked = Asked::default();
    let alone = readings.iter().all(|(name, _)| *name == signal);
    (alone && questions(expr, &mut asked)).then_some((signal, asked))
}

/// Gathers the questions of a condition over one signal; whether it has no other.
fn questions(expr: &Expr, asked: &mut Asked) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Signal(_) => {
            asked.equal.insert("true".to_owned());
            expr.ty == Type::Bool
        }
        ExprKind::Has(_) => {
            asked.has = true;
            true
        }
        ExprKind::Not(_) | ExprKind::If(..) | ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..) => {
            expr.parts().into_iter().all(|part| questions(part, asked))
        }
        ExprKind::Binary(op, a, b) => match (&a.kind, &b.kind) {
            (ExprKind::Signal(_), _) => question(*op, true, b, asked),
            (_, ExprKind::Signal(_)) => question(*op, false, a, asked),
            _ => false,
        },
        _ => false,
    }
}

/// One comparison of the signal with `other`, a constant; `left`: the signal stands on the left.
fn question(op: BinaryOp, left: bool, other: &Expr, asked: &mut Asked) -> bool {
    if !other.readings().is_empty() {
        return false;
    }
    let above = match (op, left) {
        (BinaryOp::Lt | BinaryOp::Ge, true) | (BinaryOp::Gt | BinaryOp::Le, false) => false,
        (BinaryOp::Le | BinaryOp::Gt, true) | (BinaryOp::Ge | BinaryOp::Lt, false) => true,
        (BinaryOp::Eq | BinaryOp::Ne, _) => {
            asked.equal.insert(render(other));
            return true;
        }
        (BinaryOp::In, true) => {
            asked.equal.extend(items(other));
            return true;
        }
        _ => return false,
    };
    asked.cuts.insert(cut(other, above));
    true
}

/// A cut; of whole numbers, `<= 19` cuts where `< 20` does.
fn cut(bound: &Expr, above: bool) -> (String, bool) {
    let next = match &bound.kind {
        ExprKind::Literal(Value::Int(value)) if above => value.checked_add(1).map(|next| next.to_string()),
        ExprKind::Literal(Value::Uint(value)) if above => value.checked_add(1).map(|next| format!("{next}u")),
        _ => None,
    };
    next.map_or_else(|| (render(bound), above), |next| (next, false))
}

/// The constants of a list, as text.
fn items(list: &Expr) -> Vec<String> {
    let literal = |value: &Value| {
        render(&Expr { kind: ExprKind::Literal(value.clone()), ty: Type::Bool, span: list.span })
    };
    match &list.kind {
        ExprKind::List(items) => items.iter().map(render).collect(),
        ExprKind::Literal(Value::List(items)) => items.iter().map(literal).collect(),
        _ => vec![render(list)],
    }
}

/// log2, rounded up.
const fn log2(count: u64) -> u64 {
    match count.checked_sub(1) {
        Some(last) => u64::BITS as u64 - last.leading_zeros() as u64,
        None => 0,
    }
}

/// log2 of the number of values of a signal, rounded up. There are fewer than 2^(8n + 1) texts of at most n bytes, and
/// fewer than 2^(bn + 1) lists of at most n items of b bits.
fn value_bits(signal: &Signal) -> u64 {
    let wide = |count: Option<usize>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let scalar = |ty: Type| match ty {
        Type::Bool => 1,
        Type::String | Type::Bytes => wide(signal.max_bytes).saturating_mul(8).saturating_add(1),
        _ => u64::from(u64::BITS),
    };
    match signal.ty.element() {
        None => scalar(signal.ty),
        Some(element) => scalar(element).saturating_mul(wide(signal.max_items)).saturating_add(1),
    }
}

/// Holds what one request tells to the budget.
pub(crate) fn check(
    policy: &Checked,
    cut: &Cut,
    raw: Option<&RawBudget>,
    source: &Source<'_>,
    findings: &mut Findings,
) {
    let Some(raw) = raw else { return };
    let released = released(policy, cut);
    let bits = released.bits();
    for (key, limit) in [
        ("bits_per_request", raw.per_request),
        ("bits_per_session", raw.per_session),
        ("bits_per_day", raw.per_day),
    ] {
        let Some(limit) = limit.filter(|limit| bits > limit.value) else { continue };
        let message = format!(
            "one request tells {bits} {} of private and pseudonymous signals, and {key} is {}: {}",
            plural(bits),
            limit.value,
            largest(policy, cut, &released)
        );
        let finding = Finding::new(limit.span, "G5014", message);
        let help = "release fewer or coarser parts (buckets with fewer bounds, nodes joined into one), or raise the budget";
        findings.error(source, "policy.budget", finding.help(help));
    }
    for (small, large, keys) in [
        (raw.per_session, raw.per_request, "bits_per_session is below bits_per_request"),
        (raw.per_day, raw.per_request, "bits_per_day is below bits_per_request"),
    ] {
        if let (Some(small), Some(large)) = (small, large)
            && small.value < large.value
        {
            findings.error(source, "policy.budget", Finding::new(small.span, "G5014", keys));
        }
    }
}

/// The ways of what tells most, largest first.
fn largest(policy: &Checked, cut: &Cut, released: &Released) -> String {
    let mut items: Vec<&ReleasedItem> =
        released.items.iter().filter(|item| item.privacy != Privacy::Public).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.bits));
    let way = |item: &&ReleasedItem| {
        let signals: Vec<&str> = item.signals.iter().map(SignalName::as_str).collect();
        let (what, rules) = match &item.kind {
            ReleasedKind::Node(at) => {
                let answer = if item.requests.is_empty() { "yes or no" } else { "yes or no, adaptive" };
                (answer.to_owned(), served(policy, cut, &[*at]))
            }
            ReleasedKind::Range { nodes, ranges } => (format!("{ranges} ranges"), served(policy, cut, nodes)),
            ReleasedKind::Value => ("value".to_owned(), Vec::new()),
        };
        let rules: Vec<String> = rules.iter().map(|id| format!("\"{id}\"")).collect();
        let rules = if rules.is_empty() { String::new() } else { format!(" → rule {}", rules.join(", ")) };
        let (signals, privacy, bits) = (signals.join(", "), item.privacy.name(), item.bits);
        format!("{signals} ({privacy}, device) → {what}{rules} → {bits} {}", plural(bits))
    };
    let shown: Vec<String> = items.iter().take(WAYS_MAX).map(way).collect();
    shown.join("; ")
}

/// The rules that read any of these nodes.
pub(crate) fn served<'p>(policy: &'p Checked, cut: &Cut, nodes: &[usize]) -> Vec<&'p str> {
    let reads = |read: &BTreeSet<u16>| read.iter().any(|at| nodes.contains(&usize::from(*at)));
    let rules = policy.rules.iter().zip(&cut.rules);
    rules.filter(|(_, own)| reads(&own.nodes)).map(|(rule, _)| rule.id.as_str()).collect()
}

const fn plural(bits: u64) -> &'static str {
    if bits == 1 { "bit" } else { "bits" }
}

/// Items that a finding names.
const WAYS_MAX: usize = 4;

/// A budget for people.
impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limits = [(self.per_request, "request"), (self.per_session, "session"), (self.per_day, "day")];
        let said = limits.iter().filter_map(|(limit, of)| limit.map(|limit| format!("{limit} a {of}")));
        f.write_str(&said.collect::<Vec<_>>().join(", "))
    }
}
