//! `cargo xtask soak pairs` and `cargo xtask soak cuts`: what leaves a device over many pairs of devices, and every legal
//! cut and pair of versions of many policies.
//!
//! `soak_cuts --pairs N --seed S` or `soak_cuts --policies N --seed S`. Prints one line of JSON; exits 1 if something
//! differed, 2 on bad arguments.

use glacis_sim::equality::{self, Divergence};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else {
        eprintln!("usage: soak_cuts --pairs N --seed S, or soak_cuts --policies N --seed S");
        return ExitCode::from(2);
    };
    let (line, diverged, first) = match arguments.work {
        Work::Pairs(wanted) => {
            let found = equality::pairs(arguments.seed, wanted);
            let line = serde_json::json!({
                "seed": found.seed, "pairs": found.pairs, "drawn": found.drawn, "policies": found.policies,
                "leaks": found.leaks,
            });
            (line, found.leaks, found.divergences)
        }
        Work::Policies(wanted) => {
            let found = equality::cuts(arguments.seed, wanted);
            let line = serde_json::json!({
                "seed": found.seed, "policies": found.policies, "cuts": found.cuts, "most_cuts": found.most,
                "version_pairs": found.versions, "cases": found.cases, "diverged": found.diverged,
            });
            (line, found.diverged, found.divergences)
        }
    };
    first.iter().for_each(show);
    println!("{line}");
    if diverged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(divergence: &Divergence) {
    eprintln!("policy seed {} case {}: {}", divergence.policy_seed, divergence.case, divergence.what);
    eprintln!("{}\n{}\n", divergence.policy, divergence.event);
}

enum Work {
    Pairs(u64),
    Policies(u64),
}

struct Arguments {
    work: Work,
    seed: u64,
}

impl Arguments {
    fn read() -> Option<Self> {
        let (mut work, mut seed) = (None, None);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next()?.parse().ok()?;
            match word.as_str() {
                "--pairs" => work = Some(Work::Pairs(value)),
                "--policies" => work = Some(Work::Policies(value)),
                "--seed" => seed = Some(value),
                _ => return None,
            }
        }
        Some(Self { work: work?, seed: seed? })
    }
}
