//! `glacis events tail`: decisions as they come, one line each.
//!
//! Polls with the row to go on from, so none is missed and none is shown twice. Ends by itself without `--follow`,
//! and cleanly where the reader goes away or the user interrupts.

use crate::client::{Client, Connection, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::{Args, Subcommand, ValueEnum};
use glacis_wire::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Pause between two questions while nothing comes.
const POLL: Duration = Duration::from_millis(500);
/// Rows that one answer holds at most.
const PAGE_ROWS: u32 = 1_000;

/// Arguments of `glacis events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the newest decisions, and go on with those to come
    #[command(after_help = crate::EXIT_CODES)]
    Tail(TailArgs),
}

#[derive(Debug, Args)]
struct TailArgs {
    /// Go on until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Begin with so many of the newest
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Show only decisions of this verdict; the newest --limit are looked through
    #[arg(long)]
    verdict: Option<VerdictName>,
    #[command(flatten)]
    connection: Connection,
    /// Print one JSON document a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerdictName {
    Allow,
    Challenge,
    Block,
}

#[derive(Debug, Deserialize)]
struct Page {
    decisions: Vec<Value>,
    after: u64,
}

#[derive(Debug, Deserialize)]
struct Line {
    reference: String,
    decided_ms: u64,
    event: String,
    verdict: String,
    zone: String,
    reasons: Vec<String>,
}

/// Runs one action.
pub(crate) fn run(args: &EventsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let Action::Tail(args) = &args.action;
    let client = args.connection.open()?;
    match client.block_on(tail(&client, args, out)) {
        // Whoever reads has seen enough.
        Err(error) if error.is_closed_pipe() => Ok(()),
        ended => ended,
    }
}

async fn tail(client: &Client, args: &TailArgs, out: &mut dyn Write) -> Result<(), CliError> {
    // Made once: an interrupt that comes while a line is written is still there at the next look.
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    let mut after = None;
    loop {
        let asked = match after {
            None => format!("/admin/v1/decisions?limit={}", args.limit),
            Some(after) => format!("/admin/v1/decisions?after={after}&limit={PAGE_ROWS}"),
        };
        let answer = tokio::select! {
            answer = client.ask(Method::GET, &asked, None) => answer?,
            () = interrupted(&mut interrupt) => return Ok(()),
        };
        let page: Page = typed(&answer)?;
        if after
            .is_some_and(|after| page.after < after || (page.after == after && !page.decisions.is_empty()))
        {
            return Err(CliError::new(Code::BadAnswer, "the decisions do not go forward"));
        }
        after = Some(page.after);
        page.decisions.iter().try_for_each(|decision| show(args, decision, out))?;
        if !args.follow {
            return Ok(());
        }
        if page.decisions.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = interrupted(&mut interrupt) => return Ok(()),
            }
        }
    }
}

/// Waits for an interrupt; where none can be caught, it ends the process by itself.
async fn interrupted(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

fn show(args: &TailArgs, decision: &Value, out: &mut dyn Write) -> Result<(), CliError> {
    let line: Line = typed(decision)?;
    let wanted = match args.verdict {
        None => true,
        Some(VerdictName::Allow) => line.verdict == "allow",
        Some(VerdictName::Challenge) => line.verdict.starts_with("challenge"),
        Some(VerdictName::Block) => line.verdict == "block",
    };
    if !wanted {
        return Ok(());
    }
    if args.json {
        return print_json(out, decision);
    }
    let at = Timestamp::from_ms(line.decided_ms).rfc3339();
    let reasons = line.reasons.join(",");
    let text = format!(
        "{at}  {}  {:<18}  {:<6}  {}  {reasons}",
        line.reference, line.verdict, line.zone, line.event
    );
    print(out, plain(&text).trim_end())
}
