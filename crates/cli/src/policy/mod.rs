//! `glacis policy`: from a folder of text to what is in force, and back.
//!
//! Checking and testing need no installation. Publishing compiles and signs here, with the policy key of this
//! machine's key ring; the cloud compiles again and takes nothing that it cannot derive itself.

mod analyse;
mod backtest;
mod check;
mod compare;
mod coverage;
pub(crate) mod describe;
mod diff;
mod event;
mod explain;
mod fmt;
mod plan;
mod prove;
mod publish;
mod release;
mod source;
mod test;
mod watch;

use crate::error::CliError;
use clap::{Args, Subcommand};
use glacis_host::Host;
pub(crate) use release::ring;
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
    /// Compile policies; show each rule's zones and what leaves the device
    #[command(after_help = crate::EXIT_CODES)]
    Check(check::CheckArgs),
    /// Write policies, catalogues and cases in their one form
    #[command(after_help = crate::EXIT_CODES)]
    Fmt(fmt::FmtArgs),
    /// Show where each rule runs and why, what leaves the device, and what could be left out
    #[command(after_help = crate::EXIT_CODES)]
    Plan(plan::PlanArgs),
    /// Run the cases of policies and show what differs
    #[command(after_help = crate::EXIT_CODES)]
    Test(test::TestArgs),
    /// Prove that the slices of policies mean what the policies say
    #[command(after_help = crate::EXIT_CODES)]
    Prove(prove::ProveArgs),
    /// Compare two versions of a policy: equal for every event, or an event that shows the difference
    #[command(after_help = crate::EXIT_CODES)]
    Diff(compare::DiffArgs),
    /// Find rules that never act, always act, say something twice, or change no decision
    #[command(after_help = crate::EXIT_CODES)]
    Analyse(analyse::AnalyseArgs),
    /// Show how a policy decides events, and the least that would have made it milder
    #[command(after_help = crate::EXIT_CODES)]
    Explain(explain::ExplainArgs),
    /// Run a policy over past events and compare its verdicts with what they were
    #[command(after_help = crate::EXIT_CODES)]
    Backtest(backtest::BacktestArgs),
    /// Sign policies and put them into force
    #[command(after_help = crate::EXIT_CODES)]
    Publish(publish::PublishArgs),
    /// Show what is in force and which versions there were
    #[command(after_help = crate::EXIT_CODES)]
    List(publish::ListArgs),
    /// Put an earlier version into force again, as the next version
    #[command(after_help = crate::EXIT_CODES)]
    Rollback(publish::RollbackArgs),
}

/// Runs one action.
pub(crate) fn run(args: &PolicyArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Backtest(backtest) => backtest::run(backtest, host, out),
        Action::Check(check) => check::run(check, host, out),
        Action::Fmt(fmt) => fmt::run(fmt, out),
        Action::Plan(plan) => plan::run(plan, out),
        Action::Test(test) => test::run(test, out),
        Action::Diff(diff) => compare::run(diff, out),
        Action::Analyse(analyse) => analyse::run(analyse, out),
        Action::Explain(explain) => explain::run(explain, out),
        Action::Prove(prove) => prove::run(prove, host, out),
        Action::Publish(publish) => publish::run(publish, host, out),
        Action::List(list) => publish::run_list(list, out),
        Action::Rollback(rollback) => publish::run_rollback(rollback, host, out),
    }
}
