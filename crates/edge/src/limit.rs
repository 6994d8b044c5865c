//! Rate limits of fixed size: GCRA over a table that never grows.
//!
//! A cell holds a tag of the key and the theoretical arrival time (TAT) of its next conforming request. A key
//! may sit in any of [`WAYS`] cells of its bucket; where all are taken, the cell with the oldest TAT gives way.
//! **Eviction error, stated:** an evicted key starts with a full burst again. It can only happen while `WAYS`
//! other keys of the same bucket have a TAT at least as late, hence at most `burst` extra requests for every
//! `WAYS` keys that are busier: a flood of fresh keys evicts idle keys, never one that is over its limit while
//! the others are not.

use glacis_wire::Timestamp;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Cells that one key may sit in. Source: four 16-byte cells fill one cache line.
pub const WAYS: usize = 4;

/// A limit: `burst` requests at once, then `per_second` on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    interval_us: u64,
}

impl Rate {
    /// One request a second, nothing saved up.
    pub const ONE: Self = Self { burst: 1, interval_us: 1_000_000 };

    /// `burst` in 1..=1 000 000, `per_second` in 1..=1 000 000; `None` outside.
    pub fn new(burst: u32, per_second: u32) -> Option<Self> {
        let fits = |n: u32| (1..=1_000_000).contains(&n);
        (fits(burst) && fits(per_second))
            .then(|| Self { burst, interval_us: 1_000_000 / u64::from(per_second) })
    }

    const fn tolerance_us(self) -> u64 {
        self.interval_us.saturating_mul(self.burst as u64 - 1)
    }

    /// The TAT after a request at `now_us` that counts as `weight` of them, and how long the request has to wait; zero
    /// where it conforms. A weight over the burst counts as the whole burst.
    fn next(self, tat_us: u64, now_us: u64, weight: u32) -> (u64, u64) {
        let weight = u64::from(weight.clamp(1, self.burst));
        let tolerance = self.tolerance_us().saturating_sub(self.interval_us.saturating_mul(weight - 1));
        // No TAT is further ahead of the clock that made it than this. One that is was made before the clock was
        // set back; believing it would refuse everybody for as long as the clock went back.
        let ahead_max = self.tolerance_us().saturating_add(self.interval_us);
        let tat = tat_us.clamp(now_us, now_us.saturating_add(ahead_max));
        let ahead = tat - now_us;
        if ahead > tolerance {
            (tat, ahead - tolerance)
        } else {
            (tat.saturating_add(self.interval_us.saturating_mul(weight)), 0)
        }
    }
}

/// A rate that can be replaced while it is used: both halves in one word.
#[derive(Debug)]
struct LiveRate(AtomicU64);

impl LiveRate {
    const fn new(rate: Rate) -> Self {
        Self(AtomicU64::new(Self::packed(rate)))
    }

    const fn packed(rate: Rate) -> u64 {
        (rate.burst as u64) << 32 | rate.interval_us
    }

    fn set(&self, rate: Rate) {
        self.0.store(Self::packed(rate), Ordering::Relaxed);
    }

    fn get(&self) -> Rate {
        let packed = self.0.load(Ordering::Relaxed);
        Rate { burst: u32::try_from(packed >> 32).unwrap_or(1), interval_us: packed & u64::from(u32::MAX) }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    tag: u64,
    tat_us: u64,
}

type Buckets = Box<[[Cell; WAYS]]>;

/// GCRA states of all keys of one kind, in a table of fixed size.
#[derive(Debug)]
pub struct Gcra {
    rate: LiveRate,
    hasher: RandomState,
    shards: Box<[Mutex<Buckets>]>,
}

const SHARDS: usize = 16;

impl Gcra {
    /// A table for about `keys` keys (rounded up to a power of two, at least 1 024; 16 bytes a key).
    pub fn new(rate: Rate, keys: usize) -> Self {
        let buckets = (keys.max(1_024) / WAYS / SHARDS).next_power_of_two();
        let shard = || Mutex::new(vec![[Cell::default(); WAYS]; buckets].into_boxed_slice());
        Self {
            rate: LiveRate::new(rate),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// Another rate from now on. Arrival times stay: who was over the old limit is measured by the new one.
    pub fn set_rate(&self, rate: Rate) {
        self.rate.set(rate);
    }

    /// Takes one request of `key` at `now`; `Err` says how long to wait.
    pub fn take<K: Hash>(&self, key: &K, now: Timestamp) -> Result<(), Duration> {
        self.take_weighed(key, now, 1)
    }

    /// The same for a request that counts as `weight` of them, at most as the whole burst.
    pub fn take_weighed<K: Hash>(&self, key: &K, now: Timestamp, weight: u32) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(key);
        let tag = hash | 1; // 0 marks an empty cell
        let now_us = now.as_ms().saturating_mul(1_000);
        let index = |of: usize, shift: u32| usize::try_from(hash >> shift).unwrap_or(usize::MAX) & (of - 1);
        let Some(shard) = self.shards.get(index(SHARDS, 60)) else { return Ok(()) };
        let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let count = buckets.len();
        let Some(bucket) = buckets.get_mut(index(count, 8)) else { return Ok(()) };
        let at = bucket.iter().position(|cell| cell.tag == tag);
        let cell = match at {
            Some(at) => bucket.get_mut(at),
            None => bucket.iter_mut().min_by_key(|cell| cell.tat_us).map(|cell| {
                *cell = Cell { tag, tat_us: 0 };
                cell
            }),
        };
        let Some(cell) = cell else { return Ok(()) };
        let (tat, waiting) = self.rate.get().next(cell.tat_us, now_us, weight);
        cell.tat_us = tat;
        if waiting > 0 { Err(Duration::from_micros(waiting)) } else { Ok(()) }
    }
}

/// What prefix limits count by: /24 of IPv4 (also where mapped into IPv6), /48 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(u64);

impl fmt::Display for Prefix {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(u32::from(v4) >> 8)),
            IpAddr::V6(v6) => {
                let bits = u128::from(v6) >> 80;
                Self(1 << 63 | u64::try_from(bits).unwrap_or(0))
            }
        }
    }
}

/// One bucket for everybody: the budget of asymmetric work.
#[derive(Debug)]
pub struct Budget {
    rate: LiveRate,
    tat_us: Mutex<u64>,
}

impl Budget {
    /// A budget of this rate.
    pub const fn new(rate: Rate) -> Self {
        Self { rate: LiveRate::new(rate), tat_us: Mutex::new(0) }
    }

    /// Another rate from now on.
    pub fn set_rate(&self, rate: Rate) {
        self.rate.set(rate);
    }

    /// Takes one unit at `now`; `false` where the budget is spent.
    pub fn take(&self, now: Timestamp) -> bool {
        let now_us = now.as_ms().saturating_mul(1_000);
        let mut tat_us = self.tat_us.lock().unwrap_or_else(PoisonError::into_inner);
        let (tat, waiting) = self.rate.get().next(*tat_us, now_us, 1);
        *tat_us = tat;
        waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Rate {
        Rate::new(3, 10).unwrap()
    }

    #[test]
    fn burst_passes_then_the_rate_holds() {
        let limit = Gcra::new(rate(), 1_024);
        let at = Timestamp::from_ms;
        for _ in 0..3 {
            assert_eq!(limit.take(&7, at(1_000)), Ok(()));
        }
        assert_eq!(limit.take(&7, at(1_000)), Err(Duration::from_millis(100)));
        assert_eq!(limit.take(&8, at(1_000)), Ok(()), "another key has its own burst");
        assert_eq!(limit.take(&7, at(1_100)), Ok(()));
        assert!(limit.take(&7, at(1_150)).is_err());
        let passed = (0..1_000).filter(|ms| limit.take(&7, at(2_000 + ms)).is_ok()).count();
        assert_eq!(passed, 3 + 9, "three at once and one every 100 ms of the second");
    }

    #[test]
    fn a_flood_of_fresh_keys_never_frees_a_limited_one_and_the_table_does_not_grow() {
        let limit = Gcra::new(rate(), 1_024);
        let now = Timestamp::from_ms(1_000);
        while limit.take(&"busy", now).is_ok() {}
        for key in 0..100_000_u32 {
            let _ = limit.take(&key, now);
            assert!(limit.take(&"busy", now).is_err(), "evicted by key {key}");
        }
        let cells: usize = limit.shards.iter().map(|s| s.lock().unwrap().len() * WAYS).sum();
        assert_eq!(cells, 1_024);
    }

    #[test]
    fn prefixes_group_by_24_and_48_bits() {
        let prefix = |text: &str| Prefix::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(prefix("10.1.2.3"), prefix("10.1.2.200"));
        assert_eq!(prefix("10.1.2.3"), prefix("::ffff:10.1.2.9"));
        assert_ne!(prefix("10.1.2.3"), prefix("10.1.3.3"));
        assert_eq!(prefix("2001:db8:1::1"), prefix("2001:db8:1:ffff::1"));
        assert_ne!(prefix("2001:db8:1::1"), prefix("2001:db8:2::1"));
    }

    #[test]
    fn a_clock_that_is_set_back_refuses_nobody_for_longer_than_the_limit_itself() {
        let (limit, budget) = (Gcra::new(rate(), 1_024), Budget::new(rate()));
        let (before, after) = (Timestamp::from_secs(10_000), Timestamp::from_secs(6_400));
        while limit.take(&7, before).is_ok() {}
        while budget.take(before) {}
        let wait = limit.take(&7, after).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100), "one interval, not one hour");
        assert_eq!(limit.take(&7, after.after(wait)), Ok(()));
        assert!(!budget.take(after));
        assert!(budget.take(after.after(wait)));
    }

    #[test]
    fn a_weighed_request_counts_as_that_many_and_never_as_more_than_the_burst() {
        let rate = Rate::new(8, 10).unwrap();
        let now = Timestamp::from_ms(1_000);
        for (weight, passed) in [(1, 8), (2, 4), (3, 2), (4, 2), (8, 1), (9, 1), (u32::MAX, 1)] {
            let limit = Gcra::new(rate, 1_024);
            let count = (0..20).filter(|_| limit.take_weighed(&7, now, weight).is_ok()).count();
            assert_eq!(count, passed, "weight {weight}");
        }
        let limit = Gcra::new(rate, 1_024);
        assert_eq!(limit.take_weighed(&7, now, 8), Ok(()));
        assert_eq!(limit.take_weighed(&7, now, 4), Err(Duration::from_millis(400)));
        assert_eq!(limit.take_weighed(&7, now.after(Duration::from_millis(400)), 4), Ok(()));
    }

    #[test]
    fn another_rate_is_in_force_at_once_and_forgets_nothing() {
        let (limit, budget) = (Gcra::new(rate(), 1_024), Budget::new(rate()));
        let now = Timestamp::from_ms(1_000);
        while limit.take(&7, now).is_ok() {}
        limit.set_rate(Rate::new(1_000_000, 1_000_000).unwrap());
        assert_eq!(limit.take(&7, now), Ok(()), "within the wider limit");
        limit.set_rate(Rate::ONE);
        assert!(limit.take(&7, now).is_err(), "what was taken still counts");
        assert_eq!(limit.take(&8, now), Ok(()));
        assert!(limit.take(&8, now).is_err(), "one at a time");
        budget.set_rate(Rate::ONE);
        assert!(budget.take(now) && !budget.take(now));
    }

    #[test]
    fn budget_is_shared_by_all() {
        let budget = Budget::new(rate());
        let passed = (0..10).filter(|_| budget.take(Timestamp::from_ms(5))).count();
        assert_eq!(passed, 3);
    }
}
