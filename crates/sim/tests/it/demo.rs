//! The demo as it is: real servers on loopback, a real victim process, a small fleet.

use crate::swtpm::skipped;
use glacis_sim::demo::{self, DemoOptions};
use glacis_sim::report::{DemoReport, Stop};
use glacis_sim::terminal::Silent;
use glacis_sim::victim::frida::Frida;
use glacis_sim::victim::{self, VictimCommand};
use std::path::Path;

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
        victim: Some(VictimCommand { program, args, frida: None }),
        ..DemoOptions::default()
    }
}

pub(crate) fn run(options: &DemoOptions) -> DemoReport {
    let report = demo::run(options, &mut Silent).unwrap();
    assert_eq!(report.faults, Vec::<String>::new(), "{report:#?}");
    report
}

#[test]
fn four_zones_stop_eleven_attacks_and_no_benign_user() {
    let report = run(&options(3));
    println!("{}", report.to_json().unwrap());
    assert_eq!(report.benign.requests, 40);
    assert_eq!(report.benign.blocked, 0);
    for zone in Stop::ALL {
        assert!(report.attacks.iter().any(|attack| attack.zone == Some(zone)), "{}", zone.name());
    }
    assert_eq!(report.decided.device, 3, "the hooked app blocked itself");
    assert!(report.equality.checked >= report.decided.total());
    // Six people of these families, and attackers, whose processes and farms are counted too.
    for (family, people) in [("android-key", 3), ("app-attest", 1), ("simulated", 1), ("none", 1)] {
        assert!(report.families.get(family) >= Some(&people), "{family}: {:?}", report.families);
    }
    assert_eq!(report.families.len(), 4, "{:?}", report.families);
}

#[test]
fn devices_with_a_chip_take_part_and_their_disk_is_worth_nothing_elsewhere_or_later() {
    if !["swtpm", "swtpm_setup"].map(exists).into_iter().all(|found| found) {
        return;
    }
    let report = run(&DemoOptions { tpm: true, ..options(5) });
    assert_eq!(report.benign.blocked, 0);
    for (name, says) in [("copied-disk", "does not open"), ("restored-disk", "0 transfers")] {
        let attack = report.attacks.iter().find(|attack| attack.name == name).unwrap();
        assert_eq!(attack.zone, Some(attack.expected), "{name}: {}", attack.finding);
        assert!(attack.finding.contains(says) && !attack.goal_reached, "{name}: {}", attack.finding);
    }
    assert_eq!(report.attacks.len(), 13);
}

/// Whether a program is there; in CI it must be.
fn exists(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    found || skipped::<()>(program).is_some()
}

/// The Frida of the interpreter that `cargo xtask python` makes; the machine's own may be any.
#[expect(clippy::disallowed_methods, reason = "the test step of CI names the interpreter by a variable")]
fn frida() -> Option<Frida> {
    let found = std::env::var_os("GLACIS_PYTHON").and_then(|python| Frida::module(Path::new(&python)));
    if found.is_none() {
        println!(
            "skipped: python: GLACIS_PYTHON names no interpreter with Frida; `cargo xtask python` makes one"
        );
    }
    found
}

#[test]
fn frida_is_stopped_in_the_same_zones_and_named_in_the_report() {
    let Some(frida) = frida() else { return };
    let mut options = options(4);
    if let Some(victim) = &mut options.victim {
        victim.frida = Some(frida.clone());
    }
    let report = run(&options);
    for name in ["hooked-app", "hooked-app-unleashed"] {
        let attack = report.attacks.iter().find(|attack| attack.name == name).unwrap();
        let tools = attack.tools.clone().unwrap();
        if tools.contains("not Frida") {
            println!("skipped: ptrace: {tools}");
            return;
        }
        assert_eq!(tools, format!("/proc/PID/mem, Frida {}", frida.version()));
        assert_eq!(attack.zone, Some(attack.expected), "{}", attack.finding);
    }
    assert_eq!(report.decided.device, 6, "both hooked apps blocked themselves, each three times");
}
