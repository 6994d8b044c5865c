//! Events that analysis found or reads, in the form of `cases.toml`: what is shown can be kept as a golden decision.
//!
//! Values come from the author's own files or were made up by analysis; nobody's data is in them, so private signals are
//! shown as well. Reading such files is the compiler's matter.

use glacis_compiler::Checked;
use glacis_compiler::full;
use glacis_compiler::reference::Whole;
use glacis_proof::event::Event;
use glacis_wire::interval::Ends;
use glacis_wire::{Answer, Causes, Value};
use serde_json::json;

/// The event as a case; without the lines that say what must come out.
pub(crate) fn case_text(event: &Event, policy: &Checked) -> String {
    let mut lines = vec![format!("trust = \"{}\"", event.device_trust(policy).name())];
    lines.extend(event.passed.map(|method| format!("passed = \"{}\"", method.name())));
    if event.outage {
        lines.push("outage = true".to_owned());
    }
    lines.push("[case.given]".to_owned());
    let answers = event.snapshot.answers.iter();
    lines.extend(answers.map(|(name, given)| format!("\"{name}\" = {}", answer_text(&given.answer))));
    lines.join("\n")
}

/// What a policy says, as JSON.
pub(crate) fn whole_json(whole: &Whole) -> serde_json::Value {
    json!({
        "verdict": whole.verdict.to_string(),
        "matched": whole.matched,
        "obligations": whole.obligations.iter().map(|duty| duty.name()).collect::<Vec<_>>(),
    })
}

/// What a policy says, in one line.
pub(crate) fn whole_text(whole: &Whole) -> String {
    let duties: Vec<&str> = whole.obligations.iter().map(|duty| duty.name()).collect();
    let duties = if duties.is_empty() { String::new() } else { format!(", {}", duties.join(", ")) };
    format!("{}{duties} by [{}]", whole.verdict, whole.matched.join(", "))
}

/// An answer as `cases.toml` writes it.
pub(crate) fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Value(value) => value_text(value),
        Answer::Interval(interval) => {
            let [lo, hi] = match interval.ends() {
                Ends::Ints { lo, hi } => [lo, hi].map(Value::Int),
                Ends::Doubles { lo, hi } => [lo, hi].map(Value::Double),
            };
            format!("{{ between = [{}, {}] }}", value_text(&lo), value_text(&hi))
        }
        Answer::Missing => "{ missing = true }".to_owned(),
        Answer::Error => "{ error = true }".to_owned(),
        Answer::Unknown(causes) => format!("{{ unknown = \"{}\" }}", causes_text(*causes)),
    }
}

fn causes_text(causes: Causes) -> String {
    causes.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(", ")
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) if value.is_nan() => "nan".to_owned(),
        // Debug, which keeps the point of a whole number.
        Value::Double(value) => format!("{value:?}"),
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => quoted(&String::from_utf8_lossy(bytes)),
        Value::Timestamp(at) => quoted(&full::Timestamp::from(*at).to_string()),
        Value::Duration(span) => quoted(&full::Duration::from(*span).to_string()),
        Value::List(items) => format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", ")),
    }
}

/// A basic string of TOML: the escapes of JSON are among its own.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}
