//! `glacis policy`: what is drawn, what is published, what a lying installation can make of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::installation::{Installation, shipped};
use crate::{code, glacis, keys, stderr, stdout};
use serde_json::{Value, json};
use std::path::Path;

/// A copy of a shipped policy with one text replaced.
fn edited(dir: &Path, name: &str, file: &str, from: &str, to: &str) -> String {
    let (source, target) = (Path::new(&shipped(name)).to_path_buf(), dir.join(name));
    std::fs::create_dir_all(&target).unwrap();
    std::fs::copy(source.join("../signals.toml"), target.join("signals.toml")).unwrap();
    for each in ["policy.toml", "cases.toml"] {
        let text = std::fs::read_to_string(source.join(each)).unwrap();
        let text = if each == file {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        } else {
            text
        };
        std::fs::write(target.join(each), text).unwrap();
    }
    target.to_string_lossy().into_owned()
}

fn parsed(args: &[&str], want: i32) -> Value {
    let output = glacis(args);
    assert_eq!(code(&output), want, "{args:?}: {}{}", stdout(&output), stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn check_says_where_each_rule_lives_and_what_leaves_the_device() {
    let told = parsed(&["policy", "check", &shipped("transfer"), "--json"], 0);
    let policy = &told["policies"][0];
    assert_eq!((&told["ok"], &policy["event"]), (&json!(true), &json!("payment.transfer")));
    let zones = |id: &str| {
        let rules = policy["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["id"] == id).unwrap()["zones"].clone()
    };
    assert_eq!(zones("tampered-app"), json!(["device", "edge", "cloud"]));
    assert_eq!(zones("weak-device"), json!(["edge", "cloud"]));
    assert_eq!(zones("mule"), json!(["cloud"]));
    assert_eq!(policy["leaves_device"]["nodes"][0]["condition"], "app.hooked || app.debugger");
    assert_eq!(policy["leaves_device"]["values"], json!([]));
    assert_eq!(code(&glacis(&["policy", "check", &shipped("transfer"), &shipped("view")])), 0);
}

#[test]
fn every_shipped_policy_is_proven() {
    let below = |folder: &str| {
        let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let folders = inside.filter(|path| path.is_dir()).map(|path| path.to_str().unwrap().to_owned());
        folders.collect::<Vec<_>>()
    };
    // The policies of the appraisal have a catalogue together.
    let (appraisal, mut folders): (Vec<String>, Vec<String>) =
        below(&shipped("")).into_iter().partition(|folder| folder.ends_with("/appraisal"));
    folders.extend(appraisal.iter().flat_map(|folder| below(folder)));
    assert!(folders.len() >= 13, "{folders:?}");
    let mut args = vec!["policy", "prove", "--json"];
    args.extend(folders.iter().map(String::as_str));
    let told = parsed(&args, 0);
    assert_eq!(told["policies"].as_array().unwrap().len(), folders.len());
    for policy in told["policies"].as_array().unwrap() {
        let theorems: Vec<_> =
            policy["theorems"].as_array().unwrap().iter().map(|theorem| &theorem["claim"]).collect();
        assert_eq!(theorems, ["equality", "finality", "gain-nothing", "non-leak"], "{policy}");
        assert!(policy["theorems"][0]["checked"]["atoms"].as_u64() > Some(0), "{policy}");
    }
    let text = glacis(&["policy", "prove", &shipped("transfer")]);
    assert!(stdout(&text).contains("equality     proven"), "{}", stdout(&text));
    let folder = tempfile::tempdir().unwrap();
    let broken = edited(folder.path(), "transfer", "policy.toml", "amount > 1000 &&", "amuont > 1000 &&");
    assert_eq!(code(&glacis(&["policy", "prove", &broken])), 1, "what does not compile is not proven");
}

#[test]
fn a_difference_is_shown_by_an_event_and_none_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    let same = edited(folder.path(), "transfer", "policy.toml", "amount > 1000 && !(", "1000 < amount && !(");
    let told = parsed(&["policy", "diff", &shipped("transfer"), &same, "--json"], 0);
    assert_eq!((&told["same"], &told["decision"]["result"]), (&json!(true), &json!("equal")));
    assert_eq!(told["rules"]["changed"], json!(["weak-device"]));

    let other = tempfile::tempdir().unwrap();
    let stricter =
        edited(other.path(), "transfer", "policy.toml", "amount > 1000 && !(", "amount > 999 && !(");
    let told = parsed(&["policy", "diff", &shipped("transfer"), &stricter, "--json"], 1);
    let decision = &told["decision"];
    assert_eq!(decision["result"], "differs");
    assert_eq!(
        (&decision["before"]["verdict"], &decision["after"]["verdict"]),
        (&json!("allow"), &json!("challenge(passkey)"))
    );
    assert!(decision["event"].as_str().unwrap().contains("\"amount\" = 1000\n"), "{decision}");
    // What is shown is a case: put into the file of cases, it holds.
    let cases = std::fs::read_to_string(Path::new(&stricter).join("cases.toml")).unwrap();
    let case = format!(
        "{cases}\n[[case]]\nname = \"found\"\nverdict = \"challenge(passkey)\"\n{}\n",
        decision["event"].as_str().unwrap()
    );
    std::fs::write(Path::new(&stricter).join("cases.toml"), case).unwrap();
    let held = parsed(&["policy", "test", &stricter, "--json"], 1);
    let cases = held["policies"][0]["cases"].as_array().unwrap();
    assert_eq!(cases.iter().find(|case| case["name"] == "found").unwrap()["ok"], true, "{held}");

    let text = stdout(&glacis(&["policy", "diff", &shipped("transfer"), &stricter]));
    assert!(text.contains("decisions: differ") && text.contains("~ rule weak-device"), "{text}");
    let other_event = glacis(&["policy", "diff", &shipped("transfer"), &shipped("view")]);
    assert_eq!(code(&other_event), 1);
    assert!(stdout(&other_event).contains("undetermined: the policies decide different events"));
}

#[test]
fn an_event_is_explained_zone_by_zone_with_the_least_that_would_have_been_otherwise() {
    let told = parsed(&["policy", "explain", &shipped("transfer"), "--json"], 0);
    let events = told["events"].as_array().unwrap();
    assert!(events.len() > 5);
    for event in events {
        assert_eq!(event["run"]["verdict"], event["decision"]["verdict"], "{event}");
        let allowed = event["decision"]["verdict"] == "allow";
        assert_eq!(event["milder"]["result"] == "nothing", allowed, "{event}");
        let deciding = event["rules"].as_array().unwrap().iter().any(|rule| rule["decides"] == true);
        assert!(deciding || allowed, "{event}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.toml");
    let case = "[[case]]\nname = \"asked\"\ntrust = \"attested\"\nverdict = \"block\"\n[case.given]\namount = 40\n\
                \"device.tier\" = \"hardware\"\n\"app.hooked\" = true\n\"app.debugger\" = false\n\
                \"list.mules(payee)\" = false\n\"list.vip(user)\" = false\n\"user.devices_30d\" = 1\n\"user.transfers_1h\" = 0\n";
    std::fs::write(&file, case).unwrap();
    let output = glacis(&["policy", "explain", &shipped("transfer"), "--event", file.to_str().unwrap()]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}{}", stderr(&output));
    for wanted in [
        "asked: block by [tampered-app]",
        "decided   device",
        "decides   tampered-app: block",
        "if on the device",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("if `app.hooked`"), "a private signal is told by its condition: {text}");
    let missing = glacis(&["policy", "explain", &shipped("transfer"), "--case", "nobody"]);
    assert_eq!(code(&missing), 4);
}

#[test]
fn rules_without_an_effect_and_cases_without_a_promise_are_found() {
    assert_eq!(code(&glacis(&["policy", "analyse", &shipped("transfer")])), 0);
    let folder = tempfile::tempdir().unwrap();
    let dir = edited(
        folder.path(),
        "transfer",
        "policy.toml",
        "amount > 1000 && !(",
        "amount > 1000 && amount < 900 && !(",
    );
    let told = parsed(&["policy", "analyse", &dir, "--json"], 1);
    let fact = &told["policies"][0]["facts"][0];
    assert_eq!((&fact["rule"], &fact["fact"]), (&json!("weak-device"), &json!("never-true")), "{told}");

    let told = parsed(&["policy", "test", &shipped("transfer"), "--coverage", "--json"], 0);
    let coverage = &told["policies"][0]["coverage"];
    assert_eq!(coverage["rules"].as_array().unwrap().len(), 6);
    let (noticed, of) = (coverage["noticed"].as_u64().unwrap(), coverage["of"].as_u64().unwrap());
    assert!(noticed * 10 > of * 5 && noticed <= of, "{noticed} of {of}");
    let text = stdout(&glacis(&["policy", "test", &shipped("transfer"), "--coverage"]));
    assert!(text.contains(&format!("the cases notice {noticed} of {of} small changes")), "{text}");
}

#[test]
fn plan_says_why_each_rule_is_where_it_is_and_what_leaves() {
    let told = parsed(&["policy", "plan", &shipped("transfer"), "--json"], 0);
    let rule = |id: &str| {
        let rules = told["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["id"] == id).unwrap().clone()
    };
    assert_eq!(
        (&told["ok"], &told["bits"]["private"], &told["budget"]),
        (&json!(true), &json!(1), &json!(null))
    );
    assert_eq!(rule("mule")["why"][0]["kind"], "secrecy");
    assert_eq!(rule("stolen-account")["false_early"], "amount > 1000");
    assert_eq!(rule("weak-device")["closes"], "edge");
    assert_eq!(told["slices"][0]["conditions"], json!(["app.hooked || app.debugger"]));
    assert_eq!(told["slices"][1]["conditions"][0], "node.0");
    let release = &told["releases"][0];
    assert_eq!((&release["form"], &release["rules"]), (&json!("node"), &json!(["tampered-app"])));
    assert_eq!((&told["spare"]["nodes"], &told["decided"]), (&json!([]), &json!([])));
    let text = stdout(&glacis(&["policy", "plan", &shipped("transfer")]));
    assert!(text.contains("mule (block): cloud; closes in the cloud"), "{text}");
    assert!(text.contains("bits a request: 1 private, 0 pseudonymous, 0 public; no budget"), "{text}");
}

#[test]
fn plan_of_a_policy_over_its_budget_is_refused_with_what_tells_most() {
    let folder = tempfile::tempdir().unwrap();
    let budget = "[policy.budget]\nbits_per_request = 0\n\n[policy.if_unknown]";
    let dir = edited(folder.path(), "transfer", "policy.toml", "[policy.if_unknown]", budget);
    let output = glacis(&["policy", "plan", &dir]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("error[G5014]: one request tells 1 bit of"), "{}", stdout(&output));
    assert_eq!(parsed(&["policy", "plan", &dir, "--json"], 1)["errors"][0]["code"], "G5014");
    assert_eq!(code(&glacis(&["policy", "plan", "/nowhere"])), 4);
    assert_eq!(code(&glacis(&["policy", "plan", &dir, "--label", "x"])), 2);
}

#[test]
fn a_diagnostic_is_drawn_under_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = edited(folder.path(), "transfer", "policy.toml", "amount > 1000 &&", "amuont > 1000 &&");
    let output = glacis(&["policy", "check", &dir]);
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("error[G3005]")).unwrap();
    assert!(lines[at + 1].contains("policy.toml:32:9"), "{text}");
    let (source, mark) = (lines[at + 3], lines[at + 4]);
    let column = mark.find('^').unwrap();
    assert_eq!(source.get(column..column + 6), Some("amuont"), "{text}");
    assert_eq!(mark.matches('^').count(), 6, "{text}");
    assert!(text.contains("= help: did you mean `amount`?"), "{text}");
    let json = parsed(&["policy", "check", &dir, "--json"], 1);
    assert_eq!(json["policies"][0]["errors"][0]["code"], "G3005");
    assert_eq!(
        (code(&glacis(&["policy", "test", &dir])), code(&glacis(&["policy", "check", "/nowhere"]))),
        (1, 4)
    );
}

#[test]
fn test_shows_what_was_expected_and_what_came() {
    let told = parsed(&["policy", "test", &shipped("transfer"), "--json"], 0);
    assert_eq!((&told["ok"], &told["failed"]), (&json!(true), &json!(0)));
    let folder = tempfile::tempdir().unwrap();
    let dir = edited(
        folder.path(),
        "transfer",
        "policy.toml",
        "user.transfers_1h >= 30",
        "user.transfers_1h >= 31",
    );
    let output = glacis(&["policy", "test", &dir]);
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    assert!(text.contains("FAIL  the next one goes through too, and somebody looks at it"), "{text}");
    assert!(text.contains("reasons: expected [burst], got []"), "{text}");
    assert!(text.contains("25 passed, 1 failed"), "{text}");
    let told = parsed(&["policy", "test", &dir, "--json"], 1);
    let failed =
        told["policies"][0]["cases"].as_array().unwrap().iter().find(|case| case["ok"] == false).unwrap();
    assert_eq!((&failed["expected"]["reasons"], &failed["got"]["reasons"]), (&json!(["burst"]), &json!([])));
    std::fs::remove_file(Path::new(&dir).join("cases.toml")).unwrap();
    assert_eq!(code(&glacis(&["policy", "test", &dir])), 4, "nothing to test is no success");
}

#[test]
fn publishing_keeps_other_policies_shows_the_difference_and_rolls_back() {
    let at = Installation::start();
    let rows = at.audit_rows();
    let rehearsed = at.json(&["policy", "publish", &shipped("transfer"), "--dry-run"]);
    assert_eq!((&rehearsed["version"], &rehearsed["dry_run"]), (&json!(1), &json!(true)));
    assert_eq!((at.audit_rows(), at.json(&["policy", "list"])["live"].as_u64()), (rows, Some(0)));
    at.publish("transfer");
    at.publish("view");
    let listed = at.json(&["policy", "list"]);
    assert_eq!((&listed["live"], listed["policies"].as_array().unwrap().len()), (&json!(2), 2));

    let folder = tempfile::tempdir().unwrap();
    let dir = edited(folder.path(), "transfer", "policy.toml", "amount > 1000 && !(", "amount > 1500 && !(");
    let refused = at.run(&["policy", "publish", &dir]);
    assert_eq!(code(&refused), 1, "its cases do not hold any more");
    assert!(stderr(&refused).contains("G7012"), "{}", stderr(&refused));
    let dir = edited(folder.path(), "transfer", "policy.toml", "id = \"vip\"", "id = \"friends\"");
    let cases = std::fs::read_to_string(Path::new(&dir).join("cases.toml")).unwrap();
    std::fs::write(Path::new(&dir).join("cases.toml"), cases.replace("\"vip\"", "\"friends\"")).unwrap();
    let changed = at.json(&["policy", "publish", &dir]);
    let transfer = &changed["policies"][1];
    assert_eq!((&changed["version"], &transfer["change"]), (&json!(3), &json!("changed")));
    let rules: Vec<(&str, &str)> = transfer["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap(), rule["change"].as_str().unwrap()))
        .collect();
    assert_eq!(rules, [("friends", "added"), ("vip", "removed")]);
    assert_eq!(changed["policies"][0]["change"], "same", "the policy of another event stays");
    assert_eq!(at.json(&["policy", "publish", &dir])["changed"], false, "the same again is no version");

    let rows = at.audit_rows();
    let rehearsed = at.json(&["policy", "rollback", "2", "--dry-run"]);
    assert_eq!((&rehearsed["version"], at.audit_rows()), (&json!(4), rows));
    let back = at.json(&["policy", "rollback", "2"]);
    assert_eq!((&back["version"], &back["from"], &back["before"]), (&json!(4), &json!(2), &json!(3)));
    assert_eq!(at.json(&["policy", "list"])["live"], 4);
    for version in ["0", "5", "99"] {
        assert_eq!(code(&at.run(&["policy", "rollback", version])), 4, "{version}");
    }
    let only = at.json(&["policy", "publish", &shipped("view"), "--only"]);
    assert_eq!(only["policies"][1]["change"], "removed");
    assert_eq!(at.json(&["policy", "list"])["policies"].as_array().unwrap().len(), 1);
}

#[test]
fn keys_of_another_ring_publish_nothing() {
    let at = Installation::start();
    at.publish("transfer");
    let rows = at.audit_rows();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("keys");
    assert_eq!(code(&keys(&other, &["make"], &["--tenant", "acme", "--realm", "production"])), 0);
    let other = other.to_string_lossy().into_owned();
    for args in [
        &["policy", "publish", &shipped("view"), "--keys", &other][..],
        &["policy", "publish", &shipped("view"), "--only", "--keys", &other],
        &["policy", "rollback", "1", "--keys", &other],
    ] {
        let output = at.run(args);
        assert_eq!(code(&output), 3, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("G8006"), "{}", stderr(&output));
    }
    assert_eq!(at.audit_rows(), rows);
    let missing = at.run(&["policy", "publish", &shipped("view"), "--keys", "/nowhere"]);
    assert_eq!(code(&missing), 4, "{}", stderr(&missing));
}

#[test]
fn a_rotated_policy_key_publishes_and_a_token_without_the_scope_does_not() {
    let at = Installation::start();
    at.publish("transfer");
    assert_eq!(code(&keys(&at.data().join("keys"), &["rotate", "policy"], &[])), 0);
    let told = at.json(&["policy", "publish", &shipped("transfer")]);
    assert_eq!((&told["changed"], &told["version"]), (&json!(true), &json!(2)), "the new key set goes out");
    assert_eq!(at.json(&["policy", "list"])["key_set"], 2);
    let reader = at.token("reader", &["read"]);
    let ring = at.data().join("keys").to_string_lossy().into_owned();
    for dry in [&[][..], &["--dry-run"]] {
        let view = shipped("view");
        let args = [&["policy", "publish", &view, "--keys", &ring][..], dry].concat();
        let output = at.with_token(&reader, &args);
        assert_eq!(code(&output), 3, "{}", stderr(&output));
        assert!(stderr(&output).contains("`policies`"), "{}", stderr(&output));
    }
}
