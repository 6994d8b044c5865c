//! Sessions (DESIGN §5.3 step 2): one asymmetric opening, then tickets and legs at HMAC cost.
//!
//! An opening is an RFC 9421 request (`ecdsa-p256-sha256`, tag `glacis/session/v1`) by the device key over a
//! [`SessionOpen`] body. The *transcript* is SHA-256 of its signature base; both sides advance
//! `chain = SHA-256(parent ‖ transcript)`. The device stores the new chain before it sends, so a lost answer
//! leaves a gap, and only two openings with one parent are a fork.

use super::{Bytes, PublicKey, Signed, message};
use crate::id::{Digest, LegId, NodeName, SessionId, Thumbprint};
use crate::limits::TICKET_BYTES_MAX;
use crate::time::Timestamp;
use crate::trust::{Tier, Trust};

message! {
    /// Body of an opening.
    SessionOpen {
        /// A signed `DeviceCertificate`.
        certificate: Signed,
        /// A signed `AttestationResult`.
        result: Signed,
        /// The device's ephemeral X25519 share.
        share: [u8; 32],
        /// Number of this opening; durably reserved before it is used, never used twice.
        epoch_ctr: u64,
        /// Chain value before this opening; zero for the first.
        parent: Digest,
    }
}

message! {
    /// Answer to an opening.
    SessionOpened {
        /// The edge's ephemeral X25519 share.
        share: [u8; 32],
        /// Names the session.
        session: SessionId,
        /// Sealed [`TicketBody`]; opaque to the device, readable by every edge node.
        ticket: Bytes<TICKET_BYTES_MAX>,
        /// First leg of the session.
        leg: LegId,
        /// When the ticket expires.
        not_after: Timestamp,
        /// HMAC over the transcript and all fields above under the session's confirmation key.
        confirm: [u8; 32],
    }
}

message! {
    /// Answer to the opening of a further leg.
    LegOpened {
        /// The new leg.
        leg: LegId,
    }
}

message! {
    /// What a ticket seals.
    TicketBody {
        /// Names the session.
        session: SessionId,
        /// The device.
        thumbprint: Thumbprint,
        /// Session secret; request, verdict and leg keys derive from it.
        secret: [u8; 32],
        /// Tier at opening.
        tier: Tier,
        /// Trust of values that the device's process produces.
        trust: Trust,
        /// Key of the method `passkey`, if there is one.
        passkey: Option<PublicKey>,
        /// SHA-256 of the encoded signed attestation result.
        result: Digest,
        /// When the ticket expires; never past the attestation result.
        not_after: Timestamp,
    }
}

message! {
    /// What the edge tells the cloud about an opening.
    OpeningRecord {
        /// The device.
        thumbprint: Thumbprint,
        /// As opened.
        epoch_ctr: u64,
        /// As opened.
        parent: Digest,
        /// Chain value after this opening.
        chain: Digest,
        /// By the edge's clock.
        opened_at: Timestamp,
        /// Which node opened it.
        node: NodeName,
    }
}
