//! Two ways to the same clock: through the C library, and past it.
//!
//! A program that asks the C library for the time asks whoever was put before it. The kernel is asked without any
//! library's function: rustix makes the calls itself, on Linux though not on Android. And without the kernel's own
//! library, the vdso, whose place an emulator may misstate: two timers that would go off in the year 2255 tell how
//! much is left, which takes two descriptors. Both ways are read, one between two readings of the other, so that
//! neither a busy machine nor a clock that is set in between makes a difference. Nothing is judged.

use core::time::Duration;
use std::time::Instant;

/// Reads both ways since it was made.
#[derive(Debug)]
pub struct TwoClocks {
    wall: Kernel,
    monotonic: Kernel,
    /// The C library's monotonic clock at the start, between two of the kernel's.
    start: Instant,
    start_raw: (Duration, Duration),
}

/// How far the C library's clocks were from the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSkew {
    /// The time of day: outside of what the kernel said just before and just after.
    pub wall: Duration,
    /// The time since the start, likewise.
    pub elapsed: Duration,
}

impl TwoClocks {
    /// Starts both; nothing where there is no way past the C library.
    #[expect(clippy::disallowed_methods, reason = "this is one of the places that may ask")]
    pub fn start() -> Option<Self> {
        let (wall, monotonic) = (Kernel::new(Kind::Wall)?, Kernel::new(Kind::Monotonic)?);
        let before = monotonic.read()?;
        let start = Instant::now();
        let start_raw = (before, monotonic.read()?);
        Some(Self { wall, monotonic, start, start_raw })
    }

    /// Reads both.
    #[expect(clippy::disallowed_methods, reason = "this is one of the places that may ask")]
    pub fn read(&self) -> Option<ClockSkew> {
        let before = self.wall.read()?;
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let after = self.wall.read()?;
        let from = self.monotonic.read()?;
        let elapsed = self.start.elapsed();
        let to = self.monotonic.read()?;
        // The start lies anywhere between its two readings.
        let (least, most) = (from.saturating_sub(self.start_raw.1), to.saturating_sub(self.start_raw.0));
        Some(ClockSkew { wall: outside(wall, before, after), elapsed: outside(elapsed, least, most) })
    }
}

/// How far `value` is from the span of two others, whichever is earlier.
fn outside(value: Duration, one: Duration, other: Duration) -> Duration {
    let (low, high) = (one.min(other), one.max(other));
    low.saturating_sub(value).max(value.saturating_sub(high))
}

/// Which of the kernel's clocks.
#[derive(Clone, Copy)]
enum Kind {
    Wall,
    Monotonic,
}

/// One of the kernel's clocks, without a library in between.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Kernel(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Kernel {
    fn new(kind: Kind) -> Option<Self> {
        use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
        let clock = match kind {
            Kind::Wall => TimerfdClockId::Realtime,
            Kind::Monotonic => TimerfdClockId::Monotonic,
        };
        let timer = rustix::time::timerfd_create(clock, TimerfdFlags::CLOEXEC).ok()?;
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let alarm = Timespec { tv_sec: ALARM_S.try_into().ok()?, tv_nsec: 0 };
        let alarm = Itimerspec { it_interval: never, it_value: alarm };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &alarm).ok()?;
        Some(Self(timer))
    }

    fn read(&self) -> Option<Duration> {
        let left = rustix::time::timerfd_gettime(&self.0).ok()?.it_value;
        let left = Duration::new(left.tv_sec.try_into().ok()?, left.tv_nsec.try_into().ok()?);
        Duration::from_secs(ALARM_S).checked_sub(left)
    }
}

/// When the timers would go off, in seconds since 1970 or since boot: 2255. The kernel counts to 2262.
#[cfg(target_os = "linux")]
const ALARM_S: u64 = 9_000_000_000;

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Kernel;

#[cfg(not(target_os = "linux"))]
impl Kernel {
    const fn new(_kind: Kind) -> Option<Self> {
        None
    }

    const fn read(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_is_the_distance_to_the_span_in_either_order() {
        let ms = Duration::from_millis;
        for (value, one, other, want) in
            [(5, 4, 6, 0), (5, 6, 4, 0), (3, 4, 6, 1), (9, 4, 6, 3), (9, 6, 4, 3), (0, 0, 0, 0)]
        {
            assert_eq!(outside(ms(value), ms(one), ms(other)), ms(want), "{value} {one} {other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn undisturbed_clocks_agree_however_long_a_reading_takes() {
        let clocks = TwoClocks::start().unwrap();
        for _ in 0..1_000 {
            let skew = clocks.read().unwrap();
            assert!(
                skew.wall < Duration::from_millis(1) && skew.elapsed < Duration::from_millis(1),
                "{skew:?}"
            );
        }
    }
}
