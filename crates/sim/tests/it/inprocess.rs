//! The fleet over the cores: what it decides, and that a seed decides it.

use glacis_sim::inprocess;
use glacis_sim::records::Kept;
use glacis_sim::schedule::Size;
use glacis_wire::Encode;

fn run(seed: u64) -> (glacis_sim::report::DemoReport, Kept) {
    let folder = tempfile::tempdir().unwrap();
    inprocess::run(seed, Size::SMALL, &folder.path().join("cloud.db")).unwrap()
}

#[test]
fn every_attack_ends_in_its_zone_and_run_equals_whole() {
    let (report, _) = run(11);
    println!("{}", report.to_json().unwrap());
    for attack in &report.attacks {
        println!("{}: {}", attack.name, attack.finding);
    }
    assert_eq!(report.faults, Vec::<String>::new(), "{report:#?}");
    assert!(report.equality.checked >= report.decided.total());
}

/// The decision trace: every decision as kept, byte for byte, and the log behind it.
fn trace(kept: &Kept) -> Vec<Vec<u8>> {
    let decided =
        kept.decided.iter().map(|one| [one.record.to_bytes().unwrap(), one.settled.clone()].concat());
    let on_device = kept.on_device.iter().map(|one| one.record.to_bytes().unwrap());
    let log = kept.log.iter().map(|one| format!("{one:?}").into_bytes());
    decided.chain(on_device).chain(log).collect()
}

#[test]
fn invariant_8_same_seed_gives_the_same_decision_trace() {
    let (first, again, other) = (run(5), run(5), run(6));
    assert_eq!(first.0.faults, Vec::<String>::new());
    let (one, two) = (trace(&first.1), trace(&again.1));
    assert!(one.len() > 100, "{}", one.len());
    let differs = one.iter().zip(&two).position(|(a, b)| a != b);
    assert_eq!((one.len(), differs), (two.len(), None));
    assert_ne!(one, trace(&other.1));
}
