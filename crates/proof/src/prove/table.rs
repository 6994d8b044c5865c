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
use super::term::{TermId, Terms};
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
        let mut slots = Vec::new();
        let tests = self.tests_of(rule.root);
        for slot in 0..self.classes.len() {
            let own: &[TermId] = tests.get(&slot).map_or(&[], Vec::as_slice);
            let Some(seen) = self.seen(slot, rule.view, own) else { continue };
            let Some(states) = seen.states(self.scene.limits.states_max) else {
                let what = format!("its rows over `{}`", seen.slot.name);
                let limit = format!("more than {} states of the slot", self.scene.limits.states_max);
                return equality.leave_open(at.open(&what, limit));
            };
            equality.checked.classes += states.len();
            slots.push((states, own.to_vec()));
        }
        let mut diagram = Diagram::new(self.terms, slots, self.scene.limits.nodes_max);
        let found = diagram.check(rule);
        equality.checked.nodes += diagram.size();
        match found {
            Ok(None) => {}
            Ok(Some(violation)) => self.refute(at, rule, &violation, equality),
            Err(error) => equality.leave_open(at.open("its rows", error.to_string())),
        }
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
        let mask = view.trues | view.falses;
        let touched = classes.touched.get(view.word).is_some_and(|word| word & mask != 0);
        (touched || !tests.is_empty()).then_some(())?;
        Some(Seen {
            slice: self.slice,
            slot: self.slice.slots().get(slot)?,
            view: self.views.get(slot)?,
            classes,
            word: view.word,
            mask,
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
