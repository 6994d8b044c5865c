//! A value that makes given atoms say given things: put together from what they say, and tried by the caller.
//!
//! Samples of a whole policy cannot hold every combination of what texts contain or lists hold. Where a search asks for
//! one combination, this puts it together. What it makes is a suggestion, as every sample is.

use super::sample::matching;
use glacis_compiler::Checked;
use glacis_compiler::catalogue::Signal;
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind};
use glacis_wire::Value;
use std::collections::BTreeSet;

/// Values that may make the atoms over `signal` say what is wanted of them.
pub(crate) fn values(
    policy: &Checked,
    signal: &Signal,
    wanted: &[(&Expr, bool)],
    base: &Value,
) -> Vec<Value> {
    let mut parts = Parts::default();
    for (atom, _) in wanted.iter().filter(|(_, holds)| *holds) {
        parts.read(policy, atom);
    }
    match base {
        Value::String(base) => parts.texts(base, signal.max_bytes).into_iter().map(Value::String).collect(),
        Value::List(_) => {
            parts.lists(wanted, policy, signal.max_items).into_iter().map(Value::List).collect()
        }
        _ => Vec::new(),
    }
}

/// What true atoms ask for.
#[derive(Default)]
struct Parts {
    heads: Vec<String>,
    contained: Vec<String>,
    tails: Vec<String>,
    patterns: Vec<String>,
    items: Vec<Value>,
}

impl Parts {
    fn read(&mut self, policy: &Checked, atom: &Expr) {
        let text = |expr: &Expr| match super::constant(policy, expr) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        match &atom.kind {
            ExprKind::StartsWith(_, b) => self.heads.extend(text(b)),
            ExprKind::EndsWith(_, b) => self.tails.extend(text(b)),
            ExprKind::Contains(_, b) => self.contained.extend(text(b)),
            ExprKind::Matches(_, pattern) => self.patterns.push(pattern.clone()),
            ExprKind::Binary(BinaryOp::In, a, _) => self.items.extend(super::constant(policy, a)),
            _ => {}
        }
    }

    /// Texts with all parts, those left out that others hold already.
    fn texts(&self, base: &str, limit: Option<usize>) -> Vec<String> {
        let longest =
            |parts: &[String]| parts.iter().max_by_key(|part| part.len()).cloned().unwrap_or_default();
        let (head, tail) = (longest(&self.heads), longest(&self.tails));
        let mut found = Vec::new();
        let patterns: Vec<String> = self.patterns.iter().flat_map(|pattern| matching(pattern)).collect();
        for start in [head.as_str(), base] {
            for pattern in patterns.iter().map(String::as_str).chain([""]) {
                for joint in ["", " ", "~"] {
                    let rest = self.joined(start, pattern, joint, &tail);
                    // Sizes are asked for as well: something is put in at either end of what must be there.
                    for filler in PADDINGS.map(|size| "~".repeat(size)) {
                        found.extend([format!("{start}{filler}{rest}"), format!("{start}{rest}{filler}")]);
                    }
                }
            }
        }
        found.retain(|text| limit.is_none_or(|limit| text.len() <= limit));
        let mut seen = BTreeSet::new();
        found.retain(|text| seen.insert(text.clone()));
        found
    }

    /// What comes after the start of a text: a pattern's text, each part that is not there yet, and the end.
    fn joined(&self, start: &str, pattern: &str, joint: &str, tail: &str) -> String {
        let mut text = pattern.to_owned();
        let mut parts: Vec<&String> = self.contained.iter().collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        for part in parts {
            let there = [&text, start, tail].into_iter().any(|text| text.contains(part.as_str()));
            if !there {
                text = format!("{text}{joint}{part}");
            }
        }
        if text.ends_with(tail) { text } else { format!("{text}{tail}") }
    }

    /// Lists of what must be in them, filled up with something that need not be.
    fn lists(&self, wanted: &[(&Expr, bool)], policy: &Checked, limit: Option<usize>) -> Vec<Vec<Value>> {
        let mut unwanted = Parts::default();
        for (atom, _) in wanted.iter().filter(|(_, holds)| !*holds) {
            unwanted.read(policy, atom);
        }
        let mut items = self.items.clone();
        items.dedup();
        let mut found = vec![items.clone()];
        let filler = [Value::String("~".to_owned()), Value::Int(-7), Value::Bool(true), Value::Bool(false)];
        let fillers = items.iter().chain(&filler).filter(|value| !unwanted.items.contains(value));
        for filler in fillers {
            let most = limit.unwrap_or(LENGTH_MAX).min(LENGTH_MAX);
            found.extend((items.len()..=most).map(|size| {
                let more = std::iter::repeat_n(filler.clone(), size - items.len());
                items.iter().cloned().chain(more).collect()
            }));
        }
        found
    }
}

/// LIMIT: longest list that is made. Unit: items.
const LENGTH_MAX: usize = 32;
/// How much is put in to make a text longer. Unit: bytes.
const PADDINGS: [usize; 9] = [0, 1, 2, 3, 4, 5, 8, 16, 64];
