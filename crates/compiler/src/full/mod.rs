//! The profile `full`: all of core CEL, checked and interpreted.
//!
//! It is what the CEL specification says an expression means, without regard to speed: the oracle that whatever runs
//! a subset faster is held to. Zones do not run it. Nothing of a policy is known here; an [`Env`] says what names an
//! expression may use, a [`Program`] is compiled against it and run with values for its variables.
//!
//! All core CEL is there but protobuf messages and optional values, which are refused by name when an expression is
//! compiled. The extension libraries of cel-go that make sense without them are offered by [`Library`].
//!
//! Everything is bounded: text, nesting and types when compiling, steps (and by them memory) when running. No input
//! makes it panic or recurse without end. Dates need a time zone database; it is compiled in.

mod check;
mod env;
mod eval;
mod example;
mod expr;
mod fault;
mod info;
mod lower;
mod network;
mod pattern;
mod program;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod ty;
mod unify;
mod value;

pub use env::{Env, Signature};
pub use eval::Bindings;
pub use fault::{ErrorKind, EvalError};
pub use info::{FunctionInfo, MacroInfo, functions, macros};
pub(crate) use network::{Network, address};
#[cfg(test)]
pub(crate) use program::LIMITS;
pub use program::Program;
pub use table::Library;
pub(crate) use table::encoders::{bytes_of, text_of};
pub(crate) use time::Zone;
pub use time::{Duration, Timestamp, time_value};
pub use ty::Type;
pub use value::{Key, List, Map, Value};

/// A pattern as `cut` makes an automaton of it, and whether this profile takes it; `None` if it is none.
pub(crate) fn rewritten_pattern(pattern: &str) -> Option<(String, bool)> {
    let rewritten = pattern::rewritten(pattern).ok()?;
    Some((rewritten, pattern::compile(pattern).is_ok()))
}

/// A pattern in the syntax of the `regex` crate, without Unicode's `\d`, `\w`, `\s` and `\b`, meaning there what it
/// means here; `None` if it is none.
pub fn pattern_as_regex(pattern: &str) -> Option<String> {
    rewritten_pattern(pattern).filter(|(_, is_taken)| *is_taken).map(|(rewritten, _)| rewritten)
}

/// The offset of a time zone before its first change, and every change to the year 9999: its second since the epoch,
/// and the offset from then on. Unit: seconds east of UTC. `None` if it is no zone.
pub fn zone_offsets(zone: &str) -> Option<(i32, Vec<(i64, i32)>)> {
    let zone = Zone::parse(zone).ok()?;
    Some((zone.first_offset()?, zone.changes().collect()))
}

/// Whether a part of `text` matches `pattern`; `None` if it is no pattern.
pub(crate) fn pattern_matches(pattern: &str, text: &str) -> Option<bool> {
    pattern::compile(pattern).ok().map(|pattern| pattern.regex.is_match(text.as_bytes()))
}
