//! What the numbers are held against: floors, which fail the bench, and goals, which are told.
//!
//! A bar whose number could not be measured is missed, never skipped; only without the feature `peers` are there no bars
//! beside them.

use crate::measure::Table;
use serde_json::{Value, json};

/// One number and its bar.
pub(crate) struct Bar {
    what: String,
    value: f64,
    bar: f64,
    sense: Sense,
    is_floor: bool,
}

/// On which side of its bar a number is good.
#[derive(Clone, Copy)]
pub(crate) enum Sense {
    AtLeast,
    AtMost,
}

impl Bar {
    pub(crate) fn floor(what: impl Into<String>, value: f64, sense: Sense, bar: f64) -> Self {
        Self { what: what.into(), value, bar, sense, is_floor: true }
    }

    pub(crate) fn goal(what: impl Into<String>, value: f64, sense: Sense, bar: f64) -> Self {
        Self { what: what.into(), value, bar, sense, is_floor: false }
    }

    /// Whether the number is on the good side. One that could not be measured is not.
    pub(crate) fn holds(&self) -> bool {
        match self.sense {
            Sense::AtLeast => self.value >= self.bar,
            Sense::AtMost => self.value <= self.bar,
        }
    }

    /// Whether the bench passes as far as this bar goes.
    pub(crate) fn passes(&self) -> bool {
        !self.is_floor || self.holds()
    }

    pub(crate) fn json(&self) -> Value {
        let kind = if self.is_floor { "floor" } else { "goal" };
        json!({"what": self.what, "value": self.value, "bar": self.bar, "kind": kind, "holds": self.holds()})
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sense = match self.sense {
            Sense::AtLeast => "≥",
            Sense::AtMost => "≤",
        };
        let kind = if self.is_floor { "floor" } else { "goal" };
        let outcome = if self.holds() { "holds" } else { "MISSED" };
        write!(f, "{kind:<5} {:<58} {:>10.2}  {sense} {:<6} {outcome}", self.what, self.value, self.bar)
    }
}

/// Beside the fastest peer, by number of rules: floor and goal. Source: acceptance of the engine.
const PEER_BARS: [(usize, f64, f64); 2] = [(200, 15.0, 40.0), (2_000, 40.0, 100.0)];
/// Most times the bit-vector line of the same run.
const LINE_MAX: f64 = 1.3;
/// Most times variant A that variant B takes.
const VARIANT_B_MAX: f64 = 3.0;

/// Bars of the times.
pub(crate) fn of_times(a: &[Table], b: &[Table]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (rules, floor, goal) in PEER_BARS {
        let Some(table) = a.iter().find(|table| table.rules == rules) else { continue };
        let Some((peer, ns)) = fastest_peer(table) else { continue };
        let what = format!("times faster than {peer}, {rules} rules");
        let times = ns / table.ours().ns();
        bars.push(Bar::floor(what.clone(), times, Sense::AtLeast, floor));
        bars.push(Bar::goal(what, times, Sense::AtLeast, goal));
    }
    for table in a {
        let rules = table.rules;
        bars.push(no_heap("A", table));
        let line = table.cell("line: bit-vector").map_or(f64::NAN, |line| line.ns());
        let what = format!("times the bit-vector line, {rules} rules");
        bars.push(Bar::goal(what, table.ours().ns() / line, Sense::AtMost, LINE_MAX));
    }
    for (a, b) in a.iter().zip(b) {
        bars.push(no_heap("B", b));
        let what = format!("times variant A that variant B takes, {} rules", a.rules);
        bars.push(Bar::goal(what, b.ours().ns() / a.ours().ns(), Sense::AtMost, VARIANT_B_MAX));
    }
    bars
}

fn no_heap(variant: &str, table: &Table) -> Bar {
    let what = format!("allocations of ours, variant {variant}, {} rules", table.rules);
    Bar::floor(what, table.ours().allocations, Sense::AtMost, 0.0)
}

/// Name and time of the fastest engine that somebody else wrote.
pub(crate) fn fastest_peer(table: &Table) -> Option<(&'static str, f64)> {
    let peers = table.cells.iter().filter(|cell| !cell.package.starts_with("glacis"));
    peers.map(|cell| (cell.engine, cell.ns())).min_by(|a, b| a.1.total_cmp(&b.1))
}
