//! Loopback sockets of the demo: a keep-alive HTTP/1.1 client for each device, and a recorder for tests.
//!
//! The SDK's core owns no transport; this is the one that the fleet lends it. Every device binds a source address
//! of its own inside 127.0.0.0/8, so the edge's limits by address prefix see a fleet and not one host. Nothing
//! here reads a message's meaning, and nothing leaves loopback.

pub mod capture;
pub mod client;

pub use capture::{Capture, Frame, Link};
pub use client::{Loopback, TransportError};
