//! `glacis policy check`: compiles, draws diagnostics, and says what the cut makes of the policy.
//!
//! Needs no installation and no key. The answer is no where a policy does not compile; warnings are shown and do
//! not change the answer. Whether its cases hold is another question (`glacis policy test`). With `--watch` it is asked
//! again whenever a file changes ([`super::watch`]).

use super::describe::{diagnostic, diagnostic_json, policy_json, policy_text};
use super::source::{Folder, Folders};
use super::watch;
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_compiler::{Compiled, Diagnostics};
use glacis_host::Host;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis policy check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(super) folders: Folders,
    /// Check again whenever a file changes, until interrupted
    #[arg(long)]
    watch: bool,
    /// Print JSON, one document a line
    #[arg(long)]
    pub(super) json: bool,
}

/// Checks every folder.
pub(crate) fn run(args: &CheckArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    if args.watch {
        return watch::run(args, host, out);
    }
    let checked = Checked::read(&args.folders)?;
    if args.json {
        print_json(out, &json!({ "ok": checked.ok(), "policies": checked.json() }))?;
    } else {
        checked.texts().iter().try_for_each(|text| print(out, text))?;
    }
    Ok(if checked.ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Folders and what the compiler said of each.
pub(super) struct Checked(Vec<(Folder, Result<Compiled, Diagnostics>)>);

impl Checked {
    /// Reads and compiles.
    pub(super) fn read(folders: &Folders) -> Result<Self, CliError> {
        let compiled = |folder: Folder| {
            let result = folder.compile();
            (folder, result)
        };
        Ok(Self(folders.read()?.into_iter().map(compiled).collect()))
    }

    /// Whether every one compiles.
    pub(super) fn ok(&self) -> bool {
        self.0.iter().all(|(_, result)| result.is_ok())
    }

    /// An object a folder.
    pub(super) fn json(&self) -> Vec<Value> {
        self.0.iter().map(|(folder, result)| json_of(folder, result)).collect()
    }

    /// A text a folder.
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(folder, result)| text_of(folder, result)).collect()
    }
}

fn json_of(folder: &Folder, result: &Result<Compiled, Diagnostics>) -> Value {
    let mut shown = Map::new();
    shown.insert("folder".to_owned(), json!(folder.name));
    let (errors, warnings) = match result {
        Ok(compiled) => {
            if let Value::Object(policy) = policy_json(compiled) {
                shown.extend(policy);
            }
            let warning = |found| diagnostic_json(found, "warning");
            (Vec::new(), compiled.warnings().iter().map(warning).collect())
        }
        Err(found) => {
            (found.iter().map(|found| diagnostic_json(found, "error")).collect::<Vec<_>>(), Vec::new())
        }
    };
    shown.insert("errors".to_owned(), json!(errors));
    shown.insert("warnings".to_owned(), json!(warnings));
    Value::Object(shown)
}

fn text_of(folder: &Folder, result: &Result<Compiled, Diagnostics>) -> String {
    match result {
        Ok(compiled) => {
            let warnings = compiled.warnings().iter().map(|found| diagnostic(found, "warning", folder));
            let warnings: Vec<String> = warnings.collect();
            let before =
                if warnings.is_empty() { String::new() } else { format!("{}\n", warnings.join("\n")) };
            format!("{before}{}\n", policy_text(compiled))
        }
        Err(found) => errors_text(folder, found),
    }
}

/// Every error of a policy, and how many there are.
pub(crate) fn errors_text(folder: &Folder, found: &Diagnostics) -> String {
    let errors: Vec<String> = found.iter().map(|found| diagnostic(found, "error", folder)).collect();
    let (count, plural) = (errors.len(), if errors.len() == 1 { "error" } else { "errors" });
    format!(
        "{}\n{}: {count} {plural}; `glacis explain-error CODE` says more of each",
        errors.join("\n"),
        folder.name
    )
}
