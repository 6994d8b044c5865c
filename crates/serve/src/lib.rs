//! A running installation: one config file in, the zones it names up, until it is told to stop.
//!
//! Puts control plane and gateway together for whoever operates them: keys and folders, listeners, health,
//! metrics, the local control socket. What a zone does is in its own crate; nothing here decides.

pub mod config;
pub mod keys;
