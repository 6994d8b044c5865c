//! Invariants 1, 2 and 11 over random policies: the comparison that `cargo xtask soak equality` runs for long.

use glacis_sim::equality::{Divergence, Report, cuts, pairs, soak, soak_policy};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

/// Cases to run: `GLACIS_CASES`, or a few hundred.
fn cases() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many cases is the only thing a test asks the environment"
    )]
    let cases = std::env::var("GLACIS_CASES");
    cases.ok().and_then(|text| text.parse().ok()).unwrap_or(512)
}

fn assert_equal(report: &Report) {
    show(&report.divergences);
    assert_eq!(report.diverged, 0, "seed {}", report.seed);
}

fn show(divergences: &[Divergence]) {
    for divergence in divergences {
        let (seed, case) = (divergence.policy_seed, divergence.case);
        eprintln!(
            "policy seed {seed} case {case}: {}\n{}\n{}",
            divergence.what, divergence.policy, divergence.event
        );
    }
}

fn fresh() -> u64 {
    let fresh = RandomState::new().build_hasher().finish();
    eprintln!("fresh seed {fresh}");
    fresh
}

/// Invariant 2 against the reference's word for what is released, for a fixed and a fresh seed.
#[test]
fn invariant_2_devices_that_agree_on_releases_look_the_same() {
    for seed in [1, fresh()] {
        let found = pairs(seed, cases());
        show(&found.divergences);
        assert_eq!(found.leaks, 0, "seed {seed}");
        assert!(found.pairs * 2 > found.drawn / 4, "{} of {} drawn", found.pairs, found.drawn);
    }
}

/// Invariant 1 over every legal cut and every pair of versions, for a fixed and a fresh seed.
#[test]
fn invariant_1_holds_for_every_cut_and_every_pair_of_versions() {
    for seed in [1, fresh()] {
        let found = cuts(seed, (cases() / 100).max(8));
        show(&found.divergences);
        assert_eq!(found.diverged, 0, "seed {seed}");
        assert!(found.cuts > found.policies && found.versions > found.policies, "{found:?}");
    }
}

/// Invariants 1, 2, 11, for a fixed and a fresh seed.
#[test]
fn invariant_1_run_equals_whole_and_leaves_and_gains_nothing() {
    for seed in [1, fresh()] {
        assert_equal(&soak(seed, cases()));
    }
}

/// The same for the policies that are shipped.
#[test]
fn invariant_1_shipped_policies_run_as_they_are_meant() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let below = |folder: &Path| {
        let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        inside.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let (mut seen, mut open) = (0, below(&policies));
    while let Some(folder) = open.pop() {
        // A folder without a policy holds policies of one catalogue.
        open.extend(below(&folder));
        if !folder.join("policy.toml").is_file() {
            continue;
        }
        let own = folder.join("signals.toml");
        let catalogue = read(&if own.is_file() { own } else { folder.join("../signals.toml") });
        let report = soak_policy(&catalogue, &read(&folder.join("policy.toml")), 1, cases());
        assert_equal(&report);
        // One that only blocks has no challenge to show. The appraisal's let through what has every fact right, which nobody
        // draws by chance; `glacis-attest` runs them over every combination.
        let [allowed, _, blocked] = report.verdicts;
        let drawn = allowed > 0 || folder.parent().is_some_and(|above| above.ends_with("appraisal"));
        assert!(drawn && blocked > 0, "{}: {:?}", folder.display(), report.verdicts);
        seen += 1;
    }
    assert!(seen >= 13, "{seen} policies");
}

/// The generator reaches what it must: every zone decides, every verdict comes out, few policies are refused.
#[test]
fn the_cases_reach_every_zone_and_every_verdict() {
    let report = soak(7, 4_096);
    assert_equal(&report);
    let rare = report.cases / 50;
    assert!(report.decided.iter().all(|decided| *decided > rare), "{:?}", report.decided);
    assert!(report.verdicts.iter().all(|verdicts| *verdicts > rare), "{:?}", report.verdicts);
    assert!(
        report.pairs > rare && report.believed * 4 > rare,
        "{} pairs, {} believed",
        report.pairs,
        report.believed
    );
    assert!(report.intervals * 4 > report.cases, "{} with intervals", report.intervals);
    assert!(report.searches * 10 > report.cases, "{} with nodes that read the request", report.searches);
    // What a random condition says of constants alone may fail, and is then refused.
    assert!(report.refused * 6 < report.policies, "{} refused: {:#?}", report.refused, report.refusals);
}

/// Every seeded bug of the evaluator is caught by the same comparison.
#[cfg(feature = "mutants")]
#[test]
fn every_seeded_bug_is_caught() {
    let found = glacis_sim::equality::mutants(1, 400_000);
    assert!(found.caught.len() >= 20);
    assert!(found.missed.is_empty(), "{:?}", found.missed);
}
