//! Limits of a slice that only slices have; the shared ones are in [`glacis_wire::limits`].
//!
//! Each is asserted when encoding and when decoding (invariant 5). Units are items. They bound memory and steps of
//! loading and evaluating by constants, whatever the bytes are.

/// Most challenge methods of one policy. Source: a method exists only as a variant of
/// [`Method`](glacis_wire::Method), and each stands at most once.
pub const METHODS_MAX: usize = glacis_wire::Method::ALL.len();
/// Most slots of one slice: every signal of a record, every release node and every released value, with room.
pub const SLOTS_MAX: usize = 1_024;
/// Most models in one slice, and most different ways to call them.
pub const MODELS_MAX: usize = 16;
/// See [`MODELS_MAX`].
pub const CALLS_MAX: usize = 256;
/// Most nodes in one arena. At 24 bytes a cell and two planes a [`Scratch`](crate::Scratch) stays under 3.2 MB.
pub const NODES_MAX: usize = 1 << 16;
/// Most score classes of one policy.
pub const CLASSES_MAX: usize = 64;
/// Largest magnitude of a sum of scores: every rule of the largest policy at the largest score.
/// `i64` sums of a slice's own rules and its hidden summary are at most twice this and cannot overflow.
pub const SCORE_SUM_MAX: i64 = 2_048 << 31;

const _: () = assert!(glacis_wire::limits::RULES_MAX == 2_048, "SCORE_SUM_MAX follows RULES_MAX");
