//! `glacis list`: what is in a list, and changing it.
//!
//! A list is asked by rules (`payee in list.mules`). Each change is one audited row with the moment from which it
//! counts; items are added one by one, in the order given, and the first refusal ends it.

use crate::client::{Client, Connection, segment, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use crate::pages;
use crate::time::Moment;
use clap::{Args, Subcommand};
use glacis_host::Host;
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `glacis list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a list with its items, or the names of all lists
    #[command(after_help = crate::EXIT_CODES)]
    Show(ShowArgs),
    /// Put items into a list; the list begins with its first item
    #[command(after_help = crate::EXIT_CODES)]
    Add(ChangeArgs),
    /// Take items out of a list
    #[command(after_help = crate::EXIT_CODES)]
    Remove(ChangeArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The list, without `list.`; all lists where it is left out
    name: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// The list, without `list.`
    name: String,
    /// The items
    #[arg(required = true, value_name = "ITEM")]
    items: Vec<String>,
    /// From when on: 2026-01-31T12:00:00Z or +2h; now where it is left out
    #[arg(long, value_name = "TIME")]
    effective: Option<Moment>,
    /// Check and say what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One item as it is answered.
#[derive(Debug, Deserialize)]
struct Item {
    item: String,
    effective_ms: u64,
}

/// Runs one action.
pub(crate) fn run(args: &ListArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        Action::Show(show) => run_show(show, out),
        Action::Add(add) => run_change(add, true, host, out),
        Action::Remove(remove) => run_change(remove, false, host, out),
    }
}

fn run_show(args: &ShowArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let Some(name) = &args.name else { return show_all(&client, args.json, out) };
    let (version, items) = read(&client, name)?;
    if version == 0 {
        let error = CliError::new(Code::NotFound, format!("there is no list `{name}`"));
        return Err(error.help("`glacis list show` names all lists; a list begins with its first item"));
    }
    if args.json {
        let item = |item: &Item| json!({ "item": item.item, "effective_ms": item.effective_ms });
        let items: Vec<Value> = items.iter().map(item).collect();
        return print_json(out, &json!({ "list": name, "version": version, "items": items }));
    }
    print(out, &format!("{}, version {version}, {} items", plain(name), items.len()))?;
    for item in &items {
        let from = Timestamp::from_ms(item.effective_ms).rfc3339();
        print(out, &format!("{from}  {}", plain(&item.item)))?;
    }
    Ok(())
}

fn show_all(client: &Client, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    #[derive(Debug, Deserialize)]
    struct Row {
        list: String,
        version: u64,
    }
    let rows = pages::rows(client, "/admin/v1/lists", "lists", None)?;
    if json {
        return print_json(out, &json!({ "lists": rows }));
    }
    for row in &rows {
        let row: Row = typed(row)?;
        print(out, &format!("{}, version {}", plain(&row.list), row.version))?;
    }
    Ok(())
}

fn run_change(
    args: &ChangeArgs,
    present: bool,
    host: &dyn Host,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let effective = args.effective.map(|moment| moment.at(host.now()).as_ms());
    let path = format!("/admin/v1/lists/{}", segment(&args.name));
    let (_, before) = read(&client, &args.name)?;
    let mut changed: Vec<Value> = Vec::new();
    for item in &args.items {
        let body = json!({ "item": item, "present": present, "effective_ms": effective });
        let in_list = before.iter().any(|have| have.item == *item);
        let asked = if args.dry_run { format!("{path}/check") } else { path.clone() };
        let answer =
            client.post(&asked, &body).map_err(|error| error.after(changed.len(), args.items.len()))?;
        let version = answer.get("version").and_then(Value::as_u64);
        let version = version.ok_or_else(|| CliError::new(Code::BadAnswer, "the answer names no version"))?;
        if !args.json {
            let word = match (present, args.dry_run) {
                (true, true) => "would add",
                (true, false) => "added",
                (false, true) => "would remove",
                (false, false) => "removed",
            };
            let note = if in_list == present { " (it makes no difference now)" } else { "" };
            print(out, &format!("{word} {}{note}", plain(item)))?;
        }
        changed.push(json!({ "item": item, "version": version, "was_in_list": in_list }));
    }
    if args.json {
        let done =
            json!({ "list": args.name, "present": present, "dry_run": args.dry_run, "changes": changed });
        return print_json(out, &done);
    }
    Ok(())
}

/// Version and items of a list; version 0 and none where there is no such list.
fn read(client: &Client, name: &str) -> Result<(u64, Vec<Item>), CliError> {
    let path = format!("/admin/v1/lists/{}", segment(name));
    let head = match client.get(&path) {
        Ok(head) => head,
        Err(error) if error.code() == Code::NotFound => return Ok((0, Vec::new())),
        Err(error) => return Err(error),
    };
    let version = head.get("version").and_then(Value::as_u64);
    let version = version.ok_or_else(|| CliError::new(Code::BadAnswer, "the answer names no version"))?;
    let items = pages::rows(client, &path, "items", None)?;
    Ok((version, items.iter().map(typed).collect::<Result<_, _>>()?))
}
