//! Time as a trait: one reading for people and protocols, one for measuring.
//!
//! [`Clock::now`] may jump when the machine's clock is set; [`Clock::monotonic`] never goes back, but means
//! nothing outside this process. Limits, timeouts and windows inside a process use the second one.

use core::time::Duration;
use glacis_wire::Timestamp;
use std::sync::Arc;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time of day, as protocols carry it.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

impl<T: Clock + ?Sized> Clock for &T {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}
