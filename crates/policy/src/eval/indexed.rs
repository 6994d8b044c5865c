//! Rules by the plan: rows of bits over terms, and the arena for what the rows leave open.
//!
//! For each plane (Σ, and Σ⁻ where an answer is trusted too little) three kinds of bits are collected, one row a
//! slot: `dead` terms, `pend`ing ones, and for each cause the terms that wait for it. The walk then visits only
//! words with a term that is left, and in them only rules that are not simply false: a rule is visited if a term
//! for *true* is not dead, or a term for *false* is not decided. See `plan` for why that is exact.

mod met;

use super::condition::{Cone, Plane, Truth};
use super::input::{Input, Inputs, Reading};
use super::rule::RuleState;
use super::scratch::Scratch;
use super::settle_rule;
use crate::mutant::{Faults, Mutant};
use crate::plan::{
    BLOCK, BLOCK_BYTES, CHANGED, CHANGES_MAX, GROUP, NO_ROW, Ordered, Plan, RuleTerms, SlotTable,
    TEXT_RECORD, Texts, Values, WORD_BITS, key, split, union,
};
use crate::tree::Slice;
use alloc::vec::Vec;
use core::ops::Range;
use glacis_wire::{Cause, Causes, Type};
use met::Met;

/// Rows that one answer can add to the dead: `present`, a text's, a prefix's.
const ROWS_A_SLOT: usize = 3;
/// The causes, and pending.
const CAUSES: usize = Cause::ALL.len() + 1;

/// Bits over the terms of a slice in one plane.
#[derive(Clone, Debug, Default)]
pub(super) struct Planes {
    dead: Vec<u64>,
    pend: Vec<u64>,
    /// By cause, pending last.
    waits: [Vec<u64>; CAUSES],
    /// Which of them have a bit.
    present: [bool; CAUSES],
    /// All causes of the event, also those for which no term waits.
    seen: Causes,
    /// Whether a term is open for another reason than that a slot is unknown.
    failed: bool,
    /// Whether a term is open although no row tells for what: see [`met`].
    blurred: bool,
    met: Met,
    /// Whole rows that are still to be united with `dead`.
    kills: Vec<u16>,
}

impl Planes {
    /// Room for an event of `slice`.
    pub(super) fn fit(&mut self, slice: &Slice) {
        for plane in [&mut self.dead, &mut self.pend].into_iter().chain(&mut self.waits) {
            plane.resize(slice.plan.words, 0);
        }
        self.met.fit(slice.plan.words);
        self.kills.clear();
        self.kills.reserve(ROWS_A_SLOT * slice.plan.slots.len());
    }

    /// Nothing is known, nothing waits.
    fn begin<F: Faults>(&mut self, faults: F, plan: &Plan) {
        for ((dead, pend), fixed) in self.dead.iter_mut().zip(&mut self.pend).zip(&plan.fixed) {
            (*dead, *pend) = (fixed.idle, if faults.has(Mutant::RestIsKnown) { 0 } else { fixed.rest });
        }
        for (plane, present) in self.waits.iter_mut().zip(&mut self.present) {
            if core::mem::take(present) {
                plane.fill(0);
            }
        }
        self.seen = Causes::NONE;
        self.failed = false;
        self.blurred = false;
    }

    /// Unites the rows that were only noted. The one block of a small policy stays in registers; of more, four rows
    /// at a time share the way to memory and back.
    fn flush(&mut self, slice: &Slice) {
        let rows = slice.bytes.get(slice.plan.rows.clone()).unwrap_or_default();
        if let [block] = self.dead.as_chunks_mut::<BLOCK>().0 {
            let rows = rows.as_chunks::<BLOCK_BYTES>().0;
            let mut dead = *block;
            for row in self.kills.iter().filter_map(|name| rows.get(usize::from(*name))) {
                union(&mut dead, row.as_chunks().0);
            }
            *block = dead;
        } else {
            let width = slice.plan.row_bytes();
            let row = |name: u16| -> &[[u8; 8]] {
                let start = usize::from(name) * width;
                rows.get(start..start + width).map_or(&[], |row| row.as_chunks().0)
            };
            let (fours, rest) = self.kills.as_chunks::<4>();
            for four in fours {
                let [a, b, c, d] = four.map(row);
                for ((((dead, a), b), c), d) in self.dead.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    let [a, b, c, d] = [a, b, c, d].map(|word| u64::from_le_bytes(*word));
                    *dead |= a | b | c | d;
                }
            }
            rest.iter().for_each(|name| {
                union(&mut self.dead, row(*name));
            });
        }
        self.kills.clear();
    }

    /// All that waits is pending.
    fn seal(&mut self) {
        for (plane, _) in self.waits.iter().zip(self.present).filter(|(_, present)| *present) {
            for (pend, waits) in self.pend.iter_mut().zip(plane) {
                *pend |= waits;
            }
        }
    }

    /// The causes of an open term, if all that is open in this event has them.
    fn only_cause<F: Faults>(&self, faults: F) -> Option<Causes> {
        let mut present = self.present.iter().enumerate().filter(|(_, present)| **present);
        let (at, _) = present.next()?;
        let causes = Cause::ALL.get(at).map_or(Causes::PENDING, |cause| Causes::of(*cause));
        let alone = present.next().is_none() || faults.has(Mutant::FirstCauseTaken);
        (alone && (!self.failed || faults.has(Mutant::CauseBeatsError))).then_some(causes)
    }

    fn copy_from(&mut self, other: &Self) {
        self.dead.copy_from_slice(&other.dead);
        self.pend.copy_from_slice(&other.pend);
        for (((plane, present), from), from_present) in
            self.waits.iter_mut().zip(&mut self.present).zip(&other.waits).zip(other.present)
        {
            if from_present {
                plane.copy_from_slice(from);
            } else if *present {
                plane.fill(0);
            }
            *present = from_present;
        }
        self.seen = other.seen;
        self.failed = other.failed;
        self.blurred = other.blurred;
    }

    /// Every term that reads a slot waits, for these causes; how many words that took.
    fn wait<F: Faults>(&mut self, faults: F, slice: &Slice, row: u16, causes: Causes) -> usize {
        self.seen = self.seen.union(causes);
        let mut words = 0;
        let named = Cause::ALL.into_iter().map(|cause| causes.contains(cause));
        let named = named.chain([causes.is_pending() && !faults.has(Mutant::PendingNotNoted)]);
        let named = named.cycle().skip(if faults.has(Mutant::CauseOfNeighbour) { CAUSES - 1 } else { 0 });
        for ((plane, present), _) in
            self.waits.iter_mut().zip(&mut self.present).zip(named).filter(|(_, named)| *named)
        {
            *present = true;
            words += slice.plan.add(&slice.bytes, row, plane);
        }
        words
    }

    /// The causes for which a term of `terms` waits.
    fn causes(&self, word: usize, terms: u64) -> Causes {
        let waits = |at: usize| {
            let plane = self.waits.get(at).filter(|_| self.present.get(at) == Some(&true));
            plane.and_then(|plane| plane.get(word)).is_some_and(|bits| bits & terms != 0)
        };
        let found = Cause::ALL.into_iter().enumerate().filter(|(at, _)| waits(*at));
        let causes = found.fold(Causes::NONE, |causes, (_, cause)| causes.union(Causes::of(cause)));
        if waits(CAUSES - 1) { causes.union(Causes::PENDING) } else { causes }
    }

    /// Terms of a word that are not dead, and those of them that are not pending.
    #[inline]
    fn word(&self, at: usize) -> (u64, u64) {
        let (dead, pend) = (self.dead.get(at), self.pend.get(at));
        dead.zip(pend).map_or((0, 0), |(dead, pend)| (!dead, !dead & !pend))
    }

    /// The open terms of a word whose rule closes as skip, for each cause of the event.
    #[inline]
    fn skipped<F: Faults>(&self, faults: F, plan: &Plan, at: usize) -> u64 {
        let reads_closing = faults.has(Mutant::UnknownClosesAsError)
            || faults.has(Mutant::ExemptClosesAsMatch)
            || faults.has(Mutant::ClosesAsMatch);
        let Some(skips) = plan.skips.get(at).filter(|_| !reads_closing) else { return 0 };
        if self.seen.is_empty() || self.seen.is_pending() {
            return 0;
        }
        let waits = self.waits.iter().zip(self.present).filter(|(_, present)| *present);
        let waits = waits.filter_map(|(plane, _)| plane.get(at)).fold(0, |waits, more| waits | more);
        let open = if self.failed { 0 } else { u64::MAX };
        let of = |cause: Cause| {
            let skips = skips.get(usize::from(cause as u8)).copied().unwrap_or_default();
            skips.waiting & waits | skips.open & open
        };
        let causes = self.seen.iter().map(of);
        if faults.has(Mutant::SkipsForOneCause) {
            return causes.fold(0, |skips, more| skips | more);
        }
        causes.fold(u64::MAX, |skips, more| skips & more)
    }

    /// The outcome of a rule, if the terms tell; `only` as [`only_cause`](Self::only_cause) has it.
    #[inline]
    fn outcome<F: Faults>(&self, faults: F, rule: &RuleTerms, only: Option<Causes>) -> Option<Truth> {
        let word = usize::from(rule.word);
        let (alive, mut holds) = self.word(word);
        if faults.has(Mutant::SecondWordUnseen) && word > 0 {
            holds &= rule.falses;
        }
        let swapped = faults.has(Mutant::RailsSwapped) && rule.falses != 0;
        if holds & rule.trues != 0 {
            return Some(if swapped { Truth::False } else { Truth::True });
        }
        if rule.falses == 0 {
            if alive & rule.trues == 0 {
                return Some(Truth::False);
            }
        } else if holds & rule.falses != 0 {
            return Some(if swapped { Truth::True } else { Truth::False });
        } else if faults.has(Mutant::FalseRailIgnored) && alive & rule.trues == 0 {
            return Some(Truth::False);
        }
        // INVARIANT: only a rule that is not direct has a term that compares an aggregate more than once.
        if self.blurred && !rule.direct {
            return None;
        }
        if faults.has(Mutant::OpenIsError) && rule.exact {
            return Some(Truth::Error);
        }
        if let Some(only) = only.filter(|_| rule.exact) {
            return Some(Truth::Unknown(only));
        }
        if !rule.direct {
            return None;
        }
        let alive = if faults.has(Mutant::CausesOfDeadTerms) { u64::MAX } else { alive };
        let causes = self.causes(word, alive & rule.trues);
        Some(if causes.is_empty() { Truth::Error } else { Truth::Unknown(causes) })
    }

    /// What the terms say of a rule without its residue, where they leave the rule open; `None` where its causes
    /// cannot be told from the planes.
    fn without_residue<F: Faults>(&self, faults: F, rule: &RuleTerms, only: Option<Causes>) -> Option<Truth> {
        if self.blurred || self.failed && !faults.has(Mutant::ResidueForgetsErrors) {
            return None;
        }
        let word = usize::from(rule.word);
        let alive = self.word(word).0 & rule.trues;
        // Terms with an atom of the residue are pending from the beginning, so only what waits is asked.
        let waits = self.waits.iter().zip(self.present).filter(|(_, present)| *present);
        let waits = waits.filter_map(|(plane, _)| plane.get(word)).fold(0, |waits, more| waits | more);
        if alive & !waits != 0 {
            return Some(Truth::True);
        }
        let one = rule.falses == 0 && rule.trues.is_power_of_two();
        only.or_else(|| one.then(|| self.causes(word, alive))).map(Truth::Unknown)
    }

    /// Where its memory is, for the test that evaluation does not grow it.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> Vec<(usize, usize)> {
        let all = [&self.dead, &self.pend].into_iter().chain(&self.waits);
        let kills = (self.kills.as_ptr().addr(), self.kills.capacity());
        all.map(|plane| (plane.as_ptr().addr(), plane.capacity()))
            .chain([kills])
            .chain(self.met.footprint())
            .collect()
    }
}

/// Settles every rule of a slice that has a plan.
pub(super) fn settle<F: Faults>(faults: F, slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) {
    let split = mark(Marker { faults, slice, inputs }, scratch);
    scratch.given_cone.begin();
    scratch.trusted_cone.begin();
    let only = [scratch.given.only_cause(faults), scratch.trusted.only_cause(faults)];
    for (at, fixed) in slice.plan.fixed.iter().enumerate() {
        faults.spend(1);
        let visible = |planes: &Planes| {
            let (alive, holds) = planes.word(at);
            let visible = alive & !(holds & fixed.falses);
            // Most rules that wait for something close as skip.
            if visible & !holds == 0 {
                visible
            } else {
                visible & (holds | !planes.skipped(faults, &slice.plan, at))
            }
        };
        let mut visits = visible(&scratch.given);
        if split {
            visits |= visible(&scratch.trusted);
        }
        let mut last = None;
        while visits != 0 {
            let bit = at * WORD_BITS + usize::try_from(visits.trailing_zeros()).unwrap_or(0);
            visits &= visits - 1;
            let Some(owner) = slice.plan.owners.get(bit) else { return };
            // The terms of a rule are neighbours: that is told without waiting for the rule.
            if last.replace(*owner) == Some(*owner) {
                continue;
            }
            let Some(terms) = slice.plan.rules.get(usize::from(*owner)) else { return };
            let given = scratch.given.outcome(faults, terms, only[0]).unwrap_or_else(|| {
                let planes = (&scratch.given, only[0]);
                left_open(faults, slice, inputs, Plane::Given, (*owner, planes, &mut scratch.given_cone))
            });
            let trusted = match split {
                false => given,
                true => scratch.trusted.outcome(faults, terms, only[1]).unwrap_or_else(|| {
                    let planes = (&scratch.trusted, only[1]);
                    left_open(
                        faults,
                        slice,
                        inputs,
                        Plane::Trusted,
                        (*owner, planes, &mut scratch.trusted_cone),
                    )
                }),
            };
            if given == trusted && is_match(faults, terms, given) {
                // The common case: what the rule does, it does.
                faults.spend(1);
                scratch.settle(*owner, RuleState::Matched { effect: terms.effect });
                scratch.owed = scratch.owed.union(terms.obligations);
            } else {
                settle_rule(faults, slice, *owner, (given, trusted), scratch);
            }
        }
    }
}

/// Whether a rule with this outcome in both planes does what it does when it is true.
#[inline]
fn is_match<F: Faults>(faults: F, terms: &RuleTerms, outcome: Truth) -> bool {
    match outcome {
        Truth::True => true,
        Truth::Unknown(causes) => {
            let slip = faults.has(Mutant::UnknownClosesAsError) || faults.has(Mutant::ClosedRuleOwesNothing);
            // INVARIANT: an unknown has a cause; what is pending is not among those that close.
            !slip && (terms.closing.union(causes) == terms.closing || faults.has(Mutant::ClosesAsMatch))
        }
        Truth::False | Truth::Error => false,
    }
}

/// Settles every rule by its condition, as if there were no plan.
#[cfg(feature = "mutants")]
pub(super) fn compute<F: Faults>(faults: F, slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) {
    scratch.given_cone.begin();
    scratch.trusted_cone.begin();
    for (at, _) in (0..).zip(slice.rules()) {
        let given = computed(faults, slice, inputs, Plane::Given, (at, &mut scratch.given_cone));
        let trusted = computed(faults, slice, inputs, Plane::Trusted, (at, &mut scratch.trusted_cone));
        settle_rule(faults, slice, at, (given, trusted), scratch);
    }
}

/// The outcome of a rule that the terms leave open: of its residue, and of what the terms say of all else; or of its
/// whole condition.
#[cold]
fn left_open<F: Faults>(
    faults: F,
    slice: &Slice,
    inputs: &Inputs<'_>,
    plane: Plane,
    (rule, (planes, only), cone): (u16, (&Planes, Option<Causes>), &mut Cone),
) -> Truth {
    let residue = slice.orders.residue(rule);
    let terms = slice.plan.rules.get(usize::from(rule)).filter(|_| !residue.is_empty());
    match terms.and_then(|terms| planes.without_residue(faults, terms, only)) {
        Some(known) if faults.has(Mutant::ResidueUnread) => known,
        Some(mut known) => {
            if faults.has(Mutant::ResidueAlone) {
                known = Truth::True;
            }
            let order = slice.orders.of(rule);
            cone.conjunction(faults, slice, inputs, plane, (known, residue, order))
        }
        None => computed(faults, slice, inputs, plane, (rule, cone)),
    }
}

/// The condition of a rule, computed.
#[cold]
fn computed<F: Faults>(
    faults: F,
    slice: &Slice,
    inputs: &Inputs<'_>,
    plane: Plane,
    (rule, cone): (u16, &mut Cone),
) -> Truth {
    let order = slice.orders.of(rule);
    let rule = slice.rules().get(usize::from(rule));
    rule.map_or(Truth::Error, |rule| cone.outcome(faults, slice, inputs, plane, (rule.root, order)))
}

/// Collects the rows of one event.
#[derive(Clone, Copy)]
struct Marker<'a, F> {
    faults: F,
    slice: &'a Slice,
    inputs: &'a Inputs<'a>,
}

/// Fills the planes, and tells whether Σ⁻ differs from Σ. What both have in common is collected once: answers that
/// are trusted come first, then Σ gets the others as they are, and Σ⁻ as withheld.
fn mark<F: Faults>(marker: Marker<'_, F>, scratch: &mut Scratch) -> bool {
    let Marker { faults, slice, inputs } = marker;
    let (given, trusted, low) = (&mut scratch.given, &mut scratch.trusted, &mut scratch.low);
    given.begin(faults, &slice.plan);
    low.clear();
    for (at, (table, input)) in (0..).zip(slice.plan.slots.iter().zip(inputs.slots)) {
        if marker.is_low(table, input) {
            low.push(at);
        } else {
            marker.answer(table, input.reading, given);
        }
    }
    for table in slice.plan.slots.iter().skip(inputs.slots.len()) {
        marker.late_answer(table, Reading::WITHHELD, given);
    }
    given.flush(slice);
    if low.is_empty() {
        given.seal();
        return false;
    }
    trusted.copy_from(given);
    if faults.has(Mutant::GivenForgetsWaits) {
        given.present = [false; CAUSES];
    }
    for at in low.iter().map(|at| usize::from(*at)) {
        let Some((table, input)) = slice.plan.slots.get(at).zip(inputs.slots.get(at)) else { break };
        marker.late_answer(table, input.reading, given);
        if faults.has(Mutant::LowCountsInTrusted) {
            marker.late_answer(table, input.reading, trusted);
        } else if faults.has(Mutant::WithheldHasNoCause) {
            marker.open(trusted, table.uses);
        } else {
            marker.wait(trusted, table.uses, Causes::of(Cause::Withheld));
        }
    }
    given.flush(slice);
    trusted.flush(slice);
    given.seal();
    trusted.seal();
    true
}

impl<'a, F: Faults> Marker<'a, F> {
    /// Whether an answer is trusted too little.
    #[inline]
    fn is_low(self, table: &SlotTable, input: &Input<'_>) -> bool {
        let spared = self.faults.has(Mutant::TrustIgnored)
            || self.faults.has(Mutant::TrustOnlyOnValues)
                && matches!(
                    self.inputs.fitted(self.slice, (table.ty, table.aggregate), input.reading),
                    Reading::Missing | Reading::Error | Reading::Unknown(_)
                );
        input.trust < table.min_trust && !spared
    }

    /// A whole row is noted, and united with the others later.
    #[inline(always)]
    fn kill(self, planes: &mut Planes, row: u16) {
        if row & CHANGED == 0 {
            self.faults.spend(self.slice.plan.words);
            planes.kills.push(row);
        } else if row != NO_ROW {
            self.kill_changed(planes, row);
        }
    }

    /// A row that only sets bits can be united in any order; what is cleared must not be added.
    fn kill_changed(self, planes: &mut Planes, row: u16) {
        let mut change = self.slice.plan.change(&self.slice.bytes, row);
        if self.faults.has(Mutant::ChangeKeepsCleared) {
            change.cleared = &[];
        }
        if self.faults.has(Mutant::ChangeLacksSet) {
            change.set = &[];
        }
        if !change.cleared.is_empty() {
            let plan = &self.slice.plan;
            return self.faults.spend(plan.add_change(&self.slice.bytes, change, &mut planes.dead));
        }
        self.kill(planes, change.of);
        self.faults.spend(change.set.len());
        // As many as a change can have, so that nothing depends on how many they are.
        for at in 0..CHANGES_MAX {
            let bit = change.set.get(at);
            let (word, shift) = split(bit.copied().unwrap_or_default());
            if let Some(word) = planes.dead.get_mut(word) {
                *word |= u64::from(bit.is_some()) << shift;
            }
        }
    }

    fn open(self, planes: &mut Planes, row: u16) {
        planes.failed |= row != NO_ROW;
        self.faults.spend(self.slice.plan.add(&self.slice.bytes, row, &mut planes.pend));
    }

    fn wait(self, planes: &mut Planes, row: u16, causes: Causes) {
        let dropped = self.faults.has(Mutant::UnknownRowDropped);
        if !dropped {
            self.faults.spend(planes.wait(self.faults, self.slice, row, causes));
        }
    }

    /// Adds what an answer says.
    #[inline(always)]
    fn answer(self, table: &SlotTable, reading: Reading<'_>, planes: &mut Planes) {
        let (row, search) = match (&table.values, reading) {
            (Values::Bool([no, yes]), Reading::Bool(value)) => {
                (if value != self.faults.has(Mutant::BoolRowsSwapped) { *yes } else { *no }, None)
            }
            // The four types that are ordered as ints are share this table, and a value of another of them is an error.
            (Values::Int(ordered), Reading::Int(value)) if table.ty == Type::Int => {
                (NO_ROW, Some((ordered, value)))
            }
            (Values::Int(ordered), Reading::Uint(value)) if table.ty == Type::Uint => {
                (NO_ROW, Some((ordered, key::of_uint(value))))
            }
            (Values::Int(ordered), Reading::Timestamp(value)) if table.ty == Type::Timestamp => {
                (NO_ROW, Some((ordered, value.as_us())))
            }
            (Values::Int(ordered), Reading::Duration(value)) if table.ty == Type::Duration => {
                (NO_ROW, Some((ordered, value.as_us())))
            }
            (Values::Double(ordered, nan), Reading::Double(value)) => match self.double(value) {
                Some(key) => (NO_ROW, Some((ordered, key))),
                None => (*nan, None),
            },
            (Values::Text(texts, prefixes), Reading::Str(text)) => {
                let (text, ends) = (text.as_bytes(), key::Ends::of(text.as_bytes()));
                let first = if self.faults.has(Mutant::PrefixByFirstByte) { 0xFF << 56 } else { u64::MAX };
                let search = prefixes.as_ref().map(|prefixes| (prefixes, key::of_head(ends.head & first)));
                match texts.as_ref().map(|texts| (texts, self.literal(texts, ends, text))) {
                    // A literal knows its prefixes.
                    Some((_, Some([row, by_prefix]))) => {
                        self.kill(planes, by_prefix);
                        (row, None)
                    }
                    Some((texts, None)) => (texts.other, search),
                    None => (NO_ROW, search),
                }
            }
            _ => return self.without_value(table, reading, planes),
        };
        if let Some((ordered, key)) = search {
            self.ordered(planes, ordered, key);
        }
        self.kill(planes, row);
        if !self.faults.has(Mutant::PresentIgnored) {
            self.kill(planes, table.present);
        }
    }

    /// [`answer`](Self::answer), where it is not the common one.
    #[inline(never)]
    fn late_answer(self, table: &SlotTable, reading: Reading<'_>, planes: &mut Planes) {
        self.answer(table, reading, planes);
    }

    /// As [`answer`](Self::answer), of one that has no value, or of a slot whose value no term asks for.
    fn without_value(self, table: &SlotTable, reading: Reading<'_>, planes: &mut Planes) {
        match self.inputs.fitted(self.slice, (table.ty, table.aggregate), reading) {
            Reading::Unknown(_) if self.faults.has(Mutant::UnknownKills) => self.kill(planes, table.uses),
            Reading::Unknown(causes) => self.wait(planes, table.uses, causes),
            Reading::Error if self.faults.has(Mutant::ErrorIsKnown) => {}
            Reading::Error if self.faults.has(Mutant::ErrorKills) => self.kill(planes, table.uses),
            Reading::Error => self.open(planes, table.uses),
            Reading::Missing => {
                if !self.faults.has(Mutant::MissingKeepsHas) {
                    self.kill(planes, table.missing);
                }
                if !self.faults.has(Mutant::MissingIsKnown) {
                    self.open(planes, table.misused);
                }
            }
            Reading::Interval(interval) => {
                self.interval(planes, table, interval);
                if !self.faults.has(Mutant::PresentIgnored) {
                    self.kill(planes, table.present);
                }
            }
            // An interval of one number is that number, and may be asked for.
            point if matches!(reading, Reading::Interval(_)) => self.late_answer(table, point, planes),
            _ if self.faults.has(Mutant::PresentIgnored) => {}
            // INVARIANT: a value fits its slot here, and the loader gave the slot the tables of its type, so there
            // are none: only `has` is asked.
            _ => self.kill(planes, table.present),
        }
    }

    /// The key of a double.
    #[inline]
    fn double(self, value: f64) -> Option<i64> {
        if self.faults.has(Mutant::NanIsGreatest) && value.is_nan() {
            return Some(i64::MAX);
        }
        if self.faults.has(Mutant::ZerosDiffer) && value.to_bits() == (-0.0_f64).to_bits() {
            return Some(-1);
        }
        key::of_double(value)
    }

    fn bytes(self, range: &Range<usize>) -> &'a [u8] {
        self.slice.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The row of a class.
    fn name(self, names: &Range<usize>, class: usize) -> u16 {
        let name = self.bytes(names).as_chunks().0.get(class);
        name.map_or(NO_ROW, |name| u16::from_le_bytes(*name))
    }

    #[inline(always)]
    fn ordered(self, planes: &mut Planes, table: &Ordered, key: i64) {
        let class = self.class(table, key);
        self.kill(planes, self.name(&table.dead, class));
        if !table.open.is_empty() && !self.faults.has(Mutant::LongPrefixIsExact) {
            self.open(planes, self.name(&table.open, class));
        }
    }

    /// The class of a key.
    #[inline(always)]
    fn class(self, table: &Ordered, key: i64) -> usize {
        self.faults.spend(comparisons(table.count));
        let key = if self.faults.has(Mutant::BoundNotReached) { key.saturating_sub(1) } else { key };
        // The tops of the groups are few and stay near, so that only one line of bounds is fetched.
        let full = table.tops.partition_point(|top| *top <= key);
        let groups = self.bytes(&table.bounds).as_chunks().0.as_chunks::<GROUP>().0;
        // What fills the last group up is above every key but one.
        let class = (GROUP * full + groups.get(full).map_or(0, |group| below(group, key))).min(table.count);
        if self.faults.has(Mutant::LastClassUnseen) {
            return class.min(table.count.saturating_sub(1));
        }
        class
    }

    /// The rows of a text, if it is a literal: by equality and by prefix.
    #[inline(always)]
    fn literal(self, table: &Texts, ends: key::Ends, text: &[u8]) -> Option<[u16; 2]> {
        if text.len() > table.longest {
            return None;
        }
        let hash = key::hash(ends, text);
        let bucket = key::bucket(hash, table.bits);
        let starts = self.bytes(&table.starts).as_chunks().0;
        let start = |at: usize| starts.get(at).map_or(0, |start| usize::from(u16::from_le_bytes(*start)));
        let records = self.bytes(&table.records).as_chunks::<TEXT_RECORD>().0;
        let mut records = records.get(start(bucket)..start(bucket + 1)).unwrap_or_default();
        if self.faults.has(Mutant::LiteralMissed) {
            records = records.split_last().map_or(records, |(_, rest)| rest);
        }
        for record in records {
            self.faults.spend(1);
            let [tag_0, tag_1, row_0, row_1, by_prefix_0, by_prefix_1, place @ ..] = *record;
            let by_length = self.faults.has(Mutant::LiteralByLength);
            if u16::from_le_bytes([tag_0, tag_1]) != key::tag(hash) && !by_length {
                continue;
            }
            let place = usize::try_from(u32::from_le_bytes(place)).unwrap_or(usize::MAX);
            let known = self.slice.bytes.get(place.wrapping_sub(2)..place.saturating_add(text.len()));
            let Some((length, known)) = known.and_then(|known| known.split_first_chunk()) else { continue };
            if usize::from(u16::from_be_bytes(*length)) == text.len()
                && (by_length || key::is_same(ends, text, known))
            {
                return Some([[row_0, row_1], [by_prefix_0, by_prefix_1]].map(u16::from_le_bytes));
            }
        }
        None
    }
}

/// How many bounds of a group, which begins above a key or ends above it, are at or below the key: at most all but
/// the last.
#[inline]
fn below(group: &[[u8; 8]; GROUP], key: i64) -> usize {
    let reached = |at: usize| group.get(at).is_some_and(|bound| i64::from_le_bytes(*bound) <= key);
    let half = if reached(3) { 4 } else { 0 };
    let quarter = half + if reached((half + 1) % GROUP) { 2 } else { 0 };
    quarter + usize::from(reached(quarter % GROUP))
}

/// Comparisons of a search among so many bounds.
pub(super) fn comparisons(bounds: usize) -> usize {
    // Places of a group are as many as its bounds and one.
    let steps = |places: usize| (usize::BITS - places.leading_zeros()) as usize;
    steps(bounds / GROUP) + steps(GROUP)
}
