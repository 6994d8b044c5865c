//! What a gateway promises, tested against its pure core and over real sockets.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where something is not as it should be"
)]

mod answers;
mod attack;
mod clients;
mod cloud;
mod crash;
mod decisions;
mod device;
mod flood;
#[path = "../../../attest/tests/it/forge.rs"]
mod forge;
mod frames;
mod full_disk;
mod gateway;
mod golden;
mod http2;
mod links;
mod modes;
mod offline;
mod operate;
mod passage;
#[path = "../../../attest/tests/it/phone.rs"]
mod phone;
mod refusals;
mod reload;
mod replay;
mod rfc9113;
mod service;
mod sessions;
mod tls;
#[path = "../../../../tests/support/tmpfs.rs"]
mod tmpfs;
mod world;
