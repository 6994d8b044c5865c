//! Tests of the app zone from outside: sensors against real tools, flows against an edge made from `seal`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod child;
mod device;
mod edge;
mod flows;
mod kept;
mod outbound;
mod rig;
mod searches;
mod sensors;
