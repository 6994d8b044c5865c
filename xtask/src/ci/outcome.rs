//! What `cargo test` printed, as counts, names and skips.
//!
//! A test that cannot run on this machine prints `skipped: <what>: <why>` and returns. The harness calls that a
//! pass; here it is taken out of the passes, and whether it is permitted is decided by [`super::skips`].

use crate::report::Counts;

/// Everything that a run of `cargo test -- --show-output` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TestRun {
    /// Sums of the `test result:` lines.
    pub(super) counts: Counts,
    /// Names of tests that passed.
    pub(super) passed: Vec<String>,
    /// What was skipped and why.
    pub(super) skipped: Vec<Skip>,
    /// Test binaries that printed a result.
    pub(super) binaries: u64,
}

/// One skip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    /// What could not run: the first word after `skipped:`.
    pub(super) what: String,
    /// The rest of the line.
    pub(super) why: String,
}

impl TestRun {
    /// Reads standard output.
    pub(super) fn parse(stdout: &str) -> Self {
        let mut run = Self::default();
        for line in stdout.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                run.binaries += 1;
                run.counts.passed += number_before(result, " passed");
                run.counts.failed += number_before(result, " failed");
            } else if let Some(name) =
                line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... ok"))
            {
                run.passed.push(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("skipped: ") {
                let (what, why) = rest.split_once(':').unwrap_or((rest, ""));
                run.skipped.push(Skip { what: what.trim().to_owned(), why: why.trim().to_owned() });
            }
        }
        let skipped = u64::try_from(run.skipped.len()).unwrap_or(u64::MAX);
        run.counts.passed = run.counts.passed.saturating_sub(skipped);
        run.counts.skipped = skipped;
        run
    }
}

/// The number that stands right before `word`.
fn number_before(text: &str, word: &str) -> u64 {
    let head = text.split(word).next().unwrap_or("");
    let digits = head.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    if head.len() == text.len() { 0 } else { digits.parse().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_and_skips_taken_out_of_the_passes() {
        let text = "running 3 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d ... ok\n\nsuccesses:\n\n---- d stdout ----\n\
                    skipped: vectors: no corpus\n\ntest result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; \
                    finished in 0.01s\n\ntest result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let run = TestRun::parse(text);
        assert_eq!(run.counts, Counts { passed: 11, failed: 1, skipped: 1 });
        assert_eq!(run.passed, ["a::b", "d"]);
        assert_eq!(run.skipped, [Skip { what: "vectors".into(), why: "no corpus".into() }]);
        assert_eq!(run.binaries, 2);
    }

    #[test]
    fn output_without_results_counts_nothing() {
        assert_eq!(TestRun::parse("error: could not compile\n"), TestRun::default());
    }
}
