//! Integration tests of the proof: what is unchanged is proven, and what is planted is found.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly"
)]

mod arenas;
mod drafts;
mod limits;
mod mutated;
mod planted;
mod random;
mod ranges;
mod rich;
/// The source of chance of the equality soak.
#[path = "../../../sim/src/rng.rs"]
#[expect(unreachable_pub, reason = "shared with the soak, where it is public")]
mod rng;
mod searches;
mod shipped;
mod support;
mod tables;
