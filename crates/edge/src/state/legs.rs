//! Legs: what this node holds of a session after its ticket was opened once.
//!
//! A request names its leg; everything it needs is here, so the hot path opens no ticket.
//! The table is bounded: the leg opened first gives way, and its device opens a new one with the same ticket
//! (one round trip, no security lost: a forgotten window belongs to a leg id that is never given out again).

use super::window::Window;
use super::{ByHash, SHARDS, lock};
use crate::trust::token::Verifier;
use glacis_seal::Secret;
use glacis_wire::message::PublicKey;
use glacis_wire::{LegId, Thumbprint, Tier, Timestamp, Trust};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

/// One leg of one session. A node holds very many, so this is small: keys as secrets and not prepared, of the ticket
/// only a mark, and what few sessions have on the heap.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) thumbprint: Thumbprint,
    /// [`Legs::mark`] of the ticket header, which the device must send byte for byte.
    pub(crate) ticket: u64,
    pub(crate) request: Secret,
    pub(crate) verdict: Secret,
    pub(crate) tier: Tier,
    pub(crate) trust: Trust,
    pub(crate) passkey: Option<Box<PublicKey>>,
    pub(crate) not_after: Timestamp,
    pub(crate) moving: Mutex<Moving>,
}

/// What requests change.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    pub(crate) window: Window,
    /// The last token that verified on this leg.
    pub(crate) token: Option<Box<VerifiedToken>>,
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

/// The part of a leg's id that is its own; the rest is the node's.
type Own = u64;

#[derive(Debug, Default)]
struct Shard {
    legs: HashMap<Own, Arc<Leg>, ByHash>,
    order: VecDeque<Own>,
}

/// All legs of this node.
#[derive(Debug)]
pub(crate) struct Legs {
    prefix: [u8; 8],
    shards: Box<[Mutex<Shard>]>,
    shard_max: usize,
    marker: RandomState,
}

impl Legs {
    /// A table for at most `max` legs, whose ids begin with `prefix`.
    pub(crate) fn new(max: usize, prefix: [u8; 8]) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { prefix, shards, shard_max: max.div_ceil(SHARDS), marker: RandomState::new() }
    }

    /// What is remembered of a ticket's header. It is signed with the rest of a request, so this only tells another
    /// ticket of the same device; the key of the hash never leaves the node.
    pub(crate) fn mark(&self, ticket: &str) -> u64 {
        self.marker.hash_one(ticket)
    }

    /// The id that begins like this node's and ends in `random`.
    pub(crate) fn id(&self, random: [u8; 8]) -> LegId {
        let mut id = [0; LegId::LEN];
        id.iter_mut().zip(self.prefix.iter().chain(&random)).for_each(|(to, from)| *to = *from);
        LegId::new(id)
    }

    /// Where a leg of this id would be; `None` for one of another node.
    fn place(&self, id: &LegId) -> Option<(&Mutex<Shard>, Own)> {
        let (prefix, random) = id.as_bytes().split_first_chunk::<8>()?;
        let own = u64::from_be_bytes(random.try_into().ok()?);
        // Neither the lowest nor the highest bits: the index looks at those.
        let shard = self.shards.get(usize::try_from(own >> 32).ok()? % SHARDS)?;
        (*prefix == self.prefix).then_some((shard, own))
    }

    /// The leg of this id, if it is still held.
    pub(crate) fn find(&self, id: &LegId) -> Option<Arc<Leg>> {
        let (shard, own) = self.place(id)?;
        lock(shard).legs.get(&own).cloned()
    }

    /// Holds a new leg; the oldest gives way where the table is full.
    pub(crate) fn insert(&self, id: LegId, leg: Leg) {
        let Some((shard, own)) = self.place(&id) else { return };
        let mut shard = lock(shard);
        if shard.legs.len() >= self.shard_max
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.legs.remove(&oldest);
        }
        shard.legs.insert(own, Arc::new(leg));
        shard.order.push_back(own);
    }
}

const _: () = assert!(LegId::LEN == 16);
