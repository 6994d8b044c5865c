//! One per cent of the load that `cargo xtask soak backtest` measures, under a fixed seed and a fresh one.

use crate::generate;
use crate::support::Scratch;
use glacis_backtest::{Backtest, Options, Policy, Report};

const ROWS: u64 = 50_000;

fn run(seed: u64) -> Report {
    let scratch = Scratch::new();
    let folder = scratch.path("policy");
    generate::write_policy(&folder, 50).unwrap();
    let mut text = Vec::new();
    generate::write_csv(&mut text, ROWS, seed).unwrap();
    let policy = Policy::read(&folder).unwrap();
    assert_eq!(policy.compiled().features().len(), 6);
    assert_eq!(policy.compiled().checked().rules().len(), 50);
    let mapping = policy.mapping(None, None).unwrap();
    let file = scratch.write("events.csv", text);
    Backtest::new(policy, mapping, &file, Options::default()).unwrap().run(|_| {}).unwrap()
}

#[test]
fn generated_load_is_decided_whole_and_zones_agree() {
    let fresh = u64::from(std::process::id());
    for seed in [20_261_122, fresh] {
        println!("seed {seed}");
        let report = run(seed);
        let [all] = report.parts.as_slice() else { panic!("{report}") };
        assert_eq!((all.events, report.rows, report.skipped.rows()), (ROWS, ROWS, 0));
        assert_eq!((all.diverged, report.unavailable), (0, 0));
        let counted: u64 = all.verdicts.iter().map(|line| line.positive + line.negative).sum();
        assert_eq!(counted, ROWS);
        assert!(all.rules.iter().filter(|rule| rule.matched > 0).count() > 20, "{all}");
        assert!(all.zones.iter().all(|zone| zone.decided > 0), "{all}");
    }
    assert_eq!(run(7), run(7), "same seed, same report");
}
