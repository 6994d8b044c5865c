//! The function table is sound, and docs/reference/cel.md says what it says (`UPDATE=1` rewrites the tables there).

use super::run;
use crate::full::{FunctionInfo, Library, MacroInfo, functions, macros};
use crate::{Compiled, Diagnostics, Source, compile};
use std::collections::BTreeSet;

fn table(library: Library) -> String {
    let rows: Vec<String> =
        functions().iter().filter(|function| function.library == library).map(FunctionInfo::row).collect();
    format!(
        "| function | steps | profiles | what it does | true, for example |\n|---|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

fn macro_table() -> String {
    let rows: Vec<String> = macros().iter().map(MacroInfo::row).collect();
    format!(
        "| macro | profiles | what it says | true, for example |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

#[test]
fn the_reference_holds_the_function_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cel.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut want = text.clone();
    let libraries = Library::ALL.into_iter().filter(|library| *library != Library::TwoVariables);
    let tables = libraries.map(|library| (library.name(), table(library)));
    for (name, rows) in tables.chain([("macros", macro_table())]) {
        let (open, close) = (format!("<!-- table: {name} -->\n"), "<!-- end -->\n");
        let start = want.find(&open).unwrap() + open.len();
        let end = start + want.get(start..).unwrap().find(close).unwrap();
        want.replace_range(start..end, &rows);
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

#[test]
fn every_example_is_true() {
    for function in functions() {
        assert_eq!(run(function.example), "true", "{}: {}", function.name, function.example);
        let called = function.name.trim_matches(['_', '@']).split('_').next().unwrap_or_default();
        assert!(function.example.contains(called), "{}: {}", function.name, function.example);
    }
    for shown in macros().iter().filter(|shown| shown.profiles.contains("full")) {
        assert_eq!(run(shown.example), "true", "{}: {}", shown.form, shown.example);
    }
}

/// What a policy's conditions can say is what the compiler of policies says, not what the table claims; and what it takes
/// is true there as well.
#[test]
fn examples_of_conditions_hold_as_conditions_and_no_others_compile() {
    let functions = functions().into_iter().map(|function| (function.example, function.in_slice));
    let macros = macros().into_iter().map(|shown| (shown.example, shown.profiles.contains("slice")));
    for (example, in_slice) in functions.chain(macros) {
        let compiled = as_condition(example);
        let why = compiled.as_ref().map_or_else(ToString::to_string, |_| String::new());
        assert_eq!(compiled.is_ok(), in_slice, "{example}\n{why}");
        for result in compiled.iter().flat_map(Compiled::run_cases) {
            assert!(result.holds(), "{example}: {:?}", result.faults);
        }
    }
}

/// A policy that blocks where the example is true, and a case that says so.
fn as_condition(example: &str) -> Result<Compiled, Diagnostics> {
    let policy = format!(
        "[policy]\nname = \"p\"\nevent = \"a.b\"\npurpose = \"p\"\ncombine = \"strictest\"\nmethods = [\"otp\"]\n\
         if_error = \"skip\"\n[[rule]]\nid = \"r\"\nwhen = '''{example}'''\neffect = \"block\"\n"
    );
    let given = if example.contains("request.signed") { "[given]\n\"request.signed\" = false\n" } else { "" };
    let cases = format!("{given}[[case]]\nname = \"c\"\ntrust = \"claimed\"\nverdict = \"block\"\n");
    compile(
        Source { name: "signals.toml", text: "" },
        Source { name: "policy.toml", text: &policy },
        Some(Source { name: "cases.toml", text: &cases }),
    )
}
