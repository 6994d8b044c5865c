//! The checker: from what was read to a policy that means something, or to every reason why it does not.
//!
//! [`expr`] types conditions, [`closing`] completes what open rules close to, [`release`] and [`bucket`] decide what
//! may leave the device, [`purpose`] what may be used. A rule with a mistake is left out and the others are still checked, so one run finds them all.

mod bucket;
mod call;
pub(crate) mod closing;
pub(crate) mod expr;
mod models;
pub(crate) mod release;
mod unroll;

use crate::catalogue::{Birth, Catalogue, Signal};
use crate::cel::parse::parse;
use crate::checked::{Checked, Rule};
use crate::diagnostic::Spanned;
use crate::label::purpose;
use crate::read::budget::RawBudget;
use crate::read::model::RawModel;
use crate::read::policy::{RawClass, RawPolicy, RawRule};
use crate::source::{Finding, Findings};
use expr::Typed;
use glacis_policy::{Effect, ScoreClass};
use glacis_wire::limits::SIGNALS_MAX;
use glacis_wire::{Trust, Type, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Checks a policy against its catalogue. The result is complete only if nothing was added to `findings`.
pub(crate) fn check(raw: &RawPolicy<'_>, catalogue: &Catalogue, findings: &mut Findings) -> Checked {
    let mut checked = Checked {
        name: raw.name.clone(),
        event: raw.event.clone(),
        app: raw.app.clone(),
        purpose: raw.purpose.value.clone(),
        methods: raw.methods.clone(),
        rules: Vec::new(),
        classes: Vec::new(),
        signals: BTreeMap::new(),
        lists: Vec::new(),
        features: Vec::new(),
        models: Vec::new(),
        declassifiers: Vec::new(),
        budget: raw.budget.as_ref().map(RawBudget::plain),
    };
    closing::check_policy_entries(raw, findings);
    for rule in &raw.rules {
        check_rule(raw, rule, catalogue, &mut checked, findings);
    }
    checked.lists.sort();
    checked.lists.dedup();
    let features = checked.signals.keys().filter_map(|name| catalogue.features.get(name)).cloned();
    checked.features = features.collect();
    checked.models = models::used(raw, &checked);
    let used: BTreeSet<&String> = checked.rules.iter().flat_map(|rule| &rule.declassify).collect();
    let used = used.into_iter().filter_map(|name| catalogue.declassifiers.get(name));
    checked.declassifiers = used.cloned().collect();
    checked.classes = check_classes(raw, &checked, findings);
    if checked.signals.len() > SIGNALS_MAX {
        let message = format!("the rules read {} signals; at most {SIGNALS_MAX}", checked.signals.len());
        raw.form.report(Finding::new(raw.form.table.span, "G4017", message), findings);
    }
    checked
}

fn check_rule(
    raw: &RawPolicy<'_>,
    rule: &RawRule<'_>,
    catalogue: &Catalogue,
    checked: &mut Checked,
    findings: &mut Findings,
) {
    let Some(typed) = check_condition(rule, (catalogue, &raw.models), findings) else { return };
    let Some(effect) = check_effect(rule, &typed, findings) else { return };
    let release = release::check(rule, &typed, effect, findings);
    release::check_budget(raw, rule, findings);
    let buckets = bucket::check(rule, &typed, findings);
    let declassify = purpose::check(raw, rule, &typed, catalogue, findings);
    let text = rule.text.map_or(Zone::Edge, |text| text.value);
    let place = rule.place.map(|place| place.value);
    let scene = closing::Scene {
        policy: raw,
        rule,
        effect,
        typed: &typed,
        catalogue,
        hidden: text == Zone::Cloud || place == Some(Zone::Cloud),
        undisclosed: rule.undisclosed.is_some(),
    };
    let (unknown, error) = closing::check_rule(&scene, findings);
    checked.lists.extend(typed.lists);
    checked.signals.extend(typed.signals);
    let reveal =
        rule.reveal.iter().filter_map(|name| glacis_wire::SignalName::parse(name.value).ok()).collect();
    checked.rules.push(Rule {
        id: rule.id.value.clone(),
        when: typed.expr,
        effect,
        text,
        place,
        release,
        buckets,
        declassify,
        reveal,
        unknown,
        error,
        obligations: rule.obligations,
        span: rule.id.span,
        release_span: rule.release.as_ref().map(|release| release.span),
    });
}

/// Parses and types `when`, which must be a condition.
fn check_condition(
    rule: &RawRule<'_>,
    (catalogue, models): (&Catalogue, &[RawModel]),
    findings: &mut Findings,
) -> Option<Typed> {
    let map = rule.form.text_map(rule.when);
    let path = format!("{}.when", rule.form.path);
    let parsed =
        parse(rule.when.value).map_err(|finding| Finding { span: map.span(finding.span), ..finding });
    let typed = parsed.and_then(|ast| expr::check(&ast, (catalogue, models), &map)).and_then(|typed| {
        if typed.expr.ty == Type::Bool {
            return Ok(typed);
        }
        let message = format!("a condition is a bool, not {}", expr::kind(typed.expr.ty));
        Err(Finding::new(typed.expr.span, "G3009", message))
    });
    match typed {
        Ok(typed) => {
            for warning in &typed.warnings {
                findings.warning(&rule.form.source, &path, warning.clone());
            }
            Some(typed)
        }
        Err(finding) => {
            findings.error(&rule.form.source, &path, finding);
            None
        }
    }
}

/// The effect; a rule without one must at least have obligations, and then adds no points.
fn check_effect(rule: &RawRule<'_>, typed: &Typed, findings: &mut Findings) -> Option<Effect> {
    let Some(effect) = rule.effect else {
        if rule.obligations.is_empty() {
            let help = "write effect = \"block\", \"challenge(…)\", \"score(…)\", \"exempt\", or obligations = [\"review\"]";
            rule.form.missing("effect", help, findings);
            return None;
        }
        return Some(Effect::Score(0));
    };
    if effect.value == Effect::Score(0) {
        let finding = Finding::new(effect.span, "G4006", "a score of 0 changes nothing");
        rule.form.report(finding.help("leave `effect` out if the rule only has obligations"), findings);
    }
    if effect.value.is_lenient() {
        let believed = |signal: &&Signal| signal.birth == Birth::Device && signal.min_trust == Trust::Claimed;
        if let Some(signal) = typed.signals.values().find(believed) {
            let message =
                format!("`{}` can make a verdict milder on a bare claim of the device", signal.name);
            let finding = Finding::new(effect.span, "G4018", message);
            let path = rule.form.path.clone();
            let finding = finding.help("give the signal min_trust = \"attested\"");
            findings.warning(&rule.form.source, &path, finding);
        }
    }
    Some(effect.value)
}

/// Classes: reachable, thresholds and strictness ascending together (so that more points are never milder).
fn check_classes(raw: &RawPolicy<'_>, checked: &Checked, findings: &mut Findings) -> Vec<ScoreClass> {
    let points = |rule: &Rule| match rule.effect {
        Effect::Score(points) if points > 0 => Some(i64::from(points)),
        _ => None,
    };
    let most: i64 = checked.rules.iter().filter_map(points).sum();
    let report = |finding: Finding, findings: &mut Findings| {
        findings.error(&raw.form.source, "score_class", finding);
    };
    let scored = raw.rules.iter().filter_map(|rule| rule.effect.map(|effect| (rule, effect)));
    let first =
        scored.into_iter().find(|(_, effect)| matches!(effect.value, Effect::Score(points) if points != 0));
    if let Some((rule, effect)) = first.filter(|_| !raw.has_classes) {
        let finding =
            Finding::new(effect.span, "G4012", "points are given but no [[score_class]] says what they do");
        rule.form.report(finding.help("[[score_class]] at_least = 50, effect = \"challenge(…)\""), findings);
    }
    let mut before: Option<&RawClass> = None;
    for class in &raw.classes {
        let Spanned { value: at_least, span } = class.at_least;
        if !class.effect.value.is_soft() {
            let message = "a score class can challenge or block(soft), nothing else";
            report(Finding::new(class.effect.span, "G4013", message), findings);
        }
        if at_least > most {
            let message = format!("no sum of points reaches {at_least}; at most {most}");
            report(Finding::new(span, "G4014", message), findings);
        }
        let strictness = |class: &RawClass| soft_rank(checked, class.effect.value);
        if let Some(before) = before {
            if before.at_least.value >= at_least {
                report(Finding::new(span, "G4015", "thresholds must ascend"), findings);
            } else if strictness(before) >= strictness(class) {
                let message = "a higher class must be stricter than the one below it";
                report(Finding::new(class.effect.span, "G4015", message), findings);
            }
        }
        before = Some(class);
    }
    let class = |class: &RawClass| ScoreClass { at_least: class.at_least.value, effect: class.effect.value };
    raw.classes.iter().map(class).collect()
}

/// Strictness among effects that compare: challenges by method, `block(soft)`, `block`.
pub(crate) fn soft_rank(checked: &Checked, effect: Effect) -> usize {
    rank(&checked.methods, effect)
}

/// See [`soft_rank`].
pub(crate) fn rank(methods: &[glacis_wire::Method], effect: Effect) -> usize {
    match effect {
        Effect::Challenge(method) => {
            1 + methods.iter().position(|known| *known == method).unwrap_or(methods.len())
        }
        Effect::SoftBlock => 2 + methods.len(),
        Effect::Block => 3 + methods.len(),
        Effect::Exempt | Effect::Score(_) => 1,
    }
}
