//! Contract of the canonical encoding: what one side writes the other reads, and nothing else is readable.
//!
//! Values are made from a proptest strategy; bytes are made by chance and by damaging valid messages.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

mod limits;
mod names;
mod round_trip;
mod strategies;
