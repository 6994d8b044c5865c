//! Legs: what this node holds of a session after its ticket was opened once.
//!
//! A request names its leg; everything it needs is here, keyed state included, so the hot path opens no ticket.
//! The table is bounded: the leg opened first gives way, and its device opens a new one with the same ticket
//! (one round trip, no security lost: a forgotten window belongs to a leg id that is never given out again).

use super::window::Window;
use super::{SHARDS, lock};
use crate::trust::token::Verifier;
use glacis_seal::MacKey;
use glacis_wire::message::PublicKey;
use glacis_wire::{LegId, Thumbprint, Tier, Timestamp, Trust};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// One leg of one session.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) thumbprint: Thumbprint,
    /// The thumbprint in hexadecimal: the signal `device.id`.
    pub(crate) device_id: Box<str>,
    /// The ticket header as the device must send it, byte for byte.
    pub(crate) ticket: Box<str>,
    pub(crate) request_key: MacKey,
    pub(crate) verdict_key: MacKey,
    pub(crate) tier: Tier,
    pub(crate) trust: Trust,
    pub(crate) passkey: Option<PublicKey>,
    pub(crate) not_after: Timestamp,
    pub(crate) window: Mutex<Window>,
    /// The last token that verified on this leg.
    pub(crate) token: Mutex<Option<VerifiedToken>>,
}

/// A token that verified, so that the next request with the same bytes need not verify it again.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedToken {
    /// What verified it.
    pub(crate) by: Arc<Verifier>,
    pub(crate) text: Box<str>,
    pub(crate) claim: Box<str>,
    pub(crate) principal: Arc<str>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

#[derive(Debug, Default)]
struct Shard {
    legs: HashMap<LegId, Arc<Leg>>,
    order: VecDeque<LegId>,
}

/// All legs of this node.
#[derive(Debug)]
pub(crate) struct Legs {
    shards: Box<[Mutex<Shard>]>,
    shard_max: usize,
}

impl Legs {
    /// A table for at most `max` legs.
    pub(crate) fn new(max: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), shard_max: max.div_ceil(SHARDS) }
    }

    fn shard(&self, id: &LegId) -> Option<&Mutex<Shard>> {
        // The last byte of a leg id is random and ours.
        self.shards.get(usize::from(id.as_bytes()[LegId::LEN - 1]) % SHARDS)
    }

    /// The leg of this id, if it is still held.
    pub(crate) fn find(&self, id: &LegId) -> Option<Arc<Leg>> {
        self.shard(id).and_then(|shard| lock(shard).legs.get(id).cloned())
    }

    /// Holds a new leg; the oldest gives way where the table is full.
    pub(crate) fn insert(&self, id: LegId, leg: Leg) {
        let Some(shard) = self.shard(&id) else { return };
        let mut shard = lock(shard);
        if shard.legs.len() >= self.shard_max
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.legs.remove(&oldest);
        }
        shard.legs.insert(id, Arc::new(leg));
        shard.order.push_back(id);
    }
}
