//! Blocked Bloom filters of eight runs side by side: one cache line tells which of the eight may have a key.
//!
//! A key chooses a line, and six of the 64 bits that each run has in it. About two keys in a thousand that a run
//! does not have pass, so new keys are looked for nowhere in nearly all runs.

/// Runs that share a filter.
pub(super) const LANES: usize = 8;

/// The filter of [`LANES`] runs of at most [`SWEEP_KEYS`](super::SWEEP_KEYS) keys.
#[derive(Clone)]
pub(super) struct Filter {
    lines: Box<[[u64; LANES]]>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Filter(…)")
    }
}

impl Filter {
    /// 2^15 lines of 64 bytes: 2 MiB, eighteen bits a key of a full run.
    const LINE_BITS: u32 = 15;
    const PROBES: u32 = 6;

    pub(super) fn new() -> Self {
        Self { lines: vec![[0; LANES]; 1 << Self::LINE_BITS].into_boxed_slice() }
    }

    pub(super) fn add(&mut self, lane: usize, key: i64) {
        let (line, bits) = Self::place(key);
        if let Some(word) = self.lines.get_mut(line).and_then(|line| line.get_mut(lane)) {
            *word |= bits;
        }
    }

    /// The lanes of runs that may have the key, as bits.
    pub(super) fn lanes(&self, key: i64) -> u8 {
        let (line, bits) = Self::place(key);
        let Some(line) = self.lines.get(line) else { return u8::MAX };
        line.iter().rev().fold(0, |lanes, word| lanes << 1 | u8::from(word & bits == bits))
    }

    pub(super) fn clear(&mut self, lane: usize) {
        for word in self.lines.iter_mut().filter_map(|line| line.get_mut(lane)) {
            *word = 0;
        }
    }

    /// Which line, and which bits of each word in it.
    fn place(key: i64) -> (usize, u64) {
        let mixed = mix(key.cast_unsigned());
        let line = usize::try_from(mixed >> (64 - Self::LINE_BITS)).unwrap_or(0);
        (line, (0..Self::PROBES).fold(0, |bits, probe| bits | 1 << (mixed >> (6 * probe) & 63)))
    }
}

/// Spreads a key over 64 bits: references show zeros at their end, and a node may choose its own badly.
pub(super) const fn mix(key: u64) -> u64 {
    let key = (key ^ key >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let key = (key ^ key >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    key ^ key >> 31
}
