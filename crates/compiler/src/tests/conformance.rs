//! The shared CEL vectors, run through both profiles and compared with cel-go's parse trees.
//!
//! In `full` every case of scope `core` passes. In `slice` a case passes or is refused when it is compiled, and which
//! ones are refused, with the code, is written down in `refused.txt` (`UPDATE=1` rewrites it).

use crate::cel::parse::parse_full;
use crate::cel::tests::show;
use crate::conformance::{Case, Profile, Report};
use crate::full::LIMITS;
use serde_json::Value as Json;
use std::path::PathBuf;

/// Texts of all files, or nothing where the corpus is not there.
fn files() -> Option<Vec<String>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    #[expect(clippy::disallowed_methods, reason = "where the corpus lies is given by the environment")]
    let (named, ci) = (std::env::var_os("GLACIS_VECTORS"), std::env::var("CI"));
    let folder = named.map_or(PathBuf::from(beside), PathBuf::from).join("cel/json");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        assert_ne!(ci.as_deref(), Ok("true"), "no CEL vectors at {}", folder.display());
        println!("skipped: no CEL vectors");
        return None;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    Some(files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect())
}

fn report(profile: Profile) -> Option<Report> {
    let mut report = Report::default();
    for text in files()? {
        report.add(&Case::read(&text).unwrap(), profile);
    }
    println!("{profile:?}: {:?}", report.scopes());
    Some(report)
}

#[test]
fn every_core_case_passes_in_full() {
    let Some(report) = report(Profile::Full) else { return };
    let all: Vec<String> = report.failures().iter().map(Json::to_string).collect();
    let wrong: Vec<&String> = all.iter().filter(|line| !line.contains("\"scope\":\"proto\"")).collect();
    assert!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), all.join("\n"));
    let core = report.scope("core");
    assert_eq!((core.fail, core.refused), (0, 0));
    assert!(core.pass >= 1_100, "the corpus shrank: {core:?}");
}

#[test]
fn in_slice_a_core_case_passes_or_is_refused_as_written_down() {
    let Some(report) = report(Profile::Slice) else { return };
    let failed: Vec<String> = report.failures().iter().map(Json::to_string).collect();
    assert!(failed.is_empty(), "{} failures:\n{}", failed.len(), failed.join("\n"));
    assert!(report.scope("core").pass >= 550, "the subset shrank: {:?}", report.scope("core"));
    let lines = report.refused().iter().map(|(case, code)| format!("{code} {case}\n"));
    let got: String = lines.collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/refused.txt");
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what tests compare")]
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(path, &got).unwrap();
    }
    let want = std::fs::read_to_string(path).unwrap();
    let (got, want): (Vec<&str>, Vec<&str>) = (got.lines().collect(), want.lines().collect());
    let changed: Vec<&&str> = got
        .iter()
        .filter(|line| !want.contains(line))
        .chain(want.iter().filter(|line| !got.contains(line)))
        .collect();
    assert!(
        changed.is_empty(),
        "refused otherwise than refused.txt says (UPDATE=1 rewrites it): {changed:#?}"
    );
}

#[test]
fn parse_trees_are_those_of_cel_go() {
    let Some(files) = files() else { return };
    let cases: Vec<Json> = files
        .iter()
        .map(|text| serde_json::from_str::<Json>(text).unwrap())
        .flat_map(|file| file["sections"].as_array().unwrap().clone())
        .flat_map(|section| section["tests"].as_array().unwrap().clone())
        .filter(|case| case["scope"] == "core")
        .collect();
    let (mut equal, mut broken) = (0, 0);
    for case in &cases {
        let text = case["expr"].as_str().unwrap();
        let parsed = parse_full(text, LIMITS);
        let Some(tree) = case["ast"].as_str() else {
            let message = case["checkError"].as_str().unwrap_or("");
            if message.contains("Syntax error") || message.contains("literal") {
                assert!(parsed.is_err(), "{text} is no CEL: {message}");
                broken += 1;
            }
            continue;
        };
        // Messages are refused by name.
        let Ok(ast) = parsed.map_err(|finding| assert_eq!(finding.code, "G2010", "{text}: {finding:?}"))
        else {
            continue;
        };
        // Escapes and large doubles are printed otherwise there; their values are compared by other tests.
        let printed = ["\\", "e+", "e-"].iter().any(|form| tree.contains(form));
        if printed || case["disableMacros"] == true {
            continue;
        }
        assert_eq!(plain(&show(&ast)), plain(&untyped(tree)), "{text}");
        equal += 1;
    }
    println!("trees equal to cel-go's: {equal}, broken in both: {broken}");
    assert!(equal >= 850, "the grammar shrank: {equal}");
}

/// cel-go's debug text without `^#…#`.
fn untyped(tree: &str) -> String {
    let mut out = String::new();
    let mut rest = tree;
    while let Some((before, after)) = rest.split_once("^#") {
        out.push_str(before);
        rest = after.split_once('#').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Without quotes, blanks and the forms of numbers and escapes that are only a matter of printing.
fn plain(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("// ")).collect::<String>();
    code.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '"' | '\\')).collect()
}
