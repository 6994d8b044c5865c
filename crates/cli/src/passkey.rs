//! `glacis passkey`: the passkeys that users pass challenges with, for whoever is called because one was lost.
//!
//! Passkeys are registered by the operator's back end and never here: this command has no authenticator and knows no user.
//! It removes only what it found among the passkeys of the user who was named.

use crate::client::{Client, Connection, segment, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::{Args, Subcommand};
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `glacis passkey`.
#[derive(Debug, Args)]
pub(crate) struct PasskeyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the passkeys of a user
    #[command(after_help = crate::EXIT_CODES)]
    List(ListArgs),
    /// Remove a passkey of a user; what it passed already is good for five minutes at most
    #[command(after_help = crate::EXIT_CODES)]
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The user, as the principal of requests names them
    user: String,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The user, as the principal of requests names them
    user: String,
    /// Number of the passkey, as `passkey list` shows it
    id: u64,
    /// Check and say what would be removed; remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: u64,
    rp: String,
    made_ms: u64,
    made_by: String,
    used_ms: Option<u64>,
}

/// Runs one action.
pub(crate) fn run(args: &PasskeyArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        Action::List(list) => run_list(list, out),
        Action::Remove(remove) => run_remove(remove, out),
    }
}

fn rows(client: &Client, user: &str) -> Result<Vec<Value>, CliError> {
    let answer = client.get(&format!("/admin/v1/passkeys?principal={}", segment(user)))?;
    let rows = answer.get("passkeys").and_then(Value::as_array).cloned();
    rows.ok_or_else(|| CliError::new(Code::BadAnswer, "the answer holds no passkeys"))
}

fn run_list(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let rows = rows(&args.connection.open()?, &args.user)?;
    if args.json {
        return print_json(out, &json!({ "passkeys": rows }));
    }
    for row in &rows {
        let Row { id, rp, made_ms, made_by, used_ms } = typed(row)?;
        let day = |ms: u64| Timestamp::from_ms(ms).rfc3339();
        let used = used_ms.map_or_else(|| "never used".to_owned(), |at| format!("used {}", day(at)));
        print(out, &format!("{id:>4}  {}  {} by {}, {used}", plain(&rp), day(made_ms), plain(&made_by)))?;
    }
    Ok(())
}

fn run_remove(args: &RemoveArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    // A mistyped number must not remove somebody else's.
    let rows = rows(&client, &args.user)?.iter().map(typed).collect::<Result<Vec<Row>, _>>()?;
    if !rows.iter().any(|row| row.id == args.id) {
        let error = CliError::new(Code::NotFound, format!("this user has no passkey {}", args.id));
        return Err(error.help("`glacis passkey list USER` shows which there are"));
    }
    if !args.dry_run {
        client.delete(&format!("/admin/v1/passkeys/{}", args.id))?;
    }
    if args.json {
        return print_json(out, &json!({ "dry_run": args.dry_run, "removed": args.id }));
    }
    let word = if args.dry_run { "would remove" } else { "removed" };
    print(out, &format!("{word} passkey {}", args.id))
}
