//! `glacis keys`: what is on disk afterwards, what is refused, and with which code.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::{code, glacis, keys, stderr, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const DEMO: &[&str] = &["--tenant", "acme", "--realm", "demo"];

fn made(rest: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("keys");
    let output = keys(&dir, &["make"], &[DEMO, rest].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    (folder, dir)
}

/// Every file of the folder with its bytes.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    };
    let mut files: Vec<_> = entries.map(read).filter(|(name, _)| !name.starts_with('.')).collect();
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    content(dir).into_iter().map(|(name, _)| name).collect()
}

fn listing(dir: &Path) -> serde_json::Value {
    let output = keys(dir, &["list"], &["--json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn made_keys_are_private_complete_and_named_by_their_realm() {
    let (_folder, dir) = made(&["--node", "edge-1", "--node", "edge-2"]);
    let want = [
        "cluster.json",
        "feed-1.json",
        "key-set-1.json",
        "node-edge-1.json",
        "node-edge-2.json",
        "nonce.json",
        "own.json",
        "policy-1.json",
        "result-1.json",
        "upstream.json",
    ];
    assert_eq!(names(&dir), want);
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for (name, bytes) in content(&dir) {
        assert_eq!(dir.join(&name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((json["tenant"].as_str(), json["realm"].as_str()), (Some("acme"), Some("demo")), "{name}");
    }
    let list = listing(&dir);
    assert_eq!(list["key_set"], 1);
    assert_eq!(list["keys"].as_array().unwrap().len(), 3 + 2 + 2 + 3);
}

#[test]
fn list_never_prints_a_secret() {
    let (_folder, dir) = made(&["--node", "edge-1"]);
    let shown = [stdout(&keys(&dir, &["list"], &[])), stdout(&keys(&dir, &["list"], &["--json"]))].concat();
    let mut secrets = 0;
    for (_, bytes) in content(&dir) {
        let text = String::from_utf8(bytes).unwrap();
        for line in text.lines().filter(|line| line.contains("\"secret\"")) {
            let secret = line.split('"').nth(3).unwrap();
            assert!(secret.len() == 43 && !shown.contains(secret));
            secrets += 1;
        }
    }
    assert_eq!(secrets, 3 + 2 + 1 + 3);
}

#[test]
fn making_twice_is_refused_and_changes_nothing_but_a_new_node_is_added() {
    let (_folder, dir) = made(&["--node", "edge-1"]);
    let before = content(&dir);
    for rest in [&[][..], &["--node", "edge-1"]] {
        let output = keys(&dir, &["make"], &[DEMO, rest].concat());
        assert_eq!(code(&output), 4, "{}", stderr(&output));
        assert!(stderr(&output).contains("rotate"), "{}", stderr(&output));
        assert_eq!(content(&dir), before);
    }
    assert_eq!(code(&keys(&dir, &["make"], &[DEMO, &["--node", "edge-2"]].concat())), 0);
    assert_eq!(names(&dir).len(), before.len() + 1);
    assert!(before.iter().all(|file| content(&dir).contains(file)));
}

#[test]
fn demo_keys_are_refused_for_production_and_for_another_tenant() {
    let (_folder, dir) = made(&[]);
    let before = content(&dir);
    let production = ["--tenant", "acme", "--realm", "production", "--node", "edge-9"];
    for output in [
        keys(&dir, &["list"], &["--realm", "production"]),
        keys(&dir, &["rotate", "policy"], &["--realm", "production"]),
        keys(&dir, &["make"], &production),
    ] {
        assert_eq!(code(&output), 3, "{}", stderr(&output));
        assert!(
            stderr(&output).contains("is a demo key and must not be used in realm `production`"),
            "{}",
            stderr(&output)
        );
    }
    let other = keys(&dir, &["make"], &["--tenant", "other", "--realm", "demo", "--node", "edge-9"]);
    assert_eq!(code(&other), 3, "{}", stderr(&other));
    assert_eq!(content(&dir), before);
}

#[test]
fn a_demo_key_with_its_realm_edited_is_still_refused() {
    let (_folder, dir) = made(&[]);
    for (name, bytes) in content(&dir) {
        let text =
            String::from_utf8(bytes).unwrap().replace("\"realm\": \"demo\"", "\"realm\": \"production\"");
        std::fs::write(dir.join(name), text).unwrap();
    }
    let output = keys(&dir, &["list"], &["--realm", "production"]);
    assert_eq!(code(&output), 1, "the key set is signed for the realm: {}", stdout(&output));
    assert!(stderr(&output).contains("not signed by a policy key"), "{}", stderr(&output));
}

#[test]
fn rotating_the_policy_key_signs_the_next_key_set_with_the_old_one() {
    let (_folder, dir) = made(&[]);
    let first = listing(&dir);
    assert_eq!(code(&keys(&dir, &["rotate", "policy"], &[])), 0);
    let second = listing(&dir);
    assert_eq!(second["key_set"], 2);
    let states: Vec<_> =
        second["keys"].as_array().unwrap().iter().filter(|key| key["kind"] == "policy").collect();
    assert_eq!(
        (states[0]["state"].as_str(), states[1]["state"].as_str()),
        (Some("previous"), Some("current"))
    );
    assert_eq!(states[0]["id"], first["keys"][0]["id"]);
    assert_eq!(code(&keys(&dir, &["rotate", "policy"], &["--drop-previous"])), 0);
    let third = listing(&dir);
    assert_eq!(third["key_set"], 3);
    assert_eq!(third["keys"].as_array().unwrap().iter().filter(|key| key["kind"] == "policy").count(), 1);
    assert!(
        !names(&dir).contains(&"policy-1.json".to_owned())
            && names(&dir).contains(&"policy-3.json".to_owned())
    );
    std::fs::remove_file(dir.join("key-set-2.json")).unwrap();
    let gap = keys(&dir, &["list"], &[]);
    assert_eq!(code(&gap), 1);
    assert!(stderr(&gap).contains("version 2 is missing"), "{}", stderr(&gap));
}

#[test]
fn rotating_the_cluster_keeps_one_epoch_before_and_one_after() {
    let (_folder, dir) = made(&[]);
    let epochs = |dir: &Path| -> Vec<(String, u64, String)> {
        let list = listing(dir);
        let keys = list["keys"].as_array().unwrap().iter().filter(|key| key["kind"] == "cluster");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        keys.map(|key| (text(&key["state"]), key["generation"].as_u64().unwrap(), text(&key["id"]))).collect()
    };
    let before = epochs(&dir);
    assert_eq!(
        before.iter().map(|(state, epoch, _)| (state.as_str(), *epoch)).collect::<Vec<_>>(),
        [("current", 1), ("next", 2)]
    );
    assert_eq!(code(&keys(&dir, &["rotate", "cluster"], &[])), 0);
    let after = epochs(&dir);
    let states: Vec<_> = after.iter().map(|(state, epoch, _)| (state.as_str(), *epoch)).collect();
    assert_eq!(states, [("previous", 1), ("current", 2), ("next", 3)]);
    assert_eq!((&after[0].2, &after[1].2), (&before[0].2, &before[1].2), "keys move, they do not change");
    assert_eq!(code(&keys(&dir, &["rotate", "cluster"], &["--drop-previous"])), 0);
    assert_eq!(epochs(&dir).len(), 2);
}

#[test]
fn rotating_one_node_leaves_the_others_alone() {
    let (_folder, dir) = made(&["--node", "edge-1", "--node", "edge-2"]);
    let before = content(&dir);
    assert_eq!(code(&keys(&dir, &["rotate", "node"], &["--node", "edge-1"])), 0);
    let changed: Vec<_> =
        content(&dir).into_iter().filter(|file| !before.contains(file)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["node-edge-1.json"]);
    assert_eq!(code(&keys(&dir, &["rotate", "node"], &["--node", "edge-9"])), 4);
    assert_eq!(code(&keys(&dir, &["rotate", "feed"], &["--node", "edge-1"])), 2);
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("keys");
    let planned = keys(&dir, &["make"], &[DEMO, &["--dry-run", "--json"]].concat());
    let planned: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    assert!(!dir.exists());
    assert_eq!((planned["dry_run"].as_bool(), planned["written"].as_array().unwrap().len()), (Some(true), 8));
    let (_folder, dir) = made(&[]);
    let before = content(&dir);
    let output = keys(&dir, &["rotate", "result"], &["--dry-run"]);
    assert!(
        stdout(&output).contains("would write result-2.json\nwould write key-set-2.json"),
        "{}",
        stdout(&output)
    );
    assert_eq!(content(&dir), before);
}

#[test]
fn a_folder_or_file_that_others_may_read_is_refused() {
    let (_folder, dir) = made(&[]);
    let open =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(&dir.join("policy-1.json"), 0o640);
    let output = keys(&dir, &["list"], &[]);
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("policy-1.json: others may read this file"), "{}", stderr(&output));
    open(&dir.join("policy-1.json"), 0o600);
    open(&dir, 0o755);
    assert_eq!(code(&keys(&dir, &["list"], &[])), 3);
    open(&dir, 0o700);
    assert_eq!(code(&keys(&dir, &["list"], &[])), 0);
}

#[test]
fn missing_folders_and_missing_keys_are_exit_code_4() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&keys(&folder.path().join("none"), &["list"], &[])), 4);
    assert!(!folder.path().join("none").exists());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let output = keys(folder.path(), &["rotate", "policy"], &[]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn a_damaged_file_is_refused_with_its_place() {
    for (name, from, to, want) in [
        ("policy-1.json", "\"secret\"", "\"secrets\"", "unknown field `secrets`"),
        ("policy-1.json", "\"generation\": 1", "\"generation\": 2", "holds generation 2"),
        ("cluster.json", "\"epoch\": 2", "\"epoch\": 5", "do not follow each other"),
        ("feed-1.json", "glacis-signing-key/1", "glacis-signing-key/9", "format"),
        ("key-set-1.json", "\"version\": 1", "\"version\": 3", "holds version 1"),
        ("result-1.json", "{", "", "expected a key file at line 2"),
    ] {
        let (_folder, dir) = made(&[]);
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        std::fs::write(dir.join(name), text.replacen(from, to, 1)).unwrap();
        let output = keys(&dir, &["list"], &["--realm", "demo"]);
        assert_eq!(code(&output), 1, "{name} {want}");
        assert!(
            stderr(&output).contains(want) && stderr(&output).contains(name),
            "{want}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_swapped_secret_is_noticed_by_its_public_half() {
    let (_folder, dir) = made(&[]);
    let secret = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        text.lines().find(|line| line.contains("\"secret\"")).unwrap().split('"').nth(3).unwrap().to_owned()
    };
    let text = std::fs::read_to_string(dir.join("policy-1.json")).unwrap();
    std::fs::write(dir.join("policy-1.json"), text.replace(&secret("policy-1.json"), &secret("feed-1.json")))
        .unwrap();
    let output = keys(&dir, &["list"], &[]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("not the public half"), "{}", stderr(&output));
}

#[test]
fn a_rotation_that_was_cut_off_is_taken_up_by_the_next() {
    let (_folder, dir) = made(&[]);
    assert_eq!(code(&keys(&dir, &["rotate", "feed"], &[])), 0);
    std::fs::remove_file(dir.join("key-set-2.json")).unwrap();
    let list = listing(&dir);
    let feed = |list: &serde_json::Value, at: usize| {
        let keys = list["keys"].as_array().unwrap();
        keys.iter().filter(|key| key["kind"] == "feed").nth(at).cloned().unwrap()
    };
    assert_eq!(
        (feed(&list, 0)["state"].as_str(), feed(&list, 1)["state"].as_str()),
        (Some("current"), Some("unused"))
    );
    assert_eq!(code(&keys(&dir, &["rotate", "feed"], &[])), 0);
    let taken = listing(&dir);
    assert_eq!((feed(&taken, 1)["state"].as_str(), taken["key_set"].as_u64()), (Some("current"), Some(2)));
    assert_eq!(feed(&taken, 1)["id"], feed(&list, 1)["id"]);
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let (_folder, dir) = made(&[]);
    let held = glacis_host::DirFiles::open(&dir).unwrap();
    let output = keys(&dir, &["rotate", "cluster"], &[]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(stderr(&output).contains("in use by another process"));
    drop(held);
    assert_eq!(code(&glacis(&["keys", "list", "--dir", &dir.to_string_lossy()])), 0);
}
