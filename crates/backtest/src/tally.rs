//! Counting what came out against what it was.
//!
//! Nothing here decides: verdicts, rule states and zones come from the replay, labels from the row. An event
//! without a label is counted, and is in no precision and no recall.

use crate::rows::Label;
use glacis_cloud::replay::Replayed;
use glacis_policy::RuleState;
use glacis_wire::Verdict;

/// Events by label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByLabel {
    pub(crate) positive: u64,
    pub(crate) negative: u64,
    pub(crate) unlabelled: u64,
}

impl ByLabel {
    pub(crate) const fn add(&mut self, label: Label) {
        match label {
            Label::Positive => self.positive += 1,
            Label::Negative => self.negative += 1,
            Label::None => self.unlabelled += 1,
        }
    }

    pub(crate) const fn all(self) -> u64 {
        self.positive + self.negative + self.unlabelled
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            positive: self.positive + other.positive,
            negative: self.negative + other.negative,
            unlabelled: self.unlabelled + other.unlabelled,
        }
    }
}

/// Counts over a run of events.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// In the order of strictness.
    pub(crate) verdicts: Vec<(Verdict, ByLabel)>,
    /// Rules that matched, in the order of the policy.
    pub(crate) rules: Vec<ByLabel>,
    /// Verdicts that the edge would have given without the cloud, in the same order as `verdicts`.
    pub(crate) edge: Vec<u64>,
    pub(crate) events: ByLabel,
    /// Events whose edge verdict was another than the cloud's. Invariant 1 says that there is none.
    pub(crate) diverged: u64,
}

impl Tally {
    /// `verdicts`: all that the policy can give, mildest first.
    pub(crate) fn new(verdicts: &[Verdict], rules: usize) -> Self {
        Self {
            verdicts: verdicts.iter().map(|verdict| (*verdict, ByLabel::default())).collect(),
            rules: vec![ByLabel::default(); rules],
            edge: vec![0; verdicts.len()],
            events: ByLabel::default(),
            diverged: 0,
        }
    }

    pub(crate) fn count(&mut self, replayed: &Replayed<'_>, label: Label) {
        self.events.add(label);
        for ((verdict, by_label), edge) in self.verdicts.iter_mut().zip(&mut self.edge) {
            if *verdict == replayed.cloud {
                by_label.add(label);
            }
            if Some(*verdict) == replayed.edge {
                *edge += 1;
            }
        }
        if replayed.edge.is_some_and(|edge| edge != replayed.cloud) {
            self.diverged += 1;
        }
        for (matched, state) in self.rules.iter_mut().zip(replayed.rules) {
            if matches!(state, RuleState::Matched { .. }) {
                matched.add(label);
            }
        }
    }
}
