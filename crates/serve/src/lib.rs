//! A running installation: one config file in, the zones it names up, until it is told to stop.
//!
//! Puts control plane and gateway together for whoever operates them: keys and folders, listeners, health,
//! metrics, the local control socket. What a zone does is in its own crate; nothing here decides.

mod backup;
pub mod collateral;
pub mod config;
mod control;
mod edge_api;
pub mod enrolment;
mod error;
mod health;
pub mod installation;
pub mod keys;
mod listen;
mod metrics;
pub mod protect;
pub mod release;
mod reload;
mod run;
mod surface;
mod watchdog;
mod zones;

pub use backup::{Restored, restore};
pub use config::{LogFormat, Role, ServeConfig};
pub use error::{ServeError, ServeErrorKind};
pub use glacis_hosts::HostKind;
pub use installation::Installation;
pub use run::{Ended, Opened, Up};
