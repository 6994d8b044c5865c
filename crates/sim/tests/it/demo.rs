//! The demo as it is: real servers on loopback, a real victim process, a small fleet.

use glacis_sim::demo::{self, DemoOptions};
use glacis_sim::report::{DemoReport, Stop};
use glacis_sim::terminal::Silent;
use glacis_sim::victim::{self, VictimCommand};

/// Not a test: the body of the victim process, which the demo starts from this very binary.
#[test]
#[ignore = "the app that `hooked-app` patches; reads its orders from stdin"]
fn is_the_victims_app() {
    victim::main();
}

pub(crate) fn options(seed: u64) -> DemoOptions {
    let program = std::env::current_exe().unwrap();
    let args = ["demo::is_the_victims_app", "--exact", "--ignored", "--nocapture"].map(Into::into).to_vec();
    DemoOptions {
        seed: Some(seed),
        headless: true,
        once: true,
        devices: 6,
        actions: 40,
        victim: Some(VictimCommand { program, args }),
        ..DemoOptions::default()
    }
}

pub(crate) fn run(options: &DemoOptions) -> DemoReport {
    let report = demo::run(options, &mut Silent).unwrap();
    assert_eq!(report.faults, Vec::<String>::new(), "{report:#?}");
    report
}

#[test]
fn four_zones_stop_nine_attacks_and_no_benign_user() {
    let report = run(&options(3));
    println!("{}", report.to_json().unwrap());
    assert_eq!(report.benign.requests, 40);
    assert_eq!(report.benign.blocked, 0);
    for zone in Stop::ALL {
        assert!(report.attacks.iter().any(|attack| attack.zone == Some(zone)), "{}", zone.name());
    }
    assert_eq!(report.decided.device, 3, "the hooked app blocked itself");
    assert!(report.equality.checked >= report.decided.total());
}
