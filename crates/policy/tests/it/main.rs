//! Properties of the loader and the evaluator over random slices, through the public API alone.
//!
//! Cases come from a plain generator ([`generate`]) under a fixed seed and a fresh one that a failure prints;
//! `GLACIS_CASES` says how many.

mod calls;
mod disclosure;
mod generate;
mod loader;
mod models;
#[cfg(feature = "mutants")]
mod mutants;
#[cfg(feature = "mutants")]
mod plan;
mod properties;
