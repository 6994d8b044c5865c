//! `glacis device history`: what the installation knows about a device: tiers with reasons, and the line of its keys.
//!
//! The operator's view, from the control socket or with a token; the device itself keeps no history. Without an id it is
//! the device of the folder.

use super::Place;
use super::home::Home;
use super::phone::enrolled_as;
use crate::client::Connection;
use crate::devices;
use crate::error::CliError;
use clap::Args;
use glacis_host::SystemHost;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `glacis device history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// 64 hexadecimal digits, as `devices list` shows them; the device of the folder where there is none
    thumbprint: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    connection: Connection,
}

/// Shows what the installation knows.
pub(crate) fn run(args: &HistoryArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let thumbprint = match &args.thumbprint {
        Some(given) => given.clone(),
        None => {
            let home = Home::open(&args.place, &Arc::new(SystemHost::new()))?;
            enrolled_as(&home.vault)?.to_string()
        }
    };
    devices::show(&args.connection, &thumbprint, args.place.json, out)?;
    Ok(ExitCode::SUCCESS)
}
