//! The function table is sound, and docs/reference/cel.md says what it says (`UPDATE=1` rewrites the tables there).

use crate::full::{FunctionInfo, Library, functions};
use std::collections::BTreeSet;

fn table(library: Library) -> String {
    let rows: Vec<String> =
        functions().iter().filter(|function| function.library == library).map(FunctionInfo::row).collect();
    format!("| function | steps | what it does |\n|---|---|---|\n{}\n", rows.join("\n"))
}

#[test]
fn the_reference_holds_the_function_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cel.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut want = text.clone();
    for library in Library::ALL.into_iter().filter(|library| *library != Library::TwoVariables) {
        let (open, close) = (format!("<!-- table: {} -->\n", library.name()), "<!-- end -->\n");
        let start = want.find(&open).unwrap() + open.len();
        let end = start + want.get(start..).unwrap().find(close).unwrap();
        want.replace_range(start..end, &table(library));
    }
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what tests compare")]
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(path, &want).unwrap();
        return;
    }
    assert_eq!(text, want, "docs/reference/cel.md differs from the function table; UPDATE=1 rewrites it");
}

#[test]
fn every_function_has_overloads_a_cost_and_a_sentence() {
    let mut seen = BTreeSet::new();
    for function in functions() {
        assert!(seen.insert((function.library, function.name)), "{} is there twice", function.name);
        assert!(!function.overloads.is_empty() && !function.cost.is_empty(), "{}", function.name);
        assert!(function.about.ends_with('.') && function.about.len() > 5, "{}", function.name);
        let unique: BTreeSet<&String> = function.overloads.iter().collect();
        assert_eq!(unique.len(), function.overloads.len(), "{}: one overload twice", function.name);
    }
}
