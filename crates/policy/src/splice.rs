//! Slices whose plan is not that of their arena: what a proof has to find, made for its tests.
//!
//! The loader does not judge whether rows say what the arena says, so a plan can be wrong and load. Such slices are made
//! here and nowhere else, and only with the feature `mutants`; nothing that ships turns it on.

use crate::eval::bound;
use crate::load::decode::{self, Body};
use crate::load::planned;
use crate::plan::make;
use crate::tree::Parts;
use alloc::vec::Vec;
use glacis_wire::Reader;
use glacis_wire::limits::SLICE_BYTES_MAX;

/// The slice of `parts` with the plan of `other`, which has the same slots, as many rules, and every text that the plan
/// names. `None` if that does not load.
pub fn spliced(parts: &Parts, other: &Parts) -> Option<Vec<u8>> {
    let bytes = parts.encode().ok()?;
    let (start, _) = plan_range(&bytes)?;
    let mut input = Reader::new(&bytes);
    let Body { literals, .. } = decode::parts(&mut input, &bytes).ok()?;
    let places = literals.iter(&bytes).collect();
    let plan = make::plan(other, &places, SLICE_BYTES_MAX - bytes.len());
    with_plan(&bytes, start, &plan)
}

/// Where the plan of a slice begins and ends.
pub fn plan_range(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut input = Reader::new(bytes);
    decode::parts(&mut input, bytes).ok()?;
    Some((input.offset(), bytes.len().checked_sub(size_of::<u64>())?))
}

/// The slice with another plan from `start` on, and the bound of steps that follows. `None` if that does not load.
pub fn with_plan(bytes: &[u8], start: usize, plan: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.get(..start)?.to_vec();
    bytes.extend(plan);
    let mut input = Reader::new(&bytes);
    let Body { parts, literals, models } = decode::parts(&mut input, &bytes).ok()?;
    let (plan, steps) = planned(&mut input, &bytes, &parts, &literals).ok()?;
    let steps = bound(&parts, &steps, &plan, &models);
    input.finish().ok()?;
    bytes.extend(steps.to_be_bytes());
    crate::Slice::load(&bytes).ok()?;
    Some(bytes)
}
