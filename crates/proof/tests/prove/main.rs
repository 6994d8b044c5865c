//! Integration tests of the proof: what is unchanged is proven, and what is planted is found.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly"
)]

mod drafts;
mod random;
/// The source of chance of the equality soak.
#[path = "../../../sim/src/rng.rs"]
#[expect(dead_code, reason = "shared with the soak, which uses all of it")]
mod rng;
mod shipped;
mod support;
