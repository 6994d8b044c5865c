//! `glacis device keys`: which keys the device has, what each is for and may do; scene keys added, renewed, revoked.
//!
//! Listing asks no user and, of a token, nothing at all. What ends a key asks first, since it cannot be undone. The device
//! key and its passkey go together: the installation takes no other passkey for a device key that it knows.

use super::Place;
use super::custody::{StoreName, key_error};
use super::home;
use super::phone::enrolled_as;
use super::show;
use super::wipe::confirmed;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use crate::time::Moment;
use clap::{Args, Subcommand};
use glacis_dtx::{KeyInfo, KeyOptions, KeyStore, Role, Scene, Vault};
use glacis_host::{Clock, SystemHost};
use serde_json::json;
use std::io::Write;
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

/// Arguments of `glacis device keys`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: Option<KeysAction>,
}

#[derive(Debug, Subcommand)]
enum KeysAction {
    /// Make a scene key: the key of one purpose, below the app key
    #[command(after_help = crate::EXIT_CODES)]
    Add(AddArgs),
    /// A new key in place of an old one, with the same limits; with the device key the passkey is renewed, and the device
    /// enrols again
    #[command(after_help = crate::EXIT_CODES)]
    Renew(RenewArgs),
    /// End a key and those below it, for good
    #[command(after_help = crate::EXIT_CODES)]
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// What it is for: a-z, 0-9, - and ., beginning with a letter
    scene: String,
    /// Most signatures
    #[arg(long, value_name = "NUMBER")]
    uses: Option<NonZeroU64>,
    /// When it ends: a time, or +TIME from now
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Ask the user for every signature
    #[arg(long)]
    ask_user: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct RenewArgs {
    /// device, app, or the name of a scene
    name: RoleName,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// device, app, or the name of a scene
    name: RoleName,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

/// A role as an argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoleName(pub(super) Role);

impl FromStr for RoleName {
    type Err = glacis_dtx::role::SceneError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text {
            "device" => Role::Device,
            "app" => Role::App,
            scene => Role::Scene(Scene::parse(scene)?),
        }))
    }
}

/// Lists, or changes one key.
pub(crate) fn run(args: &KeysArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        None => list(&args.place, out),
        Some(KeysAction::Add(add)) => run_add(add, out),
        Some(KeysAction::Renew(renew)) => run_renew(renew, out),
        Some(KeysAction::Revoke(revoke)) => run_revoke(revoke, out),
    }
}

/// The key store of a folder.
pub(super) struct Opened {
    pub(super) store: StoreName,
    pub(super) keys: Arc<dyn KeyStore>,
    vault: Arc<Vault>,
}

impl Opened {
    pub(super) fn at(place: &Place) -> Result<Self, CliError> {
        let vault = home::some_vault(place, &Arc::new(SystemHost::new()))?;
        let store = StoreName::of(&vault)?;
        let keys = store.open(&vault)?;
        Ok(Self { store, keys, vault })
    }

    pub(super) fn list(&self) -> Result<Vec<KeyInfo>, CliError> {
        self.keys.list().map_err(|error| key_error(&error))
    }
}

fn list(place: &Place, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let opened = Opened::at(place)?;
    let (keys, protection) = (opened.list()?, opened.keys.protection());
    if place.json {
        let keys: Vec<_> = keys.iter().map(show::json_of_key).collect();
        let protection = show::json_of_protection(&protection);
        print_json(
            out,
            &json!({ "store": opened.store.to_string(), "protection": protection, "keys": keys }),
        )?;
    } else {
        print(out, &format!("{:<20} {}", "store", opened.store))?;
        show::protection(&protection).iter().try_for_each(|line| print(out, line))?;
        keys.iter().try_for_each(|key| print(out, &show::line_of_key(key)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_add(args: &AddArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let refuse = |why: String| CliError::new(Code::Argument, format!("`{}`: {why}", args.scene));
    let role = args.scene.parse::<RoleName>().map_err(|error| refuse(error.to_string()))?.0;
    if !matches!(role, Role::Scene(_)) {
        return Err(refuse("every device has this key; a scene takes another name".to_owned()));
    }
    let now = SystemHost::new().now();
    let options = KeyOptions {
        user_verification: args.ask_user || role == Role::PASSKEY,
        uses_max: args.uses,
        not_after: args.until.as_ref().map(|until| until.at(now)),
    };
    if options.not_after.is_some_and(|end| end <= now) {
        return Err(CliError::new(Code::Argument, "--until: in the past"));
    }
    let opened = Opened::at(&args.place)?;
    opened.keys.create_with(role, &options).map_err(|error| key_error(&error))?;
    say(&opened, &args.place, "added", role, out)
}

fn run_renew(args: &RenewArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let opened = Opened::at(&args.place)?;
    let role = args.name.0;
    if role == Role::PASSKEY && enrolled_as(&opened.vault).is_ok() {
        // Else whoever can use the device key could put a passkey of his own in its place.
        let what = "the installation takes no other passkey of a device key that it knows";
        return Err(CliError::new(Code::Argument, what)
            .help("`glacis device keys renew device` makes a new device key with a new passkey"));
    }
    let renew = |role| opened.keys.renew(role).map_err(|error| key_error(&error));
    renew(role)?;
    if role == Role::Device {
        let keys = opened.list()?;
        // An app key that ended with the device key has to come before what stands below it.
        if keys.iter().any(|key| key.role == Role::App && key.ended.is_some()) {
            renew(Role::App)?;
        }
        if keys.iter().any(|key| key.role == Role::PASSKEY) {
            renew(Role::PASSKEY)?;
        }
    }
    say(&opened, &args.place, "renewed", role, out)
}

fn run_revoke(args: &RevokeArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let opened = Opened::at(&args.place)?;
    let role = args.name.0;
    let mut below: Vec<String> =
        opened.list()?.iter().filter(|key| key.role.is_under(role)).map(|key| show::role(key.role)).collect();
    if below.is_empty() {
        below.push(show::role(role));
    }
    confirmed(args.yes, &format!("End for good: {}", below.join(", ")))?;
    opened.keys.revoke(role).map_err(|error| key_error(&error))?;
    say(&opened, &args.place, "revoked", role, out)
}

/// What was done, and the key as it is now.
fn say(
    opened: &Opened,
    place: &Place,
    done: &str,
    role: Role,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let keys = opened.list()?;
    let key = keys.iter().find(|key| key.role == role);
    if place.json {
        print_json(out, &json!({ "result": done, "key": key.map(show::json_of_key) }))?;
    } else {
        let line = key.map_or_else(|| show::role(role), show::line_of_key);
        print(out, &format!("{done} {line}"))?;
    }
    if done == "renewed" && matches!(role, Role::Device | Role::PASSKEY) {
        eprintln!(
            "glacis: the installation vouches for the old key; the device enrols again with its next request"
        );
    }
    Ok(ExitCode::SUCCESS)
}
