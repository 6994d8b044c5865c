//! Integration tests of proofs about policies: one module a promise.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail loudly"
)]

mod analysis;
mod differs;
mod explained;
mod mutants;
mod noticed;
mod states;
mod support;
