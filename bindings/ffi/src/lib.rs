//! The client of an app, for Kotlin, Swift and Python: [`glacis_sdk`] through UniFFI.
//!
//! An app opens a [`Client`](surface::client::Client) on a folder, begins a [`Flow`](surface::flow::Flow), sends what it
//! hands out, gives back what came, and reads how it ended. It owns sockets, TLS and prompts; nothing here opens one, and
//! no thread waits for the app: a flow is a coroutine that stands still between two calls.
//!
//! Keys are in the folder, or with the platform through [`PlatformKeys`](surface::keys::PlatformKeys), which is not trusted
//! to return, nor to tell the truth (`glacis_dtx::foreign`).
//!
//! No unsafe code is written here, and the lint that forbids it holds as everywhere. What UniFFI's macros write is unsafe,
//! and is in [`surface`] alone: types and signatures that cross the border, with as little logic as can be. Reasons and
//! weight: docs/adr/0018-uniffi.md.

mod bridge;
mod convert;
mod coroutine;
mod lease;
mod remedy;
pub mod surface;

pub use surface::UniFfiTag;
