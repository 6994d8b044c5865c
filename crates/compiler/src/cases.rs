//! Golden decisions: what a policy's author says must come out, run by the reference interpreter.
//!
//! Cases run on the meaning of the policy, not on slices; that slices mean the same is another test's matter.
//! A case that fails is a result, not an error: the caller decides whether a policy with one may be published.

use crate::checked::Checked;
pub use crate::read::cases::Case;
use crate::reference::{Whole, whole};
use glacis_policy::Obligations;

/// How one case came out.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    /// The case.
    pub case: Case,
    /// What the policy says.
    pub whole: Whole,
    /// What differs from the case, a sentence each; empty if the case holds.
    pub faults: Vec<String>,
}

impl CaseResult {
    /// Whether the case holds.
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Runs one case.
pub fn run(policy: &Checked, case: &Case) -> CaseResult {
    let whole = whole(policy, &case.snapshot, case.passed, case.outage);
    let mut faults = Vec::new();
    if whole.verdict != case.verdict {
        faults.push(format!("verdict is {}, not {}", whole.verdict, case.verdict));
    }
    let mut matched = whole.matched.clone();
    matched.sort_unstable();
    if let Some(reasons) = case.reasons.as_ref().filter(|reasons| **reasons != matched) {
        faults.push(format!("reasons are [{}], not [{}]", matched.join(", "), reasons.join(", ")));
    }
    if let Some(wanted) = case.obligations.filter(|wanted| *wanted != whole.obligations) {
        faults.push(format!("obligations are [{}], not [{}]", duties(whole.obligations), duties(wanted)));
    }
    CaseResult { case: case.clone(), whole, faults }
}

fn duties(obligations: Obligations) -> String {
    obligations.iter().map(|duty| duty.name()).collect::<Vec<_>>().join(", ")
}
