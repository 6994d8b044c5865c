//! Rules of style that no compiler checks: sizes, documentation, forbidden words, links, named tests.
//!
//! Each rule takes files in memory and adds findings; [`check`] runs them all. A rule that needs an
//! exception gets it here as data with a reason, never in the file that breaks it.

mod docs;
mod rust;
mod text;

use crate::error::Failure;
use crate::files::{self, SourceFile};
use crate::options::Options;
use crate::scan::Scan;
use std::fmt;

/// Help text.
pub(crate) const ABOUT: &str = "check sizes, module docs, forbidden words, links, invariants and spawned programs\n\
    Fails on a function over 70 lines, a file over 1000 code lines, a missing module doc, a lifted lint, a\n\
    leftover, a broken link, an invariant without its test. Warns about files over 600 code lines.";

/// Runs all rules on this repository.
pub(crate) fn run(options: Options) -> Result<bool, Failure> {
    options.finish()?;
    let root = files::root()?;
    let findings = check(&files::tracked(&root)?, &text::private_marks(&root));
    for finding in &findings.warnings {
        println!("tidy: warning: {finding}");
    }
    for finding in &findings.violations {
        println!("tidy: {finding}");
    }
    println!("tidy: {} violations, {} warnings", findings.violations.len(), findings.warnings.len());
    Ok(findings.violations.is_empty())
}

/// What the rules found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Each fails the check.
    pub(crate) violations: Vec<Finding>,
    /// Shown only.
    pub(crate) warnings: Vec<Finding>,
}

/// One place and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

impl Findings {
    fn fail(&mut self, path: &str, line: usize, text: impl Into<String>) {
        self.violations.push(Finding { path: path.to_owned(), line, text: text.into() });
    }

    fn warn(&mut self, path: &str, line: usize, text: impl Into<String>) {
        self.warnings.push(Finding { path: path.to_owned(), line, text: text.into() });
    }
}

/// A Rust file with its tokens.
struct Source<'a> {
    file: &'a SourceFile,
    scan: Scan,
    /// Whether the whole file is test code, by its place or by the `#[cfg(test)] mod` that declares it.
    is_test: bool,
}

/// Runs every rule over the files of a repository.
pub(crate) fn check(files: &[SourceFile], private: &[String]) -> Findings {
    let mut findings = Findings::default();
    let mut sources = Vec::new();
    for file in files {
        let Some(content) = &file.text else { continue };
        text::check(file, content, private, &mut findings);
        if file.is_rust() {
            match Scan::parse(content) {
                Ok(scan) => sources.push(Source { file, scan, is_test: file.is_test() }),
                Err(error) => findings.fail(&file.path, 1, error.to_string()),
            }
        }
    }
    mark_test_modules(&mut sources);
    sources.iter().for_each(|source| rust::check(source, &mut findings));
    docs::check(files, &sources, &mut findings);
    findings
}

/// Marks the files of modules that are declared `#[cfg(test)] mod name;`.
fn mark_test_modules(sources: &mut [Source<'_>]) {
    let mut modules = Vec::new();
    for source in sources.iter() {
        let path = source.file.path.trim_end_matches(".rs");
        let root = ["/lib", "/main", "/mod"].iter().find_map(|name| path.strip_suffix(name));
        modules
            .extend(source.scan.test_modules().iter().map(|name| format!("{}/{name}", root.unwrap_or(path))));
    }
    for source in sources {
        let path = source.file.path.as_str();
        let inside = |module: &String| {
            path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        source.is_test |= modules.iter().any(inside);
    }
}

/// All rules on files of a folder, for tests that plant a violation on disk.
#[cfg(test)]
fn check_folder(root: &std::path::Path) -> Findings {
    check(&files::tracked(root).unwrap(), &text::private_marks(root))
}

#[cfg(test)]
mod tests;
