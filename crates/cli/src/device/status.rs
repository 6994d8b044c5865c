//! `glacis device status` and `forget`: what the folder holds, and the end of it.
//!
//! Status asks nobody and prints nothing secret: names, times and counts. Forgetting destroys the keys here; what
//! the installation knows about the device stays there.

use super::Place;
use super::custody::{StoreName, is_outside};
use super::home::{self, Home};
use super::phone::Phone;
use super::pin::fingerprint;
use super::transport::Http;
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_host::{Clock, SystemHost};
use serde_json::{Value, json};
use std::io::Write;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `glacis device status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    place: Place,
}

/// Arguments of `glacis device forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    place: Place,
    /// Say what would be removed, remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// Shows the device; exit code 1 where its enrolment ended.
pub(crate) fn run(args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let host = Arc::new(SystemHost::new());
    let home = Home::open(&args.place, &host)?;
    let http = Http::new(&home.profile.authority.0, Duration::ZERO);
    let http = http.map_err(|error| CliError::new(Code::Internal, format!("no event queue: {error}")))?;
    let mut phone = Phone::assemble(&home, http, &host, NonZeroU32::MIN)?;
    let key_set = phone.client.key_set();
    let mut rows: Vec<(&str, Value)> = vec![
        ("edge", json!(home.profile.authority.0)),
        ("tenant", json!(key_set.tenant.to_string())),
        ("realm", json!(key_set.realm.name())),
        ("key_set", json!(key_set.version)),
        ("key_set_fingerprint", json!(fingerprint(key_set)?)),
        ("pinned_by", json!(home.profile.by.name())),
        ("key_store", json!(StoreName::of(&home.vault)?.to_string())),
        ("key_store_worth", json!(phone.keys.protection().tier.name())),
    ];
    let now = host.now();
    let enrolled = phone.client.line().enrolment();
    let enrolled =
        enrolled.ok_or_else(|| CliError::new(Code::DeviceMissing, "the device is not enrolled"))?;
    let valid = now <= enrolled.not_after();
    rows.extend([
        ("device", json!(enrolled.thumbprint().to_string())),
        ("tier", json!(enrolled.result().tier.name())),
        ("trust", json!(enrolled.result().trust.name())),
        ("not_after", json!(enrolled.not_after().rfc3339())),
        ("valid", json!(valid)),
    ]);
    if let Some(session) = phone.client.line().session() {
        let (leg, number) = session.position();
        rows.extend([
            ("session", json!(session.id().to_string())),
            ("session_not_after", json!(session.not_after().rfc3339())),
            ("leg", json!(leg.to_string())),
            ("numbers_reserved", json!(number)),
        ]);
    }
    if args.place.json {
        let object = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        print_json(out, &Value::Object(object))?;
    } else {
        for (name, value) in rows {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            print(out, &format!("{name:<20} {shown}"))?;
        }
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Removes the device.
pub(crate) fn forget(args: &ForgetArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let host = Arc::new(SystemHost::new());
    // A folder that does not open is forgotten as it is; one that opens may have keys elsewhere.
    if home::vault(&args.place, &host).is_ok_and(|vault| vault.is_some_and(|vault| is_outside(&vault))) {
        let what = "the keys of this device are not in its folder, and would stay where they are";
        return Err(CliError::new(Code::DeviceUnlike, what)
            .help("`glacis device wipe` destroys them there, then removes the folder"));
    }
    let removed = home::forget(&args.place, &host, args.dry_run)?;
    if args.place.json {
        print_json(out, &json!({ "dry_run": args.dry_run, "removed": removed }))?;
    } else {
        let verb = if args.dry_run { "would remove" } else { "removed" };
        removed.iter().try_for_each(|name| print(out, &format!("{verb} {name}")))?;
    }
    Ok(ExitCode::SUCCESS)
}
