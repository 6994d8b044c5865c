//! Keys in memory, sealed at rest: the back end that every platform has, and that protects the least.
//!
//! It says so: tier `software`, exportable, the app's word for user verification. Everything else about it is as
//! careful as of any other back end, since it passes the same contract.

use crate::keys::{KeyError, KeyStore, Protection, Role, Uniqueness, UserVerification};
use crate::vault::{Vault, VaultError};
use glacis_seal::{Context, Purpose, SigningKey};
use glacis_wire::message::{PublicKey, Signature};
use glacis_wire::{Reader, Tier, Writer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Signing keys in one record of a [`Vault`].
#[derive(Debug)]
pub struct SoftwareKeyStore {
    vault: Arc<Vault>,
    keys: Mutex<BTreeMap<Role, SigningKey>>,
}

impl SoftwareKeyStore {
    /// Loads the keys that the vault holds.
    pub fn open(vault: Arc<Vault>) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        if let Some(mut content) = vault.get(RECORD)? {
            let loaded = parse(&content);
            zeroize::Zeroize::zeroize(&mut content);
            keys = loaded.ok_or_else(|| VaultError::Sealed(RECORD.into()))?;
        }
        Ok(Self { vault, keys: Mutex::new(keys) })
    }

    fn make(&self, keys: &mut BTreeMap<Role, SigningKey>, role: Role) -> Result<PublicKey, KeyError> {
        let key = SigningKey::generate(|out| self.vault.host().fill(out))?;
        let public = key.public();
        let mut content = Writer::new();
        let others = keys.iter().filter(|(other, _)| **other != role);
        for (role, key) in others.chain([(&role, &key)]) {
            content.u8(role_code(*role));
            content.raw(key.scalar().expose());
        }
        let mut content = content.into_bytes();
        let stored = self.vault.put(RECORD, &content);
        zeroize::Zeroize::zeroize(&mut content);
        stored?;
        keys.insert(role, key);
        Ok(public)
    }

    fn with<T>(
        &self,
        role: Role,
        sign: impl FnOnce(&SigningKey) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        sign(self.lock().get(&role).ok_or(KeyError::Missing(role))?)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Role, SigningKey>> {
        // Keys change by one insertion, after they were stored.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for SoftwareKeyStore {
    fn create(&self, role: Role) -> Result<PublicKey, KeyError> {
        let mut keys = self.lock();
        match keys.get(&role) {
            Some(key) => Ok(key.public()),
            None => self.make(&mut keys, role),
        }
    }

    fn renew(&self, role: Role) -> Result<PublicKey, KeyError> {
        self.make(&mut self.lock(), role)
    }

    fn public(&self, role: Role) -> Result<Option<PublicKey>, KeyError> {
        Ok(self.lock().get(&role).map(SigningKey::public))
    }

    fn sign(
        &self,
        role: Role,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError> {
        unattended(role)?;
        self.with(role, |key| Ok(key.sign(context, purpose, message)?))
    }

    fn sign_raw(&self, role: Role, message: &[u8]) -> Result<Signature, KeyError> {
        unattended(role)?;
        self.with(role, |key| Ok(key.sign_raw(message)?))
    }

    fn sign_verified(
        &self,
        verification: UserVerification,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError> {
        if !verification.covers(message) {
            return Err(KeyError::VerificationMismatch);
        }
        self.with(Role::Passkey, |key| Ok(key.sign(context, purpose, message)?))
    }

    fn protection(&self) -> Protection {
        Protection {
            tier: Tier::Software,
            exportable: true,
            verifies_user: false,
            uniqueness: Uniqueness::None,
        }
    }
}

/// Refuses to sign unattended with a role that demands user verification.
fn unattended(role: Role) -> Result<(), KeyError> {
    match role {
        Role::Device => Ok(()),
        Role::Passkey => Err(KeyError::VerificationMissing(role)),
    }
}

fn parse(content: &[u8]) -> Option<BTreeMap<Role, SigningKey>> {
    let mut keys = BTreeMap::new();
    let mut content = Reader::new(content);
    while content.remaining() > 0 {
        let code = content.u8().ok()?;
        let role = Role::ALL.into_iter().find(|role| role_code(*role) == code)?;
        let scalar = glacis_seal::Secret::new(content.array().ok()?);
        keys.insert(role, SigningKey::from_scalar(scalar.expose()).ok()?);
    }
    Some(keys)
}

const fn role_code(role: Role) -> u8 {
    match role {
        Role::Device => 1,
        Role::Passkey => 2,
    }
}

const RECORD: &str = "keys";
