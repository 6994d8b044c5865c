//! Canonical bytes of a checked policy: what the policy digest is the SHA-256 of.
//!
//! Everything that has a meaning is in them (rules, declarations of the signals that they read, feature
//! definitions), nothing that has none (spans, comments, order of keys, signals that no rule reads). Two policies
//! with equal bytes decide alike on every snapshot and disclose alike.

use crate::catalogue::{
    Birth, Catalogue, Counts, Declassifier, FeatureDef, FeatureKind, ListDef, Origin, Privacy, Signal,
};
use crate::checked::{BinaryOp, Bucket, Checked, Expr, ExprKind, ModelDef, Release, Rule};
use glacis_model::format::MODEL_BYTES_MAX;
use glacis_policy::TimePart;
use glacis_policy::load::limits::MODELS_MAX;
use glacis_wire::limits::{
    LIST_ITEMS_MAX, NAME_BYTES_MAX, RELEASED_VALUES_MAX, RULES_MAX, SIGNALS_MAX, VALUE_BYTES_MAX,
};
use glacis_wire::{Encode, EncodeError, SignalName, Type, Writer};
use std::time::Duration;

/// First bytes: "Glacis typed policy", version 0.
const MAGIC: &[u8; 6] = b"GLTP\0\0";
/// The same of a policy of one app, which is version 1: a policy of all apps has the digest that it always had.
const MAGIC_OF_APP: &[u8; 6] = b"GLTP\0\x01";
/// The same of a policy with ranges, exceptions or a budget, which is version 2: everything that may be absent is there,
/// as absent. A policy without them has the digest that it always had.
const MAGIC_OF_LABELS: &[u8; 6] = b"GLTP\0\x02";
/// First bytes of a catalogue: "Glacis catalogue", version 0.
const CATALOGUE_MAGIC: &[u8; 6] = b"GLCT\0\0";

/// `list.`, which stands before the name of a list.
const LIST_PREFIX: usize = 5;

type Done = Result<(), EncodeError>;

/// The canonical bytes.
pub(crate) fn encode(policy: &Checked) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer::new();
    let labels = has_labels(policy);
    out.raw(match (labels, &policy.app) {
        (true, _) => MAGIC_OF_LABELS,
        (false, Some(_)) => MAGIC_OF_APP,
        (false, None) => MAGIC,
    });
    out.str("policy name", &policy.name, NAME_BYTES_MAX)?;
    policy.event.encode(&mut out)?;
    match &policy.app {
        app if labels => out.option(app.as_ref())?,
        Some(app) => app.encode(&mut out)?,
        None => {}
    }
    out.str("purpose", &policy.purpose, VALUE_BYTES_MAX)?;
    out.list("methods", &policy.methods, NAME_BYTES_MAX)?;
    out.list("score classes", &policy.classes, RULES_MAX)?;
    out.count("signals", policy.signals.len(), SIGNALS_MAX)?;
    policy.signals.values().try_for_each(|item| signal(item, &mut out))?;
    out.count("features", policy.features.len(), SIGNALS_MAX)?;
    policy.features.iter().try_for_each(|item| feature(item, &mut out))?;
    out.count("rules", policy.rules.len(), RULES_MAX)?;
    policy.rules.iter().try_for_each(|item| rule(item, &mut out))?;
    // Behind all else, so that a policy without models has the bytes that it always had.
    if labels || !policy.models.is_empty() {
        out.count("models", policy.models.len(), MODELS_MAX)?;
        policy.models.iter().try_for_each(|item| model(item, &mut out))?;
    }
    if labels {
        policy.rules.iter().try_for_each(|item| releases(item, &mut out))?;
        out.count("declassifiers", policy.declassifiers.len(), SIGNALS_MAX)?;
        policy.declassifiers.iter().try_for_each(|item| declassifier(item, &mut out))?;
        let budget = policy.budget.unwrap_or_default();
        out.bool(policy.budget.is_some());
        for limit in [budget.per_request, budget.per_session, budget.per_day] {
            bits(limit, &mut out);
        }
    }
    Ok(out.into_bytes())
}

/// Whether a policy says what only version 2 of its bytes can hold.
fn has_labels(policy: &Checked) -> bool {
    let labelled = |rule: &Rule| !rule.buckets.is_empty() || !rule.declassify.is_empty();
    policy.budget.is_some() || policy.rules.iter().any(labelled)
}

/// The canonical bytes of a whole catalogue, also of what the policy does not read.
pub(crate) fn catalogue(catalogue: &Catalogue) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer::new();
    out.raw(CATALOGUE_MAGIC);
    out.count("signals", catalogue.signals.len(), SIGNALS_MAX)?;
    catalogue.signals.values().try_for_each(|item| signal(item, &mut out))?;
    out.count("lists", catalogue.lists.len(), SIGNALS_MAX)?;
    catalogue.lists.iter().try_for_each(|(name, item)| list(name, item, &mut out))?;
    out.count("features", catalogue.features.len(), SIGNALS_MAX)?;
    catalogue.features.values().try_for_each(|item| feature(item, &mut out))?;
    // Behind all else, so that a catalogue without exceptions has the bytes that it always had.
    if !catalogue.declassifiers.is_empty() {
        out.count("declassifiers", catalogue.declassifiers.len(), SIGNALS_MAX)?;
        catalogue.declassifiers.values().try_for_each(|item| declassifier(item, &mut out))?;
    }
    Ok(out.into_bytes())
}

fn signal(signal: &Signal, out: &mut Writer) -> Done {
    signal.name.encode(out)?;
    ty(signal.ty, out);
    out.u8(code(&Birth::ALL, &signal.birth));
    match &signal.origin {
        Origin::Observed => out.u8(0),
        Origin::Principal => out.u8(1),
        Origin::BuiltIn => out.u8(2),
        Origin::Feature => out.u8(3),
        Origin::ListTest { list, key } => {
            out.u8(4);
            out.str("list", list, NAME_BYTES_MAX)?;
            key.encode(out)?;
        }
    }
    out.u8(code(&Privacy::ALL, &signal.privacy));
    out.count("purposes", signal.purpose.len(), LIST_ITEMS_MAX)?;
    signal.purpose.iter().try_for_each(|purpose| out.str("purpose", purpose, VALUE_BYTES_MAX))?;
    duration(signal.retention, out);
    signal.min_trust.encode(out)?;
    bound(signal.max_bytes, out);
    bound(signal.max_items, out);
    out.u64(signal.cost);
    Ok(())
}

fn list(name: &str, list: &ListDef, out: &mut Writer) -> Done {
    out.str("list", name, NAME_BYTES_MAX)?;
    ty(list.of, out);
    out.u8(code(&Privacy::ALL, &list.privacy));
    out.count("purposes", list.purpose.len(), LIST_ITEMS_MAX)?;
    list.purpose.iter().try_for_each(|purpose| out.str("purpose", purpose, VALUE_BYTES_MAX))?;
    duration(list.retention, out);
    out.u64(list.cost);
    Ok(())
}

fn feature(feature: &FeatureDef, out: &mut Writer) -> Done {
    feature.signal.encode(out)?;
    out.u8(code(&[FeatureKind::Count, FeatureKind::Sum, FeatureKind::Distinct], &feature.kind));
    feature.event.encode(out)?;
    names(&feature.key, out)?;
    out.option(feature.of.as_ref())?;
    duration(feature.window, out);
    duration(feature.lateness, out);
    out.bool(feature.include_self);
    out.u8(code(&[Counts::Attempts], &feature.counts));
    Ok(())
}

/// What a rule lets out as a range, and the exceptions that it names.
fn releases(rule: &Rule, out: &mut Writer) -> Done {
    out.count("ranges", rule.buckets.len(), SIGNALS_MAX)?;
    for Bucket { signal, bounds } in &rule.buckets {
        signal.encode(out)?;
        out.list("bounds", bounds, LIST_ITEMS_MAX)?;
    }
    out.count("declassifiers", rule.declassify.len(), SIGNALS_MAX)?;
    rule.declassify.iter().try_for_each(|name| out.str("declassifier", name, NAME_BYTES_MAX))
}

fn declassifier(item: &Declassifier, out: &mut Writer) -> Done {
    out.str("declassifier", &item.name, NAME_BYTES_MAX)?;
    out.str("signal", &item.signal, NAME_BYTES_MAX + LIST_PREFIX)?;
    for (what, text) in [
        ("purpose", &item.purpose),
        ("reason", &item.reason),
        ("reviewer", &item.reviewed_by),
        ("day", &item.reviewed_on),
    ] {
        out.str(what, text, VALUE_BYTES_MAX)?;
    }
    Ok(())
}

/// A limit or none.
fn bits(limit: Option<u64>, out: &mut Writer) {
    out.bool(limit.is_some());
    out.u64(limit.unwrap_or(0));
}

/// All bytes of a model: the digest of the policy covers them.
fn model(model: &ModelDef, out: &mut Writer) -> Done {
    out.str("model", &model.name, NAME_BYTES_MAX)?;
    out.bytes("model", &model.bytes, MODEL_BYTES_MAX)
}

fn rule(rule: &Rule, out: &mut Writer) -> Done {
    out.str("rule id", &rule.id, NAME_BYTES_MAX)?;
    rule.effect.encode(out)?;
    rule.text.encode(out)?;
    out.option(rule.place.as_ref())?;
    match &rule.release {
        Release::Nothing => out.u8(0),
        Release::Verdict => out.u8(1),
        Release::Undisclosed => out.u8(2),
        Release::Nodes { nodes, values, vs_request } => {
            // A code of its own, so that a release without it has the bytes that it always had.
            out.u8(if *vs_request { 4 } else { 3 });
            bound(Some(*nodes), out);
            out.count("values", values.len(), RELEASED_VALUES_MAX)?;
            values.iter().try_for_each(|value| value.encode(out))?;
        }
    }
    names(&rule.reveal, out)?;
    rule.unknown.iter().chain([&rule.error]).try_for_each(|entry| entry.encode(out))?;
    out.u8(rule.obligations.iter().fold(0, |bits, duty| bits | 1 << duty as u8));
    expr(&rule.when, out)
}

fn expr(node: &Expr, out: &mut Writer) -> Done {
    let (tag, operator) = match &node.kind {
        ExprKind::Literal(_) => (0, None),
        ExprKind::List(_) => (1, None),
        ExprKind::Signal(_) => (2, None),
        ExprKind::Has(_) => (3, None),
        ExprKind::Not(_) => (4, None),
        ExprKind::Neg(_) => (5, None),
        ExprKind::Binary(op, ..) => (6, Some(*op)),
        ExprKind::If(..) => (7, None),
        ExprKind::Size(_) => (8, None),
        ExprKind::StartsWith(..) => (9, None),
        ExprKind::EndsWith(..) => (10, None),
        ExprKind::Contains(..) => (11, None),
        ExprKind::Matches(..) => (12, None),
        ExprKind::InNetworks(..) => (13, None),
        ExprKind::TimePart(..) => (14, None),
        ExprKind::Convert(_) => (15, None),
        ExprKind::Index(..) => (16, None),
        ExprKind::Pick { .. } => (17, None),
        ExprKind::Model(..) => (18, None),
    };
    out.u8(tag);
    ty(node.ty, out);
    if let Some(op) = operator {
        out.u8(code(&OPERATORS, &op));
    }
    if let ExprKind::Model(name, _) = &node.kind {
        out.str("model", name, NAME_BYTES_MAX)?;
    }
    match &node.kind {
        ExprKind::Matches(_, pattern) => out.str("pattern", pattern, VALUE_BYTES_MAX)?,
        ExprKind::InNetworks(_, networks) => {
            out.count("networks", networks.len(), LIST_ITEMS_MAX)?;
            networks.iter().try_for_each(|network| out.str("network", network, NAME_BYTES_MAX))?;
        }
        ExprKind::TimePart(part, _, zone) => {
            out.u8(code(&TimePart::ALL, part));
            out.str("time zone", zone.as_deref().unwrap_or(""), NAME_BYTES_MAX)?;
        }
        _ => {}
    }
    match &node.kind {
        ExprKind::Literal(value) => value.encode(out),
        ExprKind::Signal(name) | ExprKind::Has(name) => name.encode(out),
        _ => {
            let parts = node.parts();
            out.count("parts", parts.len(), LIST_ITEMS_MAX)?;
            parts.into_iter().try_for_each(|part| expr(part, out))
        }
    }
}

fn names(names: &[SignalName], out: &mut Writer) -> Done {
    out.list("signals", names, SIGNALS_MAX)
}

fn ty(ty: Type, out: &mut Writer) {
    out.u8(code(&Type::ALL, &ty));
}

fn duration(duration: Duration, out: &mut Writer) {
    out.u64(duration.as_secs());
}

/// A count or nothing, as a number above every limit.
fn bound(bound: Option<usize>, out: &mut Writer) {
    out.u64(bound.and_then(|bound| u64::try_from(bound).ok()).unwrap_or(u64::MAX));
}

/// The place of `item` in the list that fixes its code.
fn code<T: PartialEq>(all: &[T], item: &T) -> u8 {
    all.iter().position(|known| known == item).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

const OPERATORS: [BinaryOp; 14] = [
    BinaryOp::Or,
    BinaryOp::And,
    BinaryOp::Eq,
    BinaryOp::Ne,
    BinaryOp::Lt,
    BinaryOp::Le,
    BinaryOp::Gt,
    BinaryOp::Ge,
    BinaryOp::In,
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Rem,
];
