//! The vault: restarts, rollback, damage, wipe.

use crate::{host, vault};
use glacis_dtx::{Vault, VaultError};
use glacis_host::{Files, MemoryFiles};
use glacis_seal::Context;
use glacis_wire::{Realm, TenantId};
use std::sync::Arc;

#[test]
fn records_survive_a_restart_and_change_whole() {
    let files = MemoryFiles::new();
    let one = vault(files.clone());
    assert_eq!(one.get("a").unwrap(), None);
    one.put("a", b"first").unwrap();
    one.put("a", b"second").unwrap();
    one.put("b", b"").unwrap();
    assert_eq!(one.get("a").unwrap().unwrap(), b"second");
    let again = vault(files);
    assert_eq!(again.get("a").unwrap().unwrap(), b"second");
    assert_eq!(again.get("b").unwrap().unwrap(), b"");
    again.put("a", b"third").unwrap();
    assert_eq!(again.get("a").unwrap().unwrap(), b"third");
}

/// Invariant 4 as far as software can keep it: single files cannot be put back.
#[test]
fn a_record_put_back_or_removed_is_noticed() {
    let files = MemoryFiles::new();
    let store = vault(files.clone());
    store.put("a", b"first").unwrap();
    let old = files.snapshot();
    store.put("a", b"second").unwrap();
    store.put("a", b"third").unwrap();
    let rolled_back = |change: &dyn Fn(&MemoryFiles)| {
        let files = files.snapshot();
        change(&files);
        let result = vault(files).get("a");
        assert!(matches!(&result, Err(VaultError::Rollback(name)) if name == "a"), "{result:?}");
    };
    let restore = |name: &'static str| old.read(name).unwrap().unwrap();
    rolled_back(&|files| files.replace("a.sealed", &restore("a.sealed")).unwrap());
    rolled_back(&|files| files.remove("a.sealed").unwrap());
    rolled_back(&|files| files.replace("counters.sealed", &restore("counters.sealed")).unwrap());
    rolled_back(&|files| files.remove("counters.sealed").unwrap());
    // The stated limit: whoever restores everything is not noticed.
    assert_eq!(vault(old).get("a").unwrap().unwrap(), b"first");
}

#[test]
fn a_crash_between_the_two_writes_leaves_the_newer_record_and_heals() {
    let files = MemoryFiles::new();
    let store = vault(files.clone());
    store.put("a", b"first").unwrap();
    let counters = files.read("counters.sealed").unwrap().unwrap();
    store.put("a", b"second").unwrap();
    files.replace("counters.sealed", &counters).unwrap();
    let store = vault(files.clone());
    assert_eq!(store.get("a").unwrap().unwrap(), b"second");
    store.put("a", b"third").unwrap();
    assert_eq!(store.get("a").unwrap().unwrap(), b"third");
    assert_eq!(vault(files).get("a").unwrap().unwrap(), b"third");
}

#[test]
fn damaged_or_foreign_records_do_not_open() {
    let files = MemoryFiles::new();
    vault(files.clone()).put("a", b"content").unwrap();
    let sealed = files.read("a.sealed").unwrap().unwrap();
    let refused = |content: &[u8]| {
        let files = files.snapshot();
        files.replace("a.sealed", content).unwrap();
        let result = vault(files).get("a");
        assert!(matches!(&result, Err(VaultError::Sealed(name)) if name == "a"), "{result:?}");
    };
    for at in 0..sealed.len() {
        refused(&sealed[..at]);
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        refused(&flipped);
    }
    refused(&[&sealed[..], &[0]].concat());
    let other = vault(files.clone());
    other.put("b", b"content").unwrap();
    refused(&files.read("b.sealed").unwrap().unwrap());
}

#[test]
fn a_vault_of_another_tenant_or_realm_does_not_open() {
    let files = MemoryFiles::new();
    vault(files.clone()).put("a", b"content").unwrap();
    for (tenant, realm) in [("acme2", Realm::Demo), ("acme", Realm::Production)] {
        let context = Context::new(TenantId::parse(tenant).unwrap(), realm);
        assert_ne!(context, crate::context());
        let opened = Vault::open(Arc::new(files.clone()), host("vault"), context);
        assert!(matches!(opened, Err(VaultError::Sealed(_))), "{opened:?}");
    }
}

#[test]
fn a_lost_storage_key_is_said_and_not_papered_over() {
    let files = MemoryFiles::new();
    vault(files.clone()).put("a", b"content").unwrap();
    let open = || Vault::open(Arc::new(files.clone()), host("vault"), crate::context());
    files.remove("storage.key").unwrap();
    assert!(matches!(open(), Err(VaultError::KeyLost)));
    files.replace("storage.key", b"short").unwrap();
    assert!(matches!(open(), Err(VaultError::KeyLost)));
}

#[test]
fn a_wiped_vault_holds_nothing_and_starts_anew() {
    let files = MemoryFiles::new();
    let store = vault(files.clone());
    store.put("a", b"content").unwrap();
    store.wipe().unwrap();
    assert_eq!(files.list().unwrap(), Vec::<String>::new());
    let store = vault(files);
    assert_eq!(store.get("a").unwrap(), None);
    store.put("a", b"new").unwrap();
    assert_eq!(store.get("a").unwrap().unwrap(), b"new");
}

#[test]
fn a_vault_has_a_limit() {
    let store = vault(MemoryFiles::new());
    for at in 0..glacis_dtx::vault::RECORDS_MAX {
        store.put(&format!("r{at}"), b"").unwrap();
    }
    assert!(matches!(store.put("more", b""), Err(VaultError::Limit(_))));
    store.put("r0", b"still").unwrap();
}
