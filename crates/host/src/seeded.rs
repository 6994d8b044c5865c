//! A [`Host`](crate::Host) that is a function of its seed: for simulation, tests and demo fleets only.
//!
//! Its "randomness" is xoshiro256** and predictable by design, so keys made from it protect nothing. It is a
//! type of its own, never a mode of [`SystemHost`](crate::SystemHost), so that no setting can put it in a server.

use crate::{Clock, Entropy, EntropyError};
use core::time::Duration;
use glacis_wire::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Deterministic entropy and a clock that moves only when told to.
///
/// Clones share both. [`stream`](Self::stream) gives another entropy stream on the same clock, so that the
/// order in which components draw cannot change what each of them draws.
#[derive(Clone, Debug)]
pub struct SeededHost {
    seed: u64,
    clock: Arc<Mutex<Time>>,
    state: Arc<Mutex<[u64; 4]>>,
}

#[derive(Clone, Copy, Debug)]
struct Time {
    now: Timestamp,
    monotonic: Duration,
}

impl SeededHost {
    /// Starts at `now` with the stream of `seed`.
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let clock = Time { now, monotonic: Duration::ZERO };
        Self { seed, clock: Arc::new(Mutex::new(clock)), state: Arc::new(Mutex::new(spread(seed))) }
    }

    /// A stream of its own for `label`, on the same clock.
    #[must_use]
    pub fn stream(&self, label: &str) -> Self {
        // FNV-1a over the label; streams need to differ, not to be secret.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = label.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.seed.rotate_left(17), hash);
        Self { seed, clock: Arc::clone(&self.clock), state: Arc::new(Mutex::new(spread(seed))) }
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut time = lock(&self.clock);
        time.now = time.now.after(by);
        time.monotonic = time.monotonic.saturating_add(by);
    }

    /// Sets the time of day, also backwards; the monotonic clock stays.
    pub fn set_now(&self, now: Timestamp) {
        lock(&self.clock).now = now;
    }
}

impl Clock for SeededHost {
    fn now(&self) -> Timestamp {
        lock(&self.clock).now
    }

    fn monotonic(&self) -> Duration {
        lock(&self.clock).monotonic
    }
}

impl Entropy for SeededHost {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        let mut state = lock(&self.state);
        for chunk in out.chunks_mut(8) {
            let word = next(&mut state).to_le_bytes();
            chunk.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

/// A thread that panicked cannot have left these plain numbers half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SplitMix64, the seeding that the authors of xoshiro recommend.
fn spread(mut seed: u64) -> [u64; 4] {
    [0; 4].map(|_: u64| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = seed;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    })
}

/// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018).
fn next([a, b, c, d]: &mut [u64; 4]) -> u64 {
    let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let shifted = *b << 17;
    *c ^= *a;
    *d ^= *b;
    *b ^= *c;
    *a ^= *d;
    *c ^= shifted;
    *d = d.rotate_left(45);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::array;

    #[test]
    fn one_seed_gives_one_stream_and_labels_give_others() {
        let draw = |host: &SeededHost| array::<40>(host).unwrap();
        let (a, b) = (SeededHost::new(7, Timestamp::ZERO), SeededHost::new(7, Timestamp::ZERO));
        assert_eq!(draw(&a), draw(&b));
        assert_ne!(draw(&a), draw(&SeededHost::new(8, Timestamp::ZERO)));
        assert_ne!(draw(&a.stream("edge")), draw(&a.stream("cloud")));
        assert_eq!(draw(&a.stream("edge")), draw(&b.stream("edge")));
    }

    #[test]
    fn xoshiro_matches_its_reference_output() {
        // First outputs of the authors' C code for the state {1, 2, 3, 4}.
        let mut state = [1, 2, 3, 4];
        let got: Vec<u64> = (0..4).map(|_| next(&mut state)).collect();
        assert_eq!(got, [11520, 0, 1_509_978_240, 1_215_971_899_390_074_240]);
    }

    #[test]
    fn clones_and_streams_share_the_clock_and_monotonic_time_never_goes_back() {
        let host = SeededHost::new(1, Timestamp::from_ms(1_000));
        let stream = host.stream("x");
        host.advance(Duration::from_millis(5));
        assert_eq!((stream.now(), stream.monotonic()), (Timestamp::from_ms(1_005), Duration::from_millis(5)));
        stream.set_now(Timestamp::ZERO);
        assert_eq!((host.now(), host.monotonic()), (Timestamp::ZERO, Duration::from_millis(5)));
    }
}
