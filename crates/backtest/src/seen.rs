//! Ids seen before, so that an event counts once.
//!
//! An id is remembered for at least as long as an event with it can matter to a window, and at most twice that:
//! two generations, of which the older is forgotten when the younger is full grown. Memory follows the windows.

use glacis_wire::{EventId, Timestamp};
use std::collections::HashSet;
use std::time::Duration;

/// Ids of the recent past.
#[derive(Debug)]
pub(crate) struct Seen {
    keep: Duration,
    young: HashSet<EventId>,
    old: HashSet<EventId>,
    turned: Timestamp,
}

impl Seen {
    pub(crate) fn new(keep: Duration) -> Self {
        Self { keep, young: HashSet::new(), old: HashSet::new(), turned: Timestamp::ZERO }
    }

    /// Whether `id` is new; `at` never goes back.
    pub(crate) fn insert(&mut self, id: EventId, at: Timestamp) -> bool {
        if at.since(self.turned) >= self.keep {
            let gap = at.since(self.turned) >= self.keep.saturating_mul(2);
            self.old = if gap { HashSet::new() } else { std::mem::take(&mut self.young) };
            self.young = HashSet::new();
            self.turned = at;
        }
        !self.old.contains(&id) && self.young.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_the_whole_time_and_forgotten_after_twice() {
        for first in 0..25_u64 {
            for later in 0..60_u64 {
                let mut seen = Seen::new(Duration::from_millis(10));
                let mut new_later = None;
                for ms in 0..=first + later {
                    let filler = EventId::new([u8::try_from(ms + 100).unwrap(); 16]);
                    assert!(seen.insert(filler, Timestamp::from_ms(ms)));
                    if ms == first {
                        assert!(seen.insert(EventId::new([1; 16]), Timestamp::from_ms(ms)));
                    }
                    if ms == first + later && later > 0 {
                        new_later = Some(seen.insert(EventId::new([1; 16]), Timestamp::from_ms(ms)));
                    }
                }
                match new_later {
                    Some(true) => assert!(later > 10, "forgotten after {later}"),
                    Some(false) => assert!(later < 21, "held for {later}"),
                    None => {}
                }
            }
        }
    }
}
