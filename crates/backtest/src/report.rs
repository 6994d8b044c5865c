//! What a backtest found: as data for programs (JSON) and as a table for people.
//!
//! A share without a whole (no event matched, nothing is positive) is written as `null` and `-`, never as 0 or 1.
//! Speed is not in here: it belongs to the machine, and whoever ran the backtest measured it.

use crate::choose::Chosen;
use crate::skipped::Skipped;
use crate::tally::{ByLabel, Tally};
use glacis_wire::Verdict;
use serde::{Serialize, Serializer};
use std::fmt;

/// A share, with what it is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    /// So many of so many.
    pub const fn new(part: u64, whole: u64) -> Self {
        Self { part, whole }
    }

    /// As a number; of nothing, zero.
    #[expect(clippy::cast_precision_loss, reason = "a share of 2^53 events and more is rounded for people")]
    pub fn value(self) -> f64 {
        if self.whole == 0 { 0.0 } else { self.part as f64 / self.whole as f64 }
    }

    fn known(self) -> Option<f64> {
        (self.whole > 0).then(|| self.value())
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(out)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(share) => f.pad(&format!("{share:.4}")),
            None => f.pad("-"),
        }
    }
}

/// Everything that came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The policy's name.
    pub policy: String,
    /// Its digest.
    pub digest: String,
    /// The event that it decides.
    pub event: String,
    /// Column of the label.
    pub label: String,
    /// Rows read.
    pub rows: u64,
    /// Rows that could not be used.
    pub skipped: Skipped,
    /// Events before the reported time: they fill windows and are not counted.
    pub warm_up: u64,
    /// Events decided and counted, with the parts they were counted in.
    pub parts: Vec<Part>,
    /// A chosen threshold.
    pub chosen: Option<Chosen>,
    /// Signals that rules read and no column supplies; they were `unknown(withheld)`.
    pub unsupplied: Vec<String>,
    /// Events for which a feature was out of memory and read `unknown(unavailable)`.
    pub unavailable: u64,
    /// Most feature entries held at once.
    pub entries_max: usize,
}

/// One part of the events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// `all`, or `first` and `rest`.
    pub part: &'static str,
    /// Events in it.
    pub events: u64,
    /// Verdict against label, mildest verdict first.
    pub verdicts: Vec<VerdictLine>,
    /// Everything that is not allowed, against the label.
    pub flagged: RuleLine,
    /// Each rule against the label, in the order of the policy.
    pub rules: Vec<RuleLine>,
    /// Who would have decided.
    pub zones: Vec<ZoneLine>,
    /// Events whose edge verdict was not the cloud's; anything but zero is a fault of the engine.
    pub diverged: u64,
}

/// One verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictLine {
    /// As records name it.
    pub verdict: String,
    /// Positives that got it.
    pub positive: u64,
    /// Negatives that got it.
    pub negative: u64,
    /// Events without a label that got it.
    pub unlabelled: u64,
}

/// One rule, or all together, as a classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleLine {
    /// Id of the rule.
    pub rule: String,
    /// Events that it matched.
    pub matched: u64,
    /// Positives among them.
    pub true_positive: u64,
    /// Negatives among them.
    pub false_positive: u64,
    /// Positives that it did not match.
    pub false_negative: u64,
    /// Of what it matched and is labelled, the share that is positive.
    pub precision: Share,
    /// Of what is positive, the share that it matched.
    pub recall: Share,
    /// Of what is negative, the share that it matched.
    pub false_positive_rate: Share,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZoneLine {
    /// Which.
    pub zone: &'static str,
    /// Events that it would have decided.
    pub decided: u64,
}

impl Part {
    pub(crate) fn new(part: &'static str, tally: &Tally, rules: &[String]) -> Self {
        let all = tally.events;
        let line = |(verdict, by): &(Verdict, ByLabel)| VerdictLine {
            verdict: verdict.to_string(),
            positive: by.positive,
            negative: by.negative,
            unlabelled: by.unlabelled,
        };
        let flagged = tally.verdicts.iter().filter(|(verdict, _)| *verdict != Verdict::Allow);
        let flagged = flagged.fold(ByLabel::default(), |sum, (_, by)| sum.plus(*by));
        let at_edge: u64 = tally.edge.iter().sum();
        Self {
            part,
            events: all.all(),
            verdicts: tally.verdicts.iter().map(line).collect(),
            flagged: RuleLine::new("all rules", flagged, all),
            rules: rules.iter().zip(&tally.rules).map(|(rule, by)| RuleLine::new(rule, *by, all)).collect(),
            zones: vec![
                ZoneLine { zone: "edge", decided: at_edge },
                ZoneLine { zone: "cloud", decided: all.all() - at_edge },
            ],
            diverged: tally.diverged,
        }
    }
}

impl RuleLine {
    fn new(rule: &str, matched: ByLabel, all: ByLabel) -> Self {
        Self {
            rule: rule.to_owned(),
            matched: matched.all(),
            true_positive: matched.positive,
            false_positive: matched.negative,
            false_negative: all.positive - matched.positive,
            precision: Share::new(matched.positive, matched.positive + matched.negative),
            recall: Share::new(matched.positive, all.positive),
            false_positive_rate: Share::new(matched.negative, all.negative),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "policy {} ({}), event {}, label `{}`",
            self.policy, self.digest, self.event, self.label
        )?;
        let events: u64 = self.parts.iter().map(|part| part.events).sum();
        write!(f, "{} rows, {events} events decided", self.rows)?;
        if self.warm_up > 0 {
            write!(f, ", {} before them filled the windows", self.warm_up)?;
        }
        writeln!(f, ", {} rows not used", self.skipped.rows())?;
        for skipped in self.skipped.reasons() {
            let lines: Vec<String> = skipped.first_lines.iter().map(u64::to_string).collect();
            writeln!(
                f,
                "  not used: {}: {} rows, first at line {}",
                skipped.reason,
                skipped.rows,
                lines.join(", ")
            )?;
        }
        if !self.unsupplied.is_empty() {
            writeln!(f, "  no column supplies {}: read as withheld", self.unsupplied.join(", "))?;
        }
        if self.unavailable > 0 {
            writeln!(f, "  {} events read a feature that was out of memory", self.unavailable)?;
        }
        for part in &self.parts {
            write!(f, "\n{part}")?;
        }
        if let Some(chosen) = &self.chosen {
            write!(f, "\n{chosen}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "part {}: {} events", self.part, self.events)?;
        writeln!(f, "  {:<24}{:>12}{:>12}{:>12}", "verdict", "positive", "negative", "unlabelled")?;
        for line in &self.verdicts {
            let VerdictLine { verdict, positive, negative, unlabelled } = line;
            writeln!(f, "  {verdict:<24}{positive:>12}{negative:>12}{unlabelled:>12}")?;
        }
        writeln!(
            f,
            "  {:<24}{:>12}{:>12}{:>12}{:>11}{:>11}{:>11}",
            "rule", "matched", "positive", "negative", "precision", "recall", "fp rate"
        )?;
        for line in self.rules.iter().chain([&self.flagged]) {
            writeln!(
                f,
                "  {:<24}{:>12}{:>12}{:>12}{:>11}{:>11}{:>11}",
                line.rule,
                line.matched,
                line.true_positive,
                line.false_positive,
                line.precision,
                line.recall,
                line.false_positive_rate
            )?;
        }
        let zones: Vec<String> =
            self.zones.iter().map(|line| format!("{} {}", line.zone, line.decided)).collect();
        writeln!(f, "  decided at: {}", zones.join(", "))?;
        if self.diverged > 0 {
            writeln!(f, "  FAULT: edge and cloud differ on {} events", self.diverged)?;
        }
        Ok(())
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, signal, operator, shipped, chosen, .. } = self;
        writeln!(
            f,
            "chosen for `{rule}` on the first part: {signal} {operator} {chosen} (the policy has {shipped})"
        )?;
        for (part, quality) in [("first", &self.first), ("rest", &self.rest)] {
            writeln!(
                f,
                "  {part:<6} precision {}, recall {}: {} of {} positives, {} negatives, of {} labelled events",
                quality.precision,
                quality.recall,
                quality.true_positive,
                quality.true_positive + quality.false_negative,
                quality.false_positive,
                quality.events
            )?;
        }
        Ok(())
    }
}
