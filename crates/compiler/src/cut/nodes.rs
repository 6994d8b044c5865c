//! Release nodes: the maximal Boolean parts of a condition that read the device alone.
//!
//! Maximal means up to the order of operands: in `app.hooked && amount > 5 && app.debugger` the two device
//! operands are one node, because `&&` and `||` are associative and commutative in all four outcomes, causes
//! included. A node reads private signals of one `min_trust` only, so that its outcome has one trust; where a
//! chain mixes them it is split, where an atom does it is refused. What a rule lets out as a range (`buckets`) never
//! shares a node with anything else. Where a rule says `vs_request`, an atom that also reads values of the request is a
//! node of its own ([`super::adaptive`]). Equal nodes are one node, across rules.
//!
//! INVARIANT: the condition is folded, so a node whose every input is unknown is unknown.

use super::{CutRule, adaptive, released_values};
use crate::catalogue::{Birth, Privacy, Signal};
use crate::checked::{BinaryOp, Bucket, Checked, Expr, ExprKind, Release, Rule};
use crate::fold::{join, operands};
use crate::label;
use crate::render::render;
use crate::source::Finding;
use glacis_wire::{SignalName, Trust, Type};
use std::collections::{BTreeMap, BTreeSet};

/// All release nodes of a policy, in the order of the layout.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeTable {
    pub(crate) nodes: Vec<ReleaseNode>,
}

/// One release node.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseNode {
    pub(crate) expr: Expr,
    pub(crate) min_trust: Trust,
    /// The values of the request that it reads besides, sorted; none of a node that is not adaptive.
    pub(crate) requests: Vec<SignalName>,
    /// Text of the expression: equal text, equal node.
    text: String,
}

impl ReleaseNode {
    /// The device signals that it reads, once a reading.
    pub(crate) fn signals(&self) -> impl Iterator<Item = &SignalName> {
        let names = self.expr.readings().into_iter().map(|(name, _)| name);
        names.filter(|name| !self.requests.contains(name))
    }
}

impl NodeTable {
    /// The index that a node's slot name stands for.
    pub(crate) fn index_of(&self, name: &SignalName) -> Option<u16> {
        let index: usize = name.as_str().strip_prefix("node.")?.parse().ok()?;
        (index < self.nodes.len()).then(|| u16::try_from(index).ok()).flatten()
    }

    fn intern(&mut self, expr: Expr, min_trust: Trust, requests: Vec<SignalName>) -> Option<u16> {
        let text = render(&expr);
        let at = self.nodes.iter().position(|node| node.text == text).unwrap_or_else(|| {
            self.nodes.push(ReleaseNode { expr, min_trust, requests, text });
            self.nodes.len() - 1
        });
        u16::try_from(at).ok()
    }
}

/// How many nodes a condition would release, `vs_request` or not; `None` if it cannot be cut. For advice: it is not
/// folded yet.
pub(crate) fn count(signals: &BTreeMap<SignalName, Signal>, expr: &Expr, vs_request: bool) -> Option<usize> {
    let mut table = NodeTable::default();
    let scene = Scene { signals, values: &[], buckets: &[], vs_request, whole: expr, rule: "" };
    let mut taker = Taker::new(scene, &mut table);
    taker.take(expr).ok()?;
    Some(taker.nodes.len())
}

/// Takes the release nodes out of a folded condition and compares them with the declaration.
pub(crate) fn take(
    policy: &Checked,
    rule: &Rule,
    folded: &Expr,
    table: &mut NodeTable,
) -> Result<CutRule, Finding> {
    let scene = Scene {
        signals: &policy.signals,
        values: released_values(rule),
        buckets: &rule.buckets,
        vs_request: rule.release.is_vs_request(),
        whole: folded,
        rule: &rule.id,
    };
    let mut taker = Taker::new(scene, table);
    let whole = matches!(taker.class(folded), Class::Device(_));
    let root = taker.take(folded)?;
    let (nodes, ranges) = (taker.nodes, taker.ranges);
    let (declared, fits) = match &rule.release {
        Release::Verdict => (1, whole),
        Release::Nodes { nodes: declared, .. } => (*declared, nodes.len() == *declared),
        // Rules without device signals, or already reported.
        Release::Nothing | Release::Undisclosed => (0, nodes.is_empty()),
    };
    if fits {
        let is_adaptive =
            |at: &u16| table.nodes.get(usize::from(*at)).is_some_and(|node| !node.requests.is_empty());
        if rule.release.is_vs_request() && !nodes.iter().any(is_adaptive) {
            return Err(unneeded(rule));
        }
        return Ok(CutRule { root, nodes: nodes.into_iter().chain(ranges).collect() });
    }
    let texts = nodes.iter().filter_map(|at| table.nodes.get(usize::from(*at)));
    let texts: Vec<String> = texts.map(|node| format!("`{}`", node.text)).collect();
    let found = match texts.len() {
        0 => "no release node".to_owned(),
        1 => format!("one release node: {}", texts.join("")),
        count => format!("{count} release nodes: {}", texts.join(", ")),
    };
    let span = rule.release_span.unwrap_or(rule.span);
    let ways = ways(policy, rule, &nodes, table);
    let message = format!("{declared} declared, but the condition has {found}{ways}");
    let finding = Finding::new(span, "G5010", message);
    Err(match nodes.len() {
        0 => {
            finding.help("nothing of it depends on the device: simplify it, or write release = { nodes = 0 }")
        }
        1 => finding.help("write release = \"bit\" if that may leave the device"),
        count => {
            finding.help(format!("write release = {{ nodes = {count} }} if all of that may leave the device"))
        }
    })
}

/// `vs_request` where no part of the condition needs it.
fn unneeded(rule: &Rule) -> Finding {
    let message = "no part of the condition compares the device with a value of the request";
    Finding::new(rule.release_span.unwrap_or(rule.span), "G5016", message).help("leave `vs_request` out")
}

/// The way of the first signal of the last node: the one that is most likely not meant to leave.
fn ways(policy: &Checked, rule: &Rule, nodes: &BTreeSet<u16>, table: &NodeTable) -> String {
    let last = nodes.iter().next_back().and_then(|at| table.nodes.get(usize::from(*at)));
    let reading = last.and_then(|node| node.expr.readings().into_iter().next());
    let signal = reading.and_then(|(name, _)| policy.signals.get(name));
    let (Some(reading), Some(signal)) = (reading, signal) else { return String::new() };
    format!(": {}", label::path(signal, &rule.when, reading, &rule.id, outside(rule.is_hidden())))
}

/// The first zone beyond the device that a rule's outcome reaches.
pub(crate) const fn outside(hidden: bool) -> &'static str {
    if hidden { "cloud" } else { "edge" }
}

/// What an expression reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Nothing that has to stay on the device.
    Free,
    /// Only device signals that stay there, all of one group.
    Device(Group),
    /// Both, or several groups.
    Mixed,
}

/// What may share a node: signals of one `min_trust`; a signal that leaves as a range with itself alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    trust: Trust,
    /// The place among the rule's buckets.
    range: Option<usize>,
}

/// What the nodes of one condition depend on.
#[derive(Clone, Copy)]
struct Scene<'a> {
    signals: &'a BTreeMap<SignalName, Signal>,
    /// Device signals that leave as they are.
    values: &'a [SignalName],
    buckets: &'a [Bucket],
    /// Whether nodes may read values of the request.
    vs_request: bool,
    /// The whole condition and its rule, for findings.
    whole: &'a Expr,
    rule: &'a str,
}

struct Taker<'a> {
    scene: Scene<'a>,
    table: &'a mut NodeTable,
    nodes: BTreeSet<u16>,
    /// Nodes of signals that leave as a range.
    ranges: BTreeSet<u16>,
}

impl<'a> Taker<'a> {
    fn new(scene: Scene<'a>, table: &'a mut NodeTable) -> Self {
        Self { scene, table, nodes: BTreeSet::new(), ranges: BTreeSet::new() }
    }

    /// The signal, if it stays on the device.
    fn kept(&self, name: &SignalName) -> Option<&'a Signal> {
        let signal = self.scene.signals.get(name)?;
        (signal.birth == Birth::Device && !self.scene.values.contains(name)).then_some(signal)
    }

    fn group(&self, name: &SignalName) -> Option<Group> {
        let trust = self.kept(name)?.min_trust;
        Some(Group { trust, range: self.scene.buckets.iter().position(|bucket| bucket.signal == *name) })
    }

    fn class(&self, expr: &Expr) -> Class {
        let readings = expr.readings();
        let groups: Vec<Option<Group>> = readings.iter().map(|(name, _)| self.group(name)).collect();
        match groups.first() {
            _ if groups.iter().all(Option::is_none) => Class::Free,
            Some(Some(group)) if groups.iter().all(|other| *other == Some(*group)) => Class::Device(*group),
            _ => Class::Mixed,
        }
    }

    fn take(&mut self, expr: &Expr) -> Result<Expr, Finding> {
        match self.class(expr) {
            Class::Free => Ok(expr.clone()),
            Class::Device(group) => self.node(expr.clone(), group, Vec::new()),
            Class::Mixed => self.split(expr),
        }
    }

    fn node(&mut self, expr: Expr, group: Group, requests: Vec<SignalName>) -> Result<Expr, Finding> {
        let span = expr.span;
        let index = self.table.intern(expr, group.trust, requests.clone());
        let named = index.and_then(|at| Some((at, SignalName::parse(&format!("node.{at}")).ok()?)));
        let Some((index, name)) = named else {
            return Err(Finding::new(span, "G5011", "the policy has too many release nodes"));
        };
        if group.range.is_some() { &mut self.ranges } else { &mut self.nodes }.insert(index);
        let node = Expr { kind: ExprKind::Signal(name), ty: Type::Bool, span };
        Ok(adaptive::guarded(node, &requests))
    }

    /// What an adaptive node of this atom would be: its group, and the values of the request that it reads. `None` where
    /// the atom reads anything else, or absorbs.
    fn adaptive(&self, expr: &Expr) -> Option<(Group, Vec<SignalName>)> {
        let (mut kept, mut requests) = (None, BTreeSet::new());
        for (name, _) in expr.readings() {
            match self.group(name) {
                Some(Group { range: Some(_), .. }) => return None,
                Some(group) if kept.is_some_and(|known| known != group) => return None,
                Some(group) => kept = Some(group),
                None if self.scene.signals.get(name)?.birth == Birth::Request => {
                    requests.insert(name.clone());
                }
                None => return None,
            }
        }
        let is_mixed = !requests.is_empty() && adaptive::is_strict(expr);
        kept.filter(|_| is_mixed).map(|group| (group, requests.into_iter().collect()))
    }

    /// A mixed part: the operators that combine nodes are taken apart, an atom cannot be.
    fn split(&mut self, expr: &Expr) -> Result<Expr, Finding> {
        let kind = match &expr.kind {
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), ..) => return self.chain(*op, expr),
            ExprKind::Not(a) => ExprKind::Not(Box::new(self.take(a)?)),
            ExprKind::If(condition, yes, no) if expr.ty == Type::Bool => {
                let condition = Box::new(self.take(condition)?);
                ExprKind::If(condition, Box::new(self.take(yes)?), Box::new(self.take(no)?))
            }
            _ => match self.adaptive(expr).filter(|_| self.scene.vs_request) {
                Some((group, requests)) => return self.node(expr.clone(), group, requests),
                None => return Err(self.never_meet(expr)),
            },
        };
        Ok(Expr { kind, ..expr.clone() })
    }

    /// A chain: operands of one group become one node, which stands where the first of them stood.
    fn chain(&mut self, op: BinaryOp, expr: &Expr) -> Result<Expr, Finding> {
        let all = operands(op, expr);
        let mut parts = Vec::new();
        let mut done: Vec<Group> = Vec::new();
        for operand in &all {
            match self.class(operand) {
                Class::Device(group) if done.contains(&group) => {}
                Class::Device(group) => {
                    done.push(group);
                    let alike = all.iter().filter(|other| self.class(other) == Class::Device(group));
                    let joined = join(op, alike.map(|other| (*other).clone()).collect());
                    let joined = joined.unwrap_or_else(|| (*operand).clone());
                    parts.push(self.node(joined, group, Vec::new())?);
                }
                Class::Free | Class::Mixed => parts.push(self.take(operand)?),
            }
        }
        Ok(join(op, parts).unwrap_or_else(|| expr.clone()))
    }

    /// Why an atom cannot be cut: it names both signals, the way of the first, and the ways out.
    fn never_meet(&self, expr: &Expr) -> Finding {
        let readings = expr.readings();
        let mut kept = readings.iter().filter_map(|reading| Some((*reading, self.kept(reading.0)?)));
        let Some((reading, first)) = kept.next() else {
            return Finding::new(expr.span, "G5008", "this atom cannot be cut");
        };
        let other = readings.iter().map(|(name, _)| *name).find(|name| self.kept(name).is_none());
        let (text, rule) = (render(expr), self.scene.rule);
        let way = |end: &str| label::path(first, self.scene.whole, reading, rule, end);
        let Some(other) = other else {
            let second = kept.map(|(_, signal)| signal).find(|signal| signal.min_trust != first.min_trust);
            let second = second.unwrap_or(first);
            let message = format!(
                "`{text}` reads `{}` (min_trust {}) and `{}` (min_trust {}), so its outcome would have no one \
                 trust: {}",
                first.name,
                first.min_trust.name(),
                second.name,
                second.min_trust.name(),
                way("a node of two trusts")
            );
            let help = "give both one min_trust, or compare each with a constant";
            return Finding::new(expr.span, "G5009", message).help(help);
        };
        let zone = self.scene.signals.get(other).map_or("edge", |signal| match signal.birth {
            Birth::Device => "edge, as a released value",
            birth => birth.name(),
        });
        let message = format!(
            "`{text}` compares `{}` (device) with `{other}` ({zone}): they never meet, and a node that reads both \
             would be adaptive, so requests could search for the private value: {}",
            first.name,
            way(&format!("where {other} is"))
        );
        let finding = Finding::new(expr.span, "G5008", message);
        if self.scene.vs_request {
            return finding.help(VS_REQUEST_TAKES);
        }
        let help = match first.privacy {
            Privacy::Private => format!(
                "compare each with a constant; `{}` is private, so it cannot leave as a value",
                first.name
            ),
            _ => format!(
                "let it leave: release = {{ values = [\"{}\"] }}; or compare each with a constant",
                first.name
            ),
        };
        finding.help(match self.adaptive(expr) {
            Some(_) => format!("{help}; or say vs_request = true in `release`: {VS_REQUEST_COSTS}"),
            None => help,
        })
    }
}

/// What `vs_request` is for.
const VS_REQUEST_TAKES: &str = "`vs_request` takes single strict comparisons of device signals of one min_trust, neither \
    released nor in `buckets`, with values of zone `request`: no `&&`, `||`, `?:`, model or other zone within";
/// What `vs_request` costs.
pub(crate) const VS_REQUEST_COSTS: &str = "every request is then an answer of one bit about another threshold, so \
    whoever makes requests can search for the value, and [policy.budget] must say bits_per_session";
