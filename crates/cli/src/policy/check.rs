//! `glacis policy check`: compiles, draws diagnostics, and says what the cut makes of the policy.
//!
//! Needs no installation and no key. The answer is no where a policy does not compile; warnings are shown and do
//! not change the answer. Whether its cases hold is another question (`glacis policy test`).

use super::describe::{diagnostic, diagnostic_json, policy_json, policy_text};
use super::source::{Folder, Folders};
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_compiler::{Compiled, Diagnostics};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis policy check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    folders: Folders,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks every folder.
pub(crate) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let folders = args.folders.read()?;
    let results: Vec<_> = folders.iter().map(|folder| (folder, folder.compile())).collect();
    let ok = results.iter().all(|(_, result)| result.is_ok());
    if args.json {
        let policies: Vec<Value> = results.iter().map(|(folder, result)| json_of(folder, result)).collect();
        print_json(out, &json!({ "ok": ok, "policies": policies }))?;
    } else {
        for (folder, result) in &results {
            print(out, &text_of(folder, result))?;
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn json_of(folder: &Folder, result: &Result<Compiled, Diagnostics>) -> Value {
    let mut shown = Map::new();
    shown.insert("folder".to_owned(), json!(folder.name));
    let (errors, warnings) = match result {
        Ok(compiled) => {
            if let Value::Object(policy) = policy_json(compiled) {
                shown.extend(policy);
            }
            (Vec::new(), compiled.warnings().iter().map(diagnostic_json).collect())
        }
        Err(found) => (found.iter().map(diagnostic_json).collect::<Vec<_>>(), Vec::new()),
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
