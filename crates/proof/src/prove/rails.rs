//! The outcome of a condition as three functions: where it is true, where it is false, where it is unknown for a cause.
//!
//! A condition has four outcomes, and an unknown one a set of causes. One *generic* cause is enough: with `t`, `f` and
//! `u` (unknown, the generic cause among its causes),
//!
//! - `u(a && b) = (u(a) | u(b)) & !f(a && b)`, and the same of `||` with `t`;
//! - `u(c ? a : b) = u(c) | t(c) & u(a) | f(c) & u(b)`;
//!
//! so whether a cause is among the causes of a condition depends on the same cause of its atoms and on `t` and `f` alone,
//! by the same function for every cause. Two conditions whose three functions are equal therefore have equal outcomes with
//! equal sets of causes, whatever the atoms are; an outcome that is none of the three for every cause is an error.
//!
//! An atom has four states: true, false, unknown for the generic cause, and anything else. Atoms are independent, which
//! is the definition of equality here (DESIGN §4.2) and more than any event can show.

use super::term::{Op, TermId, Terms};
use crate::bdd::{Bdd, Function, TooLarge};
use std::collections::BTreeMap;

/// Where a condition is true, false, unknown for the generic cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rails {
    pub(super) t: Function,
    pub(super) f: Function,
    pub(super) u: Function,
}

impl Rails {
    /// A literal.
    pub(super) const fn of(value: bool) -> Self {
        Self { t: Function::of(value), f: Function::of(!value), u: Function::FALSE }
    }

    /// An atom of its own two variables.
    pub(super) fn free(bdd: &mut Bdd, level: u32) -> Result<Self, TooLarge> {
        let (known, value) = (bdd.variable(level)?, bdd.variable(level + 1)?);
        let (not_known, not_value) = (bdd.not(known)?, bdd.not(value)?);
        Ok(Self { t: bdd.and(known, value)?, f: bdd.and(known, not_value)?, u: bdd.and(not_known, value)? })
    }

    pub(super) const fn not(self) -> Self {
        Self { t: self.f, f: self.t, u: self.u }
    }

    pub(super) fn and(self, bdd: &mut Bdd, other: Self) -> Result<Self, TooLarge> {
        let t = bdd.and(self.t, other.t)?;
        let f = bdd.or(self.f, other.f)?;
        let (open, not_false) = (bdd.or(self.u, other.u)?, bdd.not(f)?);
        Ok(Self { t, f, u: bdd.and(open, not_false)? })
    }

    pub(super) fn choose(self, bdd: &mut Bdd, yes: Self, no: Self) -> Result<Self, TooLarge> {
        let mut taken = |yes, no| {
            let (yes, no) = (bdd.and(self.t, yes)?, bdd.and(self.f, no)?);
            bdd.or(yes, no)
        };
        let (t, f, branches) = (taken(yes.t, no.t)?, taken(yes.f, no.f)?, taken(yes.u, no.u)?);
        Ok(Self { t, f, u: bdd.or(self.u, branches)? })
    }

    /// Where the two differ, in the first of their functions that does.
    pub(super) fn differ(self, bdd: &mut Bdd, other: Self) -> Result<Function, TooLarge> {
        let (t, f) = (bdd.differ(self.t, other.t)?, bdd.differ(self.f, other.f)?);
        let u = bdd.differ(self.u, other.u)?;
        let known = bdd.or(t, f)?;
        bdd.or(known, u)
    }
}

/// What atoms are.
pub(super) type Atoms<'a> = dyn FnMut(&mut Bdd, TermId) -> Result<Rails, TooLarge> + 'a;

/// The outcome of a condition over its atoms. Recurses as deep as its normal form, which the loader limits.
pub(super) fn rails(
    terms: &Terms<'_>,
    bdd: &mut Bdd,
    seen: &mut BTreeMap<TermId, Rails>,
    atoms: &mut Atoms<'_>,
    at: TermId,
) -> Result<Rails, TooLarge> {
    if let Some(known) = seen.get(&at) {
        return Ok(*known);
    }
    let found = match terms.connective(at) {
        Some((Op::If, [condition, yes, no])) => {
            let condition = rails(terms, bdd, seen, atoms, *condition)?;
            let yes = rails(terms, bdd, seen, atoms, *yes)?;
            let no = rails(terms, bdd, seen, atoms, *no)?;
            condition.choose(bdd, yes, no)?
        }
        Some((Op::Not, [a])) => rails(terms, bdd, seen, atoms, *a)?.not(),
        Some((op @ (Op::And | Op::Or), operands)) => {
            let mut all = Rails::of(true);
            for operand in operands {
                let operand = rails(terms, bdd, seen, atoms, *operand)?;
                // `a || b` is `!(!a && !b)` in all four outcomes.
                all = all.and(bdd, if op == Op::And { operand } else { operand.not() })?;
            }
            if op == Op::And { all } else { all.not() }
        }
        _ => match terms.truth(at) {
            Some(value) => Rails::of(value),
            None => atoms(bdd, at)?,
        },
    };
    seen.insert(at, found);
    Ok(found)
}
