//! From what actors saw and what was kept to the report: zones, sums, equality, exit rule.
//!
//! Nothing is decided here that a zone could have decided; this module only counts and compares, after everything
//! has stopped. What does not fit becomes a fault of the report, in words.

use crate::attack::zone;
use crate::check::check;
use crate::policies::Policies;
use crate::records::Kept;
use crate::report::{AttackReport, DecidedReport, DemoReport, EqualityReport, LatencyReport};
use crate::script::Seen;
use crate::snapshots::Snapshots;
use glacis_wire::{EventId, Thumbprint, Zone};
use std::collections::BTreeMap;

/// Differences that a report spells out; more are only counted.
const DIFFERENCES_SHOWN: usize = 5;

/// Everything that a report is made of.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Seed of the schedule.
    pub seed: u64,
    /// What actors saw.
    pub seen: &'a Seen,
    /// What the control plane kept.
    pub kept: &'a Kept,
    /// What only the simulator knows.
    pub snapshots: &'a Snapshots,
    /// The policies in force.
    pub policies: &'a Policies,
    /// Whether decisions are compared with the reference interpreter.
    pub check: bool,
}

/// Judges a run.
pub fn report(evidence: &Evidence<'_>) -> DemoReport {
    let Evidence { seed, seen, kept, snapshots, policies, check: checks } = *evidence;
    let mut report = DemoReport {
        seed,
        attacks: attacks(seen, kept, policies),
        benign: seen.benign_report(),
        decided: decided(kept),
        latency_added_us: LatencyReport::of(seen.added_us.clone()),
        equality: EqualityReport::default(),
        families: kept.families.clone(),
        console: None,
        faults: Vec::new(),
    };
    let stopped = seen.benign_stopped();
    report.faults.extend(stopped.iter().map(|(end, count)| format!("{count} benign actions ended in {end}")));
    let events = seen.events();
    if checks {
        let checked = check(kept, snapshots, policies);
        report.equality = checked.report;
        report.faults.extend(checked.differences.into_iter().take(DIFFERENCES_SHOWN));
    }
    report.judge(events, checks);
    report
}

/// One line an attack; rounds of the same attack add up, and a zone counts only if all rounds share it.
fn attacks(seen: &Seen, kept: &Kept, policies: &Policies) -> Vec<AttackReport> {
    let mut reports: Vec<AttackReport> = Vec::new();
    for (attack, ended) in &seen.attacks {
        let count = |stopped: bool| {
            let counted = ended.attempts.iter().filter(|attempt| !stopped || !attempt.end.allowed());
            u32::try_from(counted.count()).unwrap_or(u32::MAX)
        };
        let last =
            ended.attempts.iter().rev().find(|attempt| !attempt.end.allowed()).or(ended.attempts.last());
        let zone = zone::of_all(&ended.attempts, kept, policies);
        match reports.iter_mut().find(|report| report.name == attack.name) {
            Some(report) => {
                report.requests += count(false);
                report.stopped += count(true);
                report.zone = report.zone.filter(|known| Some(*known) == zone);
                report.goal_reached |= ended.goal_reached;
            }
            None => reports.push(AttackReport {
                name: attack.name,
                zone,
                verdict: last.map_or_else(String::new, |attempt| attempt.end.verdict()),
                requests: count(false),
                stopped: count(true),
                tools: ended.tools.clone(),
                expected: attack.expected,
                goal_reached: ended.goal_reached,
                finding: ended.finding.clone(),
            }),
        }
    }
    reports
}

/// Which zone decided each action last: an action that was decided again after a challenge is one action.
fn decided(kept: &Kept) -> DecidedReport {
    let mut last: BTreeMap<(Option<Thumbprint>, EventId), Zone> = BTreeMap::new();
    for one in &kept.on_device {
        last.insert((Some(one.thumbprint), one.record.event_id), Zone::Device);
    }
    for one in &kept.decided {
        let facts = &one.record.facts;
        last.insert((facts.thumbprint, facts.event_id), one.record.zone);
    }
    let mut report = DecidedReport::default();
    for zone in last.values() {
        match zone {
            Zone::Device => report.device += 1,
            Zone::Edge => report.edge += 1,
            Zone::Cloud => report.cloud += 1,
        }
    }
    report
}
