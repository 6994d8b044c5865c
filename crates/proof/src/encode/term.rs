//! Terms that several atoms compare with constants: one value for all of them.
//!
//! An atom over values that are not listed is free. If it compares a sum, a size or the like with constants, it is free
//! only as far as the term is: `a + b > 10` and `a + b >= 11` hold together, whatever `a` and `b` are.

use super::{Encoder, can_fail};
use crate::sat::{Choice, Lit};
use crate::state::{Atom, term};
use glacis_wire::Value;

/// One term: its classes, the one it is in, and whether it fails.
pub(super) struct Term {
    values: Vec<Value>,
    choice: Choice,
    error: Lit,
}

impl<'a> Encoder<'a> {
    /// Where a free atom holds, and where it fails, if it compares a term with constants.
    ///
    /// `owner`: atoms with the same owner and text mean the same.
    pub(super) fn compared(&mut self, side: usize, owner: usize, atom: &Atom<'a>) -> Option<[Lit; 2]> {
        let policy = self.subjects.get(side)?.checked;
        let (own, _) = term::of(policy, atom.expr)?;
        let key = (owner, own.to_string());
        if !self.terms.contains_key(&key) {
            let mut constants = Vec::new();
            for other in self.atoms.iter().flat_map(|atoms| atoms.values()) {
                let compared = term::of(policy, other.expr).filter(|(term, _)| term.to_string() == key.1);
                constants.extend(compared.into_iter().flat_map(|(_, constants)| constants));
            }
            let values = term::values(policy, own, &constants);
            let choice = Choice::new(&mut self.sat, values.len());
            let error = if can_fail(own) { self.sat.variable() } else { self.sat.of(false) };
            self.terms.insert(key.clone(), Term { values, choice, error });
        }
        let found = self.terms.get(&key)?;
        let holds =
            |at: usize| found.values.get(at).is_some_and(|value| term::holds(policy, atom.expr, own, value));
        let yes = found.choice.among(&mut self.sat, holds);
        Some([yes, found.error])
    }
}
