//! A time zone of a slice against the database, at every moment at which either of them changes.
//!
//! Both are constant between their changes, so equality at the first moment and at each change of either is equality
//! everywhere. A table repeats itself from the end of its cycle on; its changes are repeated here as well, to the last
//! moment that a timestamp can be.

use super::Same;
use glacis_policy::TimeZone;
use glacis_wire::Encode;
use std::collections::BTreeSet;

/// The offsets of a zone: before the first change, and from each on.
pub(super) struct Offsets {
    first: i32,
    changes: Vec<(i64, i32)>,
}

impl Offsets {
    pub(super) fn new(name: &str) -> Option<Self> {
        let (first, changes) = glacis_compiler::full::zone_offsets(name)?;
        Some(Self { first, changes })
    }

    fn at(&self, at: i64) -> i32 {
        let known = self.changes.partition_point(|(from, _)| *from <= at);
        known.checked_sub(1).and_then(|last| self.changes.get(last)).map_or(self.first, |(_, offset)| *offset)
    }

    /// Whether a table gives the same offset at every moment of the years 1 to 9999.
    pub(super) fn same(&self, table: &TimeZone) -> Same {
        let Some(own) = moments(table) else { return Same::Unclear("the table cannot be read") };
        let mut moments: BTreeSet<i64> =
            own.into_iter().chain(self.changes.iter().map(|(at, _)| *at)).collect();
        moments.insert(FIRST);
        let mut inside = moments.into_iter().filter(|at| (FIRST..=LAST).contains(at));
        if inside.all(|at| table.offset(at) == self.at(at)) { Same::Yes } else { Same::No }
    }
}

/// Every moment at which a table may change, off its canonical bytes.
fn moments(table: &TimeZone) -> Option<Vec<i64>> {
    let bytes = table.to_bytes().ok()?;
    let (_, changes) = bytes.split_at_checked(4 + 2)?;
    let mut all = Vec::new();
    for change in changes.as_chunks::<12>().0 {
        let (at, _) = change.split_first_chunk()?;
        all.push(i64::from_be_bytes(*at));
    }
    let cycle = all.iter().copied().filter(|at| *at >= TimeZone::CYCLE_END - TimeZone::CYCLE);
    let cycle: Vec<i64> = cycle.chain([TimeZone::CYCLE_END - TimeZone::CYCLE]).collect();
    let mut shift = TimeZone::CYCLE;
    while TimeZone::CYCLE_END - TimeZone::CYCLE + shift <= LAST {
        all.extend(cycle.iter().map(|at| at + shift));
        shift += TimeZone::CYCLE;
    }
    Some(all)
}

/// 0001-01-01T00:00:00Z. Unit: seconds since the epoch.
const FIRST: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z. Unit: seconds since the epoch.
const LAST: i64 = 253_402_300_799;
