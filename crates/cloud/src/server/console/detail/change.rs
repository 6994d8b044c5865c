//! The least that would have had to be different, and the proof that it would have sufficed.
//!
//! Found by [`glacis_proof::counterfactual`] over what is known beyond the device, so a private signal can only appear as
//! the condition that was let out, never as a value. What is found is put into the facts and decided again by the
//! reference interpreter here; only what comes to the promised verdict is shown.

use super::known::Known;
use super::signals::outcome;
use crate::record::StoredDecision;
use crate::server::console::versions::Kept;
use glacis_compiler::catalogue::{Birth, Privacy};
use glacis_compiler::full;
use glacis_compiler::reference::whole;
use glacis_proof::counterfactual::{Change, Counterfactual as Found, Explanation, Flip};
use glacis_wire::{Answer, SignalName, Trust, Value, Verdict};
use serde::Serialize;

/// How a change of the device's trust is named among signals.
const DEVICE_TRUST: &str = "device.trust";

/// A change that was checked, or why there is none.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Counterfactual {
    /// It would have come to this verdict.
    Change { changes: Vec<ChangeJson>, verdict: String, verified: bool },
    /// There is none, for this reason.
    None { none: String },
}

#[derive(Serialize)]
pub(super) struct ChangeJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    zone: &'static str,
    from: String,
    to: String,
    private: bool,
    words: String,
}

impl Counterfactual {
    pub(super) fn none(why: impl Into<String>) -> Self {
        Self::None { none: why.into() }
    }
}

/// The least change to `allow`, or to anything milder.
pub(super) fn of(
    kept: &Kept,
    known: &Known,
    explanation: &Explanation,
    decision: &StoredDecision,
) -> Counterfactual {
    let settled = decision.settled.as_ref().map(|settled| settled.verdict);
    let verdict = explanation.decision.verdict;
    if settled.unwrap_or(decision.record.verdict) != verdict {
        let why = format!("what was stored comes to {verdict} here, and that is not what was recorded");
        return Counterfactual::none(why);
    }
    if verdict == Verdict::Allow {
        return Counterfactual::none("the whole policy allows it: nothing had to be different");
    }
    if let Some(vouched) = vouched(kept, known, verdict) {
        return vouched;
    }
    let change = match (&explanation.allow, &explanation.milder) {
        (Found::Least(change) | Found::Some(change, _), _) => change,
        (_, Found::Least(change) | Found::Some(change, _)) => change,
        (Found::Nothing, _) => return Counterfactual::none("no verdict is milder"),
        (Found::Impossible, _) => {
            return Counterfactual::none("no change of signals makes the verdict milder");
        }
        (Found::Undetermined(obstacle), _) => {
            return Counterfactual::none(format!("it could not be worked out: {obstacle}"));
        }
    };
    if !holds(kept, known, change) {
        return Counterfactual::none("what was found did not stand when it was decided again");
    }
    let changes = change.flips.iter().map(|flip| told(kept, flip)).collect();
    Counterfactual::Change { changes, verdict: change.verdict.to_string(), verified: true }
}

/// What a device said that is believed too little may be all that stands between: then what would have helped is
/// somebody who vouches for it, and no other answer of it.
fn vouched(kept: &Kept, known: &Known, verdict: Verdict) -> Option<Counterfactual> {
    let mut snapshot = known.event.snapshot.clone();
    let said = |name: &SignalName| {
        kept.beyond.signals().get(name).is_some_and(|signal| signal.birth == Birth::Device)
    };
    let claimed =
        snapshot.answers.iter_mut().filter(|(name, given)| said(name) && given.trust == Trust::Claimed);
    claimed.for_each(|(_, given)| given.trust = Trust::Attested);
    let again = whole(&kept.beyond, &snapshot, known.event.passed, known.event.outage);
    (again.verdict == Verdict::Allow && verdict != Verdict::Allow).then(|| {
        let change = ChangeJson {
            signal: Some(DEVICE_TRUST.to_owned()),
            condition: None,
            zone: Birth::Device.name(),
            from: Trust::Claimed.name().to_owned(),
            to: Trust::Attested.name().to_owned(),
            private: false,
            words: "It would flip if somebody vouched for the device: what it let out says nothing bad, and is believed \
                    too little."
                .to_owned(),
        };
        Counterfactual::Change { changes: vec![change], verdict: again.verdict.to_string(), verified: true }
    })
}

/// Puts the changes into what was known, and decides again.
fn holds(kept: &Kept, known: &Known, change: &Change) -> bool {
    let mut snapshot = known.event.snapshot.clone();
    for flip in &change.flips {
        // Nothing is private beyond the device, so every change is of a signal that we can set.
        let Flip::Signal { signal, would_be, .. } = flip else { return false };
        let Some(given) = snapshot.answers.get_mut(signal) else { return false };
        given.answer = would_be.clone();
    }
    let again = whole(&kept.beyond, &snapshot, known.event.passed, known.event.outage);
    again.verdict == change.verdict && change.decide(&kept.beyond).verdict == change.verdict
}

fn told(kept: &Kept, flip: &Flip) -> ChangeJson {
    match flip {
        Flip::Signal { signal, was, would_be } => match node(kept, signal) {
            Some((text, private)) => {
                let to = outcome(would_be);
                ChangeJson {
                    words: format!("It would flip if `{text}` on the device were {to}."),
                    signal: None,
                    condition: Some(text),
                    zone: Birth::Device.name(),
                    from: outcome(was).to_owned(),
                    to: to.to_owned(),
                    private,
                }
            }
            None => {
                let declared = kept.compiled.signals().signals().get(signal);
                let declared = declared.or_else(|| kept.beyond.signals().get(signal));
                let to = shown(would_be);
                ChangeJson {
                    words: format!("It would flip if `{signal}` were {to}."),
                    signal: Some(signal.to_string()),
                    condition: None,
                    zone: declared.map_or(Birth::Cloud, |signal| signal.birth).name(),
                    from: shown(was),
                    to,
                    private: declared.is_some_and(|signal| signal.privacy == Privacy::Private),
                }
            }
        },
        Flip::OnDevice { .. } => ChangeJson {
            signal: None,
            condition: Some(flip.to_string()),
            zone: Birth::Device.name(),
            from: "unknown".to_owned(),
            to: "unknown".to_owned(),
            private: true,
            words: flip.to_string(),
        },
    }
}

/// The condition that a signal stands for, and whether it reads what is private.
fn node(kept: &Kept, signal: &SignalName) -> Option<(String, bool)> {
    let at: usize = signal.as_str().strip_prefix("node.")?.parse().ok()?;
    let node = kept.compiled.layout().nodes.get(at)?;
    let private = |name: &SignalName| {
        let declared = kept.compiled.signals().signals().get(name);
        declared.is_none_or(|signal| signal.privacy == Privacy::Private)
    };
    Some((node.text.clone(), node.signals.iter().any(private)))
}

/// An answer in a sentence.
fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Value(Value::Bool(value)) => value.to_string(),
        Answer::Value(Value::Int(value)) => value.to_string(),
        Answer::Value(Value::Uint(value)) => value.to_string(),
        Answer::Value(Value::Double(value)) => value.to_string(),
        Answer::Value(Value::String(value)) => format!("{value:?}"),
        Answer::Value(Value::Timestamp(value)) => full::Timestamp::from(*value).to_string(),
        Answer::Value(Value::Duration(value)) => full::Duration::from(*value).to_string(),
        Answer::Value(Value::Bytes(_) | Value::List(_)) => "another value".to_owned(),
        Answer::Interval(_) => "a number between other ends".to_owned(),
        Answer::Missing => "missing".to_owned(),
        Answer::Error => "an error".to_owned(),
        Answer::Unknown(_) => "unknown".to_owned(),
    }
}
