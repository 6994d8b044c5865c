//! Vocabulary and bytes that every zone shares.
//!
//! This crate names things (ids, zones, trust, answers, verdicts), bounds them ([`limits`]) and says how
//! they look as bytes ([`codec`], [`message`]). It decides nothing, does no cryptography, asks no clock and
//! allocates only what a length check has admitted first.
//!
//! Everything that crosses a socket or is signed goes through [`codec`]: big-endian, length-prefixed,
//! canonical (one value has exactly one encoding; a decoder refuses every other).
#![no_std]

extern crate alloc;

pub mod answer;
pub mod civil;
pub mod cmw;
pub mod codec;
pub mod disclosure;
pub mod http;
pub mod id;
pub mod interval;
pub mod limits;
pub mod message;
pub mod moment;
pub mod time;
pub mod trust;
pub mod value;
pub mod verdict;

pub use answer::{Answer, Cause, Causes, Given};
pub use codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
pub use disclosure::{Disclosed, NodeOutcome};
pub use id::{
    AppName, Digest, EventId, EventName, KeyId, LegId, NameError, NodeName, PolicyDigest, Realm, Reference,
    SessionId, SignalName, TenantId, Thumbprint,
};
pub use interval::Interval;
pub use moment::{Moment, Span};
pub use time::Timestamp;
pub use trust::{Tier, Trust};
pub use value::{Type, Value};
pub use verdict::{Method, Verdict, Zone};
