//! Clock, entropy and files as traits, with the one implementation that asks the operating system.
//!
//! Everything else in the workspace takes a [`Host`] (or [`Files`]) and so can be replayed: a simulation
//! passes a [`SeededHost`], a test [`MemoryFiles`]. Clippy bans the underlying calls outside this crate.
//! For sensors, which have to doubt the process that they are in, there is a second way to the system: [`kernel`],
//! [`TwoClocks`] and [`Bell`] ask it without the C library. Nothing here decides, caches or retries anything.

mod bell;
pub mod clock;
pub mod entropy;
mod environment;
pub mod files;
#[cfg(unix)]
pub mod kernel;
mod port;
mod seeded;
mod skew;
mod system;
pub mod tpm;

pub use bell::Bell;
pub use clock::Clock;
pub use entropy::{Entropy, EntropyError};
pub use environment::variable;
pub use files::{Append, DirFiles, FileError, FileErrorKind, Files, MemoryFiles};
pub use port::PortHolder;
pub use seeded::SeededHost;
pub use skew::{ClockSkew, TwoClocks};
pub use system::SystemHost;
#[cfg(target_os = "linux")]
pub use tpm::TpmDevice;
pub use tpm::{TpmLink, TpmLinkError, TpmLinkErrorKind, TpmSocket};

/// What a component may ask of the world besides its arguments.
pub trait Host: Clock + Entropy {}

impl<T: Clock + Entropy + ?Sized> Host for T {}
