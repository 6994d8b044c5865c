//! `glacis cel` as a person or a script meets it, on a few cases of our own.

use crate::{code, glacis, stderr, stdout};
use serde_json::{Value, json};
use std::path::Path;

/// A folder with one file of cases in `folder/json`; the last case is wrong on purpose if `wrong`.
fn cases(folder: &Path, wrong: bool) -> String {
    let mut tests = vec![
        json!({ "name": "sum", "expr": "1 + 1", "scope": "core", "value": { "int64Value": "2" }, "type": "int" }),
        json!({ "name": "map", "expr": "{'a': 1u}.a", "scope": "core", "value": { "uint64Value": "1" } }),
        json!({ "name": "error", "expr": "1 / 0", "scope": "core", "evalError": {} }),
        json!({ "name": "text", "expr": "'a'.charAt(0)", "scope": "ext:strings", "value": { "stringValue": "a" } }),
        json!({ "name": "message", "expr": "Msg{a: 1}", "scope": "proto", "value": { "boolValue": true } }),
    ];
    if wrong {
        tests
            .push(json!({ "name": "odd", "expr": "1 + 1", "scope": "core", "value": { "int64Value": "3" } }));
    }
    let file = json!({ "file": "own", "origin": "cel-spec", "sections": [{ "name": "s", "tests": tests }] });
    std::fs::create_dir_all(folder.join("json")).expect("a folder");
    std::fs::write(folder.join("json/own.json"), file.to_string()).expect("a file");
    folder.to_string_lossy().into_owned()
}

fn report(args: &[&str]) -> (i32, Value) {
    let output = glacis(&[&["cel", "conformance"], args].concat());
    (code(&output), serde_json::from_str(&stdout(&output)).expect("one document"))
}

#[test]
fn cases_are_counted_by_scope_in_either_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = cases(folder.path(), false);
    let (exit, full) = report(&[&dir, "--json"]);
    assert_eq!(exit, 0);
    assert_eq!(full["core"], json!({ "pass": 3, "fail": 0, "refused": 0 }));
    assert_eq!(full["ext:strings"], json!({ "pass": 1, "fail": 0, "refused": 0 }));
    assert_eq!(full["proto"], json!({ "pass": 0, "fail": 0, "refused": 1 }));
    assert_eq!(full["failures"], json!([]));
    let inner = Path::new(&dir).join("json").to_string_lossy().into_owned();
    assert_eq!(report(&[&inner, "--json", "--profile", "full"]), (0, full), "the folder itself too");
    let (exit, slice) = report(&[&dir, "--json", "--profile", "slice"]);
    assert_eq!(exit, 0);
    assert_eq!(slice["core"], json!({ "pass": 2, "fail": 0, "refused": 1 }));
}

#[test]
fn a_core_case_that_differs_is_exit_code_1_and_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = cases(folder.path(), true);
    let (exit, report) = report(&[&dir, "--json"]);
    assert_eq!(exit, 1);
    let failure = &report["failures"][0];
    assert_eq!((&failure["file"], &failure["name"]), (&json!("own"), &json!("odd")));
    assert_eq!((&failure["want"], &failure["got"]), (&json!("3"), &json!("2")));
    let output = glacis(&["cel", "conformance", &dir]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("own odd: 1 + 1\n  want: 3\n  got:  2"), "{}", stdout(&output));
}

#[test]
fn what_is_no_folder_of_cases_has_its_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_string_lossy().into_owned();
    let nowhere = folder.path().join("no").to_string_lossy().into_owned();
    for (path, exit, says) in [(&nowhere, 4, "G7019"), (&dir, 4, "no *.json")] {
        let output = glacis(&["cel", "conformance", path]);
        assert_eq!(code(&output), exit, "{path}");
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    for broken in ["", "{", "[]", "{\"file\": \"x\", \"sections\": [{\"tests\": [{}]}]}", "\u{0}"] {
        std::fs::write(folder.path().join("x.json"), broken).expect("a file");
        let output = glacis(&["cel", "conformance", &dir, "--json"]);
        assert_eq!(code(&output), 1, "{broken}");
        assert!(stderr(&output).contains("G7021"), "{broken}: {}", stderr(&output));
    }
    let output = glacis(&["cel", "conformance", &dir, "--profile", "half"]);
    assert_eq!(code(&output), 2);
}
