//! What can be known of a policy without an event: that its slices are the policy, what a change of it changes, which
//! of its rules never act, and what would have had to be different for another verdict.
//!
//! This crate is apart from `compiler` for the reason that `attest` is apart from `dtx`: who checks must not share the
//! faults of who made (docs/adr/0011). It reads the typed source tree and the bytes that are signed, and uses none
//! of the code that folds, cuts, lays out or indexes.
//!
//! Every answer is one of three: it holds, and why; it does not, and a witness that was replayed; or it could not be
//! told, and what stood in the way. Nothing is ever sampled and then called proven.
//!
//! This crate reads no clock, file, socket, environment or randomness, and uses no cryptography.

pub mod analyse;
pub mod bdd;
pub mod counterfactual;
pub mod diff;
mod effect;
mod encode;
pub mod event;
pub mod mutation;
pub mod outside;
pub mod prove;
pub mod run;
mod sat;
pub mod state;
