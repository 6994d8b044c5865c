//! `glacis audit`: whether the installation's hash chain over everything that happened still holds.
//!
//! The cloud reads its whole store again and recomputes the chain. The answer is no where a row was changed,
//! removed or added behind its back.

use crate::client::Connection;
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Recompute the chain over every stored row
    #[command(after_help = crate::EXIT_CODES)]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs one action.
pub(crate) fn run(args: &AuditArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let Action::Verify(args) = &args.action;
    let answer = args.connection.open()?.post("/admin/v1/audit/verify", &json!({}))?;
    let holds = answer.get("holds").and_then(Value::as_bool);
    let holds =
        holds.ok_or_else(|| CliError::new(Code::BadAnswer, "the answer does not say whether it holds"))?;
    if args.json {
        print_json(out, &answer)?;
    } else {
        let verified = answer.get("verified").and_then(Value::as_u64).unwrap_or(0);
        let text = |key: &str| plain(answer.get(key).and_then(Value::as_str).unwrap_or(""));
        let line = match holds {
            true => format!("the chain holds over {verified} rows; head {}", text("head")),
            false => format!("the chain is broken after {verified} rows: {}", text("fault")),
        };
        print(out, &line)?;
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
