//! The operating system as a [`Host`](crate::Host): the only place that asks it for time and randomness.
//!
//! Keep it in `main` and pass it down; a library that makes its own cannot be replayed.
//! It holds no state but the start of the monotonic clock, so any number of them agree.

use crate::{Clock, Entropy, EntropyError};
use core::time::Duration;
use glacis_wire::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemHost {
    start: Instant,
}

impl SystemHost {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemHost {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 reads as the epoch: every check of freshness then fails, none passes by chance.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Entropy for SystemHost {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(out).map_err(|_| EntropyError)
    }
}
