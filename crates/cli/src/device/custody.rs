//! Which store keeps the device's keys: named once with `--keys`, sealed in the folder, opened by every command.
//!
//! `software` is the default and what older folders have. Other stores are opened as they were named; that they are away,
//! or refuse, is an error, and no command goes on with a weaker one.

use crate::codes::Code;
use crate::error::CliError;
use clap::ValueEnum;
use glacis_dtx::pkcs11::{Pkcs11Config, Pkcs11KeyStore};
use glacis_dtx::tpm::{DeviceTpm, DeviceTpmError, Keep, Measured, TpmOptions};
use glacis_dtx::{
    ChoiceError, Chosen, CustodyErrorKind, KeyError, KeyStore, Offer, Requirement, SoftwareKeyStore, Vault,
    VaultError, choose_of_offers,
};
use glacis_host::tpm::{EVENT_LOG, event_log};
use glacis_host::{TpmDevice, TpmLink, TpmSocket};
use glacis_sdk::chip::TpmAttester;
use glacis_wire::limits::EVENT_LOG_BYTES_MAX;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// A key store as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreName {
    /// Sealed files in the device's folder.
    Software,
    /// A PKCS#11 token.
    Pkcs11(Pkcs11Config),
    /// The TPM behind a device file.
    Tpm(PathBuf),
    /// The TPM behind a socket.
    TpmAt(SocketAddr),
}

impl FromStr for StoreName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "software, tpm2, tpm2:/dev/…, tpm2:HOST:PORT, or a pkcs11: URI";
        match text.split_once(':') {
            None if text == "software" => Ok(Self::Software),
            None if text == "tpm2" => Ok(Self::Tpm(TpmDevice::DEFAULT.into())),
            Some(("pkcs11", _)) => text.parse().map(Self::Pkcs11).map_err(|error| format!("{error}")),
            Some(("tpm2", place)) if place.starts_with('/') => Ok(Self::Tpm(place.into())),
            Some(("tpm2", place)) => {
                place.parse().map(Self::TpmAt).map_err(|_| format!("`{place}` is no address; {form}"))
            }
            _ => Err(form.to_owned()),
        }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Software => f.write_str("software"),
            Self::Pkcs11(config) => write!(f, "{config}"),
            Self::Tpm(path) => write!(f, "tpm2:{}", path.display()),
            Self::TpmAt(address) => write!(f, "tpm2:{address}"),
        }
    }
}

impl StoreName {
    /// What the folder says; `software` where it says nothing.
    pub(super) fn of(vault: &Vault) -> Result<Self, CliError> {
        let broken = |error: VaultError| super::home::broken(&error);
        let Some(content) = vault.get(RECORD).map_err(broken)? else { return Ok(Self::Software) };
        let text = String::from_utf8(content).ok().and_then(|text| text.parse().ok());
        text.ok_or_else(|| broken(VaultError::Sealed(RECORD.to_owned())))
    }

    /// Makes it the store of this folder.
    pub(super) fn keep(&self, vault: &Vault) -> Result<(), CliError> {
        vault.put(RECORD, self.to_string().as_bytes()).map_err(|error| super::home::broken(&error))
    }

    /// Opens it; whether a token is there shows when it is first needed.
    pub(super) fn open(&self, vault: &Arc<Vault>) -> Result<Arc<dyn KeyStore>, StoreError> {
        Ok(self.open_with_chip(vault)?.0)
    }

    /// The same, and what the store can prove, if it can.
    pub(super) fn open_with_chip(
        &self,
        vault: &Arc<Vault>,
    ) -> Result<(Arc<dyn KeyStore>, Option<Chip>), StoreError> {
        let vault = Arc::clone(vault);
        let (link, managed): (Box<dyn TpmLink>, bool) = match self {
            Self::Software => return Ok((Arc::new(SoftwareKeyStore::open(vault)?), None)),
            Self::Pkcs11(config) => {
                return Ok((Arc::new(Pkcs11KeyStore::open(vault, config.clone())?), None));
            }
            // A device file without the kernel's resource manager may be shared with others.
            Self::Tpm(path) => (Box::new(TpmDevice::new(path)), path.to_string_lossy().contains("tpmrm")),
            Self::TpmAt(address) => (Box::new(TpmSocket::new(*address)), false),
        };
        let keep = if managed { Keep::Loaded } else { Keep::Nothing };
        let tpm = DeviceTpm::open(vault, link, TpmOptions { keep, ..TpmOptions::default() })?;
        let keys = Arc::new(tpm.key_store()?);
        Ok((keys, Some(Chip { tpm, log: self.firmware_log() })))
    }

    /// Where the kernel keeps what the firmware measured into this chip.
    fn firmware_log(&self) -> Option<PathBuf> {
        let Self::Tpm(path) = self else { return None };
        let name = path.file_name()?.to_str()?;
        let number = name.strip_prefix("tpmrm").or_else(|| name.strip_prefix("tpm"))?;
        number.parse::<u16>().ok()?;
        Some(EVENT_LOG.replace("tpm0", &format!("tpm{number}")).into())
    }

    /// Opens it and asks the store itself, so that what is away is not taken for a choice.
    fn offer(&self, vault: &Arc<Vault>) -> Result<Arc<dyn KeyStore>, KeyError> {
        if let Self::Pkcs11(config) = self {
            let store = Pkcs11KeyStore::open(Arc::clone(vault), config.clone())?;
            store.custody().check()?;
            return Ok(Arc::new(store));
        }
        self.open(vault).map_err(|error| match error {
            StoreError::Key(error) => error,
            StoreError::Tpm(error) => glacis_dtx::CustodyError::new("tpm2", CustodyErrorKind::Unavailable)
                .said(error.to_string())
                .into(),
        })
    }

    /// The best of these that is good enough.
    pub(super) fn choose(
        names: &[Self],
        requirement: &Requirement,
        vault: &Arc<Vault>,
    ) -> Result<(Self, Arc<dyn KeyStore>), CliError> {
        // One store alone is opened once, and fails as itself, so that its own remedy is shown.
        let alone = match names {
            [name] => Some(name.offer(vault).map_err(|error| key_error(&error))?),
            _ => None,
        };
        let open =
            |name: &Self| alone.as_ref().map_or_else(|| name.offer(vault), |alone| Ok(Arc::clone(alone)));
        let offers: Vec<Offer<'_>> = names
            .iter()
            .map(|name| Offer { name: name.to_string(), open: Box::new(move || open(name)) })
            .collect();
        let Chosen { name, store, .. } =
            choose_of_offers(&offers, requirement).map_err(|error| not_good_enough(&error))?;
        let name = name.parse().map_err(|what: String| CliError::new(Code::Internal, what))?;
        Ok((name, store))
    }
}

/// A TPM that proves where the device key is.
pub(super) struct Chip {
    tpm: Arc<DeviceTpm>,
    log: Option<PathBuf>,
}

impl Chip {
    /// What enrols with the chip's evidence: over the keys, the registers, and what the firmware measured.
    pub(super) fn attester(&self) -> Result<TpmAttester, CliError> {
        let log = self.log.as_deref().map(|path| event_log(path, EVENT_LOG_BYTES_MAX)).transpose();
        let log =
            log.map_err(|error| CliError::new(Code::DeviceKeys, format!("the firmware's log: {error}")))?;
        let measured = Measured { event_log: log.flatten().unwrap_or_default(), ..Measured::default() };
        Ok(TpmAttester::new(Arc::clone(&self.tpm), measured))
    }
}

impl fmt::Debug for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chip({:?})", self.tpm)
    }
}

/// Whether a device shows what its key store can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// Everything; an installation that does not take it refuses the device.
    Native,
    /// Nothing: the device enrols as software, wherever its keys are.
    None,
}

impl Shown {
    /// What the folder says; [`Self::Native`] where it says nothing.
    pub(super) fn of(vault: &Vault) -> Result<Self, CliError> {
        let said = vault.get(SHOWN).map_err(|error| super::home::broken(&error))?;
        Ok(if said.is_some_and(|said| said == [0]) { Self::None } else { Self::Native })
    }

    /// Makes it so from now on.
    pub(super) fn keep(self, vault: &Vault) -> Result<(), CliError> {
        let said = u8::from(self == Self::Native);
        vault.put(SHOWN, &[said]).map_err(|error| super::home::broken(&error))
    }
}

/// Why a store did not open.
#[derive(Debug)]
pub(super) enum StoreError {
    /// The store, or the records of its keys.
    Key(KeyError),
    /// The chip.
    Tpm(DeviceTpmError),
}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<DeviceTpmError> for StoreError {
    fn from(error: DeviceTpmError) -> Self {
        Self::Tpm(error)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Key(error) => key_error(&error),
            StoreError::Tpm(error) => {
                Self::new(Code::DeviceKeys, format!("the key store `tpm2`: {error}")).help(error.remedy())
            }
        }
    }
}

/// A key operation that failed, as an error of the command.
pub(super) fn key_error(error: &KeyError) -> CliError {
    let what = error.to_string();
    match error {
        KeyError::Custody(custody) => CliError::new(Code::DeviceKeys, what).help(custody.kind().remedy()),
        KeyError::Vault(error) => super::home::broken(error),
        KeyError::Ended { .. } => CliError::new(Code::DeviceKeyEnded, what),
        KeyError::OtherCustody { .. } => CliError::new(Code::DeviceUnlike, what),
        KeyError::Missing(_) => CliError::new(Code::DeviceMissing, what)
            .help("`glacis device keys` shows which keys there are; `glacis device init` makes the first"),
        KeyError::OtherOptions(_) | KeyError::NoOptions(_) | KeyError::Limit(_) => {
            CliError::new(Code::Argument, what)
        }
        _ => CliError::new(Code::DeviceKeys, what),
    }
}

fn not_good_enough(error: &ChoiceError) -> CliError {
    CliError::new(Code::DeviceStore, error.to_string())
}

/// Whether this folder's keys are elsewhere than in the folder.
pub(super) fn is_outside(vault: &Vault) -> bool {
    StoreName::of(vault).is_ok_and(|name| name != StoreName::Software)
}

const RECORD: &str = "key-store";
const SHOWN: &str = "evidence";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_and_reads_back() {
        for text in [
            "software",
            "tpm2:/dev/tpmrm0",
            "tpm2:127.0.0.1:2321",
            "pkcs11:token=a?module-path=/m.so&pin-source=env:PIN&x-glacis-tier=hardware",
        ] {
            assert_eq!(text.parse::<StoreName>().unwrap().to_string(), text);
        }
        assert_eq!("tpm2".parse(), Ok(StoreName::Tpm("/dev/tpmrm0".into())));
        for text in ["", "hardware", "tpm2:", "tpm2:here", "software:x", "pkcs11:token=a?pin-value=1"] {
            assert!(text.parse::<StoreName>().is_err(), "{text}");
        }
    }
}
