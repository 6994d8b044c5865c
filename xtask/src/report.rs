//! Steps of a task, their seconds and their counts, and the line that ends a CI run.
//!
//! A step counts as one test beside the tests that it ran. A skip is neither passed nor failed; whether one
//! is permitted is decided by `ci::skips`, not here.

use std::fmt;
use std::time::Duration;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All was well.
    Passed,
    /// Something was wrong; one sentence says what.
    Failed(String),
    /// Not run; one sentence says why.
    Skipped(String),
}

/// Tests that a step ran, apart from the step itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that said they could not run.
    pub(crate) skipped: u64,
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Name of the step.
    pub(crate) name: String,
    /// How it ended.
    pub(crate) ended: Ended,
    /// The tests in it.
    pub(crate) counts: Counts,
    /// How long it took.
    pub(crate) took: Duration,
}

/// All steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

impl Report {
    /// Adds a step.
    pub(crate) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Sums over all steps; a step counts as one test.
    pub(crate) fn totals(&self) -> Counts {
        self.steps.iter().fold(Counts::default(), |mut sum, step| {
            sum.passed += step.counts.passed;
            sum.failed += step.counts.failed;
            sum.skipped += step.counts.skipped;
            match step.ended {
                Ended::Passed => sum.passed += 1,
                Ended::Failed(_) => sum.failed += 1,
                Ended::Skipped(_) => sum.skipped += 1,
            }
            sum
        })
    }

    /// Whether nothing failed and something ran.
    pub(crate) fn success(&self) -> bool {
        let totals = self.totals();
        totals.failed == 0 && totals.passed > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<14} {:>8} {:>8} {:>8} {:>8}  ended",
            "step", "seconds", "passed", "failed", "skipped"
        )?;
        for step in &self.steps {
            let (word, why) = match &step.ended {
                Ended::Passed => ("ok", String::new()),
                Ended::Failed(why) => ("FAILED", format!(": {why}")),
                Ended::Skipped(why) => ("skipped", format!(": {why}")),
            };
            let Counts { passed, failed, skipped } = step.counts;
            writeln!(
                f,
                "{:<14} {:>8.1} {passed:>8} {failed:>8} {skipped:>8}  {word}{why}",
                step.name,
                step.took.as_secs_f64()
            )?;
        }
        let seconds: f64 = self.steps.iter().map(|step| step.took.as_secs_f64()).sum();
        let totals = self.totals();
        writeln!(f, "total {seconds:.1} s, {} skipped", totals.skipped)?;
        write!(f, "{} passed, {} failed", totals.passed, totals.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, ended: Ended, passed: u64, failed: u64) -> Step {
        let counts = Counts { passed, failed, skipped: 0 };
        Step { name: name.to_owned(), ended, counts, took: Duration::from_secs(1) }
    }

    #[test]
    fn steps_and_their_tests_are_summed_and_the_last_line_is_exact() {
        let mut report = Report::default();
        report.push(step("fmt", Ended::Passed, 0, 0));
        report.push(step("test", Ended::Failed("2 tests".to_owned()), 40, 2));
        report.push(step("fuzz", Ended::Skipped("no fuzz folder".to_owned()), 0, 0));
        assert_eq!(report.to_string().lines().last(), Some("41 passed, 3 failed"));
        assert!(!report.success());
    }

    #[test]
    fn a_run_without_steps_is_no_success() {
        assert!(!Report::default().success());
    }
}
