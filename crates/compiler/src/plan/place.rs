//! Why a rule is where it is: what it reads and where that is known, what has to stay on the device, who may read it,
//! who is believed, and what the policy itself says.
//!
//! A rule that closes in the cloud may be false before: [`upper`] is the weakest thing that the edge knows to follow from
//! its condition. Nothing here decides; the cut has, by the same declarations.

use super::{RulePlan, Why, WhyKind};
use crate::Compiled;
use crate::catalogue::{Birth, Signal};
use crate::checked::{BinaryOp, Expr, ExprKind, Release, Rule};
use crate::cut::{CutRule, adaptive, nodes::NodeTable};
use crate::render::render;
use glacis_policy::{Effect, Obligations};
use glacis_wire::{SignalName, Trust, Type, Value, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// The places of all rules.
pub(super) fn rules(compiled: &Compiled) -> Vec<RulePlan> {
    let pairs = compiled.checked.rules.iter().zip(&compiled.cut.rules);
    pairs.map(|(rule, cut)| Scene { compiled, rule, cut }.plan()).collect()
}

struct Scene<'a> {
    compiled: &'a Compiled,
    rule: &'a Rule,
    cut: &'a CutRule,
}

impl Scene<'_> {
    fn plan(&self) -> RulePlan {
        let cloud = self.of(Birth::Cloud);
        // What is never disclosed is withheld for ever, so no zone has to be asked.
        let asked = !cloud.is_empty() && self.rule.release != Release::Undisclosed;
        let closes = if self.rule.is_hidden() || asked { Zone::Cloud } else { Zone::Edge };
        RulePlan {
            id: self.rule.id.clone(),
            effect: does(self.rule.effect, self.rule.obligations),
            zones: zones(self.rule),
            closes,
            false_early: self.false_early(closes),
            why: self.why(closes, &cloud),
        }
    }

    /// The signals of one birth that its condition depends on, each once.
    fn of(&self, birth: Birth) -> Vec<&Signal> {
        let names: BTreeSet<&SignalName> =
            self.cut.root.readings().into_iter().map(|(name, _)| name).collect();
        let signals = names.into_iter().filter_map(|name| self.compiled.checked.signals.get(name));
        signals.filter(|signal| signal.birth == birth).collect()
    }

    fn false_early(&self, closes: Zone) -> Option<String> {
        if closes != Zone::Cloud || self.rule.is_hidden() {
            return None;
        }
        let weak = upper(&self.cut.root, &self.compiled.checked.signals, true);
        let shown = restored(&weak, &self.compiled.cut.table);
        (truth(&weak).is_none()).then(|| render(&shown))
    }

    fn why(&self, closes: Zone, cloud: &[&Signal]) -> Vec<Why> {
        let mut why = self.on_device();
        let mut add = |kind, zone, text: String| why.push(Why { kind, zone, text });
        if self.rule.is_hidden() {
            match self.rule.place {
                Some(Zone::Cloud) => add(WhyKind::Declared, Zone::Cloud, "place = \"cloud\"".to_owned()),
                _ => add(
                    WhyKind::Secrecy,
                    Zone::Cloud,
                    "text = \"cloud\": the edge may not read it".to_owned(),
                ),
            }
        }
        let named = names(cloud);
        match closes {
            _ if self.rule.release == Release::Undisclosed => {
                let text = "danger_undisclosed: nobody beyond the device ever knows its condition".to_owned();
                add(WhyKind::Declared, closes, text);
            }
            Zone::Cloud if !cloud.is_empty() => {
                add(WhyKind::Availability, Zone::Cloud, format!("only the cloud knows {named}"));
            }
            _ if self.rule.is_hidden() => {}
            _ => {
                let text = "everything that it reads is known at the edge".to_owned();
                add(WhyKind::Availability, Zone::Edge, text);
            }
        }
        if let Some(place) = self.rule.place.filter(|place| *place != Zone::Cloud) {
            add(WhyKind::Declared, place, format!("place = \"{}\"", place.name()));
        }
        why
    }

    /// What keeps parts of it on the device, and what lets the device decide.
    fn on_device(&self) -> Vec<Why> {
        let mut why = Vec::new();
        let mut add = |kind, zone, text: String| why.push(Why { kind, zone, text });
        if self.rule.release == Release::Verdict {
            let text = "release = \"verdict\": the device may decide early".to_owned();
            add(WhyKind::Declared, Zone::Device, text);
        }
        let nodes =
            self.cut.nodes.iter().filter_map(|at| self.compiled.cut.table.nodes.get(usize::from(*at)));
        for node in nodes {
            let readings = node.expr.readings();
            let names: BTreeSet<&str> = readings.iter().map(|(name, _)| name.as_str()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            let (names, text) = (names.join(", "), render(&node.expr));
            add(WhyKind::Privacy, Zone::Device, format!("kept there: {names}; `{text}` leaves as yes or no"));
            if node.min_trust > Trust::Claimed {
                let trust = node.min_trust.name();
                let text = format!("`{text}` being false excuses only from {trust} on");
                add(WhyKind::Trust, Zone::Edge, text);
            }
        }
        why
    }
}

/// Which zones hold a rule.
fn zones(rule: &Rule) -> Vec<Zone> {
    let device = rule.release == Release::Verdict;
    let held = [(Zone::Device, device), (Zone::Edge, !rule.is_hidden()), (Zone::Cloud, true)];
    held.into_iter().filter(|(_, held)| *held).map(|(zone, _)| zone).collect()
}

/// Effect and duties in words.
pub(super) fn does(effect: Effect, duties: Obligations) -> String {
    let duties: Vec<&str> = duties.iter().map(|duty| duty.name()).collect();
    match (effect, duties.is_empty()) {
        (Effect::Score(0), false) => duties.join(", "),
        (own, true) => own.to_string(),
        (own, false) => format!("{own}, {}", duties.join(", ")),
    }
}

fn names(signals: &[&Signal]) -> String {
    signals.iter().map(|signal| signal.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What follows from a condition (`up`), or what it follows from, in terms of what the edge knows.
fn upper(expr: &Expr, signals: &BTreeMap<SignalName, Signal>, up: bool) -> Expr {
    let cloud = |name: &SignalName| signals.get(name).is_some_and(|signal| signal.birth == Birth::Cloud);
    if !expr.readings().iter().any(|(name, _)| cloud(name)) {
        return expr.clone();
    }
    match &expr.kind {
        ExprKind::Not(a) => not(upper(a, signals, !up)),
        ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
            join(*op, upper(a, signals, up), upper(b, signals, up))
        }
        ExprKind::If(condition, yes, no) if expr.ty == Type::Bool => {
            let (yes, no) = (upper(yes, signals, up), upper(no, signals, up));
            if condition.readings().iter().any(|(name, _)| cloud(name)) {
                return join(if up { BinaryOp::Or } else { BinaryOp::And }, yes, no);
            }
            let kind = ExprKind::If(condition.clone(), Box::new(yes), Box::new(no));
            Expr { kind, ..expr.clone() }
        }
        _ => literal(up, expr),
    }
}

fn literal(value: bool, like: &Expr) -> Expr {
    Expr { kind: ExprKind::Literal(Value::Bool(value)), ty: Type::Bool, span: like.span }
}

fn truth(expr: &Expr) -> Option<bool> {
    match &expr.kind {
        ExprKind::Literal(Value::Bool(value)) => Some(*value),
        _ => None,
    }
}

fn not(expr: Expr) -> Expr {
    match truth(&expr) {
        Some(value) => literal(!value, &expr),
        None => {
            let (ty, span) = (expr.ty, expr.span);
            Expr { kind: ExprKind::Not(Box::new(expr)), ty, span }
        }
    }
}

/// `a op b`, a constant operand folded away.
fn join(op: BinaryOp, a: Expr, b: Expr) -> Expr {
    let deciding = op == BinaryOp::Or;
    match (truth(&a), truth(&b)) {
        (Some(value), _) if value == deciding => a,
        (_, Some(value)) if value == deciding => b,
        (Some(_), _) => b,
        (_, Some(_)) => a,
        (None, None) => {
            let (ty, span) = (a.ty, a.span.to(b.span));
            Expr { kind: ExprKind::Binary(op, Box::new(a), Box::new(b)), ty, span }
        }
    }
}

/// A cut condition with the conditions of its nodes in their places again.
fn restored(expr: &Expr, table: &NodeTable) -> Expr {
    if let Some((at, _)) = adaptive::node_of(expr, table) {
        let node = table.nodes.get(usize::from(at));
        return node.map_or_else(|| expr.clone(), |node| node.expr.clone());
    }
    if let ExprKind::Signal(name) = &expr.kind {
        let node = table.index_of(name).and_then(|at| table.nodes.get(usize::from(at)));
        return node.map_or_else(|| expr.clone(), |node| node.expr.clone());
    }
    let sub = |part: &Expr| Box::new(restored(part, table));
    let kind = match &expr.kind {
        ExprKind::Not(a) => ExprKind::Not(sub(a)),
        ExprKind::Binary(op, a, b) => ExprKind::Binary(*op, sub(a), sub(b)),
        ExprKind::If(a, b, c) => ExprKind::If(sub(a), sub(b), sub(c)),
        // Nodes are Boolean, and only connectives were taken apart to find them.
        other => other.clone(),
    };
    Expr { kind, ..expr.clone() }
}
