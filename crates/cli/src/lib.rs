//! The `glacis` command: one binary, many roles, each a thin layer over a library.
//!
//! A role parses its arguments, calls one function and prints what it returns. Standard output is data, standard
//! error is for people. Exit codes are part of the interface ([`EXIT_CODES`]).

mod demo;
mod error;
pub mod keys;
mod time;

use clap::{Parser, Subcommand};
pub use error::CliError;
use glacis_host::Host;
use std::io::Write;
use std::process::ExitCode;

/// What the help of every role ends with.
pub const EXIT_CODES: &str = "Exit codes:\n  0  done, and the answer is yes\n  1  done, and the answer is no; or the work failed\n  2  wrong usage\n  3  not permitted\n  4  not found, or it exists already\n  5  unreachable";

/// Decides, for every sensitive action, whether it may go on: on the device, at the edge, in the cloud.
#[derive(Debug, Parser)]
#[command(name = "glacis", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Start all four zones, a small shop and a fleet with attackers, on loopback
    #[command(after_help = EXIT_CODES)]
    Demo(demo::DemoArgs),
    /// Make, list and rotate the keys of one tenant in one realm
    #[command(after_help = EXIT_CODES)]
    Keys(keys::command::KeysArgs),
    /// The process that the demo's attackers patch while it runs
    #[command(name = "__victim", hide = true)]
    Victim,
}

/// Runs one role.
///
/// # Errors
/// Says what could not be done and why; [`CliError::exit_code`] maps it to the documented codes.
pub fn run(args: &Args, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.role {
        Role::Demo(demo) => demo::run(demo, out),
        Role::Keys(keys) => keys::command::run(keys, host, out),
        Role::Victim => Ok(glacis_sim::victim::main()),
    }
}

/// Writes to standard output; a reader that went away is a failure of the work, not a panic.
fn print(out: &mut dyn Write, text: &str) -> Result<(), CliError> {
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(CliError::Output)
}
