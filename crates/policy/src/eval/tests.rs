//! The clauses of DESIGN §4.2 as tables: conditions and inputs as text in, outcomes as text out.

mod conditions;
mod intervals;
mod memory;
mod residues;
mod rules;
mod text;
mod verdicts;

use super::condition::{Cone, Plane, Truth};
use super::{Close, Inputs, Outcome, RuleState, Scratch, eval};
use crate::mutant::Sound;
use crate::tree::Slice;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use glacis_wire::{Causes, Method, Verdict, Zone};
use text::Case;

/// A slice and its inputs, run.
struct Ran {
    slice: Slice,
    scratch: Scratch,
    outcome: Outcome,
}

/// Runs a case of [`text`].
fn run(case: &Case, passed: Option<Method>, close: Close) -> Ran {
    let slice = Slice::try_new(&case.parts).unwrap();
    let slots = case.inputs();
    let mut scratch = Scratch::for_slice(&slice);
    let outcome = eval(&slice, &Inputs { slots: &slots, passed, close }, &mut scratch);
    Ran { slice, scratch, outcome }
}

/// The outcome of the last node of `expression`, as `Σ` or, where they differ, `Σ | Σ⁻`.
fn outcome_of(expression: &str, inputs: &str) -> String {
    let case = Case::new(Zone::Edge, &format!("block: {expression}"), inputs);
    let ran = run(&case, None, Close::Open);
    let root = ran.slice.rules().first().unwrap().root;
    let slots = case.inputs();
    let inputs = Inputs { slots: &slots, passed: None, close: Close::Open };
    let [given, trusted] = [Plane::Given, Plane::Trusted].map(|plane| {
        let mut cone = Cone::default();
        cone.fit(&ran.slice);
        cone.begin();
        show_truth(cone.outcome(Sound, &ran.slice, &inputs, plane, (root, &[])))
    });
    if given == trusted { given } else { format!("{given} | {trusted}") }
}

fn show_truth(truth: Truth) -> String {
    match truth {
        Truth::True => "true".to_string(),
        Truth::False => "false".to_string(),
        Truth::Error => "error".to_string(),
        Truth::Unknown(causes) => show_causes(causes),
    }
}

fn show_causes(causes: Causes) -> String {
    let mut names: Vec<_> = causes.iter().map(|cause| cause.name()).collect();
    if causes.is_pending() {
        names.push("pending");
    }
    format!("unknown({})", names.join("+"))
}

fn show_state(state: RuleState) -> String {
    match state {
        RuleState::Matched { effect } => text::show_effect(effect),
        RuleState::Unmatched => "unmatched".to_string(),
        RuleState::Open => "open".to_string(),
    }
}

fn show_verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Challenge(method) => format!("challenge({})", method.name()),
        other => other.name().to_string(),
    }
}

/// `verdict` where settled, else `mildest..strictest`.
fn show_outcome(outcome: &Outcome) -> String {
    match outcome.settled {
        Some(verdict) => show_verdict(verdict),
        None => format!("{}..{}", show_verdict(outcome.mildest), show_verdict(outcome.strictest)),
    }
}

/// States of all rules, in order.
fn states(ran: &Ran) -> String {
    let shown: Vec<_> = ran.scratch.rules().iter().map(|state| show_state(*state)).collect();
    shown.join(", ")
}

/// An empty list of rules is a policy too.
#[test]
fn a_slice_without_rules_allows() {
    let case = Case::new(Zone::Cloud, "", "");
    let ran = run(&case, None, Close::Here);
    assert_eq!(show_outcome(&ran.outcome), "allow");
    assert_eq!(vec![states(&ran)], [""]);
}
