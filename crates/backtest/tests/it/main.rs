//! Backtests as a caller sees them: whole files in, reports out.
//!
//! Every file is one of the corpus or made by the test; nothing here looks into the crate.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod corpus;
mod files;
mod generate;
mod hostile;
mod load;
mod peeking;
mod reference;
mod support;
