//! Events by (device, event id): the same event gets the same verdict, another content is refused, a fresh
//! proof is a new decision, and there are at most [`DECISIONS_PER_EVENT_MAX`] of these (DESIGN §5.3 step 3).
//!
//! This table is a cache; the cloud is the authority. What it forgets is decided again, and the record is
//! deduplicated where it arrives.

use super::{SHARDS, lock};
use glacis_wire::limits::DECISIONS_PER_EVENT_MAX;
use glacis_wire::message::challenge::ChallengeNonce;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Digest, EventId, PolicyDigest, Reference, Thumbprint, Verdict};
use std::collections::{HashMap, VecDeque};
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
    /// What the event is about: event, method, authority, path, query, content and principal in one digest.
    subject: Digest,
    decisions: u8,
    /// Nonces of spent proofs.
    spent: Vec<Digest>,
    stored: Option<Stored>,
}

type Key = (Thumbprint, EventId);

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    order: VecDeque<Key>,
}

/// Events of this node.
#[derive(Debug)]
pub(crate) struct Events {
    shards: Box<[Mutex<Shard>]>,
    shard_max: usize,
}

impl Events {
    /// A table for at most `max` events.
    pub(crate) fn new(max: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), shard_max: max.div_ceil(SHARDS) }
    }

    fn shard(&self, key: &Key) -> Option<&Mutex<Shard>> {
        // By the device, so that a device crowds out its own shard's events first, never all.
        self.shards.get(usize::from(key.0.as_bytes()[0]) % SHARDS)
    }

    /// Takes the next turn of the event; `proof` is the nonce of a verified challenge proof, which is spent here.
    pub(crate) fn turn(&self, key: Key, subject: Digest, proof: Option<Digest>) -> Turn {
        let Some(shard) = self.shard(&key) else { return Turn::Refuse(Refusal::Overloaded) };
        let mut shard = lock(shard);
        if let Some(entry) = shard.entries.get_mut(&key) {
            return entry.turn(subject, proof);
        }
        if shard.entries.len() >= self.shard_max
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.entries.remove(&oldest);
        }
        let spent = proof.into_iter().collect();
        shard.entries.insert(key, Entry { subject, decisions: 1, spent, stored: None });
        shard.order.push_back(key);
        Turn::Decide
    }

    /// Whether a request of this event would be a conflict or a repetition; spends nothing.
    pub(crate) fn peek(&self, key: Key, subject: Digest) -> Option<Turn> {
        let shard = lock(self.shard(&key)?);
        let entry = shard.entries.get(&key)?;
        if entry.subject != subject {
            return Some(Turn::Refuse(Refusal::EventConflict));
        }
        entry.stored.clone().map(Turn::Repeat)
    }

    /// Keeps the verdict of the event's last turn.
    pub(crate) fn store(&self, key: Key, stored: Stored) {
        let Some(shard) = self.shard(&key) else { return };
        if let Some(entry) = lock(shard).entries.get_mut(&key) {
            entry.stored = Some(stored);
        }
    }

    /// Gives a turn back that ended without verdict, so that a retry is decided and not counted twice.
    pub(crate) fn abandon(&self, key: Key, proof: Option<Digest>) {
        let Some(shard) = self.shard(&key) else { return };
        if let Some(entry) = lock(shard).entries.get_mut(&key) {
            entry.decisions = entry.decisions.saturating_sub(1);
            entry.spent.retain(|spent| Some(*spent) != proof);
        }
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
    }
}
