//! `glacis policy backtest` as a person or a script meets it.

use crate::{code, glacis, stderr, stdout};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/card-payment")
}

/// Ten payments, the last two large and fraudulent, and a row that is none.
fn events(folder: &Path) -> PathBuf {
    let mut text =
        String::from("id,card_id,store_id,datetime,amount,currency,customer_present,fraud,country\n");
    for id in 0..10 {
        let (amount, fraud) = if id < 8 { (100, "False") } else { (95_000, "True") };
        writeln!(text, "{id},c{id},s1,2019-01-01 0{id}:00:00,{amount},EUR,True,{fraud},DE")
            .expect("a string");
    }
    text.push_str("10,c1,s1,never,1,EUR,True,False,DE\n");
    let path = folder.join("events.csv");
    std::fs::write(&path, text).expect("a file");
    path
}

fn backtest(events: &Path, rest: &[&str]) -> std::process::Output {
    let (policy, events) = (policy(), events.to_string_lossy().into_owned());
    let policy = policy.to_string_lossy();
    let args = ["policy", "backtest", &policy, "--events", &events];
    glacis(&[&args, rest].concat())
}

#[test]
fn a_backtest_prints_a_table_or_one_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = events(folder.path());
    let table = backtest(&events, &["--label", "fraud"]);
    assert_eq!(code(&table), 0, "{}", stderr(&table));
    for part in ["large-amount", "1.0000", "not used: time: 1 rows, first at line 12", "events/s", "cloud 10"]
    {
        assert!(stdout(&table).contains(part), "{part}\n{}", stdout(&table));
    }
    assert_eq!(stderr(&table), "", "no bar where nobody looks");
    let bar = backtest(&events, &["--label", "fraud", "--progress"]);
    assert_eq!(code(&bar), 0);
    let json = backtest(&events, &["--json", "--split", "0.9", "--choose", "large-amount"]);
    assert_eq!(code(&json), 0, "{}", stderr(&json));
    let report: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("one document");
    let at = |pointer: &str| report.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/parts/0/flagged/true_positive"), 1);
    assert_eq!(at("/parts/1/flagged/recall"), 1.0);
    assert_eq!(at("/chosen/chosen"), 94_999);
    assert_eq!(at("/skipped/0/first_lines/0"), 12);
    assert!(at("/events_per_s").is_u64() && at("/elapsed_ms").is_u64());
}

#[test]
fn a_plan_says_which_zone_decides_recorded_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = events(folder.path());
    let (policy, events) = (policy(), events.to_string_lossy().into_owned());
    let args = ["policy", "plan", &policy.to_string_lossy(), "--events", &events, "--label", "fraud"];
    let text = glacis(&args);
    assert_eq!(code(&text), 0, "{}", stderr(&text));
    let want = "decided in the cloud: 10 of 10 recorded events, 100.0 %";
    assert!(stdout(&text).contains(want), "{}", stdout(&text));
    let json = glacis(&[&args[..], &["--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("one document");
    let want = serde_json::json!({ "zone": "edge", "decided": 0, "events": 10 });
    assert_eq!(told["decided"][1], want);
}

#[test]
fn what_cannot_be_done_has_its_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = events(folder.path());
    let cut = folder.path().join("cut.gz");
    std::fs::write(&cut, b"\x1f\x8b\x08\x00").expect("a file");
    for (file, rest, exit, says) in [
        (folder.path().join("gone"), ["--label", "fraud"].as_slice(), 4, "G7013"),
        (cut, &["--label", "fraud"], 1, "cut short"),
        (events.clone(), &["--label", "amount"], 2, "cannot be the signal `amount`"),
        (events.clone(), &["--label", "verdict"], 1, "there is no column `verdict`"),
        (events.clone(), &["--split", "1.5"], 2, "between 0 and 1"),
        (events.clone(), &["--from", "soon"], 2, "not a time"),
        (events.clone(), &["--choose", "large-amount"], 2, "--split"),
        (events, &["--split", "0.5", "--choose", "mule"], 2, "has no rule `mule`"),
    ] {
        let output = backtest(&file, rest);
        assert_eq!(code(&output), exit, "{rest:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{rest:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}
