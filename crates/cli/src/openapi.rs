//! `glacis openapi`: the OpenAPI 3.1 document of the decision API and the admin API.
//!
//! It is the document of this very binary, the same that an installation serves at `/v1/openapi.json`, so nothing
//! needs to run for it.

use crate::error::CliError;
use crate::output::print;
use clap::Args;
use std::io::Write;

/// Arguments of `glacis openapi`.
#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// The document is JSON with or without this
    #[arg(long, hide = true)]
    json: bool,
}

/// Prints the document.
pub(crate) fn run(_args: &OpenapiArgs, out: &mut dyn Write) -> Result<(), CliError> {
    print(out, &glacis_cloud::server::openapi())
}
