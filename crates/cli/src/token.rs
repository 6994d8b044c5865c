//! `glacis token`: bearer tokens for scripts and for other machines.
//!
//! A token is shown once, or written to a new private file; the installation keeps a hash. On the machine of the
//! installation the control socket needs no token, so that is where the first one is made.

use crate::client::{Connection, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use crate::pages;
use crate::time::Span;
use clap::{Args, Subcommand};
use glacis_cloud::admin::Scope;
use glacis_compiler::diagnostic::nearest;
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Arguments of `glacis token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is shown once
    #[command(after_help = crate::EXIT_CODES)]
    Create(CreateArgs),
    /// Show which tokens there are, without their secrets
    #[command(after_help = crate::EXIT_CODES)]
    List(ListArgs),
    /// End a token at once
    #[command(after_help = crate::EXIT_CODES)]
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What the token is called in records of who did something
    name: String,
    /// What it allows: read, lists, feedback, policies, devices, tokens or decide; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
    scopes: Vec<Scope>,
    /// How long it lives, such as 12h or 90d; at most 366d
    #[arg(long, value_name = "TIME", default_value = "30d")]
    life: Span,
    /// Write the token to this new file, for its owner alone, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Check and say what would be made; make nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Number of the token, as `token list` shows it
    id: u64,
    /// Check and say what would end; end nothing
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
    name: String,
    scopes: Vec<String>,
    expires_ms: u64,
    ended_ms: Option<u64>,
}

/// Runs one action.
pub(crate) fn run(args: &TokenArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        Action::Create(create) => run_create(create, out),
        Action::List(list) => run_list(list, out),
        Action::Revoke(revoke) => run_revoke(revoke, out),
    }
}

fn run_create(args: &CreateArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let scopes: Vec<&str> = args.scopes.iter().map(|scope| scope.name()).collect();
    let life_s = args.life.as_secs();
    if args.dry_run {
        // Listing needs the same scope as making one.
        pages::rows(&client, "/admin/v1/tokens", "tokens", Some(1))?;
        if args.json {
            return print_json(
                out,
                &json!({ "dry_run": true, "name": args.name, "scopes": scopes, "life_s": life_s }),
            );
        }
        return print(out, &format!("would make token `{}` with {}", plain(&args.name), scopes.join(", ")));
    }
    // The file first: a token that cannot be written must not be made.
    let mut file = args.out.as_deref().map(new_file).transpose()?;
    let answer =
        client.post("/admin/v1/tokens", &json!({ "name": args.name, "scopes": scopes, "life_s": life_s }));
    let token = answer.and_then(|answer| {
        let token = answer.get("token").and_then(Value::as_str).map(str::to_owned);
        token.ok_or_else(|| CliError::new(Code::BadAnswer, "the answer holds no token"))
    });
    let token = token.inspect_err(|_| {
        // Best effort: an empty file is no token.
        let _ = args.out.as_ref().map(std::fs::remove_file);
    })?;
    match (&mut file, &args.out) {
        (Some(file), Some(path)) => {
            writeln!(file, "{token}")
                .and_then(|()| file.sync_all())
                .map_err(|error| token_file(path, &error))?;
            if args.json {
                print_json(
                    out,
                    &json!({ "dry_run": false, "name": args.name, "scopes": scopes, "file": path }),
                )
            } else {
                print(out, &format!("token `{}` is in {}", plain(&args.name), path.display()))
            }
        }
        _ if args.json => {
            print_json(out, &json!({ "dry_run": false, "name": args.name, "scopes": scopes, "token": token }))
        }
        _ => print(out, &plain(&token)),
    }
}

fn run_list(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let rows = pages::rows(&client, "/admin/v1/tokens", "tokens", None)?;
    if args.json {
        return print_json(out, &json!({ "tokens": rows }));
    }
    for row in &rows {
        let row: Row = typed(row)?;
        let state = match row.ended_ms {
            Some(at) => format!("ended {}", Timestamp::from_ms(at).rfc3339()),
            None => format!("until {}", Timestamp::from_ms(row.expires_ms).rfc3339()),
        };
        print(out, &format!("{:>4}  {state}  {}  {}", row.id, plain(&row.name), row.scopes.join(",")))?;
    }
    Ok(())
}

fn run_revoke(args: &RevokeArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    if args.dry_run {
        let rows = pages::rows(&client, "/admin/v1/tokens", "tokens", None)?;
        let rows = rows.iter().map(typed).collect::<Result<Vec<Row>, _>>()?;
        if !rows.iter().any(|row| row.id == args.id && row.ended_ms.is_none()) {
            let error = CliError::new(Code::NotFound, format!("there is no live token {}", args.id));
            return Err(error.help("`glacis token list` shows which there are"));
        }
    } else {
        client.delete(&format!("/admin/v1/tokens/{}", args.id))?;
    }
    if args.json {
        return print_json(out, &json!({ "dry_run": args.dry_run, "revoked": args.id }));
    }
    let word = if args.dry_run { "would end" } else { "ended" };
    print(out, &format!("{word} token {}", args.id))
}

/// A scope by its name, or the nearest.
fn scope(name: &str) -> Result<Scope, String> {
    Scope::parse(name).ok_or_else(|| match nearest(name, Scope::ALL.iter().map(|scope| scope.name())) {
        Some(near) => format!("there is no scope `{name}`; did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
            format!("there is no scope `{name}`; there are {}", names.join(", "))
        }
    })
}

fn new_file(path: &Path) -> Result<std::fs::File, CliError> {
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.map_err(|error| token_file(path, &error))
}

fn token_file(path: &Path, error: &std::io::Error) -> CliError {
    let what = format!("{}: cannot be written: {error}", path.display());
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return CliError::new(Code::Conflict, what)
            .help("name a new file; a token is never written over another");
    }
    CliError::new(Code::TokenFile, what).help("name a new file in a folder of yours")
}
