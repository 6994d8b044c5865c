//! Release nodes: the maximal Boolean parts of a condition that read the device alone.
//!
//! Maximal means up to the order of operands: in `app.hooked && amount > 5 && app.debugger` the two device
//! operands are one node, because `&&` and `||` are associative and commutative in all four outcomes, causes
//! included. A node reads private signals of one `min_trust` only, so that its outcome has one trust; where a
//! chain mixes them it is split, where an atom does it is refused. Equal nodes are one node, across rules.
//!
//! INVARIANT: the condition is folded, so a node whose every input is unknown is unknown.

use super::released_values;
use crate::catalogue::{Birth, Privacy, Signal};
use crate::checked::{BinaryOp, Checked, Expr, ExprKind, Release, Rule};
use crate::fold::{join, operands};
use crate::render::render;
use crate::source::Finding;
use glacis_wire::{SignalName, Trust, Type};
use std::collections::BTreeSet;

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
    /// Text of the expression: equal text, equal node.
    text: String,
}

impl NodeTable {
    /// The index that a node's slot name stands for.
    pub(crate) fn index_of(&self, name: &SignalName) -> Option<u16> {
        let index: usize = name.as_str().strip_prefix("node.")?.parse().ok()?;
        (index < self.nodes.len()).then(|| u16::try_from(index).ok()).flatten()
    }

    fn intern(&mut self, expr: Expr, min_trust: Trust) -> Option<u16> {
        let text = render(&expr);
        let at = self.nodes.iter().position(|node| node.text == text).unwrap_or_else(|| {
            self.nodes.push(ReleaseNode { expr, min_trust, text });
            self.nodes.len() - 1
        });
        u16::try_from(at).ok()
    }
}

/// A condition without its device parts.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Release nodes replaced by signals called `node.<index>`.
    pub(crate) root: Expr,
    /// The nodes of this rule.
    pub(crate) nodes: BTreeSet<u16>,
}

/// Takes the release nodes out of a folded condition and compares them with the declaration.
pub(crate) fn take(
    policy: &Checked,
    rule: &Rule,
    folded: &Expr,
    table: &mut NodeTable,
) -> Result<Taken, Finding> {
    let mut taker = Taker { policy, values: released_values(rule), table, nodes: BTreeSet::new() };
    let whole = matches!(taker.class(folded), Class::Device(_));
    let root = taker.take(folded)?;
    let nodes = taker.nodes;
    let (declared, fits) = match &rule.release {
        Release::Verdict => (1, whole),
        Release::Nodes { nodes: declared, .. } => (*declared, nodes.len() == *declared),
        // Rules without device signals, or already reported.
        Release::Nothing | Release::Undisclosed => (0, nodes.is_empty()),
    };
    if fits {
        return Ok(Taken { root, nodes });
    }
    let texts = nodes.iter().filter_map(|at| table.nodes.get(usize::from(*at)));
    let texts: Vec<String> = texts.map(|node| format!("`{}`", node.text)).collect();
    let found = match texts.len() {
        0 => "no release node".to_owned(),
        1 => format!("one release node: {}", texts.join("")),
        count => format!("{count} release nodes: {}", texts.join(", ")),
    };
    let span = rule.release_span.unwrap_or(rule.span);
    let message = format!("{declared} declared, but the condition has {found}");
    let finding = Finding::new(span, "G5010", message);
    Err(match nodes.len() {
        0 => {
            finding.help("nothing of it depends on the device: simplify it, or write release = { nodes = 0 }")
        }
        count => {
            finding.help(format!("write release = {{ nodes = {count} }} if all of that may leave the device"))
        }
    })
}

/// What an expression reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Nothing that has to stay on the device.
    Free,
    /// Only private device signals, of one `min_trust`.
    Device(Trust),
    /// Both, or several `min_trust`s.
    Mixed,
}

struct Taker<'a> {
    policy: &'a Checked,
    values: &'a [SignalName],
    table: &'a mut NodeTable,
    nodes: BTreeSet<u16>,
}

impl Taker<'_> {
    /// The signal, if it stays on the device.
    fn kept(&self, name: &SignalName) -> Option<&Signal> {
        let signal = self.policy.signals.get(name)?;
        (signal.birth == Birth::Device && !self.values.contains(name)).then_some(signal)
    }

    fn class(&self, expr: &Expr) -> Class {
        let readings = expr.readings();
        let trusts: Vec<Option<Trust>> =
            readings.iter().map(|(name, _)| self.kept(name).map(|signal| signal.min_trust)).collect();
        match trusts.first() {
            _ if trusts.iter().all(Option::is_none) => Class::Free,
            Some(Some(trust)) if trusts.iter().all(|other| *other == Some(*trust)) => Class::Device(*trust),
            _ => Class::Mixed,
        }
    }

    fn take(&mut self, expr: &Expr) -> Result<Expr, Finding> {
        match self.class(expr) {
            Class::Free => Ok(expr.clone()),
            Class::Device(trust) => self.node(expr.clone(), trust),
            Class::Mixed => self.split(expr),
        }
    }

    fn node(&mut self, expr: Expr, min_trust: Trust) -> Result<Expr, Finding> {
        let span = expr.span;
        let index = self.table.intern(expr, min_trust);
        let named = index.and_then(|at| Some((at, SignalName::parse(&format!("node.{at}")).ok()?)));
        let Some((index, name)) = named else {
            return Err(Finding::new(span, "G5011", "the policy has too many release nodes"));
        };
        self.nodes.insert(index);
        Ok(Expr { kind: ExprKind::Signal(name), ty: Type::Bool, span })
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
            _ => return Err(self.never_meet(expr)),
        };
        Ok(Expr { kind, ..expr.clone() })
    }

    /// A chain: operands of one `min_trust` become one node, which stands where the first of them stood.
    fn chain(&mut self, op: BinaryOp, expr: &Expr) -> Result<Expr, Finding> {
        let all = operands(op, expr);
        let mut parts = Vec::new();
        let mut done: Vec<Trust> = Vec::new();
        for operand in &all {
            match self.class(operand) {
                Class::Device(trust) if done.contains(&trust) => {}
                Class::Device(trust) => {
                    done.push(trust);
                    let alike = all.iter().filter(|other| self.class(other) == Class::Device(trust));
                    let group = join(op, alike.map(|other| (*other).clone()).collect());
                    parts.push(self.node(group.unwrap_or_else(|| (*operand).clone()), trust)?);
                }
                Class::Free | Class::Mixed => parts.push(self.take(operand)?),
            }
        }
        Ok(join(op, parts).unwrap_or_else(|| expr.clone()))
    }

    /// Why an atom cannot be cut: it names both signals and the ways out.
    fn never_meet(&self, expr: &Expr) -> Finding {
        let readings = expr.readings();
        let kept: Vec<&Signal> = readings.iter().filter_map(|(name, _)| self.kept(name)).collect();
        let Some(first) = kept.first() else {
            return Finding::new(expr.span, "G5008", "this atom cannot be cut");
        };
        let other = readings.iter().map(|(name, _)| *name).find(|name| self.kept(name).is_none());
        let text = render(expr);
        let Some(other) = other else {
            let second = kept.iter().find(|signal| signal.min_trust != first.min_trust).unwrap_or(first);
            let message = format!(
                "`{text}` reads `{}` (min_trust {}) and `{}` (min_trust {}), so its outcome would have no one trust",
                first.name,
                first.min_trust.name(),
                second.name,
                second.min_trust.name()
            );
            let help = "give both one min_trust, or compare each with a constant";
            return Finding::new(expr.span, "G5009", message).help(help);
        };
        let zone = self.policy.signals.get(other).map_or("edge", |signal| match signal.birth {
            Birth::Device => "edge, as a released value",
            birth => birth.name(),
        });
        let message = format!(
            "`{text}` compares `{}` (device) with `{other}` ({zone}): they never meet, and a node that reads both \
             would be adaptive, so requests could search for the private value",
            first.name
        );
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
        Finding::new(expr.span, "G5008", message).help(help)
    }
}
