//! What a publish changes: policies and rules that come, go or mean something else.
//!
//! Rules are compared by what they mean, not by their text: a comment, an order or a space is no change. Where a
//! policy's digest changes and none of its rules does, its settings changed (methods, classes, signals).

use super::describe::meaning;
use super::release::{Member, Release};
use crate::output::plain;
use glacis_cloud::policy::digest_of;
use glacis_compiler::Compiled;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What differs between two releases.
#[derive(Debug)]
pub(crate) struct Diff {
    policies: Vec<PolicyDiff>,
}

/// What differs in the policy of one event.
#[derive(Debug)]
struct PolicyDiff {
    event: String,
    kind: Kind,
    rules: Vec<RuleDiff>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Added,
    Removed,
    Changed,
    Same,
}

/// What differs in one rule: what it was and is, by key.
#[derive(Debug)]
struct RuleDiff {
    id: String,
    kind: Kind,
    keys: Vec<(&'static str, String, String)>,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Same => "same",
        }
    }

    const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
            Self::Same => '=',
        }
    }
}

impl Diff {
    /// From `before` to `after`.
    pub(crate) fn between(before: &Release, after: &Release) -> Self {
        let mut events: Vec<&str> = before.events().chain(after.events()).collect();
        events.sort_unstable();
        events.dedup();
        let policies = events.into_iter().map(|event| {
            PolicyDiff::between(event.to_owned(), before.policy_of(event), after.policy_of(event))
        });
        Self { policies: policies.collect() }
    }

    /// Whether nothing differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.policies.iter().all(|policy| policy.kind == Kind::Same)
    }

    /// For people; a line a policy, a line a rule.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        for policy in &self.policies {
            lines.push(format!("{} {} {}", policy.kind.sign(), policy.event, policy.kind.name()));
            if policy.kind == Kind::Changed && policy.rules.is_empty() {
                lines.push(
                    "    its rules are the same; methods, classes, signals or the budget differ".to_owned(),
                );
            }
            for rule in &policy.rules {
                lines.push(format!("    {} rule {}", rule.kind.sign(), rule.id));
                for (key, old, new) in &rule.keys {
                    match rule.kind {
                        Kind::Changed => lines.push(format!(
                            "        {key}: {old}\n        {:>1$} {new}",
                            "->",
                            key.len() + 1
                        )),
                        _ => lines.push(format!("        {key}: {old}{new}")),
                    }
                }
            }
        }
        plain(&lines.join("\n"))
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let key =
            |(key, old, new): &(&str, String, String)| json!({ "key": key, "before": old, "after": new });
        let rule = |rule: &RuleDiff| {
            json!({
                "rule": rule.id,
                "change": rule.kind.name(),
                "keys": rule.keys.iter().map(key).collect::<Vec<_>>(),
            })
        };
        let policy = |policy: &PolicyDiff| {
            json!({
                "event": policy.event,
                "change": policy.kind.name(),
                "rules": policy.rules.iter().map(rule).collect::<Vec<_>>(),
            })
        };
        self.policies.iter().map(policy).collect()
    }
}

impl PolicyDiff {
    fn between(event: String, old: Option<&Member>, new: Option<&Member>) -> Self {
        let kind = match (old, new) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            (Some(old), Some(new)) if digest_of(&old.compiled) == digest_of(&new.compiled) => Kind::Same,
            _ => Kind::Changed,
        };
        let (old, new) =
            (rules(old.map(|member| &member.compiled)), rules(new.map(|member| &member.compiled)));
        let mut ids: Vec<&String> = old.keys().chain(new.keys()).collect();
        ids.sort_unstable();
        ids.dedup();
        let rules = ids.into_iter().filter_map(|id| RuleDiff::between(id, old.get(id), new.get(id)));
        Self { event, kind, rules: rules.collect() }
    }
}

type Meaning = BTreeMap<&'static str, String>;

impl RuleDiff {
    fn between(id: &str, old: Option<&Meaning>, new: Option<&Meaning>) -> Option<Self> {
        let text = |meaning: Option<&Meaning>, key: &str| -> String {
            meaning.and_then(|meaning| meaning.get(key)).cloned().unwrap_or_default()
        };
        let kind = match (old, new) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => Kind::Changed,
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
        };
        let meaning = old.or(new)?;
        // Of a whole rule its condition and effect say enough.
        let told = |key: &str| kind == Kind::Changed || matches!(key, "when" | "effect");
        let keys = meaning.keys().map(|key| (*key, text(old, key), text(new, key)));
        let keys = keys.filter(|(key, old, new)| told(key) && old != new).collect();
        Some(Self { id: id.to_owned(), kind, keys })
    }
}

fn rules(compiled: Option<&Compiled>) -> BTreeMap<String, Meaning> {
    let rules = compiled.map(|compiled| compiled.checked().rules()).unwrap_or_default();
    rules.iter().map(|rule| (rule.id.clone(), meaning(rule))).collect()
}
