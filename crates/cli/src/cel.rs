//! `glacis cel`: the expression language by itself, without a policy.
//!
//! Needs no installation and no key. What the language is and what it costs is written in docs/reference/cel.md;
//! whether that is true is what the conformance cases are run for.

mod conformance;

use crate::error::CliError;
use clap::{Args, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis cel`.
#[derive(Debug, Args)]
pub(crate) struct CelArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a folder of conformance cases and count what passes, fails or is refused
    #[command(after_help = crate::EXIT_CODES)]
    Conformance(conformance::ConformanceArgs),
}

/// Runs one action.
pub(crate) fn run(args: &CelArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Conformance(conformance) => conformance::run(conformance, out),
    }
}
