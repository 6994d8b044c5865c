//! The app zone: sensors, the device slice, signed requests; sans-I/O.
//!
//! [`sensor`] observes, [`signal`] holds what was observed in the clear, [`slice`](mod@slice) turns it into the one
//! thing that may leave. The owner of the sockets is the app; no module here opens one.

pub mod sensor;
pub mod signal;
pub mod slice;

pub use signal::{Sensors, SignalSet, SignalSource};
pub use slice::{DeviceSlice, Judged, Local};
