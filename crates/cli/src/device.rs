//! `glacis device`: an example client, for curl and for scripts.
//!
//! A thin layer over the SDK: the folder holds what an app's storage would, the arguments say what an app would
//! do. Its keys are in the store that `init` chose; in software they prove what software keys prove and no more (tier
//! `software`, values `claimed`). Nothing here decides what a request may do; the one judgement on this side is the device
//! slice's own block.

mod attest;
mod custody;
mod enrol;
mod fault;
mod fetch;
mod history;
mod home;
mod init;
mod keys;
mod phone;
mod pin;
mod show;
mod sign;
mod status;
mod target;
mod transport;
mod verify;
mod wipe;

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
    /// Make the keys of a device in a store that is good enough, and say what they are worth
    #[command(after_help = crate::EXIT_CODES)]
    Init(init::InitArgs),
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
    /// Show what the key store itself can prove about a key
    #[command(after_help = crate::EXIT_CODES)]
    Attest(attest::AttestArgs),
    /// Show the keys, what they are for, and what they are worth; add, renew or revoke one
    #[command(after_help = crate::EXIT_CODES)]
    Keys(keys::KeysArgs),
    /// Show what the installation knows about the device: tiers with reasons, the line of its keys
    #[command(after_help = crate::EXIT_CODES)]
    History(history::HistoryArgs),
    /// Destroy the keys in their store and everything the device keeps; asks before
    #[command(after_help = crate::EXIT_CODES)]
    Wipe(wipe::WipeArgs),
    /// Remove the device's files, also where they do not open; the installation is not told
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
        Action::Init(init) => init::run(init, out),
        Action::Enrol(enrol) => enrol::run(enrol, out),
        Action::Sign(sign) => sign::run(sign, out),
        Action::Fetch(fetch) => fetch::run(fetch, out),
        Action::VerifyAnswer(verify) => verify::run(verify, &mut std::io::stdin(), out),
        Action::Status(status) => status::run(status, out),
        Action::Attest(attest) => attest::run(attest, out),
        Action::Keys(keys) => keys::run(keys, out),
        Action::History(history) => history::run(history, out),
        Action::Wipe(wipe) => wipe::run(wipe, out),
        Action::Forget(forget) => status::forget(forget, out),
    }
}
