//! The sensors of Linux, and so of Android: one file each, what they share, and the suite that runs them.
//!
//! All that they read is the kernel's, of their own process. `scene` is what they see it through, `maps`, `modules`,
//! `elf`, `scope` and `auxv` are how it is understood, `symptom` is what each of them is to the suite.

mod auxv;
mod breakpoint;
mod clock_skew;
mod code_maps;
mod descriptors;
mod elf;
mod emulator;
mod libc_prologue;
mod maps;
mod modules;
mod peer_key;
mod preload;
pub mod prologue;
mod proxy;
mod scene;
mod scope;
mod state;
pub mod suite;
mod symbol_owner;
mod symptom;
mod text_pages;
mod threads;
mod time_namespace;
pub mod tracer;
mod uprobes;

pub use peer_key::Pins;
pub use prologue::{Guarded, Prologue};
pub use state::{GuardedState, StateError};
pub use suite::{Detection, HostProfile, Preload, SensorUsage, Suite, SuiteConfig, SuiteUsage};
pub use tracer::Tracer;

use super::{Confidence, Reading, Reason, Sensor, SensorId, State, mute, watch};
