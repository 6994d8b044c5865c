//! `glacis device init`: makes the keys of a device before it is enrolled, in a store that is good enough, and says what
//! they are worth.
//!
//! The store is chosen once and sealed in the folder; every other command uses it. Run again it changes nothing. Which
//! tenant and realm the device belongs to is bound into everything that is kept, so it must be known first: from the
//! installation's key set, or as arguments.

use super::Place;
use super::custody::{StoreName, key_error};
use super::home;
use super::show;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::{Args, ValueEnum};
use glacis_dtx::{KeyStore, Requirement, Role, Vault};
use glacis_host::SystemHost;
use glacis_seal::Context;
use glacis_serve::keys::read_key_set;
use glacis_wire::{Realm, TenantId, Tier};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Which key store.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Where the keys are kept: software, tpm2, tpm2:/dev/tpmrm0, or a PKCS#11 URI such as
    /// pkcs11:token=NAME?module-path=/…/x.so&pin-source=file:/…; may be repeated, then the best one is taken
    #[arg(long = "keys", value_name = "STORE")]
    stores: Vec<StoreName>,
    /// The least that the store must be worth; without one that is, the command fails
    #[arg(long, value_name = "TIER")]
    require: Option<Least>,
}

/// A tier as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Least {
    Software,
    Hardware,
    Strong,
}

impl StoreArgs {
    /// Whether the arguments say anything.
    pub(super) const fn is_given(&self) -> bool {
        !self.stores.is_empty() || self.require.is_some()
    }

    /// Whether the folder's store is one of those named, and good enough.
    pub(super) fn agree(&self, vault: &Arc<Vault>) -> Result<(), CliError> {
        if !self.is_given() {
            return Ok(());
        }
        let held = StoreName::of(vault)?;
        fits(self, &held, &*held.open(vault)?)
    }

    fn requirement(&self) -> Requirement {
        Requirement::at_least(match self.require {
            None => Tier::None,
            Some(Least::Software) => Tier::Software,
            Some(Least::Hardware) => Tier::Hardware,
            Some(Least::Strong) => Tier::Strong,
        })
    }
}

/// Arguments of `glacis device init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    store: StoreArgs,
    /// The installation's key set, which names tenant and realm
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant", "realm"], required_unless_present = "tenant")]
    key_set: Option<PathBuf>,
    /// The tenant that the device belongs to
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The realm that it belongs to
    #[arg(long, value_name = "REALM", default_value = "production")]
    realm: RealmName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RealmName {
    Production,
    Demo,
}

/// Makes the keys, or shows that they are there.
pub(crate) fn run(args: &InitArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let host = Arc::new(SystemHost::new());
    let made = make(&args.place, &args.store, &context(args)?, &host)?;
    let keys = made.keys.list().map_err(|error| key_error(&error))?;
    let protection = made.keys.protection();
    let done = if made.fresh { "made" } else { "already-made" };
    if args.place.json {
        let keys: Vec<_> = keys.iter().map(show::json_of_key).collect();
        let json = json!({
            "result": done,
            "store": made.store.to_string(),
            "protection": show::json_of_protection(&protection),
            "keys": keys,
        });
        print_json(out, &json)?;
    } else {
        print(out, done)?;
        print(out, &format!("  {:<20} {}", "store", made.store))?;
        show::protection(&protection).iter().try_for_each(|line| print(out, &format!("  {line}")))?;
        keys.iter().try_for_each(|key| print(out, &format!("  {}", show::line_of_key(key))))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder with keys in it.
pub(super) struct Made {
    pub(super) store: StoreName,
    pub(super) keys: Arc<dyn KeyStore>,
    pub(super) fresh: bool,
}

/// Makes the folder and its keys, where there are none. A store that was chosen before must fit the arguments.
pub(super) fn make(
    place: &Place,
    args: &StoreArgs,
    context: &Context,
    host: &Arc<SystemHost>,
) -> Result<Made, CliError> {
    let existed = home::vault(place, host)?.is_some();
    let vault = home::found(place, host, context)?;
    let began = begin(args, &vault);
    if began.is_err() && !existed {
        // A first try that failed leaves nothing behind that the next would have to agree with.
        drop(vault);
        home::forget(place, host, false)?;
    }
    began
}

fn begin(args: &StoreArgs, vault: &Arc<Vault>) -> Result<Made, CliError> {
    let held = StoreName::of(vault)?;
    let keys = held.open(vault)?;
    let known = keys.list().map_err(|error| key_error(&error))?;
    if !known.is_empty() {
        fits(args, &held, &*keys)?;
        let complete = [Role::Device, Role::PASSKEY].iter().all(|role| known.iter().any(|k| k.role == *role));
        if !complete {
            make_keys(&*keys)?;
        }
        return Ok(Made { store: held, keys, fresh: false });
    }
    // A vault serves one store at a time.
    drop(keys);
    let named = if args.stores.is_empty() { vec![StoreName::Software] } else { args.stores.clone() };
    let (store, keys) = StoreName::choose(&named, &args.requirement(), vault)?;
    store.keep(vault)?;
    make_keys(&*keys)?;
    Ok(Made { store, keys, fresh: true })
}

fn make_keys(keys: &dyn KeyStore) -> Result<(), CliError> {
    for role in [Role::Device, Role::App, Role::PASSKEY] {
        keys.create(role).map_err(|error| key_error(&error))?;
    }
    Ok(())
}

/// Whether the store of a folder is one of those that the arguments name, and good enough.
fn fits(args: &StoreArgs, held: &StoreName, keys: &dyn KeyStore) -> Result<(), CliError> {
    if !args.stores.is_empty() && !args.stores.contains(held) {
        let what = format!("the keys of this device are in the store `{held}`");
        return Err(CliError::new(Code::DeviceUnlike, what));
    }
    let lacking = args.requirement().lacking(&keys.protection());
    if lacking.is_empty() {
        return Ok(());
    }
    Err(CliError::new(Code::DeviceStore, format!("the store `{held}`: {}", lacking.join(", ")))
        .help("end the device with `glacis device wipe`, and begin anew with a better store"))
}

fn context(args: &InitArgs) -> Result<Context, CliError> {
    if let Some(path) = &args.key_set {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| CliError::new(Code::Argument, format!("--key-set {shown}: {error}")))?;
        return Ok(read_key_set(&shown, &bytes)?.0);
    }
    let tenant = TenantId::parse(args.tenant.as_deref().unwrap_or_default());
    let tenant = tenant.map_err(|error| CliError::new(Code::Argument, format!("--tenant: {error}")))?;
    let realm = match args.realm {
        RealmName::Production => Realm::Production,
        RealmName::Demo => Realm::Demo,
    };
    Ok(Context::new(tenant, realm))
}
