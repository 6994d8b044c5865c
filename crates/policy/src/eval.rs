//! Running a slice: outcomes of conditions in two planes, rules, combination, finality (DESIGN §4.2).
//!
//! One pass over the arena fills a plane of cells: Σ as given, and, in a zone that applies trust, Σ⁻ where every
//! answer below its slot's `min_trust` is `unknown(withheld)` (`condition`). From the two cells at its root
//! each rule is matched, unmatched or still open (`rule`). The verdict is then an interval: the mildest and
//! the strictest over every assignment of the open and the hidden rules, and the zone is final where the two
//! are one (`verdict`).
//!
//! Nothing here allocates after [`Scratch::for_slice`], recurses, loops over more than the slice, or can panic.

mod condition;
mod input;
mod rule;
mod scratch;
mod steps;
#[cfg(test)]
mod tests;
mod verdict;

pub use input::{Close, Input, Inputs, Reading, reading_of};
pub use rule::RuleState;
pub use scratch::Scratch;
pub(crate) use steps::{Step, steps};

use crate::mutant::{Faults, Sound};
use crate::tree::{Obligations, Slice};
use condition::Plane;
use glacis_wire::{Method, Verdict};

/// What one zone can say about one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict, where this zone may speak it: every completion gives the same one; on a device, only a hard
    /// block.
    pub settled: Option<Verdict>,
    /// The mildest verdict that a completion can give.
    pub mildest: Verdict,
    /// The strictest verdict that a completion can give.
    pub strictest: Verdict,
    /// What the rules matched so far oblige to.
    pub obligations: Obligations,
    /// On a device: the challenge that may be started, since no completion is milder.
    pub starts: Option<Method>,
}

/// Runs `slice` over `inputs`. Total; a slot without an input is `unknown(withheld)`.
///
/// A scratch made for another slice is made to fit, the only case in which this allocates.
pub fn eval(slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) -> Outcome {
    eval_with(Sound, slice, inputs, scratch)
}

pub(crate) fn eval_with<F: Faults>(
    faults: F,
    slice: &Slice,
    inputs: &Inputs<'_>,
    scratch: &mut Scratch,
) -> Outcome {
    scratch.begin(slice, inputs.applies_trust(slice));
    condition::fill(faults, slice, inputs, Plane::Given, &mut scratch.given);
    if scratch.split {
        condition::fill(faults, slice, inputs, Plane::Trusted, &mut scratch.trusted);
    }
    for rule in slice.rules() {
        let state = rule::state(faults, slice, rule, scratch.given(rule.root), scratch.trusted(rule.root));
        scratch.rules.push(state);
    }
    verdict::outcome(faults, slice, inputs, scratch)
}

/// Index of a node in its plane.
fn index(node: u32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}

/// The obligations of the rules that matched.
fn obligations<F: Faults>(faults: F, slice: &Slice, scratch: &Scratch) -> Obligations {
    let owing = slice.rules().iter().zip(&scratch.rules).filter(|(rule, _)| !rule.obligations.is_empty());
    owing.fold(Obligations::NONE, |owed, (rule, state)| match state {
        RuleState::Matched { .. } if rule::owes(faults, rule, scratch.given(rule.root)) => {
            owed.union(rule.obligations)
        }
        _ => owed,
    })
}
