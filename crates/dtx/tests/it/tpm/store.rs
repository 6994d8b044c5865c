//! The key store `tpm2`: the contract on a real chip, what it claims, and what a stolen folder or another chip is worth.

use super::rig::{Swtpm, options};
use crate::{NOW, context};
use glacis_dtx::contract::{self, Rig};
use glacis_dtx::tpm::{DeviceTpm, DeviceTpmError, Tpm2KeyStore, TpmFault, TpmOptions};
use glacis_dtx::{
    Basis, Candidate, CustodyErrorKind, KeyError, KeyStore, Requirement, Role, Uniqueness, Vault, choose,
};
use glacis_host::{Clock, Files, MemoryFiles, SeededHost};
use glacis_seal::{Purpose, verify};
use glacis_wire::{Tier, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A device with its chip.
pub(crate) struct Device {
    pub(crate) swtpm: Swtpm,
    host: Arc<SeededHost>,
    pub(crate) files: MemoryFiles,
}

impl Device {
    pub(crate) fn new(swtpm: Swtpm) -> Self {
        Self { swtpm, host: Arc::new(SeededHost::new(5, NOW)), files: MemoryFiles::new() }
    }

    pub(crate) fn open(&self) -> Result<Arc<DeviceTpm>, DeviceTpmError> {
        self.open_with(options())
    }

    fn open_with(&self, options: TpmOptions) -> Result<Arc<DeviceTpm>, DeviceTpmError> {
        let files: Arc<dyn Files> = Arc::new(self.files.clone());
        let vault = Vault::open(files, Arc::clone(&self.host) as _, context()).unwrap();
        DeviceTpm::open(Arc::new(vault), self.swtpm.link(), options)
    }
}

impl Rig for Device {
    type Store = Tpm2KeyStore;

    fn open(&self) -> Tpm2KeyStore {
        self.open().unwrap().key_store().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.host.now()
    }

    fn set_now(&self, now: Timestamp) {
        self.host.set_now(now);
    }
}

#[test]
fn tpm2_store_keeps_the_contract() {
    let Some(swtpm) = Swtpm::blank() else { return };
    contract::key_store(&Device::new(swtpm));
}

#[test]
fn a_certified_chip_supports_more_than_one_that_nobody_vouches_for() {
    let (Some(blank), Some(certified)) = (Swtpm::blank(), Swtpm::certified()) else { return };
    let (blank, certified) = (Device::new(blank), Device::new(certified));
    let worth = |device: &Device| device.open().unwrap().key_store().unwrap().protection();
    let plain = worth(&blank);
    assert_eq!(
        (plain.tier, plain.uniqueness, plain.basis),
        (Tier::Hardware, Uniqueness::None, Basis::Nothing)
    );
    let vouched = worth(&certified);
    assert_eq!(
        (vouched.tier, vouched.uniqueness, vouched.basis),
        (Tier::Strong, Uniqueness::Hardware, Basis::Attested)
    );
    assert!(!plain.exportable && !vouched.exportable && !vouched.verifies_user);
    let candidate = |device: &Device| {
        let store: Arc<dyn KeyStore> = Arc::new(device.open().unwrap().key_store().unwrap());
        vec![Candidate { name: "tpm2".to_owned(), store: Ok(store) }]
    };
    let attested = Requirement { basis: Basis::Attested, ..Requirement::at_least(Tier::Hardware) };
    choose(candidate(&certified), &attested).unwrap();
    let refused = choose(candidate(&blank), &attested).unwrap_err();
    assert!(refused.to_string().contains("rests on nothing"), "{refused}");
}

#[test]
fn a_stolen_folder_is_worth_nothing_without_its_chip() {
    let (Some(swtpm), Some(other)) = (Swtpm::blank(), Swtpm::blank()) else { return };
    let device = Device::new(swtpm);
    let store = device.open().unwrap().key_store().unwrap();
    let key = store.create(Role::Device).unwrap();
    drop(store);
    let thief = Device { swtpm: other, host: Arc::clone(&device.host), files: device.files.clone() };
    let refused = thief.open().unwrap_err();
    assert!(
        matches!(&refused, DeviceTpmError::Tpm(error) if error.fault() == TpmFault::OtherTpm),
        "{refused}"
    );
    assert!(refused.remedy().contains("enrol again"));
    let store = device.open().unwrap().key_store().unwrap();
    let signature = store.sign(Role::Device, &context(), Purpose::Enrol, b"message").unwrap();
    verify(&key, &context(), Purpose::Enrol, b"message", &signature).unwrap();
}

#[test]
fn a_chip_that_is_gone_or_locked_is_said_to_be_and_nothing_else_signs() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let mut device = Device::new(swtpm);
    let store = device.open().unwrap().key_store().unwrap();
    let key = store.create(Role::Device).unwrap();
    device.swtpm.stop();
    let refused = store.sign(Role::Device, &context(), Purpose::Enrol, b"message").unwrap_err();
    let KeyError::Custody(error) = &refused else { panic!("{refused}") };
    assert!(matches!(error.kind(), CustodyErrorKind::Gone | CustodyErrorKind::Unavailable), "{refused}");
    assert_eq!(store.public(Role::Device).unwrap(), Some(key), "what is kept is still there");
    let missing = device.open_with(TpmOptions { wait: Duration::from_millis(300), ..options() }).unwrap_err();
    assert!(matches!(missing, DeviceTpmError::Tpm(_)), "{missing}");
    device.swtpm.reset();
    let signature = store.sign(Role::Device, &context(), Purpose::Enrol, b"message").unwrap();
    verify(&key, &context(), Purpose::Enrol, b"message", &signature).unwrap();
}

#[test]
fn what_is_kept_of_the_chip_opens_whole_or_not_at_all() {
    let Some(swtpm) = Swtpm::blank() else { return };
    let device = Device::new(swtpm);
    let opened = device.open().unwrap();
    let attestation = opened.attestation_key().unwrap();
    let vault = Arc::clone(opened.vault());
    drop(opened);
    let content = vault.get("tpm").unwrap().unwrap();
    drop(vault);
    let opened = device.open().unwrap();
    assert_eq!(opened.attestation_key().unwrap(), attestation, "kept over a restart");
    opened.forget_attestation_key().unwrap();
    assert_ne!(opened.attestation_key().unwrap(), attestation);
    let vault = Arc::clone(opened.vault());
    drop(opened);
    for cut in [0, 1, 20, 36, content.len() - 1] {
        vault.put("tpm", &content[..cut]).unwrap();
        let refused = device.open().unwrap_err();
        assert!(matches!(refused, DeviceTpmError::Vault(_)), "{cut}: {refused}");
    }
    vault.put("tpm", &content).unwrap();
    assert_eq!(device.open().unwrap().attestation_key().unwrap(), attestation);
}
