//! `glacis device enrol`: keys, certificate and attestation result in a private folder.
//!
//! Run again it changes nothing, or renews what ends soon with the same keys. A folder is one device at one edge:
//! another edge or another key set is refused, never taken over.

use super::Place;
use super::custody::Shown;
use super::home::{self, Home, PinnedBy, Profile};
use super::init::{self, StoreArgs};
use super::phone::Phone;
use super::pin::{PinArgs, Trusted, fingerprint};
use super::target::Target;
use super::transport::Http;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_host::SystemHost;
use glacis_wire::message::Text;
use serde_json::json;
use std::io::Write;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `glacis device enrol`.
#[derive(Debug, Args)]
pub(crate) struct EnrolArgs {
    /// The edge: scheme, host and port, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    url: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    pin: PinArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Whether the device shows what its key store can prove, from now on; without evidence it enrols as software
    #[arg(long, value_name = "WHAT")]
    evidence: Option<Shown>,
    /// What the app calls itself: the signal `app.id` of the device slice, as claimed as everything here
    #[arg(long, value_name = "ID")]
    app_id: Option<String>,
    /// Renew the enrolment also where it lasts
    #[arg(long)]
    renew: bool,
    /// Enrol a new device key in the place of the present one, which vouches for it; the old one is destroyed
    #[arg(long)]
    new_key: bool,
    /// Longest wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Find and check the key set, write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Enrols.
pub(crate) fn run(args: &EnrolArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let authority = Target::edge(&args.url)?;
    let host = Arc::new(SystemHost::new());
    let http = Http::new(&authority, Duration::from_secs(args.timeout));
    let mut http = http.map_err(|error| CliError::new(Code::Internal, format!("no event queue: {error}")))?;
    let (home, fresh) = match Home::find(&args.place, &host)? {
        Some(home) => (known(args, &authority, home)?, None),
        None => {
            let trusted = args.pin.establish(&mut http)?;
            if args.dry_run {
                let print = fingerprint(&trusted.key_set)?;
                say(args, out, "would-enrol", &[("key_set_fingerprint", print)])?;
                return Ok(ExitCode::SUCCESS);
            }
            let begun = home::vault(&args.place, &host)?.is_some();
            if begun || args.store.is_given() {
                init::make(&args.place, &args.store, &trusted.context, &host)?;
            }
            let profile = profile(args, &authority, &trusted)?;
            let kept = begun || args.store.is_given();
            (Home::found(&args.place, &host, &trusted.context, profile)?, Some(kept))
        }
    };
    let (done, facts) = match finish(args, home, http, &host, fresh.is_some()) {
        Ok(finished) => finished,
        Err(error) => {
            // A first contact that failed leaves nothing behind that the next would have to agree with, but keys that
            // were asked for.
            match fresh {
                Some(true) => Home::unsettle(&args.place, &host)?,
                Some(false) => drop(home::forget(&args.place, &host, false)?),
                None => {}
            }
            return Err(error);
        }
    };
    say(args, out, done, &facts)?;
    Ok(ExitCode::SUCCESS)
}

type Facts = Vec<(&'static str, String)>;

/// Enrols the device of this folder, or finds that it is.
fn finish(
    args: &EnrolArgs,
    home: Home,
    http: Http,
    host: &Arc<SystemHost>,
    fresh: bool,
) -> Result<(&'static str, Facts), CliError> {
    let by = home.profile.by;
    if let Some(shown) = args.evidence.filter(|_| !args.dry_run) {
        shown.keep(&home.vault)?;
    }
    let mut phone = Phone::assemble(&home, http, host, NonZeroU32::MIN)?;
    if !fresh && !args.pin.agrees(&[&home.profile.pinned, phone.client.key_set()])? {
        let what = format!("the device in {} trusts another key set", args.place.dir.display());
        return Err(CliError::new(Code::DevicePin, what));
    }
    let enrolled = phone.client.line().enrolment().is_some();
    if args.new_key && !enrolled {
        let what = "no key to replace: the device is not enrolled; leave out --new-key";
        return Err(CliError::new(Code::DeviceMissing, what));
    }
    let done = match enrolled && !args.renew && !args.new_key && !phone.enrolment_ends_soon()? {
        true => "already-enrolled",
        false if args.dry_run => "would-enrol",
        false => {
            phone.pull()?;
            phone.enrol(args.new_key)?;
            match enrolled {
                true if args.new_key => "replaced",
                true => "renewed",
                false => "enrolled",
            }
        }
    };
    let print = fingerprint(phone.client.key_set())?;
    if by == PinnedBy::FirstUse && done == "enrolled" {
        eprintln!(
            "glacis: trusted on first use; compare with `glacis keys fingerprint` at the installation: {print}"
        );
    }
    let mut facts = vec![("key_set_fingerprint", print), ("pinned_by", by.name().to_owned())];
    if let Some(enrolled) = phone.client.line().enrolment() {
        facts.push(("device", enrolled.thumbprint().to_string()));
        facts.push(("tier", enrolled.result().tier.name().to_owned()));
        facts.push(("trust", enrolled.result().trust.name().to_owned()));
        facts.push(("not_after", enrolled.not_after().rfc3339()));
    }
    Ok((done, facts))
}

/// A folder that holds a device already: it must be this edge's.
fn known(args: &EnrolArgs, authority: &str, home: Home) -> Result<Home, CliError> {
    let dir = args.place.dir.display();
    args.store.agree(&home.vault)?;
    if args.app_id.as_ref().is_some_and(|id| *id != home.profile.app_id.0) {
        let what = format!("the device in {dir} has the app id `{}`", home.profile.app_id.0);
        return Err(CliError::new(Code::DeviceExists, what));
    }
    if home.profile.authority.0 == authority {
        return Ok(home);
    }
    let other = &home.profile.authority.0;
    Err(CliError::new(Code::DeviceExists, format!("the device in {dir} is enrolled at {other}")))
}

fn profile(args: &EnrolArgs, authority: &str, trusted: &Trusted) -> Result<Profile, CliError> {
    let app_id = args.app_id.clone().unwrap_or_default();
    if app_id.len() > 128 {
        return Err(CliError::new(Code::Argument, "--app-id: at most 128 bytes"));
    }
    Ok(Profile {
        authority: Text(authority.to_owned()),
        pinned: trusted.key_set.clone(),
        by: trusted.by,
        app_id: Text(app_id),
    })
}

fn say(args: &EnrolArgs, out: &mut dyn Write, done: &str, facts: &[(&str, String)]) -> Result<(), CliError> {
    if args.place.json {
        let mut json = json!({ "result": done });
        if let Some(object) = json.as_object_mut() {
            object.extend(facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        }
        return print_json(out, &json);
    }
    print(out, done)?;
    facts.iter().try_for_each(|(name, value)| print(out, &format!("  {name:<20} {value}")))
}
