//! A small sort.
//!
//! That of the standard library is written anew for each type that it sorts, and each time takes more of a device's
//! library than both places that sort are worth.

/// Sorts in place, in *n* log *n* steps whatever the order was (a heap). Equal items may change places.
pub(crate) fn sort<T>(items: &mut [T], is_less: impl Fn(&T, &T) -> bool) {
    let count = items.len();
    let less = |items: &[T], a: usize, b: usize| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => is_less(a, b),
        _ => false,
    };
    // First the upper half sinks, last node first, and there is a heap; then the greatest goes to the end, time and again.
    for step in (0..count + count / 2).rev() {
        let (mut at, end) = match step.checked_sub(count) {
            Some(node) => (node, count),
            None => {
                items.swap(0, step);
                (0, step)
            }
        };
        loop {
            let mut child = 2 * at + 1;
            if child + 1 < end && less(items, child, child + 1) {
                child += 1;
            }
            if child >= end || !less(items, at, child) {
                break;
            }
            items.swap(at, child);
            at = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_order_becomes_ascending() {
        let mut state = 1_u32;
        for length in 0..200_u32 {
            let mut items: Vec<u32> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state >> 16 & (length | 1)
                })
                .collect();
            let mut want = items.clone();
            want.sort_unstable();
            sort(&mut items, |a, b| a < b);
            assert_eq!(items, want);
            sort(&mut items, |a, b| a < b);
            assert_eq!(items, want, "sorted before");
            sort(&mut items, |a, b| a > b);
            want.reverse();
            assert_eq!(items, want, "the other way");
        }
    }
}
