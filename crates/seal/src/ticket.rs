//! Session tickets: sealed by one edge node, opened by any, kept by none (DESIGN §5.3 step 2).
//!
//! Ticket: version (1 byte) ‖ cluster key epoch (u32) ‖ salt (16) ‖ AES-256-GCM of the body. The key of a ticket
//! is HKDF(cluster key of the epoch, salt); a salt is random and used once, so the nonce is constant. The header
//! is associated data. Epochs are delivered ahead, so a node opens the one before and the one after, too.

use crate::aead::SealKey;
use crate::context::{Context, Purpose};
use crate::error::SealError;
use crate::secret::Secret;
use glacis_wire::limits::TICKET_BYTES_MAX;
use glacis_wire::message::Bytes;
use glacis_wire::message::session::TicketBody;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// The ticket key of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterKey {
    /// Number of the epoch.
    pub epoch: u32,
    /// Its secret.
    pub secret: Secret,
}

/// The ticket keys in force at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterKeys {
    /// Seals new tickets.
    pub current: ClusterKey,
    /// Still opens.
    pub previous: Option<ClusterKey>,
    /// Already opens.
    pub next: Option<ClusterKey>,
}

impl ClusterKeys {
    fn of_epoch(&self, epoch: u32) -> Option<&ClusterKey> {
        [Some(&self.current), self.previous.as_ref(), self.next.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.epoch == epoch)
    }
}

/// Seals a ticket; `fill` gives its salt.
pub fn seal_ticket<E>(
    key: &ClusterKey,
    context: &Context,
    mut fill: impl FnMut(&mut [u8]) -> Result<(), E>,
    body: &TicketBody,
) -> Result<Bytes<TICKET_BYTES_MAX>, SealError> {
    let mut salt = [0; SALT_BYTES];
    fill(&mut salt).map_err(|_| SealError::Entropy)?;
    let mut ticket = Writer::new();
    ticket.u8(VERSION);
    ticket.u32(key.epoch);
    ticket.raw(&salt);
    let mut plain = body.to_bytes()?;
    let sealed =
        ticket_key(key, &salt, context).seal(context, Purpose::Ticket, NONCE, ticket.as_bytes(), &plain);
    zeroize::Zeroize::zeroize(&mut plain);
    ticket.raw(&sealed?);
    let ticket = ticket.into_bytes();
    if ticket.len() > TICKET_BYTES_MAX {
        return Err(EncodeError { what: "ticket", limit: TICKET_BYTES_MAX }.into());
    }
    Ok(Bytes(ticket))
}

/// Opens a ticket of any epoch in force. Whether it is still valid is the caller's to check (`not_after`).
pub fn open_ticket(keys: &ClusterKeys, context: &Context, ticket: &[u8]) -> Result<TicketBody, SealError> {
    let (header, sealed) = ticket.split_at_checked(HEADER_BYTES).ok_or(SealError::Sealed)?;
    let (epoch, salt) = parse_header(header)?;
    if ticket.len() > TICKET_BYTES_MAX {
        return Err(SealError::Sealed);
    }
    let key = keys.of_epoch(epoch).ok_or(SealError::UnknownEpoch)?;
    let mut plain = ticket_key(key, &salt, context).open(context, Purpose::Ticket, NONCE, header, sealed)?;
    let body = TicketBody::from_bytes(&plain);
    zeroize::Zeroize::zeroize(&mut plain);
    Ok(body?)
}

fn parse_header(header: &[u8]) -> Result<(u32, [u8; SALT_BYTES]), DecodeError> {
    let mut header = Reader::new(header);
    let at = header.invalid("ticket version");
    if header.u8()? != VERSION {
        return Err(at);
    }
    Ok((header.u32()?, header.array()?))
}

fn ticket_key(key: &ClusterKey, salt: &[u8; SALT_BYTES], context: &Context) -> SealKey {
    SealKey::new(key.secret.clone()).derive(salt, context, Purpose::Ticket, &key.epoch.to_be_bytes())
}

const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + 4 + SALT_BYTES;
/// One key seals one ticket, so its one nonce may be constant.
const NONCE: [u8; 12] = [0; 12];
