//! A whole policy file against a fixed catalogue.
//!
//! Invariants: those of [`crate::condition`], for everything that a policy file can say: TOML, keys and their
//! spelling, rules, effects, entries, placement, score classes.

/// Checks one input.
pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        crate::condition::compile_and_check(text);
    }
}
