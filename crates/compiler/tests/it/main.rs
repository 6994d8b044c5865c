//! Integration tests of the compiler: one module a promise.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly"
)]

mod diagnostics;
mod format;
mod leaks;
mod meaning;
mod models;
mod pages;
mod policies;
mod releases;
mod robust;
mod searches;
mod support;
