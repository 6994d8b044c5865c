//! `glacis edge`: what the gateway of this machine does now, and what an operator changes of it at once.
//!
//! Speaks to the control socket of the data folder. Every change is audited before it acts; what it means is the
//! gateway's business.

use crate::EXIT_CODES;
use crate::client::{Client, Connection, typed};
use crate::error::CliError;
use crate::operate::{BypassArgs, Lasts, bypass};
use crate::output::{plain, print, print_json};
use clap::{Args, Subcommand};
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `glacis edge`.
#[derive(Debug, Args)]
pub(crate) struct EdgeArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what is in force at the gateway, and what it did since it started
    #[command(after_help = EXIT_CODES)]
    Status(StatusArgs),
    /// Read the configuration file again and put the gateway's part in force
    #[command(after_help = EXIT_CODES)]
    Reload(ReloadArgs),
    /// Send clients elsewhere: answer, end each connection, say `not ready`
    #[command(after_help = EXIT_CODES)]
    Drain(DrainArgs),
    /// Weigh requests that no device's session vouches for, for a while
    #[command(after_help = EXIT_CODES)]
    AttackMode(AttackArgs),
    /// Let every route observe for a while; audited, ends by itself
    #[command(after_help = EXIT_CODES)]
    Bypass(BypassArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReloadArgs {
    /// Check and say what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DrainArgs {
    /// Take clients again
    #[arg(long)]
    end: bool,
    /// Wait until no connection is open, at most this long, such as 90s or 10m
    #[arg(long, value_name = "TIME", conflicts_with = "end")]
    wait: Option<Lasts>,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct AttackArgs {
    /// How long, such as 90s, 10m or 2h; at most 24 hours
    #[arg(long = "for", value_name = "TIME", required_unless_present = "end")]
    lasts: Option<Lasts>,
    /// As how many requests one counts against the limit of its address prefix, 2 to 1000
    #[arg(long, default_value_t = 4, conflicts_with = "end")]
    weight: u32,
    /// Why; it is audited
    #[arg(long, default_value = "", conflicts_with = "end")]
    reason: String,
    /// End the attack mode that is in force
    #[arg(long, conflicts_with = "lasts")]
    end: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Status {
    node: String,
    ready: bool,
    draining: bool,
    policy_version: Option<u64>,
    key_set_version: u64,
    feed_age_s: Option<u64>,
    bypassed_until_ms: Option<u64>,
    attack_mode: Option<Attack>,
    connections: u64,
    journal_bytes: u64,
    reloads: u64,
    requests: u64,
    decided: Decided,
    refused: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
struct Attack {
    until_ms: u64,
    weight: u32,
}

#[derive(Debug, Deserialize)]
struct Decided {
    edge: Verdicts,
    cloud: Verdicts,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Verdicts {
    allow: u64,
    challenge: u64,
    block: u64,
}

#[derive(Debug, Deserialize)]
struct Reloaded {
    changed: bool,
    restart: Vec<String>,
}

/// Runs one of its commands.
pub(crate) fn run(args: &EdgeArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.what {
        What::Status(args) => status(args, out),
        What::Reload(args) => reload(args, out),
        What::Drain(args) => drain(args, out),
        What::AttackMode(args) => attack(args, out),
        What::Bypass(args) => bypass(args, out),
    }
}

fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let answer = args.connection.open()?.get(STATUS)?;
    let status: Status = typed(&answer)?;
    if args.json {
        return print_json(out, &answer).map(|()| ExitCode::SUCCESS);
    }
    for line in lines(&status) {
        print(out, &line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(status: &Status) -> Vec<String> {
    let until = |ms| Timestamp::from_ms(ms).rfc3339();
    let state = match (status.ready, status.draining) {
        (_, true) => "draining: clients are sent elsewhere; `glacis edge drain --end` takes them again",
        (true, false) => "ready",
        (false, false) => "not ready: policy or feed have not come from the control plane",
    };
    let version = status.policy_version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    let feed = status.feed_age_s.map_or_else(|| "none".to_owned(), |age| format!("confirmed {age} s ago"));
    let verdicts = |name: &str, of: Verdicts| {
        format!("{name:<12} {} allow, {} challenge, {} block", of.allow, of.challenge, of.block)
    };
    let mut lines = vec![
        format!("{:<12} {}, {state}", "node", plain(&status.node)),
        format!("{:<12} version {version}, key set {}, feed {feed}", "policy", status.key_set_version),
        format!("{:<12} {} open, {} requests", "connections", status.connections, status.requests),
        verdicts("edge", status.decided.edge),
        verdicts("cloud", status.decided.cloud),
        format!("{:<12} {} bytes wait for the control plane", "journal", status.journal_bytes),
        format!("{:<12} {} since the start", "reloads", status.reloads),
    ];
    if let Some(end) = status.bypassed_until_ms {
        lines.push(format!("{:<12} every route observes until {}", "bypass", until(end)));
    }
    if let Some(Attack { until_ms, weight }) = status.attack_mode {
        lines.push(format!("{:<12} until {}, weight {weight}", "attack mode", until(until_ms)));
    }
    let refused = status.refused.iter().filter(|(_, count)| **count > 0);
    lines.extend(refused.map(|(code, count)| format!("{:<12} {count} {}", "refused", plain(code))));
    lines
}

fn reload(args: &ReloadArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let answer = args.connection.open()?.post("/edge/v1/reload", &json!({ "dry_run": args.dry_run }))?;
    let Reloaded { changed, restart } = typed(&answer)?;
    if args.json {
        return print_json(out, &answer).map(|()| ExitCode::SUCCESS);
    }
    print(
        out,
        match (changed, args.dry_run) {
            (true, false) => "the gateway's settings are in force",
            (true, true) => "the gateway's settings would change; the file is good",
            (false, _) => "the gateway's settings are those in force already",
        },
    )?;
    if !restart.is_empty() {
        print(out, &format!("changed in the file and waiting for a restart: {}", restart.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn drain(args: &DrainArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let client = args.connection.open()?;
    let mut answer = if args.end { client.delete(DRAIN)? } else { client.post(DRAIN, &json!({}))? };
    if let Some(Lasts(seconds)) = args.wait {
        answer = emptied(&client, Duration::from_secs(seconds))?;
    }
    let open = answer.get("connections").and_then(Value::as_u64).unwrap_or(0);
    if args.json {
        print_json(out, &answer)?;
    } else if args.end {
        print(out, "clients are taken again")?;
    } else {
        print(out, &format!("draining; {open} connections are open"))?;
    }
    Ok(if args.wait.is_some() && open > 0 { ExitCode::from(WAITED) } else { ExitCode::SUCCESS })
}

/// Waits until no connection is open, or the time is over.
fn emptied(client: &Client, longest: Duration) -> Result<Value, CliError> {
    let open = || {
        let status = client.get(STATUS)?;
        Ok::<_, CliError>(status.get("connections").and_then(Value::as_u64).unwrap_or(0))
    };
    let mut left = open()?;
    for _ in 0..longest.as_millis() / LOOK_EVERY.as_millis() {
        if left == 0 {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
        left = open()?;
    }
    Ok(json!({ "draining": true, "connections": left }))
}

fn attack(args: &AttackArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let client = args.connection.open()?;
    let answer = match args.lasts {
        Some(Lasts(seconds)) => {
            client.post(ATTACK, &json!({ "for_s": seconds, "weight": args.weight, "reason": args.reason }))?
        }
        None => client.delete(ATTACK)?,
    };
    if args.json {
        return print_json(out, &answer).map(|()| ExitCode::SUCCESS);
    }
    let text = match answer.get("until_ms").and_then(Value::as_u64) {
        Some(until) => format!("attack mode until {}", Timestamp::from_ms(until).rfc3339()),
        None => "attack mode is over".to_owned(),
    };
    print(out, &text).map(|()| ExitCode::SUCCESS)
}

const STATUS: &str = "/edge/v1/status";
const DRAIN: &str = "/edge/v1/drain";
const ATTACK: &str = "/edge/v1/attack-mode";
/// Exit code where connections were still open when the wait was over.
const WAITED: u8 = 1;
/// Pause between two looks at what is open.
const LOOK_EVERY: Duration = Duration::from_millis(200);
