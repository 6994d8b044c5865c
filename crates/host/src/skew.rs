//! Two ways to the same clock: through the C library, and past it.
//!
//! A program that asks the C library for the time asks whoever was put before it. The kernel's answer is had
//! without any library's function (rustix makes the call itself, or the kernel's own vdso). Both are read here,
//! one between two of the other, so that neither a busy machine nor a clock that is set in between makes a
//! difference. Nothing is judged. Only where rustix makes the calls itself, which is on Linux and not on Android.

use core::time::Duration;
use std::time::Instant;

/// Reads both ways since it was made.
#[derive(Clone, Copy, Debug)]
pub struct TwoClocks {
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
        let before = raw(Kind::Monotonic)?;
        let start = Instant::now();
        Some(Self { start, start_raw: (before, raw(Kind::Monotonic)?) })
    }

    /// Reads both.
    #[expect(clippy::disallowed_methods, reason = "this is one of the places that may ask")]
    pub fn read(&self) -> Option<ClockSkew> {
        let before = raw(Kind::Wall)?;
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let after = raw(Kind::Wall)?;
        let from = raw(Kind::Monotonic)?;
        let elapsed = self.start.elapsed();
        let to = raw(Kind::Monotonic)?;
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

#[cfg(target_os = "linux")]
fn raw(kind: Kind) -> Option<Duration> {
    let id = match kind {
        Kind::Wall => rustix::time::ClockId::Realtime,
        Kind::Monotonic => rustix::time::ClockId::Monotonic,
    };
    let time = rustix::time::clock_gettime(id);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(target_os = "linux"))]
fn raw(_kind: Kind) -> Option<Duration> {
    None
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
