//! Reads `policy.toml`: meta data, score classes and rules, each value with its place.
//!
//! Effects and entries are little words of their own (`challenge(otp)`, `danger_skip`); they are parsed here,
//! their legality is the checker's matter. Methods must be in the policy's own order to be named.

use super::budget::RawBudget;
use super::catalogue::event_name;
use super::form::{Data, Form, Table, parse};
use super::model::RawModel;
use crate::diagnostic::{Span, Spanned, suggest};
use crate::source::{Finding, Findings, Source};
use glacis_policy::{Effect, Obligation, Obligations};
use glacis_wire::limits::{NAME_BYTES_MAX, NODES_MAX, REASON_BYTES_MAX, RULES_MAX};
use glacis_wire::{AppName, Cause, EventName, Method, Zone};

/// A policy file as written.
#[derive(Debug)]
pub(crate) struct RawPolicy<'a> {
    pub(crate) form: Form<'a>,
    pub(crate) name: String,
    pub(crate) event: EventName,
    /// `None`: every app of the tenant.
    pub(crate) app: Option<AppName>,
    pub(crate) purpose: Spanned<String>,
    pub(crate) methods: Vec<Method>,
    pub(crate) closing: RawClosing,
    pub(crate) classes: Vec<RawClass>,
    /// Whether any class was written, readable or not.
    pub(crate) has_classes: bool,
    pub(crate) rules: Vec<RawRule<'a>>,
    pub(crate) models: Vec<RawModel>,
    pub(crate) budget: Option<RawBudget>,
}

/// Entries by cause and for errors, as far as they are given.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawClosing {
    pub(crate) unknown: Vec<(Cause, Spanned<RawEntry>)>,
    pub(crate) error: Option<Spanned<RawEntry>>,
}

/// What an open rule closes to, as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RawEntry {
    Skip,
    DangerSkip,
    Match,
    Milder(Effect),
}

/// One score class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawClass {
    pub(crate) at_least: Spanned<i64>,
    pub(crate) effect: Spanned<Effect>,
}

/// One rule as written.
#[derive(Debug)]
pub(crate) struct RawRule<'a> {
    pub(crate) form: Form<'a>,
    pub(crate) id: Spanned<String>,
    pub(crate) when: Spanned<&'a str>,
    pub(crate) effect: Option<Spanned<Effect>>,
    pub(crate) text: Option<Spanned<Zone>>,
    pub(crate) place: Option<Spanned<Zone>>,
    pub(crate) release: Option<Spanned<RawRelease<'a>>>,
    pub(crate) reveal: Vec<Spanned<&'a str>>,
    pub(crate) declassify: Vec<Spanned<&'a str>>,
    pub(crate) closing: RawClosing,
    pub(crate) obligations: Obligations,
    pub(crate) undisclosed: Option<Span>,
}

/// A release as written.
#[derive(Clone, Debug)]
pub(crate) enum RawRelease<'a> {
    Verdict,
    Nodes {
        nodes: Option<Spanned<usize>>,
        values: Vec<Spanned<&'a str>>,
        buckets: Vec<RawBucket<'a>>,
        /// Where it says that nodes may read values of the request.
        vs_request: Option<Span>,
    },
}

/// A signal that leaves as a range, as written.
#[derive(Clone, Debug)]
pub(crate) struct RawBucket<'a> {
    pub(crate) signal: Spanned<&'a str>,
    pub(crate) bounds: Vec<Spanned<&'a Data>>,
}

/// Parses the file into a tree that [`read`] can borrow.
pub(crate) fn tree(source: &Source<'_>, findings: &mut Findings) -> Option<Table> {
    parse(source, findings)
}

/// Reads a policy; what is wrong goes to `findings`.
pub(crate) fn read<'a>(
    source: Source<'a>,
    root: &'a Table,
    findings: &mut Findings,
) -> Option<RawPolicy<'a>> {
    let form = Form::new(source, root, "");
    form.only(&["policy", "score_class", "rule", "model"], findings);
    let Some(head) = form.table("policy", findings) else {
        if form.entry("policy").is_none() {
            form.missing("policy", "a policy file begins with [policy]", findings);
        }
        return None;
    };
    head.only(&HEAD_KEYS, findings);
    for key in ["name", "event", "purpose", "combine", "methods"] {
        if head.entry(key).is_none() {
            head.missing(key, "it belongs to [policy]", findings);
        }
    }
    let name = head.text("name", findings).and_then(|name| identifier(&head, name, NAME_BYTES_MAX, findings));
    let event = head.text("event", findings).and_then(|event| event_name(&head, event, findings));
    let app = read_app(&head, findings);
    let purpose = head.text("purpose", findings);
    head.word("combine", &[("strictest", ())], findings);
    let methods = read_methods(&head, findings);
    let reader = Reader { methods: methods.as_deref().unwrap_or(&Method::ALL) };
    let closing = reader.closing(&head, findings);
    let classes = form.tables("score_class", findings);
    let classes: Vec<_> = classes.iter().filter_map(|class| reader.class(class, findings)).collect();
    let rules = reader.rules(&form, findings);
    let models = super::model::read(&form, findings);
    let budget = super::budget::read(&head, findings);
    let purpose = purpose.map(|purpose| Spanned { value: purpose.value.to_owned(), span: purpose.span });
    Some(RawPolicy {
        name: name?.value,
        event: event?,
        app,
        purpose: purpose?,
        methods: methods?,
        form: head,
        closing,
        classes,
        has_classes: form.entry("score_class").is_some(),
        rules,
        models,
        budget,
    })
}

/// `app`: the one whose devices run the policy. Without it, every app of the tenant does.
fn read_app(head: &Form<'_>, findings: &mut Findings) -> Option<AppName> {
    let text = head.text("app", findings)?;
    let parsed = AppName::parse(text.value);
    if let Err(error) = &parsed {
        let message = format!("`{}` is not the name of an app: {error}", text.value);
        head.report(Finding::new(text.span, "G1019", message), findings);
    }
    parsed.ok()
}

/// `methods`: each that this build can run, at most once, weakest first.
fn read_methods(head: &Form<'_>, findings: &mut Findings) -> Option<Vec<Method>> {
    let names = head.texts("methods", findings)?;
    let words = Method::ALL.map(|method| (method.name(), method));
    let mut methods = Vec::new();
    for name in &names.value {
        let Some(method) = head.pick(*name, "methods", &words, findings) else { continue };
        if methods.contains(&method) {
            let message = format!("`{}` stands twice; the order must be total", name.value);
            head.report(Finding::new(name.span, "G4001", message), findings);
        } else {
            methods.push(method);
        }
    }
    Some(methods)
}

/// A name that becomes part of records and metrics.
pub(super) fn identifier(
    form: &Form<'_>,
    text: Spanned<&str>,
    max: usize,
    findings: &mut Findings,
) -> Option<Spanned<String>> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    if text.value.is_empty() || text.value.len() > max || !text.value.bytes().all(plain) {
        let message = format!("`{}` must be 1 to {max} characters of a-z, 0-9, `-`, `_` and `.`", text.value);
        form.report(Finding::new(text.span, "G1019", message), findings);
        return None;
    }
    Some(Spanned { value: text.value.to_owned(), span: text.span })
}

/// What reading rules needs to know of the policy's head.
struct Reader<'m> {
    methods: &'m [Method],
}

impl Reader<'_> {
    fn rules<'a>(&self, form: &Form<'a>, findings: &mut Findings) -> Vec<RawRule<'a>> {
        let tables = form.tables("rule", findings);
        if tables.len() > RULES_MAX {
            let message = format!("{} rules; at most {RULES_MAX}", tables.len());
            form.report(Finding::new(form.table.span, "G4017", message), findings);
            return Vec::new();
        }
        let mut rules: Vec<RawRule<'a>> = Vec::new();
        for (at, mut table) in tables.into_iter().enumerate() {
            table.path = match table.entry("id").map(|entry| &entry.item.data) {
                Some(Data::Text(id)) => format!("rule.{id}"),
                _ => format!("rule[{at}]"),
            };
            let Some(rule) = self.rule(table, findings) else { continue };
            if rules.iter().any(|before| before.id.value == rule.id.value) {
                let message = format!("rule `{}` is defined twice", rule.id.value);
                rule.form.report(Finding::new(rule.id.span, "G4002", message), findings);
            }
            rules.push(rule);
        }
        rules
    }

    fn rule<'a>(&self, form: Form<'a>, findings: &mut Findings) -> Option<RawRule<'a>> {
        form.only(&RULE_KEYS, findings);
        for key in ["id", "when"].iter().filter(|key| form.entry(key).is_none()) {
            form.missing(key, "every rule has an id and a condition", findings);
        }
        if let Some(entry) = form.entry("lease") {
            let finding = Finding::new(entry.key.span, "G5001", "`lease` is not built yet");
            form.report(finding.help("leave it out: the rule then asks the cloud"), findings);
        }
        if let Some(entry) = form.entry("vs_request") {
            let finding = Finding::new(entry.key.span, "G5016", "`vs_request` is a word of `release`");
            form.report(finding.help("write release = { nodes = 1, vs_request = true }"), findings);
        }
        let id = form.text("id", findings).and_then(|id| identifier(&form, id, REASON_BYTES_MAX, findings));
        let when = form.text("when", findings);
        let effect = form.text("effect", findings).map(|text| self.effect(&form, text, findings));
        let zones = Zone::ALL.map(|zone| (zone.name(), zone));
        let text = form.word("text", &zones, findings);
        let place = form.word("place", &zones, findings);
        let release = read_release(&form, findings);
        let reveal = form.texts("reveal", findings).map_or(Vec::new(), |reveal| reveal.value);
        let declassify = form.texts("declassify", findings).map_or(Vec::new(), |names| names.value);
        let closing = self.closing(&form, findings);
        let obligations = read_obligations(&form, findings);
        let undisclosed =
            form.bool("danger_undisclosed", findings).filter(|flag| flag.value).map(|flag| flag.span);
        let id = id?;
        let when = when?;
        let effect = match effect {
            Some(found) => Some(found?),
            None => None,
        };
        Some(RawRule {
            form,
            id,
            when,
            effect,
            text,
            place,
            release,
            reveal,
            declassify,
            closing,
            obligations,
            undisclosed,
        })
    }

    /// Parses an effect: `block`, `block(soft)`, `challenge(m)`, `exempt`, `score(n)`.
    fn effect(
        &self,
        form: &Form<'_>,
        text: Spanned<&str>,
        findings: &mut Findings,
    ) -> Option<Spanned<Effect>> {
        let spanned = |value| Some(Spanned { value, span: text.span });
        match split(text.value) {
            ("block", None) => spanned(Effect::Block),
            ("block", Some("soft")) => spanned(Effect::SoftBlock),
            ("exempt", None) => spanned(Effect::Exempt),
            ("challenge", Some(method)) => {
                spanned(Effect::Challenge(self.method(form, text, method, findings)?))
            }
            ("score", Some(points)) => match points.parse() {
                Ok(points) => spanned(Effect::Score(points)),
                Err(_) => {
                    let finding =
                        Finding::new(text.span, "G4003", format!("`{points}` is not a 32-bit integer"));
                    form.report(finding, findings);
                    None
                }
            },
            ("challenge", None) => self.stranger(form, text, "a challenge names its method", findings),
            _ => self.stranger(form, text, "", findings),
        }
    }

    fn stranger<T>(
        &self,
        form: &Form<'_>,
        text: Spanned<&str>,
        why: &str,
        findings: &mut Findings,
    ) -> Option<T> {
        let mut words: Vec<String> =
            ["block", "block(soft)", "exempt", "score(10)"].map(str::to_owned).to_vec();
        words.extend(self.methods.iter().map(|method| format!("challenge({})", method.name())));
        let message = format!("`{}` is not an effect", text.value);
        let help = if why.is_empty() { suggest(text.value, words.iter().map(String::as_str)) } else { None };
        let help = help.or_else(|| (!why.is_empty()).then(|| format!("{why}: {}", words.join(", "))));
        form.report(Finding::new(text.span, "G4003", message).maybe_help(help), findings);
        None
    }

    fn method(
        &self,
        form: &Form<'_>,
        text: Spanned<&str>,
        name: &str,
        findings: &mut Findings,
    ) -> Option<Method> {
        let found = self.methods.iter().copied().find(|method| method.name() == name);
        if found.is_none() {
            let finding =
                Finding::new(text.span, "G4004", format!("`{name}` is not one of the policy's methods"));
            let help = suggest(name, self.methods.iter().map(|method| method.name()));
            form.report(finding.maybe_help(help), findings);
        }
        found
    }

    /// `if_unknown` and `if_error` of the policy or of a rule.
    fn closing(&self, form: &Form<'_>, findings: &mut Findings) -> RawClosing {
        let mut closing = RawClosing::default();
        if let Some(table) = form.table("if_unknown", findings) {
            table.only(&Cause::ALL.map(Cause::name), findings);
            for cause in Cause::ALL {
                let text = table.text(cause.name(), findings);
                let entry = text.and_then(|text| self.entry(&table, text, findings));
                closing.unknown.extend(entry.map(|entry| (cause, entry)));
            }
        }
        closing.error = form.text("if_error", findings).and_then(|text| self.entry(form, text, findings));
        closing
    }

    fn entry(
        &self,
        form: &Form<'_>,
        text: Spanned<&str>,
        findings: &mut Findings,
    ) -> Option<Spanned<RawEntry>> {
        let value = match split(text.value) {
            ("skip", None) => RawEntry::Skip,
            ("danger_skip", None) => RawEntry::DangerSkip,
            ("match", None) => RawEntry::Match,
            ("block", Some("soft")) => RawEntry::Milder(Effect::SoftBlock),
            ("challenge", Some(method)) => {
                RawEntry::Milder(Effect::Challenge(self.method(form, text, method, findings)?))
            }
            _ => {
                let mut words = vec!["match".to_owned(), "skip".to_owned(), "block(soft)".to_owned()];
                words.extend(self.methods.iter().map(|method| format!("challenge({})", method.name())));
                let message = format!("`{}` is not an entry", text.value);
                let help = suggest(text.value, words.iter().map(String::as_str));
                form.report(Finding::new(text.span, "G4005", message).maybe_help(help), findings);
                return None;
            }
        };
        Some(Spanned { value, span: text.span })
    }

    fn class(&self, form: &Form<'_>, findings: &mut Findings) -> Option<RawClass> {
        form.only(&["at_least", "effect"], findings);
        for key in ["at_least", "effect"].iter().filter(|key| form.entry(key).is_none()) {
            form.missing(key, "a score class is a threshold and an effect", findings);
        }
        let at_least = form.int("at_least", SCORE_RANGE, findings);
        let effect = form.text("effect", findings).and_then(|text| self.effect(form, text, findings));
        Some(RawClass { at_least: at_least?, effect: effect? })
    }
}

/// `name(argument)`, or just a name.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('(') {
        Some((name, rest)) => rest.strip_suffix(')').map_or((text, None), |argument| (name, Some(argument))),
        None => (text, None),
    }
}

fn read_release<'a>(form: &Form<'a>, findings: &mut Findings) -> Option<Spanned<RawRelease<'a>>> {
    let entry = form.entry("release")?;
    let span = entry.item.span;
    match &entry.item.data {
        Data::Text(word) => {
            let word = Spanned { value: word.as_str(), span };
            let bit = form.pick(word, "release", &[("verdict", false), ("bit", true)], findings)?;
            let one = Some(Spanned { value: 1, span });
            let bit = bit.then(|| RawRelease::Nodes {
                nodes: one,
                values: Vec::new(),
                buckets: Vec::new(),
                vs_request: None,
            });
            Some(Spanned { value: bit.unwrap_or(RawRelease::Verdict), span })
        }
        Data::Table(_) => {
            let inner = form.table("release", findings)?;
            inner.only(&["nodes", "values", "buckets", "vs_request"], findings);
            let max = i64::try_from(NODES_MAX).unwrap_or(i64::MAX);
            let nodes = inner.int("nodes", 0..=max, findings);
            let nodes = nodes.and_then(|nodes| {
                Some(Spanned { value: usize::try_from(nodes.value).ok()?, span: nodes.span })
            });
            let values = inner.texts("values", findings).map_or(Vec::new(), |values| values.value);
            let buckets = read_buckets(&inner, findings);
            let vs_request =
                inner.bool("vs_request", findings).filter(|flag| flag.value).map(|flag| flag.span);
            Some(Spanned { value: RawRelease::Nodes { nodes, values, buckets, vs_request }, span })
        }
        _ => {
            let finding = Finding::new(
                span,
                "G1005",
                "`release` is \"verdict\", \"bit\" or a table such as { nodes = 1 }",
            );
            form.report(finding, findings);
            None
        }
    }
}

/// `buckets = { "battery.level" = [20, 50] }`
fn read_buckets<'a>(form: &Form<'a>, findings: &mut Findings) -> Vec<RawBucket<'a>> {
    let Some(table) = form.table("buckets", findings) else { return Vec::new() };
    let mut buckets = Vec::new();
    for entry in &table.table.entries {
        let signal = Spanned { value: entry.key.value.as_str(), span: entry.key.span };
        let Data::Array(items) = &entry.item.data else {
            let message = format!("`{}` must be an array of bounds, such as [20, 50]", signal.value);
            table.report(Finding::new(entry.item.span, "G1005", message), findings);
            continue;
        };
        let bounds = items.iter().map(|item| Spanned { value: &item.data, span: item.span }).collect();
        buckets.push(RawBucket { signal, bounds });
    }
    buckets
}

fn read_obligations(form: &Form<'_>, findings: &mut Findings) -> Obligations {
    let words = Obligation::ALL.map(|duty| (duty.name(), duty));
    let names = form.texts("obligations", findings).map_or(Vec::new(), |names| names.value);
    names.iter().fold(Obligations::NONE, |all, name| {
        form.pick(*name, "obligations", &words, findings).map_or(all, |duty| all.union(Obligations::of(duty)))
    })
}

const HEAD_KEYS: [&str; 9] =
    ["name", "event", "app", "purpose", "combine", "methods", "if_error", "if_unknown", "budget"];

const RULE_KEYS: [&str; 14] = [
    "id",
    "when",
    "effect",
    "text",
    "place",
    "release",
    "reveal",
    "declassify",
    "if_unknown",
    "if_error",
    "obligations",
    "danger_undisclosed",
    "lease",
    "vs_request",
];

/// Thresholds of score classes: any sum of points. One at or below 0 is reached without any, so that credit has
/// to be earned.
const SCORE_RANGE: std::ops::RangeInclusive<i64> = -(2_048 << 31)..=(2_048 << 31);
