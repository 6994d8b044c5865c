//! Rules by the plan: rows of bits over terms, and the arena for what the rows leave open.
//!
//! For each plane (Σ, and Σ⁻ where an answer is trusted too little) three kinds of bits are collected, one row a
//! slot: `dead` terms, `pend`ing ones, and for each cause the terms that wait for it. The walk then visits only
//! words with a term that is left, and in them only rules that are not simply false: a rule is visited if a term
//! for *true* is not dead, or a term for *false* is not decided. See `plan` for why that is exact.

mod met;

use super::condition::{Cone, Plane, Truth};
use super::input::{Inputs, Reading};
use super::rule::RuleState;
use super::scratch::Scratch;
use super::settle_rule;
use crate::mutant::{Faults, Mutant};
use crate::plan::{
    BLOCK, BLOCK_BYTES, CHANGED, GROUP, NO_ROW, Ordered, Plan, RuleTerms, SlotTable, TEXT_RECORD, Texts,
    Values, WORD_BITS, key, split,
};
use crate::tree::Slice;
use alloc::vec::Vec;
use core::ops::Range;
use glacis_wire::{Cause, Causes};
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
    /// Whether a term is open for another reason than that a slot is unknown.
    failed: bool,
    /// Whether a term is open although no row tells for what: see [`met`].
    blurred: bool,
    met: Met,
    /// Bits, and whole rows, that are still to be united with `dead`.
    extra: Vec<u64>,
    kills: Vec<u16>,
}

impl Planes {
    /// Room for an event of `slice`.
    pub(super) fn fit(&mut self, slice: &Slice) {
        for plane in [&mut self.dead, &mut self.pend, &mut self.extra].into_iter().chain(&mut self.waits) {
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
        self.failed = false;
        self.blurred = false;
    }

    /// Unites the rows that were only noted: a block of `dead` at a time stays in registers.
    fn flush(&mut self, slice: &Slice) {
        let rows = slice.bytes.get(slice.plan.rows.clone()).unwrap_or_default().as_chunks::<BLOCK_BYTES>().0;
        let blocks = slice.plan.words / BLOCK;
        let extra = self.extra.as_chunks_mut::<BLOCK>().0;
        for (at, (block, extra)) in self.dead.as_chunks_mut().0.iter_mut().zip(extra).enumerate() {
            let mut dead = core::mem::take(extra);
            for (word, more) in dead.iter_mut().zip(*block) {
                *word |= more;
            }
            for row in &self.kills {
                if let Some(row) = rows.get(usize::from(*row) * blocks + at) {
                    for (word, more) in dead.iter_mut().zip(row.as_chunks().0) {
                        *word |= u64::from_le_bytes(*more);
                    }
                }
            }
            *block = dead;
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
        self.failed = other.failed;
        self.blurred = other.blurred;
    }

    /// Every term that reads a slot waits, for these causes; how many words that took.
    fn wait<F: Faults>(&mut self, faults: F, slice: &Slice, row: u16, causes: Causes) -> usize {
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
        let all = [&self.dead, &self.pend, &self.extra].into_iter().chain(&self.waits);
        let kills = (self.kills.as_ptr().addr(), self.kills.capacity());
        all.map(|plane| (plane.as_ptr().addr(), plane.capacity()))
            .chain([kills])
            .chain(self.met.footprint())
            .collect()
    }
}

/// Settles every rule of a slice that has a plan.
pub(super) fn settle<F: Faults>(faults: F, slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) {
    let split = inputs.applies_trust(slice) && !faults.has(Mutant::TrustIgnored);
    mark(Marker { faults, slice, inputs, split }, scratch);
    scratch.given_cone.begin();
    scratch.trusted_cone.begin();
    let only = [scratch.given.only_cause(faults), scratch.trusted.only_cause(faults)];
    for (at, fixed) in slice.plan.fixed.iter().enumerate() {
        faults.spend(1);
        let visible = |planes: &Planes| {
            let (alive, holds) = planes.word(at);
            alive & !(holds & fixed.falses)
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
    split: bool,
}

/// Fills the planes. What both have in common is collected once: answers that are trusted come first, then Σ gets
/// the others as they are, and Σ⁻ as withheld.
fn mark<F: Faults>(marker: Marker<'_, F>, scratch: &mut Scratch) {
    let plan = &marker.slice.plan;
    let (given, trusted) = (&mut scratch.given, &mut scratch.trusted);
    if !marker.split {
        given.begin(marker.faults, plan);
        marker.tables().for_each(|(at, table)| marker.answer(at, table, given));
        given.flush(marker.slice);
        given.seal();
        return;
    }
    trusted.begin(marker.faults, plan);
    for (at, table) in marker.tables().filter(|(at, _)| !marker.is_low(*at)) {
        marker.answer(at, table, trusted);
    }
    trusted.flush(marker.slice);
    given.copy_from(trusted);
    if marker.faults.has(Mutant::GivenForgetsWaits) {
        given.present = [false; CAUSES];
    }
    for (at, table) in marker.tables().filter(|(at, _)| marker.is_low(*at)) {
        marker.answer(at, table, given);
        if marker.faults.has(Mutant::LowCountsInTrusted) {
            marker.answer(at, table, trusted);
        } else if marker.faults.has(Mutant::WithheldHasNoCause) {
            marker.open(trusted, table.uses);
        } else {
            marker.wait(trusted, table.uses, Causes::of(Cause::Withheld));
        }
    }
    given.flush(marker.slice);
    trusted.flush(marker.slice);
    given.seal();
    trusted.seal();
}

impl<'a, F: Faults> Marker<'a, F> {
    /// The slots that some term reads.
    fn tables(self) -> impl Iterator<Item = (u16, &'a SlotTable)> {
        let tables = (0..).zip(&self.slice.plan.slots);
        tables.filter(|(_, table)| table.uses != NO_ROW)
    }

    /// Whether the answer in a slot is trusted too little.
    fn is_low(self, slot: u16) -> bool {
        let at = usize::from(slot);
        let (declared, input) = (self.slice.slots().get(at), self.inputs.slots.get(at));
        let low = declared.zip(input).is_some_and(|(declared, input)| input.trust < declared.min_trust);
        let spared = self.faults.has(Mutant::TrustOnlyOnValues)
            && matches!(
                self.inputs.reading(self.slice, slot),
                Reading::Missing | Reading::Error | Reading::Unknown(_)
            );
        low && !spared
    }

    /// A whole row is noted, and united with the others later.
    #[inline]
    fn kill(self, planes: &mut Planes, row: u16) {
        if row & CHANGED == 0 {
            self.faults.spend(self.slice.plan.words);
            planes.kills.push(row);
        } else if row != NO_ROW {
            self.kill_changed(planes, row);
        }
    }

    /// Bits that are only set wait for the end as well; what is cleared must not be added.
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
        for bit in change.set {
            let (word, bit) = split(*bit);
            if let Some(word) = planes.extra.get_mut(word) {
                *word |= 1 << bit;
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

    /// Adds what the answer in a slot says.
    #[inline]
    fn answer(self, slot: u16, table: &SlotTable, planes: &mut Planes) {
        let value = self.inputs.reading(self.slice, slot);
        match value {
            Reading::Unknown(_) if self.faults.has(Mutant::UnknownKills) => {
                return self.kill(planes, table.uses);
            }
            Reading::Unknown(causes) => return self.wait(planes, table.uses, causes),
            Reading::Error if self.faults.has(Mutant::ErrorIsKnown) => return,
            Reading::Error if self.faults.has(Mutant::ErrorKills) => return self.kill(planes, table.uses),
            Reading::Error => return self.open(planes, table.uses),
            Reading::Missing => {
                if !self.faults.has(Mutant::MissingKeepsHas) {
                    self.kill(planes, table.missing);
                }
                if !self.faults.has(Mutant::MissingIsKnown) {
                    self.open(planes, table.misused);
                }
                return;
            }
            _ if self.faults.has(Mutant::PresentIgnored) => {}
            _ => self.kill(planes, table.present),
        }
        match (&table.values, value) {
            (Values::Bool([no, yes]), Reading::Bool(value)) => {
                let taken = value != self.faults.has(Mutant::BoolRowsSwapped);
                self.kill(planes, if taken { *yes } else { *no });
            }
            (Values::Int(ordered), Reading::Int(value)) => self.ordered(planes, ordered, value),
            (Values::Double(ordered, nan), Reading::Double(value)) => match self.double(value) {
                Some(key) => self.ordered(planes, ordered, key),
                None => self.kill(planes, *nan),
            },
            (_, Reading::Interval(interval)) => self.interval(planes, table, interval),
            (Values::Text(texts, prefixes), Reading::Str(text)) => {
                if let Some(texts) = texts {
                    self.kill(planes, self.literal(texts, text.as_bytes()));
                }
                if let Some(prefixes) = prefixes {
                    let first = if self.faults.has(Mutant::PrefixByFirstByte) { 1 } else { text.len() };
                    self.ordered(
                        planes,
                        prefixes,
                        key::of_text(text.as_bytes().get(..first).unwrap_or_default()),
                    );
                }
            }
            // INVARIANT: a reading fits its slot, and the loader gave the slot the tables of its type.
            _ => {}
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

    #[inline]
    fn ordered(self, planes: &mut Planes, table: &Ordered, key: i64) {
        let class = self.class(table, key);
        self.kill(planes, self.name(&table.dead, class));
        if !table.open.is_empty() && !self.faults.has(Mutant::LongPrefixIsExact) {
            self.open(planes, self.name(&table.open, class));
        }
    }

    /// The class of a key.
    #[inline]
    fn class(self, table: &Ordered, key: i64) -> usize {
        let bounds = self.bytes(&table.bounds).as_chunks().0;
        self.faults.spend(comparisons(bounds.len()));
        // The tops of the groups are few and stay near, so that only one line of bounds is fetched.
        let key = if self.faults.has(Mutant::BoundNotReached) { key.saturating_sub(1) } else { key };
        let below = |bound: &[u8; 8]| i64::from_le_bytes(*bound) <= key;
        let groups = table.tops.partition_point(|bound| *bound <= key);
        let (full, rest) = bounds.as_chunks::<GROUP>();
        let inside = full
            .get(groups)
            .map_or_else(|| rest.partition_point(below), |group| group.partition_point(below));
        let class = GROUP * groups + inside;
        if self.faults.has(Mutant::LastClassUnseen) {
            return class.min(bounds.len().saturating_sub(1));
        }
        class
    }

    /// The row of a text.
    #[inline]
    fn literal(self, table: &Texts, text: &[u8]) -> u16 {
        if text.len() > table.longest {
            return table.other;
        }
        let hash = key::hash(text);
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
            let [tag_0, tag_1, row_0, row_1, place @ ..] = *record;
            let by_length = self.faults.has(Mutant::LiteralByLength);
            if u16::from_le_bytes([tag_0, tag_1]) != key::tag(hash) && !by_length {
                continue;
            }
            let place = usize::try_from(u32::from_le_bytes(place)).unwrap_or(usize::MAX);
            let known =
                self.slice.bytes.get(place.wrapping_sub(2)..).and_then(|rest| rest.split_first_chunk());
            let Some((length, known)) = known else { continue };
            if usize::from(u16::from_be_bytes(*length)) == text.len()
                && (by_length || known.starts_with(text))
            {
                return u16::from_le_bytes([row_0, row_1]);
            }
        }
        table.other
    }
}

/// Comparisons of a search among so many bounds.
pub(super) fn comparisons(bounds: usize) -> usize {
    // Places of a group are as many as its bounds and one.
    let steps = |places: usize| (usize::BITS - places.leading_zeros()) as usize;
    steps(bounds / GROUP) + steps(GROUP)
}
