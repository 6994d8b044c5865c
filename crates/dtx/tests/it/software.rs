//! The software key store: the contract, what it claims, what older versions wrote, and what a crash, a full disk or a
//! second store leave behind.

use crate::{NOW, context, key_store, vault};
use glacis_dtx::contract::{self, Rig};
use glacis_dtx::{Basis, KeyError, Role, SoftwareKeyStore, Uniqueness, Vault};
use glacis_host::{Clock, DirFiles, Files, MemoryFiles, SeededHost};
use glacis_seal::{Purpose, SigningKey, verify};
use glacis_wire::{Tier, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;

/// Storage on which software stores are opened.
pub(crate) struct OnFiles<F> {
    host: Arc<SeededHost>,
    files: F,
}

impl<F: Fn() -> Arc<dyn Files>> OnFiles<F> {
    pub(crate) fn new(files: F) -> Self {
        Self { host: Arc::new(SeededHost::new(3, NOW)), files }
    }

    pub(crate) fn vault(&self) -> Arc<Vault> {
        Arc::new(Vault::open((self.files)(), Arc::clone(&self.host) as _, context()).unwrap())
    }
}

impl<F: Fn() -> Arc<dyn Files>> Rig for OnFiles<F> {
    type Store = SoftwareKeyStore;

    fn open(&self) -> SoftwareKeyStore {
        SoftwareKeyStore::open(self.vault()).unwrap()
    }

    fn now(&self) -> Timestamp {
        self.host.now()
    }

    fn set_now(&self, now: Timestamp) {
        self.host.set_now(now);
    }
}

#[test]
fn software_store_in_memory_keeps_the_contract() {
    let files = MemoryFiles::new();
    contract::key_store(&OnFiles::new(|| Arc::new(files.clone()) as _));
}

#[test]
fn software_store_on_disk_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().into();
    contract::key_store(&OnFiles::new(move || Arc::new(DirFiles::open(path.clone()).unwrap()) as _));
}

#[test]
fn the_software_store_claims_no_more_than_software() {
    let protection = key_store(&vault(MemoryFiles::new())).protection();
    assert_eq!((protection.tier, protection.uniqueness), (Tier::Software, Uniqueness::None));
    assert!(protection.exportable && !protection.verifies_user);
    assert_eq!(protection.basis, Basis::Nothing);
    assert_eq!(key_store(&vault(MemoryFiles::new())).list().unwrap(), []);
}

#[test]
fn one_seed_gives_one_device_and_files_hold_no_key_in_the_clear() {
    let files = [MemoryFiles::new(), MemoryFiles::new()];
    let [a, b] = files.clone().map(|files| key_store(&vault(files)).create(Role::Device).unwrap());
    assert_eq!(a, b, "keys are functions of the host's entropy");
    assert_eq!(files[0].read("keys.sealed").unwrap(), files[1].read("keys.sealed").unwrap());
    let public = a.0;
    for name in files[0].list().unwrap() {
        let content = files[0].read(&name).unwrap().unwrap();
        assert!(!content.windows(32).any(|window| window == &public[1..33]), "{name} is not sealed");
    }
}

/// Folders that were made before keys had options go on as they are.
#[test]
fn keys_that_an_older_version_wrote_are_taken_up() {
    let files = MemoryFiles::new();
    let [device, passkey] = [[7_u8; 32], [8; 32]];
    let record = [&[1][..], &device, &[2], &passkey].concat();
    vault(files.clone()).put("keys", &record).unwrap();
    let keys = key_store(&vault(files.clone()));
    let key = SigningKey::from_scalar(&device).unwrap().public();
    assert_eq!(keys.public(Role::Device).unwrap(), Some(key));
    let signature = keys.sign(Role::Device, &context(), Purpose::Enrol, b"m").unwrap();
    verify(&key, &context(), Purpose::Enrol, b"m", &signature).unwrap();
    let list = keys.list().unwrap();
    assert_eq!(list.iter().map(|info| info.role).collect::<Vec<_>>(), [Role::Device, Role::PASSKEY]);
    assert!(list[1].options.user_verification && list[1].made.is_none());
    let passkey = keys.public(Role::PASSKEY).unwrap();
    keys.create(Role::App).unwrap();
    drop(keys);
    let keys = key_store(&vault(files));
    assert_eq!(keys.public(Role::PASSKEY).unwrap(), passkey, "it survives being written anew");
    assert_eq!(keys.chain(Role::PASSKEY, &context()).unwrap().len(), 2);
}

#[test]
fn a_second_store_on_the_same_vault_is_refused_while_the_first_lives() {
    let vault = vault(MemoryFiles::new());
    let first = SoftwareKeyStore::open(Arc::clone(&vault)).unwrap();
    let second = SoftwareKeyStore::open(Arc::clone(&vault));
    assert!(matches!(second, Err(KeyError::InUse)), "{second:?}");
    drop(first);
    SoftwareKeyStore::open(vault).unwrap();
}
