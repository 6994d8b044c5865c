//! The interface as an app calls it, from Rust, against the edge in memory of the SDK's tests: what ends a flow, who has
//! the client, what an error is called. The same interface from Python, against a real installation: bindings/python/tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../../../../crates/sdk/tests/it/edge.rs"]
#[expect(dead_code, reason = "made for the SDK's tests, which use more of it")]
mod edge;
mod flows;
mod keys;
mod kit;
