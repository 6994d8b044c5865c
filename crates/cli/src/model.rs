//! `glacis model`: trained trees become a model that decides the same on every machine.
//!
//! Importing and showing need no installation and no key. What an import promises, the bound, is printed with it and
//! stays in the model.

mod import;
mod show;

use crate::codes::Code;
use crate::error::CliError;
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::Path;

/// Arguments of `glacis model`.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a model of gradient boosted trees that XGBoost or LightGBM trained
    #[command(after_help = crate::EXIT_CODES)]
    Import(import::ImportArgs),
    /// Show what a model reads, how large it is and what a score costs at most
    #[command(after_help = crate::EXIT_CODES)]
    Show(show::ShowArgs),
}

/// Runs one action.
pub(crate) fn run(args: &ModelArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        Action::Import(import) => import::run(import, out),
        Action::Show(show) => show::run(show, out),
    }
}

/// A file, but never more than a little over `most` bytes of it: the reader refuses what is longer.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(Code::ModelFile, format!("{}: {error}", path.display())).caused_by(error)
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
