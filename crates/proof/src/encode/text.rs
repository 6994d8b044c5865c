//! What follows from one part of a text for another: who contains `bb` contains `b`, and no text has two endings.
//!
//! Atoms over values that are not listed are free, and these clauses take back some of that freedom. Each holds of every
//! text, whatever the policies; they only make proofs possible, and no event is lost by them.

use super::Encoder;
use crate::state::constant;
use glacis_compiler::checked::{Expr, ExprKind};
use glacis_wire::{SignalName, Value};

/// A part that a text has at some place.
struct Part {
    side: usize,
    atom: String,
    signal: SignalName,
    place: Place,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Anywhere,
    End,
}

impl Part {
    /// Whether a text that has this part has the other.
    fn implies(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (_, Place::Anywhere) => self.text.contains(&other.text),
            (Place::End, Place::End) => self.text.ends_with(&other.text),
            (Place::Start, Place::Start) => self.text.starts_with(&other.text),
            _ => false,
        }
    }

    /// Whether no text has both.
    fn excludes(&self, other: &Self) -> bool {
        let both_end = self.place == Place::End && other.place == Place::End;
        both_end && !self.text.ends_with(&other.text) && !other.text.ends_with(&self.text)
    }
}

impl Encoder<'_> {
    /// Adds what follows from parts of texts, pair by pair.
    pub(super) fn relate_texts(&mut self) {
        let parts = self.parts();
        for (at, one) in parts.iter().enumerate() {
            let others =
                parts.iter().enumerate().filter(|(other, part)| *other != at && part.signal == one.signal);
            for (_, other) in others.filter(|(_, other)| one.implies(other) || one.excludes(other)) {
                self.relate(one, other);
            }
        }
    }

    fn relate(&mut self, one: &Part, other: &Part) {
        let rails = |part: &Part| self.rails.get(&(part.side, part.atom.clone())).copied();
        let (Some(one_says), Some(other_says)) = (rails(one), rails(other)) else { return };
        for (first, second) in one_says.into_iter().zip(other_says) {
            let follows = if one.implies(other) { second.yes } else { !second.yes };
            self.sat.clause(&[!first.yes, follows]);
        }
    }

    /// The parts that atoms over one signal ask for; where policies mean something else by it, none.
    fn parts(&self) -> Vec<Part> {
        let mut found = Vec::new();
        for (side, atoms) in self.atoms.iter().enumerate() {
            let Some(policy) = self.subjects.get(side).map(|subject| subject.checked) else { continue };
            for atom in atoms.values().filter(|atom| self.is_shared(atom)) {
                let (place, of, text) = match &atom.expr.kind {
                    ExprKind::StartsWith(of, text) => (Place::Start, of, text),
                    ExprKind::Contains(of, text) => (Place::Anywhere, of, text),
                    ExprKind::EndsWith(of, text) => (Place::End, of, text),
                    _ => continue,
                };
                let (Some(signal), Some(Value::String(text))) = (signal(of), constant(policy, text)) else {
                    continue;
                };
                found.push(Part { side, atom: atom.text.clone(), signal, place, text });
            }
        }
        // LIMIT: pairs grow with the square of parts; of more, the first are related.
        found.truncate(PARTS_MAX);
        found
    }
}

fn signal(expr: &Expr) -> Option<SignalName> {
    match &expr.kind {
        ExprKind::Signal(name) => Some(name.clone()),
        _ => None,
    }
}

/// LIMIT: parts of texts that are related with each other.
const PARTS_MAX: usize = 400;
