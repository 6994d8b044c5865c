//! What an interval says to the rows: the classes that it meets, and what their rows have in common.
//!
//! A row holds the terms that a class kills. A term that *no* met class kills has only atoms that are true all over
//! the interval: it stays. A term that *some* kill and some do not has an atom that is true in one class and not in
//! another: that atom, and with it the term, waits on `inexact`. A term that *all* kill is dead if one atom is false in
//! all of them, and that is so wherever the term compares the slot once. Where it compares it more than once
//! (`agg < 3 && agg > 5`), each class may have killed it by another atom, and since atoms are independent the term is
//! then open and no row tells: such an event is *blurred*, and the rules that it leaves open are computed.

use super::{Marker, Planes};
use crate::eval::range;
use crate::mutant::{Faults, Mutant};
use crate::plan::{SlotTable, Values};
use alloc::vec::Vec;
use glacis_wire::{Cause, Causes, Interval};

/// Rows of the classes that an interval meets.
#[derive(Clone, Debug, Default)]
pub(super) struct Met {
    row: Vec<u64>,
    all: Vec<u64>,
    any: Vec<u64>,
}

impl Met {
    /// Room for rows of so many words.
    pub(super) fn fit(&mut self, words: usize) {
        for row in [&mut self.row, &mut self.all, &mut self.any] {
            row.resize(words, 0);
        }
    }

    /// Where its memory is, for the test that evaluation does not grow it.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> [(usize, usize); 3] {
        [&self.row, &self.all, &self.any].map(|row| (row.as_ptr().addr(), row.capacity()))
    }
}

impl<F: Faults> Marker<'_, F> {
    /// Adds what an interval in a slot says.
    #[cold]
    pub(super) fn interval(self, planes: &mut Planes, table: &SlotTable, interval: Interval) {
        // An atom that is computed may be unknown for it, whatever the rows say.
        planes.seen = planes.seen.union(Causes::of(self.inexact()));
        let (Values::Int(ordered) | Values::Double(ordered, _)) = &table.values else { return };
        let Some((lo, hi)) = range::keys(interval) else { return };
        let hi = if self.faults.has(Mutant::IntervalEndMissed) { hi.saturating_sub(1) } else { hi };
        let (first, last) = (self.class(ordered, lo), self.class(ordered, hi));
        if first >= last || self.faults.has(Mutant::IntervalByLowEnd) {
            return self.kill(planes, self.name(&ordered.dead, first));
        }
        let ends_alone = self.faults.has(Mutant::IntervalByItsEnds);
        let met = (first..=last).filter(|class| !ends_alone || *class == first || *class == last);
        planes.met.any.fill(0);
        planes.met.all.fill(u64::MAX);
        for class in met {
            self.row(planes, self.name(&ordered.dead, class));
            let Met { row, all, any } = &mut planes.met;
            for ((row, all), any) in row.iter().zip(all).zip(any) {
                *all &= row;
                *any |= row;
            }
        }
        self.row(planes, table.several);
        self.settle(planes);
    }

    fn inexact(self) -> Cause {
        if self.faults.has(Mutant::InexactIsWithheld) { Cause::Withheld } else { Cause::Inexact }
    }

    /// Brings a row of the slice into working memory.
    fn row(self, planes: &mut Planes, name: u16) {
        planes.met.row.fill(0);
        self.faults.spend(self.slice.plan.add(&self.slice.bytes, name, &mut planes.met.row));
    }

    /// Kills, leaves waiting, or blurs what the met rows say; `row` holds the terms that compare the slot more than
    /// once.
    fn settle(self, planes: &mut Planes) {
        let cause = self.inexact();
        let (Some(waits), Some(present)) =
            (planes.waits.get_mut(cause as usize), planes.present.get_mut(cause as usize))
        else {
            return;
        };
        self.faults.spend(self.slice.plan.words);
        let Met { row, all, any } = &planes.met;
        let met = row.iter().zip(all).zip(any);
        let planes_of = planes.dead.iter_mut().zip(&mut planes.pend).zip(waits);
        for (((several, all), any), ((dead, pend), waits)) in met.zip(planes_of) {
            let several = if self.faults.has(Mutant::AtomsShareInterval) { 0 } else { *several };
            let waiting = if self.faults.has(Mutant::InexactIsKnown) { 0 } else { any & !all };
            *dead |= all & !several;
            *pend |= all & several;
            *waits |= waiting;
            *present |= waiting != 0;
            planes.blurred |= all & several != 0;
        }
    }
}

// INVARIANT: a plane a cause, in the order of their codes.
#[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
const _: () = assert!(Cause::ALL[Cause::Inexact as usize] as u8 == Cause::Inexact as u8);
