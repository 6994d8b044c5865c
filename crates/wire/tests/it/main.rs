//! Contract of the canonical encoding: what one side writes the other reads, and nothing else is readable.
//!
//! Values are made from a proptest strategy; bytes are made by chance and by damaging valid messages.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod limits;
mod names;
mod round_trip;
mod strategies;
