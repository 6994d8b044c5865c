//! Running a slice: outcomes of conditions in two planes, rules, combination, finality (DESIGN §4.2).
//!
//! A zone that applies trust decides twice: over Σ as given, and over Σ⁻, where every answer below its slot's
//! `min_trust` is `unknown(withheld)`. The plan's rows say of most rules that they are false, and of most others
//! that they are true (`indexed`); the conditions that are left are computed (`condition`). From its two outcomes
//! each rule is matched, unmatched or still open (`rule`). The verdict is then an interval: the mildest and the
//! strictest over every assignment of the open and the hidden rules, and the zone is final where the two are one
//! (`verdict`). A device computes every condition, whatever its signals say.
//!
//! Nothing here allocates after [`Scratch::for_slice`], recurses, loops over more than the slice, or can panic.

mod bound;
mod condition;
mod convert;
mod indexed;
mod input;
mod range;
mod residue;
mod rule;
mod scratch;
mod steps;
#[cfg(test)]
mod tests;
mod time;
mod verdict;

pub(crate) use bound::bound;
pub use convert::is_convertible;
pub use input::{Close, Input, Inputs, Reading, answer_of, reading_of};
pub use rule::RuleState;
pub use scratch::Scratch;
pub(crate) use steps::{Orders, Step, orders, steps};

use crate::mutant::{Faults, Sound};
use crate::tree::{Obligations, Slice};
use condition::{Plane, Truth};
use glacis_wire::{Method, Verdict, Zone};

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
    scratch.begin(slice);
    match slice.zone() {
        Zone::Device => on_device(faults, slice, inputs, scratch),
        Zone::Edge | Zone::Cloud => indexed::settle(faults, slice, inputs, scratch),
    }
    verdict::outcome(faults, slice, inputs, scratch)
}

/// As [`eval_with`], but no rule is decided by the plan.
#[cfg(feature = "mutants")]
pub(crate) fn eval_computed<F: Faults>(
    faults: F,
    slice: &Slice,
    inputs: &Inputs<'_>,
    scratch: &mut Scratch,
) -> Outcome {
    scratch.begin(slice);
    match slice.zone() {
        Zone::Device => on_device(faults, slice, inputs, scratch),
        Zone::Edge | Zone::Cloud => indexed::compute(faults, slice, inputs, scratch),
    }
    verdict::outcome(faults, slice, inputs, scratch)
}

/// Computes the whole arena, in an order that no value changes, and settles each rule.
fn on_device<F: Faults>(faults: F, slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) {
    let memory = (scratch.cells.as_mut_slice(), &mut scratch.desk);
    condition::fill(faults, slice, inputs, Plane::Given, memory);
    for (at, rule) in (0..).zip(slice.rules()) {
        let given = scratch.truth(rule.root);
        settle_rule(faults, slice, at, (given, given), scratch);
    }
}

/// Settles the rule at a place whose condition has these outcomes over Σ and Σ⁻.
fn settle_rule<F: Faults>(
    faults: F,
    slice: &Slice,
    at: u16,
    (given, trusted): (Truth, Truth),
    scratch: &mut Scratch,
) {
    let Some(rule) = slice.rules().get(usize::from(at)) else { return };
    faults.spend(1);
    let state = rule::state(faults, slice, rule, given, trusted);
    scratch.settle(at, state);
    if matches!(state, RuleState::Matched { .. }) && rule::owes(faults, rule, given) {
        scratch.owed = scratch.owed.union(rule.obligations);
    }
}

/// Index of a node in its plane.
fn index(node: u32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}
