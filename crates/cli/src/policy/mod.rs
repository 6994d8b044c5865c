//! `glacis policy`: from a folder of text to what is in force, and back.
//!
//! Each action is a module; this only names them. What an action does without an installation it does in this
//! process, and says the same as the installation would.

mod backtest;

use crate::error::CliError;
use clap::{Args, Subcommand};
use glacis_host::Host;
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis policy`.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a policy over past events and compare its verdicts with what they were
    #[command(after_help = crate::EXIT_CODES)]
    Backtest(backtest::BacktestArgs),
}

/// Runs one action.
pub(crate) fn run(args: &PolicyArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Backtest(backtest) => backtest::run(backtest, host, out),
    }
}
