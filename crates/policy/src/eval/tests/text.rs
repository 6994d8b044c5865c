//! Slices and inputs from a line of text, for tables.
//!
//! Rules: `effect [cause=entry …]: expression; …` where an expression is a literal, a name or `(op a b …)`, and
//! a name's first letter is its type: `b`ool, `i`nt, `d`ouble, `s`tring, `l`ist(int), `t` list(string), and the
//! aggregates `a` (int) and `r` (double).
//! Inputs: `name=answer` (attested, the slots' `min_trust`) or `name~answer` (claimed); an answer is a literal,
//! `missing`, `error`, `pending`, `?cause+cause` or an interval `lo..hi`. A name without an answer is pending.

use crate::eval::{Input, Reading};
use crate::tree::binding::Binding;
use crate::tree::{Effect, Entry, Hidden, Node, Obligations, Parts, Rule, Slot, Source};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use glacis_wire::{
    Cause, Causes, EventName, Interval, Method, PolicyDigest, SignalName, Trust, Type, Value, Zone,
};

pub(super) struct Case {
    pub(super) parts: Parts,
    answers: Vec<(Option<Value>, Reading<'static>, Trust)>,
}

impl Case {
    pub(super) fn new(zone: Zone, rules: &str, inputs: &str) -> Self {
        let event = EventName::parse("event").unwrap();
        let mut parts = Parts::empty(event, zone, Binding::unbound(PolicyDigest::new([7; 32])));
        parts.methods = Method::ALL.to_vec();
        for (at, rule) in rules.split(';').map(str::trim).filter(|rule| !rule.is_empty()).enumerate() {
            add_rule(&mut parts, at, rule);
        }
        let given: Vec<_> = inputs.split_whitespace().collect();
        let answers = parts.slots.iter().map(|slot| answer(slot, &given)).collect();
        Self { parts, answers }
    }

    pub(super) fn hiding(mut self, hidden: Hidden) -> Self {
        self.parts.hidden = hidden;
        self
    }

    pub(super) fn inputs(&self) -> Vec<Input<'_>> {
        self.answers
            .iter()
            .map(|(value, reading, trust)| Input {
                reading: value.as_ref().map_or(*reading, crate::eval::input::reading_of_value),
                trust: *trust,
            })
            .collect()
    }
}

fn add_rule(parts: &mut Parts, at: usize, text: &str) {
    let (head, expression) = text.split_once(':').unwrap();
    let mut head = head.split_whitespace();
    let effect = effect(head.next().unwrap());
    let mut rule = Rule {
        reason: format!("rule-{at}"),
        effect,
        root: 0,
        unknown: [Entry::Skip; Cause::ALL.len()],
        error: Entry::Skip,
        obligations: Obligations::NONE,
        device_final: parts.zone == Zone::Device,
    };
    for (cause, entry) in head.map(|pair| pair.split_once('=').unwrap()) {
        let entry = match entry {
            "skip" => Entry::Skip,
            "match" => Entry::Match,
            milder => Entry::Milder(self::effect(milder)),
        };
        match Cause::ALL.iter().position(|known| known.name() == cause) {
            Some(at) => *rule.unknown.get_mut(at).unwrap() = entry,
            None => rule.error = entry,
        }
    }
    let mut tokens = tokens(expression);
    rule.root = parse(parts, &mut tokens);
    assert!(tokens.is_empty(), "{text}");
    parts.rules.push(rule);
}

fn effect(text: &str) -> Effect {
    let score = text.strip_prefix("score(").and_then(|rest| rest.strip_suffix(')'));
    match text {
        "block" => Effect::Block,
        "soft" => Effect::SoftBlock,
        "otp" => Effect::Challenge(Method::Otp),
        "passkey" => Effect::Challenge(Method::Passkey),
        "exempt" => Effect::Exempt,
        _ => Effect::Score(score.unwrap().parse().unwrap()),
    }
}

pub(super) fn show_effect(effect: Effect) -> String {
    match effect {
        Effect::Block => "block".to_string(),
        Effect::SoftBlock => "soft".to_string(),
        Effect::Challenge(method) => method.name().to_string(),
        Effect::Exempt => "exempt".to_string(),
        Effect::Score(points) => format!("score({points})"),
    }
}

/// Tokens in reverse, so that the next one is popped.
fn tokens(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut tokens: Vec<_> = spaced.split_whitespace().map(String::from).collect();
    tokens.reverse();
    tokens
}

fn parse(parts: &mut Parts, tokens: &mut Vec<String>) -> u32 {
    let token = tokens.pop().unwrap();
    let node = if token == "(" {
        let operator = tokens.pop().unwrap();
        let mut operands = Vec::new();
        while tokens.last().unwrap() != ")" {
            operands.push(parse(parts, tokens));
        }
        tokens.pop();
        apply(parts, &operator, &operands)
    } else if let Some(value) = literal(&token) {
        Node::Const(value)
    } else {
        Node::Read(slot(parts, &token))
    };
    parts.nodes.push(node);
    u32::try_from(parts.nodes.len() - 1).unwrap()
}

/// A node from its operator; `(has x)` takes the slot that its operand read.
fn apply(parts: &Parts, operator: &str, operands: &[u32]) -> Node {
    match (operator, operands) {
        ("has", [a]) => match parts.nodes.get(usize::try_from(*a).unwrap()) {
            Some(Node::Read(slot)) => Node::Has(*slot),
            _ => panic!("has takes a name"),
        },
        ("!", [a]) => Node::Not(*a),
        ("neg", [a]) => Node::Neg(*a),
        ("size", [a]) => Node::Size(*a),
        ("?", [a, b, c]) => Node::If(*a, *b, *c),
        (_, [a, b]) => binary(operator)(*a, *b),
        _ => panic!("{operator}"),
    }
}

fn binary(operator: &str) -> fn(u32, u32) -> Node {
    match operator {
        "&&" => Node::And,
        "||" => Node::Or,
        "==" => Node::Eq,
        "!=" => Node::Ne,
        "<" => Node::Lt,
        "<=" => Node::Le,
        ">" => Node::Gt,
        ">=" => Node::Ge,
        "+" => Node::Add,
        "-" => Node::Sub,
        "*" => Node::Mul,
        "/" => Node::Div,
        "%" => Node::Rem,
        "in" => Node::In,
        "starts" => Node::StartsWith,
        "ends" => Node::EndsWith,
        "contains" => Node::Contains,
        other => panic!("{other}"),
    }
}

/// `true`, `7`, `7.5`, `nan`, `'text'`, `[1,2]`, `[]`; `_` in text is a space.
fn literal(token: &str) -> Option<Value> {
    if let Some(items) = token.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let items = items.split(',').filter(|item| !item.is_empty());
        return items.map(literal).collect::<Option<_>>().map(Value::List);
    }
    if let Some(text) = token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(Value::String(text.to_string()));
    }
    match token {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "nan" => Some(Value::Double(f64::NAN)),
        "inf" => Some(Value::Double(f64::INFINITY)),
        _ => token.parse().map(Value::Int).ok().or_else(|| {
            let digits = token.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit());
            digits.then(|| token.parse().map(Value::Double).ok()).flatten()
        }),
    }
}

fn slot(parts: &mut Parts, name: &str) -> u16 {
    let name = SignalName::parse(name).unwrap();
    let known = parts.slots.iter().position(|slot| slot.name == name);
    let at = known.unwrap_or_else(|| {
        let ty = match name.as_str().as_bytes().first() {
            Some(b'b') => Type::Bool,
            Some(b'i' | b'a') => Type::Int,
            Some(b'd' | b'r') => Type::Double,
            Some(b's') => Type::String,
            Some(b'l') => Type::IntList,
            _ => Type::StringList,
        };
        let source = if parts.zone == Zone::Device { Source::Device } else { Source::Edge };
        let aggregate = matches!(name.as_str().as_bytes().first(), Some(b'a' | b'r'));
        parts.slots.push(Slot { name, source, ty, min_trust: Trust::Attested, aggregate });
        parts.slots.len() - 1
    });
    u16::try_from(at).unwrap()
}

fn answer(slot: &Slot, given: &[&str]) -> (Option<Value>, Reading<'static>, Trust) {
    let rest = given.iter().find_map(|text| text.strip_prefix(slot.name.as_str()));
    let (trust, text) = match rest.map(|rest| (rest.strip_prefix('='), rest.strip_prefix('~'))) {
        Some((Some(text), _)) => (Trust::Attested, text),
        Some((_, Some(text))) => (Trust::Claimed, text),
        _ => (Trust::Proven, "pending"),
    };
    let reading = match text {
        "missing" => Reading::Missing,
        "error" => Reading::Error,
        "pending" => Reading::PENDING,
        text => match text.strip_prefix('?') {
            None if text.contains("..") => Reading::Interval(interval(text)),
            Some(causes) => Reading::Unknown(causes.split('+').map(cause).fold(Causes::NONE, Causes::union)),
            None => return (literal(text), Reading::Error, trust),
        },
    };
    (None, reading, trust)
}

fn interval(text: &str) -> Interval {
    let (lo, hi) = text.split_once("..").unwrap();
    match (literal(lo), literal(hi)) {
        (Some(Value::Int(lo)), Some(Value::Int(hi))) => Interval::ints(lo, hi),
        (Some(Value::Double(lo)), Some(Value::Double(hi))) => Interval::doubles(lo, hi),
        _ => None,
    }
    .unwrap()
}

fn cause(name: &str) -> Causes {
    Cause::ALL.into_iter().find(|cause| cause.name() == name).map_or(Causes::PENDING, Causes::of)
}
