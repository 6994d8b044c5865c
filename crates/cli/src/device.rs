//! `glacis device`: an example client on the software key store, for curl and for scripts.
//!
//! A thin layer over the SDK: the folder holds what an app's storage would, the arguments say what an app would
//! do. It proves what a software key proves and no more (tier `software`, values `claimed`). Nothing here decides
//! what a request may do; the one judgement on this side is the device slice's own block.

mod enrol;
mod fault;
mod fetch;
mod home;
mod phone;
mod pin;
mod sign;
mod status;
mod target;
mod transport;
mod verify;

use crate::error::CliError;
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `glacis device`.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make keys in a private folder and enrol them; again, it renews what ends soon
    #[command(after_help = crate::EXIT_CODES)]
    Enrol(enrol::EnrolArgs),
    /// Sign one request and print its header lines, for `curl -H @-`
    #[command(after_help = crate::EXIT_CODES)]
    Sign(sign::SignArgs),
    /// Sign one request, send it, verify the answer's verdict; exit code 1 unless it is allow
    #[command(after_help = crate::EXIT_CODES)]
    Fetch(fetch::FetchArgs),
    /// Verify the answer that curl got: `curl -D -` on standard input
    #[command(after_help = crate::EXIT_CODES)]
    VerifyAnswer(verify::VerifyArgs),
    /// Show which device the folder holds, at which edge, and its session
    #[command(after_help = crate::EXIT_CODES)]
    Status(status::StatusArgs),
    /// Destroy the device's keys and everything it keeps; the installation is not told
    #[command(after_help = crate::EXIT_CODES)]
    Forget(status::ForgetArgs),
}

/// Where the device is.
#[derive(Debug, Args)]
struct Place {
    /// The device's folder, private to its owner
    #[arg(long, value_name = "DIR", default_value = "glacis-device")]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Longest wait for another process that uses the folder
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// Runs one action.
pub(crate) fn run(args: &DeviceArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Enrol(enrol) => enrol::run(enrol, out),
        Action::Sign(sign) => sign::run(sign, out),
        Action::Fetch(fetch) => fetch::run(fetch, out),
        Action::VerifyAnswer(verify) => verify::run(verify, &mut std::io::stdin(), out),
        Action::Status(status) => status::run(status, out),
        Action::Forget(forget) => status::forget(forget, out),
    }
}
