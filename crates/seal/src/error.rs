//! The one error of this crate: which check failed, never on what bytes.
//!
//! Deliberately coarse: a caller that learns *why* a MAC or a sealed box did not open could tell an attacker.
//! It is `Copy` and holds no input, so a log or a metric can carry it as it is.

use glacis_wire::{DecodeError, EncodeError};

/// Why a cryptographic operation was refused. Holds no input byte, so it may be logged and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The caller's source of entropy failed.
    #[error("no entropy")]
    Entropy,
    /// These bytes are not a key: not on the curve, out of range, or too short.
    #[error("not a usable key")]
    Key,
    /// The library could not sign.
    #[error("signing failed")]
    Sign,
    /// The signature does not verify under this key, purpose and context.
    #[error("signature does not verify")]
    Signature,
    /// The MAC does not verify under this key, purpose and context.
    #[error("MAC does not verify")]
    Mac,
    /// The envelope names another key than the one it is checked with.
    #[error("signed by another key")]
    WrongKey,
    /// The peer's share gives no secret.
    #[error("key agreement failed")]
    Agreement,
    /// The sealed box does not open under this key, purpose, context and associated data.
    #[error("sealed data does not open")]
    Sealed,
    /// The ticket was sealed under a key epoch that is not in force.
    #[error("ticket of an unknown key epoch")]
    UnknownEpoch,
    /// The authenticated bytes are not the message they should be.
    #[error("authentic bytes cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The message is over a limit and has no encoding.
    #[error("message cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
}
