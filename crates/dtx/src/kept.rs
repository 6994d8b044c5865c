//! A session that outlives its process: sealed in the vault, its request numbers reserved before they are used.
//!
//! For clients that live as long as one request, such as a command; an app keeps its session in memory. One
//! [`Session`](crate::Session) uses a vault at a time, as with [`Sessions`](crate::Sessions).
//!
//! INVARIANT: a number is durable as reserved before a signature with it exists. So neither a crash nor the next
//! process signs with a number twice; what was reserved and not used is skipped. Who restores *all* files at once
//! gets old numbers again: the edge refuses them as replayed, and a new leg is the cure.

use crate::session::SessionError;
use crate::vault::{Vault, VaultError};
use glacis_seal::Secret;
use glacis_wire::message::Text;
use glacis_wire::{
    Decode, DecodeError, Encode, EncodeError, LegId, Reader, SessionId, Thumbprint, Timestamp,
};
use glacis_wire::{Writer, limits::TICKET_BYTES_MAX};
use std::num::NonZeroU32;
use std::sync::Arc;
use zeroize::Zeroize;

/// Where a session is kept, and up to which number it may sign without another write.
pub(crate) struct Keeper {
    pub(crate) vault: Arc<Vault>,
    pub(crate) device: Thumbprint,
    /// Numbers that one write reserves.
    pub(crate) block: NonZeroU32,
    /// The highest number of the present leg that is durable as reserved.
    pub(crate) reserved: u64,
}

/// What is sealed.
pub(crate) struct Record {
    pub(crate) device: Thumbprint,
    pub(crate) authority: Text<AUTHORITY_BYTES_MAX>,
    pub(crate) id: SessionId,
    pub(crate) secret: Secret,
    pub(crate) ticket: Text<TICKET_TEXT_MAX>,
    pub(crate) not_after: Timestamp,
    pub(crate) leg: LegId,
    pub(crate) legs: u64,
    pub(crate) reserved: u64,
}

impl Record {
    /// The stored session; `None` where there is none.
    pub(crate) fn load(vault: &Vault) -> Result<Option<Self>, VaultError> {
        let Some(mut content) = vault.get(RECORD)? else { return Ok(None) };
        let record = (!content.is_empty()).then(|| Self::from_bytes(&content)).transpose();
        content.zeroize();
        record.map_err(|_| VaultError::Sealed(RECORD.into()))
    }

    /// Stores it; durable on return.
    pub(crate) fn store(&self, vault: &Vault) -> Result<(), SessionError> {
        // With room for all of it, so that growing leaves no copy of the secret behind.
        let mut content = Writer::with_capacity(RECORD_BYTES);
        let encoded = self.encode(&mut content);
        let mut content = content.into_bytes();
        let stored = encoded.map_err(SessionError::from).and_then(|()| Ok(vault.put(RECORD, &content)?));
        content.zeroize();
        stored
    }
}

/// Forgets the stored session, also one that no longer opens.
pub(crate) fn discard(vault: &Vault) -> Result<(), VaultError> {
    match vault.get(RECORD) {
        Ok(content) if content.as_ref().is_none_or(Vec::is_empty) => Ok(()),
        Ok(_) | Err(VaultError::Rollback(_)) => vault.put(RECORD, &[]),
        Err(error) => Err(error),
    }
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.device.encode(out)?;
        self.authority.encode(out)?;
        self.id.encode(out)?;
        self.ticket.encode(out)?;
        self.not_after.encode(out)?;
        self.leg.encode(out)?;
        self.legs.encode(out)?;
        self.reserved.encode(out)?;
        out.raw(self.secret.expose());
        Ok(())
    }
}

impl Decode for Record {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: Decode::decode(input)?,
            authority: Decode::decode(input)?,
            id: Decode::decode(input)?,
            ticket: Decode::decode(input)?,
            not_after: Decode::decode(input)?,
            leg: Decode::decode(input)?,
            legs: Decode::decode(input)?,
            reserved: Decode::decode(input)?,
            secret: Secret::new(input.array()?),
        })
    }
}

const RECORD: &str = "session";
/// Longest host and port.
const AUTHORITY_BYTES_MAX: usize = 272;
/// A ticket as its header says it: base64 between two colons.
const TICKET_TEXT_MAX: usize = TICKET_BYTES_MAX.div_ceil(3) * 4 + 2;
/// Room for the longest record.
const RECORD_BYTES: usize = AUTHORITY_BYTES_MAX + TICKET_TEXT_MAX + 256;
