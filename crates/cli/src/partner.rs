//! `glacis partner`: who may enrol devices, what of them is believed, and how many there may be.
//!
//! A partner vouches for each device with a key that is shown once, here. What it may enrol is held to by the control
//! plane in the transaction that enrols, and every change is audited.

use crate::client::{Connection, segment, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::{Args, Subcommand, ValueEnum};
use glacis_wire::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::io::Write;

/// Arguments of `glacis partner`.
#[derive(Debug, Args)]
pub(crate) struct PartnerArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a partner; its key is shown once
    #[command(after_help = crate::EXIT_CODES)]
    Add(AddArgs),
    /// Show partners, what they may enrol and how much they did
    #[command(after_help = crate::EXIT_CODES)]
    List(ListArgs),
    /// Change what a partner may enrol; 0 a day lets it enrol nothing
    #[command(after_help = crate::EXIT_CODES)]
    Limit(LimitArgs),
}

/// The highest tier that a partner's devices get.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Ceiling {
    Software,
    Hardware,
    Strong,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Its name: a-z, 0-9, dot, dash, underscore
    name: String,
    /// A family of evidence that it may enrol, or `none` for devices without any; may be repeated
    #[arg(long = "family", value_name = "FAMILY", required = true)]
    families: Vec<String>,
    /// The highest tier that its devices get, whatever their evidence is worth
    #[arg(long, value_name = "TIER", default_value = "hardware")]
    tier: Ceiling,
    /// Enrolments in a day of UTC
    #[arg(long, value_name = "NUMBER")]
    per_day: u64,
    /// Enrolments in total
    #[arg(long, value_name = "NUMBER")]
    total: u64,
    /// Check and say what would be added; add nothing
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
struct LimitArgs {
    /// Its name
    name: String,
    /// The families that it may enrol from now on, instead of those before; may be repeated
    #[arg(long = "family", value_name = "FAMILY")]
    families: Vec<String>,
    /// The highest tier that its devices get
    #[arg(long, value_name = "TIER")]
    tier: Option<Ceiling>,
    /// Enrolments in a day of UTC
    #[arg(long, value_name = "NUMBER")]
    per_day: Option<u64>,
    /// Enrolments in total
    #[arg(long, value_name = "NUMBER")]
    total: Option<u64>,
    /// Make a new key as well, shown once; what the old one vouches for is refused from then on
    #[arg(long)]
    new_key: bool,
    /// Check and say what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Partner {
    name: String,
    families: Vec<String>,
    tier_max: String,
    daily_max: u64,
    total_max: u64,
    today: u64,
    total: u64,
    set_at_ms: u64,
    set_by: String,
}

#[derive(Debug, Deserialize)]
struct NewKey {
    key: String,
}

/// Runs one action.
pub(crate) fn run(args: &PartnerArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        Action::Add(add) => run_add(add, out),
        Action::List(list) => run_list(list, out),
        Action::Limit(limit) => run_limit(limit, out),
    }
}

fn run_add(args: &AddArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let client = args.connection.open()?;
    let terms = json!({
        "name": args.name,
        "families": args.families,
        "tier_max": args.tier,
        "daily_max": args.per_day,
        "total_max": args.total,
    });
    if args.dry_run {
        let known = client.get(PARTNERS)?;
        if named(&known, &args.name).is_some() {
            let what = format!("there is a partner `{}` already", args.name);
            return Err(CliError::new(Code::Conflict, what).help("`glacis partner limit` changes it"));
        }
        if args.json {
            return print_json(out, &json!({ "dry_run": true, "partner": terms }));
        }
        return print(out, &format!("would add {}", plain(&args.name)));
    }
    let answer = client.post(PARTNERS, &terms)?;
    if args.json {
        return print_json(out, &json!({ "dry_run": false, "partner": terms, "key": answer.get("key") }));
    }
    let NewKey { key } = typed(&answer)?;
    print(out, &format!("added {}; its key, shown this once:\n{}", plain(&args.name), plain(&key)))
}

fn run_list(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = args.connection.open()?.get(PARTNERS)?;
    if args.json {
        return print_json(out, &answer);
    }
    rows(&answer).iter().try_for_each(|row| print(out, &line(&typed(row)?)))
}

fn run_limit(args: &LimitArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut change = Map::new();
    if !args.families.is_empty() {
        change.insert("families".to_owned(), json!(args.families));
    }
    for (name, value) in [
        ("tier_max", args.tier.map(|tier| json!(tier))),
        ("daily_max", args.per_day.map(Into::into)),
        ("total_max", args.total.map(Into::into)),
    ] {
        if let Some(value) = value {
            change.insert(name.to_owned(), value);
        }
    }
    if change.is_empty() && !args.new_key {
        let what = "nothing is to change: give --family, --tier, --per-day, --total or --new-key";
        return Err(CliError::new(Code::Usage, what));
    }
    let client = args.connection.open()?;
    let path = format!("{PARTNERS}/{}", segment(&args.name));
    if args.dry_run {
        let known = client.get(PARTNERS)?;
        let partner = named(&known, &args.name)
            .ok_or_else(|| CliError::new(Code::NotFound, format!("there is no partner `{}`", args.name)))?;
        if args.json {
            return print_json(out, &json!({ "dry_run": true, "partner": partner, "change": change }));
        }
        return print(out, &format!("would change {}", line(&typed(partner)?)));
    }
    let answer = if change.is_empty() {
        let known = client.get(PARTNERS)?;
        named(&known, &args.name).cloned().unwrap_or(Value::Null)
    } else {
        client.post(&format!("{path}/limits"), &Value::Object(change))?
    };
    let key: Option<NewKey> = match args.new_key {
        true => Some(typed(&client.post(&format!("{path}/key"), &json!({}))?)?),
        false => None,
    };
    if args.json {
        let key = key.map(|key| key.key);
        return print_json(out, &json!({ "dry_run": false, "partner": answer, "key": key }));
    }
    print(out, &line(&typed(&answer)?))?;
    key.map_or(Ok(()), |key| print(out, &format!("its new key, shown this once:\n{}", plain(&key.key))))
}

/// The partner of this name in an answer.
fn named<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    rows(answer).iter().find(|partner| partner.get("name").and_then(Value::as_str) == Some(name))
}

/// The partners in an answer.
fn rows(answer: &Value) -> &[Value] {
    answer.get("partners").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn line(partner: &Partner) -> String {
    plain(&format!(
        "{}  {} of {} today, {} of {} in total  up to {}  {}  set {} by {}",
        partner.name,
        partner.today,
        partner.daily_max,
        partner.total,
        partner.total_max,
        partner.tier_max,
        partner.families.join(","),
        Timestamp::from_ms(partner.set_at_ms).rfc3339(),
        partner.set_by,
    ))
}

/// Where partners are.
const PARTNERS: &str = "/admin/v1/partners";
