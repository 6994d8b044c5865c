//! The TPM of one device: the chip, and the vault that keeps what the chip wrapped.
//!
//! [`DeviceTpm`] is opened once a process and shared. It remembers the storage root of the chip that it met first, so
//! that another chip, or a cleared one, is noticed before anything is asked of it; and the attestation key, which is made
//! when it is first needed. Keys of roles are the ring's ([`DeviceTpm::key_store`]); it knows them only while the ring
//! does, so that it can have them certified.

use super::client::{Tpm, TpmOptions};
use super::custody::{Tpm2KeyStore, TpmCustody};
use super::endorsement::EndorsementKind;
use super::error::TpmError;
use super::key::{KeyUse, TpmKey};
use super::public::Name;
use crate::keys::KeyError;
use crate::vault::{Vault, VaultError};
use glacis_host::TpmLink;
use glacis_wire::message::PublicKey;
use glacis_wire::{DecodeError, EncodeError, Reader, Writer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use zeroize::Zeroizing;

/// One chip for one device, tenant and realm.
pub struct DeviceTpm {
    tpm: Mutex<Tpm>,
    vault: Arc<Vault>,
    attestation: Mutex<Option<Arc<TpmKey>>>,
    known: Mutex<BTreeMap<[u8; PublicKey::LEN], Weak<TpmKey>>>,
    endorsement: EndorsementKind,
    certificates: Mutex<Option<Vec<Vec<u8>>>>,
    is_certified: bool,
    root: Name,
}

impl DeviceTpm {
    /// Begins to use the chip behind `link` for the device of this vault.
    ///
    /// # Errors
    /// [`TpmFault::OtherTpm`](super::TpmFault::OtherTpm) if the vault knows another chip.
    pub fn open(
        vault: Arc<Vault>,
        link: Box<dyn TpmLink>,
        mut options: TpmOptions,
    ) -> Result<Arc<Self>, DeviceTpmError> {
        let stored = vault.get(RECORD)?.map(Zeroizing::new);
        let known = stored.as_ref().map(|bytes| parse(bytes)).transpose()?;
        if let Some((root, _)) = &known {
            options.root = Some(*root);
        }
        let mut tpm = Tpm::open(link, Arc::clone(vault.host()), options)?;
        let root = tpm.storage_root()?;
        let (mut endorsement, mut is_certified) = (EndorsementKind::P256, false);
        for kind in EndorsementKind::ALL {
            if !is_certified && tpm.has_certificate(kind)? {
                (endorsement, is_certified) = (kind, true);
            }
        }
        let attestation = known.as_ref().and_then(|(_, key)| key.clone());
        let device = Self {
            tpm: Mutex::new(tpm),
            vault,
            attestation: Mutex::new(attestation.map(Arc::new)),
            known: Mutex::default(),
            endorsement,
            certificates: Mutex::default(),
            is_certified,
            root,
        };
        if known.is_none() {
            device.store(None)?;
        }
        Ok(Arc::new(device))
    }

    /// The keys of this device, in the chip.
    pub fn key_store(self: &Arc<Self>) -> Result<Tpm2KeyStore, KeyError> {
        Tpm2KeyStore::over(Arc::clone(&self.vault), TpmCustody::new(Arc::clone(self)))
    }

    /// Whether the chip carries a certificate of an endorsement key: without one nobody can tell it from software.
    pub const fn is_certified(&self) -> bool {
        self.is_certified
    }

    /// The chip, for what this type does not offer. One caller at a time.
    pub fn chip(&self) -> MutexGuard<'_, Tpm> {
        // A thread that panicked left the chip as it is after an error: what is in it is on its lists.
        self.tpm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attestation key; made, and durable, if there is none.
    pub fn attestation_key(&self) -> Result<Arc<TpmKey>, DeviceTpmError> {
        let mut kept = self.attestation.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.as_ref() {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.chip().create_key(KeyUse::Attestation)?);
        self.store(Some(&key))?;
        *kept = Some(Arc::clone(&key));
        Ok(key)
    }

    /// Lets go of the attestation key; the next evidence makes another. The chip itself stays known.
    pub fn forget_attestation_key(&self) -> Result<(), DeviceTpmError> {
        let mut kept = self.attestation.lock().unwrap_or_else(PoisonError::into_inner);
        self.store(None)?;
        *kept = None;
        Ok(())
    }

    /// Whose vault it is.
    pub const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// A key that the ring uses from now on.
    pub(super) fn learn(&self, key: &Arc<TpmKey>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, key| key.strong_count() > 0);
        known.insert(key.point().0, Arc::downgrade(key));
    }

    /// The key with this public half, if the ring uses it.
    pub(super) fn key(&self, public: &PublicKey) -> Result<Arc<TpmKey>, DeviceTpmError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&public.0).and_then(Weak::upgrade).ok_or(DeviceTpmError::UnknownKey)
    }

    /// The endorsement key that has a certificate, the quicker first; of a chip without any, the quickest.
    pub(super) const fn endorsement(&self) -> EndorsementKind {
        self.endorsement
    }

    /// Its certificates, leaf first; read once.
    pub(super) fn certificates(&self) -> Result<Vec<Vec<u8>>, DeviceTpmError> {
        let mut kept = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificates) = kept.as_ref() {
            return Ok(certificates.clone());
        }
        let mut certificates = Vec::new();
        if self.is_certified {
            let mut chip = self.chip();
            certificates.extend(chip.endorsement_certificate(self.endorsement)?);
            certificates.extend(chip.endorsement_chain()?);
        }
        *kept = Some(certificates.clone());
        Ok(certificates)
    }

    fn store(&self, attestation: Option<&TpmKey>) -> Result<(), DeviceTpmError> {
        let mut out = Writer::with_capacity(512);
        out.u8(VERSION);
        out.raw(self.root.as_bytes());
        if let Some(key) = attestation {
            out.raw(&key.to_bytes()?);
        }
        let content = Zeroizing::new(out.into_bytes());
        Ok(self.vault.put(RECORD, &content)?)
    }
}

impl fmt::Debug for DeviceTpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTpm").field("is_certified", &self.is_certified).finish_non_exhaustive()
    }
}

fn parse(content: &[u8]) -> Result<(Name, Option<TpmKey>), DeviceTpmError> {
    let broken = || DeviceTpmError::Vault(VaultError::Sealed(RECORD.into()));
    let mut reader = Reader::new(content);
    let read = |_: DecodeError| broken();
    if reader.u8().map_err(read)? != VERSION {
        return Err(broken());
    }
    let root = Name::from_bytes(reader.raw(Name::LEN).map_err(read)?).ok_or_else(broken)?;
    let rest = reader.raw(reader.remaining()).map_err(read)?;
    let key = if rest.is_empty() { None } else { Some(TpmKey::from_bytes(rest).map_err(|_| broken())?) };
    Ok((root, key))
}

/// The chip, or what is kept of it, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceTpmError {
    /// The chip.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// The sealed storage.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A message would be over a limit; nothing is cut to fit.
    #[error(transparent)]
    Limit(#[from] EncodeError),
    /// The key is not one of this device's ring.
    #[error("the key is not one of this device")]
    UnknownKey,
    /// What the cloud sent is no challenge of now.
    #[error("the challenge has expired")]
    Expired,
}

impl DeviceTpmError {
    /// What helps.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Tpm(error) => error.remedy(),
            Self::Vault(_) => "look at the device's folder: its files are broken, old or of another device",
            Self::Limit(_) => "quote fewer registers, or leave the event log away",
            Self::UnknownKey => "make the device key with this TPM first",
            Self::Expired => "begin the enrolment anew",
        }
    }
}

const RECORD: &str = "tpm";
const VERSION: u8 = 1;
