//! One rule: what its rows say of every combination of its slots' states, against what its arena says.
//!
//! Each slot is a number of a few variables, one value a state; an atom that no class decides has its own. The bits of the
//! rule's terms and the outcome of its condition are then functions of one set of variables, and each use that the engine
//! makes of a row is an implication between them. They are written down in [`Diagram::check`], in the order in which the
//! engine asks; each names the lines that it stands for.

use super::state::{Atom, Cause, State, States};
use crate::bdd::{Bdd, Function, TooLarge};
use crate::prove::rails::{Rails, rails};
use crate::prove::term::{TermId, Terms};
use glacis_policy::inspect::RuleView;
use std::collections::BTreeMap;

/// Slots that a reason names.
const NAMED_MAX: usize = 12;
/// The level of what has none yet.
const UNPLACED: u32 = u32::MAX - 1;

/// A rule, as its slice holds it.
pub(super) struct Ruled<'a> {
    pub(super) view: &'a RuleView,
    /// Its condition over slots.
    pub(super) root: TermId,
    /// The atoms that are computed where its terms leave it open.
    pub(super) residue: Vec<TermId>,
    /// Whether it closes as skip for some cause.
    pub(super) skips: bool,
    /// Whether it makes a verdict milder.
    pub(super) lenient: bool,
}

/// Where the rows and the arena differ.
pub(super) struct Violation {
    /// What the rows claim.
    pub(super) claim: &'static str,
    /// What the condition would have to be.
    pub(super) wanted: &'static str,
    /// A state of each slot for which that is so.
    pub(super) states: Vec<String>,
}

/// A slot with its states, encoded from a level on.
struct Slotted {
    states: Vec<(State, String)>,
    level: u32,
    bits: u32,
}

/// The functions of one rule.
pub(super) struct Diagram<'a> {
    bdd: Bdd,
    terms: &'a Terms<'a>,
    slots: Vec<Slotted>,
    /// For each test: its slot among `slots`, and its place among the slot's tests.
    tests: BTreeMap<TermId, (usize, usize)>,
    /// The next level that is free.
    level: u32,
    /// Variables of atoms that no class decides.
    free: BTreeMap<TermId, u32>,
}

/// The bits of one term.
#[derive(Clone, Copy)]
struct Bits {
    /// It is not dead.
    alive: Function,
    /// It is neither dead nor open.
    holds: Function,
    /// It waits for the generic cause, or for any.
    waits: Function,
    waits_any: Function,
}

/// What holds of an event as a whole.
struct Event {
    /// Nothing failed.
    sound: Function,
    /// No interval blurs a term.
    clear: Function,
    /// Every cause that the planes have is the generic one.
    this: Function,
    /// The planes do not have the generic cause.
    other: Function,
}

impl<'a> Diagram<'a> {
    /// The slots of a rule with their states and tests; `atoms` are those of its condition and of its residue, neighbours
    /// together, and give the order of variables.
    pub(super) fn new(
        terms: &'a Terms<'a>,
        atoms: &[TermId],
        slots: Vec<(States, Vec<TermId>)>,
        nodes_max: usize,
    ) -> Self {
        let mut diagram = Self {
            bdd: Bdd::new(nodes_max),
            terms,
            slots: Vec::new(),
            tests: BTreeMap::new(),
            level: 0,
            free: BTreeMap::new(),
        };
        for (at, (states, tests)) in slots.into_iter().enumerate() {
            let states: Vec<(State, String)> = states.into_iter().collect();
            let bits = usize::BITS - states.len().saturating_sub(1).leading_zeros();
            diagram.slots.push(Slotted { states, level: UNPLACED, bits });
            for (place, test) in tests.into_iter().enumerate() {
                diagram.tests.insert(test, (at, place));
            }
        }
        for atom in atoms {
            diagram.place(*atom);
        }
        for slot in diagram.slots.iter_mut().filter(|slot| slot.level == UNPLACED) {
            slot.level = diagram.level;
            diagram.level += slot.bits;
        }
        diagram
    }

    /// Gives an atom, or the slot of a test, the next variables.
    fn place(&mut self, atom: TermId) {
        match self.tests.get(&atom) {
            Some((at, place)) => {
                let Some(slot) = self.slots.get_mut(*at) else { return };
                if slot.level == UNPLACED {
                    slot.level = self.level;
                    self.level += slot.bits;
                }
                let either = |(state, _): &(State, String)| state.atoms.get(*place) == Some(&Atom::Either);
                if slot.states.iter().any(either) && !self.free.contains_key(&atom) {
                    self.free.insert(atom, self.level);
                    self.level += 1;
                }
            }
            None if self.free.contains_key(&atom) => {}
            None => {
                self.free.insert(atom, self.level);
                self.level += 2;
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        self.bdd.size()
    }

    /// The first claim of the rows that the arena does not keep.
    pub(super) fn check(&mut self, rule: &Ruled<'_>) -> Result<Option<Violation>, TooLarge> {
        let (trues, falses) = (self.all_bits(rule, rule.view.trues)?, self.all_bits(rule, rule.view.falses)?);
        let event = self.event()?;
        let any_true = self.any(trues.iter().map(|bits| bits.holds))?;
        let any_false = self.any(falses.iter().map(|bits| bits.holds))?;
        let alive = self.any(trues.iter().map(|bits| bits.alive))?;
        let not_true = self.bdd.not(any_true)?;
        // A rule is visited for a term of true that is not dead, or one of false that is neither dead nor holds.
        let mut visited = alive;
        for bits in &falses {
            let not_holding = self.bdd.not(bits.holds)?;
            let asks = self.bdd.and(bits.alive, not_holding)?;
            visited = self.bdd.or(visited, asks)?;
        }
        let unvisited = self.bdd.not(visited)?;
        if (any_true, any_false, visited) == (Function::FALSE, Function::FALSE, Function::TRUE)
            && claims_nothing(rule, &trues)
        {
            return Ok(None);
        }
        let arena = self.arena(rule.root)?;
        if let Some(found) = self.implies(any_true, arena.t, "that it is true", "true")? {
            return Ok(Some(found));
        }
        if let Some(found) = self.implies(unvisited, arena.f, "that it is false", "false")? {
            return Ok(Some(found));
        }
        let told_false = self.bdd.and(any_false, not_true)?;
        if let Some(found) = self.implies(told_false, arena.f, "that it is false", "false")? {
            return Ok(Some(found));
        }
        let not_false = self.bdd.not(any_false)?;
        let open = self.all([not_true, not_false, visited])?;
        let checks = [
            self.exact(rule, (open, &event), arena)?,
            self.direct(rule, (open, &trues), arena)?,
            self.residue(rule, (open, &event, &trues), arena)?,
            self.skipped(rule, (&event, &trues, not_true), arena)?,
        ];
        Ok(checks.into_iter().flatten().next())
    }

    /// `Planes::outcome`: an exact rule that is left open is unknown for the one cause of the event.
    fn exact(
        &mut self,
        rule: &Ruled<'_>,
        (open, event): (Function, &Event),
        arena: Rails,
    ) -> Result<Option<Violation>, TooLarge> {
        if !rule.view.exact {
            return Ok(None);
        }
        let clear = if rule.view.direct { Function::TRUE } else { event.clear };
        let told = self.all([open, event.sound, clear, event.this])?;
        let claim = "that it is unknown for the one cause of the event";
        if let Some(found) = self.implies(told, arena.u, claim, "unknown for that cause")? {
            return Ok(Some(found));
        }
        let told = self.all([open, event.sound, clear, event.other])?;
        let not_unknown = self.bdd.not(arena.u)?;
        self.implies(told, not_unknown, claim, "unknown for that cause alone")
    }

    /// `Planes::outcome`: a direct rule that is left open has the causes of its terms, and is an error without one.
    fn direct(
        &mut self,
        rule: &Ruled<'_>,
        (open, trues): (Function, &[Bits]),
        arena: Rails,
    ) -> Result<Option<Violation>, TooLarge> {
        if !rule.view.direct {
            return Ok(None);
        }
        let known = self.bdd.or(arena.t, arena.f)?;
        let not_known = self.bdd.not(known)?;
        if let Some(found) = self.implies(open, not_known, "that it is open", "open")? {
            return Ok(Some(found));
        }
        let causes = self.causes(trues)?;
        let differ = self.bdd.differ(causes, arena.u)?;
        let same = self.bdd.not(differ)?;
        self.implies(open, same, "the causes of its terms", "unknown for just these")
    }

    /// Whether the generic cause is one for which a term waits that is not dead.
    fn causes(&mut self, trues: &[Bits]) -> Result<Function, TooLarge> {
        let mut causes = Vec::with_capacity(trues.len());
        for bits in trues {
            causes.push(self.bdd.and(bits.alive, bits.waits)?);
        }
        self.any(causes)
    }

    /// `Planes::without_residue`: what the terms say, and the residue, are the condition together.
    fn residue(
        &mut self,
        rule: &Ruled<'_>,
        (open, event, trues): (Function, &Event, &[Bits]),
        arena: Rails,
    ) -> Result<Option<Violation>, TooLarge> {
        if rule.view.residue.is_empty() {
            return Ok(None);
        }
        let mut residue = Rails::of(true);
        for atom in &rule.residue {
            let atom = self.arena(*atom)?;
            residue = residue.and(&mut self.bdd, atom)?;
        }
        let base = self.all([open, event.sound, event.clear])?;
        let mut idle = Vec::with_capacity(trues.len());
        for bits in trues {
            let not_waiting = self.bdd.not(bits.waits_any)?;
            idle.push(self.bdd.and(bits.alive, not_waiting)?);
        }
        let told_true = self.any(idle)?;
        let not_told = self.bdd.not(told_true)?;
        let one = rule.view.falses == 0 && rule.view.trues.is_power_of_two();
        let unknown = |u: Function| Rails { t: Function::FALSE, f: Function::FALSE, u };
        // The causes of one term are told by the planes; else all of them have to be one cause, or none is told.
        let mut answers = vec![(told_true, Rails::of(true))];
        if one {
            answers.push((not_told, unknown(self.causes(trues)?)));
        } else {
            for (region, u) in [(event.this, Function::TRUE), (event.other, Function::FALSE)] {
                answers.push((self.bdd.and(not_told, region)?, unknown(u)));
            }
        }
        for (told, known) in answers {
            let told = self.bdd.and(base, told)?;
            let says = known.and(&mut self.bdd, residue)?;
            let differ = says.differ(&mut self.bdd, arena)?;
            let same = self.bdd.not(differ)?;
            let claim = "that it is its terms and its residue";
            if let Some(found) = self.implies(told, same, claim, "just that")? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// `Planes::skipped`: a rule that closes as skip for every cause of the event is not looked at where all its terms
    /// wait, or, if it is exact with two rails, where nothing failed.
    fn skipped(
        &mut self,
        rule: &Ruled<'_>,
        (event, trues, not_true): (&Event, &[Bits], Function),
        arena: Rails,
    ) -> Result<Option<Violation>, TooLarge> {
        let (one_rail, two_rails) = (rule.view.falses == 0, rule.view.exact && rule.view.falses != 0);
        if !(rule.skips || rule.lenient) || !(one_rail || two_rails) {
            return Ok(None);
        }
        let mut told = self.bdd.and(not_true, event.this)?;
        if one_rail {
            for bits in trues {
                let dead = self.bdd.not(bits.alive)?;
                let gone = self.bdd.or(dead, bits.waits_any)?;
                told = self.bdd.and(told, gone)?;
            }
        } else {
            told = self.bdd.and(told, event.sound)?;
        }
        let closes = if rule.lenient { self.bdd.not(arena.t)? } else { self.bdd.or(arena.f, arena.u)? };
        self.implies(told, closes, "that it closes as skip", "false or unknown")
    }

    /// The outcome of a condition over the states of its slots.
    fn arena(&mut self, root: TermId) -> Result<Rails, TooLarge> {
        let Self { bdd, terms, slots, tests, free, .. } = self;
        let mut atoms = |bdd: &mut Bdd, atom: TermId| {
            let own = free.get(&atom).copied();
            let Some((slot, place)) = tests.get(&atom).copied() else {
                // INVARIANT: whatever is asked here is an atom of the condition, and was placed.
                return Rails::free(bdd, own.unwrap_or(UNPLACED - 2));
            };
            let Some(slot) = slots.get(slot) else { return Ok(Rails::of(false)) };
            let value = own.map_or(Ok(Function::FALSE), |level| bdd.variable(level))?;
            let not_value = bdd.not(value)?;
            let mut leaf = |says: &dyn Fn(Atom, Cause) -> Function| {
                slot.tree(bdd, &|state| {
                    says(state.atoms.get(place).copied().unwrap_or(Atom::Open), state.cause)
                })
            };
            Ok(Rails {
                t: leaf(&|atom, _| match atom {
                    Atom::Either => value,
                    atom => Function::of(atom == Atom::True),
                })?,
                f: leaf(&|atom, _| match atom {
                    Atom::Either => not_value,
                    atom => Function::of(atom == Atom::False),
                })?,
                u: leaf(&|atom, cause| Function::of(atom == Atom::Open && cause == Cause::This))?,
            })
        };
        rails(terms, bdd, &mut BTreeMap::new(), &mut atoms, root)
    }

    /// The functions of each term among `mask`.
    fn all_bits(&mut self, rule: &Ruled<'_>, mask: u64) -> Result<Vec<Bits>, TooLarge> {
        let places = (0..u64::BITS).filter(|at| mask >> at & 1 == 1);
        places.map(|at| self.bits(at, rule.view.rest >> at & 1 == 1)).collect()
    }

    fn bits(&mut self, at: u32, rest: bool) -> Result<Bits, TooLarge> {
        let has = |word: u64| Function::of(word >> at & 1 == 1);
        let dead = self.any_slot(&|state| has(state.dead))?;
        let open = self.any_slot(&|state| has(state.open))?;
        let waits_any = self.any_slot(&|state| has(state.waits))?;
        let waits = self.any_slot(&|state| has(if state.cause == Cause::This { state.waits } else { 0 }))?;
        let pends = self.any([open, waits_any, Function::of(rest)])?;
        let (alive, settled) = (self.bdd.not(dead)?, self.bdd.not(pends)?);
        Ok(Bits { alive, holds: self.bdd.and(alive, settled)?, waits, waits_any })
    }

    fn event(&mut self) -> Result<Event, TooLarge> {
        let mut none = |has: &dyn Fn(&State) -> bool| {
            let found = self.any_slot(&|state| Function::of(has(state)))?;
            self.bdd.not(found)
        };
        Ok(Event {
            sound: none(&|state| state.fails)?,
            clear: none(&|state| state.blurs != 0)?,
            this: none(&|state| state.tells && state.cause == Cause::Other)?,
            other: none(&|state| state.tells && state.cause == Cause::This)?,
        })
    }

    /// Whether some slot is in a state that has something.
    fn any_slot(&mut self, has: &dyn Fn(&State) -> Function) -> Result<Function, TooLarge> {
        let Self { bdd, slots, .. } = self;
        let mut any = Function::FALSE;
        for slot in slots.iter() {
            let here = slot.tree(bdd, has)?;
            any = bdd.or(any, here)?;
        }
        Ok(any)
    }

    fn any(&mut self, all: impl IntoIterator<Item = Function>) -> Result<Function, TooLarge> {
        all.into_iter().try_fold(Function::FALSE, |any, one| self.bdd.or(any, one))
    }

    fn all(&mut self, all: impl IntoIterator<Item = Function>) -> Result<Function, TooLarge> {
        all.into_iter().try_fold(Function::TRUE, |all, one| self.bdd.and(all, one))
    }

    /// An example of where `told` holds and `says` does not.
    fn implies(
        &mut self,
        told: Function,
        says: Function,
        claim: &'static str,
        wanted: &'static str,
    ) -> Result<Option<Violation>, TooLarge> {
        let not_said = self.bdd.not(says)?;
        let wrong = self.bdd.and(told, not_said)?;
        let Some(path) = self.bdd.example(wrong) else { return Ok(None) };
        let holds = |level: u32| path.iter().any(|(known, value)| *known == level && *value);
        // A slot that the path does not ask may be anything.
        let asked = |slot: &&Slotted| {
            let own = slot.level..slot.level + slot.bits;
            path.iter().any(|(level, _)| own.contains(level))
        };
        let named = self.slots.iter().filter(asked).filter_map(|slot| slot.at(&holds));
        let states = named.take(NAMED_MAX).map(str::to_owned).collect();
        Ok(Some(Violation { claim, wanted, states }))
    }
}

/// Whether a rule that rows never decide is computed whole: it has no flag, no residue, and a term that neither dies nor
/// waits, so that it is never skipped. Its condition may then be larger than any diagram.
fn claims_nothing(rule: &Ruled<'_>, trues: &[Bits]) -> bool {
    let stays = |bits: &Bits| (bits.alive, bits.waits_any) == (Function::TRUE, Function::FALSE);
    !rule.view.exact && !rule.view.direct && rule.view.residue.is_empty() && trues.iter().any(stays)
}

impl Slotted {
    /// The function that is `leaf` of the state that the slot is in.
    fn tree(&self, bdd: &mut Bdd, leaf: &dyn Fn(&State) -> Function) -> Result<Function, TooLarge> {
        let mut row: Vec<Function> = self.states.iter().map(|(state, _)| leaf(state)).collect();
        // From the last variable to the first: pairs of neighbours become one.
        for level in (self.level..self.level + self.bits).rev() {
            let variable = bdd.variable(level)?;
            let mut above = Vec::with_capacity(row.len().div_ceil(2));
            for pair in row.chunks(2) {
                match pair {
                    [no, yes] => above.push(bdd.choose(variable, *yes, *no)?),
                    // Numbers without a state are the last one.
                    rest => above.extend(rest),
                }
            }
            row = above;
        }
        Ok(row.first().copied().unwrap_or(Function::FALSE))
    }

    /// A value of the state that the variables name.
    fn at(&self, holds: &dyn Fn(u32) -> bool) -> Option<&str> {
        let number = (self.level..self.level + self.bits)
            .fold(0_usize, |number, level| 2 * number + usize::from(holds(level)));
        let at = number.min(self.states.len().saturating_sub(1));
        self.states.get(at).map(|(_, label)| label.as_str())
    }
}
