//! Models through the public API alone: against a naive walker, against the libraries they come from, against bytes
//! that are none.
//!
//! Cases come from a plain generator ([`generate`]) under a fixed seed and a fresh one that a failure prints;
//! `GLACIS_CASES` says how many.

mod exact;
mod generate;
mod hostile;
mod intervals;
mod libraries;
mod loader;
mod naive;
