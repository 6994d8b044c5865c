//! `glacis policy publish|list|rollback`: what is in force, and changing it.
//!
//! A release is all policies together. Publishing replaces the policies of the events that the given folders decide
//! and keeps the others as they are, unless told otherwise. Versions only count up; a rollback is the next version
//! with earlier sources. What changes is always shown, and `--dry-run` has the installation check all of it.

use super::diff::Diff;
use super::release::{Release, Standing, ring};
use super::source::Folders;
use crate::client::{Client, Connection, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_host::Host;
use glacis_serve::keys::Ring;
use glacis_wire::{Encode as _, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `glacis policy publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    folders: Folders,
    /// Put exactly these into force: policies of other events end
    #[arg(long)]
    only: bool,
    #[command(flatten)]
    how: How,
}

/// Arguments of `glacis policy rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The version whose policies come back, as `policy list` shows it
    version: u64,
    #[command(flatten)]
    how: How,
}

/// Arguments of `glacis policy list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What publishing and rolling back share.
#[derive(Debug, Args)]
struct How {
    /// Folder with the key ring that signs; keys in the data folder where it is left out
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Have it checked and show what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is in force, in full.
#[derive(Debug, Deserialize)]
struct Listing {
    live: u64,
    key_set: u64,
    policies: Vec<Policy>,
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    event: String,
    digest: String,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: u64,
    at_ms: u64,
}

impl How {
    fn ring(&self) -> Result<Ring, CliError> {
        match &self.keys {
            Some(dir) => ring(dir),
            None => ring(&self.connection.data_dir.join("keys")),
        }
    }
}

/// Publishes the folders.
pub(crate) fn run(args: &PublishArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    // What is wrong with the files is told before anybody is asked.
    let mut next = Release::of(args.folders.read()?)?;
    let (ring, client) = (args.how.ring()?, args.how.connection.open()?);
    let standing = Standing::ask(&client)?;
    // What ends is shown as well, so the live release is read in either case.
    let live = match Release::fetch(&client, standing.live, &ring) {
        Ok(live) => live,
        Err(error) if args.only && error.code() == Code::SignatureRefused => Release::default(),
        Err(error) => return Err(error),
    };
    if !args.only {
        next.keep(live.again());
    }
    put(
        &args.how,
        &Change { client: &client, ring: &ring, standing: &standing, live, next, from: None },
        host,
        out,
    )
}

/// Puts an earlier version into force again.
pub(crate) fn run_rollback(
    args: &RollbackArgs,
    host: &dyn Host,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let (ring, client) = (args.how.ring()?, args.how.connection.open()?);
    let standing = Standing::ask(&client)?;
    if args.version == 0 || args.version > standing.live {
        let what = format!("there is no version {}; in force is {}", args.version, standing.live);
        return Err(
            CliError::new(Code::NotFound, what).help("`glacis policy list` shows which versions there were")
        );
    }
    let live = Release::fetch(&client, standing.live, &ring)?;
    let next = Release::fetch(&client, args.version, &ring)?;
    let from = Some(args.version);
    put(&args.how, &Change { client: &client, ring: &ring, standing: &standing, live, next, from }, host, out)
}

/// A change of what is in force.
struct Change<'a> {
    client: &'a Client,
    ring: &'a Ring,
    standing: &'a Standing,
    live: Release,
    next: Release,
    /// The version that comes back.
    from: Option<u64>,
}

fn put(how: &How, change: &Change<'_>, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let diff = Diff::between(&change.live, &change.next);
    let standing = change.standing;
    let newer_keys = change.ring.key_set().is_some_and(|set| set.version > standing.key_set);
    // After an upgrade the same policies may have to be cut anew.
    let published = !diff.is_empty() || newer_keys || !standing.current;
    let mut version = standing.live;
    if published {
        let next = standing.live.saturating_add(1);
        let publish = change.next.sign(change.ring, host, next, standing.key_set)?;
        let bytes = publish.to_bytes().map_err(|error| {
            CliError::new(Code::TooLarge, format!("the release is over a limit: {error}")).caused_by(error)
        })?;
        let path = if how.dry_run { "/admin/v1/policies/check" } else { "/admin/v1/policies" };
        let answer = change.client.post_message(path, bytes)?;
        let taken = answer.get("version").and_then(Value::as_u64);
        version = taken.filter(|taken| *taken == next).ok_or_else(|| {
            CliError::new(Code::BadAnswer, format!("the answer does not say that version {next} was taken"))
        })?;
    }
    if how.json {
        let shown = json!({
            "dry_run": how.dry_run,
            "changed": published,
            "before": standing.live,
            "version": version,
            "from": change.from,
            "policies": diff.json(),
        });
        print_json(out, &shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(out, &diff.text())?;
    let line = match (published, how.dry_run) {
        (false, _) => format!("nothing changes; version {version} stays in force"),
        (true, true) => format!("version {version} would be in force; nothing was changed"),
        (true, false) => format!("version {version} is in force"),
    };
    print(out, &line)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows what is in force and which versions there were.
pub(crate) fn run_list(args: &ListArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let answer = args.connection.open()?.get("/admin/v1/policies")?;
    let listing: Listing = typed(&answer)?;
    if args.json {
        print_json(out, &answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    if listing.live == 0 {
        print(out, "no policy is in force")?;
    } else {
        print(out, &format!("version {} is in force, key set {}", listing.live, listing.key_set))?;
    }
    for policy in &listing.policies {
        print(out, &format!("  {}  {}", plain(&policy.event), plain(&policy.digest)))?;
    }
    for version in &listing.versions {
        let at = Timestamp::from_ms(version.at_ms).rfc3339();
        print(out, &format!("{at}  version {}", version.version))?;
    }
    Ok(ExitCode::SUCCESS)
}
