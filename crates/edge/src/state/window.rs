//! The replay window of one leg: a 64-bit counter and a bitmap of the last [`Window::SIZE`] numbers.
//!
//! A number is peeked at before the MAC is computed and committed only after it holds, so a forger cannot move
//! the window. Between the two another thread may commit the same number; `commit` says so.
//!
//! Most sessions use their numbers one after another. As long as one does, two numbers say all, and there is no bitmap.

/// Which numbers were used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Highest committed number plus one; 0 where there is none.
    next: u64,
    /// While numbers come one after another: all from here to `next` were used, and none before.
    from: u64,
    /// Once they did not: bit `n % SIZE` tells whether number `n` of the last `SIZE` was used.
    bits: Option<Box<[u64; Self::WORDS]>>,
}

impl Window {
    /// How far behind the highest number a number may lie. Source: build contract.
    pub(crate) const SIZE: u64 = 1_024;
    const WORDS: usize = 16;

    fn bit(number: u64) -> (usize, u64) {
        let word = usize::try_from(number / 64 % 16).unwrap_or(0);
        (word, 1 << (number % 64))
    }

    /// Whether `number` is neither used nor behind the window.
    pub(crate) fn is_fresh(&self, number: u64) -> bool {
        if number >= self.next {
            return number != u64::MAX;
        }
        let (word, mask) = Self::bit(number);
        let used = match &self.bits {
            Some(bits) => bits.get(word).is_none_or(|bits| bits & mask != 0),
            None => number >= self.from,
        };
        self.next - number <= Self::SIZE && !used
    }

    /// Uses up `number`; `false` where it was not fresh.
    pub(crate) fn commit(&mut self, number: u64) -> bool {
        if !self.is_fresh(number) {
            return false;
        }
        match &mut self.bits {
            None if self.next == self.from => (self.from, self.next) = (number, number + 1),
            None if self.next == number => self.next = number + 1,
            None => {
                self.bits = Some(self.spread());
                self.set(number);
            }
            Some(_) => self.set(number),
        }
        true
    }

    /// The run of used numbers as bits.
    fn spread(&self) -> Box<[u64; Self::WORDS]> {
        let mut bits = Box::new([0; Self::WORDS]);
        for used in self.from.max(self.next.saturating_sub(Self::SIZE))..self.next {
            let (word, mask) = Self::bit(used);
            if let Some(bits) = bits.get_mut(word) {
                *bits |= mask;
            }
        }
        bits
    }

    /// Sets the bit of a fresh number.
    fn set(&mut self, number: u64) {
        let Some(words) = &mut self.bits else { return };
        if number >= self.next {
            let skipped = number - self.next;
            if skipped >= Self::SIZE {
                **words = [0; Self::WORDS];
            } else {
                for passed in self.next..number {
                    let (word, mask) = Self::bit(passed);
                    if let Some(bits) = words.get_mut(word) {
                        *bits &= !mask;
                    }
                }
            }
            self.next = number + 1;
        }
        let (word, mask) = Self::bit(number);
        if let Some(bits) = words.get_mut(word) {
            *bits |= mask;
        }
    }
}

const _: () = assert!(Window::SIZE == 64 * Window::WORDS as u64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn used_and_lagging_numbers_are_refused() {
        let mut window = Window::default();
        assert!(window.commit(5_000));
        assert!(!window.commit(5_000));
        assert!(window.commit(5_001 - Window::SIZE), "the last one inside");
        assert!(!window.is_fresh(5_000 - Window::SIZE), "the first one behind");
        assert!(window.commit(4_999));
        assert!(!window.commit(u64::MAX), "the end of the number space is not usable");
        assert!(window.commit(u64::MAX - 1));
        assert!(!window.commit(5_001), "behind after a jump");
    }

    proptest! {
        /// The window agrees with a set of all used numbers.
        #[test]
        fn window_is_a_set_with_a_horizon(steps in prop::collection::vec(0_u64..5_000, 1..600)) {
            let mut window = Window::default();
            let mut used = HashSet::new();
            let mut top = 0;
            for number in steps {
                let behind = top > number && top - number >= Window::SIZE;
                let want = !behind && !used.contains(&number);
                prop_assert_eq!(window.is_fresh(number), want);
                prop_assert_eq!(window.commit(number), want);
                if want {
                    used.insert(number);
                    top = top.max(number);
                }
            }
        }
    }
}
