//! The fleet over the cores: what it decides, that a seed decides it, and that the check would see a difference.

use glacis_sim::attack::Attack;
use glacis_sim::check::check;
use glacis_sim::inprocess::{self, Ran};
use glacis_sim::records::Kept;
use glacis_sim::report::Stop;
use glacis_sim::schedule::Size;
use glacis_wire::{Answer, Encode, Value, Verdict, Zone};

fn run(seed: u64) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    inprocess::run(seed, Size::SMALL, &folder.path().join("cloud.db")).unwrap()
}

#[test]
fn every_attack_ends_in_its_zone_and_run_equals_whole() {
    for seed in [11, 12, 13] {
        let report = run(seed).report;
        assert_eq!(report.faults, Vec::<String>::new(), "{report:#?}");
        assert_eq!(report.attacks.len(), Attack::ALL.len());
        assert!(report.equality.checked >= report.decided.total());
        for zone in Stop::ALL {
            assert!(report.attacks.iter().any(|attack| attack.zone == Some(zone)), "{}", zone.name());
        }
    }
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
    assert_eq!(first.report, again.report);
    let (one, two) = (trace(&first.kept), trace(&again.kept));
    assert!(one.len() > 100, "{}", one.len());
    let differs = one.iter().zip(&two).position(|(a, b)| a != b);
    assert_eq!((one.len(), differs), (two.len(), None));
    assert_ne!(one, trace(&other.kept));
}

/// Tampers with one run in many ways; each must show as a difference.
#[test]
fn the_check_sees_every_kind_of_difference() {
    let mut ran = run(21);
    let diverged = |ran: &Ran, kept: &Kept| check(kept, &ran.snapshots, &ran.policies).report.diverged;
    assert_eq!(diverged(&ran, &ran.kept), 0);
    let cloud = |kept: &Kept| kept.decided.iter().position(|one| one.record.zone == Zone::Cloud).unwrap();
    let edge = |kept: &Kept| kept.decided.iter().position(|one| one.record.zone == Zone::Edge).unwrap();

    for at in [cloud(&ran.kept), edge(&ran.kept)] {
        let mut kept = ran.kept.clone();
        let verdict = &mut kept.decided[at].record.verdict;
        *verdict = if *verdict == Verdict::Block { Verdict::Allow } else { Verdict::Block };
        assert_eq!(diverged(&ran, &kept), 1, "another verdict");

        let mut kept = ran.kept.clone();
        kept.decided[at].record.reasons.0 = vec![glacis_wire::message::Text("mule".to_owned())];
        assert_eq!(diverged(&ran, &kept), 1, "a reason that does not hold");

        let mut kept = ran.kept.clone();
        kept.decided[at].settled.clear();
        assert_eq!(diverged(&ran, &kept), 1, "never settled");
    }

    let mut kept = ran.kept.clone();
    let stolen = |one: &&mut glacis_sim::records::Decided| {
        one.record.verdict != Verdict::Allow && one.record.zone == Zone::Cloud
    };
    let stolen = kept
        .decided
        .iter_mut()
        .filter(stolen)
        .find(|one| one.record.reasons.iter().any(|reason| &**reason == "stolen-account"));
    stolen.unwrap().seq = 1;
    assert_eq!(diverged(&ran, &kept), 1, "features read at another cut");

    let mut kept = ran.kept.clone();
    kept.lists.clear();
    assert!(diverged(&ran, &kept) >= 3, "another state of the lists");

    let mut kept = ran.kept.clone();
    kept.on_device[0].record.verdict = Verdict::Allow;
    assert_eq!(diverged(&ran, &kept), 1, "another verdict on the device");

    // A device that knew something else than what it disclosed.
    let facts = ran.kept.decided[edge(&ran.kept)].record.facts.clone();
    let (device, event) = (facts.thumbprint.unwrap(), facts.event_id);
    let mut snapshot = ran.snapshots.of(device, event).unwrap();
    let hooked = snapshot.device.keys().next().unwrap().clone();
    let truth = snapshot.device.get(&hooked) == Some(&Answer::Value(Value::Bool(true)));
    snapshot.device.insert(hooked, Answer::Value(Value::Bool(!truth)));
    ran.snapshots.keep(device, event, snapshot);
    assert_eq!(diverged(&ran, &ran.kept), 1, "another truth");
    ran.kept.decided.clear();
}
