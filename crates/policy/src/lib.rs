//! The slice of a policy that one zone runs: loader and evaluator, no I/O, no clock, no randomness.
//!
//! A [`Slice`] comes from bytes ([`Slice::load`], total over any input) and is immutable. [`eval()`] runs it over
//! the [`Inputs`] of one event in a [`Scratch`] that was sized ahead, so that deciding allocates nothing,
//! recurses nowhere and cannot fail: whatever goes wrong *in* a condition is one of its four outcomes.
//! [`disclose()`] turns the same run on a device into the one thing that may leave it.
//!
//! The meaning is DESIGN §4.2; each module cites the clauses that it carries out:
//! [`tree`] what a slice holds · [`table`] patterns, zones and networks, made ahead · `plan` the index that decides most rules without looking at them · [`load`] what bytes are a slice · [`eval`](mod@eval) outcomes of conditions,
//! rules, combination and finality · [`disclose`](mod@disclose) what leaves a device.
//! `glacis_compiler::reference` says the same in its own words, and the two are compared over random policies.
#![no_std]

extern crate alloc;

pub mod disclose;
pub mod eval;
#[cfg(feature = "inspect")]
pub mod inspect;
pub mod load;
#[cfg(feature = "mutants")]
pub mod mutant;
#[cfg(not(feature = "mutants"))]
#[expect(unreachable_pub, reason = "public only with the feature `mutants`")]
mod mutant;
mod plan;
mod sort;
#[cfg(feature = "mutants")]
pub mod splice;
pub mod table;
pub mod tree;

pub use disclose::disclose;
pub use eval::{
    Close, Input, Inputs, Outcome, Reading, RuleState, Scratch, answer_of, eval, is_convertible, reading_of,
};
pub use load::{Fault, LoadError};
pub use plan::Indexing;
pub use table::{Automaton, Networks, Table, TimeZone};
pub use tree::binding::{Binding, Foreign, Owner};
pub use tree::{
    Call, Effect, Entry, Hidden, HiddenClosed, Node, Obligation, Obligations, Parts, Rule, ScoreClass, Slice,
    Slot, Source, TimePart,
};
