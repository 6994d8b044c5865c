//! Rules about one Rust file: size, module documentation, lifted lints, leftovers, spawned programs, purity.
//!
//! Tests are left out of the size of functions and of the module documentation, nowhere else. Purity is the
//! half of invariant 3 that can be read from source; the other half is in `layers`.

use super::{Findings, Source};
use crate::install::PROGRAMS;

pub(super) fn check(source: &Source<'_>, findings: &mut Findings) {
    size(source, findings);
    documentation(source, findings);
    leftovers(source, findings);
    programs(source, findings);
    purity(source, findings);
}

fn size(source: &Source<'_>, findings: &mut Findings) {
    let path = &source.file.path;
    let lines = source.scan.code_lines();
    if lines > FILE_LINES_MAX {
        findings.fail(path, 1, format!("{lines} lines of code; at most {FILE_LINES_MAX}"));
    } else if lines > FILE_LINES_AIM {
        findings.warn(path, 1, format!("{lines} lines of code; aim for {FILE_LINES_AIM}"));
    }
    if source.is_test {
        return;
    }
    for function in source.scan.functions() {
        if function.lines > FUNCTION_LINES_MAX {
            let text =
                format!("`{}` has {} lines; at most {FUNCTION_LINES_MAX}", function.name, function.lines);
            findings.fail(path, function.line, text);
        }
    }
}

fn documentation(source: &Source<'_>, findings: &mut Findings) {
    let lines = source.scan.module_doc_lines();
    if !source.is_test && lines < MODULE_DOC_LINES_MIN {
        let text = format!("{lines} lines of module documentation; at least {MODULE_DOC_LINES_MIN}");
        findings.fail(&source.file.path, 1, text);
    }
}

fn leftovers(source: &Source<'_>, findings: &mut Findings) {
    for line in source.scan.allow_attributes() {
        findings.fail(&source.file.path, line, "a lint is lifted with `allow`; use `expect` with a reason");
    }
    for (name, line) in source.scan.macro_calls() {
        if LEFTOVER_MACROS.contains(&name.as_str()) {
            findings.fail(&source.file.path, line, format!("`{name}!` is left over"));
        }
    }
}

fn programs(source: &Source<'_>, findings: &mut Findings) {
    for (name, line) in source.scan.spawned_programs() {
        if !PROGRAMS.iter().any(|program| program.name == name) {
            let text = format!("starts `{name}`, which is not in the list of xtask/src/install.rs");
            findings.fail(&source.file.path, line, text);
        }
    }
}

/// Invariant 3: the pure crates name nothing that reads a clock, randomness, a file or a socket.
fn purity(source: &Source<'_>, findings: &mut Findings) {
    let path = &source.file.path;
    let pure = PURE.iter().any(|folder| path.starts_with(folder));
    if !pure || source.is_test {
        return;
    }
    for (name, line) in source.scan.paths() {
        let worldly = WORLD.iter().any(|world| name == *world || name.starts_with(&format!("{world}::")));
        if worldly {
            findings.fail(path, line, format!("a pure crate names `{name}`"));
        }
    }
}

/// Lines of code (no comments, blanks, documentation, test modules) of a file. Source: STYLE §3.
const FILE_LINES_MAX: usize = 1000;
/// Above this a file is too long to read in one go, but not yet refused.
const FILE_LINES_AIM: usize = 600;
/// Lines from `fn` to the closing brace. Source: TigerBeetle's limit, STYLE §3.
const FUNCTION_LINES_MAX: usize = 70;
/// What, why, what it must not do.
const MODULE_DOC_LINES_MIN: usize = 3;
const LEFTOVER_MACROS: &[&str] = &["dbg", "todo", "unimplemented"];
const PURE: &[&str] = &[
    "crates/wire/src/",
    "crates/model/src/",
    "crates/policy/src/",
    "crates/compiler/src/",
    "crates/attest/src/",
];
const WORLD: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::io",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::hash::RandomState",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::*",
];
