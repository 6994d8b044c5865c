//! The `glacis` command.
//!
//! Everything interesting is in the libraries; see `glacis_cli::start`. This hands over the arguments and the
//! standard streams, nothing more.

use glacis_host::SystemHost;
use std::io::{stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    glacis_cli::start(std::env::args_os(), &SystemHost::new(), &mut stdout(), &mut stderr())
}
