//! Attackers and harmless hosts for the sensors of the app zone: real tools against a real process.
//!
//! One program is the app ([`app`]): it calls a guarded function all the time, watches itself with every sensor and
//! says each change of a reading as a line of JSON. [`adversary`] attacks it with the tools that attackers use and
//! measures which sensors saw it and when. [`benign`] puts the same sensors into hosts that look odd and are harmless
//! (just-in-time compilers, sanitizers, namespaces, little memory), where nothing may be detected; hosts that are not
//! ours load this crate as a shared library ([`exports`]).
//!
//! Nothing here belongs to the product, and no crate of it may depend on this one.

pub mod adversary;
pub mod app;
pub mod benign;
pub mod exports;
pub mod kit;
pub mod line;
pub mod process;
pub mod watch;
