//! What a slice tells whoever reads it: rules, conditions, constants, models, and the summary of what is not in it.
//!
//! A device is in its owner's hands, so its slice is as good as published; an edge may be a partner's. All that the bytes
//! hold is here, in words: nothing of a slice is secret from its reader but what is not in it.

use super::SlicePlan;
use super::place::does;
use crate::Compiled;
use crate::checked::{Expr, ExprKind, Release, Rule};
use crate::cut::cost::BUDGETS;
use crate::render::render;
use glacis_policy::{Entry, Hidden, Parts, ScoreClass};
use glacis_wire::{Cause, Zone};
use std::collections::BTreeSet;

/// What the slice of one zone tells.
pub(super) fn slice(compiled: &Compiled, zone: Zone) -> Option<SlicePlan> {
    let at = Zone::ALL.iter().position(|known| *known == zone)?;
    let (cut, checked) = (&compiled.cut, &compiled.checked);
    let parts = cut.parts.get(at)?;
    let pairs = checked.rules.iter().zip(&cut.rules);
    let held: Vec<_> = pairs.filter(|(rule, _)| holds(rule, zone)).collect();
    let conditions: Vec<Expr> = match zone {
        Zone::Device => cut.table.nodes.iter().map(|node| node.expr.clone()).collect(),
        // Of a release node a trusted zone holds the number, not the condition; of an undisclosed rule nothing.
        _ => {
            let disclosed = held.iter().filter(|(rule, _)| rule.release != Release::Undisclosed);
            disclosed.map(|(_, rule)| rule.root.clone()).collect()
        }
    };
    let mut constants = BTreeSet::new();
    conditions.iter().for_each(|condition| gather(condition, &mut constants));
    let mut models = BTreeSet::new();
    conditions.iter().for_each(|condition| asked(condition, &mut models));
    Some(SlicePlan {
        zone,
        rules: parts.rules.iter().map(told).collect(),
        settings: settings(parts),
        conditions: conditions.iter().map(render).collect(),
        constants: constants.into_iter().collect(),
        signals: parts.slots.iter().map(|slot| slot.name.to_string()).collect(),
        models: models.into_iter().collect(),
        hidden: hidden(&parts.hidden, zone),
        bytes: cut.plans.get(at).map_or(0, |plan| plan.bytes),
        cost: compiled.cost(zone),
        cost_max: BUDGETS.get(at).copied().unwrap_or(0),
    })
}

/// Methods and classes: what verdicts a reader has to expect.
fn settings(parts: &Parts) -> Vec<String> {
    let methods: Vec<&str> = parts.methods.iter().map(|method| method.name()).collect();
    let methods = format!("methods, weakest first: {}", methods.join(", "));
    let class = |class: &ScoreClass| format!("from {} points on: {}", class.at_least, class.effect);
    std::iter::once(methods).chain(parts.classes.iter().map(class)).collect()
}

/// A rule of a slice but its condition; causes that close alike together.
fn told(rule: &glacis_policy::Rule) -> String {
    let causes = Cause::ALL.iter().map(|cause| cause.name()).zip(rule.unknown);
    let mut closes: Vec<(Entry, Vec<&str>)> = Vec::new();
    for (cause, entry) in std::iter::once(("error", rule.error)).chain(causes) {
        match closes.iter_mut().find(|(known, _)| *known == entry) {
            Some((_, causes)) => causes.push(cause),
            None => closes.push((entry, vec![cause])),
        }
    }
    let shown = closes.iter().enumerate().map(|(at, (entry, causes))| {
        let entry = match entry {
            Entry::Skip => "skip".to_owned(),
            Entry::Match => "match".to_owned(),
            Entry::Milder(milder) => milder.to_string(),
        };
        format!("{} {}as {entry}", causes.join(", "), if at == 0 { "close " } else { "" })
    });
    let does = does(rule.effect, rule.obligations);
    format!("{}: {does}; {}", rule.reason, shown.collect::<Vec<_>>().join(", "))
}

fn holds(rule: &Rule, zone: Zone) -> bool {
    match zone {
        Zone::Device => rule.release == Release::Verdict,
        Zone::Edge => !rule.is_hidden(),
        Zone::Cloud => true,
    }
}

/// Constants of a condition but truth values, which tell nothing.
fn gather(expr: &Expr, constants: &mut BTreeSet<String>) {
    match &expr.kind {
        ExprKind::Literal(glacis_wire::Value::Bool(_)) => {}
        ExprKind::Literal(_) => {
            constants.insert(render(expr));
        }
        ExprKind::Matches(_, pattern) => {
            constants.insert(format!("{pattern:?}"));
        }
        ExprKind::InNetworks(_, networks) => constants.extend(networks.iter().cloned()),
        _ => {}
    }
    expr.parts().into_iter().for_each(|part| gather(part, constants));
}

fn asked(expr: &Expr, models: &mut BTreeSet<String>) {
    if let ExprKind::Model(name, _) = &expr.kind {
        models.insert(name.clone());
    }
    expr.parts().into_iter().for_each(|part| asked(part, models));
}

/// The summary of the rules that are elsewhere (docs/adr/0003).
fn hidden(hidden: &Hidden, zone: Zone) -> Vec<String> {
    let mut told = Vec::new();
    if hidden.block {
        told.push("a rule that is not in it can block".to_owned());
    }
    if let Some(soft) = hidden.soft {
        told.push(format!("the strictest soft effect elsewhere is {soft}"));
    }
    if hidden.exempt {
        told.push("a rule that is not in it can exempt".to_owned());
    }
    if hidden.score != (0, 0) {
        told.push(format!("rules that are not in it add {} to {} points", hidden.score.0, hidden.score.1));
    }
    let outage = &hidden.unavailable;
    if zone == Zone::Edge && *outage != Hidden::NONE.unavailable {
        let block = outage.block.then(|| "block".to_owned());
        let soft = outage.soft.map(|soft| soft.to_string());
        let score = (outage.score != 0).then(|| format!("{} points", outage.score));
        let closed: Vec<String> = block.into_iter().chain(soft).chain(score).collect();
        told.push(format!("without the cloud they close to {}", closed.join(", ")));
    }
    told
}
