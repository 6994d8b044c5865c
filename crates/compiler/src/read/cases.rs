//! Reads `cases.toml`: golden decisions, each a full snapshot in a few lines.
//!
//! `[given]` is what every case starts from; a case overrides it. A signal is named as a quoted key or by
//! dotted keys, its answer is a value of its type or one of `{ missing = true }`, `{ error = true }`,
//! `{ unknown = "withheld" }`, and of a feature `{ between = [2, 5] }`. Every signal that the policy reads must be given:
//! a case leaves nothing open.

use super::form::{Data, Entry, Form, Item, parse};
use crate::catalogue::{Birth, Signal};
use crate::checked::Checked;
use crate::diagnostic::{Span, suggest};
use crate::full::time_value;
use crate::reference::Snapshot;
use crate::source::{Finding, Findings, Source};
use glacis_policy::{Obligation, Obligations};
use glacis_wire::{Answer, Cause, Given, Interval, Method, SignalName, Trust, Type, Value, Verdict};
use std::collections::BTreeMap;

/// One golden decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Line of the case in its file, from 1.
    pub line: usize,
    /// What is known.
    pub snapshot: Snapshot,
    /// A method that was passed.
    pub passed: Option<Method>,
    /// Whether the cloud did not answer.
    pub outage: bool,
    /// What must come out.
    pub verdict: Verdict,
    /// Exactly the rules that must match, if stated; sorted.
    pub reasons: Option<Vec<String>>,
    /// Exactly the duties that must start, if stated.
    pub obligations: Option<Obligations>,
}

type Answers = BTreeMap<SignalName, Answer>;

/// Reads the cases of a checked policy.
pub(crate) fn read(source: Source<'_>, policy: &Checked, findings: &mut Findings) -> Vec<Case> {
    let Some(root) = parse(&source, findings) else { return Vec::new() };
    let form = Form::new(source, &root, "");
    form.only(&["given", "case"], findings);
    let base =
        form.table("given", findings).map_or(Answers::new(), |given| answers(&given, policy, findings));
    let mut cases: Vec<Case> = Vec::new();
    for (at, mut form) in form.tables("case", findings).into_iter().enumerate() {
        form.path = match form.entry("name").map(|entry| &entry.item.data) {
            Some(Data::Text(name)) => format!("case \"{name}\""),
            _ => format!("case[{at}]"),
        };
        let Some(case) = read_case(&form, &base, policy, findings) else { continue };
        if cases.iter().any(|before| before.name == case.name) {
            let span = form.entry("name").map_or(form.table.span, |entry| entry.item.span);
            form.report(Finding::new(span, "G6003", "two cases have this name"), findings);
        }
        cases.push(case);
    }
    cases
}

fn read_case(form: &Form<'_>, base: &Answers, policy: &Checked, findings: &mut Findings) -> Option<Case> {
    form.only(&["name", "given", "trust", "passed", "outage", "verdict", "reasons", "obligations"], findings);
    for key in ["name", "trust", "verdict"].iter().filter(|key| form.entry(key).is_none()) {
        form.missing(
            key,
            "a case has a name, the trust of the device, and the verdict that must come out",
            findings,
        );
    }
    let name = form.text("name", findings);
    let trust = form.word("trust", &Trust::ALL.map(|trust| (trust.name(), trust)), findings);
    let methods: Vec<_> = policy.methods().iter().map(|method| (method.name(), *method)).collect();
    let passed = form.word("passed", &methods, findings);
    let outage = form.bool("outage", findings).is_some_and(|outage| outage.value);
    let verdict = form.word("verdict", &verdicts(policy), findings);
    let reasons = reasons(form, policy, findings);
    let obligations = form.texts("obligations", findings).map(|names| {
        let words = Obligation::ALL.map(|duty| (duty.name(), duty));
        names.value.iter().fold(Obligations::NONE, |all, name| {
            let duty = form.pick(*name, "obligations", &words, findings);
            duty.map_or(all, |duty| all.union(Obligations::of(duty)))
        })
    });
    let mut given = base.clone();
    let before = findings.count();
    if let Some(own) = form.table("given", findings) {
        given.extend(answers(&own, policy, findings));
    }
    if findings.count() == before {
        require_all(form, &given, policy, findings);
    }
    let snapshot = snapshot(given, trust?.value, policy);
    let line = form.source.place(form.table.span.start).0;
    let name = name?.value.to_owned();
    Some(Case {
        name,
        line,
        snapshot,
        passed: passed.map(|passed| passed.value),
        outage,
        verdict: verdict?.value,
        reasons,
        obligations,
    })
}

/// Answers with the trust of their producers: the device's is the case's, edge and cloud are always proven.
fn snapshot(given: Answers, trust: Trust, policy: &Checked) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, answer) in given {
        let device = policy.signals().get(&name).is_some_and(|signal| signal.birth == Birth::Device);
        // That there is no device zone, or that consent is refused, is said by edge or cloud.
        let told = !matches!(&answer, Answer::Unknown(causes) if !causes.contains(Cause::Withheld));
        let trust = if device && told { trust } else { Trust::Proven };
        snapshot.answers.insert(name, Given { answer, trust });
    }
    snapshot
}

/// A case that leaves out a signal would hide a decision about it.
fn require_all(form: &Form<'_>, given: &Answers, policy: &Checked, findings: &mut Findings) {
    let left_out: Vec<String> = policy
        .signals()
        .keys()
        .filter(|name| !given.contains_key(*name))
        .map(|name| format!("`{name}`"))
        .collect();
    if !left_out.is_empty() {
        let message = format!("neither the case nor [given] says {}", left_out.join(", "));
        form.report(Finding::new(form.table.span, "G6001", message), findings);
    }
}

fn verdicts(policy: &Checked) -> Vec<(&'static str, Verdict)> {
    let mut words = vec![("allow", Verdict::Allow), ("block", Verdict::Block)];
    words
        .extend(policy.methods().iter().map(|method| (challenge_word(*method), Verdict::Challenge(*method))));
    words
}

const fn challenge_word(method: Method) -> &'static str {
    match method {
        Method::Otp => "challenge(otp)",
        Method::Passkey => "challenge(passkey)",
    }
}

fn reasons(form: &Form<'_>, policy: &Checked, findings: &mut Findings) -> Option<Vec<String>> {
    let names = form.texts("reasons", findings)?;
    let mut reasons = Vec::new();
    for name in names.value {
        if policy.rules().iter().any(|rule| rule.id == name.value) {
            reasons.push(name.value.to_owned());
        } else {
            let finding = Finding::new(name.span, "G6002", format!("no rule is called `{}`", name.value));
            let help = suggest(name.value, policy.rules().iter().map(|rule| rule.id.as_str()));
            form.report(finding.maybe_help(help), findings);
        }
    }
    reasons.sort_unstable();
    reasons.dedup();
    Some(reasons)
}

/// Reads a table of answers; dotted keys make nested tables, whose path is the signal's name.
fn answers(form: &Form<'_>, policy: &Checked, findings: &mut Findings) -> Answers {
    let mut answers = Answers::new();
    let mut open: Vec<(String, &Entry)> =
        form.table.entries.iter().rev().map(|entry| (entry.key.value.clone(), entry)).collect();
    while let Some((path, entry)) = open.pop() {
        let signal = policy.signals().values().find(|signal| signal.name.as_str() == path);
        if let Some(signal) = signal {
            let answer = answer(form, signal, &entry.item, findings);
            answers.extend(answer.map(|answer| (signal.name.clone(), answer)));
            continue;
        }
        match &entry.item.data {
            Data::Table(inner) if policy.signals().keys().any(|name| is_under(name.as_str(), &path)) => {
                open.extend(inner.entries.iter().rev().map(|e| (format!("{path}.{}", e.key.value), e)));
            }
            _ => unknown_signal(form, &path, entry.key.span, policy, findings),
        }
    }
    answers
}

fn is_under(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

fn unknown_signal(form: &Form<'_>, name: &str, span: Span, policy: &Checked, findings: &mut Findings) {
    let finding = Finding::new(span, "G6002", format!("the policy reads no signal `{name}`"));
    let help = suggest(name, policy.signals().keys().map(SignalName::as_str));
    form.report(finding.maybe_help(help), findings);
}

fn answer(form: &Form<'_>, signal: &Signal, item: &Item, findings: &mut Findings) -> Option<Answer> {
    if let Data::Table(table) = &item.data {
        let form = Form::new(form.source, table, format!("{}.{}", form.path, signal.name));
        return special(&form, signal, findings);
    }
    let value = value(signal.ty, item);
    if value.is_none() {
        let message = format!("`{}` is {}", signal.name, crate::check::expr::kind(signal.ty));
        let finding = Finding::new(item.span, "G6004", message);
        form.report(
            finding.help("or say { missing = true }, { error = true }, { unknown = \"…\" }"),
            findings,
        );
    }
    value.map(Answer::Value)
}

fn special(form: &Form<'_>, signal: &Signal, findings: &mut Findings) -> Option<Answer> {
    form.only(&["missing", "error", "unknown", "between"], findings);
    let missing = form.bool("missing", findings).filter(|flag| flag.value).map(|_| Answer::Missing);
    let error = form.bool("error", findings).filter(|flag| flag.value).map(|_| Answer::Error);
    let causes = Cause::ALL.map(|cause| (cause.name(), cause));
    let unknown = form.word("unknown", &causes, findings).map(|cause| Answer::unknown(cause.value));
    let ends = form.table.entries.iter().find(|entry| entry.key.value == "between");
    let between = ends.map(|ends| between(form, signal, &ends.item, findings));
    if between == Some(None) {
        return None;
    }
    let between = between.flatten().map(Answer::Interval);
    let mut said: Vec<Answer> = [missing, error, unknown, between].into_iter().flatten().collect();
    if said.len() == 1 {
        return said.pop();
    }
    let finding =
        Finding::new(form.table.span, "G6004", "an answer is one of missing, error, unknown, between");
    form.report(finding, findings);
    None
}

/// `between = [lo, hi]`: two numbers of the signal's type in ascending order, of a signal that sums up events.
fn between(form: &Form<'_>, signal: &Signal, item: &Item, findings: &mut Findings) -> Option<Interval> {
    let ends = match &item.data {
        Data::Array(items) => items.iter().map(|end| value(signal.ty, end)).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let interval = match ends.as_deref() {
        Some([Value::Int(lo), Value::Int(hi)]) => Interval::ints(*lo, *hi),
        Some([Value::Double(lo), Value::Double(hi)]) => Interval::doubles(*lo, *hi),
        _ => None,
    };
    let (message, help) = match interval {
        Some(interval) if signal.is_aggregate() => return Some(interval),
        Some(_) => (
            format!("`{}` is known or not: only a feature lies between two numbers", signal.name),
            "give its value, or say { unknown = \"…\" }",
        ),
        None => (
            format!("`between` takes two of type {}, the lesser first", signal.ty.name()),
            "write it like { between = [2, 5] }",
        ),
    };
    form.report(Finding::new(item.span, "G6004", message).help(help), findings);
    None
}

fn value(ty: Type, item: &Item) -> Option<Value> {
    match (&item.data, ty) {
        (Data::Bool(value), Type::Bool) => Some(Value::Bool(*value)),
        (Data::Int(value), Type::Int) => Some(Value::Int(*value)),
        (Data::Double(value), Type::Double) => Some(Value::Double(*value)),
        (Data::Text(text), Type::String) => Some(Value::String(text.clone())),
        (Data::Int(value), Type::Uint) => u64::try_from(*value).ok().map(Value::Uint),
        (Data::Text(text), Type::Bytes) => Some(Value::Bytes(text.as_bytes().to_vec())),
        (Data::Text(text), Type::Timestamp | Type::Duration) => time_value(ty, text),
        (Data::Array(items), list) => {
            let element = list.element()?;
            items.iter().map(|item| value(element, item)).collect::<Option<Vec<_>>>().map(Value::List)
        }
        _ => None,
    }
}
