//! The simulator's own tests: its shop, its sockets, and the whole demo under check.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../../../../tests/support/authenticator.rs"]
mod authenticator;
mod capture;
mod chains;
mod demo;
mod equality;
mod inprocess;
mod passkey;
mod phones;
mod reattest;
mod revocation;
mod shop;
#[path = "../../../../tests/support/swtpm.rs"]
mod swtpm;
mod tpm;
mod tpm_enrol;
mod traffic;
