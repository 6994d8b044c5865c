//! `glacis status`: the installation at a glance: what is in force, what is stored, who reports, what is refused.
//!
//! Everything comes from one answer of the cloud's admin surface. That it answers at all says that its store can be
//! read; whether each part is ready is what `/readyz` says.

use crate::client::{Connection, typed};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_wire::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

/// Arguments of `glacis status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Overview {
    tenant: String,
    realm: String,
    events: u64,
    decisions: u64,
    devices: u64,
    incidents: u64,
    policy_version: u64,
    key_set: u64,
    policies: BTreeMap<String, String>,
    feed: Feed,
    nodes: Vec<Node>,
    audit_rows: u64,
}

#[derive(Debug, Deserialize)]
struct Feed {
    refused: u64,
    capped: u64,
}

#[derive(Debug, Deserialize)]
struct Node {
    node: String,
    newest_ms: u64,
}

/// Prints the overview.
pub(crate) fn run(args: &StatusArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = args.connection.open()?.get("/admin/v1/overview")?;
    let overview: Overview = typed(&answer)?;
    if args.json { print_json(out, &answer) } else { print(out, &text(&overview)) }
}

fn text(overview: &Overview) -> String {
    let mut shown = format!("tenant {}, realm {}\n", overview.tenant, overview.realm);
    let events: Vec<&str> = overview.policies.keys().map(String::as_str).collect();
    let _ = match events.as_slice() {
        [] => writeln!(shown, "policy     none in force; `glacis policy publish DIR` publishes one"),
        events => writeln!(
            shown,
            "policy     version {} for {}, key set {}",
            overview.policy_version,
            events.join(", "),
            overview.key_set
        ),
    };
    let _ = writeln!(
        shown,
        "store      {} events, {} decisions, {} audit rows",
        overview.events, overview.decisions, overview.audit_rows
    );
    let feed = &overview.feed;
    let _ = writeln!(
        shown,
        "devices    {} enrolled, {} refused, {} capped",
        overview.devices, feed.refused, feed.capped
    );
    let _ = write!(shown, "incidents  {}", overview.incidents);
    for node in &overview.nodes {
        let newest = Timestamp::from_ms(node.newest_ms).rfc3339();
        let _ = write!(shown, "\nnode       {}, newest event {newest}", node.node);
    }
    plain(&shown)
}
