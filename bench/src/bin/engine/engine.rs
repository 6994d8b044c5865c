//! What every engine and reference line is measured through.
//!
//! A decision begins with the raw typed values of an event: building a context, looking strings up and collecting
//! the rules that matched are all part of it.

use crate::Outcome;
use crate::workload::Event;

/// An engine with its rules compiled ahead.
pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// Appends the number of every rule that matches, in any order. `hits` is empty.
    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()>;
}

/// How an engine is made from rules.
pub(crate) type Build = fn(&[crate::workload::Condition]) -> Outcome<Box<dyn Engine>>;
