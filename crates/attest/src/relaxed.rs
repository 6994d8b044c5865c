//! Which relaxations an appraisal may use, and which it did.
//!
//! The one place where a failed check becomes a note: whoever lets something pass goes through [`Relaxed::use_up`], so
//! nothing passes without being allowed by name and recorded.

use crate::appraisal::{AttestError, Reason};
use crate::code::Code;
use crate::question::{Question, Relaxation};
use std::collections::BTreeSet;

/// Relaxations that may be used, and those that were.
#[derive(Debug)]
pub(crate) struct Relaxed<'a> {
    allowed: &'a BTreeSet<Relaxation>,
    pub(crate) used: Vec<Relaxation>,
}

impl<'a> Relaxed<'a> {
    pub(crate) fn new(question: &Question<'a>) -> Self {
        Self { allowed: &question.constraints.allow, used: Vec::new() }
    }

    /// For functions that ask for less than a whole question.
    #[cfg(feature = "tpm")]
    pub(crate) const fn of(allowed: &'a BTreeSet<Relaxation>) -> Self {
        Self { allowed, used: Vec::new() }
    }

    pub(crate) fn may(&self, relaxation: Relaxation) -> bool {
        self.allowed.contains(&relaxation)
    }

    /// A finding for each that was used.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = Reason> {
        self.used.iter().map(|relaxation| Reason::new(Code::Relaxed, relaxation.name()))
    }

    /// Uses a relaxation, or refuses with the code of the check.
    pub(crate) fn use_up(&mut self, relaxation: Relaxation, otherwise: Code) -> Result<(), AttestError> {
        if !self.may(relaxation) {
            return Err(otherwise.into());
        }
        if !self.used.contains(&relaxation) {
            self.used.push(relaxation);
        }
        Ok(())
    }
}
