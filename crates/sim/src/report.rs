//! What a run of the demo says at its end: the one JSON line of `glacis demo --json`, and the exit rule.
//!
//! Field names and their meaning are fixed by the README; scripts read them. Everything in a report was counted
//! at the place where it happened: requests by the fleet, goals at the shop, zones from records and refusals.

use serde::Serialize;
use std::collections::BTreeMap;

/// The zones of an attack's end: the three that run policy, and the ecosystem that refuses to vouch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// No hardware root vouches for the device: refused when it enrols, or held by its tier.
    Ecosystem,
    /// Stopped in the app's process.
    Device,
    /// Stopped by the gateway.
    Edge,
    /// Stopped by the control plane.
    Cloud,
}

impl Stop {
    /// Every zone, outermost first.
    pub const ALL: [Self; 4] = [Self::Ecosystem, Self::Device, Self::Edge, Self::Cloud];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecosystem => "ecosystem",
            Self::Device => "device",
            Self::Edge => "edge",
            Self::Cloud => "cloud",
        }
    }
}

/// How one attack ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttackReport {
    /// Its name.
    pub name: &'static str,
    /// The zone that stopped it; none where nothing did, or where two zones share it.
    pub zone: Option<Stop>,
    /// What the attacker was told last: `block`, `challenge(otp)`, `refused(replayed)`, `allow`.
    pub verdict: String,
    /// Actions begun; an answer to a challenge belongs to its action.
    pub requests: u32,
    /// Of these, not ended in allow.
    pub stopped: u32,
    /// Tools of others with which it attacked, where it used some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<String>,
    /// The zone in which it was expected to end.
    #[serde(skip)]
    pub expected: Stop,
    /// Whether its goal was reached, as measured at the shop or at the zones.
    #[serde(skip)]
    pub goal_reached: bool,
    /// What the goal was and what was measured, in words.
    #[serde(skip)]
    pub finding: String,
}

impl AttackReport {
    /// Whether it ended in its zone with its goal not reached.
    pub fn held(&self) -> bool {
        self.zone == Some(self.expected) && !self.goal_reached && self.stopped > 0
    }
}

/// What benign users met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BenignReport {
    /// Actions begun.
    pub requests: u32,
    /// Allowed at once.
    pub allowed: u32,
    /// Allowed after passing a challenge.
    pub challenged: u32,
    /// Not allowed in the end, for whatever reason.
    pub blocked: u32,
}

/// Which zone decided each action that became an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DecidedReport {
    /// In the app's process.
    pub device: u32,
    /// At the gateway, without the cloud.
    pub edge: u32,
    /// In the control plane.
    pub cloud: u32,
}

impl DecidedReport {
    /// All decided actions.
    pub const fn total(&self) -> u32 {
        self.device + self.edge + self.cloud
    }
}

/// Client time through the edge minus the paired direct time, of allowed benign requests. Unit: microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LatencyReport {
    /// Pairs measured.
    pub n: u32,
    /// Half of them added at most this much.
    pub p50: i64,
    /// 99 % of them added at most this much.
    pub p99: i64,
}

impl LatencyReport {
    /// Nearest-rank percentiles of paired differences.
    pub fn of(mut added_us: Vec<i64>) -> Self {
        added_us.sort_unstable();
        let rank = |percent: usize| {
            let at = (added_us.len() * percent).div_ceil(100).saturating_sub(1);
            added_us.get(at).copied().unwrap_or(0)
        };
        Self { n: u32::try_from(added_us.len()).unwrap_or(u32::MAX), p50: rank(50), p99: rank(99) }
    }
}

/// Events whose verdict was compared with the reference interpreter on the full snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EqualityReport {
    /// Decisions compared.
    pub checked: u32,
    /// Decisions that differ in verdict, method or settled obligations.
    pub diverged: u32,
}

/// One whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DemoReport {
    /// The seed of schedule and attackers.
    pub seed: u64,
    /// Attacks in the order in which they ran.
    pub attacks: Vec<AttackReport>,
    /// Benign users.
    pub benign: BenignReport,
    /// Which zone decided.
    pub decided: DecidedReport,
    /// Price of the way through the edge.
    pub latency_added_us: LatencyReport,
    /// Whether run equals whole.
    pub equality: EqualityReport,
    /// Devices that enrolled by the family of their evidence, those of attackers among them; `none` gave no evidence.
    pub families: BTreeMap<String, u32>,
    /// What opened the console while the demo ran; void once it ended. None without sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
    /// Everything that is not as it must be, in words; empty in a good run.
    #[serde(skip)]
    pub faults: Vec<String>,
}

impl DemoReport {
    /// The exit rule: every attack ended in its zone with its goal not reached, no benign request was blocked,
    /// nothing diverged, and the sums are right.
    pub fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }

    /// The report as one line of JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Applies the exit rule to the numbers and keeps every breach as a sentence.
    pub fn judge(&mut self, decided_want: u32, checks: bool) {
        let mut faults = Vec::new();
        for attack in self.attacks.iter().filter(|attack| !attack.held()) {
            let zone = attack.zone.map_or("no single zone", Stop::name);
            faults.push(format!(
                "attack {} ended in {zone}, expected {}: {}",
                attack.name,
                attack.expected.name(),
                attack.finding
            ));
        }
        let benign = self.benign;
        if benign.blocked > 0 {
            faults.push(format!("{} benign requests were blocked", benign.blocked));
        }
        if benign.requests != benign.allowed + benign.challenged + benign.blocked {
            faults.push("benign requests do not sum up".to_owned());
        }
        if self.decided.total() != decided_want {
            faults.push(format!(
                "{} actions became events, {} were decided",
                decided_want,
                self.decided.total()
            ));
        }
        if self.equality.diverged > 0 {
            faults.push(format!("{} decisions differ from the reference", self.equality.diverged));
        }
        if checks && self.equality.checked < decided_want {
            faults.push(format!("only {} of {decided_want} events were checked", self.equality.checked));
        }
        self.faults.extend(faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(attack: AttackReport) -> DemoReport {
        DemoReport {
            seed: 7,
            attacks: vec![attack],
            benign: BenignReport { requests: 3, allowed: 2, challenged: 1, blocked: 0 },
            decided: DecidedReport { device: 1, edge: 2, cloud: 1 },
            latency_added_us: LatencyReport::of(vec![5, -1, 9]),
            equality: EqualityReport { checked: 4, diverged: 0 },
            families: [("none".to_owned(), 2)].into(),
            console: None,
            faults: Vec::new(),
        }
    }

    fn attack(zone: Option<Stop>, goal_reached: bool) -> AttackReport {
        AttackReport {
            name: "mule",
            zone,
            verdict: "block".to_owned(),
            requests: 1,
            stopped: 1,
            tools: None,
            expected: Stop::Cloud,
            goal_reached,
            finding: String::new(),
        }
    }

    #[test]
    fn json_has_the_documented_fields_in_order() {
        let json = report(attack(Some(Stop::Cloud), false)).to_json().unwrap();
        assert_eq!(
            json,
            r#"{"seed":7,"attacks":[{"name":"mule","zone":"cloud","verdict":"block","requests":1,"stopped":1}],"benign":{"requests":3,"allowed":2,"challenged":1,"blocked":0},"decided":{"device":1,"edge":2,"cloud":1},"latency_added_us":{"n":3,"p50":5,"p99":9},"equality":{"checked":4,"diverged":0},"families":{"none":2}}"#
        );
    }

    #[test]
    fn exit_rule_fails_on_each_breach_alone() {
        let good = || report(attack(Some(Stop::Cloud), false));
        let faults = |mut report: DemoReport| {
            report.judge(4, true);
            report.faults.len()
        };
        assert_eq!(faults(good()), 0);
        assert_eq!(faults(report(attack(Some(Stop::Edge), false))), 1);
        assert_eq!(faults(report(attack(None, false))), 1);
        assert_eq!(faults(report(attack(Some(Stop::Cloud), true))), 1);
        let mut blocked = good();
        blocked.benign = BenignReport { requests: 3, allowed: 2, challenged: 0, blocked: 1 };
        assert_eq!(faults(blocked), 1);
        let mut diverged = good();
        diverged.equality.diverged = 1;
        assert_eq!(faults(diverged), 1);
        let mut sums = good();
        sums.decided.edge = 1;
        assert_eq!(faults(sums), 1);
        let mut unchecked = good();
        unchecked.equality.checked = 3;
        assert_eq!(faults(unchecked), 1);
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let latency = LatencyReport::of((1..=200).rev().collect());
        assert_eq!((latency.n, latency.p50, latency.p99), (200, 100, 198));
        assert_eq!(LatencyReport::of(Vec::new()), LatencyReport::default());
    }
}
