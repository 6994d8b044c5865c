//! Reads `signals.toml`: signals, lists and features, each with its labels.
//!
//! A label is never assumed: type, zone, privacy, purpose, retention and cost are mandatory, `min_trust` as well
//! for what a device says. Strings and lists say how large they can be.

use super::form::{Data, Form, parse};
use crate::catalogue::{Birth, Catalogue, Counts, FeatureDef, FeatureKind, ListDef, Origin, Privacy, Signal};
use crate::cel::lex::RESERVED;
use crate::diagnostic::{Span, Spanned, suggest};
use crate::source::{Finding, Findings, Source};
use glacis_wire::limits::{LIST_ITEMS_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX};
use glacis_wire::{EventName, SignalName, Trust, Type};
use std::time::Duration;

/// Reads a catalogue; what is wrong goes to `findings`, what is right is returned for further checks.
pub(crate) fn read(source: Source<'_>, findings: &mut Findings) -> Option<Catalogue> {
    let root = parse(&source, findings)?;
    let form = Form::new(source, &root, "");
    form.only(&["signal", "list", "feature", "declassifier"], findings);
    let mut catalogue = Catalogue::default();
    for signal in built_in() {
        catalogue.signals.insert(signal.name.clone(), signal);
    }
    if let Some(signals) = form.table("signal", findings) {
        each_named(&signals, findings, |name, form, findings| {
            let signal = read_signal(&name, form, findings)?;
            if signal.origin == Origin::Principal {
                one_principal(&catalogue, &name, form, findings);
            }
            insert(&mut catalogue, signal, name.span, form, findings);
            Some(())
        });
    }
    if let Some(lists) = form.table("list", findings) {
        for entry in &lists.table.entries {
            if let Some(form) = lists.table(&entry.key.value, findings) {
                let list = read_list(&entry.key, &form, findings);
                catalogue.lists.extend(list.map(|list| (list.name.clone(), list)));
            }
        }
    }
    if let Some(features) = form.table("feature", findings) {
        each_named(&features, findings, |name, form, findings| {
            let (signal, feature) = read_feature(&name, form, &catalogue, findings)?;
            catalogue.features.insert(signal.name.clone(), feature);
            insert(&mut catalogue, signal, name.span, form, findings);
            Some(())
        });
    }
    super::declassifier::read(&form, &mut catalogue, findings);
    Some(catalogue)
}

/// Runs `read` on every entry whose key is a signal name.
fn each_named<'a>(
    tables: &Form<'a>,
    findings: &mut Findings,
    mut read: impl FnMut(Spanned<SignalName>, &Form<'a>, &mut Findings) -> Option<()>,
) {
    for entry in &tables.table.entries {
        let Some(form) = tables.table(&entry.key.value, findings) else { continue };
        // No signal has a table in it: the author wrote a dotted name without quotes.
        let dotted = form.table.entries.iter().find(|inner| matches!(inner.item.data, Data::Table(_)));
        let (outer, span) = (&entry.key.value, entry.key.span);
        if let Some(inner) = dotted {
            let name = format!("{outer}.{}", inner.key.value);
            let finding = Finding::new(span, "G1010", format!("`{name}` is read as a table in a table"));
            form.report(finding.help(format!("quote a dotted name: \"{name}\"")), findings);
            continue;
        }
        match signal_name(outer) {
            Ok(value) => {
                read(Spanned { value, span }, &form, findings);
            }
            Err(rule) => {
                let message = format!("`{outer}` cannot name a signal: {rule}");
                form.report(Finding::new(span, "G1010", message), findings);
            }
        }
    }
}

/// Checks the form of a signal name: what conditions can write.
pub(super) fn signal_name(text: &str) -> Result<SignalName, &'static str> {
    const RULE: &str =
        "write segments of a-z, 0-9 and _ that begin with a letter, joined by dots, 64 bytes at most";
    let segment = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if text.len() > NAME_BYTES_MAX || !text.split('.').all(segment) {
        return Err(RULE);
    }
    if text.split('.').any(|part| RESERVED.contains(&part)) {
        return Err("a segment is a reserved word of CEL");
    }
    if text.starts_with("list.") || text.starts_with("node.") {
        return Err("`list.` and `node.` are kept for list tests and release nodes");
    }
    SignalName::parse(text).map_err(|_| RULE)
}

fn insert(catalogue: &mut Catalogue, signal: Signal, span: Span, form: &Form<'_>, findings: &mut Findings) {
    if let Some(before) = catalogue.signals.get(&signal.name) {
        let what = if before.origin == Origin::BuiltIn { "is built in" } else { "is declared twice" };
        form.report(Finding::new(span, "G1011", format!("signal `{}` {what}", signal.name)), findings);
        return;
    }
    catalogue.signals.insert(signal.name.clone(), signal);
}

fn one_principal(
    catalogue: &Catalogue,
    name: &Spanned<SignalName>,
    form: &Form<'_>,
    findings: &mut Findings,
) {
    if let Some(first) = catalogue.signals.values().find(|signal| signal.origin == Origin::Principal) {
        let message = format!("`{}` and `{}` both claim to be the principal", first.name, name.value);
        form.report(Finding::new(name.span, "G1012", message), findings);
    }
}

/// Signals that every edge makes; a catalogue cannot declare them.
fn built_in() -> Vec<Signal> {
    let edge = |name: &str, ty, max_bytes, privacy| {
        Some(Signal {
            name: SignalName::parse(name).ok()?,
            ty,
            birth: Birth::Edge,
            origin: Origin::BuiltIn,
            privacy,
            purpose: Vec::new(),
            retention: Duration::ZERO,
            min_trust: Trust::Claimed,
            max_bytes,
            max_items: None,
            cost: 1,
        })
    };
    let tier = edge("device.tier", Type::String, Some(16), Privacy::Public);
    let id = edge("device.id", Type::String, Some(64), Privacy::Pseudonymous);
    let signed = edge("request.signed", Type::Bool, None, Privacy::Public);
    [tier, id, signed].into_iter().flatten().collect()
}

/// The labels that signals, lists and features share.
struct Labels {
    privacy: Privacy,
    purpose: Vec<String>,
    retention: Duration,
    cost: u64,
}

const LABEL_KEYS: [&str; 4] = ["privacy", "purpose", "retention", "cost"];

fn read_labels(form: &Form<'_>, findings: &mut Findings) -> Option<Labels> {
    let missing = LABEL_KEYS.iter().filter(|key| form.entry(key).is_none()).count();
    for key in LABEL_KEYS.iter().filter(|key| form.entry(key).is_none()) {
        form.missing(key, "every signal, list and feature states its labels", findings);
    }
    let privacy = form.word("privacy", &Privacy::ALL.map(|label| (label.name(), label)), findings);
    let purpose = form.texts("purpose", findings);
    let purpose = purpose.and_then(|purpose| {
        if purpose.value.is_empty() {
            form.report(Finding::new(purpose.span, "G1013", "`purpose` names no purpose"), findings);
            return None;
        }
        Some(purpose.value.iter().map(|purpose| purpose.value.to_owned()).collect())
    });
    let retention = duration(form, "retention", findings);
    let cost = form.int("cost", 1..=COST_MAX, findings);
    if missing > 0 {
        return None;
    }
    let cost = cost.and_then(|cost| u64::try_from(cost.value).ok())?;
    Some(Labels { privacy: privacy?.value, purpose: purpose?, retention: retention?, cost })
}

fn read_signal(name: &Spanned<SignalName>, form: &Form<'_>, findings: &mut Findings) -> Option<Signal> {
    let own = ["type", "zone", "min_trust", "max_bytes", "max_items", "principal"];
    form.only(&[&own[..], &LABEL_KEYS[..]].concat(), findings);
    for key in ["type", "zone"].iter().filter(|key| form.entry(key).is_none()) {
        form.missing(key, "every signal states its type and where it is born", findings);
    }
    let ty = form.word("type", &Type::ALL.map(|ty| (ty.name(), ty)), findings);
    let birth = form.word("zone", &Birth::ALL.map(|birth| (birth.name(), birth)), findings);
    let labels = read_labels(form, findings);
    let min_trust = form.word("min_trust", &Trust::ALL.map(|trust| (trust.name(), trust)), findings);
    let principal = form.bool("principal", findings);
    let (ty, birth) = (ty?.value, birth?.value);
    let (max_bytes, max_items) = read_bounds(ty, form, findings);
    if birth == Birth::Device && form.entry("min_trust").is_none() {
        let help =
            "say how far the device must be trusted before its word can excuse anything, e.g. \"attested\"";
        form.missing("min_trust", help, findings);
    }
    if let Some(trust) = min_trust.filter(|trust| trust.value > birth.trust_max()) {
        let reach = birth.trust_max().name();
        let message = format!(
            "no producer in zone `{}` can reach `{}`; at most `{reach}`",
            birth.name(),
            trust.value.name()
        );
        form.report(Finding::new(trust.span, "G1014", message), findings);
    }
    let is_principal = principal.is_some_and(|principal| principal.value);
    if is_principal && (birth != Birth::Request || ty != Type::String) {
        let message = "the principal is a string of zone `request`";
        form.report(Finding::new(name.span, "G1012", message), findings);
    }
    let labels = labels?;
    Some(Signal {
        name: name.value.clone(),
        ty,
        birth,
        origin: if is_principal { Origin::Principal } else { Origin::Observed },
        privacy: labels.privacy,
        purpose: labels.purpose,
        retention: labels.retention,
        min_trust: min_trust.map_or(Trust::Claimed, |trust| trust.value),
        max_bytes,
        max_items,
        cost: labels.cost,
    })
}

/// `max_bytes` for strings, `max_items` for lists: mandatory there, refused elsewhere.
fn read_bounds(ty: Type, form: &Form<'_>, findings: &mut Findings) -> (Option<usize>, Option<usize>) {
    let strings = matches!(ty, Type::String | Type::StringList | Type::Bytes | Type::BytesList);
    let lists = ty.element().is_some();
    let mut bound = |key: &str, wanted: bool, max: usize| {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let found = form.int(key, 1..=max, findings);
        match form.entry(key) {
            None if wanted => form.missing(key, &format!("a {} must be bounded", ty.name()), findings),
            Some(entry) if !wanted => {
                let message = format!("`{key}` has no meaning for type `{}`", ty.name());
                form.report(Finding::new(entry.key.span, "G1015", message), findings);
            }
            _ => {}
        }
        found.filter(|_| wanted).and_then(|found| usize::try_from(found.value).ok())
    };
    (bound("max_bytes", strings, VALUE_BYTES_MAX), bound("max_items", lists, LIST_ITEMS_MAX))
}

fn read_list(name: &Spanned<String>, form: &Form<'_>, findings: &mut Findings) -> Option<ListDef> {
    form.only(&[&["of", "zone"][..], &LABEL_KEYS[..]].concat(), findings);
    for key in ["of", "zone"].iter().filter(|key| form.entry(key).is_none()) {
        form.missing(key, "a list states the type of its items and its zone", findings);
    }
    let of = form.word("of", &[("string", Type::String), ("int", Type::Int)], findings);
    form.word("zone", &[("cloud", ())], findings);
    let labels = read_labels(form, findings);
    if name.value.contains('.') || signal_name(&name.value).is_err() {
        let message = format!("`{}` cannot name a list: write a-z, 0-9 and _", name.value);
        form.report(Finding::new(name.span, "G1010", message), findings);
        return None;
    }
    let labels = labels?;
    Some(ListDef {
        name: name.value.clone(),
        of: of?.value,
        privacy: labels.privacy,
        purpose: labels.purpose,
        retention: labels.retention,
        cost: labels.cost,
    })
}

fn read_feature(
    name: &Spanned<SignalName>,
    form: &Form<'_>,
    catalogue: &Catalogue,
    findings: &mut Findings,
) -> Option<(Signal, FeatureDef)> {
    let own = ["kind", "event", "key", "of", "window", "lateness", "include_self", "counts"];
    form.only(&[&own[..], &LABEL_KEYS[..]].concat(), findings);
    for key in own.iter().filter(|key| **key != "of" && form.entry(key).is_none()) {
        form.missing(key, "a feature is defined exactly, or replay could not repeat it", findings);
    }
    let kinds =
        [("count", FeatureKind::Count), ("sum", FeatureKind::Sum), ("distinct", FeatureKind::Distinct)];
    let kind = form.word("kind", &kinds, findings);
    let event = form.text("event", findings).and_then(|text| event_name(form, text, findings));
    let keys = form.texts("key", findings).map(|keys| read_keys(form, &keys, catalogue, findings));
    let of = form.text("of", findings).map(|of| field(form, of, catalogue, findings));
    let window = duration(form, "window", findings);
    let lateness = duration(form, "lateness", findings);
    let include_self = form.bool("include_self", findings);
    let counts = form.word("counts", &[("attempts", Counts::Attempts)], findings);
    let labels = read_labels(form, findings);
    let kind = kind?.value;
    let ty = feature_type(kind, of.as_ref(), form, findings)?;
    if let (Some(window), Some(entry)) = (window, form.entry("window"))
        && (window.is_zero() || window > WINDOW_MAX)
    {
        let message = "`window` must be longer than nothing and at most 366d";
        form.report(Finding::new(entry.item.span, "G1006", message), findings);
    }
    let labels = labels?;
    let signal = Signal {
        name: name.value.clone(),
        ty,
        birth: Birth::Cloud,
        origin: Origin::Feature,
        privacy: labels.privacy,
        purpose: labels.purpose,
        retention: labels.retention,
        min_trust: Trust::Claimed,
        max_bytes: None,
        max_items: None,
        cost: labels.cost,
    };
    let feature = FeatureDef {
        signal: name.value.clone(),
        kind,
        event: event?,
        key: keys??,
        of: of.flatten().map(|signal| signal.name.clone()),
        window: window?,
        lateness: lateness?,
        include_self: include_self?.value,
        counts: counts?.value,
    };
    Some((signal, feature))
}

/// The type of a feature, from its kind and the field `of`: outer `None` = not given, inner = not usable.
fn feature_type(
    kind: FeatureKind,
    of: Option<&Option<&Signal>>,
    form: &Form<'_>,
    findings: &mut Findings,
) -> Option<Type> {
    let wrong = |message: &str, findings: &mut Findings| {
        let span = form.entry("of").map_or(form.table.span, |entry| entry.item.span);
        form.report(Finding::new(span, "G1016", message), findings);
        None
    };
    match (kind, of) {
        (FeatureKind::Count, None) => Some(Type::Int),
        (FeatureKind::Count, Some(_)) => wrong("a count counts events and has no `of`", findings),
        (FeatureKind::Sum | FeatureKind::Distinct, None) => {
            wrong("a sum or distinct count needs `of`", findings)
        }
        (_, Some(None)) => None,
        (FeatureKind::Sum, Some(Some(field))) if matches!(field.ty, Type::Int | Type::Double) => {
            Some(field.ty)
        }
        (FeatureKind::Sum, Some(Some(_))) => wrong("only an int or a double can be summed", findings),
        (FeatureKind::Distinct, Some(Some(_))) => Some(Type::Int),
    }
}

fn read_keys(
    form: &Form<'_>,
    keys: &Spanned<Vec<Spanned<&str>>>,
    catalogue: &Catalogue,
    findings: &mut Findings,
) -> Option<Vec<SignalName>> {
    if keys.value.is_empty() {
        form.report(Finding::new(keys.span, "G1016", "`key` names no signal"), findings);
        return None;
    }
    let fields: Vec<_> = keys.value.iter().map(|key| field(form, *key, catalogue, findings)).collect();
    fields.into_iter().map(|field| field.map(|signal| signal.name.clone())).collect()
}

/// A scalar signal that edge or request supplies: what the event log holds.
fn field<'c>(
    form: &Form<'_>,
    name: Spanned<&str>,
    catalogue: &'c Catalogue,
    findings: &mut Findings,
) -> Option<&'c Signal> {
    let found = catalogue.signals.values().find(|signal| signal.name.as_str() == name.value);
    let Some(signal) = found else {
        let known = catalogue.signals.keys().map(SignalName::as_str);
        let finding = Finding::new(name.span, "G1016", format!("no signal is called `{}`", name.value));
        form.report(finding.maybe_help(suggest(name.value, known)), findings);
        return None;
    };
    if !matches!(signal.birth, Birth::Request | Birth::Edge) || signal.ty.element().is_some() {
        let way = match signal.birth {
            Birth::Device => {
                let label = signal.privacy.name();
                format!(": {} ({label}, device) → key of a feature → past events in the cloud", signal.name)
            }
            _ => String::new(),
        };
        let message = format!(
            "`{}` is not a scalar of zone `request` or `edge`, so no event carries it{way}",
            name.value
        );
        form.report(Finding::new(name.span, "G1016", message), findings);
        return None;
    }
    Some(signal)
}

/// Parses an event name.
pub(crate) fn event_name(form: &Form<'_>, text: Spanned<&str>, findings: &mut Findings) -> Option<EventName> {
    EventName::parse(text.value)
        .map_err(|error| {
            let message = format!("an event name must be {}", error.rule);
            form.report(Finding::new(text.span, "G1017", message), findings);
        })
        .ok()
}

/// A whole number and `s`, `m`, `h` or `d`.
fn duration(form: &Form<'_>, key: &str, findings: &mut Findings) -> Option<Duration> {
    let text = form.text(key, findings)?;
    let unit = |suffix: char| match suffix {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let parsed = text.value.chars().last().and_then(|suffix| {
        let digits = text.value.strip_suffix(suffix)?;
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count: u64 = plain.then(|| digits.parse().ok()).flatten()?;
        Some(Duration::from_secs(count.checked_mul(unit(suffix)?)?))
    });
    if parsed.is_none() {
        let message = format!("`{}` is not a duration", text.value);
        let finding = Finding::new(text.span, "G1018", message);
        form.report(finding.help("write a whole number and a unit: 30s, 15m, 24h, 30d"), findings);
    }
    parsed
}

/// Range of `cost`. Unit: abstract steps.
const COST_MAX: i64 = 10_000;
/// Longest window. Source: a year of events and a day.
const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);
