//! `cargo xtask soak equality`: compares run and whole on many random cases, and requires that every seeded
//! evaluator bug is caught by the same comparison.
//!
//! Prints one line of JSON; exits 1 if a case diverged or a mutant was missed, 2 on bad arguments.

use glacis_sim::equality;
use std::process::ExitCode;

/// Cases after which a mutant counts as missed. Measured: the slowest takes some hundred thousands, since it shows in
/// large policies only, and few are large.
const MUTANT_CASES: u64 = 2_000_000;

fn main() -> ExitCode {
    let Some((cases, seed)) = arguments() else {
        eprintln!("usage: soak_equality --cases N --seed S");
        return ExitCode::from(2);
    };
    let report = equality::soak(seed, cases);
    for divergence in &report.divergences {
        eprintln!("policy seed {} case {}: {}", divergence.policy_seed, divergence.case, divergence.what);
        eprintln!("{}\n{}\n", divergence.policy, divergence.event);
    }
    let mutants = equality::mutants(seed, MUTANT_CASES);
    let [device, edge, cloud] = report.decided;
    println!(
        "{}",
        serde_json::json!({
            "seed": report.seed,
            "cases": report.cases,
            "diverged": report.diverged,
            "policies": report.policies,
            "refused": report.refused,
            "intervals": report.intervals,
            "searches": report.searches,
            "decided": {"device": device, "edge": edge, "cloud": cloud},
            "mutants": {
                "total": mutants.caught.len() + mutants.missed.len(),
                "caught": mutants.caught.len(),
                "missed": mutants.missed,
                "slowest": mutants.caught.iter().max_by_key(|(_, cases)| *cases),
            },
        })
    );
    if report.diverged == 0 && mutants.missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<(u64, u64)> {
    let mut cases = None;
    let mut seed = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?.parse().ok()?;
        match word.as_str() {
            "--cases" => cases = Some(value),
            "--seed" => seed = Some(value),
            _ => return None,
        }
    }
    Some((cases?, seed?))
}
