//! The `glacis` command.
//!
//! Everything interesting is in the libraries; see `glacis_cli::run`. This parses, runs, prints the error and
//! maps it to an exit code, nothing more.

use clap::Parser as _;
use glacis_cli::{Args, run};
use glacis_host::SystemHost;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Args::parse(), &SystemHost::new(), &mut std::io::stdout()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("glacis: {error}");
            error.exit_code()
        }
    }
}
