//! Counts of one run of traffic, and how they are shown.
//!
//! People and each kind of attack are counted apart. Shares are whole thousandths, rounded down, so that they are the same
//! on every machine.

use glacis_wire::{Verdict, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What one group of actors met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Actions begun.
    pub events: u64,
    /// Requests: an answered challenge is one more.
    pub requests: u64,
    /// Requests settled by device, edge, cloud.
    pub settled: [u64; 3],
    /// Actions that were asked for something.
    pub challenged: u64,
    /// Actions that did not go through in the end.
    pub stopped: u64,
    /// Actions that went through and that a person or the owner hears of.
    pub told: u64,
    actors: BTreeSet<u32>,
    met: BTreeSet<u32>,
}

/// How one action went.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) actor: u32,
    /// Zone and verdict of each request, in order.
    pub(super) requests: Vec<(Zone, Verdict)>,
    pub(super) told: bool,
}

impl Tally {
    pub(super) fn count(&mut self, course: &Course) {
        self.events += 1;
        self.actors.insert(course.actor);
        for (zone, _) in &course.requests {
            self.requests += 1;
            if let Some(settled) = self.settled.get_mut(*zone as usize) {
                *settled += 1;
            }
        }
        let asked = |(_, verdict): &(Zone, Verdict)| matches!(verdict, Verdict::Challenge(_));
        self.challenged += u64::from(course.requests.iter().any(asked));
        let through = course.requests.last().is_some_and(|(_, verdict)| *verdict == Verdict::Allow);
        self.stopped += u64::from(!through);
        self.told += u64::from(through && course.told);
        if !through {
            self.met.insert(course.actor);
        }
    }

    /// Thousandths of the requests that device or edge settled.
    pub fn early(&self) -> u64 {
        let [device, edge, _] = self.settled;
        per_mille(device + edge, self.requests)
    }

    /// Thousandths of the actions that were stopped.
    pub fn stopped_share(&self) -> u64 {
        per_mille(self.stopped, self.events)
    }

    /// Thousandths of the actions that were asked for something.
    pub fn challenged_share(&self) -> u64 {
        per_mille(self.challenged, self.events)
    }

    /// Thousandths of the actors of whom at least one action was stopped.
    pub fn met_share(&self) -> u64 {
        per_mille(count(&self.met), count(&self.actors))
    }
}

impl fmt::Display for Tally {
    /// The cells of one row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [device, edge, cloud] = self.settled;
        let (early, asked) = (Percent(self.early()), Percent(self.challenged_share()));
        let (stopped, met) = (Percent(self.stopped_share()), Percent(self.met_share()));
        let (events, requests, told) = (self.events, self.requests, self.told);
        write!(
            f,
            "{events} | {requests} | {device} / {edge} / {cloud} | {early} | {asked} | {stopped} | {told} | {met}"
        )
    }
}

/// What one policy did to its traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The policy.
    pub policy: String,
    /// Those who mean no harm.
    pub people: Tally,
    /// The others, by what they try.
    pub attacks: BTreeMap<&'static str, Tally>,
}

impl fmt::Display for Report {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| `{}` | actions | requests | settled by device / edge / cloud | before the cloud | asked | stopped | through, but told | actors stopped at least once |",
            self.policy
        )?;
        writeln!(f, "|{}", "---|".repeat(9))?;
        writeln!(f, "| **people** | {} |", self.people)?;
        self.attacks.iter().try_for_each(|(what, tally)| writeln!(f, "| {what} | {tally} |"))
    }
}

/// Thousandths as a percentage.
struct Percent(u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} %", self.0 / 10, self.0 % 10)
    }
}

fn per_mille(part: u64, whole: u64) -> u64 {
    (part * 1_000).checked_div(whole).unwrap_or(0)
}

fn count(set: &BTreeSet<u32>) -> u64 {
    u64::try_from(set.len()).unwrap_or(u64::MAX)
}
