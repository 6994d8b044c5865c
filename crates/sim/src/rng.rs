//! The one source of chance in a schedule: SplitMix64, so that a seed names a run on every machine.
//!
//! Streams for parts of a run are independent of each other, so a change in one does not shift the draws of
//! another. Not for keys or nonces: those come from `glacis_host::Entropy`.

/// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit word of state, full period.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream for `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent stream for a named part of the run, so that one part's draws do not shift another's.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        let mut child = Self(self.0);
        let mut state = child.word();
        for byte in name.bytes() {
            child.0 = state ^ u64::from(byte);
            state = child.word();
        }
        Self(state)
    }

    /// The next 64 bits.
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (which must not be 0); the bias of at most `bound / 2^64` does not matter here.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.word() % if bound == 0 { 1 } else { bound }
    }

    /// True `percent` times in a hundred.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(items.len() as u64);
        items.get(usize::try_from(at).unwrap_or(0))
    }

    /// Puts `items` into a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_is_the_published_one() {
        // First outputs for seed 1234567, as published with the reference implementation.
        let mut rng = Rng::new(1_234_567);
        let got = [rng.word(), rng.word(), rng.word()];
        assert_eq!(got, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn parts_differ_and_repeat() {
        let rng = Rng::new(9);
        assert_eq!(rng.part("a").word(), rng.part("a").word());
        assert_ne!(rng.part("a").word(), rng.part("b").word());
        let mut items: Vec<u32> = (0..50).collect();
        rng.part("order").shuffle(&mut items);
        let mut sorted = items.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(items, sorted);
    }
}
