//! `glacis policy fmt`: policies, catalogues and cases in their one form.
//!
//! What the form is, is the compiler's matter ([`glacis_compiler::format`]). Here files are read, compared, and replaced
//! whole or not at all. A folder without a catalogue of its own shares the one above, which is formatted as well. With
//! `--check` nothing is written, and the answer is no where a file would change.

use super::describe::{diagnostic_json, drawn};
use super::source::{TextFile, read};
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_compiler::{Diagnostics, Source, format};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `glacis policy fmt`.
#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// Folders with policy.toml, and signals.toml in them or above
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Write nothing; say which files would change
    #[arg(long)]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One file and what formatting makes of it.
struct Formatted {
    file: TextFile,
    path: PathBuf,
    shown: Result<String, Diagnostics>,
}

impl Formatted {
    fn changes(&self) -> bool {
        self.shown.as_ref().is_ok_and(|shown| *shown != self.file.text)
    }
}

/// Formats every file of the folders.
pub(crate) fn run(args: &FmtArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let files = args.dirs.iter().map(|dir| files(dir)).collect::<Result<Vec<_>, _>>()?;
    // Folders that share a catalogue have it under several names; it is one file.
    let mut seen = BTreeSet::new();
    let fresh = |path: &PathBuf| seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
    let files: Vec<PathBuf> = files.into_iter().flatten().filter(fresh).collect();
    let formatted = files.into_iter().filter_map(|path| formatted(path).transpose());
    let formatted = formatted.collect::<Result<Vec<_>, _>>()?;
    let broken = formatted.iter().any(|each| each.shown.is_err());
    if !args.check {
        formatted.iter().filter(|each| each.changes()).try_for_each(write)?;
    }
    let untidy = args.check && formatted.iter().any(Formatted::changes);
    let ok = !(broken || untidy);
    if args.json {
        let files: Vec<Value> = formatted.iter().map(json_of).collect();
        print_json(out, &json!({ "ok": ok, "files": files }))?;
    } else {
        formatted.iter().try_for_each(|each| tell(args.check, each, out))?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// The files of one folder that there are.
fn files(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !dir.join("policy.toml").is_file() {
        let what = format!("{}: there is no policy.toml in it", dir.display());
        return Err(CliError::new(Code::PolicyFolder, what));
    }
    let own = dir.join("signals.toml");
    let catalogue = if own.is_file() { own } else { dir.join("..").join("signals.toml") };
    let all = [dir.join("policy.toml"), dir.join("cases.toml"), catalogue];
    Ok(all.into_iter().filter(|path| path.is_file()).collect())
}

fn formatted(path: PathBuf) -> Result<Option<Formatted>, CliError> {
    let Some(file) = read(&path)? else { return Ok(None) };
    let shown = format(Source { name: &file.name, text: &file.text });
    Ok(Some(Formatted { file, path, shown }))
}

/// Puts the new text in the place of the old one, whole or not at all.
fn write(formatted: &Formatted) -> Result<(), CliError> {
    let Ok(shown) = &formatted.shown else { return Ok(()) };
    let replace = || -> io::Result<()> {
        let path = std::fs::canonicalize(&formatted.path)?;
        let mode = std::fs::metadata(&path)?.permissions();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let beside = path.with_file_name(format!(".{name}.fmt"));
        let written = std::fs::write(&beside, shown)
            .and_then(|()| std::fs::set_permissions(&beside, mode))
            .and_then(|()| std::fs::rename(&beside, &path));
        if written.is_err() {
            // Best effort: nothing reads what is left over.
            let _ = std::fs::remove_file(&beside);
        }
        written
    };
    let fail = |error: io::Error| {
        CliError::new(Code::PolicyFolder, format!("{}: {error}", formatted.file.name)).caused_by(error)
    };
    replace().map_err(fail)
}

fn tell(check: bool, formatted: &Formatted, out: &mut dyn Write) -> Result<(), CliError> {
    match &formatted.shown {
        Err(found) => {
            found.iter().try_for_each(|found| print(out, &drawn(found, "error", Some(&formatted.file.text))))
        }
        Ok(_) if formatted.changes() => {
            let what = if check { "would change" } else { "formatted" };
            print(out, &format!("{what}: {}", plain(&formatted.file.name)))
        }
        Ok(_) => Ok(()),
    }
}

fn json_of(formatted: &Formatted) -> Value {
    let errors = formatted
        .shown
        .as_ref()
        .err()
        .map(|found| found.iter().map(|found| diagnostic_json(found, "error")).collect::<Vec<_>>());
    json!({
        "file": formatted.file.name,
        "changed": formatted.changes(),
        "errors": errors.unwrap_or_default(),
    })
}
