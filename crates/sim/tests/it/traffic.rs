//! What the shipped policies settle before the cloud, ask of people, and stop, on traffic of a fixed seed.
//!
//! `cargo test -p glacis-sim --test it traffic -- --nocapture` prints the figures; they stand in docs/policies
//! (`UPDATE=1` rewrites them there).

use glacis_sim::traffic::{Report, SUBJECTS};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SEED: u64 = 5;

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies")
}

fn measured(name: &str) -> Report {
    let subject = SUBJECTS.into_iter().find(|subject| subject.name == name).unwrap();
    let report = subject.measure(SEED).unwrap_or_else(|why| panic!("{why}"));
    println!("{report}");
    assert!(report.people.events >= 2_000, "{name}: {} actions", report.people.events);
    report
}

fn without(name: &str, rule: &str) -> Result<Report, String> {
    SUBJECTS.into_iter().find(|subject| subject.name == name).unwrap().measure_without(rule, SEED)
}

/// Four of the five settle nine in ten benign requests before the cloud, without leases.
#[test]
fn most_benign_requests_never_reach_the_cloud() {
    for name in ["account-login", "payment", "scalping", "iot-command"] {
        let early = measured(name).people.early();
        assert!(early >= 900, "{name}: {early} of 1000");
    }
}

/// Account takeover is two policies, of which the change is the rare one: fifty logins for each.
#[test]
fn account_takeover_as_a_whole_rarely_asks_the_cloud() {
    let (login, change) = (measured("account-login").people, measured("account-change").people);
    let weigh = |logins: u64, changes: u64| 50 * logins * change.events + changes * login.events;
    let early = |settled: [u64; 3]| settled[0] + settled[1];
    let share =
        1_000 * weigh(early(login.settled), early(change.settled)) / weigh(login.requests, change.requests);
    assert!(share >= 900, "{share}");
    let page = std::fs::read_to_string(pages().join("account-takeover.md")).unwrap();
    let told = format!("With fifty logins for each change, {}.{} % of the requests", share / 10, share % 10);
    assert!(page.contains(&told), "the page does not say: {told}");
}

#[test]
fn the_list_of_closed_stores_is_what_keeps_card_payments_in_the_cloud() {
    assert_eq!(measured("card-payment").people.early(), 0);
    let without_it = without("card-payment", "closed-store").unwrap();
    println!("{without_it}");
    assert_eq!(without_it.people.early(), 1_000);
    assert_eq!(without_it.attacks["closed store"].stopped, 0, "it was the rule that stopped them");
    assert!(without("card-payment", "no-such-rule").is_err());
}

/// A policy that asks nobody would settle everything early. Each stops what its page says it stops, and lets through
/// what its page says it lets through.
#[test]
fn attacks_end_as_the_pages_say() {
    let mut reports: BTreeMap<&str, Report> = BTreeMap::new();
    for (name, attack, least, most) in [
        ("account-login", "stuffing, no device", 1_000, 1_000),
        ("account-login", "stuffing, emulators", 1_000, 1_000),
        ("account-login", "guessing", 1_000, 1_000),
        ("account-login", "tampered app", 1_000, 1_000),
        ("account-login", "relayed code, leaked password, browser", 1_000, 1_000),
        ("account-login", "relayed code, own phone", 0, 0),
        ("account-change", "relayed code, own phone", 1_000, 1_000),
        ("account-change", "stolen phone, reported", 1_000, 1_000),
        ("account-change", "stolen phone, not yet reported", 500, 500),
        ("account-change", "owner led from afar", 1_000, 1_000),
        ("payment", "known mule, above 250", 1_000, 1_000),
        ("payment", "known mule, small sums", 0, 0),
        ("payment", "owner led, screen seen", 1_000, 1_000),
        ("payment", "owner led by phone, unlisted mule", 0, 0),
        ("payment", "stolen account, second phone", 1_000, 1_000),
        ("payment", "tampered app", 1_000, 1_000),
        ("card-payment", "closed store", 1_000, 1_000),
        ("card-payment", "stolen card", 1_000, 1_000),
        ("scalping", "script that says so", 1_000, 1_000),
        ("scalping", "script that lies", 1_000, 1_000),
        ("scalping", "emulators", 1_000, 1_000),
        ("scalping", "one phone, again and again", 850, 950),
        ("scalping", "phone farm, by script", 950, 1_000),
        ("scalping", "phone farm, by hand", 0, 0),
        ("scalping", "crawlers, software devices", 50, 100),
        ("scalping", "crawler, no device", 0, 0),
        ("iot-command", "opened hub", 1_000, 1_000),
        ("iot-command", "voice through a window", 1_000, 1_000),
        ("iot-command", "stolen locks", 1_000, 1_000),
        ("iot-command", "forged button", 1_000, 1_000),
        ("iot-command", "one lock, again and again", 800, 900),
        ("iot-command", "many homes, doors", 850, 900),
        ("iot-command", "many homes, heatings up", 850, 900),
        ("iot-command", "many homes, beyond reason", 1_000, 1_000),
    ] {
        let report = reports.entry(name).or_insert_with(|| measured(name));
        let stopped = report.attacks[attack].stopped_share();
        assert!((least..=most).contains(&stopped), "{name}, {attack}: {stopped} of 1000 stopped");
    }
    let crawlers = &reports["scalping"].attacks["crawlers, software devices"];
    assert_eq!(crawlers.met_share(), 1_000, "every crawling device is stopped somewhere");
}

/// What people suffer: hardly anybody is turned away in the end.
#[test]
fn people_get_through() {
    for name in ["account-login", "account-change", "payment", "card-payment", "scalping", "iot-command"] {
        let stopped = measured(name).people.stopped_share();
        assert!(stopped <= 10, "{name}: {stopped} of 1000 people's actions stopped");
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_one_others() {
    let payment = SUBJECTS.into_iter().find(|subject| subject.name == "payment").unwrap();
    let once = payment.measure(SEED).unwrap();
    assert_eq!(once, payment.measure(SEED).unwrap());
    assert_ne!(once, payment.measure(SEED + 1).unwrap());
}

#[test]
fn pages_hold_what_is_measured() {
    for (page, marks) in [
        ("account-takeover", &["account-login", "account-change"][..]),
        ("payment", &["payment"]),
        ("card-payment", &["card-payment", "card-payment without closed-store"]),
        ("scalping", &["scalping"]),
        ("iot-command", &["iot-command"]),
    ] {
        let path = pages().join(format!("{page}.md"));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut want = text.clone();
        for mark in marks {
            let report = match mark.split_once(" without ") {
                Some((name, rule)) => without(name, rule).unwrap(),
                None => measured(mark),
            };
            let (open, close) = (format!("<!-- measured: {mark} -->\n"), "<!-- end -->\n");
            let start = want.find(&open).unwrap() + open.len();
            let end = start + want[start..].find(close).unwrap();
            want.replace_range(start..end, &report.to_string());
        }
        #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what tests compare")]
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(&path, want).unwrap();
            continue;
        }
        assert_eq!(text, want, "{page}: the figures differ; UPDATE=1 rewrites them");
    }
}
