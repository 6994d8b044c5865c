//! The folder of one device: whose it is in the open, everything else sealed, one process at a time.
//!
//! `device.json` names tenant and realm, without which no record opens; it is no secret and, since it is bound
//! into every record, cannot be changed unnoticed. Which edge and which key set were given first is sealed.

use super::Place;
use crate::codes::Code;
use crate::error::CliError;
use glacis_dtx::{Vault, VaultError};
use glacis_host::{Clock, DirFiles, FileError, FileErrorKind, Files, SystemHost};
use glacis_seal::Context;
use glacis_serve::keys::is_private;
use glacis_wire::message::Text;
use glacis_wire::message::policy::KeySet;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Realm, TenantId, Writer};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An opened folder. While it lives, other processes wait.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) vault: Arc<Vault>,
    pub(super) profile: Profile,
}

/// What the device was given first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Profile {
    /// Host and port of the edge.
    pub(super) authority: Text<272>,
    /// Where trust begins.
    pub(super) pinned: KeySet,
    pub(super) by: PinnedBy,
    /// What the app calls itself; empty where it does not.
    pub(super) app_id: Text<128>,
}

/// How the first key set came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinnedBy {
    /// From a file that the operator gave.
    File,
    /// By the fingerprint that the operator gave.
    Fingerprint,
    /// Whoever answered first was believed.
    FirstUse,
}

impl PinnedBy {
    /// The name in output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::File => "key-set-file",
            Self::Fingerprint => "fingerprint",
            Self::FirstUse => "first-use",
        }
    }
}

impl Home {
    /// Opens the folder of a device; [`Code::DeviceMissing`] where there is none.
    pub(super) fn open(place: &Place, host: &Arc<SystemHost>) -> Result<Self, CliError> {
        Self::find(place, host)?.ok_or_else(|| missing(&place.dir))
    }

    /// Opens the folder of a device that was enrolled, if it holds one.
    pub(super) fn find(place: &Place, host: &Arc<SystemHost>) -> Result<Option<Self>, CliError> {
        let Some(vault) = vault(place, host)? else { return Ok(None) };
        let Some(content) = vault.get(PROFILE).map_err(|error| broken(&error))? else { return Ok(None) };
        if content.is_empty() {
            return Ok(None);
        }
        let profile = Profile::from_bytes(&content);
        let profile = profile.map_err(|_| broken(&VaultError::Sealed(PROFILE.to_owned())))?;
        Ok(Some(Self { vault, profile }))
    }

    /// Takes the enrolment back and leaves the keys.
    pub(super) fn unsettle(place: &Place, host: &Arc<SystemHost>) -> Result<(), CliError> {
        match vault(place, host)? {
            Some(vault) => vault.put(PROFILE, &[]).map_err(|error| broken(&error)),
            None => Ok(()),
        }
    }

    /// Makes the folder, or takes one that `init` or a crash left without a profile.
    pub(super) fn found(
        place: &Place,
        host: &Arc<SystemHost>,
        context: &Context,
        profile: Profile,
    ) -> Result<Self, CliError> {
        let vault = found(place, host, context)?;
        let content = profile.to_bytes().map_err(|error| broken(&error.into()))?;
        vault.put(PROFILE, &content).map_err(|error| broken(&error))?;
        Ok(Self { vault, profile })
    }
}

/// The sealed records of a folder that was begun, enrolled or not.
pub(super) fn vault(place: &Place, host: &Arc<SystemHost>) -> Result<Option<Arc<Vault>>, CliError> {
    if !place.dir.is_dir() {
        return Ok(None);
    }
    let files = lock(place, host)?;
    let Some(context) = read_owner(&files)? else { return Ok(None) };
    let vault = Vault::open(Arc::new(files), host.clone(), context);
    vault.map(|vault| Some(Arc::new(vault))).map_err(|error| broken(&error))
}

/// The same, of a folder that must be there.
pub(super) fn some_vault(place: &Place, host: &Arc<SystemHost>) -> Result<Arc<Vault>, CliError> {
    vault(place, host)?.ok_or_else(|| missing(&place.dir))
}

/// Makes the folder of a device of this tenant and realm, or takes the one that is there.
pub(super) fn found(
    place: &Place,
    host: &Arc<SystemHost>,
    context: &Context,
) -> Result<Arc<Vault>, CliError> {
    let files = lock(place, host)?;
    match read_owner(&files)? {
        Some(owner) if owner == *context => {}
        Some(_) => {
            let what = format!("{} holds a device of another tenant or realm", place.dir.display());
            return Err(CliError::new(Code::DeviceExists, what));
        }
        None => write_owner(&files, context)?,
    }
    let vault = Vault::open(Arc::new(files), host.clone(), context.clone());
    Ok(Arc::new(vault.map_err(|error| broken(&error))?))
}

/// Removes everything, the storage key first; what was removed. Nothing needs to open for that.
pub(super) fn forget(place: &Place, host: &Arc<SystemHost>, dry_run: bool) -> Result<Vec<String>, CliError> {
    if !place.dir.is_dir() {
        return Err(missing(&place.dir));
    }
    let files = lock(place, host)?;
    let mut doomed: Vec<String> = files.list().map_err(|error| unusable(&error))?;
    doomed.retain(|name| *name == OWNER || *name == STORAGE_KEY || name.ends_with(".sealed"));
    if doomed.is_empty() {
        return Err(missing(&place.dir));
    }
    doomed.sort_by_key(|name| *name != STORAGE_KEY);
    if !dry_run {
        doomed.iter().try_for_each(|name| files.remove(name)).map_err(|error| unusable(&error))?;
    }
    Ok(doomed)
}

/// A vault that failed, as an error of the command.
pub(super) fn broken(error: &VaultError) -> CliError {
    match error {
        VaultError::Files(error) => unusable(error),
        error => CliError::new(Code::DeviceBroken, format!("the device's folder: {error}")),
    }
}

/// Opens the folder once no other process has it.
fn lock(place: &Place, host: &Arc<SystemHost>) -> Result<DirFiles, CliError> {
    let until = host.monotonic() + Duration::from_secs(place.wait);
    let files = loop {
        match DirFiles::open(&place.dir) {
            Err(error) if error.kind() == FileErrorKind::InUse && host.monotonic() < until => {
                std::thread::sleep(POLL);
            }
            opened => break opened.map_err(|error| unusable(&error))?,
        }
    };
    let private = |path: &Path| match is_private(path) {
        true => Ok(()),
        false => Err(CliError::new(Code::NotPrivate, format!("others may read {}", path.display()))),
    };
    private(&place.dir)?;
    for name in files.list().map_err(|error| unusable(&error))? {
        private(&place.dir.join(name))?;
    }
    Ok(files)
}

fn unusable(error: &FileError) -> CliError {
    let code = if error.kind() == FileErrorKind::InUse { Code::InUse } else { Code::DeviceBroken };
    let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
    let text = CliError::new(code, format!("the device's folder: {error}{cause}"));
    if code == Code::InUse { text.help("try again, or with a longer --wait") } else { text }
}

fn missing(dir: &Path) -> CliError {
    CliError::new(Code::DeviceMissing, format!("no device in {}", dir.display()))
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    format: String,
    tenant: String,
    realm: String,
}

fn read_owner(files: &DirFiles) -> Result<Option<Context>, CliError> {
    let Some(bytes) = files.read(OWNER).map_err(|error| unusable(&error))? else { return Ok(None) };
    let broken = || CliError::new(Code::DeviceBroken, format!("{OWNER} is not what this command wrote"));
    let owner: Owner = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    let realm = [Realm::Production, Realm::Demo].into_iter().find(|realm| realm.name() == owner.realm);
    match (TenantId::parse(&owner.tenant), realm) {
        (Ok(tenant), Some(realm)) if owner.format == FORMAT => Ok(Some(Context::new(tenant, realm))),
        _ => Err(broken()),
    }
}

fn write_owner(files: &DirFiles, context: &Context) -> Result<(), CliError> {
    let (tenant, realm) = (context.tenant.to_string(), context.realm.name().to_owned());
    let owner = serde_json::to_vec(&Owner { format: FORMAT.to_owned(), tenant, realm })?;
    files.replace(OWNER, &owner).map_err(|error| unusable(&error))
}

impl Encode for Profile {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.authority.encode(out)?;
        self.pinned.encode(out)?;
        out.u8(match self.by {
            PinnedBy::File => 0,
            PinnedBy::Fingerprint => 1,
            PinnedBy::FirstUse => 2,
        });
        self.app_id.encode(out)
    }
}

impl Decode for Profile {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (authority, pinned) = (Decode::decode(input)?, Decode::decode(input)?);
        let at = input.invalid("pinned by");
        let by = match input.u8()? {
            0 => PinnedBy::File,
            1 => PinnedBy::Fingerprint,
            2 => PinnedBy::FirstUse,
            _ => return Err(at),
        };
        Ok(Self { authority, pinned, by, app_id: Decode::decode(input)? })
    }
}

const OWNER: &str = "device.json";
const FORMAT: &str = "glacis-device/1";
const PROFILE: &str = "profile";
const STORAGE_KEY: &str = "storage.key";
/// Pause between two looks whether the folder is free.
const POLL: Duration = Duration::from_millis(3);
