//! What leaves a device (DESIGN §4.3): the outcome of each release node and each declared value, always all of
//! them and always in the layout's order, so that what is sent depends on nothing but declared releases.
//!
//! A node that is not known is `unknown`, and the receiver reads `withheld`, whatever the reason was; an error
//! leaves without its code. Which rules matched or are open on the device is not in it.

use crate::eval::{Inputs, Reading, Scratch, answer_of};
use crate::mutant::{Faults, Mutant, Sound};
use crate::tree::Slice;
use glacis_wire::{Answer, Cause, Disclosed, NodeOutcome};

/// The disclosure of a device slice that was just evaluated over `inputs` in `scratch`.
pub fn disclose(slice: &Slice, scratch: &Scratch, inputs: &Inputs<'_>) -> Disclosed {
    disclose_with(Sound, slice, scratch, inputs)
}

pub(crate) fn disclose_with<F: Faults>(
    faults: F,
    slice: &Slice,
    scratch: &Scratch,
    inputs: &Inputs<'_>,
) -> Disclosed {
    let parts = slice.parts();
    let node = |outcome| match outcome {
        NodeOutcome::Error if faults.has(Mutant::DisclosesErrorAsUnknown) => NodeOutcome::Unknown,
        NodeOutcome::Unknown if faults.has(Mutant::DisclosesUnknownAsFalse) => NodeOutcome::False,
        outcome => outcome,
    };
    Disclosed {
        policy: slice.policy(),
        nodes: scratch.releases(slice).map(node).collect(),
        values: parts.values.iter().map(|slot| answer(inputs.reading(slice, *slot))).collect(),
    }
}

/// A declared value as it leaves: the device can only say that it withholds, not why.
fn answer(reading: Reading<'_>) -> Answer {
    match reading {
        // No signal of a device is an aggregate, so none is answered by an interval.
        Reading::Interval(_) => Answer::Error,
        Reading::Unknown(_) => Answer::unknown(Cause::Withheld),
        known => answer_of(known),
    }
}
