//! Attestation results whose signature this node has verified, so that the next opening of the same device need not.
//!
//! An entry says: these very bytes verified under the key set of this version. It says nothing of time, feed or device,
//! which are looked at each time; a newer key set makes every entry void, since it may lack a key. Who wants to push an
//! entry out needs genuine results whose digests he cannot choose, and gains one verification of ours.

use super::lock;
use glacis_wire::Digest;
use std::sync::Mutex;

/// What verified.
#[derive(Debug)]
pub(crate) struct Vouched {
    slots: Box<[Mutex<Option<Entry>>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// SHA-256 of the encoded signed result.
    result: Digest,
    key_set: u64,
}

impl Vouched {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::default()).collect() }
    }

    /// Whether this result verified under the key set of this version.
    pub(crate) fn knows(&self, result: &Digest, key_set: u64) -> bool {
        let wanted = Entry { result: *result, key_set };
        self.slot(result).is_some_and(|slot| *lock(slot) == Some(wanted))
    }

    /// It did.
    pub(crate) fn learn(&self, result: &Digest, key_set: u64) {
        if let Some(slot) = self.slot(result) {
            *lock(slot) = Some(Entry { result: *result, key_set });
        }
    }

    fn slot(&self, result: &Digest) -> Option<&Mutex<Option<Entry>>> {
        // A digest is as good as drawn at random, so its beginning spreads.
        let [a, b, c, d, ..] = *result.as_bytes();
        let at = u32::from_be_bytes([a, b, c, d]) % SLOTS;
        self.slots.get(usize::try_from(at).ok()?)
    }
}

/// LIMIT: results that are remembered, 56 bytes each (3.7 MB); a result pushes out another one in its place.
const SLOTS: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_seal::sha256;

    #[test]
    fn exactly_what_verified_under_this_key_set_is_known() {
        let vouched = Vouched::new();
        let (one, other) = (sha256(b"one"), sha256(b"other"));
        assert!(!vouched.knows(&one, 1));
        vouched.learn(&one, 1);
        assert!(vouched.knows(&one, 1) && !vouched.knows(&other, 1));
        assert!(!vouched.knows(&one, 2), "a newer key set may lack the key");
        vouched.learn(&one, 2);
        assert!(vouched.knows(&one, 2) && !vouched.knows(&one, 1));
        // Another result in the same place: its first four bytes are equal.
        let mut neighbour = *one.as_bytes();
        neighbour[31] ^= 1;
        let neighbour = Digest::new(neighbour);
        assert!(!vouched.knows(&neighbour, 2));
        vouched.learn(&neighbour, 2);
        assert!(!vouched.knows(&one, 2) && vouched.knows(&neighbour, 2));
    }
}
