//! How values become places in tables: keys with an order, and hashes.
//!
//! Ints are their own keys; doubles and the first eight bytes of texts are brought into the same order of 64-bit
//! numbers, so that one search serves all three. Maker, loader and evaluator share these functions, so a table and a
//! look-up cannot disagree.

/// Key of a double: ascending as doubles are, both zeros one key; `None` for NaN, which has no order.
#[inline]
pub(crate) fn of_double(value: f64) -> Option<i64> {
    if value.is_nan() {
        return None;
    }
    // The sum turns -0.0 into 0.0 and changes nothing else.
    let bits = (value + 0.0).to_bits().cast_signed();
    Some(bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed())
}

/// Key of a uint: ascending as uints are.
#[inline]
pub(crate) const fn of_uint(value: u64) -> i64 {
    value.cast_signed() ^ i64::MIN
}

/// The two ends of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The first eight bytes as a number, zeros after the end of the text.
    pub(crate) head: u64,
    /// The last eight bytes; of a shorter text something that follows from the head.
    tail: u64,
}

impl Ends {
    /// Four bytes are read at a time, where they overlap if need be, so that no branch depends on the length of a text
    /// of four bytes and more.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        let length = text.len();
        let four = |at: usize| {
            let four = text.get(at..).and_then(|rest| rest.first_chunk());
            four.map_or(0, |four| u64::from(u32::from_be_bytes(*four)))
        };
        let Some(last) = length.checked_sub(4) else {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
            return Self { head: u64::from_be_bytes(bytes), tail: 0 };
        };
        Self {
            head: four(0) << 32 | four(last.min(4)) << (8 * (8 - length.min(8))),
            tail: four(length.saturating_sub(8)) << 32 | four(last),
        }
    }
}

/// Key of a text by its [`head`](Ends::head). Ascending as texts are, but not strictly.
#[inline]
pub(crate) const fn of_head(head: u64) -> i64 {
    head.cast_signed() ^ i64::MIN
}

/// Keys at which the texts with `prefix` begin and end (`None`: at the end of all keys), and whether every text
/// between them has the prefix. It need not be true of a prefix of more than eight bytes or with a NUL.
pub(crate) fn of_prefix(prefix: &[u8]) -> (i64, Option<i64>, bool) {
    let exact = prefix.len() <= 8 && !prefix.contains(&0);
    let low = of_head(Ends::of(prefix).head);
    let span = u32::try_from(8 - prefix.len().min(8)).ok().and_then(|rest| 1_u64.checked_shl(8 * rest));
    let high = (low ^ i64::MIN).cast_unsigned();
    let high = span.and_then(|span| high.checked_add(span)).map(|high| high.cast_signed() ^ i64::MIN);
    (low, high, exact)
}

/// Hash of a text with these ends: of its length, its ends, and the words between them. Not secret: buckets are fixed
/// by the policy, so an attacker's text can only miss.
#[inline]
pub(crate) fn hash(ends: Ends, text: &[u8]) -> u64 {
    let mut mixed = mix(SEED ^ u64::try_from(text.len()).unwrap_or(u64::MAX), ends.head);
    if text.len() > 16 {
        for word in text.as_chunks().0.iter().skip(1) {
            mixed = mix(mixed, u64::from_le_bytes(*word));
        }
    }
    let mixed = mix(mixed, ends.tail);
    mixed ^ (mixed >> 29)
}

/// Whether two texts are one; the first has these ends.
#[inline]
pub(crate) fn is_same(ends: Ends, text: &[u8], other: &[u8]) -> bool {
    text.len() == other.len() && ends == Ends::of(other) && (text.len() <= 16 || text == other)
}

#[inline]
const fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER)
}

/// The bucket of a hash among `1 << bits`.
#[inline]
pub(crate) fn bucket(hash: u64, bits: u32) -> usize {
    // The product spreads the low bits over the high ones.
    let high = hash.wrapping_mul(MULTIPLIER).checked_shr(64 - bits).unwrap_or(0);
    usize::try_from(high).unwrap_or(0)
}

/// The tag of a hash: rejects most texts of a bucket without looking at them.
#[inline]
pub(crate) const fn tag(hash: u64) -> u16 {
    let [low, high, ..] = hash.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// Binary logarithm of the number of buckets for so many literals: at most one a bucket on average.
pub(crate) const fn bucket_bits(literals: usize) -> u32 {
    literals.next_power_of_two().trailing_zeros()
}

/// Odd, from the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const SEED: u64 = 0x243F_6A88_85A3_08D3;

#[cfg(test)]
mod tests {
    use super::{Ends, bucket, hash, is_same, of_double, of_head, of_prefix};
    use alloc::vec::Vec;

    #[test]
    fn keys_of_doubles_ascend_as_doubles_do() {
        let ascending =
            [f64::NEG_INFINITY, f64::MIN, -1.5, -f64::MIN_POSITIVE, -5e-324, 0.0, 5e-324, 1.0, f64::INFINITY];
        for pair in ascending.windows(2) {
            assert!(of_double(pair[0]) < of_double(pair[1]), "{pair:?}");
        }
        assert_eq!(of_double(-0.0), of_double(0.0));
        assert_eq!(of_double(f64::NAN), None);
    }

    #[test]
    fn a_prefix_is_the_interval_of_its_texts() {
        let texts =
            ["", "a", "ab", "abc", "abcdefgh", "abcdefghi", "abcdefgz", "b", "é", "éa", "a\0", "\u{10FFFF}"];
        for prefix in texts {
            let (low, high, exact) = of_prefix(prefix.as_bytes());
            for text in texts {
                let key = of_head(Ends::of(text.as_bytes()).head);
                let inside = low <= key && high.is_none_or(|high| key < high);
                assert!(inside || !text.starts_with(prefix), "{text} has {prefix}");
                assert!(!exact || inside == text.starts_with(prefix), "{text} and {prefix}");
            }
        }
    }

    /// Of every length, with every byte changed.
    #[test]
    fn a_text_is_told_from_its_neighbours() {
        let text: Vec<u8> = (1..=40).collect();
        for length in 0..=text.len() {
            let text = &text[..length];
            let padded = [text, &[0; 8]].concat();
            let key = Ends::of(text);
            assert_eq!(Some(&key.head.to_be_bytes()), padded.first_chunk());
            assert!(is_same(key, text, &[text].concat()));
            let longer = [text, &[0]].concat();
            for at in 0..=length {
                let mut other = longer.clone();
                other[at] ^= 0x40;
                let other = &other[..if at == length { at + 1 } else { length }];
                assert!(!is_same(key, text, other), "{text:?} {other:?}");
                assert_ne!(hash(key, text), hash(Ends::of(other), other), "{text:?} {other:?}");
            }
        }
    }

    #[test]
    fn one_bucket_holds_everything() {
        assert_eq!([0, 1, u64::MAX].map(|hash| bucket(hash, 0)), [0; 3]);
        assert!(bucket(u64::MAX, 4) < 16);
    }
}
