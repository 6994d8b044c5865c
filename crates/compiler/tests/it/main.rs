//! Integration tests of the compiler: one module a promise.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail loudly")]

mod policies;
mod support;
