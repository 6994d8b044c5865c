//! `glacis devices`: enrolled devices, what vouches for them, and refusing one.
//!
//! The operator's side; `glacis device` is the client's. A refused device is in the revocation feed within seconds
//! and cannot be let in again but by enrolling a new key.

use crate::client::{Connection, segment, typed};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use crate::pages;
use clap::{Args, Subcommand};
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::io::Write;

/// Arguments of `glacis devices`.
#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the newest devices with their tiers
    #[command(after_help = crate::EXIT_CODES)]
    List(ListArgs),
    /// Show one device with its history
    #[command(after_help = crate::EXIT_CODES)]
    Show(ShowArgs),
    /// Refuse a device: its sessions end, its key is never accepted again
    #[command(after_help = crate::EXIT_CODES)]
    Refuse(RefuseArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Most devices
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// 64 hexadecimal digits, as `devices list` shows them
    thumbprint: String,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RefuseArgs {
    /// 64 hexadecimal digits, as `devices list` shows them
    thumbprint: String,
    /// Why, for the device's history
    #[arg(long)]
    reason: String,
    /// Check and say what would be refused; refuse nothing
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
    thumbprint: String,
    tier: String,
}

#[derive(Debug, Deserialize)]
struct Device {
    thumbprint: String,
    tier: String,
    trust: String,
    family: String,
    uniqueness: String,
    partner: Option<String>,
    enrolled_ms: u64,
    listed: Option<String>,
    history: Vec<Change>,
    lineage: Vec<Step>,
    collateral: Option<u64>,
    revocations_as_of_ms: Option<u64>,
    rests_on: Vec<Piece>,
}

/// What its standing rests on.
#[derive(Debug, Deserialize)]
struct Piece {
    reason: String,
    piece: String,
}

/// One step of the line of keys.
#[derive(Debug, Deserialize)]
struct Step {
    old: String,
    new: String,
    why: String,
    at_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Change {
    at_ms: u64,
    from: String,
    to: String,
    reason: String,
}

/// Runs one action.
pub(crate) fn run(args: &DevicesArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        Action::List(list) => run_list(list, out),
        Action::Show(show) => run_show(show, out),
        Action::Refuse(refuse) => run_refuse(refuse, out),
    }
}

fn run_list(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let path = format!("/admin/v1/devices?limit={}", args.limit.min(PAGE_ROWS));
    let rows = pages::rows(&client, &path, "devices", Some(args.limit))?;
    if args.json {
        return print_json(out, &json!({ "devices": rows }));
    }
    for row in &rows {
        let row: Row = typed(row)?;
        print(out, &format!("{}  {}", plain(&row.thumbprint), plain(&row.tier)))?;
    }
    Ok(())
}

fn run_show(args: &ShowArgs, out: &mut dyn Write) -> Result<(), CliError> {
    show(&args.connection, &args.thumbprint, args.json, out)
}

/// Shows one device with its history.
pub(crate) fn show(
    connection: &Connection,
    thumbprint: &str,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let answer = connection.open()?.get(&path(thumbprint))?;
    if json {
        return print_json(out, &answer);
    }
    print(out, &text(&typed(&answer)?))
}

fn run_refuse(args: &RefuseArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let path = path(&args.thumbprint);
    let answer = if args.dry_run {
        client.get(&path)?
    } else {
        client.post(&format!("{path}/refuse"), &json!({ "reason": args.reason }))?
    };
    if args.json {
        return print_json(out, &json!({ "dry_run": args.dry_run, "device": answer }));
    }
    let device: Device = typed(&answer)?;
    let word = if args.dry_run { "would refuse" } else { "refused" };
    print(out, &format!("{word} {}", plain(&device.thumbprint)))
}

fn text(device: &Device) -> String {
    let at = |ms| Timestamp::from_ms(ms).rfc3339();
    let mut shown = format!(
        "device    {}\ntier      {}\ntrust     {}\nfamily    {}\nunique by {}\npartner   {}\nenrolled  {}\nin feed   {}",
        device.thumbprint,
        device.tier,
        device.trust,
        device.family,
        device.uniqueness,
        device.partner.as_deref().unwrap_or("none"),
        at(device.enrolled_ms),
        device.listed.as_deref().unwrap_or("no"),
    );
    if let Some(version) = device.collateral {
        shown.push_str(&format!("\ncollateral version {version}"));
    }
    if let Some(as_of) = device.revocations_as_of_ms {
        shown.push_str(&format!("\nrevocations as of {}", at(as_of)));
    }
    for Piece { reason, piece } in &device.rests_on {
        shown.push_str(&format!("\nrests on  {} {piece}", reason.trim_start_matches("collateral-")));
    }
    for change in &device.history {
        shown.push_str(&format!(
            "\n{}  {} to {}: {}",
            at(change.at_ms),
            change.from,
            change.to,
            change.reason
        ));
    }
    for step in &device.lineage {
        let line = match (step.old == device.thumbprint, step.new == device.thumbprint) {
            (true, _) => format!("was followed by {}", step.new),
            (_, true) => format!("came after {}", step.old),
            _ => format!("{} came after {}", step.new, step.old),
        };
        shown.push_str(&format!("\n{}  {line}: {}", at(step.at_ms), step.why));
    }
    plain(&shown)
}

fn path(thumbprint: &str) -> String {
    format!("/admin/v1/devices/{}", segment(thumbprint))
}

/// Rows that one page holds at most.
const PAGE_ROWS: u32 = 1_000;
