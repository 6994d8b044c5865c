//! `glacis device wipe`: destroys the keys where they are kept, then everything else in the folder.
//!
//! Unlike `forget`, which only removes files, it asks the store of the keys first: a token is left without them. If the
//! store cannot be reached nothing is removed, since nobody would know of those keys any more. It asks before.

use super::Place;
use super::custody::key_error;
use super::home;
use super::keys::Opened;
use super::show;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_host::SystemHost;
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `glacis device wipe`.
#[derive(Debug, Args)]
pub(crate) struct WipeArgs {
    #[command(flatten)]
    place: Place,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say what would be destroyed, destroy nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// Destroys.
pub(crate) fn run(args: &WipeArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let opened = Opened::at(&args.place)?;
    let roles: Vec<String> = opened.list()?.iter().map(|key| show::role(key.role)).collect();
    let store = opened.store.to_string();
    if !args.dry_run {
        let what = format!(
            "Destroy the keys ({}) in `{store}` and everything in {}",
            roles.join(", "),
            args.place.dir.display()
        );
        confirmed(args.yes, &what)?;
        opened.keys.wipe().map_err(|error| key_error(&error))?;
    }
    drop(opened);
    let removed = home::forget(&args.place, &Arc::new(SystemHost::new()), args.dry_run)?;
    if args.place.json {
        print_json(
            out,
            &json!({ "dry_run": args.dry_run, "store": store, "keys": roles, "removed": removed }),
        )?;
    } else {
        let verb = if args.dry_run { "would destroy" } else { "destroyed" };
        roles.iter().try_for_each(|role| print(out, &format!("{verb} key {role} in {store}")))?;
        let verb = if args.dry_run { "would remove" } else { "removed" };
        removed.iter().try_for_each(|name| print(out, &format!("{verb} {name}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks on standard error, and takes `yes` from a terminal for an answer.
pub(super) fn confirmed(without_asking: bool, what: &str) -> Result<(), CliError> {
    if without_asking {
        return Ok(());
    }
    let refused = || CliError::new(Code::DeviceUnasked, "nothing was destroyed: nobody said yes");
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(refused());
    }
    eprint!("{what}? Type yes: ");
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|_| refused())?;
    if answer.trim() == "yes" { Ok(()) } else { Err(refused()) }
}
