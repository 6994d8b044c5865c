//! Working memory of an evaluation: bit planes over terms, cells of the arena, and the states of the rules.
//!
//! Sized once for a slice and reused: clearing and refilling stays within capacity, so an evaluation touches no
//! allocator. Only rules that matched or stay open are written and, before the next event, taken back; all others
//! stay unmatched. `Debug` shows sizes only, since the cells hold private values.

use super::condition::{Cell, Cone, Desk, Truth};
use super::index;
use super::indexed::Planes;
use super::rule::RuleState;
use crate::tree::{Obligations, Slice};
use alloc::vec::Vec;
use core::fmt;
use glacis_wire::{NodeOutcome, Zone};

/// Working memory of [`eval`](super::eval()), and what it leaves to be read: rule states and release nodes.
#[derive(Clone)]
pub struct Scratch {
    /// On a device: every node of the arena.
    pub(super) cells: Vec<Cell>,
    pub(super) desk: Desk,
    /// Elsewhere: terms over Σ and over Σ⁻, and the nodes below rules that the terms leave open.
    pub(super) given: Planes,
    pub(super) trusted: Planes,
    pub(super) given_cone: Cone,
    pub(super) trusted_cone: Cone,
    /// Slots whose answer is trusted too little.
    pub(super) low: Vec<u16>,
    pub(super) rules: Vec<RuleState>,
    /// The rules that are not unmatched, by place: to be read in a row, and to be taken back.
    pub(super) touched: Vec<(u16, RuleState)>,
    /// Duties of the rules that matched.
    pub(super) owed: Obligations,
    /// What it has room for.
    room: Option<Room>,
}

/// All of a slice that the sizes in a scratch depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    is_device: bool,
    nodes: usize,
    rules: usize,
    slots: usize,
    words: usize,
}

impl Room {
    fn of(slice: &Slice) -> Self {
        Self {
            is_device: slice.zone() == Zone::Device,
            nodes: slice.nodes().len(),
            rules: slice.rules().len(),
            slots: slice.slots().len(),
            words: slice.plan.words,
        }
    }
}

impl Scratch {
    /// Memory for any evaluation of `slice`.
    pub fn for_slice(slice: &Slice) -> Self {
        let mut scratch = Self {
            cells: Vec::new(),
            desk: Desk::default(),
            given: Planes::default(),
            trusted: Planes::default(),
            given_cone: Cone::default(),
            trusted_cone: Cone::default(),
            low: Vec::new(),
            rules: Vec::new(),
            touched: Vec::new(),
            owed: Obligations::NONE,
            room: None,
        };
        scratch.fit(slice);
        scratch
    }

    /// States of the slice's rules after the last evaluation, in the slice's order.
    pub fn rules(&self) -> &[RuleState] {
        &self.rules
    }

    /// The rules that are not unmatched after the last evaluation, by place, in no order that means anything.
    pub fn live(&self) -> impl ExactSizeIterator<Item = (usize, RuleState)> {
        self.touched.iter().map(|(at, state)| (usize::from(*at), *state))
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
        slice.parts().releases.iter().map(|root| match self.truth(*root) {
            Truth::True => NodeOutcome::True,
            Truth::False => NodeOutcome::False,
            Truth::Unknown(_) => NodeOutcome::Unknown,
            Truth::Error => NodeOutcome::Error,
        })
    }

    /// Empties it for a run of `slice`; allocates only where it was made for a smaller one.
    pub(super) fn begin(&mut self, slice: &Slice) {
        for (at, _) in self.touched.drain(..) {
            if let Some(state) = self.rules.get_mut(usize::from(at)) {
                *state = RuleState::Unmatched;
            }
        }
        self.owed = Obligations::NONE;
        self.fit(slice);
    }

    /// Room for all that a run of `slice` writes.
    fn fit(&mut self, slice: &Slice) {
        let room = Room::of(slice);
        if self.room.replace(room) == Some(room) {
            return;
        }
        let nodes = slice.nodes().len();
        self.rules.resize(slice.rules().len(), RuleState::Unmatched);
        self.touched.reserve(slice.rules().len());
        if slice.zone() == Zone::Device {
            self.cells.resize(nodes, Cell::Error);
            self.desk.fit(slice);
            return;
        }
        self.given.fit(slice);
        self.trusted.fit(slice);
        self.low.clear();
        self.low.reserve(slice.slots().len());
        self.given_cone.fit(slice);
        self.trusted_cone.fit(slice);
    }

    /// Notes what became of a rule.
    pub(super) fn settle(&mut self, at: u16, state: RuleState) {
        if state == RuleState::Unmatched {
            return;
        }
        if let Some(place) = self.rules.get_mut(usize::from(at)) {
            *place = state;
            self.touched.push((at, state));
        }
    }

    /// Outcome of a condition on a device.
    pub(super) fn truth(&self, root: u32) -> Truth {
        self.cells.get(index(root)).copied().map_or(Truth::Error, Truth::from)
    }

    /// Capacities, for the test that evaluation does not grow them.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> Vec<(usize, usize)> {
        let own = [
            (self.low.as_ptr().addr(), self.low.capacity()),
            (self.cells.as_ptr().addr(), self.cells.capacity()),
            (self.rules.as_ptr().addr(), self.rules.capacity()),
            (self.touched.as_ptr().addr(), self.touched.capacity()),
        ];
        let cones = [&self.given_cone, &self.trusted_cone].into_iter().flat_map(Cone::footprint);
        let planes = [&self.given, &self.trusted].into_iter().flat_map(Planes::footprint);
        own.into_iter().chain(cones).chain(planes).collect()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("rules", &self.rules.capacity()).finish_non_exhaustive()
    }
}
