//! From an assignment with values that are not listed to an event, where such values can be put together.
//!
//! The search may choose "some other value" of a signal and say what its atoms come to there. This tries to make a value
//! of which they come to that, by the reference interpreter's word; whether the event then shows anything is for a
//! replay to say. Where none can be made, the same choice is set aside, and only for searches that ask to.

use super::{Encoder, Field, Out, Rails, Slot};
use crate::sat::Lit;
use crate::state::{Atom, fit};
use glacis_compiler::reference::{Snapshot, evaluate};
use glacis_wire::{Answer, Given, SignalName};
use std::collections::BTreeMap;

impl Encoder<'_> {
    /// The event that the last search found, values put together where they are not listed.
    pub(crate) fn realised(&self) -> Option<Snapshot> {
        let mut snapshot = Snapshot::default();
        for (name, field) in &self.fields {
            let slot = self.slot(field)?;
            let given = if slot.is_twin { self.fitting(name, slot)? } else { slot.given.clone() };
            snapshot.answers.insert(name.clone(), given);
        }
        Some(snapshot)
    }

    fn slot<'f>(&self, field: &'f Field) -> Option<&'f Slot> {
        field.slots.get(field.choice.chosen(&self.sat))
    }

    /// The atoms that read one signal and nothing else, by policy.
    fn reading<'e>(&'e self, name: &'e SignalName) -> impl Iterator<Item = (usize, &'e Atom<'e>)> {
        let all = self.atoms.iter().enumerate();
        let all = all.flat_map(|(side, atoms)| atoms.values().map(move |atom| (side, atom)));
        all.filter(move |(_, atom)| atom.signals.len() == 1 && atom.signals.contains(name))
    }

    /// An answer of which every atom says what the last assignment has it say.
    fn fitting(&self, name: &SignalName, slot: &Slot) -> Option<Given> {
        let Answer::Value(base) = &slot.given.answer else { return None };
        let subject = self.subjects.iter().find(|subject| subject.checked.signals().contains_key(name))?;
        let signal = subject.checked.signals().get(name)?;
        let said: Vec<_> = self
            .reading(name)
            .filter_map(|(side, atom)| {
                let [given, _] = self.rails.get(&(side, atom.text.clone()))?;
                Some((side, atom, self.sat.holds(given.yes)))
            })
            .collect();
        let wanted: Vec<_> = said.iter().map(|(_, atom, holds)| (atom.expr, *holds)).collect();
        let values = fit::values(subject.checked, signal, &wanted, base).into_iter();
        let answers = values.map(|value| Given { answer: Answer::Value(value), trust: slot.given.trust });
        answers.into_iter().find(|given| {
            let snapshot = Snapshot { answers: BTreeMap::from([(name.clone(), given.clone())]) };
            said.iter().all(|(side, atom, holds)| {
                let out = self.subjects.get(*side).map(|subject| {
                    Out::of(&evaluate(subject.checked, atom.expr, &snapshot, false, self.world.outage))
                });
                (out == Some(Out::Yes)) == *holds
            })
        })
    }

    /// Sets the values aside that the last search guessed and could not make, for searches that assume `aside`.
    pub(crate) fn set_aside(&mut self, aside: Lit) {
        let mut clause = vec![!aside];
        for (name, field) in &self.fields {
            let chosen = field.choice.chosen(&self.sat);
            if !field.slots.get(chosen).is_some_and(|slot| slot.is_twin) {
                continue;
            }
            clause.extend(field.choice.at(&self.sat, chosen).map(|literal| !literal));
            for (side, atom) in self.reading(name).filter(|(_, atom)| !atom.is_exact) {
                if let Some([given, _]) = self.rails.get(&(side, atom.text.clone())) {
                    clause.push(if self.sat.holds(given.yes) { !given.yes } else { given.yes });
                }
            }
        }
        for wide in &self.wide {
            let [Rails { yes, .. }, _] = wide.rails;
            clause.push(if self.sat.holds(yes) { !yes } else { yes });
        }
        self.sat.clause(&clause);
    }
}
