//! What crosses the border: types and signatures for UniFFI's macros, with as little else as can be.
//!
//! The macros write unsafe code for these: converters, and functions that C can look up. The compiler's lint is about code
//! that somebody wrote, so it stays forbidden here too; what is trusted is UniFFI (ADR 18).

pub mod client;
#[cfg(feature = "contract")]
pub mod contract;
pub mod error;
pub mod flow;
pub mod keys;
pub mod types;

uniffi::setup_scaffolding!("glacis");
