//! Sealed storage: named records under a storage key, replaced whole, protected against partial rollback.
//!
//! Record: version (1 byte) ‖ salt (16) ‖ AES-256-GCM of (counter ‖ content), under HKDF(storage key, salt, name).
//! A second file, sealed likewise, holds the newest counter of every record; a record that is older than it, or
//! missing, is [`VaultError::Rollback`]. A record is written before the counters, so a crash between the two
//! leaves a record that is one ahead: accepted, and healed by the next write.
//!
//! Honest limits, in software: the storage key lies beside the records (mode 0600), so this keeps out whoever
//! gets single files, not whoever controls the account; and who restores *all* files at once is not noticed.

use glacis_host::{FileError, Files, Host};
use glacis_seal::{Context, Purpose, SealError, SealKey, Secret};
use glacis_wire::message::{List, Text};
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Sealed records of one device, tenant and realm. Share it by `Arc`.
pub struct Vault {
    files: Arc<dyn Files>,
    host: Arc<dyn Host>,
    context: Context,
    key: SealKey,
    counters: Mutex<BTreeMap<String, u64>>,
    keys_claimed: AtomicBool,
}

/// While it lives, no other key store works on the vault.
#[derive(Debug)]
pub(crate) struct KeysClaim(Arc<Vault>);

impl Drop for KeysClaim {
    fn drop(&mut self) {
        self.0.keys_claimed.store(false, Ordering::Release);
    }
}

impl Vault {
    /// Opens the vault in `files`; makes a storage key if `files` is empty of ours.
    pub fn open(files: Arc<dyn Files>, host: Arc<dyn Host>, context: Context) -> Result<Self, VaultError> {
        let key = match files.read(KEY_FILE)? {
            Some(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let key = <&[u8; Secret::LEN]>::try_from(bytes.as_slice());
                Secret::new(*key.map_err(|_| VaultError::KeyLost)?)
            }
            // A new key over old records would hide that they are lost.
            None if files.list()?.iter().any(|name| name.ends_with(SUFFIX)) => {
                return Err(VaultError::KeyLost);
            }
            None => {
                let secret = Secret::generate(|out| host.fill(out))?;
                files.replace(KEY_FILE, secret.expose())?;
                secret
            }
        };
        let mut vault = Self {
            files,
            host,
            context,
            key: SealKey::new(key),
            counters: Mutex::new(BTreeMap::new()),
            keys_claimed: AtomicBool::new(false),
        };
        if let Some(sealed) = vault.files.read(&file_name(COUNTERS))? {
            let (_, content) = vault.unseal(COUNTERS, &sealed)?;
            let listed = List::<Counter, RECORDS_MAX>::from_bytes(&content)
                .map_err(|_| VaultError::Sealed(COUNTERS.into()))?;
            vault.counters = Mutex::new(listed.0.into_iter().map(|c| (c.name.0, c.counter)).collect());
        }
        Ok(vault)
    }

    /// Whose records these are.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Where time and randomness come from.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// The right to be the one key store of this vault; `None` if another has it.
    pub(crate) fn claim_keys(vault: &Arc<Self>) -> Option<KeysClaim> {
        let claimed = vault.keys_claimed.swap(true, Ordering::AcqRel);
        (!claimed).then(|| KeysClaim(Arc::clone(vault)))
    }

    /// Stores a record; durable on return. Names are as in [`Files`], at most [`RECORDS_MAX`] of them.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<(), VaultError> {
        let mut counters = self.lock();
        if !counters.contains_key(name) && counters.len() >= RECORDS_MAX {
            return Err(EncodeError { what: "records of a vault", limit: RECORDS_MAX }.into());
        }
        let (counted, stored) = (counters.get(name).copied().unwrap_or(0), self.stored_counter(name)?);
        if stored > counted {
            // A crash left the record one ahead. Counted first, or another crash would leave it two ahead.
            self.count(&mut counters, name, stored)?;
        }
        let next = counted.max(stored).checked_add(1).ok_or_else(|| VaultError::Rollback(name.into()))?;
        self.files.replace(&file_name(name), &self.seal(name, next, content)?)?;
        self.count(&mut counters, name, next)
    }

    /// Makes `counter` durable as the newest of this record.
    fn count(
        &self,
        counters: &mut BTreeMap<String, u64>,
        name: &str,
        counter: u64,
    ) -> Result<(), VaultError> {
        let mut updated = counters.clone();
        updated.insert(name.to_owned(), counter);
        let listed =
            updated.iter().map(|(name, counter)| Counter { name: Text(name.clone()), counter: *counter });
        let listed = List::<Counter, RECORDS_MAX>(listed.collect()).to_bytes()?;
        self.files.replace(&file_name(COUNTERS), &self.seal(COUNTERS, 0, &listed)?)?;
        *counters = updated;
        Ok(())
    }

    /// The newest content of a record; `None` if it was never stored. The caller wipes it if it is secret.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let known = self.lock().get(name).copied().unwrap_or(0);
        let Some(sealed) = self.files.read(&file_name(name))? else {
            return if known == 0 { Ok(None) } else { Err(VaultError::Rollback(name.into())) };
        };
        let (counter, mut content) = self.unseal(name, &sealed)?;
        // One ahead: the process died between the two writes of `put`.
        if counter == known || known.checked_add(1) == Some(counter) {
            Ok(Some(std::mem::take(&mut *content)))
        } else {
            Err(VaultError::Rollback(name.into()))
        }
    }

    /// Destroys every record, the storage key first.
    pub fn wipe(&self) -> Result<(), VaultError> {
        let mut counters = self.lock();
        self.files.remove(KEY_FILE)?;
        for name in self.files.list()?.iter().filter(|name| name.ends_with(SUFFIX)) {
            self.files.remove(name)?;
        }
        counters.clear();
        Ok(())
    }

    /// Counter of the record on disk, which a crash may have left one ahead; zero where there is none.
    fn stored_counter(&self, name: &str) -> Result<u64, VaultError> {
        match self.files.read(&file_name(name))? {
            Some(sealed) => self.unseal(name, &sealed).map(|(counter, _)| counter),
            None => Ok(0),
        }
    }

    fn seal(&self, name: &str, counter: u64, content: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut salt = [0; SALT_BYTES];
        self.host.fill(&mut salt).map_err(|_| SealError::Entropy)?;
        let mut plain = Writer::with_capacity(content.len().saturating_add(8));
        plain.u64(counter);
        plain.raw(content);
        let key = self.key.derive(&salt, &self.context, Purpose::Storage, name.as_bytes());
        let plain = Zeroizing::new(plain.into_bytes());
        let sealed = key.seal(&self.context, Purpose::Storage, NONCE, name.as_bytes(), &plain);
        let mut record = vec![VERSION];
        record.extend_from_slice(&salt);
        record.extend_from_slice(&sealed?);
        Ok(record)
    }

    fn unseal(&self, name: &str, record: &[u8]) -> Result<(u64, Zeroizing<Vec<u8>>), VaultError> {
        let broken = || VaultError::Sealed(name.into());
        let mut reader = Reader::new(record);
        if reader.u8().map_err(|_| broken())? != VERSION {
            return Err(broken());
        }
        let salt: [u8; SALT_BYTES] = reader.array().map_err(|_| broken())?;
        let sealed = reader.raw(reader.remaining()).map_err(|_| broken())?;
        let key = self.key.derive(&salt, &self.context, Purpose::Storage, name.as_bytes());
        let plain = key.open(&self.context, Purpose::Storage, NONCE, name.as_bytes(), sealed);
        let plain = Zeroizing::new(plain.map_err(|_| broken())?);
        let mut reader = Reader::new(&plain);
        let counter = reader.u64().map_err(|_| broken())?;
        let content = reader.raw(reader.remaining()).map_err(|_| broken())?;
        Ok((counter, Zeroizing::new(content.to_vec())))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        // The map is replaced whole, after both files were written.
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({:?})", self.context)
    }
}

/// Why sealed storage failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The files behind it failed.
    #[error(transparent)]
    Files(#[from] FileError),
    /// There are records, but their storage key is gone or broken.
    #[error("the storage key is lost")]
    KeyLost,
    /// The record does not open: broken, cut, or not ours.
    #[error("record `{0}` does not open")]
    Sealed(String),
    /// The record is older than one that was stored before.
    #[error("record `{0}` was rolled back")]
    Rollback(String),
    /// Sealing failed.
    #[error("sealing failed: {0}")]
    Seal(#[from] SealError),
    /// Over a limit.
    #[error(transparent)]
    Limit(#[from] EncodeError),
}

struct Counter {
    name: Text<64>,
    counter: u64,
}

impl Encode for Counter {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.name.encode(out)?;
        self.counter.encode(out)
    }
}

impl Decode for Counter {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: Decode::decode(input)?, counter: Decode::decode(input)? })
    }
}

fn file_name(record: &str) -> String {
    format!("{record}{SUFFIX}")
}

/// Most records of one vault.
pub const RECORDS_MAX: usize = 32;

const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const SUFFIX: &str = ".sealed";
const KEY_FILE: &str = "storage.key";
const COUNTERS: &str = "counters";
/// Every record has a key of its own, so its one nonce may be constant.
const NONCE: [u8; 12] = [0; 12];
