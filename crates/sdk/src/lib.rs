//! The app zone: sensors, the device slice, signed requests and verified answers; sans-I/O.
//!
//! Each arrow is a type, so no step can be skipped: [`SignalSet`] → [`DeviceSlice::judge`] → `Disclosed` →
//! `glacis_dtx::SignedRequest` → response → [`Outcome`]. A [`Client`] holds what lasts between actions; a
//! [`flow`] is one thing that it does; [`drive`](mod@drive) is the loop around a flow for whoever has a blocking
//! transport. Threats, defaults and how-to: [`manual`].
//!
//! What must not happen here: no socket is opened, no clock or randomness is asked except through the middleware's
//! host, no private value is encoded, and nothing unverified becomes an allow.

pub mod chip;
pub mod client;
pub mod drive;
pub mod flow;
pub mod line;
pub mod manual;
mod meter;
#[cfg(feature = "observe")]
pub mod observe;
pub mod outcome;
mod problem;
pub mod sensor;
pub mod signal;
pub mod slice;

pub use client::{Client, ClientParts, DEVICE_FINAL_TTL};
pub use flow::act::Action;
pub use flow::{Flow, Prompt, Step};
pub use outcome::{Answered, FlowError, FlowErrorKind, Outcome};
pub use signal::{Sensors, SignalSet, SignalSource};
pub use slice::{DeviceSlice, Judged, Local};
