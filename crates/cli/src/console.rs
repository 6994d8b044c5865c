//! `glacis console`: a link that opens the console in a browser, once.
//!
//! The installation's own socket is asked, which only its operator can open; there the answer needs no token. The secret
//! is behind `#` in the link, which a browser keeps to itself, and the link is void once it was used or after a quarter
//! of an hour.

use crate::client::{Connection, typed};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::io::Write;

/// Arguments of `glacis console`.
#[derive(Debug, Args)]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Made {
    link: String,
    expires_ms: u64,
}

/// Prints a new link.
pub(crate) fn run(args: &ConsoleArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = args.connection.open()?.post("/admin/v1/console/links", &json!({}))?;
    let made: Made = typed(&answer)?;
    if args.json {
        return print_json(out, &json!({ "link": made.link, "expires_ms": made.expires_ms }));
    }
    print(out, &plain(&made.link))
}
