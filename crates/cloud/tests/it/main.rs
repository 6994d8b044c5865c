//! The cloud from outside: domain calls, faults of the disk and of the process, the HTTP surfaces.
//!
//! Every module states properties; `world` builds a demo tenant with real keys, real policies and real evidence.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod activation;
mod api;
mod attack;
mod audit;
#[path = "../../../../tests/support/authenticator.rs"]
mod authenticator;
mod backup;
mod collateral;
mod console;
mod crash;
mod decide;
mod eio;
mod enrol;
#[path = "../../../attest/tests/it/forge.rs"]
mod forge;
mod full_disk;
mod hardware;
mod http;
mod lineage;
mod lists;
mod otp;
mod partner;
mod passkey;
#[path = "../../../attest/tests/it/phone.rs"]
mod phone;
mod policy;
mod report;
mod retention;
mod schemathesis;
#[path = "../../../../tests/support/tmpfs.rs"]
mod tmpfs;
mod upgrade;
mod verdicts;
mod webhook;
mod world;
