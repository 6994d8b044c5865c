//! A bell between threads that keeps its own time: waiting for it ends in real time, whatever the clocks say.
//!
//! The standard library's waits with a time limit compute when they end from the C library's monotonic clock. In a
//! program whose clock is faked by an hour they end in an hour, and whoever fakes the clock of a watched program
//! has put its watch to sleep. On Linux this one hands the kernel a duration, without any library in between;
//! elsewhere it is the standard library's. It counts rings, so that none is lost between looking and waiting.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

/// Rings, and waits for rings.
#[derive(Debug, Default)]
pub struct Bell {
    rings: AtomicU32,
    #[cfg(not(target_os = "linux"))]
    fallback: (std::sync::Mutex<()>, std::sync::Condvar),
}

impl Bell {
    /// Rings so far. Read this, look whether there is something to do, and [`wait`](Self::wait) with what was read.
    pub fn rings(&self) -> u32 {
        self.rings.load(Ordering::SeqCst)
    }

    /// Waits until it has rung more often than `seen`, at most `limit`. Whether it has; may also return early.
    pub fn wait(&self, seen: u32, limit: Duration) -> bool {
        if self.rings() == seen {
            self.sleep(seen, limit);
        }
        self.rings() != seen
    }

    /// Rings: everyone who waits goes on.
    pub fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    #[cfg(target_os = "linux")]
    fn sleep(&self, seen: u32, limit: Duration) {
        let limit = rustix::thread::Timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        // Rung before we slept, too late, or interrupted: the count tells, and whoever waits looks again.
        let _early = rustix::thread::futex::wait(&self.rings, FLAGS, seen, Some(&limit));
    }

    #[cfg(target_os = "linux")]
    fn wake(&self) {
        // Fails only where the address is wrong; there is nobody to tell.
        let _woken = rustix::thread::futex::wake(&self.rings, FLAGS, WAKE_ALL);
    }

    #[cfg(not(target_os = "linux"))]
    fn sleep(&self, seen: u32, limit: Duration) {
        let guard = self.fallback.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(self.fallback.1.wait_timeout_while(guard, limit, |()| self.rings() == seen));
    }

    #[cfg(not(target_os = "linux"))]
    fn wake(&self) {
        drop(self.fallback.0.lock());
        self.fallback.1.notify_all();
    }
}

#[cfg(target_os = "linux")]
const FLAGS: rustix::thread::futex::Flags = rustix::thread::futex::Flags::PRIVATE;
/// The kernel takes a signed number.
#[cfg(target_os = "linux")]
const WAKE_ALL: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn a_ring_ends_every_wait_and_none_is_lost() {
        let bell = Arc::new(Bell::default());
        let seen = bell.rings();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let bell = Arc::clone(&bell);
                thread::spawn(move || (0..600).any(|_| bell.wait(seen, Duration::from_millis(100))))
            })
            .collect();
        bell.ring();
        for thread in waiting {
            assert!(thread.join().unwrap());
        }
        assert!(bell.wait(seen, Duration::from_secs(600)), "it has rung before");
    }

    #[test]
    fn a_wait_without_a_ring_ends() {
        let bell = Bell::default();
        assert!(!bell.wait(bell.rings(), Duration::from_millis(5)));
        assert!(!bell.wait(bell.rings(), Duration::ZERO));
    }
}
