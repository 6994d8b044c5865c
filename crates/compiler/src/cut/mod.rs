//! The cut: one policy into three slices and the layout of what the device discloses.
//!
//! Placement today is declared, not searched: the device slice holds release nodes, declared values and rules
//! with `release = "verdict"`; the edge slice every rule that is not hidden from it; the cloud slice all rules.
//! [`nodes`] finds the release nodes, [`arena`] lays expressions out flat, [`cost`] bounds what a slice costs.

pub(crate) mod adaptive;
pub(crate) mod arena;
pub(crate) mod automaton;
mod beyond;
pub(crate) mod cost;
pub(crate) mod networks;
pub(crate) mod nodes;
pub(crate) mod zone;

use crate::catalogue::{Birth, Signal};
use crate::checked::{Checked, Expr, ExprKind, Release, Rule};
use crate::diagnostic::Span;
use crate::render::render;
use crate::source::{Finding, Findings, Source};
use arena::Arena;
pub(crate) use beyond::beyond;
use glacis_policy::{Binding, Effect, Entry, Hidden, HiddenClosed, Indexing, Parts, Slice, Slot};
use glacis_wire::limits::{DISCLOSURE_BYTES_MAX, NODES_MAX, RELEASED_VALUES_MAX};
use glacis_wire::{Cause, PolicyDigest, SignalName, Trust, Type, Value, Verdict, Zone};
use nodes::NodeTable;
use std::collections::{BTreeMap, BTreeSet};

/// What one disclosure of this policy holds, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Release nodes: two bits each.
    pub nodes: Vec<NodeInfo>,
    /// Declared values.
    pub values: Vec<SignalName>,
}

/// One release node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its condition.
    pub text: String,
    /// The device signals that it reads, sorted.
    pub signals: Vec<SignalName>,
    /// The values of the request that it reads besides, sorted: it is adaptive, since each request asks it anew. The
    /// device computes it on its own copies of them.
    pub requests: Vec<SignalName>,
    /// Below this trust of the session its outcome counts as withheld where that is exculpating.
    pub min_trust: Trust,
}

/// A policy that has been cut; the digest is still to be filled in.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) layout: Layout,
    /// Device, edge, cloud.
    pub(crate) parts: [Parts; 3],
    pub(crate) costs: [u64; 3],
    /// How the slices decide their rules, in the order of `parts`.
    pub(crate) plans: Vec<PlanInfo>,
    /// Its release nodes, in the order of the layout.
    pub(crate) table: NodeTable,
    /// Its rules, in the order of the policy.
    pub(crate) rules: Vec<CutRule>,
}

/// One rule as it was cut.
#[derive(Clone, Debug)]
pub(crate) struct CutRule {
    /// Its folded condition, release nodes replaced by signals called `node.<index>`.
    pub(crate) root: Expr,
    /// The release nodes that it reads.
    pub(crate) nodes: BTreeSet<u16>,
}

/// How one slice decides its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanInfo {
    /// How much of each rule its tables decide, by rule id; no rule of a device, whose conditions are all computed.
    pub rules: Vec<(String, Indexing)>,
    /// Most abstract steps of one evaluation: declared in the slice, and checked where it is loaded.
    pub steps_max: u64,
    /// Bytes of the slice.
    pub bytes: usize,
}

impl PlanInfo {
    fn of(slice: &Slice) -> Self {
        let ids = slice.rules().iter().map(|rule| rule.reason.clone());
        Self {
            rules: ids.zip(slice.indexing()).collect(),
            steps_max: slice.steps_max(),
            bytes: slice.as_bytes().len(),
        }
    }
}

/// One rule ready for the arena.
struct Shape<'a> {
    rule: &'a Rule,
    cut: CutRule,
    /// `Release::Verdict` only: its one node.
    node: Option<u16>,
}

/// The name of node `at` in slices.
pub fn node_name(at: usize) -> String {
    format!("node.{at}")
}

/// Cuts a checked policy. Complete only if nothing was added to `findings`.
pub(crate) fn cut(policy: &Checked, source: &Source<'_>, findings: &mut Findings) -> Option<Cut> {
    let mut table = NodeTable::default();
    let mut shapes = Vec::new();
    for rule in &policy.rules {
        let path = format!("rule.{}.when", rule.id);
        match shape(policy, rule, &mut table) {
            Ok(shape) => {
                if let Some(finding) = always(rule, &shape.cut.root) {
                    findings.warning(source, &path, finding);
                }
                shapes.push(shape);
            }
            Err(finding) => findings.error(source, &path, finding),
        }
    }
    let layout = layout(policy, &table);
    check_layout(policy, &layout, source, findings);
    if findings.failed() {
        return None;
    }
    let cutter = Cutter { policy, table: &table, layout: &layout, shapes: &shapes };
    let found = cutter.all();
    let Some(parts) = found else {
        findings.error(
            source,
            "",
            Finding::new(Span::default(), "G5012", "the policy is too large to be cut"),
        );
        return None;
    };
    let mut plans = Vec::new();
    for part in &parts {
        match Slice::try_new(part) {
            Ok(slice) => plans.push(PlanInfo::of(&slice)),
            Err(error) => {
                let message = format!("the {} slice cannot be loaded: {error}", part.zone.name());
                findings.error(source, "", Finding::new(Span::default(), "G5012", message));
            }
        }
    }
    let guards = |hidden: bool| guards(policy, &table, &shapes, hidden);
    let costs = cost::check(policy, &table, (&parts, [guards(false), guards(true)]), source, findings);
    let rules = shapes.into_iter().map(|shape| shape.cut).collect();
    Some(Cut { layout, parts, costs, plans, table, rules })
}

/// Folds a rule and takes its release nodes out.
fn shape<'a>(policy: &Checked, rule: &'a Rule, table: &mut NodeTable) -> Result<Shape<'a>, Finding> {
    let folded = crate::fold::fold(policy, &rule.when)?;
    if rule.release == Release::Undisclosed {
        return Ok(Shape { rule, cut: CutRule { root: folded, nodes: BTreeSet::new() }, node: None });
    }
    let cut = nodes::take(policy, rule, &folded, table)?;
    let node = if rule.release == Release::Verdict { cut.nodes.first().copied() } else { None };
    Ok(Shape { rule, cut, node })
}

/// A condition that reads signals and does not depend on them.
fn always(rule: &Rule, root: &Expr) -> Option<Finding> {
    let ExprKind::Literal(Value::Bool(value)) = &root.kind else { return None };
    let message = format!("this condition is always {value}, whatever its signals say");
    (!rule.when.readings().is_empty()).then(|| Finding::new(rule.when.span, "G3012", message))
}

/// Steps that the guards of adaptive nodes add to the rules of a trusted zone, `hidden` ones among them.
fn guards(policy: &Checked, table: &NodeTable, shapes: &[Shape<'_>], hidden: bool) -> u64 {
    let held = shapes.iter().filter(|shape| hidden || !shape.rule.is_hidden());
    let nodes = held.flat_map(|shape| &shape.cut.nodes).filter_map(|at| table.nodes.get(usize::from(*at)));
    let steps = nodes.map(|node| {
        let costs =
            node.requests.iter().filter_map(|name| policy.signals.get(name)).map(|signal| signal.cost);
        adaptive::guard_steps(node.requests.len(), costs.fold(0, u64::saturating_add))
    });
    steps.fold(0, u64::saturating_add)
}

fn layout(policy: &Checked, table: &NodeTable) -> Layout {
    let nodes = table.nodes.iter().map(|node| {
        let signals: BTreeSet<_> = node.signals().cloned().collect();
        NodeInfo {
            text: render(&node.expr),
            signals: signals.into_iter().collect(),
            requests: node.requests.clone(),
            min_trust: node.min_trust,
        }
    });
    let values: BTreeSet<&SignalName> = policy.rules.iter().flat_map(released_values).collect();
    Layout { nodes: nodes.collect(), values: values.into_iter().cloned().collect() }
}

/// The device signals that a rule lets out as they are.
pub(crate) fn released_values(rule: &Rule) -> &[SignalName] {
    match &rule.release {
        Release::Nodes { values, .. } => values,
        _ => &[],
    }
}

/// The largest disclosure fits its header.
fn check_layout(policy: &Checked, layout: &Layout, source: &Source<'_>, findings: &mut Findings) {
    let value_bytes = |name: &SignalName| policy.signals.get(name).map_or(0, answer_bytes_max);
    let head = PolicyDigest::LEN + 2 + 1;
    let values: usize = layout.values.iter().map(value_bytes).sum();
    let bytes = head + layout.nodes.len().div_ceil(4) + values;
    for (what, found, limit) in [
        ("release nodes", layout.nodes.len(), NODES_MAX),
        ("released values", layout.values.len(), RELEASED_VALUES_MAX),
        ("bytes of disclosure", bytes, DISCLOSURE_BYTES_MAX),
    ] {
        if found > limit {
            let message = format!("the policy has {found} {what}; at most {limit}");
            findings.error(source, "", Finding::new(Span::default(), "G5011", message));
        }
    }
}

/// Longest encoded answer about a signal: a tag, a value tag, lengths, contents.
fn answer_bytes_max(signal: &Signal) -> usize {
    let text = signal.max_bytes.unwrap_or(0);
    let scalar = |ty: Type| match ty {
        Type::Bool => 2,
        Type::String | Type::Bytes => 5 + text,
        _ => 9,
    };
    1 + match signal.ty.element() {
        None => scalar(signal.ty),
        Some(element) => 5 + signal.max_items.unwrap_or(0) * scalar(element),
    }
}

struct Cutter<'a> {
    policy: &'a Checked,
    table: &'a NodeTable,
    layout: &'a Layout,
    shapes: &'a [Shape<'a>],
}

impl Cutter<'_> {
    fn all(&self) -> Option<[Parts; 3]> {
        Some([self.device()?, self.trusted(Zone::Edge)?, self.trusted(Zone::Cloud)?])
    }

    fn empty(&self, zone: Zone) -> Parts {
        let unbound = Binding::unbound(PolicyDigest::new([0; PolicyDigest::LEN]));
        let mut parts = Parts::empty(self.policy.event.clone(), zone, unbound);
        parts.methods.clone_from(&self.policy.methods);
        parts
    }

    /// Release nodes, declared values, and the rules that the device may decide early.
    fn device(&self) -> Option<Parts> {
        let mut parts = self.empty(Zone::Device);
        let mut names: BTreeSet<&SignalName> = self.layout.values.iter().collect();
        let readings = self.table.nodes.iter().flat_map(|node| node.expr.readings());
        names.extend(readings.map(|(name, _)| name));
        parts.slots = names.into_iter().filter_map(|name| self.slot(name)).collect();
        let mut arena = Arena::new(&parts.slots);
        for node in &self.table.nodes {
            parts.releases.push(arena.add(&node.expr)?);
        }
        for name in &self.layout.values {
            parts.values.push(arena.slot(name)?);
        }
        for shape in self.shapes {
            if let Some(node) = shape.node {
                let root = *parts.releases.get(usize::from(node))?;
                parts.rules.push(glacis_policy::Rule { device_final: true, ..engine_rule(shape.rule, root) });
            }
        }
        arena.finish(self.policy, &mut parts);
        parts.hidden = self.hidden_from_device();
        Some(parts)
    }

    /// What edge and cloud hold: rules over requests, facts, features and disclosed nodes.
    fn trusted(&self, zone: Zone) -> Option<Parts> {
        let mut parts = self.empty(zone);
        parts.classes.clone_from(&self.policy.classes);
        let here = |rule: &Rule| zone == Zone::Cloud || !rule.is_hidden();
        let shapes: Vec<&Shape<'_>> = self.shapes.iter().filter(|shape| here(shape.rule)).collect();
        let disclosed = |shape: &&&Shape<'_>| shape.rule.release != Release::Undisclosed;
        let readings = shapes.iter().filter(disclosed).flat_map(|shape| shape.cut.root.readings());
        let names: BTreeSet<&SignalName> = readings.map(|(name, _)| name).collect();
        parts.slots = names.into_iter().filter_map(|name| self.slot_of_trusted(name)).collect();
        let mut arena = Arena::new(&parts.slots);
        for shape in shapes {
            let rule = if shape.rule.release == Release::Undisclosed {
                undisclosed(self.policy, shape.rule, &mut arena)?
            } else {
                Some(engine_rule(shape.rule, arena.add(&shape.cut.root)?))
            };
            parts.rules.extend(rule);
        }
        arena.finish(self.policy, &mut parts);
        if zone == Zone::Edge {
            let hidden = self.policy.rules.iter().filter(|rule| rule.is_hidden());
            parts.hidden = summary(self.policy, hidden.collect());
        }
        Some(parts)
    }

    fn slot(&self, name: &SignalName) -> Option<Slot> {
        let signal = self.policy.signals.get(name)?;
        let source = match signal.birth {
            Birth::Device => glacis_policy::Source::Device,
            Birth::Request => glacis_policy::Source::Request,
            Birth::Edge => glacis_policy::Source::Edge,
            Birth::Cloud => glacis_policy::Source::Cloud,
        };
        let (ty, min_trust, aggregate) = (signal.ty, signal.min_trust, signal.is_aggregate());
        Some(Slot { name: name.clone(), source, ty, min_trust, aggregate })
    }

    /// As [`slot`](Self::slot); what is born on the device arrives as a node or a declared value.
    fn slot_of_trusted(&self, name: &SignalName) -> Option<Slot> {
        if let Some(node) = self.table.index_of(name) {
            let min_trust = self.table.nodes.get(usize::from(node))?.min_trust;
            let source = glacis_policy::Source::Node(node);
            return Some(Slot { name: name.clone(), source, ty: Type::Bool, min_trust, aggregate: false });
        }
        let slot = self.slot(name)?;
        if slot.source != glacis_policy::Source::Device {
            return Some(slot);
        }
        let at = self.layout.values.iter().position(|value| value == name)?;
        Some(Slot { source: glacis_policy::Source::Value(u16::try_from(at).ok()?), ..slot })
    }

    /// A device learns of other rules only what forbids it to decide early; points and classes stay away from
    /// it, so the strictest class stands for every sum.
    fn hidden_from_device(&self) -> Hidden {
        let others = self.policy.rules.iter().filter(|rule| rule.release != Release::Verdict);
        let all = summary(self.policy, others.collect());
        let reached = all.score.1 > 0 || self.policy.classes.iter().any(|class| class.at_least <= 0);
        let class = self.policy.classes.last().filter(|_| reached).map(|class| class.effect);
        Hidden {
            soft: stricter(self.policy, all.soft, class),
            score: (0, 0),
            unavailable: Hidden::NONE.unavailable,
            ..all
        }
    }
}

/// A rule of the engine over a root.
fn engine_rule(rule: &Rule, root: u32) -> glacis_policy::Rule {
    glacis_policy::Rule {
        reason: rule.id.clone(),
        effect: rule.effect,
        root,
        unknown: rule.unknown,
        error: rule.error,
        obligations: rule.obligations,
        device_final: false,
    }
}

/// A rule that is always `unknown(withheld)`: what it closes to, as a rule that is always true; nothing for skip.
fn undisclosed(policy: &Checked, rule: &Rule, arena: &mut Arena) -> Option<Option<glacis_policy::Rule>> {
    let Some(effect) = closed(policy, rule, rule.entry(Cause::Withheld)) else { return Some(None) };
    let always = Expr { kind: ExprKind::Literal(Value::Bool(true)), ty: Type::Bool, span: rule.span };
    let root = arena.add(&always)?;
    Some(Some(glacis_policy::Rule { effect, ..engine_rule(rule, root) }))
}

/// The effect to which an open rule closes by one entry.
pub(crate) fn closed(policy: &Checked, rule: &Rule, entry: Entry) -> Option<Effect> {
    let rank = |effect| crate::check::soft_rank(policy, effect);
    match (entry, rule.effect) {
        (Entry::Skip, _) => None,
        (Entry::Milder(milder), own) if !matches!(own, Effect::Score(_)) && rank(milder) < rank(own) => {
            Some(milder)
        }
        (_, own) => (!own.is_lenient()).then_some(own),
    }
}

/// What a slice says of rules that are not in it (docs/adr/0003).
fn summary(policy: &Checked, rules: Vec<&Rule>) -> Hidden {
    let mut hidden = Hidden::NONE;
    for rule in rules {
        match rule.effect {
            Effect::Block => hidden.block = true,
            Effect::SoftBlock | Effect::Challenge(_) => {
                hidden.soft = stricter(policy, hidden.soft, Some(rule.effect));
            }
            Effect::Exempt => hidden.exempt = true,
            Effect::Score(points) if points < 0 => hidden.score.0 += i64::from(points),
            Effect::Score(points) => hidden.score.1 += i64::from(points),
        }
        let outage = &mut hidden.unavailable;
        match closed(policy, rule, rule.entry(Cause::Unavailable)) {
            Some(Effect::Score(points)) => outage.score += i64::from(points),
            Some(Effect::Block) => outage.block = true,
            Some(soft) => {
                *outage = HiddenClosed { soft: stricter(policy, outage.soft, Some(soft)), ..*outage }
            }
            None => {}
        }
    }
    hidden
}

/// The stricter of two soft effects.
fn stricter(policy: &Checked, a: Option<Effect>, b: Option<Effect>) -> Option<Effect> {
    let rank = |effect: &Effect| match effect {
        Effect::Challenge(method) => policy.rank(Verdict::Challenge(*method)),
        _ => policy.rank(Verdict::Block),
    };
    a.into_iter().chain(b).max_by_key(rank)
}

/// Slots by name, for the arena.
pub(crate) type SlotIndex = BTreeMap<SignalName, u16>;
