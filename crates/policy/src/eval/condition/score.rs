//! Scores of models: an int, or where inputs are not known the ints between the ends that they leave open.
//!
//! What is missing takes the side that training chose. Of unknown and of failed inputs nothing is known, and intervals
//! say little: they widen the score, and what its ends decide is decided, as `||` absorbs what it need not know. What
//! they leave open is unknown for the causes of the inputs, and an error where the only reason is a failed input. So
//! learning more, be it that an input failed, contradicts nothing that was decided before.
//!
//! If *no* input is known, the score is unknown (or an error) whatever its bounds are: what reads one producer alone is
//! unknown where that producer says nothing, which release nodes rest on.

use super::{Cell, Run};
use crate::eval::input::Reading;
use crate::mutant::{Faults, Mutant};
use crate::tree::Slice;
use alloc::vec::Vec;
use glacis_model::{Input, Interval as Scores, Model, Scratch};
use glacis_wire::interval::Ends;
use glacis_wire::{Cause, Causes};

/// Room for one score, made once for a slice that has models.
#[derive(Clone, Debug, Default)]
pub(in crate::eval) struct Desk {
    inputs: Vec<Input>,
    /// One, or none where there is no model.
    scratch: Vec<Scratch>,
}

impl Desk {
    pub(in crate::eval) fn fit(&mut self, slice: &Slice) {
        let longest = slice.parts.calls.iter().map(|call| call.slots.len()).max();
        let Some(longest) = longest else { return };
        self.inputs.clear();
        self.inputs.reserve(longest);
        if self.scratch.is_empty() {
            self.scratch.push(Scratch::new());
        }
    }

    /// Where its memory is, for the test that evaluation does not grow it.
    #[cfg(test)]
    pub(in crate::eval) fn footprint(&self) -> [(usize, usize); 2] {
        [
            (self.inputs.as_ptr().addr(), self.inputs.capacity()),
            (self.scratch.as_ptr().addr(), self.scratch.capacity()),
        ]
    }
}

/// What a call reads, besides its inputs.
#[derive(Clone, Copy, Debug, Default)]
struct Openness {
    causes: Causes,
    inexact: bool,
    known: bool,
}

impl<F: Faults> Run<'_, F> {
    /// The score of a call.
    pub(super) fn score(self, call: u16, desk: &mut Desk) -> Cell {
        let Some(call) = self.slice.parts.calls.get(usize::from(call)) else { return Cell::Error };
        desk.inputs.clear();
        let mut open = Openness::default();
        for slot in &call.slots {
            let input = self.input(*slot, &mut open);
            desk.inputs.push(input);
        }
        let bounds_all = self.faults.has(Mutant::UnknownModelHasBounds);
        if !open.known && !bounds_all {
            return if open.causes.is_empty() { Cell::Error } else { Cell::Unknown(open.causes) };
        }
        let model = self.slice.model(call.model);
        let (Some(model), Some(scratch)) = (model, desk.scratch.first_mut()) else { return Cell::Error };
        let scores = self.with_slips(&model, model.score(&desk.inputs, scratch));
        self.faults.spend(usize::try_from(scratch.steps()).unwrap_or(usize::MAX));
        match scores.point() {
            Some(score) => Cell::Int(score),
            None => {
                let inexact = open.inexact || self.faults.has(Mutant::FailedScoreIsInexact);
                let inexact = if inexact { Causes::of(Cause::Inexact) } else { Causes::NONE };
                let causes = open.causes.union(inexact);
                Cell::Score { lo: scores.lo, hi: scores.hi, causes }
            }
        }
    }

    /// What the model is given for a slot.
    fn input(self, slot: u16, open: &mut Openness) -> Input {
        let input = match self.answer(slot) {
            Reading::Bool(value) => Input::Int(i64::from(value)),
            Reading::Int(value) => Input::Int(value),
            Reading::Double(value) => Input::Double(value),
            Reading::Interval(interval) => {
                open.inexact = true;
                match interval.ends() {
                    Ends::Ints { lo, hi } => Input::Ints { lo, hi },
                    Ends::Doubles { lo, hi } => Input::Doubles { lo, hi },
                }
            }
            Reading::Missing if self.faults.has(Mutant::MissingIsZeroToModels) => Input::Int(0),
            Reading::Missing => Input::Missing,
            Reading::Unknown(causes) => {
                open.causes = open.causes.union(causes);
                return if self.faults.has(Mutant::UnknownIsMissingToModels) {
                    Input::Missing
                } else {
                    Input::Unknown
                };
            }
            // INVARIANT: the loader admits numbers and truth values only, so what is left is an error.
            _ => return Input::Unknown,
        };
        open.known = true;
        input
    }

    /// The score, as a seeded bug has it.
    fn with_slips(self, model: &Model<'_>, scores: Scores) -> Scores {
        let Scores { lo, hi } = scores;
        if self.faults.has(Mutant::ScoreForgetsBase) {
            return Scores { lo: lo - model.base(), hi: hi - model.base() };
        }
        if self.faults.has(Mutant::ScoreByLowEnd) { Scores { lo, hi: lo } } else { scores }
    }
}
