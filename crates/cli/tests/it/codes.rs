//! The tables of error codes and the sources that use them say the same.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::{code, glacis, stderr, stdout};
use glacis_cli::Code;
use glacis_compiler::codes::CODES;
use std::collections::BTreeSet;
use std::path::Path;

/// Every `"Gnnnn"` in the sources below `dir`, except in the table itself and in tests.
fn used(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            used(&path, found);
        } else if name != "codes.rs" && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\"G") {
                let word = text.get(at + 1..at + 6).unwrap_or("");
                if text.get(at + 6..at + 7) == Some("\"") && word.bytes().skip(1).all(|b| b.is_ascii_digit())
                {
                    found.insert(word.to_owned());
                }
            }
        }
    }
}

#[test]
fn the_compilers_table_holds_exactly_the_codes_that_its_sources_use() {
    let mut found = BTreeSet::new();
    used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/src"), &mut found);
    let table: BTreeSet<String> = CODES.iter().map(|info| info.code.to_owned()).collect();
    assert_eq!(found, table);
    assert_eq!(table.len(), CODES.len(), "no code twice");
}

/// Every `Code::Name` in the sources below `dir`, except in the table itself.
fn named(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named(&path, found);
        } else if path.file_name().unwrap() != "codes.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("Code::").skip(1);
            let word =
                |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect::<String>();
            found.extend(names.map(word));
        }
    }
}

#[test]
fn every_code_of_the_command_can_happen() {
    let mut found = BTreeSet::new();
    named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    // `ExitCode::SUCCESS` and `Code::exit` are no codes.
    found.retain(|name| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase));
    let table: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code:?}")).collect();
    assert_eq!(found, table);
    assert_eq!(table.len(), Code::ALL.len());
}

#[test]
fn codes_ascend_are_unique_and_say_what_to_do() {
    let own = Code::ALL.iter().map(|code| (code.code(), code.title(), code.cause(), code.remedy()));
    let all: Vec<_> =
        CODES.iter().map(|info| (info.code, info.title, info.cause, info.remedy)).chain(own).collect();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    for (code, title, cause, remedy) in all {
        assert!(code.len() == 5 && !title.is_empty(), "{code}");
        assert!(cause.ends_with('.') && remedy.ends_with('.'), "{code}");
    }
}

#[test]
fn explain_error_knows_every_code_and_the_nearest_of_a_typo() {
    let listed = stdout(&glacis(&["explain-error", "--list"]));
    for code in CODES.iter().map(|info| info.code).chain(Code::ALL.iter().map(|code| code.code())) {
        assert!(listed.contains(code), "{code}");
    }
    let one = glacis(&["explain-error", "g4007", "--json"]);
    let one: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(one["title"], "cause without an entry");
    let own = stdout(&glacis(&["explain-error", "G8001"]));
    assert!(own.contains("nobody answers") && own.contains("exit code: 5"), "{own}");
    let typo = glacis(&["explain-error", "G40077"]);
    assert_eq!(code(&typo), 4);
    assert!(stderr(&typo).contains("G7003") && stderr(&typo).contains("did you mean G4007?"));
    assert_eq!(code(&glacis(&["explain-error"])), 2);
}

#[test]
fn errors_are_json_where_json_was_asked_for_even_if_the_arguments_do_not_parse() {
    for args in [&["keys", "list", "--json"][..], &["explain-error", "G0000", "--json"]] {
        let output = glacis(args);
        assert!(output.stdout.is_empty());
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["exit"], code(&output));
        assert!(!error["error"]["help"].as_str().unwrap().is_empty(), "{error}");
    }
    let human = stderr(&glacis(&["keys", "list", "--dir", "/nowhere"]));
    assert!(human.starts_with("glacis: G9009: /nowhere: no such folder\n  help: "), "{human}");
}

#[test]
fn completions_of_each_shell_name_every_role() {
    for shell in ["bash", "zsh", "fish"] {
        let output = glacis(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("explain-error"), "{shell}");
    }
    assert_eq!(code(&glacis(&["completions", "powershell"])), 2);
}
