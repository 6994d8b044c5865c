//! A hash chain: every link names its entry's digest, its number and the link before.
//!
//! `hash = SHA-256(audit prefix ‖ "link" ‖ prev ‖ seq ‖ entry)`; the first `prev` is a digest of tenant and realm,
//! so chains of two tenants share no link. Who knows one hash can detect any change to all links before it.

use glacis_seal::hash::context_digest;
use glacis_seal::{Context, Purpose, sha256};
use glacis_wire::{Decode, DecodeError, Digest, Encode, EncodeError, Reader, Writer};

/// One link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Number in the chain, from zero.
    pub seq: u64,
    /// Hash of the link before; of the context for the first.
    pub prev: Digest,
    /// SHA-256 of the entry.
    pub entry: Digest,
    /// Hash of this link.
    pub hash: Digest,
}

impl Encode for Link {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.seq.encode(out)?;
        self.prev.encode(out)?;
        self.entry.encode(out)?;
        self.hash.encode(out)
    }
}

impl Decode for Link {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            seq: Decode::decode(input)?,
            prev: Decode::decode(input)?,
            entry: Decode::decode(input)?,
            hash: Decode::decode(input)?,
        })
    }
}

/// The end of a chain: enough to append and to verify what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    context: Context,
    next: u64,
    head: Digest,
}

impl Chain {
    /// An empty chain.
    pub fn new(context: Context) -> Self {
        let head = context_digest(&context, Purpose::Audit, &[b"genesis"]);
        Self { context, next: 0, head }
    }

    /// Continues after a link that was verified before.
    pub fn after(context: Context, last: &Link) -> Self {
        Self { context, next: last.seq.saturating_add(1), head: last.hash }
    }

    /// Number of the next link.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Hash of the newest link.
    pub const fn head(&self) -> Digest {
        self.head
    }

    /// Links an entry.
    pub fn append(&mut self, entry: &[u8]) -> Link {
        let link = self.link(sha256(entry));
        self.take(&link);
        link
    }

    /// Checks that `link` is the next one and, where the entry is at hand, that it is about it; then moves on.
    pub fn verify_next(&mut self, link: &Link, entry: Option<&[u8]>) -> Result<(), ChainError> {
        let seq = self.next;
        if link.seq != seq {
            return Err(ChainError::Gap { want: seq, have: link.seq });
        }
        if link.prev != self.head || *link != self.link(link.entry) {
            return Err(ChainError::Broken { seq });
        }
        if entry.is_some_and(|entry| sha256(entry) != link.entry) {
            return Err(ChainError::Entry { seq });
        }
        self.take(link);
        Ok(())
    }

    /// Checks a run of links from here on.
    pub fn verify<'a>(
        &mut self,
        links: impl IntoIterator<Item = (&'a Link, Option<&'a [u8]>)>,
    ) -> Result<(), ChainError> {
        links.into_iter().try_for_each(|(link, entry)| self.verify_next(link, entry))
    }

    fn link(&self, entry: Digest) -> Link {
        let (seq, prev) = (self.next, self.head);
        let parts: [&[u8]; 4] = [b"link", prev.as_bytes(), &seq.to_be_bytes(), entry.as_bytes()];
        Link { seq, prev, entry, hash: context_digest(&self.context, Purpose::Audit, &parts) }
    }

    fn take(&mut self, link: &Link) {
        self.head = link.hash;
        self.next = self.next.saturating_add(1);
    }
}

/// Where a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A link is missing, repeated or out of order.
    #[error("link {want} is missing: found link {have}")]
    Gap {
        /// The number that should come.
        want: u64,
        /// The number that came.
        have: u64,
    },
    /// The link does not follow from the one before.
    #[error("link {seq} does not follow from the one before")]
    Broken {
        /// Its number.
        seq: u64,
    },
    /// The entry is not the one that was linked.
    #[error("the entry of link {seq} was changed")]
    Entry {
        /// Its number.
        seq: u64,
    },
}
