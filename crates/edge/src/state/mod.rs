//! What a node remembers between requests: legs with their replay windows, events with their verdicts.
//!
//! Everything is bounded and may be forgotten: a lost leg costs one round trip, a lost event is the cloud's to
//! know. Tables are sharded, so that worker threads seldom meet.

pub(crate) mod events;
pub(crate) mod legs;
pub(crate) mod vouched;
pub(crate) mod window;

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shards of a table. Source: a few times the threads that a node has.
pub(crate) const SHARDS: usize = 16;

/// Locks; a poisoned lock guards plain data whose every state is valid, so it is used as it is.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For keys that are hashes already, or random numbers of ours.
pub(crate) type ByHash = BuildHasherDefault<Hashed>;

/// Hands on the number that it is given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Not called for what the index holds.
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
