//! The plan of a slice against its arena: what rows of bits say of a rule is what its condition says.
//!
//! For each rule, and each slot that it reads or that has one of its bits, the slot's answers are cut into states
//! ([`class`], [`state`]): classes of values by the table's bounds and by the arena's own constants, missing, error,
//! unknown, and of aggregates all intervals. Over all combinations of states it is shown that the rows claim nothing that
//! the condition does not keep ([`diagram`]). Atoms that no class decides are free variables, so that what is proven holds
//! whatever they are.
//!
//! What the tables of text literals are found by (buckets, tags) is checked by the loader; which nodes a rule that is left
//! open has to compute follows from the arena when a slice is loaded, and is the engine's.

mod class;
mod diagram;
mod state;
mod test;

use super::arena::{self, Itself};
use super::term::{Op, TermId, Terms};
use super::{Place, Scene, Theorem, show};
use class::Classes;
use diagram::{Diagram, Ruled, Violation};
use glacis_policy::inspect::{RuleView, SlotView};
use glacis_policy::{Entry, Slice};
use glacis_wire::Zone;
use state::Seen;
use std::collections::BTreeMap;
use test::Test;

/// Adds every rule of which rows say something that its condition does not.
pub(super) fn check(scene: Scene<'_>, zone: Zone, equality: &mut Theorem) {
    let slice = scene.slice(zone);
    let mut terms = Terms::new(scene.policy);
    let nodes = arena::add(slice, &mut terms, scene.lookups, &Itself);
    let term = |root: u32| *nodes.get(usize::try_from(root).ok()?)?;
    let mut tests: BTreeMap<TermId, (u16, Test)> = BTreeMap::new();
    for root in slice.rules().iter().filter_map(|rule| term(rule.root)) {
        for atom in terms.atoms(root) {
            if let Some(test) = Test::of(&terms, atom).filter(|_| !tests.contains_key(&atom)) {
                tests.insert(atom, test);
            }
        }
    }
    let views = slice.slot_views();
    let slots = slice.slots().iter().zip(&views).zip(0..).map(|((slot, view), at)| {
        let own = tests.values().filter(|(slot, _)| *slot == at).map(|(_, test)| test);
        Classes::new(slice, slot.ty, view, &own.collect::<Vec<_>>())
    });
    let classes: Vec<Classes> = slots.collect();
    equality.checked.rows += classes.iter().map(|classes| classes.all.len() + FIXED_ROWS).sum::<usize>();
    let tables = Tables { scene, slice, terms: &terms, tests: &tests, views: &views, classes: &classes };
    for (rule, view) in slice.rules().iter().zip(slice.rule_views()) {
        let residue: Option<Vec<TermId>> = view.residue.iter().map(|node| term(*node)).collect();
        let at = Place::rule(zone, &rule.reason);
        match term(rule.root).zip(residue) {
            Some((root, residue)) => {
                let skips = rule.unknown.contains(&Entry::Skip);
                let lenient = rule.effect.is_lenient();
                tables.rule(at, &Ruled { view: &view, root, residue, skips, lenient }, equality);
            }
            None => equality.leave_open(at.open("its rows", "it reads what is no term".to_owned())),
        }
    }
}

/// Rows of a slot that no value names: used, present, missing, misused, several.
const FIXED_ROWS: usize = 5;

/// Terms from which on a rule is shown term by term, if it can be.
const WIDE: usize = 4;

struct Tables<'a> {
    scene: Scene<'a>,
    slice: &'a Slice,
    terms: &'a Terms<'a>,
    tests: &'a BTreeMap<TermId, (u16, Test)>,
    views: &'a [SlotView],
    classes: &'a [Classes],
}

impl Tables<'_> {
    fn rule(&self, at: Place<'_>, rule: &Ruled<'_>, equality: &mut Theorem) {
        if self.is_disjunction(rule, equality) {
            return;
        }
        match self.checked(rule, equality) {
            Ok(None) => {}
            Ok(Some(violation)) => self.refute(at, rule, &violation, equality),
            Err(limit) => equality.leave_open(at.open("its rows", limit)),
        }
    }

    /// What the rows claim of a rule and its condition does not keep.
    fn checked(&self, rule: &Ruled<'_>, equality: &mut Theorem) -> Result<Option<Violation>, String> {
        let mut slots = Vec::new();
        let tests = self.tests_of(rule.root);
        for slot in 0..self.classes.len() {
            let own: &[TermId] = tests.get(&slot).map_or(&[], Vec::as_slice);
            let Some(seen) = self.seen(slot, rule.view, own) else { continue };
            let Some(states) = seen.states(self.scene.limits.states_max) else {
                let name = &seen.slot.name;
                return Err(format!("more than {} states of `{name}`", self.scene.limits.states_max));
            };
            equality.checked.classes += states.len();
            slots.push((states, own.to_vec()));
        }
        let roots = [rule.root].into_iter().chain(rule.residue.iter().copied());
        let atoms: Vec<TermId> = roots.flat_map(|root| self.terms.atoms_met(root)).collect();
        let mut diagram = Diagram::new(self.terms, &atoms, slots, self.scene.limits.nodes_max);
        let found = diagram.check(rule);
        equality.checked.nodes += diagram.size();
        found.map_err(|error| error.to_string())
    }

    /// Whether the rule is shown term by term: its condition is a disjunction, and each operand is one term of its own.
    ///
    /// If every claim of the rows holds of each pair as of a rule with that one term and that operand for its condition,
    /// it holds of the whole. A term that holds makes its operand true, and so the disjunction; if all are dead, all
    /// operands are false; if none holds and some are left, those operands are open and the others false, with the causes
    /// of those that are left; and what holds of an event (nothing failed, one cause) holds of the part of it that a pair
    /// sees. Diagrams of a pair stay small where one of all terms would not. What is not shown so is shown as a whole.
    fn is_disjunction(&self, rule: &Ruled<'_>, equality: &mut Theorem) -> bool {
        let Some((Op::Or, operands)) = self.terms.connective(rule.root) else { return false };
        let count = usize::try_from(rule.view.trues.count_ones()).unwrap_or(0);
        let is_one_rail = rule.view.falses == 0 && rule.residue.is_empty();
        if !is_one_rail || operands.len() != count || count < WIDE {
            return false;
        }
        let mut left: Vec<TermId> = operands.to_vec();
        (0..u64::BITS).filter(|at| rule.view.trues >> at & 1 == 1).all(|at| {
            let view = RuleView { trues: 1 << at, rest: rule.view.rest & 1 << at, ..rule.view.clone() };
            let fits = |operand: &TermId| {
                let slots = (0..self.classes.len()).filter(|slot| self.touches(*slot, &view));
                slots.eq(self.tests_of(*operand).into_keys())
            };
            let shown = left.iter().position(|operand| {
                let pair = Ruled { view: &view, root: *operand, residue: Vec::new(), ..*rule };
                fits(operand) && matches!(self.checked(&pair, equality), Ok(None))
            });
            shown.map(|place| left.swap_remove(place)).is_some()
        })
    }

    /// Whether a slot has a bit of the terms of a rule.
    fn touches(&self, slot: usize, view: &RuleView) -> bool {
        let touched = self.classes.get(slot).and_then(|classes| classes.touched.get(view.word));
        touched.is_some_and(|word| word & (view.trues | view.falses) != 0)
    }

    /// The tests of a condition, by slot.
    fn tests_of(&self, root: TermId) -> BTreeMap<usize, Vec<TermId>> {
        let mut by_slot: BTreeMap<usize, Vec<TermId>> = BTreeMap::new();
        for atom in self.terms.atoms(root) {
            if let Some((slot, _)) = self.tests.get(&atom) {
                by_slot.entry(usize::from(*slot)).or_default().push(atom);
            }
        }
        by_slot
    }

    /// A slot, if the rule has a test or a bit of it.
    fn seen<'s>(&'s self, slot: usize, view: &RuleView, tests: &[TermId]) -> Option<Seen<'s>> {
        let classes = self.classes.get(slot)?;
        (self.touches(slot, view) || !tests.is_empty()).then_some(())?;
        Some(Seen {
            slice: self.slice,
            slot: self.slice.slots().get(slot)?,
            view: self.views.get(slot)?,
            classes,
            word: view.word,
            mask: view.trues | view.falses,
            tests: tests.iter().filter_map(|test| self.tests.get(test)).map(|(_, test)| test).collect(),
        })
    }

    fn refute(&self, at: Place<'_>, rule: &Ruled<'_>, violation: &Violation, equality: &mut Theorem) {
        let text = self.named(&show::text(self.terms, rule.root));
        let states = violation.states.join(", ");
        let subject = format!("its rows where {states}");
        let policy = format!("that `{text}` is not {} there", violation.wanted);
        equality.refute(at.reason(&subject, violation.claim.to_owned(), policy));
    }

    /// A text with the names of slots for their numbers.
    fn named(&self, text: &str) -> String {
        let slots = self.slice.slots().iter().enumerate().rev();
        slots
            .fold(text.to_owned(), |text, (at, slot)| text.replace(&format!("slot {at}"), slot.name.as_str()))
    }
}
