//! A policy over past events: rows of a file through the production compiler, engine and feature code.
//!
//! Rows stream in order of time; a row is decided with what was known before it, then becomes history. Memory
//! depends on the windows, not on the number of rows. No rule sees a label or an id, because neither can be mapped
//! to a signal ([`mapping`]). A row that cannot be used is counted with its line and its reason, never dropped in
//! silence; a file that cannot be read to its end is an error, never a report on a part of it.
//!
//! [`Policy`] is a folder of sources, compiled; [`Backtest`] runs it over one file; [`Report`] says what came out.
//! This crate reads no clock: who measures speed, measures around it.

mod choose;
mod error;
mod input;
pub mod mapping;
mod order;
mod policy;
mod report;
mod rows;
mod run;
mod seen;
mod skipped;
mod tally;
mod time;
mod value;

pub use choose::{Chosen, Quality, Wish};
pub use error::BacktestError;
pub use policy::Policy;
pub use report::{Part, Report, RuleLine, Share, VerdictLine, ZoneLine};
pub use rows::{Event, Events, Label};
pub use run::{Backtest, Options, Progress};
pub use skipped::{Skipped, SkippedLine};
pub use time::parse_when;
