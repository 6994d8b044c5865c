//! Rows that could not be used: how many for which reason, and where.
//!
//! Every row read is either an event or counted here. The first lines of each reason are kept, so that a person
//! finds them; memory does not grow with the number of bad rows.

use serde::Serialize;

/// Lines kept for each reason. Unit: lines.
const LINES_MAX: usize = 10;

/// Rows not used, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Skipped {
    reasons: Vec<SkippedLine>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedLine {
    /// Why.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
    /// Where the first of them begin; lines count from 1.
    pub first_lines: Vec<u64>,
}

impl Skipped {
    /// Counts a row. The number of reasons is bounded by the mapping.
    pub(crate) fn count(&mut self, reason: &str, line: u64) {
        let at = self.reasons.iter().position(|known| known.reason == reason);
        let at = at.unwrap_or_else(|| {
            let reason = reason.to_owned();
            self.reasons.push(SkippedLine { reason, rows: 0, first_lines: Vec::new() });
            self.reasons.len() - 1
        });
        if let Some(known) = self.reasons.get_mut(at) {
            known.rows += 1;
            if known.first_lines.len() < LINES_MAX {
                known.first_lines.push(line);
            }
        }
    }

    /// The reasons, in the order in which they came up.
    pub fn reasons(&self) -> &[SkippedLine] {
        &self.reasons
    }

    /// All rows not used.
    pub fn rows(&self) -> u64 {
        self.reasons.iter().map(|reason| reason.rows).sum()
    }
}
