//! Working memory of an evaluation: two planes of cells and the states of the rules.
//!
//! Sized once for a slice and reused: clearing and refilling stays within capacity, so an evaluation touches no
//! allocator. `Debug` shows sizes only, since the cells hold private values.

use super::condition::Cell;
use super::index;
use super::rule::RuleState;
use crate::tree::Slice;
use alloc::vec::Vec;
use core::fmt;
use glacis_wire::NodeOutcome;

/// Working memory of [`eval`](super::eval()), and what it leaves to be read: rule states and release nodes.
#[derive(Clone)]
pub struct Scratch {
    pub(super) given: Vec<Cell>,
    pub(super) trusted: Vec<Cell>,
    pub(super) rules: Vec<RuleState>,
    /// Whether `trusted` holds Σ⁻; otherwise Σ⁻ is Σ.
    pub(super) split: bool,
}

impl Scratch {
    /// Memory for any evaluation of `slice`.
    pub fn for_slice(slice: &Slice) -> Self {
        Self {
            given: Vec::with_capacity(slice.nodes().len()),
            trusted: Vec::with_capacity(slice.nodes().len()),
            rules: Vec::with_capacity(slice.rules().len()),
            split: false,
        }
    }

    /// States of the slice's rules after the last evaluation, in the slice's order.
    pub fn rules(&self) -> &[RuleState] {
        &self.rules
    }

    /// Reason codes of the rules that matched in the last evaluation.
    pub fn reasons<'a>(&'a self, slice: &'a Slice) -> impl Iterator<Item = &'a str> {
        let matched = |state: &RuleState| matches!(state, RuleState::Matched { .. });
        slice
            .rules()
            .iter()
            .zip(&self.rules)
            .filter(move |(_, state)| matched(state))
            .map(|(rule, _)| &*rule.reason)
    }

    /// Outcomes of the release nodes after the last evaluation, in the layout's order.
    pub fn releases(&self, slice: &Slice) -> impl Iterator<Item = NodeOutcome> {
        slice.parts().releases.iter().map(|root| match self.given(*root) {
            Cell::Bool(true) => NodeOutcome::True,
            Cell::Bool(false) => NodeOutcome::False,
            Cell::Unknown(_) => NodeOutcome::Unknown,
            Cell::Int(_) | Cell::Double(_) | Cell::Slot(_) | Cell::Const(_) | Cell::Error => {
                NodeOutcome::Error
            }
        })
    }

    /// Empties it for a run of `slice`; allocates only where it was made for a smaller one.
    pub(super) fn begin(&mut self, slice: &Slice, split: bool) {
        self.rules.clear();
        self.given.resize(slice.nodes().len(), Cell::Error);
        self.trusted.resize(slice.nodes().len(), Cell::Error);
        self.rules.reserve(slice.rules().len());
        self.split = split;
    }

    /// Outcome of `node` over Σ.
    pub(super) fn given(&self, node: u32) -> Cell {
        self.given.get(index(node)).copied().unwrap_or(Cell::Error)
    }

    /// Outcome of `node` over Σ⁻.
    pub(super) fn trusted(&self, node: u32) -> Cell {
        let plane = if self.split { &self.trusted } else { &self.given };
        plane.get(index(node)).copied().unwrap_or(Cell::Error)
    }

    /// Capacities, for the test that evaluation does not grow them.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> [(usize, usize); 3] {
        [
            (self.given.as_ptr().addr(), self.given.capacity()),
            (self.trusted.as_ptr().addr(), self.trusted.capacity()),
            (self.rules.as_ptr().addr(), self.rules.capacity()),
        ]
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("nodes", &self.given.capacity())
            .field("rules", &self.rules.capacity())
            .finish_non_exhaustive()
    }
}
