//! Tests that need the inside of the crate: properties of folding, nodes and the reference, and the CEL vectors.

mod conformance;
mod engine;
mod properties;
pub(crate) mod testing;
