//! `glacis routes|enforce|observe|bypass|backup|restore`: operating what runs on this machine.
//!
//! All but `restore` speak to the control socket of the data folder, as everything they change belongs to the running
//! process. Routes come from requests of strangers, so they are printed without control characters.

use crate::client::{Client, Connection, typed};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// Arguments of `glacis routes`.
#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `glacis enforce` and `glacis observe`.
#[derive(Debug, Args)]
pub(crate) struct ModeArgs {
    /// Routes as `glacis routes` lists them, such as 'POST /login'
    #[arg(required = true, value_name = "ROUTE")]
    routes: Vec<String>,
    /// Check and say what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `glacis bypass`.
#[derive(Debug, Args)]
pub(crate) struct BypassArgs {
    /// How long, such as 90s, 10m or 2h; at most 24 hours
    #[arg(long = "for", value_name = "TIME", required_unless_present = "end")]
    lasts: Option<Lasts>,
    /// Why; it is audited
    #[arg(long, default_value = "", conflicts_with = "end")]
    reason: String,
    /// End the bypass that is in force
    #[arg(long, conflicts_with = "lasts")]
    end: bool,
    /// Check and say what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `glacis backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to make; must not exist
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `glacis restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// The data folder of the new installation; holds its keys, and no store yet
    #[arg(long, value_name = "DIR", env = "GLACIS_DATA_DIR", hide_env_values = true)]
    data_dir: PathBuf,
    /// Check folder and keys and say what would be made; make nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A time in whole seconds, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lasts(pub(crate) u64);

impl FromStr for Lasts {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [('s', 1), ('m', 60), ('h', 3_600)];
        let read = units
            .iter()
            .find_map(|(unit, seconds)| text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*seconds));
        read.filter(|seconds| *seconds > 0).map(Self).ok_or("must be a number with s, m or h, such as 10m")
    }
}

#[derive(Debug, Deserialize)]
struct Routes {
    routes: Vec<Route>,
    bypassed_until_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Route {
    route: String,
    mode: String,
    requests: u64,
    observed: Counts,
    enforced: Counts,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Counts {
    allow: u64,
    challenge: u64,
    block: u64,
    refused: u64,
}

/// Lists what was asked for and what became of it, or would have.
pub(crate) fn routes(args: &RoutesArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let answer = args.connection.open()?.get(ROUTES)?;
    if args.json {
        return print_json(out, &answer).map(|()| ExitCode::SUCCESS);
    }
    let Routes { routes, bypassed_until_ms } = typed(&answer)?;
    print(out, "MODE     REQUESTS    ALLOW CHALLENGE    BLOCK  REFUSED  STOPPED  ROUTE")?;
    for Route { route, mode, requests, observed, enforced } in &routes {
        let [allow, challenge, block, refused] = [
            observed.allow + enforced.allow,
            observed.challenge + enforced.challenge,
            observed.block + enforced.block,
            observed.refused + enforced.refused,
        ];
        let stopped = enforced.challenge + enforced.block + enforced.refused;
        let line = format!(
            "{mode:<8} {requests:>8} {allow:>8} {challenge:>9} {block:>8} {refused:>8} {stopped:>8}  {}",
            plain(route)
        );
        print(out, &line)?;
    }
    if let Some(until) = bypassed_until_ms {
        let until = Timestamp::from_ms(until).rfc3339();
        print(out, &format!("bypass in force until {until}: every route observes"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets verdicts act on routes, or only be counted.
pub(crate) fn set_mode(args: &ModeArgs, mode: &str, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let client = args.connection.open()?;
    if args.dry_run {
        known(&client, &args.routes)?;
    }
    for route in &args.routes {
        let answer = if args.dry_run {
            json!({ "route": route, "mode": mode, "dry_run": true })
        } else {
            client.post("/edge/v1/routes/mode", &json!({ "route": route, "mode": mode }))?
        };
        let would = if args.dry_run { "would be " } else { "" };
        if args.json {
            print_json(out, &answer)?;
        } else {
            print(out, &format!("{} {would}{mode}d", plain(route)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every one of `routes` is listed.
fn known(client: &Client, routes: &[String]) -> Result<(), CliError> {
    let listed: Routes = typed(&client.get(ROUTES)?)?;
    match routes.iter().find(|route| !listed.routes.iter().any(|known| known.route == **route)) {
        Some(route) => {
            let error = CliError::new(Code::NotFound, format!("no learnt route `{}`", plain(route)));
            Err(error.help("`glacis routes` lists those that requests were seen of"))
        }
        None => Ok(()),
    }
}

/// Lets everything observe for a while, or ends that.
pub(crate) fn bypass(args: &BypassArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let client = args.connection.open()?;
    let answer = match (args.dry_run, args.lasts) {
        (true, lasts) => {
            let now: Routes = typed(&client.get(ROUTES)?)?;
            let for_s = lasts.map(|Lasts(seconds)| seconds);
            json!({ "dry_run": true, "for_s": for_s, "bypassed_until_ms": now.bypassed_until_ms })
        }
        (false, Some(Lasts(seconds))) => {
            client.post(BYPASS, &json!({ "for_s": seconds, "reason": args.reason }))?
        }
        (false, None) => client.delete(BYPASS)?,
    };
    if args.json {
        return print_json(out, &answer).map(|()| ExitCode::SUCCESS);
    }
    let until = answer.get("bypassed_until_ms").and_then(Value::as_u64);
    let text = match (args.dry_run, until) {
        (true, Some(until)) => {
            format!("a bypass until {} would be replaced", Timestamp::from_ms(until).rfc3339())
        }
        (true, None) => "no bypass is in force".to_owned(),
        (false, Some(until)) => format!("every route observes until {}", Timestamp::from_ms(until).rfc3339()),
        (false, None) => "the bypass is over".to_owned(),
    };
    print(out, &text).map(|()| ExitCode::SUCCESS)
}

/// Copies the store of the running process.
pub(crate) fn backup(args: &BackupArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    // The other process has a folder of its own.
    let file = std::path::absolute(&args.file)
        .map_err(|error| CliError::new(Code::Argument, format!("{}: {error}", args.file.display())))?;
    let answer = args.connection.open()?.post("/serve/v1/backup", &json!({ "file": file }))?;
    if args.json {
        return print_json(out, &answer).map(|()| ExitCode::SUCCESS);
    }
    let bytes = answer.get("bytes").and_then(Value::as_u64).unwrap_or(0);
    print(out, &format!("{}: {bytes} bytes, verified; keys are not in it", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the store of a new installation of a backup.
pub(crate) fn restore(args: &RestoreArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let restored = glacis_serve::restore(&args.file, &args.data_dir, args.dry_run)?;
    let store = restored.store.display().to_string();
    if args.json {
        let (tenant, realm) = (restored.context.tenant.as_str(), restored.context.realm.name());
        let value = json!({
            "store": store, "tenant": tenant, "realm": realm, "bytes": restored.bytes, "dry_run": args.dry_run,
        });
        return print_json(out, &value).map(|()| ExitCode::SUCCESS);
    }
    let made = if args.dry_run { "would be made" } else { "made, its audit chain holds" };
    print(out, &format!("{store}: {made}")).map(|()| ExitCode::SUCCESS)
}

const ROUTES: &str = "/edge/v1/routes";
const BYPASS: &str = "/edge/v1/bypass";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_are_not_zero() {
        for (text, want) in
            [("90s", Some(90)), ("10m", Some(600)), ("2h", Some(7_200)), ("10", None), ("0m", None)]
        {
            assert_eq!(text.parse::<Lasts>().ok(), want.map(Lasts), "{text}");
        }
        for bad in ["", "m", "-1m", "1d", "1.5h", "99999999999999999999h", "18446744073709551615h"] {
            assert!(bad.parse::<Lasts>().is_err(), "{bad}");
        }
    }
}
