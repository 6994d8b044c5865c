//! `glacis collateral`: what verifiers trust and expect, as one signed file: made, shown, checked, taken into force.
//!
//! Making needs the key and the vendors' files and no network; a running installation takes only what its key signed and
//! what is newer. What would fall with a file can be asked before it is taken.

mod show;

use crate::client::{Connection, typed};
use crate::codes::{self, Code};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use crate::pages;
use crate::time::Moment;
use clap::{Args, Subcommand};
use glacis_attest::Collateral;
use glacis_attest::collateral::{Age, COLLATERAL_BYTES_MAX, danger_unverified, key_pem, public_key};
use glacis_host::Host;
use glacis_seal::Context;
use glacis_serve::collateral::{build, read_bounded, write_new, write_whole};
use glacis_serve::keys::{make_signing, read_signing};
use glacis_wire::message::PublicKey;
use glacis_wire::{Realm, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `glacis collateral`.
#[derive(Debug, Args)]
pub(crate) struct CollateralArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the key that signs collateral, and print its public half
    #[command(after_help = crate::EXIT_CODES)]
    Key(KeyArgs),
    /// Make a signed file of a description and the vendors' files that it names
    #[command(after_help = crate::EXIT_CODES)]
    Build(BuildArgs),
    /// Show what a file says; its signature is not looked at
    #[command(after_help = crate::EXIT_CODES)]
    Show(ShowArgs),
    /// Check signature and age of a file
    #[command(after_help = crate::EXIT_CODES)]
    Check(CheckArgs),
    /// Take a file into force in a running installation, and say which devices fell with it
    #[command(after_help = crate::EXIT_CODES)]
    Apply(ApplyArgs),
    /// Show what is in force in a running installation
    #[command(after_help = crate::EXIT_CODES)]
    Status(AskArgs),
    /// List devices that fell with a piece of collateral, newest first
    #[command(after_help = crate::EXIT_CODES)]
    Devices(ListArgs),
    /// List issuers that vouch for more devices than there can be: keys that leaked
    #[command(after_help = crate::EXIT_CODES)]
    Issuers(ListArgs),
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// The file of the key; made where there is none, never overwritten
    file: PathBuf,
    /// Whose collateral it will sign; needed to make it
    #[arg(long, value_name = "NAME", requires = "realm")]
    tenant: Option<String>,
    /// In which realm: production, demo; needed to make it
    #[arg(long, value_name = "REALM", requires = "tenant")]
    realm: Option<String>,
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// The description; files in it are relative to its folder
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The key that signs it, as `collateral key` made it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where it is written, whole or not at all
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Its version; one more than that of the file in its place if it is not given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The file
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The file
    file: PathBuf,
    /// The public key that must have signed it, as `collateral key` prints it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// As of when (UTC, such as 2026-01-31T12:00:00Z); now if it is not given
    #[arg(long, value_name = "RFC3339")]
    at: Option<Moment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    /// The file
    file: PathBuf,
    /// Say which devices would fall, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Debug, Args)]
struct AskArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Most rows
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    ask: AskArgs,
}

/// Runs one action.
pub(crate) fn run(args: &CollateralArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Key(key) => run_key(key, host, out).map(crate::done),
        Action::Build(build) => run_build(build, host, out).map(crate::done),
        Action::Show(show) => run_show(show, out).map(crate::done),
        Action::Check(check) => run_check(check, host, out),
        Action::Apply(apply) => run_apply(apply, out).map(crate::done),
        Action::Status(ask) => run_status(ask, out).map(crate::done),
        Action::Devices(list) => run_devices(list, out).map(crate::done),
        Action::Issuers(list) => run_issuers(list, out).map(crate::done),
    }
}

fn run_key(args: &KeyArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    let public = match (&args.tenant, &args.realm) {
        (Some(tenant), Some(realm)) => {
            let tenant = TenantId::parse(tenant).map_err(|error| usage(format!("--tenant: {error}")))?;
            let known = [Realm::Production, Realm::Demo];
            let realm = known.into_iter().find(|known| known.name() == realm);
            let realm = realm.ok_or_else(|| usage("--realm: none of production, demo"))?;
            let (key, bytes) = make_signing(&Context::new(tenant, realm), host)?;
            write_new(&args.file, &bytes)?;
            key.public()
        }
        _ => read_signing(&args.file)?.1.public(),
    };
    print(out, key_pem(&public).trim_end())
}

fn run_build(args: &BuildArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    let (context, key) = read_signing(&args.key)?;
    let held = if args.out.exists() { Some(read(&args.out)?) } else { None };
    // What is there and is ours says which versions were given already; anything else is not overwritten.
    let seen = match held {
        None => 0,
        Some(bytes) => {
            let (_, mark) = Collateral::open(&bytes, &context, &key.public()).map_err(|error| {
                let what = format!("--out: `{}` is in the way: {error}", args.out.display());
                CliError::new(Code::Conflict, what)
                    .help("name another file, or move that one away if it is of another key")
                    .caused_by(error)
            })?;
            mark.version
        }
    };
    let version = args.version.unwrap_or(seen + 1);
    if version <= seen {
        let what =
            format!("--version: {version} is not above {seen}, the version in `{}`", args.out.display());
        return Err(CliError::new(Code::Conflict, what).help("versions only grow; leave --version out"));
    }
    let made = build(&args.from, version, host.now())?;
    let bytes = made.collateral.seal(&key, &context).map_err(|error| refused(&args.from, error))?;
    write_whole(&args.out, &bytes)?;
    let life = made.collateral.life;
    let age = life.age(host.now());
    if args.json {
        return print_json(
            out,
            &json!({
                "file": args.out.display().to_string(),
                "version": version,
                "age": age.name(),
                "made_at": life.made_at.rfc3339(),
                "stale_after": life.stale_after.rfc3339(),
                "not_after": life.not_after.rfc3339(),
                "files": made.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
            }),
        );
    }
    let line = format!(
        "wrote {}: version {version}, {}, stale after {}, good to {}",
        args.out.display(),
        age.name(),
        life.stale_after.rfc3339(),
        life.not_after.rfc3339()
    );
    print(out, &plain(&line))
}

fn run_show(args: &ShowArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let stated = danger_unverified(&read(&args.file)?).map_err(|error| refused(&args.file, error))?;
    if args.json {
        print_json(out, &show::document(&stated))
    } else {
        print(out, &plain(&show::text(&stated)))
    }
}

fn run_check(args: &CheckArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let key = key_of(&args.key)?;
    let now = args.at.map_or_else(|| host.now(), |at| at.at(host.now()));
    let bytes = read(&args.file)?;
    let checked = danger_unverified(&bytes)
        .and_then(|stated| Collateral::open(&bytes, &stated.context, &key).map(|(found, _)| (stated, found)));
    let (good, document, text) = match checked {
        Ok((stated, found)) => {
            let (age, life) = (found.life.age(now), found.life);
            let scope = format!("tenant {}, realm {}", stated.context.tenant, stated.context.realm.name());
            let ends =
                format!("stale after {}, good to {}", life.stale_after.rfc3339(), life.not_after.rfc3339());
            let document = json!({
                "signed": true,
                "age": age.name(),
                "tenant": stated.context.tenant.as_str(),
                "realm": stated.context.realm.name(),
                "version": life.version,
                "at": now.rfc3339(),
                "made_at": life.made_at.rfc3339(),
                "stale_after": life.stale_after.rfc3339(),
                "not_after": life.not_after.rfc3339(),
            });
            (
                age == Age::Fresh,
                document,
                format!("{}: version {}, {scope}, {ends}", age.name(), life.version),
            )
        }
        Err(error) => {
            let document = json!({
                "signed": false, "at": now.rfc3339(), "code": error.code(), "detail": error.to_string(),
            });
            (false, document, format!("refused: {error}"))
        }
    };
    if args.json {
        print_json(out, &document)?
    } else {
        print(out, &plain(&text))?
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(codes::FAILED) })
}

#[derive(Debug, Deserialize)]
struct Applied {
    version: u64,
    previous: Option<u64>,
    age: String,
    news: bool,
    devices: u64,
    fallen: Vec<Fallen>,
}

#[derive(Debug, Deserialize)]
struct Fallen {
    thumbprint: String,
    at_ms: u64,
    collateral: u64,
    from: String,
    to: String,
    reason: String,
    piece: String,
}

#[derive(Debug, Deserialize)]
struct Issuer {
    key: String,
    of: String,
    devices: u64,
    alarm_ms: u64,
}

fn run_apply(args: &ApplyArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let bytes = read(&args.file)?;
    let client = args.ask.connection.open()?;
    let path = if args.dry_run { "/admin/v1/collateral/check" } else { "/admin/v1/collateral" };
    let answer = client.post_message(path, bytes)?;
    if args.ask.json {
        return print_json(out, &json!({ "dry_run": args.dry_run, "collateral": answer }));
    }
    let applied: Applied = typed(&answer)?;
    let before = applied.previous.map_or("none".to_owned(), |version| version.to_string());
    let word = match (args.dry_run, applied.news) {
        (true, true) => "would take",
        (false, true) => "took",
        (_, false) => "has already",
    };
    let line = format!("{word} version {} ({}), before it {before}", applied.version, applied.age);
    print(out, &plain(&line))?;
    let falls = if args.dry_run { "would fall" } else { "fell" };
    print(out, &format!("devices that {falls}: {}", applied.devices))?;
    applied.fallen.iter().try_for_each(|fallen| print(out, &plain(&fallen.line())))?;
    let shown = u64::try_from(applied.fallen.len()).unwrap_or(u64::MAX);
    if shown < applied.devices && !args.dry_run {
        print(out, "…; `glacis collateral devices` lists all")?;
    }
    Ok(())
}

impl Fallen {
    fn line(&self) -> String {
        let Self { thumbprint, from, to, reason, piece, .. } = self;
        format!("{thumbprint}  {from} to {to}: {reason} {piece}")
    }
}

fn run_status(args: &AskArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = args.connection.open()?.get("/admin/v1/collateral")?;
    if args.json {
        return print_json(out, &answer);
    }
    match answer.get("collateral") {
        None | Some(Value::Null) => print(out, "no collateral is in force"),
        Some(found) => print(out, &plain(&show::in_force(found)?)),
    }
}

fn run_devices(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let rows = listed(args, "/admin/v1/collateral/devices", "devices")?;
    if args.ask.json {
        return print_json(out, &json!({ "devices": rows }));
    }
    for row in &rows {
        let fallen: Fallen = typed(row)?;
        let at = Timestamp::from_ms(fallen.at_ms).rfc3339();
        print(out, &plain(&format!("{at}  version {}  {}", fallen.collateral, fallen.line())))?;
    }
    Ok(())
}

fn run_issuers(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let rows = listed(args, "/admin/v1/issuers", "issuers")?;
    if args.ask.json {
        return print_json(out, &json!({ "issuers": rows }));
    }
    for row in &rows {
        let Issuer { key, of, devices, alarm_ms } = typed(row)?;
        let at = Timestamp::from_ms(alarm_ms).rfc3339();
        print(out, &plain(&format!("{at}  {key}  {devices} devices under the key of one {of}")))?;
    }
    Ok(())
}

fn listed(args: &ListArgs, path: &str, name: &str) -> Result<Vec<Value>, CliError> {
    let client = args.ask.connection.open()?;
    pages::rows(&client, &format!("{path}?limit={}", args.limit.min(PAGE_ROWS)), name, Some(args.limit))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let found = read_bounded(path, COLLATERAL_BYTES_MAX);
    found
        .map(|(bytes, _)| bytes)
        .map_err(|error| CliError::new(Code::EvidenceFile, error.to_string()).caused_by(error))
}

/// The public key in a file.
pub(crate) fn key_of(path: &Path) -> Result<PublicKey, CliError> {
    public_key(&read(path)?).ok_or_else(|| {
        let what = format!("`{}` holds no P-256 public key as PEM", path.display());
        CliError::new(Code::Argument, what).help("`glacis collateral key FILE` prints it")
    })
}

fn refused(path: &Path, error: glacis_attest::CollateralError) -> CliError {
    CliError::new(Code::Argument, format!("{}: {error}", path.display())).caused_by(error)
}

fn usage(what: impl Into<String>) -> CliError {
    CliError::new(Code::Argument, what)
}

/// Rows that one page holds at most.
const PAGE_ROWS: u32 = 1_000;
