//! The simulator's own tests: its shop, its sockets, and the whole demo under check.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod equality;
mod inprocess;
mod shop;
