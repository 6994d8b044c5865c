//! `glacis cel conformance`: cases in JSON, run in one of the two profiles.
//!
//! The answer is no where a case of scope `core` comes out otherwise than CEL says. What a profile refuses when it
//! compiles is counted apart: a subset may refuse, it may not differ.

use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::{Args, ValueEnum};
use glacis_compiler::conformance::{Case, Counts, Profile, Report};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `glacis cel conformance`.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// A folder of case files (*.json), or one that holds such a folder `json`
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The language that runs them
    #[arg(long, value_enum, default_value_t = ProfileArg::Full)]
    profile: ProfileArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The profile's name on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileArg {
    /// All of core CEL, in the reference interpreter
    Full,
    /// The subset that conditions of policies use
    Slice,
}

/// Reads the cases, runs them and reports.
pub(crate) fn run(args: &ConformanceArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let profile = match args.profile {
        ProfileArg::Full => Profile::Full,
        ProfileArg::Slice => Profile::Slice,
    };
    let mut report = Report::default();
    for path in files(&args.folder)? {
        report.add(&read(&path)?, profile);
    }
    if args.json {
        print_json(out, &report.json())?;
    } else {
        print(out, plain(&text(&report)).trim_end())?;
    }
    Ok(if report.scope("core").fail == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// The case files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let inner = folder.join("json");
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let unreadable = |error: std::io::Error| {
        CliError::new(Code::CelFolder, format!("{}: {error}", folder.display())).caused_by(error)
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(CliError::new(Code::CelFolder, format!("{}: no *.json in it", folder.display())));
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<Case>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(Code::CelFolder, format!("{}: {error}", path.display())).caused_by(error)
    };
    let broken = |why: &str| CliError::new(Code::CelCases, format!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(unreadable)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(broken(&format!("more than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| broken("not UTF-8").caused_by(error))?;
    Case::read(text).map_err(|error| broken(&error.to_string()).caused_by(error))
}

/// Counts by scope, then what failed.
fn text(report: &Report) -> String {
    let width = report.scopes().keys().map(String::len).max().unwrap_or(0).max(5);
    let mut shown = format!("{:<width$}  {:>6}  {:>6}  {:>7}\n", "scope", "pass", "fail", "refused");
    // Writing to a string cannot fail.
    for (scope, Counts { pass, fail, refused }) in report.scopes() {
        let _ = writeln!(shown, "{scope:<width$}  {pass:>6}  {fail:>6}  {refused:>7}");
    }
    for failure in report.failures() {
        let word = |key: &str| failure.get(key).and_then(Value::as_str).unwrap_or("");
        let _ = write!(
            shown,
            "\n{} {}: {}\n  want: {}\n  got:  {}\n",
            word("file"),
            word("name"),
            word("expr"),
            word("want"),
            word("got")
        );
    }
    shown
}

/// LIMIT: bytes of one file of cases.
const FILE_BYTES_MAX: u64 = 64 << 20;
