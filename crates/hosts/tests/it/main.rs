//! That every host decides as the built-in gateway does, tested through the proxies themselves.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where something is not as it should be"
)]

mod conformance;
#[expect(dead_code, reason = "the edge's tests use the rest of it")]
#[path = "../../../edge/tests/it/device.rs"]
mod device;
#[path = "../../examples/axum.rs"]
mod example;
mod fronts;
mod hosts;
mod service;
#[expect(dead_code, reason = "the edge's tests use the rest of it")]
#[path = "../../../edge/tests/it/world.rs"]
mod world;
