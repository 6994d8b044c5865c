use super::*;
use crate::process::Job;

/// A repository in which every rule holds.
fn good() -> Vec<SourceFile> {
    let rows: String = (1..=11).map(|n| format!("| {n} | text | `invariant_{n}_holds` |\n")).collect();
    let tests: String = (1..=11).map(|n| format!("#[test]\nfn invariant_{n}_holds() {{}}\n")).collect();
    vec![
        SourceFile::new("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n"),
        SourceFile::new(
            "docs/ARCHITECTURE.md",
            &format!("# Map\n\nSee [x](../crates/a/src/lib.rs).\n\n## Invariants\n\n{rows}"),
        ),
        SourceFile::new("crates/a/src/lib.rs", "//! One.\n//! Two.\n//! Three.\n\npub fn f() {}\n"),
        SourceFile::new("crates/a/tests/it/main.rs", &tests),
    ]
}

fn with(path: &str, text: &str) -> Vec<String> {
    let mut files = good();
    files.retain(|file| file.path != path);
    files.push(SourceFile::new(path, text));
    check(&files, &["/srv/secret".to_owned(), "mirror.example".to_owned()])
        .violations
        .iter()
        .map(|f| f.text.clone())
        .collect()
}

const DOC: &str = "//! One.\n//! Two.\n//! Three.\n";

fn code(body: &str) -> Vec<String> {
    with("crates/a/src/b.rs", &format!("{DOC}{body}"))
}

#[test]
fn a_good_repository_passes() {
    assert_eq!(code("fn short() {}\n"), Vec::<String>::new());
}

#[test]
fn what_a_build_wrote_is_searched_for_traces_of_a_machine_only() {
    let text = "let a=1; \u{feff}\nmirror.example";
    assert_eq!(
        with("console/dist/assets/app.js", text),
        ["names this machine or its registries: `mirror.example`"]
    );
    assert!(with("console/src/app.js", text).len() > 1);
}

#[test]
fn planted_violations_in_source_are_found() {
    let long = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(70));
    let big = "fn f() {}\n".repeat(1001);
    let (note, fix) = (concat!("TO", "DO"), concat!("FIX", "ME"));
    for (body, want) in [
        (long.as_str(), "`long` has 72 lines"),
        (big.as_str(), "1001 lines of code"),
        ("#[allow(dead_code)]\nfn f() {}\n", "a lint is lifted"),
        ("#![allow(dead_code)]\n", "a lint is lifted"),
        ("#[cfg_attr(test, allow(dead_code))]\nfn f() {}\n", "a lint is lifted"),
        ("macro_rules! m { () => { #[allow(x)] fn f() {} } }\n", "a lint is lifted"),
        ("fn f() { dbg!(1); }\n", "`dbg!`"),
        ("fn f() { todo!() }\n", "`todo!`"),
        ("fn f() { Command::new(\"wget\"); }\n", "starts `wget`"),
        ("fn f( {\n", "cannot parse"),
        (&format!("// {note}: later\n"), "is left over"),
        (&format!("// {fix}\n"), "is left over"),
        ("// blank at the end \n", "ends in blanks"),
        ("// \u{202e}evil\n", "U+202E"),
        ("// lies in /srv/secret/x\n", "names this machine"),
        ("// https://mirror.example/index\n", "names this machine"),
        ("fn f() {}", "the last line does not end"),
    ] {
        let found = code(body);
        let hit =
            found.iter().any(|text| text.contains(want)) || (want == "cannot parse" && found.len() == 1);
        assert!(hit, "{want}: {found:?}");
    }
}

#[test]
fn thin_module_docs_are_found_outside_tests_only() {
    assert!(
        with("crates/a/src/b.rs", "//! One.\n//!\n//! Two.\n")
            .iter()
            .any(|text| text.contains("module documentation"))
    );
    assert_eq!(with("crates/a/src/b/tests.rs", "fn f() {}\n"), Vec::<String>::new());
    assert_eq!(with("crates/a/tests/it/b.rs", "fn f() {}\n"), Vec::<String>::new());
}

#[test]
fn long_functions_and_files_of_tests_are_measured_as_such() {
    let body = "    work();\n".repeat(90);
    assert_eq!(
        code(&format!("#[cfg(test)]\nmod tests {{\n#[test]\nfn t() {{\n{body}}}\n}}\n")),
        Vec::<String>::new()
    );
    let warned =
        check(&[SourceFile::new("crates/a/src/b.rs", &format!("{DOC}{}", "fn f() {}\n".repeat(700)))], &[]);
    assert_eq!(warned.warnings.len(), 1);
}

#[test]
fn planted_violations_in_documents_are_found() {
    assert!(with("docs/X.md", "[gone](gone.md)\n").iter().any(|text| text.contains("leads nowhere")));
    assert!(with("docs/X.md", "[up](../../outside.md)\n").iter().any(|text| text.contains("leads nowhere")));
    assert!(with("docs/X.md", "# Top\n[a](#nope)\n").iter().any(|text| text.contains("no such heading")));
    assert_eq!(
        with(
            "docs/X.md",
            "# Top part\n[a](#top-part) [b](ARCHITECTURE.md#invariants) [c](https://x.example/)\n"
        )
        .len(),
        0
    );
    assert_eq!(with("docs/X.md", "`[not](a-link)`\n```\n[nor](this)\n```\n").len(), 0);
    assert!(with("CHANGELOG.md", "# Changelog\n").iter().any(|text| text.contains("Unreleased")));
}

#[test]
fn an_invariant_without_its_test_is_found() {
    let rows = "# Map\n\n## Invariants\n\n| 1 | text | `invariant_1_holds` |\n| 2 | text | none |\n| 3 | text | `invariant_3_gone` |\n";
    let found = with("docs/ARCHITECTURE.md", rows);
    assert!(found.contains(&"invariant 2 names no test".to_owned()), "{found:?}");
    assert!(found.contains(&"invariant 3: no test `invariant_3_gone`".to_owned()), "{found:?}");
    assert!(found.contains(&"invariant 11 is missing".to_owned()), "{found:?}");
    assert!(!found.iter().any(|text| text.contains("invariant 1 ")), "{found:?}");
}

#[test]
fn invariant_3_a_pure_crate_that_names_the_world_is_found() {
    for name in ["std::fs::read", "std::time::Instant::now", "std::env::args", "std::net::TcpStream::connect"]
    {
        let found = with("crates/policy/src/b.rs", &format!("{DOC}fn f() {{ {name}(); }}\n"));
        assert!(found.iter().any(|text| text.contains("a pure crate names")), "{name}: {found:?}");
    }
    let grouped = with("crates/compiler/src/b.rs", &format!("{DOC}use std::{{fmt, fs}};\n"));
    assert!(grouped.iter().any(|text| text.contains("`std::fs`")), "{grouped:?}");
    assert_eq!(with("crates/sdk/src/b.rs", &format!("{DOC}use std::fs;\n")), Vec::<String>::new());
}

#[test]
fn a_module_that_is_declared_for_tests_is_test_code() {
    let mut files = good();
    files.push(SourceFile::new(
        "crates/policy/src/lib.rs",
        &format!("{DOC}#[cfg(test)]\nmod vectors;\nmod engine;\n"),
    ));
    files.push(SourceFile::new("crates/policy/src/vectors.rs", "use std::fs;\n"));
    files.push(SourceFile::new("crates/policy/src/vectors/more.rs", "use std::fs;\n"));
    assert_eq!(check(&files, &[]).violations, Vec::new());
    files.push(SourceFile::new("crates/policy/src/engine.rs", "use std::fs;\n"));
    assert_eq!(check(&files, &[]).violations.len(), 2);
}

#[test]
fn a_violation_in_a_checkout_is_found_and_an_ignored_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(Job::new("git").args(["init", "--quiet"]).dir(root).run().unwrap().success);
    for file in good() {
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.text.unwrap()).unwrap();
    }
    std::fs::write(root.join(".gitignore"), "target/\n").unwrap();
    std::fs::create_dir(root.join("target")).unwrap();
    std::fs::write(root.join("target/x.rs"), "fn broken(\n").unwrap();
    assert_eq!(check_folder(root).violations, Vec::new());
    std::fs::write(root.join("crates/a/src/lib.rs"), "fn undocumented() {}\n").unwrap();
    assert_eq!(check_folder(root).violations.len(), 1);
    std::fs::write(root.join("crates/a/src/lib.rs"), format!("{DOC}// {}\n", root.display())).unwrap();
    assert_eq!(check_folder(root).violations.len(), 1);
}
