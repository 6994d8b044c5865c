//! What must not be lost and what must not be changed: a journal and a hash chain.
//!
//! The [`journal`] holds records between an answer and their shipping; it survives kill -9 at any point
//! (invariant 10). The [`chain`] makes an append-only log whose past cannot be edited unseen. Neither knows what
//! its entries mean, and neither decides when to sync or ship.

pub mod chain;
pub mod journal;

pub use chain::{Chain, ChainError, Link};
pub use journal::{Journal, JournalError, JournalLimits, Opened, Position};
