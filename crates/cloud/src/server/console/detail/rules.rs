//! What each rule came to, with its place in the published text.
//!
//! Places are in UTF-16 units, as a browser counts. A rule that the deciding zone did not look at any more, or never
//! sees, is `not-needed`; what it would have come to is not told as if it had.

use super::known::Known;
use crate::explain::entry_words;
use crate::record::StoredDecision;
use crate::server::console::versions::Kept;
use glacis_compiler::Span;
use glacis_compiler::checked::Rule;
use glacis_compiler::reference::{Outcome, evaluate};
use glacis_proof::counterfactual::Explanation;
use glacis_wire::message::decide::ClosedBy;
use glacis_wire::{Cause, Causes, Value, Zone};
use serde::Serialize;

#[derive(Serialize)]
pub(in crate::server::console) struct RuleJson {
    id: String,
    effect: String,
    when: String,
    span: [usize; 2],
    when_span: Option<[usize; 2]>,
    state: &'static str,
    deciding: bool,
    why: String,
}

/// What one rule came to.
pub(in crate::server::console) struct Found {
    pub(in crate::server::console) state: &'static str,
    pub(in crate::server::console) why: String,
}

/// Every rule of the policy that decided, in its order.
pub(super) fn of_decision(
    kept: &Kept,
    known: &Known,
    explanation: &Explanation,
    decision: &StoredDecision,
) -> Vec<RuleJson> {
    let record = &decision.record;
    let places = Places::of(&kept.text);
    let recorded = |id: &str| record.reasons.iter().any(|reason| reason.0 == id);
    // Which of the matching rules the verdict follows from, where working it out anew comes to the same.
    let same = explanation.decision.verdict == record.verdict;
    let rules = kept.compiled.checked().rules();
    let starts: Vec<usize> = rules.iter().map(|rule| start_of(&kept.text, rule.span)).collect();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    let source = rules.iter().zip(kept.beyond.rules()).zip(starts.iter().zip(ends));
    source
        .map(|((rule, beyond), (start, next))| {
            let found = found(kept, known, beyond, decision);
            let deciding = recorded(&rule.id) && (!same || explanation.deciding.contains(&rule.id));
            let end = end_of(&kept.text, rule.when.span.end.max(rule.span.end), next);
            RuleJson {
                id: rule.id.clone(),
                effect: rule.effect.to_string(),
                when: rule.when.to_string(),
                span: places.utf16(Span::new(*start, end)),
                when_span: Some(places.utf16(rule.when.span)),
                state: found.state,
                deciding,
                why: found.why,
            }
        })
        .collect()
}

/// What a rule came to for whoever decided.
fn found(kept: &Kept, known: &Known, rule: &Rule, decision: &StoredDecision) -> Found {
    let record = &decision.record;
    let not_needed = |why: &str| Found { state: "not-needed", why: why.to_owned() };
    match (record.closed_by, record.zone) {
        (ClosedBy::Stance, _) => return not_needed("No policy ran: the route's stance answered."),
        (ClosedBy::Policy, Zone::Edge | Zone::Device) if rule.is_hidden() => {
            return not_needed("The edge does not hold this rule, and answered without the cloud.");
        }
        _ => {}
    }
    let ahead = record.closed_by == ClosedBy::Policy && record.zone != Zone::Cloud;
    // Before the cloud was asked its signals were not there, which is what an outage looks like to the edge.
    let found = settle(kept, known, rule, known.event.outage || ahead);
    match found.open {
        Some(causes) if ahead && causes.contains(Cause::Unavailable) => {
            not_needed("The edge answered before the cloud was asked for what this rule reads.")
        }
        _ => found.found,
    }
}

/// What a rule comes to when all that is known is.
pub(in crate::server::console) fn found_whole(kept: &Kept, known: &Known, rule: &Rule) -> Found {
    settle(kept, known, rule, known.event.outage).found
}

struct Settled {
    found: Found,
    open: Option<Causes>,
}

fn settle(kept: &Kept, known: &Known, rule: &Rule, outage: bool) -> Settled {
    let policy = &kept.beyond;
    let closed = |state, why| Settled { found: Found { state, why }, open: None };
    let unknown = |causes: Causes| {
        let names: Vec<&str> = causes.iter().map(Cause::name).collect();
        let how = |cause| format!("{} as {}", cause_words(cause), entry_words(rule.entry(cause)));
        let how: Vec<String> = causes.iter().map(how).collect();
        let why = format!("Unknown ({}): the policy closes {}.", names.join(", "), how.join(", "));
        Settled { found: Found { state: "open", why }, open: Some(causes) }
    };
    if rule.release == glacis_compiler::checked::Release::Undisclosed {
        return unknown(Causes::of(Cause::Withheld));
    }
    if outage && rule.is_hidden() {
        return unknown(Causes::of(Cause::Unavailable));
    }
    let at = |trusted| evaluate(policy, &rule.when, &known.event.snapshot, trusted, outage);
    let (given, trusted) = (at(false), at(true));
    let device = rule.when.readings().iter().any(|(name, _)| name.as_str().starts_with("node."));
    match trusted {
        _ if given == TRUE && !rule.effect.is_lenient() => closed("true", said(device, "true")),
        Outcome::Value(Value::Bool(true)) => closed("true", said(device, "true")),
        Outcome::Value(_) | Outcome::Interval(..) => closed("false", said(device, "false")),
        Outcome::Error => {
            let why =
                format!("It could not be computed: the policy closes that as {}.", entry_words(rule.error));
            closed("error", why)
        }
        Outcome::Unknown(causes) => unknown(causes),
    }
}

fn said(device: bool, what: &str) -> String {
    let by = if device {
        "what the device let out and what edge and cloud knew"
    } else {
        "what edge and cloud knew"
    };
    format!("Its condition is {what}, by {by}.")
}

const fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Withheld => "what is withheld",
        Cause::Denied => "what nobody consented to",
        Cause::Version => "what another version asks",
        Cause::Inexact => "what is known too roughly",
        Cause::Unavailable => "what does not answer",
        Cause::Absent => "what has no device",
    }
}

const TRUE: Outcome = Outcome::Value(Value::Bool(true));

/// Where the table of a rule begins: at its header, or where its id stands if there is none before.
fn start_of(text: &str, id: Span) -> usize {
    text.get(..id.start).and_then(|before| before.rfind("[[rule]]")).unwrap_or(id.start)
}

/// Where it ends: before the next rule or the next table of another name, without what is empty.
fn end_of(text: &str, last: usize, next: Option<usize>) -> usize {
    let rest = text.get(last..next.unwrap_or(text.len())).unwrap_or_default();
    let other = rest.match_indices("\n[").find(|(at, _)| {
        let line = rest.get(at + 1..).unwrap_or_default();
        !line.starts_with("[rule.") && !line.starts_with("[[rule.")
    });
    let mut own = other.map_or(rest, |(at, _)| rest.get(..at).unwrap_or(rest)).trim_end();
    // Comments at the end are about what follows.
    while let Some((before, comment)) = own.rsplit_once('\n')
        && comment.trim_start().starts_with('#')
    {
        own = before.trim_end();
    }
    last + own.len()
}

/// Places of a text in UTF-16 units.
struct Places<'t>(&'t str);

impl<'t> Places<'t> {
    const fn of(text: &'t str) -> Self {
        Self(text)
    }

    fn utf16(&self, span: Span) -> [usize; 2] {
        let units = |end: usize| self.0.get(..end).unwrap_or(self.0).encode_utf16().count();
        [units(span.start), units(span.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_units_of_a_browser() {
        let text = "aé😀b";
        let at = text.find('b').unwrap();
        assert_eq!(Places::of(text).utf16(Span::new(at, at + 1)), [4, 5]);
    }

    #[test]
    fn a_rule_is_its_whole_table() {
        let text = "[policy]\nname = \"x\"\n\n[[rule]]\nid = \"a\"\nwhen = \"q\"\neffect = \"block\"\n[rule.if_unknown]\n\
                    absent = \"skip\"\n\n[[rule]]\nid = \"b\"\nwhen = \"r\"\n\n[policy.more]\nx = 1\n";
        let [a, b] = ["\"a\"", "\"b\""].map(|id| text.find(id).unwrap());
        let span = |id: usize, next: Option<usize>| {
            let start = start_of(text, Span::new(id, id + 3));
            text.get(start..end_of(text, id + 3, next)).unwrap()
        };
        let second = start_of(text, Span::new(b, b + 3));
        assert!(
            span(a, Some(second)).starts_with("[[rule]]\nid = \"a\"")
                && span(a, Some(second)).ends_with("\"skip\"")
        );
        assert_eq!(span(b, None), "[[rule]]\nid = \"b\"\nwhen = \"r\"");
    }

    #[test]
    fn comments_before_the_next_rule_are_not_this_ones() {
        let rule = "[[rule]]\nid = \"a\"\n# Why it is so.\nwhen = \"q\" # on the spot";
        let text = format!("{rule}\n\n# About b,\n\n# in two parts.\n[[rule]]\nid = \"b\"\n");
        let next = text.rfind("[[rule]]").unwrap();
        for last in [rule.find("\"q\"").unwrap() + 3, rule.find("\"a\"").unwrap() + 3] {
            assert_eq!(text.get(..end_of(&text, last, Some(next))), Some(rule));
        }
    }
}
