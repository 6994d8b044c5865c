//! Events by (device, event id): the same event gets the same verdict, another content is refused, a fresh
//! proof is a new decision, and there are at most [`DECISIONS_PER_EVENT_MAX`] of these (DESIGN §5.3 step 3).
//!
//! This table is a cache; the cloud is the authority. What it forgets is decided again, and the record is
//! deduplicated where it arrives.
//!
//! At full load nearly every look-up misses the processor's caches, so an event takes few lines of them: entries lie in
//! a ring in the order of their arrival, and a small index finds them by a keyed hash of device and id. Two such hashes
//! of 64 bits, whose keys nobody outside knows, stand for the key itself.

use super::{ByHash, SHARDS, lock};
use glacis_wire::limits::DECISIONS_PER_EVENT_MAX;
use glacis_wire::message::challenge::ChallengeNonce;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Digest, EventId, PolicyDigest, Reference, Thumbprint, Verdict};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

/// A verdict as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) verdict: Verdict,
    pub(crate) reference: Reference,
    pub(crate) policy: PolicyDigest,
    pub(crate) nonce: Option<Box<ChallengeNonce>>,
}

/// What is to be done with a request of an event.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Decide it.
    Decide,
    /// Give this verdict again.
    Repeat(Stored),
    /// Refuse it.
    Refuse(Refusal),
}

#[derive(Debug)]
struct Entry {
    name: Name,
    /// What the event is about: event, method, authority, path, query, content and principal in one digest.
    subject: Digest,
    decisions: u8,
    /// Nonces of spent proofs.
    spent: Vec<Digest>,
    stored: Option<Stored>,
}

type Key = (Thumbprint, EventId);

/// What stands for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    index: u64,
    check: u64,
}

#[derive(Debug, Default)]
struct Shard {
    /// In the order of arrival, from `oldest` on once it is full.
    entries: Vec<Entry>,
    oldest: usize,
    places: HashMap<u64, usize, ByHash>,
}

/// Events of this node.
#[derive(Debug)]
pub(crate) struct Events {
    shards: Box<[Mutex<Shard>]>,
    shard_max: usize,
    hashers: [RandomState; 2],
}

impl Events {
    /// A table for at most `max` events.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_max: max.div_ceil(SHARDS),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    fn shard(&self, key: &Key) -> Option<&Mutex<Shard>> {
        // By the device, so that a device crowds out its own shard's events first, never all.
        self.shards.get(usize::from(key.0.as_bytes()[0]) % SHARDS)
    }

    fn name(&self, key: &Key) -> Name {
        let [index, check] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        Name { index, check }
    }

    /// Takes the next turn of the event; `proof` is the nonce of a verified challenge proof, which is spent here.
    pub(crate) fn turn(&self, key: Key, subject: Digest, proof: Option<Digest>) -> Turn {
        let Some(shard) = self.shard(&key) else { return Turn::Refuse(Refusal::Overloaded) };
        let name = self.name(&key);
        let mut shard = lock(shard);
        if let Some(entry) = shard.get_mut(name) {
            return entry.turn(subject, proof);
        }
        let spent = proof.into_iter().collect();
        shard.insert(Entry { name, subject, decisions: 1, spent, stored: None }, self.shard_max);
        Turn::Decide
    }

    /// Whether a request of this event would be a conflict or a repetition; spends nothing.
    pub(crate) fn peek(&self, key: Key, subject: Digest) -> Option<Turn> {
        let mut shard = lock(self.shard(&key)?);
        let entry = shard.get_mut(self.name(&key))?;
        if entry.subject != subject {
            return Some(Turn::Refuse(Refusal::EventConflict));
        }
        entry.stored.clone().map(Turn::Repeat)
    }

    /// Keeps the verdict of the event's last turn.
    pub(crate) fn store(&self, key: Key, stored: Stored) {
        let Some(shard) = self.shard(&key) else { return };
        if let Some(entry) = lock(shard).get_mut(self.name(&key)) {
            entry.stored = Some(stored);
        }
    }

    /// Gives a turn back that ended without verdict, so that a retry is decided and not counted twice.
    pub(crate) fn abandon(&self, key: Key, proof: Option<Digest>) {
        let Some(shard) = self.shard(&key) else { return };
        if let Some(entry) = lock(shard).get_mut(self.name(&key)) {
            entry.decisions = entry.decisions.saturating_sub(1);
            entry.spent.retain(|spent| Some(*spent) != proof);
        }
    }
}

impl Shard {
    fn get_mut(&mut self, name: Name) -> Option<&mut Entry> {
        let place = *self.places.get(&name.index)?;
        self.entries.get_mut(place).filter(|entry| entry.name == name)
    }

    /// Puts an entry in; the oldest gives way where there are `max`.
    fn insert(&mut self, entry: Entry, max: usize) {
        let index = entry.name.index;
        let place = if self.entries.len() < max {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let place = self.oldest;
            let Some(slot) = self.entries.get_mut(place) else { return };
            let gone = std::mem::replace(slot, entry);
            // Unless another one of the same index has taken it over.
            if self.places.get(&gone.name.index) == Some(&place) {
                self.places.remove(&gone.name.index);
            }
            self.oldest = if place + 1 < max { place + 1 } else { 0 };
            place
        };
        self.places.insert(index, place);
    }
}

impl Entry {
    fn turn(&mut self, subject: Digest, proof: Option<Digest>) -> Turn {
        if self.subject != subject {
            return Turn::Refuse(Refusal::EventConflict);
        }
        match proof {
            // A nonce is bound to its event, so only this event can have spent it: the answer was lost on the way.
            Some(proof) if self.spent.contains(&proof) => match &self.stored {
                Some(stored) => Turn::Repeat(stored.clone()),
                None => Turn::Refuse(Refusal::ProofSpent),
            },
            // The first decision is not one anew.
            Some(_) | None
                if self.decisions > DECISIONS_PER_EVENT_MAX && (proof.is_some() || self.stored.is_none()) =>
            {
                Turn::Refuse(Refusal::DecisionsSpent)
            }
            Some(proof) => {
                self.spent.push(proof);
                self.decisions += 1;
                Turn::Decide
            }
            None => match &self.stored {
                Some(stored) => Turn::Repeat(stored.clone()),
                None => {
                    self.decisions += 1;
                    Turn::Decide
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (Thumbprint::new([1; 32]), EventId::new([2; 16]));
    const SUBJECT: Digest = Digest::new([3; 32]);

    fn stored(verdict: Verdict) -> Stored {
        let policy = PolicyDigest::new([0; 32]);
        Stored { verdict, reference: Reference::from_random([0; 8]), policy, nonce: None }
    }

    #[test]
    fn one_event_has_one_content_one_verdict_and_is_decided_anew_four_times() {
        let events = Events::new(64);
        assert!(matches!(events.turn(KEY, SUBJECT, None), Turn::Decide));
        events.store(KEY, stored(Verdict::Block));
        assert!(matches!(events.turn(KEY, SUBJECT, None), Turn::Repeat(s) if s.verdict == Verdict::Block));
        let other = Digest::new([4; 32]);
        assert!(matches!(events.turn(KEY, other, None), Turn::Refuse(Refusal::EventConflict)));
        for n in 1..=DECISIONS_PER_EVENT_MAX {
            assert!(matches!(events.turn(KEY, SUBJECT, Some(Digest::new([n; 32]))), Turn::Decide));
            events.store(KEY, stored(Verdict::Allow));
        }
        let again = events.turn(KEY, SUBJECT, Some(Digest::new([1; 32])));
        assert!(matches!(again, Turn::Repeat(s) if s.verdict == Verdict::Allow), "its answer was lost");
        let fifth = events.turn(KEY, SUBJECT, Some(Digest::new([9; 32])));
        assert!(matches!(fifth, Turn::Refuse(Refusal::DecisionsSpent)));
        assert!(matches!(events.turn(KEY, SUBJECT, None), Turn::Repeat(_)), "the verdict stays");
    }

    #[test]
    fn an_abandoned_turn_is_not_counted_and_its_proof_not_spent() {
        let events = Events::new(64);
        let proof = Some(Digest::new([7; 32]));
        for _ in 0..10 {
            assert!(matches!(events.turn(KEY, SUBJECT, proof), Turn::Decide));
            events.abandon(KEY, proof);
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let events = Events::new(64);
        for n in 0..10_000_u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            events.turn((KEY.0, EventId::new(id)), SUBJECT, None);
        }
        let held: usize = events.shards.iter().map(|shard| lock(shard).entries.len()).sum();
        assert!(held <= 64, "{held}");
        let places: usize = events.shards.iter().map(|shard| lock(shard).places.len()).sum();
        assert_eq!(places, held);
    }

    #[test]
    fn the_oldest_event_is_forgotten_first() {
        let events = Events::new(SHARDS * 8);
        let key = |n: u8| (KEY.0, EventId::new([n; 16]));
        for n in 0..8 {
            events.turn(key(n), SUBJECT, None);
            events.store(key(n), stored(Verdict::Block));
        }
        events.turn(key(8), SUBJECT, None);
        assert!(matches!(events.turn(key(1), SUBJECT, None), Turn::Repeat(_)));
        assert!(matches!(events.turn(key(0), SUBJECT, None), Turn::Decide), "forgotten");
        assert!(matches!(events.turn(key(1), SUBJECT, None), Turn::Decide), "pushed out by that");
        assert!(matches!(events.turn(key(2), SUBJECT, None), Turn::Decide), "and so on");
    }
}
